"""One OME-TIFF, written in one pass: tiles encoded by workers, handed to tifffile in IFD order.

Level 0 streams into the file as tiles finish; the tiles of the coarser levels wait in a spool
beside it and follow as SubIFDs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import IO, Any, Final

import imagecodecs
import numpy as np
import numpy.typing as npt
from tifffile import TiffWriter

from nbexport._version import __version__
from nbexport.errors import PlanError
from nbexport.metadata.ome_xml import ome_xml
from nbexport.model import Axis, convert, is_length
from nbexport.plan import Box, Level, PyramidPlan
from nbexport.stores._execute import Done, Job, Part, Source, Workers, stages
from nbexport.stores._progress import ProgressOption, listener
from nbexport.stores._report import WriteReport
from nbexport.stores._target import nbytes_on_disk, staged

Array = npt.NDArray[Any]
Tile = tuple[int, bytes]
"""(place in IFD order within its level, encoded bytes)"""
Finished = tuple[Job[list[Tile]], Done[list[Tile]]]


@dataclass(frozen=True, slots=True)
class _Codec:
    """A compression of tiles: its default level, the levels it has, and its encoder."""

    default: int
    lowest: int
    highest: int
    encode: Callable[[bytes, int], bytes]


# zlib's level 1 with differences: on 20 real images and a noisy sCMOS volume within 1 % of the
# bytes of level 6, at three times its speed (182 and 58 MB/s a core, libdeflate).
CODECS: Final[dict[str, _Codec]] = {
    "zlib": _Codec(1, 1, 12, lambda tile, level: bytes(imagecodecs.deflate_encode(tile, level))),
    "zstd": _Codec(3, 1, 22, lambda tile, level: bytes(imagecodecs.zstd_encode(tile, level))),
    "lzw": _Codec(0, 0, 0, lambda tile, level: bytes(imagecodecs.lzw_encode(tile))),
    "none": _Codec(0, 0, 0, lambda tile, level: tile),
}

# Classic TIFF addresses 2**32 bytes. An IFD takes a few hundred bytes and a tile 8 to 16; the
# estimate takes pixels as incompressible, so a file that is not BigTIFF can't outgrow its offsets.
_CLASSIC_NBYTES: Final = 2**32 - 2**25
_IFD_NBYTES: Final = 1024
_TILE_NBYTES: Final = 16


def check_codec(compression: object, level: int | None) -> None:
    """Raise PlanError unless tiles can be compressed with `compression` at `level`."""
    codec = CODECS.get(compression) if isinstance(compression, str) else None
    if codec is None:
        raise PlanError(f"compression={compression!r} is not known; use one of {', '.join(CODECS)}")
    if level is not None and not (
        isinstance(level, int) and codec.lowest <= level <= codec.highest
    ):
        raise PlanError(
            f"compression_level={level!r} is not possible with {compression!r}; "
            f"use {codec.lowest} to {codec.highest}"
        )


def write_tiff(
    source: Source,
    plan: PyramidPlan,
    target: Path,
    *,
    compression: str,
    compression_level: int | None,
    bigtiff: bool | None,
    progress: ProgressOption,
    notes: tuple[str, ...],
) -> WriteReport:
    """Write `plan` to the checked path `target`.

    The file is made in a hidden folder beside `target` and renamed when it is complete.
    """
    begin = time.perf_counter()
    description = ome_xml(plan).encode()
    if bigtiff is None:
        bigtiff = _largest_nbytes(plan) + len(description) > _CLASSIC_NBYTES
    with staged(target) as folder, listener(progress, plan.n_blocks, target.name) as report:
        encoder = _Encoder(plan, compression, compression_level)
        pages = _PageOptions(plan, compression, encoder.predictor)
        workers = Workers(plan.in_flight, plan.n_blocks, report, what=target.name)
        with (
            _Spool(folder / "tiles", folder / "levels", plan, encoder) as spool,
            TiffWriter(folder / target.name, bigtiff=bigtiff, shaped=False) as tiff,
        ):
            first, *rest = stages([Part(plan, source, encoder.put, spool.level, sampled=False)])
            with closing(workers.run(first)) as blocks:
                tiff.write(
                    spool.stream(0, blocks),
                    **pages.of(plan.levels[0]),
                    subifds=len(plan.levels) - 1,
                    description=description,
                    software=f"nbexport {__version__}",
                )
                spool.take(blocks)
            for stage in rest:
                with closing(workers.run(stage)) as blocks:
                    spool.take(blocks)
            for i, level in enumerate(plan.levels[1:], 1):
                tiff.write(spool.stream(i, iter(())), **pages.of(level), subfiletype=1)
        nbytes = nbytes_on_disk(folder / target.name)
    return WriteReport(
        target=str(target),
        format=plan.format,
        plan=plan,
        nbytes=nbytes,
        seconds=time.perf_counter() - begin,
        notes=notes,
        losses=plan.losses,
    )


class _Encoder:
    """Cuts the pixels of a box into tiles and encodes them."""

    def __init__(self, plan: PyramidPlan, compression: str, level: int | None) -> None:
        self._plan = plan
        codec = CODECS[compression]
        self._encode_bytes = codec.encode
        self._level = codec.default if level is None else level
        self._yx = (plan.image.dims.index("y"), plan.image.dims.index("x"))
        dtype = np.dtype(plan.image.dtype)
        # Differences of neighbours are for integers; predictor 3, the one for floats, is
        # unknown to Bio-Formats 7.3.
        self.predictor = compression != "none" and dtype.kind in "iu"
        self.keep: dict[int, Array] = {}

    def put(self, level: int, box: Box, pixels: Array) -> list[Tile]:
        """Return the encoded tiles of `box`, which is whole tiles or ends at the level's edge."""
        if level in self.keep:
            self.keep[level][tuple(slice(*edges) for edges in box)] = pixels
        grid = self._plan.levels[level]
        y, x = self._yx
        height, width = grid.chunks[y], grid.chunks[x]
        n_down, n_across = -(-grid.shape[y] // height), -(-grid.shape[x] // width)
        planes = grid.shape[:y]
        tiles = []
        for plane in np.ndindex(*pixels.shape[:y]):
            place = tuple(i + box[axis][0] for axis, i in enumerate(plane))
            ifd = int(np.ravel_multi_index(place, planes)) if planes else 0
            one = pixels[plane]
            for top, left in product(range(0, one.shape[0], height), range(0, one.shape[1], width)):
                row, column = (box[y][0] + top) // height, (box[x][0] + left) // width
                tile = one[top : top + height, left : left + width]
                index = (ifd * n_down + row) * n_across + column
                tiles.append((index, self._encode(tile, height, width)))
        return tiles

    def _encode(self, tile: Array, height: int, width: int) -> bytes:
        if tile.shape[:2] != (height, width):
            padded = np.zeros((height, width, *tile.shape[2:]), dtype=tile.dtype)
            padded[: tile.shape[0], : tile.shape[1]] = tile
            tile = padded
        if self.predictor:
            tile = np.asarray(imagecodecs.delta_encode(np.ascontiguousarray(tile), axis=1))
        return self._encode_bytes(tile.tobytes(), self._level)


class _Spool:
    """Encoded tiles that wait for their turn, in a file; and levels that coarser ones are made of.

    A tile that comes when its turn is there never touches the file.
    """

    def __init__(self, tiles: Path, levels: Path, plan: PyramidPlan, encoder: _Encoder) -> None:
        self._path = tiles
        self._plan = plan
        self._encoder = encoder
        self._places: list[dict[int, tuple[int, int]]] = [{} for _ in plan.levels]
        self._levels = levels

    def __enter__(self) -> _Spool:
        self._file: IO[bytes] = self._path.open("w+b")
        dtype = np.dtype(self._plan.image.dtype)
        for walk in self._plan.passes[1:]:
            shape = self._plan.levels[walk.reads].shape
            path = self._levels.with_name(f"level{walk.reads}")
            self._encoder.keep[walk.reads] = np.memmap(path, dtype=dtype, mode="w+", shape=shape)
        return self

    def __exit__(self, *exc: object) -> None:
        self._encoder.keep.clear()
        self._file.close()

    def level(self, index: int) -> Source:
        """Return the kept level `index` as the source of coarser ones."""
        return _Kept(self._encoder.keep[index])

    def take(self, blocks: Iterator[Finished]) -> None:
        """Spool all tiles of `blocks`."""
        for _, done in blocks:
            for level, tiles in done.results:
                self._put(level, tiles)

    def stream(self, level: int, blocks: Iterator[Finished]) -> Iterator[bytes]:
        """Yield the tiles of `level` in order, from the spool and from `blocks` as they finish."""
        grid = self._plan.levels[level]
        n_tiles = prod(-(-n // c) for n, c in zip(grid.shape, grid.chunks, strict=True))
        turn = 0
        while turn < n_tiles:
            if turn in self._places[level]:
                yield self._get(level, turn)
                turn += 1
                continue
            _, done = next(blocks)
            # tifffile takes the last tile and never comes back, so all else is put away first.
            due = sorted(tile for at, tiles in done.results if at == level for tile in tiles)
            ready: list[bytes] = []
            while len(ready) < len(due) and due[len(ready)][0] == turn + len(ready):
                ready.append(due[len(ready)][1])
            self._put(level, due[len(ready) :])
            for at, tiles in done.results:
                if at != level:
                    self._put(at, tiles)
            for tile in ready:
                turn += 1
                yield tile

    def _put(self, level: int, tiles: list[Tile]) -> None:
        for index, tile in tiles:
            self._file.seek(0, 2)
            self._places[level][index] = (self._file.tell(), len(tile))
            self._file.write(tile)

    def _get(self, level: int, index: int) -> bytes:
        offset, nbytes = self._places[level].pop(index)
        self._file.seek(offset)
        return self._file.read(nbytes)


class _Kept:
    """A level in a memory map, as a source."""

    def __init__(self, pixels: Array) -> None:
        self._pixels = pixels

    def hand_out(self, boxes: Sequence[Box], take: Callable[[int, Array], None]) -> None:
        for i, box in enumerate(boxes):
            take(i, np.asarray(self._pixels[tuple(slice(*edges) for edges in box)]))

    def cut(self, box: Box) -> Source:
        raise LookupError("OME-TIFF is encoded by threads of this process")


class _PageOptions:
    """The keyword arguments of TiffWriter.write for one level."""

    def __init__(self, plan: PyramidPlan, compression: str, predictor: bool) -> None:
        dims = plan.image.dims
        self._fixed: dict[str, Any] = {
            "dtype": np.dtype(plan.image.dtype),
            "photometric": "rgb" if "s" in dims else "minisblack",
            "metadata": None,
        }
        if "s" in dims:
            self._fixed["planarconfig"] = "contig"
            if plan.image.sizes["s"] == 4:
                self._fixed["extrasamples"] = ["unassalpha"]
        if compression != "none":
            self._fixed["compression"] = compression
            self._fixed["predictor"] = predictor
        self._dims = dims

    def of(self, level: Level) -> dict[str, Any]:
        """Return the options of `level`."""
        sizes = dict(zip(self._dims, level.shape, strict=True))
        tile = dict(zip(self._dims, level.chunks, strict=True))
        shape = [sizes.get(name, 1) for name in "tczyx"]
        if "s" in sizes:
            shape.append(sizes["s"])
        return {
            **self._fixed,
            "shape": tuple(shape),
            "tile": (tile["y"], tile["x"]),
            **_resolution(level.axes),
        }


def _resolution(axes: tuple[Axis, ...]) -> dict[str, Any]:
    """Return the resolution tags: pixels a centimetre, for readers that don't know OME-XML."""
    by_name = {axis.name: axis for axis in axes}
    x, y = by_name["x"], by_name["y"]
    if not all(a.calibrated and a.unit is not None and is_length(a.unit) for a in (x, y)):
        return {}
    per_cm = []
    for axis in (x, y):
        assert axis.unit is not None
        pixels = 1 / convert(axis.scale, axis.unit, "centimeter")
        if not 1e-4 < pixels < 4e9:  # a TIFF rational is two 32-bit integers
            return {}
        per_cm.append(pixels)
    return {"resolution": tuple(per_cm), "resolutionunit": "CENTIMETER"}


def _largest_nbytes(plan: PyramidPlan) -> int:
    """Return a safe upper bound of the file's bytes, without OME-XML."""
    itemsize = np.dtype(plan.image.dtype).itemsize
    total = 0
    for level in plan.levels:
        n_pages = prod(
            a.size for a, name in zip(level.axes, plan.image.dims, strict=True) if name in "tcz"
        )
        # Tiles are padded, and a codec may add a little to what it can't compress.
        tiles = level.n_chunks * (prod(level.chunks) * itemsize * 1.01 + _TILE_NBYTES)
        total += int(tiles) + n_pages * _IFD_NBYTES
    return total
