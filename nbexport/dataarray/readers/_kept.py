"""Which planes, channels and pixels of a file a DataArray still holds, told by its coords."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nbexport.dataarray._unit import UnknownUnitError, parse_unit
from nbexport.dataarray._vocabulary import UNIT_KEYS
from nbexport.dataarray.readers._common import Dims
from nbexport.model import convert

Indices = range | tuple[int, ...] | None
Numbers = npt.NDArray[np.float64]


def kept_of(
    pixels: Any, da: xr.DataArray, axis_dims: Dims, keys: list[str], labels: list[str]
) -> tuple[tuple[str, Indices], ...]:
    """Return (axis, indices) of what `da` holds of an OME ``Pixels``.

    Parameters
    ----------
    pixels
        Of the image that `da` was read from.
    da, axis_dims
        Cropped, subsampled or with single planes picked, by xarray: it cuts coords alike.
    keys
        Names of the channels of the source.
    labels
        Names of the channels of `da`, as far as its coords say.
    """
    found: dict[str, Indices] = {"c": _channels(da, axis_dims, keys, labels)}
    for axis in "tzyx":
        found[axis] = _along(pixels, axis, da, axis_dims)
    return tuple(found.items())


def _channels(da: xr.DataArray, axis_dims: Dims, keys: list[str], labels: list[str]) -> Indices:
    n_channels = da.sizes[axis_dims["c"]] if "c" in axis_dims else 1
    if len(set(keys)) == len(keys) and len(labels) == n_channels and set(labels) <= set(keys):
        return _compact([keys.index(label) for label in labels])
    return range(n_channels) if n_channels == max(len(keys), 1) else None


def _along(pixels: Any, axis: str, da: xr.DataArray, axis_dims: Dims) -> Indices:
    n_source = int(getattr(pixels, f"size_{axis}"))
    dim = axis_dims.get(axis)
    size = da.sizes[dim] if dim is not None else 1
    if size == n_source:
        return range(size)
    key = dim or next((d for d in (axis.upper(), axis) if d in da.coords), None)
    values = _numbers(pixels, axis, da, key)
    if values is not None:
        for positions in _source_positions(pixels, axis):
            indices = _nearest(values, positions)
            if indices is not None:
                return _compact(indices)
    return None


def _numbers(pixels: Any, axis: str, da: xr.DataArray, key: str | None) -> Numbers | None:
    """Return the coordinate, ascending, in the unit of `pixels`."""
    if key is None or key not in da.coords or da.coords[key].dtype.kind not in "iuf":
        return None
    coord = da.coords[key]
    values = np.atleast_1d(np.asarray(coord.values, dtype=np.float64))
    said = next((str(coord.attrs[k]) for k in UNIT_KEYS if coord.attrs.get(k)), None)
    if said is not None:
        source = pixels.time_increment_unit if axis == "t" else _unit_of(pixels, axis)
        with suppress(UnknownUnitError, KeyError):
            own, theirs = parse_unit(said), parse_unit(str(source.value))
            if own and theirs and own != theirs:
                values = values * convert(1.0, own, theirs)
    return values[::-1] if len(values) > 1 and values[0] > values[-1] else values


def _unit_of(pixels: Any, axis: str) -> Any:
    return getattr(pixels, f"physical_size_{axis}_unit")


def _source_positions(pixels: Any, axis: str) -> Iterator[Numbers]:
    """Yield where readers put the pixels of the file along `axis`: they differ in what they take.

    bioio-ome-tiff 1.4 counts from 0 in physical sizes, numbers frames without an increment by the
    DeltaT of their last plane, or by 0, 1, 2, … where there is none.
    """
    size = int(getattr(pixels, f"size_{axis}"))
    step = pixels.time_increment if axis == "t" else getattr(pixels, f"physical_size_{axis}")
    numbered = np.arange(size, dtype=np.float64)
    if step:
        yield numbered * float(step)
    elif axis == "t":
        for planes in (pixels.planes, reversed(pixels.planes)):
            times = {p.the_t: float(p.delta_t) for p in planes if p.delta_t is not None}
            if sorted(times) == list(range(size)):
                yield np.array([times[i] for i in range(size)])
    yield numbered


def _nearest(values: Numbers, positions: Numbers) -> list[int] | None:
    """Return the index of each of `values` among `positions`, None where one isn't there."""
    order = np.argsort(positions, kind="stable")
    ordered = positions[order]
    if len(ordered) > 1 and (np.diff(ordered) == 0).any():
        return None  # positions that are the same tell nothing
    right = np.clip(np.searchsorted(ordered, values), 1, max(len(ordered) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(ordered) - 1)
    nearer = np.where(
        np.abs(values - ordered[left]) <= np.abs(values - ordered[right]), left, right
    )
    step = float(np.min(np.diff(ordered))) if len(ordered) > 1 else 1.0
    if (np.abs(values - ordered[nearer]) > 1e-3 * step).any():
        return None
    indices = [int(i) for i in order[nearer]]
    return indices if len(set(indices)) == len(indices) else None


def _compact(indices: list[int]) -> range | tuple[int, ...]:
    """Return `indices` as a range where they are one."""
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    even = range(indices[0], indices[-1] + (1 if step > 0 else -1), step or 1)
    return even if list(even) == indices else tuple(indices)
