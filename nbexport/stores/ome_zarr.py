"""One OME-Zarr group, written in one pass: each chunk once, the root metadata last."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from nbexport.metadata import ngff_attributes
from nbexport.pixels import display_windows
from nbexport.plan import Box, PyramidPlan
from nbexport.stores._execute import Source, Walk
from nbexport.stores._progress import ProgressOption, listener
from nbexport.stores._report import WriteReport
from nbexport.stores._target import nbytes_on_disk, staged

Array = npt.NDArray[Any]

CODECS: Final[dict[str, Any]] = {
    "blosc-zstd": lambda size: BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=size),
    "blosc-lz4": lambda size: BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=size),
    "zstd": lambda size: ZstdCodec(level=3),
    "gzip": lambda size: GzipCodec(level=5),
    "none": lambda size: None,
}


def write_zarr(
    source: Source,
    plan: PyramidPlan,
    target: Path,
    *,
    compression: str,
    progress: ProgressOption,
    notes: tuple[str, ...],
) -> WriteReport:
    """Write `plan` to the checked path `target`.

    The group is made in a hidden folder beside `target` and renamed when it is complete. Empty
    chunks are written too: a missing chunk would read as zeros, and a lost one as well.
    """
    begin = time.perf_counter()
    with staged(target) as folder, listener(progress, plan.n_blocks, target.name) as report:
        root = zarr.create_group(folder / target.name, zarr_format=3)
        arrays = _create_levels(root, plan, compression)

        def put(level: int, box: Box, pixels: Array) -> None:
            arrays[level][_slices(box)] = pixels

        given = [channel.window for channel in plan.image.channels]
        walk = Walk(plan, put, report, what=target.name, sampled=None in given)
        samples: list[tuple[int, Array]] = []
        for one in plan.passes:
            level = source if one is plan.passes[0] else _Level(arrays[one.reads])
            with closing(walk.run(one, level)) as blocks:
                for done in blocks:
                    samples += done.samples
        windows = display_windows(samples, len(given))
        root.update_attributes(ngff_attributes(plan, _with_given(windows, given)))
        nbytes = nbytes_on_disk(folder)
    return WriteReport(
        target=str(target),
        format=plan.format,
        plan=plan,
        nbytes=nbytes,
        seconds=time.perf_counter() - begin,
        notes=notes,
        losses=plan.losses,
    )


class _Level:
    """A written level as the source of the coarser ones."""

    def __init__(self, array: zarr.Array[Any]) -> None:
        self._array = array

    def fetch(self, box: Box) -> Array:
        return np.asarray(self._array[_slices(box)])


def _create_levels(
    root: zarr.Group, plan: PyramidPlan, compression: str
) -> tuple[zarr.Array[Any], ...]:
    dtype = np.dtype(plan.image.dtype)
    codec = CODECS[compression](dtype.itemsize)
    return tuple(
        root.create_array(
            str(i),
            shape=level.shape,
            dtype=dtype,
            chunks=level.chunks,
            shards=level.shards,
            compressors=codec,
            fill_value=0,
            dimension_names=plan.image.dims,  # MUST equal the axis names (0.5.2)
            config={"write_empty_chunks": True},
        )
        for i, level in enumerate(plan.levels)
    )


def _with_given(
    windows: list[tuple[float, float, float, float]],
    given: Sequence[tuple[float, float] | None],
) -> list[tuple[float, float, float, float]]:
    """Return `windows` with the given (start, end) in place, and a range that holds them."""
    return [
        (low, high, start, end)
        if window is None
        else (min(low, window[0]), max(high, window[1]), *window)
        for (low, high, start, end), window in zip(windows, given, strict=True)
    ]


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(start, stop) for start, stop in box)
