"""What the readers people use leave in attrs instead of coords.

Each function knows one reader and looks for marks that only this reader leaves. What was found on
real files (bioio 3.6, nd2 0.12, czifile and tifffile 2026, liffile 2026, spatialdata 0.8) is said
where it is used. All values are duck-typed: no reader is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from nbexport.dataarray._hints import Hints
from nbexport.dataarray._ome import find_ome, pick_channels, read_ome
from nbexport.dataarray._unit import UnknownUnitError, parse_unit
from nbexport.dataarray._vocabulary import PIXEL_SIZE_WORDS, UNIT_KEYS
from nbexport.model import is_length

Dims = Mapping[str, str]
"""Axis name to dim."""

_SPACE: Final = "zyx"


def read_hints(da: xr.DataArray, axis_dims: Dims) -> Hints:
    """Return what the attrs of `da` say, by the conventions of the reader that made it."""
    hints = Hints()
    for reader in _READERS:
        reader(da, axis_dims, hints)
    return hints


def _plain_attrs(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
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
                hints.units |= dict.fromkeys(_SPACE, text)
                hints.used.add(key)
        elif isinstance(text, Mapping):
            hints.units |= {str(k).lower(): str(v) for k, v in text.items()}
            hints.used.add(key)


def _ome(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """Bioio's OME object. Its coords are the numbers of the XML, in the units that it says."""
    found = find_ome(da)
    if found is None:
        return
    key, ome = found
    read_ome(ome, da, axis_dims, hints)
    hints.used |= {key, "unprocessed"}
    hints.notes.append(
        f"OME metadata in attrs[{key!r}] was read for pixel sizes, times and channels"
    )


