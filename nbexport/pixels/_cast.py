"""Pixel types: changed only where nothing is lost, and never silently."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nbexport.errors import DtypeError

# Kinds of numbers that no pixel of the other kind holds.
_LOST: Final = {"i": "fc", "u": "fc", "f": "c"}


def cast_block(pixels: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Return `pixels` as `dtype`, native byte order; integers are checked to fit.

    Raises
    ------
    DtypeError
        If an integer doesn't fit `dtype`, the text names the first such value; or if floats came
        where integers, or complex numbers where floats were announced.

    Examples
    --------
    >>> cast_block(np.array([True, False]), "uint8")
    array([1, 0], dtype=uint8)
    """
    target = np.dtype(dtype)
    if pixels.dtype == target and pixels.dtype.isnative:
        return pixels
    if target.kind in "iu" and pixels.dtype.kind in "iu":
        info = np.iinfo(target)
        wrong = (pixels < info.min) | (pixels > info.max)
        if wrong.any():
            value = pixels[wrong].flat[0]
            raise DtypeError(
                f"pixel value {value} does not fit {dtype}, the widest integer type that OME-TIFF "
                "has for these data; write an OME-Zarr, or relabel or rescale them and cast with "
                "da.astype('uint32') or da.astype('float64')"
            )
    if pixels.dtype.kind in _LOST.get(target.kind, ""):
        raise DtypeError(
            f"the pixels came as {pixels.dtype.name}, and {dtype} was announced, which would cut "
            "their values; say the true dtype where this DataArray is made (map_blocks(dtype=…)), "
            "or cast it with da.astype"
        )
    return pixels.astype(target)
