"""Pixel types: changed only where nothing is lost, and never silently."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nbexport.errors import DtypeError


def cast_block(pixels: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Return `pixels` as `dtype`, native byte order; integers are checked to fit.

    Raises
    ------
    DtypeError
        If an integer doesn't fit `dtype`; the text names the first such value.

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
    return pixels.astype(target)
