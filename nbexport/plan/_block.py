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
        The levels that are written: 0 to K in the first pass, the coarser rest after that. Where
        the levels were given, each has a pass that reads and writes it alone.
    shapes
        Shape of level `reads`, then of each level in `writes`.
    factors
        Per level in `writes`, pixels of level `reads` that became one, by axis.
    block
        Shape of a block, in pixels of level `reads`: what one worker does.
    leaf
        Shape of the pieces in which a block is fetched, written and pooled once; only the pooled
        pixels of all of them are in memory together.
    """

    reads: int
    writes: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    factors: tuple[tuple[int, ...], ...]
    block: tuple[int, ...]
    leaf: tuple[int, ...]

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
        whole = tuple((0, n) for n in self.shapes[0])
        yield from self._grid(whole, self.block)

    def leaves(self, block: Block) -> Iterator[Block]:
        """Yield the pieces of `block`, last axis fastest, and their images."""
        yield from self._grid(block.reads, self.leaf)

    def _grid(self, whole: Box, shape: tuple[int, ...]) -> Iterator[Block]:
        counts = tuple(-(-(b - a) // n) for (a, b), n in zip(whole, shape, strict=True))
        for index in range(prod(counts)):
            reads = tuple(
                (a + i * n, min(a + (i + 1) * n, b))
                for (a, b), i, n in zip(whole, _place(index, counts), shape, strict=True)
            )
            yield Block(index=index, reads=reads, writes=tuple(self._images(reads)))

    def _images(self, reads: Box) -> Iterator[tuple[int, Box]]:
        """Yield where `reads` lies on each level that is written, while something of it is left."""
        for level, shape, factors in zip(self.writes, self.shapes[1:], self.factors, strict=True):
            # Where an axis became too short to be coarsened further, its end is the level's end.
            box = tuple(
                (start // f, size if stop == full else stop // f)
                for (start, stop), f, size, full in zip(
                    reads, factors, shape, self.shapes[0], strict=True
                )
            )
            if any(start >= stop for start, stop in box):
                return
            yield level, box


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


def leaf_shape(
    block: tuple[int, ...], smallest: tuple[int, ...], max_pixels: int
) -> tuple[int, ...]:
    """Return pieces of `block`, whole numbers of `smallest`, of up to `max_pixels`.

    They grow along the last axis first: neighbours in memory and in files.

    Examples
    --------
    >>> leaf_shape((8, 2048, 2048), (1, 512, 512), 2**21)
    (1, 1024, 2048)
    """
    leaf = list(map(min, smallest, block))
    for axis in reversed(range(len(block))):
        times = block[axis] // leaf[axis]
        if block[axis] % leaf[axis]:  # the block ends with the image
            times += 1
        room = max_pixels // prod(leaf)
        fitting = max((k for k in _divisors(times) if k <= room), default=1)
        leaf[axis] = min(leaf[axis] * fitting, block[axis])
    return tuple(leaf)


def _divisors(number: int) -> Iterator[int]:
    """Yield the powers of two that divide `number`, and `number`."""
    power = 1
    while number % power == 0:
        yield power
        power *= 2
    yield number
