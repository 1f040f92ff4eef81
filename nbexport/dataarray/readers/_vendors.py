"""nd2 (0.12), czifile and tifffile (2026), liffile (2026): readers of one maker's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from nbexport.dataarray._hints import Hints, steps_by
from nbexport.dataarray.readers._common import (
    SPACE,
    Dims,
    note_composite,
    picked,
    zeiss_color,
)


def read_nd2(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """nd2: coords in micrometres and milliseconds without saying so; colours in attrs."""
    metadata = da.attrs.get("metadata")
    inner: Any = metadata.get("metadata") if isinstance(metadata, Mapping) else None
    if not hasattr(inner, "channels"):
        return
    hints.used.add("metadata")
    hints.notes.append("Nikon metadata in attrs['metadata'] was read for sizes and channels")
    hints.units |= dict.fromkeys(SPACE, "um") | {"t": "ms"}
    entries = []
    for channel in inner.channels or ():
        about = channel.channel
        entries.append(
            {
                "label": about.name,
                "color": tuple(about.color[:3]),
                "emission_nm": about.emissionLambdaNm,
                "excitation_nm": about.excitationLambdaNm,
            }
        )
        calibration = getattr(channel.volume, "axesCalibration", None)
        if calibration:
            hints.scale |= {a: v for a, v in zip("xyz", calibration, strict=True) if v}
    hints.channels = picked(entries, da, axis_dims)


def read_gohlke(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """Czifile and tifffile: full unit names by dim in ``coord_units``, channels by name."""
    units, steps = da.attrs.get("coord_units"), da.attrs.get("coord_scales")
    if steps is not None or isinstance(units, Mapping):
        hints.used |= {"coord_units", "coord_scales", "coord_offsets", "mpp"}
        hints.units |= {str(k).lower(): str(v) for k, v in (units or {}).items()}
    if da.attrs.get("mode") == "composite" and "s" in axis_dims:
        note_composite(axis_dims["s"], hints)
    channels = da.attrs.get("channels")
    if isinstance(channels, Mapping) and all(isinstance(c, Mapping) for c in channels.values()):
        hints.used.add("channels")
        entries = [
            {
                "label": name,
                "color": zeiss_color(about.get("Color")),
                "emission_nm": about.get("EmissionWavelength"),
                "excitation_nm": about.get("ExcitationWavelength"),
                "fluor": about.get("Fluor") or about.get("DyeName"),
            }
            for name, about in channels.items()
        ]
        hints.channels = picked(entries, da, axis_dims)
    elif "photometric" in da.attrs and not isinstance(units, Mapping):
        # tifffile numbers the pixels where the file knows no size, or gives their aspect alone.
        known = steps if isinstance(steps, Mapping) else {}
        for axis in "xy":
            if axis in axis_dims and steps_by(da, axis_dims[axis], known.get(axis.upper(), 1.0)):
                hints.uncalibrated.add(axis)


def read_liffile(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """liffile: coords in metres and seconds without saying so."""
    if {"filepath", "path", "UniqueID"} <= set(da.attrs):
        hints.units |= dict.fromkeys(SPACE, "m") | {"t": "s"}
        hints.used |= {"UniqueID"}
