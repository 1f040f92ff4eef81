"""OME-NGFF attributes as plain dicts.

Source: OME-NGFF 0.4, 0.5 and 0.6, https://ngff.openmicroscopy.org ; MUST and SHOULD are its words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Literal

from nbexport._version import __version__
from nbexport.model import Axis, ImageSpec
from nbexport.plan import Level, PyramidPlan

ZARR_FORMATS: Final[dict[str, Literal[2, 3]]] = {"0.4": 2, "0.5": 3, "0.6": 3}
"""Versions that can be written, and the Zarr format that each MUST use."""

_PHYSICAL: Final = "physical"  # the coordinate system of 0.6 that all levels map into

Window = tuple[float, float, float, float]
"""(min, max, start, end)"""

_SENTENCES: Final = {
    "mean": "block mean; integers rounded half up, NaN left out",
    "nearest": "first pixel of each block",
    "mode": "most frequent value of each block, the first in C order where several are",
    "median": "block median; integers rounded half up, NaN left out",
    "max": "block maximum, NaN left out",
    "min": "block minimum, NaN left out",
}


def ngff_attributes(plan: PyramidPlan, windows: Sequence[Window], version: str) -> dict[str, Any]:
    """Return the attributes of an image group.

    Parameters
    ----------
    plan
        What was written; the levels are named ``"0"``, ``"1"``, ….
    windows
        (min, max, start, end) by channel; empty where there are no channels to show.
    version
        A key of `ZARR_FORMATS`.
    """
    image = plan.image
    axes = [_axis(axis) for axis in image.axes]
    datasets = [
        {"path": str(i), "coordinateTransformations": _transformations(level, str(i), version)}
        for i, level in enumerate(plan.levels)
    ]
    space: dict[str, Any] = {"axes": axes}
    if version == "0.6":
        space = {"coordinateSystems": [{"name": _PHYSICAL, **space}]}
    multiscale = {
        "name": image.name,  # SHOULD
        **space,
        "datasets": datasets,
        **_downsampling(plan),
    }
    content: dict[str, Any] = {"multiscales": [multiscale]}
    if image.channels:
        content["omero"] = _omero(image, windows)
    return ngff_group(content, version) | _own_attributes(image)


def image_label(version: str, colors: Mapping[int, str]) -> dict[str, Any]:
    """Return the ``image-label`` of a label image that lies below ``labels/`` of its image.

    Parameters
    ----------
    version
        A key of `ZARR_FORMATS`.
    colors
        ``"RRGGBB"`` by label, where they are known.
    """
    # `source` SHOULD be there, with the path to the image, as every known reader resolves it.
    about: dict[str, Any] = {"source": {"image": "../../"}}
    if colors:
        about["colors"] = [
            {"label-value": label, "rgba": [*bytes.fromhex(color), 255]}
            for label, color in sorted(colors.items())
        ]
    if version == "0.4":
        about = {"version": version, **about}
    return {"image-label": about}


def ngff_group(content: dict[str, Any], version: str) -> dict[str, Any]:
    """Return `content` where `version` of the specification wants it."""
    creator = {"_creator": {"name": "nbexport", "version": __version__}}
    if version == "0.4":
        # Each kind of metadata carries its own version.
        stamped = {
            key: [{"version": version, **entry} for entry in value]
            if key == "multiscales"
            else {"version": version, **value}
            if isinstance(value, dict)
            else value
            for key, value in content.items()
        }
        return stamped | creator
    return {"ome": {"version": version, **content, **creator}}


def _downsampling(plan: PyramidPlan) -> dict[str, Any]:
    """Return how the levels were made: SHOULD ``type`` and ``metadata`` of a multiscale."""
    if plan.method is None:
        text = "the levels were there before; how they were made is not known"
        return {"type": "given", "metadata": {"description": text, "version": __version__}}
    if any(_is_picked(*levels) for levels in pairwise(plan.levels)):
        text = "pixel i * n // m for pixel i of m, where the finer level has n"
        about = {"description": text, "method": "nbexport.pixels.pick", "version": __version__}
        return {"type": plan.method, "metadata": about}
    return {
        "type": plan.method,
        "metadata": {
            "description": _SENTENCES[plan.method],
            "method": "nbexport.pixels.coarsen",
            "version": __version__,
            "kwargs": {
                "method": plan.method,
                "factors": [list(level.factors) for level in plan.levels[1:]],
            },
        },
    }


def _is_picked(finer: Level, level: Level) -> bool:
    """Return whether `level` has fewer pixels than `finer`, and not by whole factors."""
    return level.shape != finer.shape and all(factor == 1 for factor in level.factors)


def _own_attributes(image: ImageSpec) -> dict[str, Any]:
    """Return what NGFF has no field for, under the key ``nbexport``; nothing where it has."""
    extra: dict[str, Any] = {}
    if image.acquired:
        extra["acquired"] = image.acquired
    if image.attributes:
        extra["attributes"] = {key: json.loads(text) for key, text in image.attributes}
    uneven = {a.name: list(a.positions) for a in image.axes if a.positions is not None}
    if uneven:
        extra["positions"] = uneven
    channels = [
        {
            key: value
            for key in ("emission_nm", "excitation_nm", "exposure_s", "fluor")
            if (value := getattr(channel, key)) is not None
        }
        for channel in image.channels
    ]
    if any(channels):
        extra["channels"] = channels
    return {"nbexport": extra} if extra else {}


def ngff_losses(image: ImageSpec) -> tuple[str, ...]:
    """Return what OME-NGFF can't say of `image`, a sentence each."""
    return tuple(
        f"positions along {axis.name} are uneven ({_range(axis)}); OME-Zarr says one step, "
        f"{axis.scale:.6g}, and the exact positions are only kept under the attribute 'nbexport'"
        for axis in image.axes
        if axis.positions is not None
    )


