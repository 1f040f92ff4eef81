"""What several readers need: names of things, and channels picked by name."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import numpy as np
import xarray as xr

from nbexport.dataarray._hints import Hints

Dims = Mapping[str, str]
"""Axis name to dim."""

SPACE: Final = "zyx"


def picked(
    entries: list[dict[str, Any]], da: xr.DataArray, axis_dims: Dims
) -> list[dict[str, Any]]:
    """Return the entries of the channels in `da`, less what is None."""
    dim = axis_dims.get("c", "C")
    labels = []
    if dim in da.coords and da.coords[dim].dtype.kind in "UO":
        labels = [str(v) for v in np.atleast_1d(da.coords[dim].values)]
    known = [{k: v for k, v in entry.items() if v is not None} for entry in entries]
    return pick_channels(known, [str(entry.get("label")) for entry in known], labels)


def pick_channels(
    entries: list[dict[str, Any]], keys: list[str], labels: list[str]
) -> list[dict[str, Any]]:
    """Return the entries, called `keys`, that stand for the channels called `labels`.

    A DataArray may hold some of the channels of its file; their names then say which.
    """
    by_key = dict(zip(keys, entries, strict=True))
    if len(by_key) == len(entries) and labels and all(label in by_key for label in labels):
        return [by_key[label] for label in labels]
    return entries


def note_composite(dim: str, hints: Hints) -> None:
    """Say that ImageJ keeps three channels as samples: nothing else tells them from RGB."""
    hints.notes.append(
        "ImageJ shows the samples of this file as channels; if that is what they are, "
        f"pass dims={{{dim!r}: 'c'}}"
    )


def zeiss_color(text: Any) -> Any:
    """Return a colour of a CZI, ``#AARRGGBB``, without its alpha."""
    return f"#{text[3:]}" if isinstance(text, str) and len(text) == 9 else text


def as_float(text: Any) -> float | None:
    try:
        number = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None
