"""One resolution level: its grid, its place, its storage."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from nbexport.model import Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One resolution level: its grid, its place, its storage.

    Attributes
    ----------
    axes
        The axes of the level: a coarser image is just coarser axes.
    chunks
        Shape of a Zarr chunk or, for TIFF, of a tile.
    shards
        Shape of what is written at once where that is larger than a chunk: a Zarr shard or, for
        TIFF, a row of tiles.
    factors
        By axis, pixels of the next finer level that became one here; ones at level 0, and where
        the levels were given.
    """

    axes: tuple[Axis, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    factors: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Axis lengths."""
        return tuple(axis.size for axis in self.axes)

    @property
    def write_unit(self) -> tuple[int, ...]:
        """Shape of what no two blocks may touch together: the shard, else the chunk."""
        return self.shards or self.chunks

    @property
    def n_chunks(self) -> int:
        """Number of chunks (tiles)."""
        return prod(-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))


def fitted_level(
    axes: tuple[Axis, ...],
    steps: tuple[int, ...],
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None,
    *,
    row_of_tiles: bool = False,
) -> Level:
    """Return the level with `axes`, its chunks and shards no larger than it needs."""
    shape = tuple(a.size for a in axes)
    # TIFF pads the tiles at the edges, and all levels keep one tile shape.
    fitted = chunks if row_of_tiles else tuple(map(min, chunks, shape))
    outer = None
    if row_of_tiles:
        outer = tuple(
            -(-a.size // c) * c if a.name == "x" else c for a, c in zip(axes, fitted, strict=True)
        )
    elif shards is not None:
        # No larger than the level needs, and still whole chunks.
        outer = tuple(
            min(s // c * f, -(-n // f) * f)
            for s, c, f, n in zip(shards, chunks, fitted, shape, strict=True)
        )
    return Level(axes=axes, chunks=fitted, shards=outer, factors=steps)
