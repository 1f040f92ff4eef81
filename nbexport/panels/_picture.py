"""One picture: what the browser asks for, and the message that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nbexport.panels._planes import (
    MAX_PIXELS,
    Encoded,
    Look,
    Request,
    encode_plane,
    fetch_planes,
    look_at,
)
from nbexport.panels._subject import Subject
from nbexport.plan import Level, PyramidPlan


def fetch_picture(
    subject: Subject, plan: PyramidPlan, request: Request, stale: Callable[[], bool]
) -> Iterator[tuple[dict[int, npt.NDArray[Any]], dict[int, Encoded], float]]:
    """Yield (planes, encoded planes, fraction done) as tiles are computed, by channel."""
    look = _look(subject, plan, request)
    method = plan.method or "mean"
    for planes, fraction in fetch_planes(subject, look, request.channels, method, stale):
        encoded = {
            key: encode_plane(plane, labels=subject.image.kind == "labels")
            for key, plane in planes.items()
        }
        yield planes, encoded, fraction


def message(
    subject: Subject,
    plan: PyramidPlan,
    request: Request,
    encoded: Mapping[int, Encoded],
    fraction: float,
    first: Mapping[int, tuple[float, float]],
) -> tuple[dict[str, Any], list[Any]]:
    """Return a picture as it is sent: what it is, and the raw values of each channel.

    Parameters
    ----------
    subject, plan, request
        What was asked of what.
    encoded, fraction
        The planes, and how much of them is there.
    first
        The windows that were found first, by channel.
    """
    names = subject.image.dims
    look = _look(subject, plan, request)
    y, x = names.index("y"), names.index("x")
    header = {
        "type": "planes",
        "view": request.view,
        "number": request.number,
        "fraction": fraction,
        "box": [*look.box[y], *look.box[x]],
        "factors": [look.factors[y], look.factors[x]],
        "exact": look.shown,
        "level": request.level,
        "index": dict(request.index),
        "channels": [
            {
                "channel": key,
                "bits": one.raw.dtype.itemsize * 8,
                "low": one.low,
                "step": one.step,
                "range": one.range,
                "auto": one.auto,
                "first": first.get(key, one.auto),
                "histogram": one.histogram,
            }
            for key, one in encoded.items()
        ],
    }
    return header, [np.ascontiguousarray(one.raw).data for one in encoded.values()]


def _look(subject: Subject, plan: PyramidPlan, request: Request) -> Look:
    levels = plan.levels
    if plan.image.dims != subject.image.dims:
        # Of RGB pixels OME-Zarr makes channels; the picture looks at the samples.
        levels = _with_samples(subject, plan)
    return look_at(request, subject.image, levels)


def _with_samples(subject: Subject, plan: PyramidPlan) -> tuple[Level, ...]:
    """Return the levels of an RGB image whose samples are the last axis, as in the source."""
    order = [("c" if name == "s" else name) for name in subject.image.dims]
    places = [plan.image.dims.index(name) for name in order]
    return tuple(
        replace(
            level,
            axes=tuple(level.axes[i] for i in places),
            chunks=tuple(level.chunks[i] for i in places),
            shards=None,
            factors=tuple(level.factors[i] for i in places),
        )
        for level in plan.levels
    )


def parse_request(content: Mapping[str, Any]) -> Request:
    """Return the request that a message of the browser means."""
    index = {str(axis): int(value) for axis, value in dict(content.get("index", {})).items()}
    y0, y1, x0, x1 = (float(value) for value in content["region"])
    level = content.get("level")
    return Request(
        view=str(content["view"]),
        number=int(content["number"]),
        index=tuple(sorted(index.items())),
        level=None if level is None else int(level),
        region=(y0, y1, x0, x1),
        channels=tuple(int(c) for c in content.get("channels", [0])),
        max_pixels=max(int(content.get("max_pixels", MAX_PIXELS)), 1),
    )
