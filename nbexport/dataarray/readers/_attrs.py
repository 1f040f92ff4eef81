"""Attributes that nobody's reader writes and many people do: a pixel size, a unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from nbexport.dataarray._hints import Hints
from nbexport.dataarray._unit import UnknownUnitError, parse_unit
from nbexport.dataarray._vocabulary import PIXEL_SIZE_WORDS, UNIT_KEYS
from nbexport.dataarray.readers._common import SPACE, Dims
from nbexport.model import is_length


def read_plain_attrs(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """Read a pixel size: one number, (z, y, x), or by axis; and a unit beside it."""
    for key, value in da.attrs.items():
        if str(key).lower() not in PIXEL_SIZE_WORDS:
            continue
        sizes = _by_axis(value)
        if sizes:
            hints.scale |= sizes
            hints.used.add(str(key))
    for key in UNIT_KEYS:
        text = da.attrs.get(key)
        if isinstance(text, str):
            # Elsewhere in xarray this is the unit of the values, so it only counts for space
            # where it can be one, and stays an attribute where it can't.
            if _is_length_text(text):
                hints.units |= dict.fromkeys(SPACE, text)
                hints.used.add(key)
        elif isinstance(text, Mapping):
            hints.units |= {str(k).lower(): str(v) for k, v in text.items()}
            hints.used.add(key)


def _by_axis(value: Any) -> dict[str, float]:
    """Return a pixel size by axis from one number, (z, y, x), (y, x), a dict or bioio's tuple."""
    if all(hasattr(value, name) for name in "ZYX"):
        value = {name: getattr(value, name) for name in "ZYX"}
    if isinstance(value, Mapping):
        pairs = [(str(k).lower(), v) for k, v in value.items()]
    elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
        pairs = [("y", value), ("x", value)]
    elif isinstance(value, list | tuple | np.ndarray) and getattr(value, "shape", True) != ():
        if len(value) not in (2, 3):
            return {}
        pairs = list(zip(SPACE[-len(value) :], value, strict=True))
    else:
        return {}
    numbers = (int, float, np.number)
    return {
        k: float(v) for k, v in pairs if k in "tzyx" and isinstance(v, numbers) and float(v) > 0
    }


def _is_length_text(text: str) -> bool:
    try:
        return is_length(parse_unit(text))
    except UnknownUnitError:
        return False
