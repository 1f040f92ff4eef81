"""The pixels of a DataArray, in storage order, fetched box by box."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
        """Keep the file open that lazy pixels come from, where the array knows how.

        nd2's dask array (resource-backed-dask-array 0.1) opens its file for every computation and
        closes it afterwards, for all threads: 9 of 60 exports by two workers failed on it.
        """
        file = getattr(self._variable._data, "_context", None)
        if file is None or not getattr(file, "closed", False):
            yield
            return
        with file:
            yield

    def fetch(self, box: Box) -> npt.NDArray[Any]:
        """Return the pixels of `box`; dask computes them on the calling thread.

        The workers are the parallelism: a scheduler of dask's under each of them would only add
        threads.
        """
        part = self._variable[tuple(slice(start, stop) for start, stop in box)]
        if self._lazy:
            return np.asarray(part.data.compute(scheduler="synchronous"))
        return np.asarray(part.values)

    def cut(self, box: Box) -> CutSource:
        """Return a source of `box` alone: of a dask graph only the tasks it needs."""
        part = self._variable[tuple(slice(start, stop) for start, stop in box)]
        if not self._lazy:
            return CutSource(part.values)
        from dask.base import optimize

        return CutSource(*optimize(part.data))  # type: ignore[no-untyped-call]

    def as_dataarray(self) -> xr.DataArray:
        """Return the pixels as a bare DataArray, still lazy."""
        return xr.DataArray(self._variable)

    def extremes(self) -> tuple[int, int]:
        """Return the smallest and the largest value of integer pixels in memory."""
        pixels = np.asarray(self._variable._data)
        return int(pixels.min()), int(pixels.max())


class CutSource:
    """The pixels of one box, to be sent to a worker of a cluster and computed there."""

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels

    def fetch(self, box: Box) -> npt.NDArray[Any]:
        """Return all pixels; `box` is the one that was cut."""
        if hasattr(self._pixels, "__dask_graph__"):
            return np.asarray(self._pixels.compute(scheduler="synchronous"))
        return np.asarray(self._pixels)

    def cut(self, box: Box) -> CutSource:
        """Return this source: it is one box already."""
        return self
