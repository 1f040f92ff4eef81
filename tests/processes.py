"""What a job and all the processes below it use, while it runs."""

from __future__ import annotations

import threading

import psutil

_SECONDS = 0.05


class Usage:
    """Memory and processor time of the processes that this one starts inside the block.

    Attributes
    ----------
    nbytes
        The highest sum of their resident memory; pages that two of them share count twice.
    seconds
        Processor time of all of them.
    """

    def __init__(self):
        self.nbytes = 0
        self._times: dict[psutil.Process, float] = {}

    def __enter__(self):
        self._others = set(psutil.Process().children(recursive=True))
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        return self

    def __exit__(self, *error):
        self._done.set()
        self._watch.join()

    @property
    def seconds(self) -> float:
        return sum(self._times.values())

    def _look(self):
        me = psutil.Process()
        while not self._done.wait(_SECONDS):
            nbytes = 0
            for process in me.children(recursive=True):
                if process in self._others:
                    continue
                try:
                    with process.oneshot():
                        nbytes += process.memory_info().rss
                        times = process.cpu_times()
                except psutil.Error:  # it ended between being listed and being asked
                    continue
                self._times[process] = times.user + times.system
            self.nbytes = max(self.nbytes, nbytes)
