"""A part of a pyramid that is stored already, and the blocks that write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm

import numpy as np

from nbexport.errors import PlanError
from nbexport.model import Axis, Channel, ImageSpec
from nbexport.plan._block import Box
from nbexport.plan._coarsen import Method
from nbexport.plan._cost import SourceChunks, n_recomputed
from nbexport.plan._level import Level
from nbexport.plan._passes import plan_passes
from nbexport.plan._pyramid import PyramidPlan


def plan_region(
    image: ImageSpec,
    levels: Sequence[Level],
    region: Box,
    *,
    method: Method,
    source_chunks: SourceChunks | None = None,
    memory_budget: int = 2**30,
    workers: int = 1,
    losses: tuple[str, ...] = (),
) -> tuple[PyramidPlan, tuple[tuple[int, ...], ...]]:
    """Lay out how `region` of a stored pyramid is written, on all levels, in one pass.

    Parameters
    ----------
    image
        The whole image.
    levels
        Its levels, as they are stored.
    region
        (start, stop) along every axis of level 0.
    method, source_chunks, memory_budget, workers, losses
        See :func:`plan_pyramid`.

    Returns
    -------
    plan : PyramidPlan
        Of the region alone, as if it were an image.
    origins : tuple
        By level, the pixel at which the region begins.

    Raises
    ------
    PlanError
        If the region cuts a write unit of some level: two regions would write to one.

    Examples
    --------
    >>> from nbexport.model import Channel
    >>> axes = tuple(Axis(name=n, size=s) for n, s in zip("tyx", (10, 64, 64)))
    >>> movie = ImageSpec(name="", axes=axes, dtype="uint8", channels=(Channel(label=""),))
    >>> level = Level(axes=axes, chunks=(2, 64, 64), factors=(1, 1, 1))
    >>> plan, origins = plan_region(movie, [level], ((4, 8), (0, 64), (0, 64)), method="mean")
    >>> plan.image.shape, origins
    ((4, 64, 64), ((4, 0, 0),))
    """
    _check_whole_units(levels, region)
    parts, origins = [], []
    total = (1,) * len(region)
    for i, level in enumerate(levels):
        total = tuple(a * b for a, b in zip(total, level.factors, strict=True))
        box = tuple(
            (start // f, axis.size if stop == full.size else stop // f)
            for (start, stop), f, axis, full in zip(
                region, total, level.axes, levels[0].axes, strict=True
            )
        )
        for axis, (start, stop) in zip(level.axes, box, strict=True):
            if start >= stop:
                raise PlanError(
                    f"region leaves no pixel of level {i} along {axis.name}; "
                    "begin it earlier, or end it later"
                )
        origins.append(tuple(start for start, _ in box))
        axes = tuple(_cut(axis, a, b) for axis, (a, b) in zip(level.axes, box, strict=True))
        parts.append(replace(level, axes=axes))
    here = replace(image, axes=parts[0].axes, channels=_channels(image, region))
    passes, in_flight = plan_passes(
        tuple(parts),
        source_chunks,
        itemsize=np.dtype(image.dtype).itemsize,
        memory_budget=memory_budget,
        workers=workers,
    )
    again = 0
    if source_chunks is not None:
        again = n_recomputed(here.shape, passes[0].block, source_chunks)
    plan = PyramidPlan(
        format="ome-zarr",
        image=here,
        levels=tuple(parts),
        method=method,
        passes=passes,
        in_flight=in_flight,
        n_recomputed=again,
        losses=losses,
    )
    return plan, tuple(origins)


def _check_whole_units(levels: Sequence[Level], region: Box) -> None:
    for i, axis in enumerate(levels[0].axes):
        step, total = 1, 1
        for level in levels:
            total *= level.factors[i]
            step = lcm(step, level.write_unit[i] * total)
        start, stop = region[i]
        if start % step == 0 and (stop == axis.size or stop % step == 0):
            continue
        first = start // step * step
        last = min(-(-stop // step) * step, axis.size)
        raise PlanError(
            f"region {axis.name} {start}:{stop} cuts what is written at once, {step} pixels along "
            f"{axis.name} (of all levels together); use {axis.name} {first}:{last}, "
            "or prepare the target with smaller chunks or shards"
        )


def _channels(image: ImageSpec, region: Box) -> tuple[Channel, ...]:
    if "c" not in image.dims:
        return image.channels
    start, stop = region[image.dims.index("c")]
    return image.channels[start:stop]


def _cut(axis: Axis, start: int, stop: int) -> Axis:
    return replace(
        axis,
        size=stop - start,
        translation=axis.translation + start * axis.scale,
        positions=axis.positions[start:stop] if axis.positions is not None else None,
    )
