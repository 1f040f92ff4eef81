"""What tifffile is told of the pages of a level, and how large a file can become."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, Final

import numpy as np

from nbexport._version import __version__
from nbexport.model import Axis, convert, is_length
from nbexport.plan import Level, PyramidPlan
from nbexport.stores.ome_tiff._codec import Compression

# Classic TIFF addresses 2**32 bytes. An IFD takes a few hundred bytes and a tile 8 (its offset and
# its size); the estimate takes pixels as incompressible, so a file that is not BigTIFF can't
# outgrow its offsets.
CLASSIC_NBYTES: Final = 2**32
_IFD_NBYTES: Final = 1024
_TILE_NBYTES: Final = 16
# JPEG 2000 and JPEG XL, as any codec, may add to what they can't compress; JPEG has headers.
_GROWTH: Final = 1.05
_TILE_HEADER_NBYTES: Final = 1024


def pages_of(plan: PyramidPlan, level: Level, compression: Compression) -> dict[str, Any]:
    """Return the keyword arguments of TiffWriter.write for one level."""
    image = plan.image
    sizes = dict(zip(image.dims, level.shape, strict=True))
    tile = dict(zip(image.dims, level.chunks, strict=True))
    shape = [sizes.get(name, 1) for name in "tczyx"]
    options: dict[str, Any] = {
        "dtype": np.dtype(image.dtype),
        "photometric": "rgb" if "s" in sizes else "minisblack",
        "metadata": None,
        "software": f"nbexport {__version__}",
        "tile": (tile["y"], tile["x"]),
        **_resolution(level.axes),
    }
    if "s" in sizes:
        shape.append(sizes["s"])
        options["planarconfig"] = "contig"
        if sizes["s"] == 4:
            options["extrasamples"] = ["unassalpha"]
    if compression.codec.tiff is not None:
        options["compression"] = compression.codec.tiff
        options["predictor"] = compression.differences(image.dtype)
    return {**options, "shape": tuple(shape)}


def needs_bigtiff(plans: Iterable[PyramidPlan], description: bytes) -> bool:
    """Return whether a file of `plans` could outgrow the offsets of classic TIFF."""
    return len(description) + sum(map(_largest_nbytes, plans)) >= CLASSIC_NBYTES


def _largest_nbytes(plan: PyramidPlan) -> int:
    """Return a safe upper bound of the bytes of `plan` in a file, without OME-XML."""
    itemsize = np.dtype(plan.image.dtype).itemsize
    total = 0
    for level in plan.levels:
        n_pages = prod(
            a.size for a, name in zip(level.axes, plan.image.dims, strict=True) if name in "tcz"
        )
        # Tiles are padded.
        tile = prod(level.chunks) * itemsize * _GROWTH + _TILE_HEADER_NBYTES + _TILE_NBYTES
        total += int(level.n_chunks * tile) + n_pages * _IFD_NBYTES
    return total


def _resolution(axes: tuple[Axis, ...]) -> dict[str, Any]:
    """Return the resolution tags: pixels a centimetre, for readers that don't know OME-XML."""
    by_name = {axis.name: axis for axis in axes}
    x, y = by_name["x"], by_name["y"]
    if not all(a.calibrated and a.unit is not None and is_length(a.unit) for a in (x, y)):
        return {}
    per_cm = []
    for axis in (x, y):
        assert axis.unit is not None
        pixels = 1 / convert(axis.scale, axis.unit, "centimeter")
        if not 1e-4 < pixels < 4e9:  # a TIFF rational is two 32-bit integers
            return {}
        per_cm.append(pixels)
    return {"resolution": tuple(per_cm), "resolutionunit": "CENTIMETER"}
