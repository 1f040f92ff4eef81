"""What was written is read back, and compared by checksums taken from the pixels on their way."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from nbexport.errors import VerifyError
from nbexport.plan import Box, PyramidPlan
from nbexport.stores._interrupts import interrupts_held, some_done
from nbexport.stores._progress import Progress
from nbexport.stores.targets import UnitSums

Array = npt.NDArray[Any]
VerifyOption = bool | Literal["sample"]
"""True: every write unit is read back; "sample": some of each level; False: none."""

# Of each level, evenly spread; the first and the last among them.
_N_SAMPLED: Final = 32
_MIB: Final = 2**20


def checksum(pixels: Array) -> int:
    """Return the CRC-32 of pixels in the order of their axes, in the machine's byte order.

    Of what Python brings along, the fastest that is no plain sum: 2.5 GB/s.
    """
    return zlib.crc32(np.ascontiguousarray(pixels).data)


def unit_sums(pixels: Array, unit: Sequence[int]) -> tuple[int, ...]:
    """Return the checksums of the write units of a box, which begins with one; last axis fastest.

    Examples
    --------
    >>> len(unit_sums(np.zeros((10, 8)), (4, 8)))
    3
    """
    starts = [range(0, n, u) for n, u in zip(pixels.shape, unit, strict=True)]
    return tuple(
        checksum(pixels[tuple(slice(a, a + u) for a, u in zip(start, unit, strict=True))])
        for start in product(*starts)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A write unit to read back."""

    level: int
    box: Box
    checksum: int


class Checksums:
    """The checksums of one image, by level and place.

    Parameters
    ----------
    plan
        What is written.
    units
        Shape of what is summed, by level; None: the write units.
    """

    def __init__(self, plan: PyramidPlan, units: Sequence[tuple[int, ...]] | None = None) -> None:
        self._plan = plan
        self._units = units or [level.write_unit for level in plan.levels]
        self._sums = [
            np.zeros([-(-n // u) for n, u in zip(level.shape, unit, strict=True)], "uint32")
            for level, unit in zip(plan.levels, self._units, strict=True)
        ]
        self._known = [np.zeros(sums.shape, bool) for sums in self._sums]

    @property
    def n_units(self) -> int:
        """Write units of all levels."""
        return sum(sums.size for sums in self._sums)

    def add(self, found: Iterable[UnitSums | None]) -> None:
        """Remember the checksums of written boxes."""
        for one in found:
            if one is None:
                continue
            level, box, sums = one
            unit = self._units[level]
            place = tuple(slice(a // u, -(-b // u)) for (a, b), u in zip(box, unit, strict=True))
            grid = self._sums[level][place]
            self._sums[level][place] = np.array(sums, "uint32").reshape(grid.shape)
            self._known[level][place] = True

    def units(self, option: VerifyOption) -> Iterator[Unit]:
        """Yield the write units to read back, of those whose checksum is known."""
        for level, (sums, known) in enumerate(zip(self._sums, self._known, strict=True)):
            places = np.flatnonzero(known)
            if option == "sample" and len(places) > _N_SAMPLED:
                places = places[np.linspace(0, len(places) - 1, _N_SAMPLED).round().astype(int)]
            shape, unit = self._plan.levels[level].shape, self._units[level]
            for place in places:
                index = np.unravel_index(place, sums.shape)
                box = tuple(
                    (int(i) * u, min((int(i) + 1) * u, n))
                    for i, u, n in zip(index, unit, shape, strict=True)
                )
                yield Unit(level=level, box=box, checksum=int(sums[index]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The units of one image, and how one is read back.

    Attributes
    ----------
    plan, units
        Of what image, and which.
    read
        Returns the pixels of a unit; raises where there are none.
    of
        What the image is called in a message; empty where it is the only one.
    """

    plan: PyramidPlan
    units: Iterable[Unit]
    read: Callable[[Unit], Array]
    of: str = ""


def check_all(
    checks: Sequence[Check], target: str, n_threads: int, report: Callable[[Progress], object]
) -> int:
    """Read units back and return how many.

    Parameters
    ----------
    checks
        What is read.
    target
        For messages.
    n_threads
        Units read at the same time.
    report
        Called with a Progress that counts MiB of pixels, on the calling thread.

    Raises
    ------
    VerifyError
        At the first unit that is missing, can't be decoded or holds other pixels.
    """
    due = [(check, unit) for check in checks for unit in check.units]
    nbytes = [_nbytes(check.plan, unit.box) for check, unit in due]
    total, done = sum(nbytes), 0
    threads = ThreadPoolExecutor(n_threads, thread_name_prefix="nbexport-verify")
    waiting = iter(zip(due, nbytes, strict=True))
    running: dict[Future[None], int] = {}

    def fill(n: int) -> None:
        with interrupts_held():
            for (check, unit), size in islice(waiting, n):
                running[threads.submit(_check_one, check, unit, target)] = size

    try:
        fill(2 * n_threads)
        while running:
            finished = some_done(running)
            for future in finished:
                done += running.pop(future)
                future.result()
            fill(len(finished))
            if finished:
                what = f"verifying {target.rstrip('/').rsplit('/', 1)[-1]}"
                report(
                    Progress(done=-(-done // _MIB), total=-(-total // _MIB), nbytes=done, what=what)
                )
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
    return len(due)


def verified_note(n_read: int, n_units: int, units: str = "write units") -> str:
    """Return what a report says."""
    return f"verified {n_read} of {n_units} {units}: read back, they hold what was written"


def _check_one(check: Check, unit: Unit, target: str) -> None:
    try:
        pixels = check.read(unit)
    except Exception as error:
        what = str(error).strip().rstrip(".") or type(error).__name__
        raise VerifyError(_sentence(check, unit, target, f"can't be read back ({what})")) from error
    if checksum(pixels) != unit.checksum:
        what = "holds other pixels than were written"
        raise VerifyError(_sentence(check, unit, target, what))


def _sentence(check: Check, unit: Unit, target: str, what: str) -> str:
    axes = check.plan.levels[unit.level].axes
    place = ", ".join(
        f"{axis.name} {start}:{stop}" for axis, (start, stop) in zip(axes, unit.box, strict=True)
    )
    return (
        f"level {unit.level} of {check.of}'{target}' {what} at {place}, so it was not published; "
        "look at the disk, the memory or the network in between, and export again"
    )


def _nbytes(plan: PyramidPlan, box: Box) -> int:
    return prod(stop - start for start, stop in box) * np.dtype(plan.image.dtype).itemsize