def _bioio_czi(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """bioio-czi: coords in micrometres without saying so; the rest in Zeiss's XML tree."""
    root: Any = da.attrs.get("unprocessed")
    if getattr(root, "tag", None) != "ImageDocument":
        return
    hints.used.add("unprocessed")
    hints.notes.append("Zeiss metadata in attrs['unprocessed'] was read for sizes and channels")
    hints.units |= dict.fromkeys(_SPACE, "um") | {"t": "s"}
    for distance in root.findall(".//Scaling/Items/Distance"):
        value = distance.findtext("Value")
        axis = str(distance.get("Id", "")).lower()
        if value and axis in _SPACE:
            hints.scale[axis] = float(value) * 1e6  # metres
    shown = {
        node.get("Name"): node.findtext("Color")
        for node in root.findall(".//DisplaySetting/Channels/Channel")
    }
    entries = [
        {
            "label": node.get("Name") or node.get("Id"),
            "color": shown.get(node.get("Name")),
            "emission_nm": node.findtext("EmissionWavelength"),
            "excitation_nm": node.findtext("ExcitationWavelength"),
            "fluor": node.findtext("Fluor"),
        }
        for node in root.findall(".//Information/Image/Dimensions/Channels/Channel")
    ]
    hints.channels = _picked(entries, da, axis_dims)


def _bioio_imagej(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """bioio-tifffile: no coords at all; sizes in TIFF tags, units in ImageJ's description."""
    tags, text = da.attrs.get("unprocessed"), da.attrs.get("processed")
    if not isinstance(tags, Mapping) or 256 not in tags:
        return
    hints.used |= {"unprocessed", "processed"}
    lines = text.splitlines() if isinstance(text, str) and text.startswith("ImageJ=") else []
    said = dict(line.split("=", 1) for line in lines if "=" in line)
    unit = said.get("unit") or {2: "inch", 3: "centimeter"}.get(int(tags.get(296, 1) or 1))
    if not said and unit == "inch":
        return  # the default of most writers, which says nothing of the specimen
    for axis, tag in (("x", 282), ("y", 283)):
        resolution = tags.get(tag)
        if isinstance(resolution, tuple) and resolution[0] and unit:
            hints.scale[axis] = resolution[1] / resolution[0]
            hints.units[axis] = unit
    if "spacing" in said and unit:
        hints.scale["z"], hints.units["z"] = abs(float(said["spacing"])), unit
    if float(said.get("finterval", 0)) > 0:
        hints.scale["t"], hints.units["t"] = float(said["finterval"]), said.get("tunit", "s")
    hints.notes.append("ImageJ's metadata in attrs was read for pixel sizes and times")


def _bioio_zarr(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """bioio-ome-zarr: no coords; everything in the attributes of the group."""
    attributes = getattr(da.attrs.get("unprocessed"), "attributes", None)
    if not isinstance(attributes, Mapping):
        return
    ome = attributes.get("ome", attributes)
    multiscales = ome.get("multiscales")
    if not multiscales or "axes" not in multiscales[0]:
        return
    hints.used.add("unprocessed")
    hints.notes.append("pixel sizes are those of level 0 of the OME-Zarr, read from attrs")
    axes = multiscales[0]["axes"]
    for transform in multiscales[0]["datasets"][0]["coordinateTransformations"]:
        values = getattr(hints, transform["type"], None)
        for axis, value in zip(axes, transform.get(transform["type"], ()), strict=False):
            if isinstance(values, dict) and axis["name"] in "tzyx":
                values[axis["name"]] = float(value)
    hints.units |= {a["name"]: a["unit"] for a in axes if a.get("unit")}
    # A scale of 1 without a unit is what writers put where they know nothing.
    for name in [n for n, v in hints.scale.items() if v == 1 and n not in hints.units]:
        del hints.scale[name]
    entries = [
        {"label": c.get("label"), "color": c.get("color"), "window": c.get("window")}
        for c in ome.get("omero", {}).get("channels", ())
    ]
    hints.channels = _picked(entries, da, axis_dims)


def _nd2(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """nd2: coords in micrometres and milliseconds without saying so; colours in attrs."""
    metadata = da.attrs.get("metadata")
    inner: Any = metadata.get("metadata") if isinstance(metadata, Mapping) else None
    if not hasattr(inner, "channels"):
        return
    hints.used.add("metadata")
    hints.notes.append("Nikon metadata in attrs['metadata'] was read for sizes and channels")
    hints.units |= dict.fromkeys(_SPACE, "um") | {"t": "ms"}
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
    hints.channels = _picked(entries, da, axis_dims)


def _gohlke(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """Czifile and tifffile: full unit names by dim in ``coord_units``, channels by name."""
    units = da.attrs.get("coord_units")
    if "coord_scales" in da.attrs or isinstance(units, Mapping):
        hints.used |= {"coord_units", "coord_scales", "coord_offsets"}
        hints.units |= {str(k).lower(): str(v) for k, v in (units or {}).items()}
    channels = da.attrs.get("channels")
    if isinstance(channels, Mapping) and all(isinstance(c, Mapping) for c in channels.values()):
        hints.used.add("channels")
        entries = [
            {
                "label": name,
                "color": about.get("Color"),
                "emission_nm": about.get("EmissionWavelength"),
                "excitation_nm": about.get("ExcitationWavelength"),
                "fluor": about.get("Fluor") or about.get("DyeName"),
            }
            for name, about in channels.items()
        ]
        hints.channels = _picked(entries, da, axis_dims)
    elif "photometric" in da.attrs and not isinstance(units, Mapping):
        # tifffile numbers the pixels where the file knows no size.
        hints.uncalibrated |= {"x", "y"}


def _liffile(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """liffile: coords in metres and seconds without saying so."""
    if {"filepath", "path", "UniqueID"} <= set(da.attrs):
        hints.units |= dict.fromkeys(_SPACE, "m") | {"t": "s"}
        hints.used |= {"UniqueID"}


def _spatialdata(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """spatialdata: coords are pixel centres (0.5, 1.5, …); the size is in a transformation."""
    transforms = da.attrs.get("transform")
    if not isinstance(transforms, Mapping) or not transforms:
        return
    transform = transforms.get("global", next(iter(transforms.values())))
    if not hasattr(transform, "to_affine_matrix"):
        return
    hints.used.add("transform")
    axes = tuple(axis for axis in "xyz" if axis in axis_dims)
    matrix = np.asarray(transform.to_affine_matrix(axes, axes))
    diagonal = np.diag(matrix)[:-1]
    hints.uncalibrated |= set(axes)
    if not np.allclose(matrix[:-1, :-1], np.diag(diagonal)) or (diagonal <= 0).any():
        hints.notes.append(
            "the spatialdata transformation rotates or shears, so no pixel size was taken from it"
        )
        return
    if np.allclose(matrix, np.eye(len(matrix))):
        return
    for i, axis in enumerate(axes):
        hints.scale[axis] = float(diagonal[i])
        hints.translation[axis] = float(matrix[i, -1] + diagonal[i] / 2)


def _picked(
    entries: list[dict[str, Any]], da: xr.DataArray, axis_dims: Dims
) -> list[dict[str, Any]]:
    """Return the entries of the channels in `da`, less what is None."""
    dim = axis_dims.get("c", "C")
    labels = []
    if dim in da.coords and da.coords[dim].dtype.kind in "UO":
        labels = [str(v) for v in np.atleast_1d(da.coords[dim].values)]
    return pick_channels(
        [{k: v for k, v in entry.items() if v is not None} for entry in entries if entry["label"]],
        labels,
    )


def _by_axis(value: Any) -> dict[str, float]:
    """Return a pixel size by axis from one number, (z, y, x), (y, x), a dict or bioio's tuple."""
    if all(hasattr(value, name) for name in "ZYX"):
        value = {name: getattr(value, name) for name in "ZYX"}
    if isinstance(value, Mapping):
        pairs = [(str(k).lower(), v) for k, v in value.items()]
    elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
        pairs = [("y", value), ("x", value)]
    elif isinstance(value, list | tuple | np.ndarray) and len(value) in (2, 3):
        pairs = list(zip(_SPACE[-len(value) :], value, strict=True))
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


_READERS: Final[tuple[Callable[[xr.DataArray, Dims, Hints], None], ...]] = (
    _plain_attrs,
    _bioio_zarr,
    _bioio_imagej,
    _bioio_czi,
    _nd2,
    _gohlke,
    _liffile,
    _spatialdata,
    _ome,
)
