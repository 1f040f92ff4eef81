"""The pixels of a DataArray, in storage order, fetched box by box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
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

    def handed(i: int) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
        def task(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
            take(i, np.asarray(pixels))
            return np.zeros((1,) * pixels.ndim, dtype=bool)

        return task

    tasks = [
        part.rechunk(part.shape).map_blocks(
            handed(i),
            dtype=bool,
            chunks=(1,) * part.ndim,
            meta=nothing,
            name=f"nbexport-take-{token}-{i}",
        )
        for i, part in enumerate(parts)
    ]
    with _file_of(parts[0]):
        dask.compute(*tasks, scheduler="synchronous")  # type: ignore[attr-defined, no-untyped-call]


def _file_of(data: Any) -> AbstractContextManager[Any]:
    """Return what opens the file that nd2's lazy arrays come from, where it is closed.

    That dask array (resource-backed-dask-array 0.1) else opens its file for every computation and
    closes it afterwards, for all threads: 9 of 60 exports by two workers failed on it.
    """
    file = getattr(data, "_context", None)
    return file if file is not None and getattr(file, "closed", False) else nullcontext()


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(start, stop) for start, stop in box)
