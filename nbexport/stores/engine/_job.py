"""One block of an export: fetched leaf by leaf, put, pooled through its levels, and put again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from nbexport.errors import ExportCancelled, SourceError
from nbexport.pixels import cast_block, coarsen, sample_pixels, sample_strides
from nbexport.plan import Block, Box, Pass, PyramidPlan

Array = npt.NDArray[Any]
R = TypeVar("R")

# Before a source that failed is asked again; twice as long each time.
_RETRY_S: Final = 0.5


class Source(Protocol):
    """The pixels of an image, fetched box by box."""

    def hand_out(self, boxes: Sequence[Box], take: Callable[[int, Array], None]) -> None:
        """Call `take` with the number and the pixels of each of `boxes`, one after the other."""

    def cut(self, box: Box) -> Source:
        """Return a source of `box` alone, small enough to be sent to another process."""


Put = Callable[[int, Box, Array], R]
"""Writes or encodes the pixels of one box of one level; called by workers."""


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """One image of an export, and how it is written.

    Attributes
    ----------
    plan
        What to write.
    source
        Its pixels.
    put
        Called with (level, box, pixels), finest level first.
    written
        Gives what a later pass reads, by level: one that was written, as the source of the coarser
        ones; or one that was given.
    sampled
        Take samples of the coarsest level, for display windows.
    retries
        How often a block whose source fails is tried again.
    """

    plan: PyramidPlan
    source: Source
    put: Put[R]
    written: Callable[[int], Source]
    sampled: bool
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Job(Generic[R]):
    """One block of one part; `place` numbers the part, its pass and the block."""

    part: Part[R]
    walk: Pass
    block: Block
    source: Source
    place: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """One finished block.

    Attributes
    ----------
    results
        (level, what `put` returned), in the order of the puts.
    samples
        (channel, pixels) of the coarsest level, where samples are taken.
    """

    results: tuple[tuple[int, R], ...]
    samples: tuple[tuple[int, Array], ...]


def stages(parts: Sequence[Part[R]]) -> list[Iterator[Job[R]]]:
    """Return the jobs of all first passes, of all second ones, …: each reads what came before."""
    n_stages = max(len(part.plan.passes) for part in parts)
    return [_stage(parts, n) for n in range(n_stages)]


def _stage(parts: Sequence[Part[R]], n: int) -> Iterator[Job[R]]:
    for i, part in enumerate(parts):
        for walk in part.plan.passes[n : n + 1]:
            source = part.source if n == 0 else part.written(walk.reads)
            for block in walk.blocks():
                yield Job(part, walk, block, source, (i, n, block.index))


def without_source(job: Job[R]) -> Job[R]:
    """Return `job` as it is sent to a cluster: the part's own pixels stay here."""
    return replace(job, part=replace(job.part, source=job.source, written=_nothing_written))


def _nothing_written(level: int) -> Source:
    raise LookupError(f"level {level} is not at hand in another process")


def run_job(job: Job[R], cancel: threading.Event | None = None) -> Done[R]:
    """Do :func:`_run_once`, and again where the source failed, as often as the part wants."""
    pause = cancel.wait if cancel is not None else time.sleep
    for tried in range(1, job.part.retries + 1):
        try:
            return _run_once(job, cancel)
        except SourceError:
            pause(_RETRY_S * 2 ** (tried - 1))
            _check(cancel)
    return _run_once(job, cancel)


def _run_once(job: Job[R], cancel: threading.Event | None) -> Done[R]:
    """Fetch the block of `job` leaf by leaf, put each, and pool and put the coarser levels."""
    plan, block, walk = job.part.plan, job.block, job.walk
    results: list[tuple[int, R]] = []
    samples: list[tuple[int, Array]] = []

    def put(level: int, box: Box, pixels: Array) -> None:
        _check(cancel)
        results.append((level, job.part.put(level, box, pixels)))
        if job.part.sampled and level == len(plan.levels) - 1:
            samples.extend(_sample(plan, box, pixels))

    _check(cancel)  # a cluster may begin one that was sent before the export was stopped
    coarser = block.writes[1:]
    pooled: Array | None = None
    leaves = list(walk.leaves(block))

    def take(i: int, pixels: Array) -> None:
        nonlocal pooled
        _check(cancel)
        leaf = leaves[i]
        pixels = cast_block(pixels, plan.image.dtype)
        if not leaf.writes:
            return
        level, box = leaf.writes[0]
        if level > walk.reads:
            pixels = _coarser(pixels, plan, level)
        put(level, box, pixels)
        if coarser and len(leaf.writes) > 1:
            level, box = leaf.writes[1]
            part = _coarser(pixels, plan, level)
            if pooled is None:
                pooled = np.empty([b - a for a, b in coarser[0][1]], dtype=part.dtype)
            inside = zip(box, coarser[0][1], strict=True)
            pooled[tuple(slice(a - start, b - start) for (a, b), (start, _) in inside)] = part

    _hand_out(job, [leaf.reads for leaf in leaves], take)
    if coarser and pooled is not None:
        put(*coarser[0], pooled)
        for level, box in coarser[1:]:
            pooled = _coarser(pooled, plan, level)
            put(level, box, pooled)
    return Done(tuple(results), tuple(samples))


def _coarser(pixels: Array, plan: PyramidPlan, level: int) -> Array:
    assert plan.method is not None  # a pass over a given level writes no other
    return coarsen(pixels, plan.levels[level].factors, plan.method)


def _hand_out(job: Job[R], boxes: Sequence[Box], take: Callable[[int, Array], None]) -> None:
    """Call `take` with the pixels of each of `boxes`; what fails before that is the source's."""
    ours: list[BaseException] = []

    def guarded(i: int, pixels: Array) -> None:
        try:
            take(i, pixels)
        except BaseException as error:
            ours.append(error)
            raise

    try:
        job.source.hand_out(boxes, guarded)
    except Exception as error:
        if ours:
            raise ours[0] from None
        place = ", ".join(
            f"{axis.name} {start}:{stop}"
            for axis, (start, stop) in zip(
                job.part.plan.levels[job.walk.reads].axes, job.block.reads, strict=True
            )
        )
        n_tries = job.part.retries + 1
        times = f"{n_tries} times, at last " if n_tries > 1 else ""
        raise SourceError(
            f"computing the pixels at {place} failed {times}with {type(error).__name__}: {error}; "
            "the error lies in how this DataArray is computed, try da.isel(...).compute() there"
        ) from error


def _sample(plan: PyramidPlan, box: Box, pixels: Array) -> tuple[tuple[int, Array], ...]:
    names = plan.image.dims
    strides = sample_strides({axis.name: axis.size for axis in plan.levels[-1].axes})
    start = {name: begin for name, (begin, _) in zip(names, box, strict=True)}
    sample = sample_pixels(pixels, start, strides)
    if "c" not in names:
        return ((0, sample.copy()),)
    by_channel = np.moveaxis(sample, names.index("c"), 0)
    return tuple((start["c"] + i, part.copy()) for i, part in enumerate(by_channel))


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise ExportCancelled("the export was stopped")
