"""Ctrl-C and a kernel's interrupt, between threads that wait for each other."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from typing import Any, Final

# An interrupt is answered within a second: threads get this long to finish the unit they write
# before the partial export is removed. What still computes then finds that it was cancelled, and
# writes nothing.
GRACE_S: Final = 0.7
# How long an interrupt may be held. A wait without a timeout can't be interrupted on Windows.
POLL_S: Final = 0.2


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Have an interrupt wait until the block ends, where it would raise KeyboardInterrupt.

    Futures, conditions and events are Python code: an interrupt inside of it can leave a lock
    taken for good, and the threads of the export, or their end, hang on it. A block may take
    `POLL_S`. Another thread than the main one is never interrupted, and a handler of the user's
    own is left alone.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if came:
            raise KeyboardInterrupt


def some_done(futures: Collection[Future[Any]], seconds: float = POLL_S) -> set[Future[Any]]:
    """Wait until one is done, or the time is over, and return those that are."""
    with interrupts_held():
        return wait(futures, timeout=seconds, return_when=FIRST_COMPLETED).done
