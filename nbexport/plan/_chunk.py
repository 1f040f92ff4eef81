"""Chunk and tile shapes from the image's axes and pixel type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt, prod
from typing import Final, Literal

import numpy as np

from nbexport.errors import PlanError
from nbexport.model import ImageSpec

# One object of 1 to 4 MiB keeps object stores and file systems busy with data, not with requests;
# 1024 pixels is as wide as web viewers ask for at once (research: bioformats2raw's tiles too).
_MAX_CHUNK_NBYTES: Final = 4 * 2**20
_FULL_CHUNK_NBYTES: Final = 2**20
_MAX_EDGE: Final = 1024
# File systems and object stores bear some 10**4 objects well; a shard is written from memory.
_MANY_CHUNKS: Final = 10_000
_MAX_SHARD_NBYTES: Final = 128 * 2**20


def plane_chunks(image: ImageSpec) -> tuple[int, ...]:
    """Return chunks of about 1 to 4 MiB, square in y and x.

    Small planes are gathered along z, the axis people look along, up to 1 MiB; t and c always
    have chunks of 1, so that one time point or channel is read alone.

    Examples
    --------
    >>> from nbexport.model import Axis, Channel
    >>> axes = tuple(Axis(name=n, size=s) for n, s in zip("tzyx", (9, 40, 2048, 2048)))
    >>> plane_chunks(ImageSpec(name="", axes=axes, dtype="uint16", channels=(Channel(label=""),)))
    (1, 1, 1024, 1024)
    >>> axes = tuple(Axis(name=n, size=s) for n, s in zip("zyx", (40, 128, 128)))
    >>> plane_chunks(ImageSpec(name="", axes=axes, dtype="uint16", channels=(Channel(label=""),)))
    (32, 128, 128)
    """
    itemsize = np.dtype(image.dtype).itemsize * image.sizes.get("s", 1)
    edge = 1 << (isqrt(_MAX_CHUNK_NBYTES // itemsize).bit_length() - 1)
    edge = min(edge, _MAX_EDGE)
    chunks = dict.fromkeys(image.dims, 1)
    chunks["y"], chunks["x"] = (min(edge, image.sizes[name]) for name in "yx")
    if "s" in chunks:
        chunks["s"] = image.sizes["s"]
    plane_nbytes = prod(chunks.values()) * np.dtype(image.dtype).itemsize
    if "z" in chunks:
        chunks["z"] = max(1, min(image.sizes["z"], _FULL_CHUNK_NBYTES // plane_nbytes))
    return tuple(chunks[name] for name in image.dims)


def given_chunks(image: ImageSpec, chunks: Sequence[int] | Mapping[str, int]) -> tuple[int, ...]:
    """Return the chunks a user gave, by axis name or one an axis, checked.

    Raises
    ------
    PlanError
        If a name or the count doesn't fit the axes, or a length is not a whole number above 0.
    """
    if isinstance(chunks, Mapping):
        unknown = [name for name in chunks if name not in image.dims]
        if unknown:
            raise PlanError(
                f"chunks names axis {unknown[0]!r}; this image has {', '.join(image.dims)}"
            )
        by_name = dict(zip(image.dims, plane_chunks(image), strict=True)) | dict(chunks)
        lengths = tuple(by_name[name] for name in image.dims)
    elif isinstance(chunks, str) or not isinstance(chunks, Sequence):
        raise PlanError(
            f"chunks={chunks!r} are no lengths; give one an axis, or by axis name as in "
            "{'y': 256, 'x': 256}"
        )
    else:
        lengths = tuple(chunks)
        if len(lengths) != len(image.dims):
            raise PlanError(
                f"chunks={lengths} has {len(lengths)} lengths; the axes {' '.join(image.dims)} "
                f"need {len(image.dims)}"
            )
    for name, length in zip(image.dims, lengths, strict=True):
        if not isinstance(length, int) or isinstance(length, bool) or length < 1:
            raise PlanError(f"chunks has {length!r} along {name}; a whole number above 0 is needed")
    return tuple(min(length, size) for length, size in zip(lengths, image.shape, strict=True))


def shard_shape(
    image: ImageSpec,
    chunks: tuple[int, ...],
    shards: Sequence[int] | Mapping[str, int] | Literal["auto"] | None,
) -> tuple[int, ...] | None:
    """Return the shard shape a user asked for, checked, or None for no shards.

    ``"auto"`` makes shards where level 0 would have more than 10,000 chunks: chunks are gathered
    along x, y, z and t, in this order, until there are fewer shards than that or one has 128 MiB.

    Raises
    ------
    PlanError
        If a length is not a multiple of the chunk's.

    Examples
    --------
    >>> from nbexport.model import Axis, Channel
    >>> axes = tuple(Axis(name=n, size=s) for n, s in zip("tyx", (9000, 2048, 2048)))
    >>> movie = ImageSpec(name="", axes=axes, dtype="uint16", channels=(Channel(label=""),))
    >>> shard_shape(movie, (1, 1024, 1024), "auto")
    (1, 2048, 2048)
    """
    if shards is None:
        return None
    if isinstance(shards, str) and shards == "auto":
        return _auto_shards(image, chunks)
    if isinstance(shards, Mapping):
        unknown = [name for name in shards if name not in image.dims]
        if unknown:
            raise PlanError(
                f"shards names axis {unknown[0]!r}; this image has {', '.join(image.dims)}"
            )
        lengths = tuple(shards.get(n, c) for n, c in zip(image.dims, chunks, strict=True))
    elif (
        isinstance(shards, Sequence)
        and not isinstance(shards, str)
        and len(shards) == len(image.dims)
    ):
        lengths = tuple(shards)
    else:
        raise PlanError(
            f"shards={shards!r} does not fit the axes {' '.join(image.dims)}; give "
            f"{len(image.dims)} lengths, lengths by axis name, or 'auto'"
        )
    for name, length, chunk, size in zip(image.dims, lengths, chunks, image.shape, strict=True):
        if not isinstance(length, int) or length < 1 or (length % chunk and length < size):
            raise PlanError(
                f"shards has {length!r} along {name}; a multiple of the chunk's {chunk} is needed"
            )
    return tuple(-(-n // c) * c for n, c in zip(lengths, chunks, strict=True))


def _auto_shards(image: ImageSpec, chunks: tuple[int, ...]) -> tuple[int, ...] | None:
    itemsize = np.dtype(image.dtype).itemsize
    counts = [-(-n // c) for n, c in zip(image.shape, chunks, strict=True)]
    if prod(counts) <= _MANY_CHUNKS:
        return None
    times = [1] * len(chunks)
    for name in "xyzt":
        if name not in image.dims:
            continue
        axis = image.dims.index(name)
        while times[axis] < counts[axis]:
            n_shards = prod(-(-n // k) for n, k in zip(counts, times, strict=True))
            nbytes = prod(chunks) * prod(times) * itemsize
            if n_shards <= _MANY_CHUNKS or 2 * nbytes > _MAX_SHARD_NBYTES:
                break
            times[axis] = min(2 * times[axis], counts[axis])
    return tuple(c * k for c, k in zip(chunks, times, strict=True))


def tile_shape(image: ImageSpec, tile: tuple[int, int]) -> tuple[int, int]:
    """Return the TIFF tile (height, width) for `image`: `tile`, but no larger than needed.

    TIFF 6.0, section 15: TileLength and TileWidth MUST be multiples of 16.

    Raises
    ------
    PlanError
        If `tile` is not two multiples of 16 of at least 16.
    """
    if (
        not isinstance(tile, Sequence)
        or len(tile) != 2
        or not all(isinstance(n, int) and n >= 16 and n % 16 == 0 for n in tile)
    ):
        raise PlanError(
            f"tile={tile!r} is not a TIFF tile; give (height, width) in multiples of 16, "
            "for example (512, 512)"
        )
    sizes = image.sizes
    height, width = (min(n, -(-sizes[name] // 16) * 16) for n, name in zip(tile, "yx", strict=True))
    return height, width
