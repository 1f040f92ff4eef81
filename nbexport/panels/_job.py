"""One export on a thread of its own: progress, cancel, the report or the error."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

import xarray as xr

from nbexport.errors import ExportCancelled, LossWarning
from nbexport.panels._code import Call
from nbexport.stores import Progress, WriteReport

# Often enough to look alive, seldom enough not to slow small blocks down.
_TELL_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How far a running export is.

    Attributes
    ----------
    done, total
        Blocks, or frames.
    nbytes_per_second
        Of source pixels.
    seconds_left
        Estimated from what is done; None at first.
    """

    done: int
    total: int
    nbytes_per_second: float
    seconds_left: float | None


class Job:
    """One export that runs.

    Parameters
    ----------
    call
        What to do.
    da
        The array to write.
    tell
        Called with a Pace while it runs.
    ended
        Called once, with nothing, when it is over; `report` or `error` is set then.
    """

    def __init__(
        self,
        call: Call,
        da: xr.DataArray,
        *,
        tell: Callable[[Pace], object],
        ended: Callable[[Job], object],
    ) -> None:
        self.call = call
        self.report: WriteReport | None = None
        self.error: BaseException | None = None
        self._da = da
        self._tell = tell
        self._ended = ended
        self._cancel = threading.Event()
        self._start = self._told = monotonic()
        # Not a daemon: leaving Python waits for the file to be complete.
        self._thread = threading.Thread(target=self._run, name="nbexport-panel-export")

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop it before its next block; nothing is left at the target."""
        self._cancel.set()

    def join(self) -> None:
        """Wait until it is over, whatever comes of it."""
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def wait(self) -> WriteReport:
        """Return the report when it is over, or raise what stopped it."""
        try:
            while self._thread.is_alive():
                self._thread.join(0.2)  # a wait without a timeout can't be interrupted on Windows
        except KeyboardInterrupt:
            self.cancel()
            self._thread.join()
            raise
        if self.error is not None:
            raise self.error
        assert self.report is not None
        return self.report

    @property
    def is_running(self) -> bool:
        """Whether it is not over."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            with warnings.catch_warnings():
                # The report names every loss; a warning on this thread would end in a log.
                warnings.simplefilter("ignore", LossWarning)
                self.report = self.call.run(self._da, self._progress)
        except BaseException as error:  # whoever waits raises it, the panel shows it
            self.error = error
        self._ended(self)

    def _progress(self, progress: Progress) -> None:
        if self._cancel.is_set():
            raise ExportCancelled("the export was stopped; nothing was left at the target")
        now = monotonic()
        if now - self._told < _TELL_S and progress.done < progress.total:
            return
        self._told = now
        seconds = max(now - self._start, 1e-6)
        left = seconds / progress.done * (progress.total - progress.done) if progress.done else None
        self._tell(
            Pace(
                done=progress.done,
                total=progress.total,
                nbytes_per_second=progress.nbytes / seconds,
                seconds_left=left,
            )
        )
