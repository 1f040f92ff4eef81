"""A pyramid whose level shapes and chunks somebody states, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np

from nbexport.errors import PlanError
from nbexport.model import Axis, ImageSpec
from nbexport.plan._coarsen import Method, coarsen_axis
from nbexport.plan._cost import SourceChunks, n_recomputed
from nbexport.plan._level import Level
from nbexport.plan._passes import plan_passes
from nbexport.plan._pyramid import PyramidPlan, checked_method

Shape = tuple[int, ...]


def plan_stated(
    image: ImageSpec,
    shapes: Sequence[Shape],
    chunks: Sequence[Shape],
    *,
    format: Literal["ome-zarr"] = "ome-zarr",
    method: Method,
    likely: Shape | None = None,
    source_chunks: SourceChunks | None = None,
    memory_budget: int = 2**30,
    workers: int = 1,
    losses: tuple[str, ...] = (),
) -> PyramidPlan:
    """Lay out levels of these shapes and chunks, and the blocks that write them.

    Parameters
    ----------
    image
        Level 0.
    shapes
        Of all levels, level 0 included; each is the finer one divided by whole factors, rounded
        down, or equals it.
    chunks
        Of all levels; those longer than a level are cut to it.
    likely
        Factors of the first step, where they are known: small shapes may have several.
    format, method, source_chunks, memory_budget, workers, losses
        See :func:`plan_pyramid`.

    Raises
    ------
    PlanError
        If a shape is no whole fraction of the finer one.

    Examples
    --------
    >>> from nbexport.model import Channel
    >>> yx = (Axis(name="y", size=101), Axis(name="x", size=60))
    >>> cell = ImageSpec(name="cell", axes=yx, dtype="uint8", channels=(Channel(label=""),))
    >>> plan = plan_stated(cell, [(101, 60), (50, 20)], [(64, 64)] * 2, method="nearest")
    >>> [(level.factors, level.chunks) for level in plan.levels]
    [((1, 1), (64, 60)), ((2, 3), (50, 20))]
    """
    checked_method(image, method)
    levels = stated_levels(image, shapes, chunks, method, likely)
    runs = whole_runs(shapes)
    if len(runs) > 1:
        i = runs[1][0]
        raise PlanError(
            f"level {i} has shape {shapes[i]} and the finer one {shapes[i - 1]}, which are no "
            "whole numbers of pixels to one; divide each axis by a whole number"
        )
    passes, in_flight = plan_passes(
        levels,
        source_chunks,
        itemsize=np.dtype(image.dtype).itemsize,
        memory_budget=memory_budget,
        workers=workers,
    )
    again = 0
    if source_chunks is not None:
        again = n_recomputed(image.shape, passes[0].block, source_chunks)
    return PyramidPlan(
        format=format,
        image=image,
        levels=levels,
        method=method,
        passes=passes,
        in_flight=in_flight,
        n_recomputed=again,
        losses=losses,
    )


def stated_levels(
    image: ImageSpec,
    shapes: Sequence[Shape],
    chunks: Sequence[Shape],
    method: Method,
    likely: Shape | None = None,
) -> tuple[Level, ...]:
    """Return the levels of these shapes, and where their pixels lie.

    A shape that is no whole fraction of the finer one has factors of one, and pixels that share
    the length of the finer ones evenly, as those that are picked by ``i * size // coarser_size``.
    """
    levels = [_level(image.axes, chunks[0], (1,) * len(image.axes))]
    factors = likely or (1,) * len(image.axes)
    for i, (finer, shape) in enumerate(pairwise(shapes), 1):
        whole = whole_factors(finer, shape, factors)
        if whole is not None:
            factors = whole
            axes = tuple(map(coarsen_axis, levels[-1].axes, factors, (method,) * len(factors)))
            levels.append(_level(axes, chunks[i], factors))
            continue
        axes = tuple(
            replace(axis, size=size, scale=axis.scale * axis.size / size, positions=None)
            for axis, size in zip(levels[-1].axes, shape, strict=True)
        )
        levels.append(_level(axes, chunks[i], (1,) * len(axes)))
    return tuple(levels)


def whole_runs(shapes: Sequence[Shape]) -> list[tuple[int, int]]:
    """Return (first, stop) of the levels that follow from each other by whole factors.

    Examples
    --------
    >>> whole_runs([(100,), (50,), (33,), (11,)])
    [(0, 2), (2, 4)]
    """
    starts = [0]
    factors: Shape = (1,) * len(shapes[0])
    for i, (finer, shape) in enumerate(pairwise(shapes), 1):
        whole = whole_factors(finer, shape, factors)
        if whole is None:
            starts.append(i)
        factors = whole or factors
    return list(pairwise([*starts, len(shapes)]))


def whole_factors(finer: Shape, shape: Shape, before: Shape) -> Shape | None:
    """Return by how much `finer` was divided to give `shape`, or None where by no whole numbers.

    Where several numbers explain an axis, such as 2 and 3 from 3 pixels to 1, it is the one of the
    step `before`, else that of another axis, else one that leaves no rest, else the smallest.

    Examples
    --------
    >>> whole_factors((101, 3), (50, 1), (1, 1)), whole_factors((100, 3), (67, 3), (1, 1))
    ((2, 2), None)
    """
    if any(not 1 <= m <= n for n, m in zip(finer, shape, strict=True)):
        return None
    fitting = [range(n // (m + 1) + 1, n // m + 1) for n, m in zip(finer, shape, strict=True)]
    if not all(fitting):
        return None
    sure = [numbers[0] for numbers in fitting if len(numbers) == 1 and numbers[0] > 1]
    found = []
    for n, m, numbers, last in zip(finer, shape, fitting, before, strict=True):
        other = next((f for f in sure if f in numbers), numbers[0])
        exact = n // m if n % m == 0 and other not in sure else other
        found.append(1 if n == m else last if last in numbers else exact)
    return tuple(found)


def _level(axes: tuple[Axis, ...], chunks: Shape, factors: Shape) -> Level:
    fitted = tuple(min(c, axis.size) for c, axis in zip(chunks, axes, strict=True))
    return Level(axes=axes, chunks=fitted, factors=factors)
