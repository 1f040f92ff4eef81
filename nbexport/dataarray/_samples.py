"""RGB samples as channels, for formats that have no samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from nbexport.dataarray._describe import Described
from nbexport.dataarray._source import PixelSource
from nbexport.errors import AxisError
from nbexport.model import Axis, Channel

_SAMPLES: Final = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"), ("A", "FFFFFF"))


def channels_from_samples(described: Described) -> Described:
    """Return RGB(A) pixels as three or four channels, shown with their full range.

    Raises
    ------
    AxisError
        If there are several channels beside the samples.
    """
    image = described.image
    sizes = image.sizes
    if sizes.get("c", 1) > 1:
        raise AxisError(
            f"this image has c={sizes['c']} and s={sizes['s']}, and OME-Zarr has one channel axis; "
            "export one at a time with da.isel"
        )
    axes = [axis for axis in image.axes if axis.name not in "cs"]
    place = 1 if image.dims[0] == "t" else 0
    axes.insert(place, Axis(name="c", size=sizes["s"], calibrated=False))
    channels = tuple(
        Channel(label=label, color=color, window=_full_window(image.dtype), active=label != "A")
        for label, color in _SAMPLES[: sizes["s"]]
    )
    pixels = described.source.as_dataarray()
    if "c" in pixels.dims:
        pixels = pixels.isel(c=0)
    pixels = pixels.rename(s="c").transpose(*(axis.name for axis in axes))
    return Described(
        image=replace(image, axes=tuple(axes), channels=channels, kind="intensity"),
        source=PixelSource(pixels),
    )


def _full_window(dtype: str) -> tuple[float, float]:
    """Return the range in which RGB data are shown as they are."""
    kind = np.dtype(dtype)
    return (0.0, float(np.iinfo(kind).max)) if kind.kind in "iu" else (0.0, 1.0)
