"""Channels: from the caller, the channel coordinate, coords along it, attrs, in this order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import xarray as xr

from nbexport.dataarray._color import default_colors, parse_color
from nbexport.dataarray._hints import Findings, Hints
from nbexport.dataarray._unit import UnknownUnitError, parse_unit, unit_text
from nbexport.dataarray._vocabulary import AXIS_WORDS, CHANNEL_WORDS
from nbexport.errors import ChannelError
from nbexport.model import Channel, convert, is_length, is_time

ChannelWish = Channel | Mapping[str, Any] | str
"""A label, the fields of a channel by name, or a whole Channel."""

_FIELDS: Final = tuple(field.name for field in fields(Channel))
# bioio's readers put OME ids where they find no names.
_PLACEHOLDER: Final = re.compile(r"Channel:\d+:\d+")
_WORD_TO_FIELD: Final = {word: name for name, words in CHANNEL_WORDS.items() for word in words}


def read_channels(
    da: xr.DataArray,
    dim: str | None,
    n_channels: int,
    wishes: Sequence[ChannelWish] | None,
    hints: Hints,
    findings: Findings,
) -> tuple[Channel, ...]:
    """Return the channels of `da`, whose channel dim is `dim`, if it has one.

    Raises
    ------
    ChannelError
        If a count, a colour or a window doesn't fit.
    """
    found: list[dict[str, Any]] = [{} for _ in range(n_channels)]
    if len(hints.channels) == n_channels:
        found = [dict(entry) for entry in hints.channels]
    _fill_from_attrs(da, found, hints, findings)
    _fill_from_coords(da, dim, found, hints)
    _fill_from_wishes(wishes, found)
    colors: list[str | None] = []
    for i, entry in enumerate(found):
        with findings.collected():
            colors.append(_color(entry, i))
            continue
        colors.append(None)
    defaults = default_colors([_positive(entry.get("emission_nm")) for entry in found])
    channels = []
    for i, (entry, color) in enumerate(zip(found, colors, strict=True)):
        with findings.collected():
            label = str(entry.get("label", f"channel {i}"))
            channels.append(
                Channel(
                    label=label,
                    color=color or defaults[i],
                    window=_window(entry.get("window"), label),
                    active=bool(entry.get("active", True)),
                    emission_nm=_positive(entry.get("emission_nm")),
                    excitation_nm=_positive(entry.get("excitation_nm")),
                    exposure_s=_positive(entry.get("exposure_s")),
                    fluor=str(entry["fluor"]) if entry.get("fluor") else None,
                )
            )
    return tuple(channels)


def rgb_channels(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """Return `channels` of RGB data, which have colours of their own: shown as they are."""
    return tuple(
        replace(
            channel,
            color="FFFFFF",
            label="RGB" if channel.label.startswith("channel ") else channel.label,
        )
        for channel in channels
    )


def channel_coords(da: xr.DataArray, dim: str | None) -> dict[str, tuple[str, xr.DataArray]]:
    """Return coords that describe channels: name to (channel field, coordinate).

    These run along `dim`, or are scalars where there is one channel; the channel dim's own
    coordinate is not among them.
    """
    found = {}
    for key, coord in da.coords.items():
        name = str(key)
        along = coord.dims == (dim,) if dim is not None else False
        alone = coord.ndim == 0 and (dim is None or da.sizes[dim] == 1)
        if name == dim or not (along or alone):
            continue
        if name.lower() in _WORD_TO_FIELD:
            found[name] = (_WORD_TO_FIELD[name.lower()], coord)
        elif name.lower() in AXIS_WORDS["c"] and dim is None:
            found[name] = ("label", coord)
    return found


def _fill_from_attrs(
    da: xr.DataArray, found: list[dict[str, Any]], hints: Hints, findings: Findings
) -> None:
    for key, value in da.attrs.items():
        field = _WORD_TO_FIELD.get(str(key).lower())
        if field is None or value is None:
            continue
        per_channel = _one_each(value, len(found), field)
        if per_channel is None:
            if isinstance(value, list | tuple):
                findings.losses.append(
                    f"attrs[{key!r}] has {len(value)} entries for {len(found)} channels and was "
                    "not used; give one each, or pass channels=[…]"
                )
            continue
        hints.used.add(str(key))
        for entry, one in zip(found, per_channel, strict=True):
            entry[field] = one


def _one_each(value: Any, n_channels: int, field: str) -> list[Any] | None:
    """Return `value` as a list of one item a channel, or None where it doesn't fit."""
    value = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    single = isinstance(value, str) or not isinstance(value, Sequence | np.ndarray)
    if n_channels == 1 and field in ("color", "window") and not single:
        nested = len(value) == 1 and not isinstance(value[0], int | float)
        return [value[0] if nested else value]
    if single:
        return [value] if n_channels == 1 else None
    return list(value) if len(value) == n_channels else None


