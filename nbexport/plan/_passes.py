"""The walks over the image: which levels each feeds, in what blocks and leaves."""

from __future__ import annotations

from dataclasses import replace
from math import lcm, prod
from typing import Final

from nbexport.plan._block import Pass, block_shape, leaf_shape
from nbexport.plan._cost import SourceChunks, aligned_block, held_nbytes
from nbexport.plan._level import Level

# A leaf is fetched, encoded and written at once. Measured against the bare floor, 400 MB of uint16
# in chunks of 4 MiB on two cores, medians of 5 interleaved runs, give or take 15 % (numpy, dask):
# leaves of 4 MiB take 1.12 and 1.25 of its time, 16 MiB 0.91 and 1.09, 64 MiB 1.07 and 1.40.
_LEAF_NBYTES: Final = 16 * 2**20


def plan_passes(
    levels: tuple[Level, ...],
    source_chunks: SourceChunks | None,
    *,
    itemsize: int,
    memory_budget: int,
    workers: int,
) -> tuple[tuple[Pass, ...], int]:
    """Return the passes, and how many of their blocks fit `memory_budget` at the same time.

    A pass takes as many levels as its blocks can feed within the budget of one worker; where that
    is level 0 alone, one block at a time may take all of it, since reading level 0 back would
    cost as much again as reading the source.
    """
    passes: list[Pass] = []
    done, in_flight = 0, workers
    while done < len(levels):
        reads = max(0, done - 1)
        chunks = None if passes else source_chunks
        walk = None
        for n_parallel in (in_flight, 1):
            walk = _longest_pass(levels, reads, done, chunks, itemsize, memory_budget // n_parallel)
            if walk.writes[-1] > reads or done == len(levels) - 1:
                break
        assert walk is not None
        in_flight = max(1, min(in_flight, memory_budget // held_nbytes(walk, itemsize)))
        passes.append(walk)
        done = walk.writes[-1] + 1
    return tuple(passes), in_flight


def _longest_pass(
    levels: tuple[Level, ...],
    reads: int,
    first: int,
    chunks: SourceChunks | None,
    itemsize: int,
    max_nbytes: int,
) -> Pass:
    """Return the pass from level `reads` that writes most levels from `first` on within bounds."""
    best = None
    total = (1,) * len(levels[0].axes)  # pixels of level `reads` that became one
    factors = [total] if first == reads else []
    for last in range(first, len(levels)):
        if last > reads:
            total = tuple(a * b for a, b in zip(total, levels[last].factors, strict=True))
            factors.append(total)
        writes = tuple(range(first, last + 1))
        shapes = (levels[reads].shape, *(levels[i].shape for i in writes))
        units = tuple(levels[i].write_unit for i in writes)
        block = block_shape(shapes, units, tuple(factors))
        walk = Pass(
            reads=reads,
            writes=writes,
            shapes=shapes,
            factors=tuple(factors),
            block=block,
            leaf=_smallest_leaf(shapes, units, tuple(factors)),
        )
        if chunks is not None:
            walk = _aligned(walk, chunks, itemsize, max_nbytes)
        walk = replace(walk, leaf=leaf_shape(walk.block, walk.leaf, _LEAF_NBYTES // itemsize))
        if best is not None and held_nbytes(walk, itemsize) > max_nbytes:
            break
        best = walk
    assert best is not None
    return best


def _smallest_leaf(
    shapes: tuple[tuple[int, ...], ...],
    units: tuple[tuple[int, ...], ...],
    factors: tuple[tuple[int, ...], ...],
) -> tuple[int, ...]:
    """Return the smallest piece that is whole write units of the first level it is written to.

    It is whole pixels of the next level, too, so that each is pooled from one piece.
    """
    leaf = block_shape(shapes[:2], units[:1], factors[:1])
    if len(factors) > 1:
        leaf = tuple(map(lcm, leaf, factors[1]))
    return tuple(map(min, leaf, shapes[0]))


def _aligned(walk: Pass, chunks: SourceChunks, itemsize: int, max_nbytes: int) -> Pass:
    """Return `walk` with blocks and leaves that cut no source chunk, where the bound allows it."""
    shape = walk.shapes[0]
    for max_pixels in (max_nbytes // itemsize, prod(walk.block)):
        block = aligned_block(shape, walk.block, chunks, max_pixels)
        leaf = aligned_block(shape, walk.leaf, chunks, prod(block))
        # A leaf lies within one block, so what cuts the block cuts the leaf there as well.
        leaf = tuple(
            n if b % n == 0 or b == full else old
            for n, b, old, full in zip(leaf, block, walk.leaf, shape, strict=True)
        )
        aligned = replace(walk, block=block, leaf=leaf)
        if held_nbytes(aligned, itemsize) <= max_nbytes:
            return aligned
    return walk
