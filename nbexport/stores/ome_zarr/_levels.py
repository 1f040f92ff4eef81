"""The arrays of an OME-Zarr's levels: created, opened, written box by box, read back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zarr
from zarr.core import codec_pipeline
from zarr.core.sync import sync

from nbexport.metadata import ZARR_FORMATS
from nbexport.plan import Box, PyramidPlan
from nbexport.stores._verify import Unit, unit_sums
from nbexport.stores.ome_zarr._codec import codec
from nbexport.stores.targets import UnitSums

Array = npt.NDArray[Any]

# "/" also where it is Zarr's default: NGFF 0.4, "storage format", MUST be nested.
_KEYS: Final[dict[int, Any]] = {
    2: {"name": "v2", "separator": "/"},
    3: {"name": "default", "separator": "/"},
}

# zarr's settings belong to the whole process, and one that two threads put back crosswise stays.
_CONFIG: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarrOptions:
    """How the arrays of an OME-Zarr are stored.

    Attributes
    ----------
    version
        OME-NGFF version.
    compression, compression_level
        Checked by :func:`check_codec`.
    skip_empty
        Leave out chunks that are all zero.
    """

    version: str
    compression: Any
    compression_level: int | None
    skip_empty: bool


def create_levels(
    group: zarr.Group, plan: PyramidPlan, options: ZarrOptions
) -> tuple[zarr.Array[Any], ...]:
    """Create the arrays ``0``, ``1``, … of `plan` in `group`; they hold no chunk yet."""
    zarr_format = ZARR_FORMATS[options.version]
    dims = plan.image.dims
    compressor = codec(
        options.compression, options.compression_level, plan.image.dtype, zarr_format
    )
    named: dict[str, Any] = {"dimension_names": dims}  # MUST equal the axis names (0.5.2)
    if zarr_format == 2:
        named = {"attributes": {"_ARRAY_DIMENSIONS": list(dims)}}  # xarray's way to say the same
    with encoded_in_one_go():
        return tuple(
            group.create_array(
                str(i),
                shape=level.shape,
                dtype=np.dtype(plan.image.dtype),
                chunks=level.chunks,
                shards=level.shards,
                compressors=compressor,
                fill_value=0,
                chunk_key_encoding=_KEYS[zarr_format],
                config={"write_empty_chunks": not options.skip_empty},
                **named,
            )
            for i, level in enumerate(plan.levels)
        )


def reopened_levels(
    group: zarr.Group, plan: PyramidPlan, options: ZarrOptions
) -> tuple[zarr.Array[Any], ...]:
    """Return the arrays of `plan`, which :func:`create_levels` created, with what is in them."""
    with encoded_in_one_go(write_empty=not options.skip_empty):
        return tuple(
            zarr.open_array(group.store, path=f"{group.path}/{i}".strip("/"), mode="r+")
            for i in range(len(plan.levels))
        )


@contextmanager
def encoded_in_one_go(*, write_empty: bool | None = None) -> Iterator[None]:
    """Let arrays that are made or opened here encode what is put in one go, where zarr can.

    Those that are opened also get `write_empty`, which nobody writes into an array's metadata.

    zarr 3.4 can, 3.1 can't. Its other way makes a coroutine and a thread hop for every chunk: 10 %
    more time for chunks of 4 MiB, 25 % more CPU time where 32 of them lie in a shard. A store
    without calls that wait (of an object store) is written to as before.
    """
    name = "FusedCodecPipeline"
    wanted: dict[str, Any] = {}
    if write_empty is not None:
        wanted["array.write_empty_chunks"] = write_empty
    if hasattr(codec_pipeline, name):
        wanted["codec_pipeline.path"] = f"{codec_pipeline.__name__}.{name}"
    with _CONFIG, zarr.config.set(wanted):
        yield


class PutBoxes:
    """Writes boxes into the arrays of the levels; can be sent to another process.

    Parameters
    ----------
    arrays
        One a level.
    origins
        Where the image begins in each; None: at its first pixel.
    units
        Shape of the write units of each level, of which checksums are taken; None: of none.
    again
        Something may be there already, and is removed first: at the edge of a level zarr reads a
        shard before it writes it, and a torn one can't be read.
    """

    def __init__(
        self,
        arrays: Sequence[zarr.Array[Any]],
        origins: Sequence[tuple[int, ...]] | None = None,
        units: Sequence[tuple[int, ...]] | None = None,
        *,
        again: bool = False,
    ) -> None:
        self._again = again
        self._arrays = tuple(arrays)
        self._origins = origins or [(0,) * array.ndim for array in arrays]
        self._units = units

    def __call__(self, level: int, box: Box, pixels: Array) -> UnitSums | None:
        """Write the pixels of `box` of `level`, and return the checksums of its write units."""
        array = self._arrays[level]
        if self._again:
            for key in _keys(array, box):
                sync((array.store_path / key).delete())
        array[_slices(box, self._origins[level])] = pixels
        if self._units is None:
            return None
        return level, box, unit_sums(pixels, self._units[level])


class WrittenLevel:
    """A written level as the source of the coarser ones.

    Parameters
    ----------
    array
        What was written.
    origin
        Where the image begins in it; None: at its first pixel.
    """

    def __init__(self, array: zarr.Array[Any], origin: tuple[int, ...] | None = None) -> None:
        self._array = array
        self._origin = origin or (0,) * array.ndim

    def hand_out(self, boxes: Sequence[Box], take: Callable[[int, Array], None]) -> None:
        """Call `take` with the number and the pixels of each of `boxes`."""
        for i, box in enumerate(boxes):
            take(i, np.asarray(self._array[_slices(box, self._origin)]))

    def cut(self, box: Box) -> WrittenLevel:
        """Return this source: it is small, and every process reads the same store."""
        return self


class ReadUnits:
    """Reads write units back.

    Parameters
    ----------
    arrays
        One a level, as another program would open them.
    skip_empty
        Units that are all zero may not be there.
    """

    def __init__(self, arrays: Sequence[zarr.Array[Any]], *, skip_empty: bool) -> None:
        self._arrays = tuple(arrays)
        self._skip_empty = skip_empty

    def __call__(self, unit: Unit) -> Array:
        """Return the pixels of `unit`."""
        array = self._arrays[unit.level]
        pixels = np.asarray(array[_slices(unit.box, (0,) * array.ndim)])
        if not self._skip_empty and not pixels.any():
            # What is not there reads as zeros.
            (key,) = _keys(array, unit.box)
            if not sync((array.store_path / key).exists()):
                raise FileNotFoundError(f"{array.path}/{key} is missing")
        return pixels


def _keys(array: zarr.Array[Any], box: Box) -> Iterator[str]:
    """Return the keys below `array` of the chunks (shards) in `box`, which is whole ones."""
    grid = array.shards or array.chunks
    places = product(*(range(a // n, -(-b // n)) for (a, b), n in zip(box, grid, strict=True)))
    return map(array.metadata.encode_chunk_key, places)


def _slices(box: Box, origin: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(o + a, o + b) for (a, b), o in zip(box, origin, strict=True))
