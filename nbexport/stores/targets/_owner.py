"""The process that an unfinished export belongs to, and whether it still runs."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process of some machine.

    Attributes
    ----------
    host, pid
        Of which machine, and its number there.
    started
        When it was started, in the machine's own count, so that a number that is given out again
        is not taken for it; None where this is not known.
    boot
        What the system calls the time since it was started; None where it has no name for it.
    """

    host: str
    pid: int
    started: int | None
    boot: str | None = None

    @classmethod
    def this(cls) -> Owner:
        """Return this process."""
        pid = os.getpid()
        return cls(host=socket.gethostname(), pid=pid, started=_started(pid), boot=_boot())

    @classmethod
    def read(cls, text: str | bytes) -> Owner | None:
        """Return what :meth:`text` wrote; None where it was not written to its end."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return None

    def text(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def is_of_earlier_boot(self) -> bool:
        """Whether its machine, this one, was surely restarted since."""
        return self.is_here and None not in (self.boot, _boot()) and self.boot != _boot()

    @property
    def runs(self) -> bool | None:
        """Whether it still runs; None: of another machine, nothing is known."""
        if not self.is_here:
            return None
        if self.is_of_earlier_boot or not _exists(self.pid):
            return False
        started = _started(self.pid)
        return started is None or self.started is None or started == self.started


def restarted_since(moment: float) -> bool:
    """Return whether this machine was started after `moment`, in seconds since 1970.

    Where a machine sleeps and does not count the time, it says so too early rather than too late.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    up = time.monotonic() if clock is None else time.clock_gettime(clock)
    return moment < time.time() - up


def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _started(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        # Field 22; the second is a name in parentheses that may hold anything.
        return int(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _exists(pid: int) -> bool:
    if os.name == "nt":
        import ctypes

        kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined, unused-ignore]
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if handle:
            kernel.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
