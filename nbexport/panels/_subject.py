"""The DataArray of a panel, as the state says it is to be understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from nbexport.dataarray import PixelSource, read
from nbexport.errors import DescribeError, ExportError
from nbexport.model import AXIS_NAMES, Channel, ImageSpec
from nbexport.panels._state import ChannelState, PanelState


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A DataArray that is understood.

    Attributes
    ----------
    da
        The DataArray itself.
    image
        What it is, with all that the state says of it but the channels.
    source
        Its pixels, in storage order.
    dims
        By axis, the dim it comes from; axes of one pixel may be missing.
    flipped
        The axes that run against their dim.
    """

    da: xr.DataArray
    image: ImageSpec
    source: PixelSource
    dims: Mapping[str, str]
    flipped: frozenset[str]

    def channels(self, state: PanelState) -> tuple[Channel, ...]:
        """Return the channels as they are shown; an RGB image and labels have none to change."""
        if self.image.kind != "intensity":
            return ()
        own = self.image.channels
        changed = (*state.channels, *[ChannelState()] * len(own))[: len(own)]
        return tuple(
            replace(
                channel,
                **{
                    name: getattr(change, name)
                    for name in ("label", "color", "window", "active")
                    if getattr(change, name) is not None
                },
            )
            for channel, change in zip(own, changed, strict=True)
        )

    def with_windows(
        self, state: PanelState, windows: Mapping[int, tuple[float, float]]
    ) -> PanelState:
        """Return `state` with the `windows` that are shown, where nobody gave one.

        Movies and pictures are to look as what was seen; files of pixels are not.
        """
        if state.format in ("movie", "image"):
            for i, channel in enumerate(self.channels(state)):
                if channel.window is None and i in windows:
                    start, end = windows[i]
                    if np.dtype(self.image.dtype).kind in "iu":
                        start, end = round(start), max(round(end), round(start) + 1)
                    state = state.with_channel(i, window=(float(start), float(end)))
        return state

    def indexers(self, state: PanelState) -> dict[str, slice | list[int]]:
        """Return what ``da.isel`` takes for the crop and the kept channels of `state`."""
        found: dict[str, slice | list[int]] = {}
        for axis, (start, stop) in state.crop:
            size = self.image.sizes.get(axis)
            if size is None or axis not in self.dims or (start, stop) == (0, size):
                continue
            if axis in self.flipped:
                start, stop = size - stop, size - start
            found[self.dims[axis]] = slice(start, min(stop, size))
        if state.kept is not None and "c" in self.dims:
            found[self.dims["c"]] = list(state.kept)
        return {str(dim): found[dim] for dim in map(str, self.da.dims) if dim in found}


def wishes(state: PanelState) -> dict[str, Any]:
    """Return the keywords of :func:`nbexport.describe` that `state` sets, but the channels."""
    found: dict[str, Any] = {}
    if state.name is not None:
        found["name"] = state.name
    for word in ("dims", "scale", "units"):
        pairs = getattr(state, word)
        if pairs:
            found[word] = by_axis(dict(pairs))
    return found


def by_axis(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return `mapping` in the order in which axes are stored."""
    order = {name: i for i, name in enumerate(AXIS_NAMES)}
    return dict(sorted(mapping.items(), key=lambda pair: (order.get(pair[0], 9), pair[0])))


def understood(da: xr.DataArray, state: PanelState) -> Subject:
    """Return `da` as `state` says it is.

    Raises
    ------
    ExportError
        If it can't be understood.
    """
    said = wishes(state)
    described = read(da, **said)
    dims, flipped = _axes_of(da, described.image, said)
    return Subject(
        da=da,
        image=described.image,
        source=described.source,
        dims=dims,
        flipped=flipped,
    )


def _axes_of(
    da: xr.DataArray, image: ImageSpec, said: Mapping[str, Any]
) -> tuple[dict[str, str], frozenset[str]]:
    """Return the dim of each axis longer than one pixel, and the axes that run against theirs.

    Found by looking where the numbers of a dim's entries arrive: the way from dims to axes stays
    in one place. The arrays have no memory, whatever their shape.
    """
    dims, flipped = {}, set()
    origin = tuple((0, 1) for _ in image.axes)
    for i, dim in enumerate(da.dims):
        if da.sizes[dim] == 1:
            continue
        shape = [1] * da.ndim
        shape[i] = da.sizes[dim]
        numbers = np.broadcast_to(np.arange(da.sizes[dim]).reshape(shape), da.shape)
        options = {**said, "kind": image.kind}
        source = read(da.copy(data=numbers), **options).source
        first = int(source.fetch(origin).flat[0])
        for j, axis in enumerate(image.axes):
            if axis.size == da.sizes[dim]:
                box = (*origin[:j], (axis.size - 1, axis.size), *origin[j + 1 :])
                if int(source.fetch(box).flat[0]) != first:
                    dims[axis.name] = str(dim)
                    if first:
                        flipped.add(axis.name)
    return dims, frozenset(flipped)


def problems(da: xr.DataArray, state: PanelState) -> dict[str, list[str]]:
    """Return what is wrong with `da` as `state` says it is, by field of the metadata table.

    Fields are ``"name"``, ``"scale.z"``, ``"units.z"``, ``"dims.slab"``; what belongs to none
    stands under ``""``.
    """
    try:
        read(da, **wishes(state))
    except ExportError as error:
        texts = _texts(error)
    else:
        return {}
    found: dict[str, list[str]] = {}
    plain = set()
    bare = replace(state, scale=(), units=())
    try:
        read(da, **wishes(bare))
    except ExportError as error:
        plain = set(_texts(error))
    for word in ("scale", "units"):
        for key, value in getattr(state, word):
            try:
                read(da, **wishes(bare.with_pair(word, key, value)))
            except ExportError as error:
                for text in _texts(error):
                    if text not in plain:
                        found.setdefault(f"{word}.{key}", []).append(text)
    placed = {text for lines in found.values() for text in lines}
    for text in texts:
        if text in placed:
            continue
        named = [str(dim) for dim in da.dims if repr(dim) in text]
        for field in [f"dims.{dim}" for dim in named] or [""]:
            found.setdefault(field, []).append(text)
    return found


def hints(image: ImageSpec) -> dict[str, list[str]]:
    """Return what viewers will miss, by field of the metadata table."""
    found: dict[str, list[str]] = {}
    for axis in image.axes:
        if axis.type == "channel":
            continue
        if not axis.calibrated and (axis.type == "space" or axis.size > 1):
            word = "pixel size" if axis.name in "yx" else "step"
            found.setdefault(f"scale.{axis.name}", []).append(f"no {word} is known")
        elif axis.calibrated and not axis.unit:
            found.setdefault(f"units.{axis.name}", []).append("no unit is known")
    return found


def _texts(error: ExportError) -> list[str]:
    if isinstance(error, DescribeError):
        return [str(problem) for problem in error.problems]
    return [str(error)]
