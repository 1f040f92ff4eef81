"""The resolution levels of an image, and the passes that write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from nbexport._markup import Markup, bullets, human_nbytes, page, strong, table
from nbexport.errors import PlanError
from nbexport.model import Axis, ImageSpec
from nbexport.plan._block import Pass
from nbexport.plan._coarsen import (
    METHODS,
    Factors,
    Method,
    Step,
    check_factors,
    coarsen_axis,
    step_factors,
)
from nbexport.plan._cost import SourceChunks, held_nbytes, n_recomputed
from nbexport.plan._level import Level, fitted_level
from nbexport.plan._passes import plan_passes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PyramidPlan:
    """What **will** be written: level 0 is the image itself, each next level is coarser.

    Attributes
    ----------
    format
        ``"ome-zarr"`` or ``"ome-tiff"``.
    image
        What the image is.
    levels
        Finest first.
    method
        How pixels are merged; None where the levels were given and each is written as it is.
    passes
        The walks over the image that write these levels.
    in_flight
        Blocks worked on at the same time.
    n_recomputed
        Repeated computations of source chunks; 0 where each is computed once.
    losses
        What the format can't keep, a sentence each.
    """

    format: Literal["ome-zarr", "ome-tiff"]
    image: ImageSpec
    levels: tuple[Level, ...]
    method: Method | None
    passes: tuple[Pass, ...]
    in_flight: int
    n_recomputed: int = 0
    losses: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all levels, uncompressed."""
        itemsize = np.dtype(self.image.dtype).itemsize
        return sum(prod(level.shape) for level in self.levels) * itemsize

    @property
    def block_nbytes(self) -> int:
        """Bytes of the largest block, of which only the leaves and pooled pixels are held."""
        itemsize = np.dtype(self.image.dtype).itemsize
        return max(prod(walk.block) for walk in self.passes) * itemsize

    @property
    def peak_nbytes(self) -> int:
        """Estimated bytes in memory while writing, beside the source itself."""
        itemsize = np.dtype(self.image.dtype).itemsize
        return max(
            min(self.in_flight, walk.n_blocks) * held_nbytes(walk, itemsize) for walk in self.passes
        )

    @property
    def n_blocks(self) -> int:
        """Blocks of all passes."""
        return sum(walk.n_blocks for walk in self.passes)

    @property
    def n_writes(self) -> int:
        """Write units (shards, else chunks; rows of tiles for TIFF) of all levels."""
        return sum(
            prod(-(-n // u) for n, u in zip(level.shape, level.write_unit, strict=True))
            for level in self.levels
        )

    @property
    def reread(self) -> float:
        """Pixels read back to make coarser levels, as a fraction of level 0."""
        if self.method is None:
            return 0.0
        again = sum(prod(walk.shapes[0]) for walk in self.passes[1:])
        return again / prod(self.levels[0].shape)

    def __repr__(self) -> str:
        title = (
            f"<PyramidPlan {self.format} {self.image.name!r} {self.image.dtype}, "
            f"{len(self.levels)} levels {self._made}, {human_nbytes(self.nbytes)}>"
        )
        lines = [title]
        lines += [
            f"  {i}: {' x '.join(map(str, level.shape))}  {_scales(level)}  "
            f"{self._chunk_word} {_times(level.chunks)}"
            for i, level in enumerate(self.levels)
        ]
        lines.append(f"  {self._work}")
        lines += [f"  left out: {text}" for text in self.losses]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return page(
            strong(f"{self.format}: {self.image.name}"),
            self.levels_table(),
            page(f"{self.image.dtype} · {self._made} · {human_nbytes(self.nbytes)} in all"),
            page(self._work),
            bullets("Left out", self.losses),
        )

    def levels_table(self) -> Markup:
        """Return the levels as an HTML table, a row a level."""
        itemsize = np.dtype(self.image.dtype).itemsize
        return table(
            ("level", " ".join(self.image.dims), "pixel to pixel", self._chunk_word, "bytes"),
            [
                (
                    i,
                    _times(level.shape),
                    _scales(level),
                    _times(level.chunks),
                    human_nbytes(prod(level.shape) * itemsize),
                )
                for i, level in enumerate(self.levels)
            ],
        )

    @property
    def _made(self) -> str:
        return "as given" if self.method is None else f"by {self.method}"

    @property
    def _chunk_word(self) -> str:
        return "tile" if self.format == "ome-tiff" else "chunk"

    @property
    def _work(self) -> str:
        text = (
            f"{self.n_blocks} blocks of up to {human_nbytes(self.block_nbytes)}, "
            f"{self.in_flight} at a time, about {human_nbytes(self.peak_nbytes)} of memory"
        )
        if self.reread:
            text += f"; {self.reread:.1%} of the pixels are read back for the coarser levels"
        if self.n_recomputed:
            text += f"; {self.n_recomputed} source chunks are computed again"
        return text


def plan_pyramid(
    image: ImageSpec,
    *,
    format: Literal["ome-zarr", "ome-tiff"],
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None = None,
    row_of_tiles: bool = False,
    levels: int | None = None,
    factors: Factors = None,
    method: Method | None = None,
    source_chunks: SourceChunks | None = None,
    memory_budget: int = 2**30,
    workers: int = 1,
    losses: tuple[str, ...] = (),
) -> PyramidPlan:
    """Lay out the resolution levels of `image` and the blocks that write them.

    Parameters
    ----------
    image
        The full-resolution image; axes in the order in which they will be stored.
    format
        The format, for the words of the plan.
    chunks
        Shape of a chunk (tile), one length an axis.
    shards
        Shape of a shard, a multiple of `chunks` along every axis.
    row_of_tiles
        Write rows of chunks across all of x (and s), as TIFF's order of tiles needs.
    levels
        Number of levels, the full resolution included; None: until the plane fits one chunk.
    factors
        See :func:`step_factors`; or one mapping a step, which says the number of levels as well.
    method
        How pixels are merged: ``mean`` (integers rounded half up), ``nearest`` (the first pixel),
        ``mode``, ``median``, ``max``, ``min``. None: ``mode`` for labels, else ``mean``.
    source_chunks
        The chunks of a lazy source, which the blocks follow where they can.
    memory_budget
        Bytes that may be in flight.
    workers
        Blocks that may be worked on at the same time.
    losses
        What is known to be lost already.

    Returns
    -------
    PyramidPlan
        At least one level. Cost: O(levels); no pixel is read, no list of blocks is made.

    Raises
    ------
    PlanError
        If the options make no sense for this image.

    Examples
    --------
    >>> from nbexport.model import Channel
    >>> yx = (Axis(name="y", size=1000, scale=0.1), Axis(name="x", size=2001, scale=0.1))
    >>> cell = ImageSpec(name="cell", axes=yx, dtype="uint16", channels=(Channel(label=""),))
    >>> plan = plan_pyramid(cell, format="ome-zarr", chunks=(512, 512))
    >>> [level.shape for level in plan.levels]
    [(1000, 2001), (500, 1000), (250, 500)]
    >>> plan.nbytes
    5252000
    """
    check_factors(image, factors)
    method = checked_method(image, method)
    if levels is not None and (not isinstance(levels, int) or isinstance(levels, bool)):
        raise PlanError(f"levels={levels!r} is not a whole number; 1 means full resolution only")
    if levels is not None and levels < 1:
        raise PlanError(f"levels={levels} would write nothing; 1 means full resolution only")

    steps_given = _steps(factors)
    if steps_given is not None:
        if levels not in (None, len(steps_given) + 1):
            raise PlanError(
                f"levels={levels} and factors for {len(steps_given)} steps don't fit; "
                f"leave levels out, it is {len(steps_given) + 1} then"
            )
        levels = len(steps_given) + 1

    def level(axes: tuple[Axis, ...], steps: tuple[int, ...]) -> Level:
        return fitted_level(axes, steps, chunks, shards, row_of_tiles=row_of_tiles)

    out = [level(image.axes, (1,) * len(image.axes))]
    while levels is None or len(out) < levels:
        finer = out[-1].axes
        if levels is None and all(
            a.size <= c for a, c in zip(finer, chunks, strict=True) if a.name in "yx"
        ):
            break
        steps = step_factors(finer, steps_given[len(out) - 1] if steps_given else _same(factors))
        if all(step == 1 for step in steps):
            if levels is None:
                break
            raise PlanError(
                f"levels={levels} is too many: level {len(out) - 1} has shape "
                f"{_times(out[-1].shape)} and can't be coarsened; use levels={len(out)}"
            )
        out.append(
            level(
                tuple(coarsen_axis(a, f, method) for a, f in zip(finer, steps, strict=True)), steps
            )
        )
    passes, in_flight = plan_passes(
        tuple(out),
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
        levels=tuple(out),
        method=method,
        passes=passes,
        in_flight=in_flight,
        n_recomputed=again,
        losses=losses,
    )


def _steps(factors: Factors) -> Sequence[Mapping[str, int]] | None:
    """Return the mappings of a sequence of them; None where every step is alike."""
    return factors if isinstance(factors, Sequence) and not isinstance(factors, str) else None


def _same(factors: Factors) -> Step:
    assert factors is None or isinstance(factors, Mapping | str)
    return factors


def checked_method(image: ImageSpec, method: str | None) -> Method:
    """Return how pixels of `image` are merged; None is the usual way."""
    if method is None:
        return "mode" if image.kind == "labels" else "mean"
    if not isinstance(method, str) or method not in METHODS:
        raise PlanError(f"method={method!r} is not known; use one of {', '.join(METHODS)}")
    if image.kind == "labels" and method in ("mean", "median"):
        raise PlanError(
            f"method={method!r} would invent labels between neighbours; use 'mode' or 'nearest'"
        )
    return method  # type: ignore[return-value]


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _scales(level: Level) -> str:
    """Return the spacing of the space axes, as people write it."""
    space = [a for a in level.axes if a.type == "space"]
    numbers = " x ".join(f"{a.scale:.6g}" for a in space)
    units = {a.unit for a in space if a.calibrated}
    return f"{numbers} {units.pop() or ''}".rstrip() if len(units) == 1 else f"{numbers}"
