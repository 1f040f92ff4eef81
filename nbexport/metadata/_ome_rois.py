"""Regions of interest of a source, moved to where its pixels are after a crop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ome_types import model as om

from nbexport.model import SourceOme

_NUMBER_PAIR: Final = re.compile(r"([-+.\deE]+)\s*,\s*([-+.\deE]+)")
_PLACES: Final = (("x", "y"), ("x1", "y1"), ("x2", "y2"))


def moved_rois(rois: Sequence[Any], source: SourceOme) -> tuple[list[Any], tuple[str, ...]]:
    """Return what of `rois` lies in the pixels that remain, in their coordinates; and the losses.

    A shape's own coordinates stay where it has a transformation: that is moved instead.
    """
    if not rois:
        return [], ()
    starts = []
    for axis in "xy":
        kept = source.along(axis)
        if not isinstance(kept, range) or kept.step != 1:
            loss = (
                f"{len(rois)} regions of interest were left out: the pixels along {axis} are not "
                "a plain crop of those they were drawn on, as far as coords tell"
            )
            return [], (loss,)
        starts.append(kept.start)
    sizes = tuple(len(source.along(axis) or ()) for axis in "xy")
    moved, n_gone = [], 0
    for roi in rois:
        union = om.ROI.Union()
        shapes = list(roi.union) if roi.union is not None else []
        for shape in shapes:
            placed = _moved(shape, starts, source)
            if placed is not None and _meets(placed, sizes):
                union.append(placed)
            else:
                n_gone += 1
        if len(union) or not shapes:
            moved.append(roi.model_copy(update={"union": union if shapes else roi.union}))
    loss = (
        f"{n_gone} shapes of regions of interest were left out: they lie outside of what is written"
    )
    return moved, (loss,) if n_gone else ()


def _moved(shape: Any, starts: Sequence[int], source: SourceOme) -> Any | None:
    """Return `shape` in the coordinates of what is written, None where its plane is gone."""
    new: dict[str, Any] = {}
    for axis in "zct":
        index, kept = getattr(shape, f"the_{axis}"), source.along(axis)
        if index is None:
            continue
        if kept is None or index not in kept:
            return None
        new[f"the_{axis}"] = list(kept).index(index)
    dx, dy = starts
    if shape.transform is not None:
        place = {"a02": shape.transform.a02 - dx, "a12": shape.transform.a12 - dy}
        new["transform"] = shape.transform.model_copy(update=place)
        return shape.model_copy(update=new)
    for x, y in _PLACES:
        if hasattr(shape, x):
            new |= {x: getattr(shape, x) - dx, y: getattr(shape, y) - dy}
    if hasattr(shape, "points") and (dx or dy):
        new["points"] = " ".join(f"{x - dx!r},{y - dy!r}" for x, y in _points(shape))
    return shape.model_copy(update=new)


def _meets(shape: Any, sizes: Sequence[int]) -> bool:
    """Return whether the box around `shape` meets the image; those with a transformation do."""
    if shape.transform is not None:
        return True
    if hasattr(shape, "points"):
        xs, ys = zip(*_points(shape), strict=True) if _points(shape) else ((0.0,), (0.0,))
    elif hasattr(shape, "x1"):
        xs, ys = (shape.x1, shape.x2), (shape.y1, shape.y2)
    elif hasattr(shape, "radius_x"):
        xs = (shape.x - shape.radius_x, shape.x + shape.radius_x)
        ys = (shape.y - shape.radius_y, shape.y + shape.radius_y)
    else:
        xs = (shape.x, shape.x + getattr(shape, "width", 0.0))
        ys = (shape.y, shape.y + getattr(shape, "height", 0.0))
    return bool(max(xs) >= 0 and max(ys) >= 0 and min(xs) <= sizes[0] and min(ys) <= sizes[1])


def _points(shape: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in _NUMBER_PAIR.findall(shape.points)]
