"""The tiles of an OME-TIFF: their checksums, and how tifffile reads them back."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tifffile import TiffFile

from nbexport.errors import VerifyError
from nbexport.metadata import plane_order
from nbexport.plan import Box, PyramidPlan
from nbexport.stores._progress import Progress
from nbexport.stores._verify import (
    Check,
    Checksums,
    Unit,
    VerifyOption,
    check_all,
    unit_sums,
    verified_note,
)
from nbexport.stores.engine import Put
from nbexport.stores.ome_tiff._codec import Compression

Array = npt.NDArray[Any]

_ENCODED = threading.local()


class TiffSums:
    """Takes the checksums of tiles on their way, and compares them with those of the file.

    Where the compression changes pixels, they are those of the encoded bytes.

    Parameters
    ----------
    compression
        How tiles are encoded.
    """

    def __init__(self, compression: Compression) -> None:
        self._by_bytes = compression.loses
        self.compression: Compression = compression
        """The same, listened to where bytes are compared."""
        if compression.loses:
            self.compression = _Heard(
                name=compression.name, level=compression.level, predictor=compression.predictor
            )
        self._images: list[tuple[PyramidPlan, Checksums]] = []

    def listening(self, plan: PyramidPlan, put: Put[Any]) -> Put[Any]:
        """Return `put` of the next image, with its checksums taken."""
        sums = Checksums(plan, [level.chunks for level in plan.levels])
        self._images.append((plan, sums))

        def listened(level: int, box: Box, pixels: Array) -> Any:
            _ENCODED.sums = []
            result = put(level, box, pixels)
            found = _ENCODED.sums if self._by_bytes else None
            sums.add([(level, box, tuple(found or unit_sums(pixels, plan.levels[level].chunks)))])
            return result

        return listened

    def check(
        self,
        path: Path,
        target: str,
        option: VerifyOption,
        n_threads: int,
        report: Callable[[Progress], object],
    ) -> str:
        """Read the file at `path` and return what a report says.

        Raises
        ------
        VerifyError
            If it is not what was written.
        """
        with ExitStack() as stack:
            try:
                tiff = stack.enter_context(TiffFile(path))
                pages = [[list(level.pages) for level in series.levels] for series in tiff.series]
            except Exception as error:
                raise VerifyError(
                    f"'{target}' can't be opened again ({str(error).rstrip('.')}), so it was not "
                    "published; look at the disk, and export again"
                ) from error
            lock = threading.Lock()
            checks = [
                Check(
                    plan=plan,
                    units=sums.units(option),
                    read=_Read(tiff, pages[i : i + 1], plan, lock, by_bytes=self._by_bytes),
                    of=f"image {plan.image.name!r} of " if len(self._images) > 1 else "",
                )
                for i, (plan, sums) in enumerate(self._images)
            ]
            n_read = check_all(checks, target, n_threads, report)
        return verified_note(n_read, sum(sums.n_units for _, sums in self._images), "tiles")


class _Heard(Compression):
    """A compression that says the checksums of what it encodes, thread by thread."""

    def encode(self, tile: Array) -> bytes:
        encoded = super().encode(tile)
        _ENCODED.sums.append(zlib.crc32(encoded))
        return encoded


class _Read:
    """Reads the tiles of one image.

    Parameters
    ----------
    tiff
        The file.
    image
        The pages of the image by level, or nothing where the file has fewer images.
    plan
        What was written.
    lock
        For the file's position.
    by_bytes
        Return encoded bytes.
    """

    def __init__(
        self,
        tiff: TiffFile,
        image: Sequence[list[list[Any]]],
        plan: PyramidPlan,
        lock: threading.Lock,
        *,
        by_bytes: bool,
    ) -> None:
        self._file = tiff.filehandle
        self._image = image
        self._plan = plan
        self._lock = lock
        self._by_bytes = by_bytes
        self._order = [n for n in plane_order(plan.image) if n in plan.image.dims]

    def __call__(self, unit: Unit) -> Array:
        level, dims = self._plan.levels[unit.level], self._plan.image.dims
        start = {name: a for name, (a, _) in zip(dims, unit.box, strict=True)}
        sizes = dict(zip(dims, level.shape, strict=True))
        tile = dict(zip(dims, level.chunks, strict=True))
        ifd = 0
        for name in self._order:
            ifd = ifd * sizes[name] + start[name]
        index = start["y"] // tile["y"] * -(-sizes["x"] // tile["x"]) + start["x"] // tile["x"]
        page = self._image[0][unit.level][ifd]
        nbytes = page.databytecounts[index]
        with self._lock:
            self._file.seek(page.dataoffsets[index])
            encoded = self._file.read(nbytes)
        if len(encoded) < nbytes:
            raise EOFError("the file ends before it")
        if self._by_bytes:
            return np.frombuffer(encoded, "uint8")
        decoded = page.keyframe.decode(encoded, index, jpegtables=page.jpegtables)[0]
        height, width = (stop - a for a, stop in _edges(unit, dims))
        return np.asarray(decoded[0, :height, :width])


def _edges(unit: Unit, dims: Sequence[str]) -> list[tuple[int, int]]:
    by_name = dict(zip(dims, unit.box, strict=True))
    return [by_name["y"], by_name["x"]]