def _range(axis: Axis) -> str:
    assert axis.positions is not None
    steps = [b - a for a, b in zip(axis.positions, axis.positions[1:], strict=False)]
    return f"steps {min(steps):.6g} to {max(steps):.6g} {axis.unit or ''}".rstrip()


def _axis(axis: Axis) -> dict[str, str]:
    entry = {"name": axis.name, "type": axis.type}
    if axis.unit is not None and axis.type != "channel":
        entry["unit"] = axis.unit  # SHOULD, one of NGFF's names
    return entry


def _transformations(level: Level, path: str, version: str) -> list[dict[str, Any]]:
    # MUST: exactly one scale, then at most one translation. Both are always written: a mean moves
    # the origin of the coarser levels by half a pixel.
    steps: list[dict[str, Any]] = [
        {"type": "scale", "scale": [axis.scale for axis in level.axes]},
        {"type": "translation", "translation": [axis.translation for axis in level.axes]},
    ]
    if version != "0.6":
        return steps
    # 0.6: one transformation, from the array to the coordinate system that all levels share.
    ends = {"input": {"path": path}, "output": {"name": _PHYSICAL}}
    return [{"type": "sequence", **ends, "transformations": steps}]


def _omero(image: ImageSpec, windows: Sequence[Window]) -> dict[str, Any]:
    channels = []
    for channel, (low, high, start, end) in zip(image.channels, windows, strict=True):
        channels.append(
            {
                "label": channel.label,
                "color": channel.color,  # MUST: six hexadecimal digits, no "#"
                "active": channel.active,
                "coefficient": 1,
                "family": "linear",
                "inverted": False,
                "window": {"min": low, "max": high, "start": start, "end": end},
            }
        )
    sizes = image.sizes
    return {
        "channels": channels,
        # All three keys or none: iohub 0.3.11 can't read the image with some of them.
        "rdefs": {
            "defaultT": 0,
            "defaultZ": sizes.get("z", 1) // 2,
            "model": "greyscale" if len(channels) == 1 else "color",
        },
    }
