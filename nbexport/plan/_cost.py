"""What a plan costs: source chunks computed again, bytes in flight."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import lcm, prod
from typing import Final

from nbexport.plan._block import Pass

SourceChunks = tuple[tuple[int, ...], ...]
"""Chunk lengths along every axis, as dask has them."""

# While a leaf is worked on, these are in memory at once, in multiples of its bytes: the pixels (1,
# and 1 more where dask concatenates its chunks), the sum of the first mean (0.5 to 1) and the
# encoded units (up to 1). Of its block: the pooled pixels of the next level and their own pooling
# (up to 0.75), and for TIFF the encoded tiles that wait for their turn (about 0.75).
_HELD_OF_LEAF: Final = 4
_HELD_OF_BLOCK: Final = 1.5


def held_nbytes(walk: Pass, itemsize: int) -> int:
    """Return the bytes that are in memory while one block of `walk` is worked on, estimated."""
    of_block = _HELD_OF_BLOCK * prod(walk.block) if walk.leaf != walk.block else 0
    return int((_HELD_OF_LEAF * prod(walk.leaf) + of_block) * itemsize)


def n_recomputed(shape: tuple[int, ...], block: tuple[int, ...], chunks: SourceChunks) -> int:
    """Return how many computations of source chunks are repeated ones.

    0 where every chunk lies within one block. The blocks of one walk are independent, so a chunk
    that k blocks touch is computed k times.

    Examples
    --------
    >>> n_recomputed((8, 8), (4, 8), ((4, 4), (8,))), n_recomputed((8, 8), (4, 8), ((8,), (8,)))
    (0, 1)
    """
    touched = [
        _n_overlaps(size, step, lengths)
        for size, step, lengths in zip(shape, block, chunks, strict=True)
    ]
    return prod(touched) - prod(len(lengths) for lengths in chunks)


def _n_overlaps(size: int, step: int, lengths: Sequence[int]) -> int:
    """Return the number of (block, chunk) pairs that share a pixel, along one axis."""
    total = 0
    for stop, length in zip(accumulate(lengths), lengths, strict=True):
        if length:
            total += (stop - 1) // step - (stop - length) // step + 1
    return total


def aligned_block(
    shape: tuple[int, ...],
    block: tuple[int, ...],
    chunks: SourceChunks,
    max_pixels: int,
) -> tuple[int, ...]:
    """Return `block` grown so that no source chunk is cut, while it stays under `max_pixels`.

    Axes are grown from the last, where chunks are usually smallest; an axis whose growth would
    break the bound is left, and its chunks are computed more than once (`n_recomputed` says how
    often).
    """
    grown = list(block)
    for axis in reversed(range(len(shape))):
        size, step, lengths = shape[axis], block[axis], chunks[axis]
        if _n_overlaps(size, step, lengths) == len(lengths):
            continue
        first = lengths[0]
        regular = all(n == first for n in lengths[:-1]) and lengths[-1] <= first
        length = min(lcm(step, first), size) if regular else size
        if prod([*grown[:axis], length, *grown[axis + 1 :]]) <= max_pixels:
            grown[axis] = length
    return tuple(grown)
