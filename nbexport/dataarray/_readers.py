"""What the readers people use leave in attrs instead of coords.

Each function knows one reader and looks for marks that only this reader leaves. What was found on
real files (bioio 3.6, nd2 0.12, czifile and tifffile 2026, liffile 2026, spatialdata 0.8) is said
where it is used. All values are duck-typed: no reader is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import isfinite
from typing import Any, Final

import numpy as np
import xarray as xr

from nbexport.dataarray._color import parse_color
from nbexport.dataarray._hints import Hints, bare_numbers, steps_by
from nbexport.dataarray._ome import find_ome, pick_channels, read_ome
from nbexport.dataarray._unit import UnknownUnitError, parse_unit
from nbexport.dataarray._vocabulary import NO_UNIT_WORDS, PIXEL_SIZE_WORDS, UNIT_KEYS
from nbexport.model import is_length

Dims = Mapping[str, str]
"""Axis name to dim."""

_SPACE: Final = "zyx"


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
    except (ValueError, TypeError):
        return False
    return True


def _is_window(value: Any) -> bool:
    try:
        return bool(float(value["start"]) < float(value["end"]))
    except (KeyError, TypeError, ValueError):
        return False


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
    acquired = root.findtext(".//Information/Image/AcquisitionDateAndTime")
    with suppress(TypeError, ValueError):
        hints.acquired = datetime.fromisoformat(acquired).isoformat()
    for distance in root.findall(".//Scaling/Items/Distance"):
        metres = _float(distance.findtext("Value"))
        axis = str(distance.get("Id", "")).lower()
        if metres and axis in _SPACE:
            hints.scale[axis] = metres * 1e6
    shown = {
        node.get("Name"): node.findtext("Color")
        for node in root.findall(".//DisplaySetting/Channels/Channel")
    }
    entries = [
        {
            "label": node.get("Name") or node.get("Id"),
            "color": _zeiss_color(shown.get(node.get("Name"))),
            "emission_nm": node.findtext("EmissionWavelength"),
            "excitation_nm": node.findtext("ExcitationWavelength"),
            "fluor": node.findtext("Fluor"),
        }
        for node in root.findall(".//Information/Image/Dimensions/Channels/Channel")
    ]
    hints.channels = _picked(entries, da, axis_dims)


def _bioio_imagej(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """bioio-tifffile: no coords at all; sizes in TIFF tags, units in ImageJ's description.

    bioio-ome-tiff leaves the same tags, beside an OME object that says more.
    """
    tags, text = da.attrs.get("unprocessed"), da.attrs.get("processed")
    if not isinstance(tags, Mapping) or 256 not in tags or not isinstance(text, str | None):
        return
    hints.used |= {"unprocessed", "processed"}
    lines = text.splitlines() if text and text.startswith("ImageJ=") else []
    said = dict(line.split("=", 1) for line in lines if "=" in line)
    unit = said.get("unit") or {2: "inch", 3: "centimeter"}.get(int(tags.get(296, 1) or 1))
    if said.get("mode") == "composite" and "s" in axis_dims:
        _note_composite(axis_dims["s"], hints)
    if (not said and unit == "inch") or str(unit).lower() in NO_UNIT_WORDS:
        unit = None  # inches are the default of most writers, which says nothing of the specimen
    for axis, tag in (("x", 282), ("y", 283)):
        resolution = tags.get(tag)
        if isinstance(resolution, tuple) and resolution[0] and unit:
            hints.scale[axis] = resolution[1] / resolution[0]
            hints.units[axis] = unit
    step = _float(said.get("spacing"))
    if step and unit:
        hints.scale["z"], hints.units["z"] = abs(step), unit
    interval = _float(said.get("finterval"))
    if interval and interval > 0:
        hints.scale["t"], hints.units["t"] = interval, said.get("tunit", "s")
    if hints.scale:
        source = "ImageJ's description" if said else "the TIFF tags"
        hints.notes.append(f"{source} in attrs was read for pixel sizes and times")


def _note_composite(dim: str, hints: Hints) -> None:
    """Say that ImageJ keeps three channels as samples: nothing else tells them from RGB."""
    hints.notes.append(
        "ImageJ shows the samples of this file as channels; if that is what they are, "
        f"pass dims={{{dim!r}: 'c'}}"
    )


def _bioio_zarr(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """bioio-ome-zarr: a coordinate for c only; the rest in the attributes of the group.

    These are the same whichever resolution level was opened.
    """
    group = da.attrs.get("unprocessed")
    attributes = getattr(group, "attributes", None)
    if not isinstance(attributes, Mapping):
        return
    ome = attributes.get("ome", attributes)
    image: Mapping[str, Any] = next(iter(ome.get("multiscales") or ()), {})
    axes = image.get("axes") or ()
    levels = image.get("datasets") or ()
    if not axes or not levels or not all(isinstance(axis, Mapping) for axis in axes):
        return
    names = [str(axis["name"]) for axis in axes]
    told = _zarr_level(da, group, [str(entry["path"]) for entry in levels], names, axis_dims)
    level = told or 0
    hints.used.add("unprocessed")
    hints.name = str(image["name"]) if image.get("name") else None
    hints.notes.append(
        f"pixel sizes are those of level {level} of the OME-Zarr, read from attrs"
        + ("; if these pixels are a coarser level, pass scale={…}" if told is None else "")
    )
    scale, start = np.ones(len(names)), np.zeros(len(names))
    # What stands beside the levels applies after what stands in one: there some keep the time step.
    for place in (levels[level], image):
        for transform in place.get("coordinateTransformations") or ():
            if isinstance(transform.get("scale"), Sequence):
                scale, start = scale * transform["scale"], start * transform["scale"]
            elif isinstance(transform.get("translation"), Sequence):
                start = start + transform["translation"]
    units = {axis["name"]: axis["unit"] for axis in axes if axis.get("unit")}
    hints.units |= units
    for i, name in enumerate(names):
        if name not in "tzyx":
            continue
        hints.translation[name] = float(start[i])
        # A scale of 1 without a unit is what writers put where they know nothing.
        if scale[i] != 1 or name in units:
            hints.scale[name] = float(scale[i])
    channels = (ome.get("omero") or {}).get("channels") or ()
    entries = [{k: c.get(k) for k in ("label", "color", "window", "active")} for c in channels]
    # nbexport's own stores keep what omero has no words for.
    more = (attributes.get("nbexport") or {}).get("channels") or ()
    if len(more) == len(entries):
        entries = [entry | about for entry, about in zip(entries, more, strict=True)]
    hints.channels = _picked(entries, da, axis_dims)


def _zarr_level(
    da: xr.DataArray, group: Any, paths: list[str], names: list[str], axis_dims: Dims
) -> int | None:
    """Return which level `da` is, None where nothing tells: neither coords nor attrs do.

    Dask pixels name the array they come from. Pixels in memory are told by their shape, where the
    group has consolidated metadata.
    """
    if len(paths) == 1:
        return 0
    layers = getattr(getattr(da.variable._data, "dask", None), "layers", {})
    sources = {
        str(getattr(value, "path", ""))
        for name, layer in layers.items()
        if str(name).startswith("original-")
        for value in layer.values()
    }
    for level, path in enumerate(paths):
        if any(f"/{source}".endswith(f"/{path}") for source in sources):
            return level
    known = getattr(getattr(group, "consolidated_metadata", None), "flattened_metadata", {})
    sizes = tuple(da.sizes[axis_dims[name]] if name in axis_dims else 1 for name in names)
    shapes = [tuple(getattr(known.get(path), "shape", ())) for path in paths]
    return shapes.index(sizes) if sizes in shapes else None


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
    units, steps = da.attrs.get("coord_units"), da.attrs.get("coord_scales")
    if steps is not None or isinstance(units, Mapping):
        hints.used |= {"coord_units", "coord_scales", "coord_offsets", "mpp"}
        hints.units |= {str(k).lower(): str(v) for k, v in (units or {}).items()}
    if da.attrs.get("mode") == "composite" and "s" in axis_dims:
        _note_composite(axis_dims["s"], hints)
    channels = da.attrs.get("channels")
    if isinstance(channels, Mapping) and all(isinstance(c, Mapping) for c in channels.values()):
        hints.used.add("channels")
        entries = [
            {
                "label": name,
                "color": _zeiss_color(about.get("Color")),
                "emission_nm": about.get("EmissionWavelength"),
                "excitation_nm": about.get("ExcitationWavelength"),
                "fluor": about.get("Fluor") or about.get("DyeName"),
            }
            for name, about in channels.items()
        ]
        hints.channels = _picked(entries, da, axis_dims)
    elif "photometric" in da.attrs and not isinstance(units, Mapping):
        # tifffile numbers the pixels where the file knows no size, or gives their aspect alone.
        known = steps if isinstance(steps, Mapping) else {}
        for axis in "xy":
            if axis in axis_dims and steps_by(da, axis_dims[axis], known.get(axis.upper(), 1.0)):
                hints.uncalibrated.add(axis)


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
        start = _first_center(da, axis_dims[axis])
        hints.translation[axis] = float(matrix[i, -1] + diagonal[i] * start)


def _first_center(da: xr.DataArray, dim: str) -> float:
    """Return where the first pixel lies, counted in pixels: 0.5, more after a crop.

    Coarser levels have coords in pixels of the finest, 1, 3, 5, …, and a transformation of their
    own.
    """
    values = bare_numbers(da, dim)
    if values is None:
        return 0.5
    step = values[1] - values[0] if len(values) > 1 else 1.0
    return float(values[0] / step) if step > 0 else 0.5


def _picked(
    entries: list[dict[str, Any]], da: xr.DataArray, axis_dims: Dims
) -> list[dict[str, Any]]:
    """Return the entries of the channels in `da`, less what is None."""
    dim = axis_dims.get("c", "C")
    labels = []
    if dim in da.coords and da.coords[dim].dtype.kind in "UO":
        labels = [str(v) for v in np.atleast_1d(da.coords[dim].values)]
    known = [{k: v for k, v in entry.items() if v is not None} for entry in entries]
    return pick_channels(known, [str(entry.get("label")) for entry in known], labels)


def _zeiss_color(text: Any) -> Any:
    """Return a colour of a CZI, ``#AARRGGBB``, without its alpha."""
    return f"#{text[3:]}" if isinstance(text, str) and len(text) == 9 else text


def _float(text: Any) -> float | None:
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


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
