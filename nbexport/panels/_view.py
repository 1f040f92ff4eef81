"""Fetching planes beside the kernel's main thread: the newest request wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final

from nbexport.panels._planes import Request

# How long the newest request waits for the first, second, third … answer before it gets a thread
# of its own. Growing: a slider that is dragged over slow planes must not use them all up at once.
PATIENCE_S: Final = (0.0, 0.2, 0.8, 3.2)


class Fetcher:
    """Answers requests on a few threads; of each view only the newest.

    One thread is enough as long as answers are quick. While it waits for a chunk that takes long
    and that nobody wants to see any more, others answer what came since.

    Parameters
    ----------
    answer
        Called with a request and a function that says whether a newer one came. It handles its
        own exceptions: nobody would see them.
    """

    def __init__(self, answer: Callable[[Request, Callable[[], bool]], None]) -> None:
        self._answer = answer
        self._wanted: dict[str, Request] = {}
        self._newest: dict[str, Request] = {}
        self._lock = threading.Lock()
        self._n_running = 0
        self._began = 0.0  # the last answer
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def ask(self, request: Request) -> None:
        """Answer `request` soon, unless a newer one of its view comes first."""
        with self._lock:
            if not self._is_closed:
                self._wanted[request.view] = self._newest[request.view] = request
                self._hire()

    def close(self) -> None:
        """Answer nothing any more; what is being computed is stale."""
        with self._lock:
            self._is_closed = True
            self._wanted.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _hire(self) -> None:
        """Start another thread where the last answer takes too long; the lock is held."""
        if not self._wanted or self._timer is not None or self._n_running == len(PATIENCE_S):
            return
        left = PATIENCE_S[self._n_running] - (monotonic() - self._began)
        # No thread waits while nobody looks, and none keeps the interpreter from ending.
        if self._n_running == 0 or left <= 0:
            self._n_running += 1
            self._began = monotonic()
            thread = threading.Thread(target=self._work, name="nbexport-panel-view", daemon=True)
            thread.start()
        else:
            self._timer = threading.Timer(left, self._look_again)
            self._timer.name, self._timer.daemon = "nbexport-panel-patience", True
            self._timer.start()

    def _look_again(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._timer = None
                self._hire()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._n_running -= 1
                    return
                request = self._wanted.pop(next(iter(self._wanted)))
                self._began = monotonic()
            self._answer(request, partial(self._is_stale, request))

    def _is_stale(self, request: Request) -> bool:
        with self._lock:
            return self._is_closed or self._newest[request.view] is not request
