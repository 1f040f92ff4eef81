"""Encoded tiles on their way into the file: cut and encoded by workers, kept until their turn."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from itertools import accumulate, product
from math import prod
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nbexport.metadata import plane_order
from nbexport.plan import Box, PyramidPlan
from nbexport.stores.engine import Done, Job, Source
from nbexport.stores.ome_tiff._codec import Compression

Array = npt.NDArray[Any]
# A block larger than this hands its tiles to the spool as they are encoded: of 64 MiB in flight for
# each of two workers, their tiles would be 100 MB of memory more.
_LARGE_BLOCK_NBYTES: Final = 16 * 2**20
# Places in the spool are made in multiples of this, so that later tiles fit into them.
_ROOM_NBYTES: Final = 2**20


class Spool:
    """Tiles in a file, where the room of those that left is used again; for any thread.

    Parameters
    ----------
    path
        The file, which is made here.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._end = 0
        self._free: list[tuple[int, int]] = []

    def __enter__(self) -> Spool:
        self._file = FileIO(self._path, "w+b")
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._file.close()

    def keep(self, tiles: Sequence[bytes]) -> list[Kept]:
        """Write `tiles` one after the other and return their places."""
        data = b"".join(tiles)
        with self._lock:
            room = _Room(*self._room(len(data)), n_kept=len(tiles))
            self._file.seek(room.start)
            view = memoryview(data)
            while view:  # an unbuffered file may take a part
                view = view[self._file.write(view) :]
        ends = accumulate(map(len, tiles))
        return [
            Kept(room, room.start + end - len(tile), len(tile))
            for tile, end in zip(tiles, ends, strict=True)
        ]

    def give(self, kept: Kept) -> bytes:
        """Return a tile, which is not kept any longer."""
        with self._lock:
            self._file.seek(kept.start)
            tile = bytearray(kept.nbytes)
            view = memoryview(tile)
            while view:
                n_read = self._file.readinto(view)
                if not n_read:
                    raise OSError(errno.EIO, "the file of waiting tiles ended early")
                view = view[n_read:]
            kept.room.n_kept -= 1
            if not kept.room.n_kept:
                self._free.append((kept.room.start, kept.room.nbytes))
        return bytes(tile)

    def _room(self, nbytes: int) -> tuple[int, int]:
        """Return start and size of the smallest free room for `nbytes`, or of new one."""
        fitting = [room for room in self._free if room[1] >= nbytes]
        if fitting:
            room = min(fitting, key=lambda room: room[1])
            self._free.remove(room)
            return room
        start, size = self._end, -(-nbytes // _ROOM_NBYTES) * _ROOM_NBYTES
        self._end += size
        return start, size


@dataclass(slots=True)
class _Room:
    start: int
    nbytes: int
    n_kept: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A tile in the spool."""

    room: _Room
    start: int
    nbytes: int


Tile = tuple[int, bytes | Kept]
"""(place in IFD order within its level, encoded bytes or where they are)"""
Finished = tuple[Job[list[Tile]], Done[list[Tile]]]


class ImageTiles:
    """The tiles of one image: encodes them, and hands them out in IFD order.

    A tile of a small block that comes when its turn is there never touches the spool.

    Parameters
    ----------
    plan
        What is written.
    compression
        How tiles are encoded.
    spool
        Where tiles wait.
    scratch
        Levels that coarser ones are made of lie in files that begin with this path.
    """

    def __init__(
        self, plan: PyramidPlan, compression: Compression, spool: Spool, scratch: Path
    ) -> None:
        self._plan = plan
        self._compression = compression
        self._spool = spool
        self._places: list[dict[int, Kept]] = [{} for _ in plan.levels]
        self._spools_at_once = plan.block_nbytes > _LARGE_BLOCK_NBYTES
        dims = plan.image.dims
        self._yx = (dims.index("y"), dims.index("x"))
        # Slowest first. Tiles come in the order of the pixels, and wait where this is another.
        self._plane_axes = [dims.index(name) for name in plane_order(plan.image) if name in dims]
        self._kept: dict[int, Array] = {}
        dtype = np.dtype(plan.image.dtype)
        for walk in plan.passes[1:]:
            path = scratch.with_name(f"{scratch.name}-{walk.reads}")
            shape = plan.levels[walk.reads].shape
            self._kept[walk.reads] = np.memmap(path, dtype=dtype, mode="w+", shape=shape)

    def level(self, index: int) -> Source:
        """Return the level `index`, which was put, as the source of coarser ones."""
        return _KeptLevel(self._kept[index])

    def close(self) -> None:
        """Let go of the levels."""
        self._kept.clear()

    def put(self, level: int, box: Box, pixels: Array) -> list[Tile]:
        """Return the encoded tiles of `box`, which is whole tiles or ends at the level's edge."""
        if level in self._kept:
            self._kept[level][tuple(slice(*edges) for edges in box)] = pixels
        grid = self._plan.levels[level]
        y, x = self._yx
        height, width = grid.chunks[y], grid.chunks[x]
        n_down, n_across = -(-grid.shape[y] // height), -(-grid.shape[x] // width)
        planes = grid.shape[:y]
        places, tiles = [], []
        for plane in np.ndindex(*pixels.shape[:y]):
            place = tuple(i + box[axis][0] for axis, i in enumerate(plane))
            ifd = 0
            for axis in self._plane_axes:
                ifd = ifd * planes[axis] + place[axis]
            one = pixels[plane]
            for top, left in product(range(0, one.shape[0], height), range(0, one.shape[1], width)):
                row, column = (box[y][0] + top) // height, (box[x][0] + left) // width
                tile = _whole(one[top : top + height, left : left + width], height, width)
                places.append((ifd * n_down + row) * n_across + column)
                tiles.append(self._compression.encode(tile))
        encoded = self._spool.keep(tiles) if self._spools_at_once else tiles
        return list(zip(places, encoded, strict=True))

    def take(self, blocks: Iterator[Finished]) -> None:
        """Keep all tiles of `blocks`."""
        for _, done in blocks:
            for level, tiles in done.results:
                self._keep(level, tiles)

    def stream(self, level: int, blocks: Iterator[Finished]) -> Iterator[bytes]:
        """Yield the tiles of `level` in order, from the spool and from `blocks` as they finish."""
        grid = self._plan.levels[level]
        n_tiles = prod(-(-n // c) for n, c in zip(grid.shape, grid.chunks, strict=True))
        turn = 0
        while turn < n_tiles:
            if turn in self._places[level]:
                yield self._spool.give(self._places[level].pop(turn))
                turn += 1
                continue
            _, done = next(blocks)
            # tifffile takes the last tile and never comes back, so all else is put away first.
            due = [tile for at, tiles in done.results if at == level for tile in tiles]
            due.sort(key=itemgetter(0))
            ready: list[bytes | Kept] = []
            while len(ready) < len(due) and due[len(ready)][0] == turn + len(ready):
                ready.append(due[len(ready)][1])
            self._keep(level, due[len(ready) :])
            for at, tiles in done.results:
                if at != level:
                    self._keep(at, tiles)
            for tile in ready:
                turn += 1
                yield tile if isinstance(tile, bytes) else self._spool.give(tile)

    def _keep(self, level: int, tiles: list[Tile]) -> None:
        encoded = [(index, tile) for index, tile in tiles if isinstance(tile, bytes)]
        if encoded:
            kept = self._spool.keep([tile for _, tile in encoded])
            tiles = [*tiles, *zip((index for index, _ in encoded), kept, strict=True)]
        for index, tile in tiles:
            if isinstance(tile, Kept):
                self._places[level][index] = tile


class _KeptLevel:
    """A level in a memory map, as a source."""

    def __init__(self, pixels: Array) -> None:
        self._pixels = pixels

    def hand_out(self, boxes: Sequence[Box], take: Callable[[int, Array], None]) -> None:
        for i, box in enumerate(boxes):
            take(i, np.asarray(self._pixels[tuple(slice(*edges) for edges in box)]))

    def cut(self, box: Box) -> Source:
        raise LookupError("OME-TIFF is encoded by threads of this process")


def _whole(tile: Array, height: int, width: int) -> Array:
    """Return `tile` contiguous, filled up at the edge of its level by its own last pixels.

    Their differences are zero, and a lossy codec has no edge to smear.
    """
    missing = height - tile.shape[0], width - tile.shape[1]
    if not any(missing):
        return np.ascontiguousarray(tile)
    rest = ((0, 0),) * (tile.ndim - 2)
    return np.pad(tile, ((0, missing[0]), (0, missing[1]), *rest), mode="edge")