def _fill_from_coords(
    da: xr.DataArray, dim: str | None, found: list[dict[str, Any]], hints: Hints
) -> None:
    if dim is not None and dim in da.coords:
        _fill_labels(da.coords[dim], found, hints)
    for field, coord in channel_coords(da, dim).values():
        values = np.atleast_1d(_plain(coord))
        unit = unit_text(coord)
        if field == "label" and values.dtype.kind in "iuf":
            _fill_labels(coord, found, hints)
            continue
        for entry, value in zip(found, values, strict=True):
            plain = value.item() if isinstance(value, np.generic) else value
            entry[field] = _converted(plain, field, unit)


def _fill_labels(coord: xr.DataArray, found: list[dict[str, Any]], hints: Hints) -> None:
    """Take labels from the channel coordinate; numbers in nm are emission wavelengths too."""
    values = np.atleast_1d(_plain(coord))
    if values.dtype.kind in "iuf":
        unit = unit_text(coord) or hints.units.get("c")
        length = None
        with suppress(UnknownUnitError):
            length = parse_unit(unit) if unit else None
        named = all(entry.get("label") for entry in found)
        for entry, value in zip(found, values, strict=True):
            if length is not None and is_length(length):
                entry["emission_nm"] = convert(float(value), length, "nanometer")
                entry.setdefault("label", f"{entry['emission_nm']:g}")
            elif not named:
                entry["label"] = f"{value:g}"
        return
    for entry, value in zip(found, values, strict=True):
        if not _PLACEHOLDER.fullmatch(str(value)):
            entry["label"] = str(value)


def _fill_from_wishes(wishes: Sequence[ChannelWish] | None, found: list[dict[str, Any]]) -> None:
    if wishes is None:
        return
    if isinstance(wishes, str | Mapping) or not isinstance(wishes, Sequence):
        raise ChannelError(
            f"channels={wishes!r} is not a list; give one name or dict a channel, "
            "for example channels=['DAPI', {'label': 'GFP', 'color': 'green'}]"
        )
    if len(wishes) != len(found):
        raise ChannelError(
            f"channels has {len(wishes)} entries, the data have {len(found)} channels; "
            "give one each"
        )
    for wish, entry in zip(wishes, found, strict=True):
        if isinstance(wish, Channel):
            entry.clear()
            entry.update({name: getattr(wish, name) for name in _FIELDS})
        elif isinstance(wish, Mapping):
            unknown = [key for key in wish if key not in _FIELDS]
            if unknown:
                raise ChannelError(
                    f"channels has the key {unknown[0]!r}; known keys are {', '.join(_FIELDS)}"
                )
            entry.update(wish)
        else:
            entry["label"] = str(wish)


def _color(entry: dict[str, Any], index: int) -> str | None:
    value = entry.get("color")
    if value is None:
        return None
    try:
        return parse_color(value)
    except (ValueError, TypeError, OverflowError):
        raise ChannelError(
            f"color {value!r} of channel {index} is not a colour; give '#00FF00', 'green', "
            "(0, 255, 0) or 0x00FF00"
        ) from None


def _window(value: Any, label: str) -> tuple[float, float] | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = (value.get("start"), value.get("end"))
    try:
        start, end = (float(v) for v in value)
    except (TypeError, ValueError, OverflowError):
        raise ChannelError(
            f"window {value!r} of channel {label!r} is not (start, end); give two numbers"
        ) from None
    return start, end


def _converted(value: Any, field: str, unit: str | None) -> Any:
    """Return a coordinate's value in the unit of `field`: nanometres or seconds."""
    if unit is None or not isinstance(value, int | float):
        return value
    try:
        name = parse_unit(unit)
    except UnknownUnitError:
        return value
    if field.endswith("_nm") and name is not None and is_length(name):
        return convert(float(value), name, "nanometer")
    if field.endswith("_s") and name is not None and is_time(name):
        return convert(float(value), name, "second")
    return value


def _positive(value: Any) -> float | None:
    """Return `value` as a float, or None where it is no wavelength or time."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _plain(coord: xr.DataArray) -> np.ndarray[Any, Any]:
    data = coord.variable.data
    return np.asarray(getattr(data, "magnitude", data))
