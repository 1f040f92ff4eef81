"""The pixels of a DataArray, in storage order, fetched box by box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import accumulate
from math import prod
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import xarray as xr

from nbexport.plan import Box, SourceChunks


class PixelSource:
    """Pixels in storage order; whatever backs the DataArray stays lazy until a box is fetched.

    Parameters
    ----------
    da
        Its dims are in storage order.
    """

    def __init__(self, da: xr.DataArray) -> None:
        variable = da.variable
        data = variable._data
        if hasattr(data, "magnitude"):  # a pint Quantity: the unit of the values is not ours
            variable = xr.Variable(variable.dims, data.magnitude)
        self._variable = variable
        self._lazy = hasattr(variable._data, "__dask_graph__")

    @property
    def chunks(self) -> SourceChunks | None:
        """The chunks of a dask array; None where pixels are in memory or read one by one."""
        return self._variable.chunks if self._lazy else None

    @property
    def in_memory(self) -> bool:
        """Whether pixels can be looked at for free."""
        return isinstance(self._variable._data, np.ndarray)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep the file open that lazy pixels come from, where the array knows how."""
        with _file_of(self._variable._data):
            yield

    def fetch(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of `box`; dask computes them on the calling thread.

        The workers are the parallelism: a scheduler of dask's under each of them would only add
        threads.
        """
        part = self._variable[_slices(box)]
        if self._lazy:
            return np.asarray(part.data.compute(scheduler="synchronous"))
        return np.asarray(part.values)

    def hand_out(self, boxes: Sequence[Box], take: Callable[[int, npt.NDArray[Any]], None]) -> None:
        """Call `take` with the number and the pixels of each of `boxes`, one after the other."""
        if self._lazy:
            _compute_each([self._variable[_slices(box)].data for box in boxes], take)
            return
        for i, box in enumerate(boxes):
            take(i, self.fetch(box))

    def cut(self, box: Box) -> CutSource:
        """Return a source of `box` alone: of a dask graph only the tasks it needs."""
        part = self._variable[_slices(box)]
        if not self._lazy:
            return CutSource(part.values, box)
        from dask.base import optimize

        return CutSource(optimize(part.data)[0], box)  # type: ignore[no-untyped-call]

    def as_dataarray(self) -> xr.DataArray:
        """Return the pixels as a bare DataArray, still lazy."""
        return xr.DataArray(self._variable)

    def extremes(self) -> tuple[int, int]:
        """Return the smallest and the largest value of integer pixels in memory."""
        pixels = np.asarray(self._variable._data)
        return int(pixels.min()), int(pixels.max())


class CutSource:
    """The pixels of one box, to be sent to a worker of a cluster and computed there."""

    def __init__(self, pixels: Any, box: Box) -> None:
        self._pixels = pixels
        self._box = box

    def hand_out(self, boxes: Sequence[Box], take: Callable[[int, npt.NDArray[Any]], None]) -> None:
        """Call `take` with the number and the pixels of each of `boxes`, parts of the one cut."""
        parts = [
            self._pixels[
                tuple(
                    slice(a - start, b - start)
                    for (a, b), (start, _) in zip(box, self._box, strict=True)
                )
            ]
            for box in boxes
        ]
        if hasattr(self._pixels, "__dask_graph__"):
            _compute_each(parts, take)
            return
        for i, part in enumerate(parts):
            take(i, np.asarray(part))

    def cut(self, box: Box) -> CutSource:
        """Return this source: it is cut already."""
        return self


def _compute_each(parts: Sequence[Any], take: Callable[[int, npt.NDArray[Any]], None]) -> None:
    """Compute dask arrays in one graph, and hand each on as soon as it is there.

    One graph, so that what several parts are made of is computed once for all; handed on inside
    of it, so that dask drops a part before it makes the next. The calling thread computes: workers
    are the parallelism, a scheduler of dask's under each of them would only add threads.

    Handing on is itself a task of an array: ``dask.delayed`` would optimize each part apart, and
    read a file again for each part that is cut from it (16 times for 16 parts, dask 2026.8).
    """
    import dask

    token = uuid4().hex
    nothing = np.zeros((0,) * parts[0].ndim, dtype=bool)
    tasks = [
        part.map_blocks(
            _Gathered(part.chunks, partial(take, i)),
            dtype=bool,
            chunks=tuple((1,) * len(lengths) for lengths in part.chunks),
            meta=nothing,
            name=f"nbexport-take-{token}-{i}",
        )
        for i, part in enumerate(parts)
    ]
    with _file_of(parts[0]):
        dask.compute(*tasks, scheduler="synchronous")  # type: ignore[attr-defined, no-untyped-call]


class _Gathered:
    """Puts the chunks of a part together as they come, and hands it on with the last.

    In place of dask's concatenation, which holds all chunks of a part beside the part and takes
    8 % of an export's time (400 MB, chunks of 4 MiB, parts of 16).
    """

    def __init__(self, chunks: SourceChunks, take: Callable[[npt.NDArray[Any]], None]) -> None:
        self._starts = [tuple(accumulate(lengths, initial=0)) for lengths in chunks]
        self._left = prod(map(len, chunks))
        self._take = take
        self._whole: npt.NDArray[Any] | None = None

    def __call__(self, pixels: Any, block_id: tuple[int, ...]) -> npt.NDArray[Any]:
        pixels = np.asarray(pixels)
        place = tuple(slice(s[i], s[i + 1]) for s, i in zip(self._starts, block_id, strict=True))
        announced = tuple(one.stop - one.start for one in place)
        if pixels.shape != announced:
            raise ValueError(
                f"a chunk came with shape {pixels.shape}, not {announced} as announced"
            )
        self._left -= 1
        if self._whole is None:
            whole = [starts[-1] for starts in self._starts]
            self._whole = pixels if pixels.shape == tuple(whole) else np.empty(whole, pixels.dtype)
        if self._whole is not pixels:
            self._whole = self._whole.astype(np.result_type(self._whole, pixels), copy=False)
            self._whole[place] = pixels
        if not self._left:
            complete, self._whole = self._whole, None
            self._take(complete)
        return np.zeros((1,) * pixels.ndim, dtype=bool)


def _file_of(data: Any) -> AbstractContextManager[Any]:
    """Return what opens the file that nd2's lazy arrays come from, where it is closed.

    That dask array (resource-backed-dask-array 0.1) else opens its file for every computation and
    closes it afterwards, for all threads: 9 of 60 exports by two workers failed on it.
    """
    file = getattr(data, "_context", None)
    return file if file is not None and getattr(file, "closed", False) else nullcontext()


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(start, stop) for start, stop in box)
