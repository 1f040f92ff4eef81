"""Which Zarr arrays a DataArray reads when it is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import xarray as xr

# How xarray's and dask's wrappers name what they wrap.
_INNER: Final = ("array", "_array", "value")


def zarr_arrays(da: xr.DataArray) -> Iterator[Any]:
    """Yield the zarr arrays that `da` reads lazily, as far as its graph shows them.

    Parameters
    ----------
    da
        Opened by :func:`xarray.open_zarr`, or made from :func:`dask.array.from_zarr`; arrays that
        dask keeps inside of its tasks (``inline_array=True``) are not found.
    """
    data = da.variable._data
    data = getattr(data, "magnitude", data)
    graph = getattr(data, "__dask_graph__", None)
    if graph is None:
        found = [data]
    else:
        # The sources of a graph are layers of one key; all others are left as they are.
        layers = getattr(graph(), "layers", {}).values()
        found = [value for layer in layers if len(layer) == 1 for value in layer.values()]
    for value in found:
        yield from _innermost(value)


def _innermost(value: Any) -> Iterator[Any]:
    while value is not None:
        if hasattr(value, "store_path"):
            yield value
            return
        value = next((getattr(value, name) for name in _INNER if hasattr(value, name)), None)
