"""Display windows from a sample that does not depend on how the image was cut into blocks."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite, nextafter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# Percentiles 0.1 and 99.9 of 2**18 pixels are known to about 6 % of their distance from the tail
# (1/sqrt(262 pixels beyond)); more pixels cost time on series of many planes.
_MAX_SAMPLE: Final = 2**18
_PERCENTILES: Final = (0.1, 99.9)


def sample_strides(sizes: dict[str, int]) -> dict[str, int]:
    """Return a stride by axis that leaves at most 2**18 pixels a channel.

    Time and depth are thinned first, down to about 16 planes each: neighbours there look alike.

    Examples
    --------
    >>> sample_strides({"t": 100, "c": 2, "y": 512, "x": 512})
    {'t': 7, 'c': 1, 'y': 4, 'x': 4}
    """
    strides = dict.fromkeys(sizes, 1)
    for name in "tz":
        if name in strides:
            strides[name] = -(-sizes[name] // 16)

    def count() -> int:
        n = 1
        for name, size in sizes.items():
            if name not in "cs":
                n *= -(-size // strides[name])
        return n

    while count() > _MAX_SAMPLE:
        for name in "yx":
            strides[name] += 1
    return strides


def sample_pixels(
    pixels: npt.NDArray[Any], start: dict[str, int], strides: dict[str, int]
) -> npt.NDArray[Any]:
    """Return the pixels of a block whose indices in the whole level are multiples of `strides`."""
    return pixels[tuple(slice(-start[name] % step, None, step) for name, step in strides.items())]


def known_window(
    dtype: str, given: tuple[float, float] | None
) -> tuple[float, float, float, float]:
    """Return (min, max, start, end) of a channel of which no pixel was looked at.

    Parameters
    ----------
    dtype
        Pixel type.
    given
        The window that someone wants; None: the range of the type, 0 to 1 for floats.

    Examples
    --------
    >>> known_window("uint16", (100, 900)), known_window("uint8", None)
    ((0.0, 65535.0, 100.0, 900.0), (0.0, 255.0, 0.0, 255.0))
    """
    kind = np.dtype(dtype)
    low, high = given or (0.0, 1.0)
    if kind.kind in "iu" and (kind.itemsize <= 2 or given is None):
        low, high = float(np.iinfo(kind).min), float(np.iinfo(kind).max)
    start, end = given or (low, high)
    return float(min(low, start)), float(max(high, end)), float(start), float(end)


def narrow_window(value: float) -> tuple[float, float]:
    """Return the window of a channel of one value: from it to one more, or the next float.

    Examples
    --------
    >>> narrow_window(7.0), narrow_window(1e300)[1] > 1e300
    ((7.0, 8.0), True)
    """
    end = max(value + 1.0, nextafter(value, inf))
    return (value, end) if isfinite(end) else (nextafter(value, 0.0), value)


def display_windows(
    samples: Iterable[tuple[int, npt.NDArray[Any]]],
    n_channels: int,
    percentiles: tuple[float, float] = _PERCENTILES,
) -> list[tuple[float, float, float, float]]:
    """Return (min, max, start, end) by channel from samples of its pixels.

    Parameters
    ----------
    samples
        (channel, pixels) pairs in any order; NaN and infinity are left out.
    n_channels
        Number of channels.
    percentiles
        Of the sample, that become `start` and `end`.

    Returns
    -------
    list of tuple
        `start` and `end` are the percentiles, 0.1 and 99.9 as a rule; `min` and `max` the range of
        the type for 8 and 16 bit integers, else of the sample. All finite, and ``start < end``.

    Examples
    --------
    >>> display_windows([(0, np.array([7, 7], dtype="uint8"))], 1)
    [(0.0, 255.0, 7.0, 8.0)]
    """
    by_channel: list[list[npt.NDArray[Any]]] = [[] for _ in range(n_channels)]
    for channel, pixels in samples:
        by_channel[channel].append(pixels.ravel())
    windows = []
    for parts in by_channel:
        values: npt.NDArray[Any] = np.concatenate(parts) if parts else np.zeros(0)
        dtype = values.dtype
        if dtype.kind == "c":
            values = np.abs(values)
        if dtype.kind in "fc":
            values = values[np.isfinite(values)]
        low, high = 0.0, 1.0
        if values.size:
            low, high = (float(v) for v in np.percentile(values.astype(np.float64), percentiles))
        if not low < high:
            low, high = narrow_window(low)
        if dtype.kind in "iu" and dtype.itemsize <= 2:
            floor, ceiling = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
            if high > ceiling:
                low, high = low - 1, ceiling
        else:
            floor = min(low, float(values.min())) if values.size else low
            ceiling = max(high, float(values.max())) if values.size else high
        windows.append((floor, ceiling, low, high))
    return windows
