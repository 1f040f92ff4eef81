"""bioio's readers of CZI, plain TIFF and OME-Zarr (3.6): what they leave in attrs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from nbexport.dataarray._hints import Hints
from nbexport.dataarray._vocabulary import NO_UNIT_WORDS
from nbexport.dataarray.readers._common import (
    SPACE,
    Dims,
    as_float,
    note_composite,
    picked,
    zeiss_color,
)


def read_bioio_czi(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """bioio-czi: coords in micrometres without saying so; the rest in Zeiss's XML tree."""
    root: Any = da.attrs.get("unprocessed")
    if getattr(root, "tag", None) != "ImageDocument":
        return
    hints.used.add("unprocessed")
    hints.notes.append("Zeiss metadata in attrs['unprocessed'] was read for sizes and channels")
    hints.units |= dict.fromkeys(SPACE, "um") | {"t": "s"}
    acquired = root.findtext(".//Information/Image/AcquisitionDateAndTime")
    with suppress(TypeError, ValueError):
        hints.acquired = datetime.fromisoformat(acquired).isoformat()
    for distance in root.findall(".//Scaling/Items/Distance"):
        metres = as_float(distance.findtext("Value"))
        axis = str(distance.get("Id", "")).lower()
        if metres and axis in SPACE:
            hints.scale[axis] = metres * 1e6
    shown = {
        node.get("Name"): node.findtext("Color")
        for node in root.findall(".//DisplaySetting/Channels/Channel")
    }
    entries = [
        {
            "label": node.get("Name") or node.get("Id"),
            "color": zeiss_color(shown.get(node.get("Name"))),
            "emission_nm": node.findtext("EmissionWavelength"),
            "excitation_nm": node.findtext("ExcitationWavelength"),
            "fluor": node.findtext("Fluor"),
        }
        for node in root.findall(".//Information/Image/Dimensions/Channels/Channel")
    ]
    hints.channels = picked(entries, da, axis_dims)


def read_bioio_imagej(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
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
        note_composite(axis_dims["s"], hints)
    if (not said and unit == "inch") or str(unit).lower() in NO_UNIT_WORDS:
        unit = None  # inches are the default of most writers, which says nothing of the specimen
    for axis, tag in (("x", 282), ("y", 283)):
        resolution = tags.get(tag)
        if isinstance(resolution, tuple) and resolution[0] and unit:
            hints.scale[axis] = resolution[1] / resolution[0]
            hints.units[axis] = unit
    step = as_float(said.get("spacing"))
    if step and unit:
        hints.scale["z"], hints.units["z"] = abs(step), unit
    interval = as_float(said.get("finterval"))
    if interval and interval > 0:
        hints.scale["t"], hints.units["t"] = interval, said.get("tunit", "s")
    if hints.scale:
        source = "ImageJ's description" if said else "the TIFF tags"
        hints.notes.append(f"{source} in attrs was read for pixel sizes and times")


def read_bioio_zarr(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
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
    hints.channels = picked(entries, da, axis_dims)


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
