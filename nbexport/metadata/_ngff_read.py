"""What OME-NGFF attributes say of an image that is stored already.

Source: OME-NGFF 0.4, 0.5 and 0.6, https://ngff.openmicroscopy.org .
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbexport.model import Axis, Channel
from nbexport.plan import METHODS, Method

_GUESSED_COLOR = "FFFFFF"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image as its group's attributes describe it.

    Attributes
    ----------
    version
        OME-NGFF version.
    name
        The multiscale's; empty where it has none.
    paths
        The arrays of the levels, relative to the group, finest first.
    axes
        By level, axes of size 1: sizes are the arrays' to say.
    factors
        By level, pixels of the next finer one that became one here, as the writer noted them;
        None where it did not.
    method
        How they were merged; None where it is not known.
    channels
        Those of ``omero``, without windows; empty where there is none.
    """

    version: str
    name: str
    paths: tuple[str, ...]
    axes: tuple[tuple[Axis, ...], ...]
    factors: tuple[tuple[int, ...], ...] | None
    method: Method | None
    channels: tuple[Channel, ...]


def read_ngff(attributes: Mapping[str, Any]) -> StoredImage | None:
    """Return the first multiscale of a group's `attributes`, or None if there is none to read."""
    ome = attributes.get("ome", attributes)
    try:
        multiscale = ome["multiscales"][0]
        version = str(ome.get("version") or multiscale["version"])
        entries = multiscale.get("axes") or multiscale["coordinateSystems"][0]["axes"]
        datasets = multiscale["datasets"]
        levels = tuple(_axes(entries, dataset) for dataset in datasets)
        paths = tuple(str(dataset["path"]) for dataset in datasets)
        channels = tuple(
            Channel(label=str(entry.get("label", i)), color=_color(entry.get("color")))
            for i, entry in enumerate(ome.get("omero", {}).get("channels", ()))
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None
    method, factors = _downsampling(multiscale, len(entries))
    return StoredImage(
        version=version,
        name=str(multiscale.get("name", "")),
        paths=paths,
        axes=levels,
        factors=factors if factors and len(factors) == len(levels) else None,
        method=method,
        channels=channels,
    )


def _axes(entries: Sequence[Mapping[str, Any]], dataset: Mapping[str, Any]) -> tuple[Axis, ...]:
    steps = list(dataset["coordinateTransformations"])
    if len(steps) == 1 and steps[0]["type"] == "sequence":  # 0.6
        steps = steps[0]["transformations"]
    scale = next(step["scale"] for step in steps if step["type"] == "scale")
    moves = [step["translation"] for step in steps if step["type"] == "translation"]
    translation = moves[0] if moves else [0.0] * len(scale)
    return tuple(
        Axis(
            name=entry["name"],
            size=1,
            scale=float(s),
            translation=float(t),
            unit=entry.get("unit"),
            calibrated=entry.get("unit") is not None,
        )
        for entry, s, t in zip(entries, scale, translation, strict=True)
    )


def _downsampling(
    multiscale: Mapping[str, Any], n_axes: int
) -> tuple[Method | None, tuple[tuple[int, ...], ...] | None]:
    """Return what the writer noted of how the levels were made."""
    kwargs = multiscale.get("metadata", {})
    kwargs = kwargs.get("kwargs", {}) if isinstance(kwargs, Mapping) else {}
    method, steps = kwargs.get("method"), kwargs.get("factors")
    if method not in METHODS or not isinstance(steps, list):
        return None, None
    factors = ((1,) * n_axes, *(tuple(map(int, step)) for step in steps))
    return method, factors


def _color(value: object) -> str:
    text = str(value).upper()
    return text if len(text) == 6 and set(text) <= set("0123456789ABCDEF") else _GUESSED_COLOR
