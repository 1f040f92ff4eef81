"""Axes of one pixel, for a place that has more axes than the DataArray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbexport.dataarray._describe import Described
from nbexport.dataarray._source import PixelSource
from nbexport.errors import AxisError
from nbexport.model import Axis


def with_axes(described: Described, dims: Sequence[str]) -> Described:
    """Return `described` with exactly the axes `dims`, in this order; new ones have one pixel.

    Raises
    ------
    AxisError
        If it has another axis that is longer than one pixel.
    """
    image = described.image
    if image.dims == tuple(dims):
        return described
    for axis in image.axes:
        if axis.name not in dims and axis.size > 1:
            raise AxisError(
                f"this image has {axis.name}={axis.size} and the target has the axes "
                f"{' '.join(dims)}; choose one {axis.name} with da.isel"
            )
    by_name = {axis.name: axis for axis in image.axes}
    axes = tuple(by_name.get(name) or Axis(name=name, size=1, calibrated=False) for name in dims)
    pixels = described.source.as_dataarray()
    pixels = pixels.rename(dict(zip(pixels.dims, image.dims, strict=True)))
    pixels = pixels.isel({name: 0 for name in image.dims if name not in dims})
    pixels = pixels.expand_dims([name for name in dims if name not in image.dims])
    return Described(image=replace(image, axes=axes), source=PixelSource(pixels.transpose(*dims)))
