"""A pyramid whose levels are there already: each is written as it is, by a pass of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np

from nbexport.errors import PlanError
from nbexport.model import Axis, ImageSpec
from nbexport.plan._coarsen import coarsen_axis
from nbexport.plan._cost import SourceChunks, n_recomputed
from nbexport.plan._level import fitted_level
from nbexport.plan._passes import plan_passes
from nbexport.plan._pyramid import PyramidPlan


def plan_levels(
    image: ImageSpec,
    coarser: Sequence[tuple[Axis, ...]],
    *,
    format: Literal["ome-zarr"] = "ome-zarr",
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None = None,
    source_chunks: Sequence[SourceChunks | None] | None = None,
    memory_budget: int = 2**30,
    workers: int = 1,
    losses: tuple[str, ...] = (),
) -> PyramidPlan:
    """Lay out the levels that `image` has already, and the blocks that copy them.

    Parameters
    ----------
    image
        Level 0.
    coarser
        The axes of levels 1, 2, …, in the order of the image's.
    source_chunks
        The chunks of each level's lazy source, from level 0 on.
    format, chunks, shards, memory_budget, workers, losses
        See :func:`plan_pyramid`.

    Returns
    -------
    PyramidPlan
        Its `method` is None; pass i reads and writes level i alone.

    Raises
    ------
    PlanError
        If a level has other axes than the image, more pixels than the finer one, or other
        channels.

    Examples
    --------
    >>> from nbexport.model import Channel
    >>> yx = (Axis(name="y", size=40, scale=0.1), Axis(name="x", size=60, scale=0.1))
    >>> half = tuple(Axis(name=a.name, size=a.size // 2, scale=0.2) for a in yx)
    >>> cell = ImageSpec(name="cell", axes=yx, dtype="uint8", channels=(Channel(label=""),))
    >>> plan = plan_levels(cell, [half], chunks=(32, 32))
    >>> [(walk.reads, walk.writes) for walk in plan.passes]
    [(0, (0,)), (1, (1,))]
    """
    all_axes = (image.axes, *coarser)
    _check_levels(image, all_axes)
    ones = (1,) * len(image.axes)
    levels = tuple(fitted_level(axes, ones, chunks, shards) for axes in all_axes)
    passes, in_flight, again = [], workers, 0
    for i, level in enumerate(levels):
        lengths = source_chunks[i] if source_chunks is not None else None
        (walk,), n_parallel = plan_passes(
            (level,),
            lengths,
            itemsize=np.dtype(image.dtype).itemsize,
            memory_budget=memory_budget,
            workers=workers,
        )
        passes.append(replace(walk, reads=i, writes=(i,)))
        in_flight = min(in_flight, n_parallel)
        if lengths is not None:
            again += n_recomputed(level.shape, walk.block, lengths)
    return PyramidPlan(
        format=format,
        image=image,
        levels=levels,
        method=None,
        passes=tuple(passes),
        in_flight=in_flight,
        n_recomputed=again,
        losses=losses,
    )


def coarser_axis(finer: Axis, size: int) -> Axis:
    """Return where `size` pixels lie that are known only to be means of blocks of `finer`.

    Blocks of n pixels are taken for granted where n explains both sizes, a partial block at the
    end dropped or kept; else the pixels share the length of `finer` evenly.

    Examples
    --------
    >>> half = coarser_axis(Axis(name="y", size=203, scale=0.5), 101)
    >>> half.scale, half.translation
    (1.0, 0.25)
    """
    if size >= finer.size:
        return finer if size == finer.size else replace(finer, size=size, positions=None)
    factor = round(finer.size / size)
    if finer.size // factor == size:
        return coarsen_axis(finer, factor, "mean")
    ratio = factor if -(-finer.size // factor) == size else finer.size / size
    return replace(
        finer,
        size=size,
        scale=finer.scale * ratio,
        translation=finer.translation + (ratio - 1) / 2 * finer.scale,
        positions=None,
    )


def _check_levels(image: ImageSpec, levels: Sequence[tuple[Axis, ...]]) -> None:
    for i, (finer, axes) in enumerate(pairwise(levels), 1):
        dims = tuple(axis.name for axis in axes)
        if dims != image.dims:
            raise PlanError(
                f"level {i} has the axes {' '.join(dims)} and level 0 {' '.join(image.dims)}; "
                "all levels need the same"
            )
        for before, axis in zip(finer, axes, strict=True):
            if axis.size > before.size or (axis.name == "c" and axis.size != before.size):
                raise PlanError(
                    f"level {i} has {axis.name}={axis.size} and level {i - 1} "
                    f"{axis.name}={before.size}; levels go from fine to coarse, "
                    "with the same channels"
                )
