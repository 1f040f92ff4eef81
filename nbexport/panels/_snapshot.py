"""What the browser is shown of a state: plain data, a few kilobytes, no pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from nbexport import api
from nbexport._markup import human_nbytes
from nbexport.errors import ExportError
from nbexport.model import OME_SYMBOLS, ImageSpec
from nbexport.panels._code import METHODS, Call
from nbexport.panels._options import FIELDS
from nbexport.panels._planes import MAX_NBYTES, MAX_PIXELS
from nbexport.panels._state import SUFFIXES, Format, PanelState
from nbexport.panels._subject import Subject, hints
from nbexport.plan import PyramidPlan

# Options of the writers that no plan knows.
_NOT_PLANNED: Final = (
    "compression",
    "compression_level",
    "skip_empty",
    "bigtiff",
    "overwrite",
)
UNITS: Final = (
    *("micrometer", "nanometer", "millimeter", "angstrom"),
    *("second", "millisecond", "minute"),
)


def setup() -> dict[str, Any]:
    """Return what never changes: the options of each format, units, suffixes."""
    return {
        "fields": {
            kind: [
                {
                    "name": field.name,
                    "label": field.label,
                    "kind": field.kind,
                    "help": field.help,
                    "choices": [list(choice) for choice in field.choices],
                    "placeholder": field.placeholder,
                    "group": field.group,
                }
                for field in fields
            ]
            for kind, fields in FIELDS.items()
        },
        "formats": [
            {"value": kind, "label": label, "suffix": SUFFIXES[kind][0]}
            for kind, label in _LABELS.items()
            if hasattr(api, f"write_{METHODS[kind]}")
        ],
        "units": list(UNITS),
        "budget": {"pixels": MAX_PIXELS, "nbytes": MAX_NBYTES},
    }


_LABELS: Final[dict[Format, str]] = {
    "ome-zarr": "OME-Zarr",
    "ome-tiff": "OME-TIFF",
    "movie": "Movie",
    "image": "Image",
}


def understood_part(subject: Subject, state: PanelState) -> dict[str, Any]:
    """Return what the picture needs to know of the image."""
    image = subject.image
    return {
        "title": image.name,
        "kind": image.kind,
        "dtype": image.dtype,
        "nbytes": human_nbytes(image.nbytes),
        "sizes": image.sizes,
        "axes": {axis.name: _axis(image, axis.name) for axis in image.axes},
        "channels": [
            {
                "label": channel.label,
                "color": channel.color,
                "window": channel.window,
                "active": channel.active,
                "kept": state.kept is None or i in state.kept,
                "emission": channel.emission_nm,
            }
            for i, channel in enumerate(subject.channels(state))
        ],
        "n_channels": 1 if image.kind == "rgb" else image.sizes.get("c", 1),
        "index": {
            name: min(dict(state.index).get(name, 0), size - 1)
            for name, size in image.sizes.items()
            if name in "tz" and size > 1
        },
        "crop": {
            name: list(dict(state.crop).get(name, (0, size)))
            for name, size in image.sizes.items()
            if name in "tzyx" and size > 1
        },
        "cropped": sorted(dict(state.crop)),
        "notes": list(image.notes),
        "losses": list(image.losses),
        "hints": hints(image),
    }


def plan_part(plan: PyramidPlan | None, ratio: float, rate: float) -> dict[str, Any]:
    """Return the levels and what they cost.

    Parameters
    ----------
    plan
        What would be written; None where nothing can be.
    ratio
        Compressed by uncompressed bytes of the plane that is looked at.
    rate
        Bytes of source pixels a second.
    """
    if plan is None:
        return {"levels": [], "cost": None, "losses": []}
    itemsize = np.dtype(plan.image.dtype).itemsize
    rows = []
    for i, level in enumerate(plan.levels):
        space = [axis for axis in level.axes if axis.type == "space"]
        calibrated = any(axis.calibrated for axis in space)
        units = {axis.unit for axis in space if axis.calibrated}
        unit = units.pop() if len(units) == 1 else None
        shards = level.shards if plan.format == "ome-zarr" else None  # TIFF's are rows of tiles
        rows.append(
            {
                "level": i,
                "shape": " \N{MULTIPLICATION SIGN} ".join(map(str, level.shape)),
                "scale": " \N{MULTIPLICATION SIGN} ".join(f"{axis.scale:.4g}" for axis in space),
                "unit": OME_SYMBOLS.get(unit or "", unit or "") if calibrated else "px",
                "chunks": " \N{MULTIPLICATION SIGN} ".join(map(str, level.chunks)),
                "shards": " \N{MULTIPLICATION SIGN} ".join(map(str, shards or ())),
                "nbytes": human_nbytes(prod(level.shape) * itemsize),
            }
        )
    return {
        "levels": rows,
        "dims": " ".join(plan.image.dims),
        "chunk_word": "Tile" if plan.format == "ome-tiff" else "Chunk",
        "method": plan.method,
        "cost": {
            "pixels": human_nbytes(plan.nbytes),
            "disk": human_nbytes(plan.nbytes * ratio),
            "memory": human_nbytes(plan.peak_nbytes),
            "seconds": plan.image.nbytes / rate,
        },
        "losses": [text for text in plan.losses if text not in plan.image.losses],
    }


def planned(call: Call, da: xr.DataArray) -> PyramidPlan | None:
    """Return the plan of `call`; None for movies and images, which have no levels."""
    if call.format not in ("ome-zarr", "ome-tiff"):
        return None
    options = {k: v for k, v in call.options.items() if k not in _NOT_PLANNED}
    return api.plan_export(call.part(da), call.format, **options)


def frames_part(call: Call, subject: Subject, state: PanelState) -> dict[str, int] | None:
    """Return number and size of the frames of a movie or picture; None for all else.

    Raises
    ------
    PlanError
        If the codec that was chosen is not possible in such a file.
    """
    if call.format not in ("movie", "image") or "montage" in call.options:
        return None
    sizes = dict(subject.image.sizes)
    sizes |= {name: min(stop, sizes[name]) - start for name, (start, stop) in state.crop}
    longer = [name for name in "tz" if sizes.get(name, 1) > 1]
    along = call.options.get("along") or next(iter(longer), None)
    zoom = float(call.options.get("zoom", 1))
    width, height = (max(round(sizes[name] * zoom), 1) for name in "xy")
    if call.format == "movie" and "codec" in call.options:
        from nbexport.stores.media.movie import check_encoding

        options = {"codec": None, "quality": "medium", "fps": 10.0, **call.options}
        wanted = {name: options[name] for name in ("codec", "quality", "fps")}
        check_encoding(call.target, (width, height), **wanted, crf=None)
    return {
        "count": sizes.get(along, 1) if call.format == "movie" and along is not None else 1,
        "width": width,
        "height": height,
    }


def options_part(state: PanelState) -> dict[str, Any]:
    """Return the options that are set, as they are typed."""
    return {
        field.name: _typed(state.options_of(state.format).get(field.name), field.kind)
        for field in FIELDS[state.format]
    }


def metadata_rows(
    da: xr.DataArray, subject: Subject | None, state: PanelState
) -> list[dict[str, Any]]:
    """Return one row a dim, whether it is understood or not."""
    rows: list[dict[str, Any]] = []
    image = subject.image if subject is not None else None
    by_dim = {dim: axis for axis, dim in subject.dims.items()} if subject is not None else {}
    for dim in map(str, da.dims):
        axis_name = by_dim.get(dim) or (dim if image is not None and dim in image.dims else None)
        axis = image.axis(axis_name) if image is not None and axis_name is not None else None
        mapped = dict(state.dims).get(dim)
        row: dict[str, Any] = {
            "dim": dim,
            "size": da.sizes[dim],
            "axis": mapped or axis_name or "",
            "mapped": mapped is not None,
        }
        if axis is not None and axis.type != "channel":
            row |= {
                "scale": float(f"{axis.scale:.9g}") if axis.calibrated else None,
                "unit": axis.unit or "",
                "uneven": axis.positions is not None,
            }
        scale, unit = dict(state.scale).get(row["axis"]), dict(state.units).get(row["axis"])
        row |= {"own_scale": scale, "own_unit": unit}
        rows.append(row)
    return rows


def target_exists(target: str) -> bool:
    """Return whether a local target is there already; of a URL that is not asked."""
    try:
        return "://" not in target and Path(target).expanduser().exists()
    except (OSError, ValueError):
        return False


def error_text(error: BaseException) -> str:
    """Return what the user reads: our own sentences as they are, others with their kind."""
    if isinstance(error, ExportError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def as_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain JSON data; numbers that JSON has not become None."""
    plain: dict[str, Any] = json.loads(json.dumps(data), parse_constant=lambda _: None)
    return plain


def _axis(image: ImageSpec, name: str) -> dict[str, Any]:
    axis = image.axis(name)
    assert axis is not None
    return {
        "size": axis.size,
        "scale": axis.scale,
        "start": axis.position(0),
        "unit": OME_SYMBOLS.get(axis.unit or "", axis.unit or "") if axis.calibrated else "",
        "calibrated": axis.calibrated,
        "positions": list(axis.positions) if axis.positions and axis.size <= 1000 else None,
    }


def _typed(value: Any, kind: str) -> Any:
    """Return a value as it is typed into its field."""
    if kind == "lengths" and isinstance(value, tuple):
        if value and isinstance(value[0], tuple):
            return ", ".join(f"{axis}={n}" for axis, n in value)
        return ", ".join(map(str, value))
    return list(value) if isinstance(value, tuple) else value
