"""What attrs and coords say beside axes and channels: a date, and everything else as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from os import PathLike, fspath
from typing import Any, Final

import numpy as np
import xarray as xr

from nbexport.dataarray._channels import channel_coords
from nbexport.dataarray._hints import Findings, Hints
from nbexport.dataarray._vocabulary import ACQUIRED_WORDS

# A megabyte of text belongs into a file of its own, not into the header of an image.
_MAX_ATTRIBUTE_LENGTH: Final = 2**20


def read_acquired(da: xr.DataArray, hints: Hints) -> str | None:
    """Return the date of the recording from attrs or scalar coords, as ISO 8601."""
    scalars = {str(k): c.values[()] for k, c in da.coords.items() if c.ndim == 0}
    for key, value in ({str(k): v for k, v in da.attrs.items()} | scalars).items():
        if key.lower() in ACQUIRED_WORDS or isinstance(value, np.datetime64 | datetime):
            date = _iso_date(value)
            if date is not None:
                hints.used.add(key)
                return date
    return None


def _iso_date(value: Any) -> str | None:
    if isinstance(value, np.datetime64) and not np.isnat(value):
        return str(np.datetime_as_string(value, unit="ms"))
    try:
        date = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return date.isoformat() if isinstance(date, datetime) else None


def read_attributes(
    da: xr.DataArray,
    channel_dim: str | None,
    matched: Mapping[str, str],
    hints: Hints,
    findings: Findings,
) -> tuple[tuple[str, str], ...]:
    """Return attrs and coords that have no field of their own, as JSON texts."""
    pairs: dict[str, Any] = {str(k): v for k, v in da.attrs.items() if str(k) not in hints.used}
    understood = set(channel_coords(da, channel_dim)) | hints.used
    for key, coord in da.coords.items():
        if key in matched or str(key) in understood or str(key) in pairs:
            continue
        data = coord.variable.data
        pairs[str(key)] = np.asarray(getattr(data, "magnitude", data))
    texts = []
    for key, value in pairs.items():
        try:
            text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError):
            findings.losses.append(
                f"attribute {key!r} is a {type(value).__name__} that JSON can't hold; "
                "it was left out"
            )
            continue
        if len(text) > _MAX_ATTRIBUTE_LENGTH:
            findings.losses.append(
                f"attribute {key!r} is {len(text)} characters long as JSON; it was left out"
            )
            continue
        texts.append((key, text))
    return tuple(texts)


def _plain(value: Any) -> Any:
    """Return `value` as what JSON knows, or raise TypeError."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "mM":
            return value.astype(str).tolist()
        return value.tolist()
    if isinstance(value, np.datetime64 | np.timedelta64):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, PathLike):
        return fspath(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    raise TypeError(type(value).__name__)
