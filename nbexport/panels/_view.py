"""Fetching planes beside the kernel's main thread: the newest request wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from nbexport.panels._planes import Request


class Fetcher:
    """Answers requests on one thread, one after the other; of each view only the newest.

    Parameters
    ----------
    answer
        Called with a request and a function that says whether a newer one came. It handles its
        own exceptions: nobody would see them.
    """

    def __init__(self, answer: Callable[[Request, Callable[[], bool]], None]) -> None:
        self._answer = answer
        self._wanted: dict[str, Request] = {}
        self._lock = threading.Lock()
        self._running = False

    def ask(self, request: Request) -> None:
        """Answer `request` soon, unless a newer one of its view comes first."""
        with self._lock:
            self._wanted[request.view] = request
            if self._running:
                return
            self._running = True
        # No thread waits while nobody looks, and none keeps the interpreter from ending.
        threading.Thread(target=self._work, name="nbexport-panel-view", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._running = False
                    return
                request = self._wanted.pop(next(iter(self._wanted)))
            self._answer(request, partial(self._is_stale, request.view))

    def _is_stale(self, view: str) -> bool:
        with self._lock:
            return view in self._wanted
