"""OME metadata that came with the pixels: bioio's ``attrs["processed"]``, or OME-XML as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from nbexport.dataarray._hints import Hints, bare_numbers, steps_by
from nbexport.dataarray._unit import UnknownUnitError, parse_unit
from nbexport.dataarray.readers._common import pick_channels
from nbexport.dataarray.readers._kept import kept_of
from nbexport.dataarray.readers._ome_text import UnusableOmeError, parse_ome
from nbexport.model import SourceOme, convert, is_length, is_time


def read_processed_ome(da: xr.DataArray, axis_dims: Mapping[str, str], hints: Hints) -> None:
    """Bioio's OME object. Its coords are the numbers of the XML, in the units that it says."""
    found = _find_ome(da, hints)
    if found is None:
        return
    key, ome = found
    _read_ome(ome, da, axis_dims, hints)
    hints.used |= {key, "unprocessed"}
    hints.notes.append(
        f"OME metadata in attrs[{key!r}] was read for pixel sizes, times and channels"
    )


def _find_ome(da: xr.DataArray, hints: Hints) -> tuple[str, Any] | None:
    """Return (key, OME object) of the OME metadata among the attrs, or None."""
    for key, value in da.attrs.items():
        if hasattr(value, "images") and hasattr(value, "to_xml"):
            return str(key), value
        if isinstance(value, str) and "<OME" in value:
            try:
                ome, changes = parse_ome(value)
            except UnusableOmeError as error:
                hints.used.add(str(key))
                hints.losses.append(f"attrs[{key!r}] was left out: {error}")
                continue
            hints.notes += [f"attrs[{key!r}] was mended: {change}" for change in changes]
            return str(key), ome
    return None


def _read_ome(ome: Any, da: xr.DataArray, axis_dims: Mapping[str, str], hints: Hints) -> None:
    """Add to `hints` what the image of `ome` that fits `da` says.

    ome-types fills in defaults, so what the XML really says is told by ``model_fields_set``.
    """
    image = _matching_image(ome, da, axis_dims, hints)
    if image is None:
        return
    pixels = image.pixels
    if image.name:
        hints.name = str(image.name)
    if image.acquisition_date is not None:
        hints.acquired = image.acquisition_date.isoformat()
    for axis in "xyz":
        size = getattr(pixels, f"physical_size_{axis}")
        if size is not None:
            hints.scale[axis] = float(size)
            hints.units[axis] = str(getattr(pixels, f"physical_size_{axis}_unit").value)
    _read_time(pixels, da, axis_dims, hints)
    _read_channels(pixels, da, axis_dims, hints)
    hints.source_ome = SourceOme(
        document=ome,
        index=next(i for i, one in enumerate(ome.images) if one is image),
        kept=kept_of(pixels, da, axis_dims, _keys(pixels), _labels(da, axis_dims)),
    )


def _matching_image(
    ome: Any, da: xr.DataArray, axis_dims: Mapping[str, str], hints: Hints
) -> Any | None:
    """Return the image of the file that `da` shows: nothing in the DataArray names it."""
    if len(ome.images) <= 1:
        return ome.images[0] if ome.images else None
    labels = _labels(da, axis_dims)

    def likeness(image: Any) -> tuple[int, ...]:
        pixels = image.pixels
        sizes = sum(
            getattr(pixels, f"size_{axis}", None) == da.sizes[dim]
            for axis, dim in axis_dims.items()
        )
        keys = [channel.name or channel.id for channel in pixels.channels]
        names = bool(labels) + (keys == labels) if set(labels) <= set(keys) else 0
        steps = 0
        for axis in "xyz":
            values = bare_numbers(da, axis_dims.get(axis, ""))
            if values is not None and len(values) > 1:
                size = getattr(pixels, f"physical_size_{axis}") or 0.0
                steps += bool(np.isclose(abs(values[1] - values[0]), size))
        # Nothing in the DataArray tells but its name, where the user gave it that of the image.
        return bool(da.name) and str(da.name) == image.name, sizes, names, steps

    ranked = sorted(ome.images, key=likeness, reverse=True)
    if likeness(ranked[0]) == likeness(ranked[1]):
        hints.notes.append(
            f"the OME metadata describes {len(ome.images)} images and several fit; "
            f"{ranked[0].name or ranked[0].id!r} was taken; da.rename(…) to another's name tells"
        )
    return ranked[0]


def _read_time(pixels: Any, da: xr.DataArray, axis_dims: Mapping[str, str], hints: Hints) -> None:
    dim = axis_dims.get("t")
    if pixels.time_increment is not None:
        hints.scale["t"] = float(pixels.time_increment)
        hints.units["t"] = str(pixels.time_increment_unit.value)
        return
    first = {p.the_t: p for p in reversed(pixels.planes) if p.delta_t is not None}
    if first:
        hints.units["t"] = str(next(iter(first.values())).delta_t_unit.value)
        if dim is not None and da.sizes[dim] == len(first):
            hints.times = tuple(float(first[t].delta_t) for t in sorted(first))
            if steps_by(da, dim, 0.0):  # bioio-nd2 gives 0 for all frames where it knows no period
                hints.uncalibrated.add("t")
    elif dim is not None and steps_by(da, dim, 1.0):
        # bioio numbers the frames where the file knows no times; that is no time coordinate.
        hints.uncalibrated.add("t")


def _read_channels(
    pixels: Any, da: xr.DataArray, axis_dims: Mapping[str, str], hints: Hints
) -> None:
    entries = []
    for i, channel in enumerate(pixels.channels):
        entry: dict[str, Any] = {"label": channel.name or f"channel {i}"}
        said = channel.model_fields_set
        if "color" in said:
            entry["color"] = channel.color
        if channel.fluor:
            entry["fluor"] = channel.fluor
        for field in ("emission", "excitation"):
            value = getattr(channel, f"{field}_wavelength")
            if value is not None:
                unit = getattr(channel, f"{field}_wavelength_unit").value
                entry[f"{field}_nm"] = _in(float(value), str(unit), "nanometer")
        entries.append(entry)
    for plane in reversed(pixels.planes):
        if plane.exposure_time is not None and plane.the_c < len(entries):
            entries[plane.the_c]["exposure_s"] = _in(
                float(plane.exposure_time), str(plane.exposure_time_unit.value), "second"
            )
    hints.channels = pick_channels(entries, _keys(pixels), _labels(da, axis_dims))


def _keys(pixels: Any) -> list[str]:
    # bioio names a channel without a name by its ID.
    return [str(channel.name or channel.id) for channel in pixels.channels]


def _labels(da: xr.DataArray, axis_dims: Mapping[str, str]) -> list[str]:
    key = axis_dims.get("c") or next((d for d in ("C", "c", "channel") if d in da.coords), None)
    if key is None or key not in da.coords:
        return []
    return [str(value) for value in np.atleast_1d(da.coords[key].values)]


def _in(value: float, unit: str, to: str) -> float | None:
    try:
        name = parse_unit(unit)
    except UnknownUnitError:
        return None
    fits = (is_length(name) and is_length(to)) or (is_time(name) and is_time(to))
    return convert(value, name, to) if name is not None and fits else None
