"""The unit of work: a box of pixels whose image on every level is whole write units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm, prod

Box = tuple[tuple[int, int], ...]
"""(start, stop) along every axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One box of pixels, and where its image lies on every level that it fills.

    Attributes
    ----------
    index
        Place in the pass, from 0.
    reads
        The box to fetch, in pixels of the level the pass reads from.
    writes
        (level, box) pairs, finest first; levels on which nothing of the block is left are absent.
    """

    index: int
    reads: Box
    writes: tuple[tuple[int, Box], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One walk over the image: read level `reads` once, write `writes`, all from memory.

    Attributes
    ----------
    reads
        The level that is read: 0 (the source) in the first pass.
    writes
        The levels that are written: 0 to K in the first pass, the coarser rest after that.
    shapes
        Shape of level `reads`, then of each level in `writes`.
    factors
        Per level in `writes`, pixels of level `reads` that became one, by axis.
    block
        Shape of a block, in pixels of level `reads`.
    """

    reads: int
    writes: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    factors: tuple[tuple[int, ...], ...]
    block: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks along every axis."""
        return tuple(-(-n // b) for n, b in zip(self.shapes[0], self.block, strict=True))

    @property
    def n_blocks(self) -> int:
        """Blocks in all."""
        return prod(self.counts)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks one by one, last axis fastest: the order of TIFF's IFDs and tiles."""
        counts = self.counts
        for index in range(self.n_blocks):
            place = _place(index, counts)
            reads = tuple(
                (i * b, min((i + 1) * b, n))
                for i, b, n in zip(place, self.block, self.shapes[0], strict=True)
            )
            writes = []
            for level, shape, factors in zip(
                self.writes, self.shapes[1:], self.factors, strict=True
            ):
                # Where an axis became too short to be coarsened further, the block spans it whole
                # and ends where the level ends.
                box = tuple(
                    (start // f, size if stop == full else stop // f)
                    for (start, stop), f, size, full in zip(
                        reads, factors, shape, self.shapes[0], strict=True
                    )
                )
                if any(start >= stop for start, stop in box):
                    break
                writes.append((level, box))
            yield Block(index=index, reads=reads, writes=tuple(writes))


def _place(index: int, counts: tuple[int, ...]) -> tuple[int, ...]:
    """Return the place of block `index` in a grid; itertools.product would hold every range."""
    place = []
    for count in reversed(counts):
        index, i = divmod(index, count)
        place.append(i)
    return tuple(reversed(place))


def block_shape(
    shapes: tuple[tuple[int, ...], ...],
    units: tuple[tuple[int, ...], ...],
    factors: tuple[tuple[int, ...], ...],
) -> tuple[int, ...]:
    """Return the smallest block whose image on every level is a whole number of write units.

    Parameters
    ----------
    shapes
        Shape of the level that is read, then of each level that is written.
    units
        Write unit of each level that is written.
    factors
        Pixels of the level that is read which became one, by level and axis.

    Examples
    --------
    >>> block_shape(((4096, 4096), (4096, 4096), (2048, 2048)), ((512, 512),) * 2, ((1, 1), (2, 2)))
    (1024, 1024)
    """
    block = []
    for axis, full in enumerate(shapes[0]):
        length = 1
        for shape, unit, factor in zip(shapes[1:], units, factors, strict=True):
            whole = unit[axis] >= shape[axis]
            length = lcm(length, full if whole else unit[axis] * factor[axis])
            if length >= full:
                length = full
                break
        block.append(length)
    return tuple(block)
