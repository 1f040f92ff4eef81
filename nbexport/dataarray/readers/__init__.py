"""What the readers people use leave in attrs instead of coords.

Each function knows one reader and looks for marks that only this reader leaves; what was found on
real files is said where it is used. All values are duck-typed: no reader is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, Final

import xarray as xr

from nbexport.dataarray._color import parse_color
from nbexport.dataarray._hints import Hints
from nbexport.dataarray.readers._attrs import read_plain_attrs
from nbexport.dataarray.readers._bioio import read_bioio_czi, read_bioio_imagej, read_bioio_zarr
from nbexport.dataarray.readers._common import Dims
from nbexport.dataarray.readers._ome import read_processed_ome
from nbexport.dataarray.readers._ome_text import UnusableOmeError, parse_ome
from nbexport.dataarray.readers._spatialdata import read_spatialdata
from nbexport.dataarray.readers._vendors import read_gohlke, read_liffile, read_nd2

__all__ = ["UnusableOmeError", "parse_ome", "read_hints"]

# Later ones override: an OME object says more than the tags beside it.
_READERS: Final[tuple[Callable[[xr.DataArray, Dims, Hints], None], ...]] = (
    read_plain_attrs,
    read_bioio_zarr,
    read_bioio_imagej,
    read_bioio_czi,
    read_nd2,
    read_gohlke,
    read_liffile,
    read_spatialdata,
    read_processed_ome,
)


def read_hints(da: xr.DataArray, axis_dims: Dims) -> Hints:
    """Return what the attrs of `da` say, by the conventions of the reader that made it."""
    hints = Hints()
    for reader in _READERS:
        reader(da, axis_dims, hints)
    _drop_impossible(hints)
    return hints


def _drop_impossible(hints: Hints) -> None:
    """Drop what a file says and nothing can mean: a broken file is not the caller's mistake."""
    for axis, size in list(hints.scale.items()):
        if not (isfinite(size) and size > 0):
            hints.notes.append(f"the metadata gives {axis} the size {size}, which was ignored")
            del hints.scale[axis]
    hints.translation = {axis: v for axis, v in hints.translation.items() if isfinite(v)}
    for entry in hints.channels:
        for field, usable in (("color", _is_color), ("window", _is_window)):
            if field in entry and not usable(entry[field]):
                hints.notes.append(f"the metadata has the {field} {entry[field]!r}; it was ignored")
                del entry[field]


def _is_color(value: Any) -> bool:
    try:
        parse_color(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _is_window(value: Any) -> bool:
    try:
        return bool(float(value["start"]) < float(value["end"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
