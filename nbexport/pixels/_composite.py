"""Channels to frames: one table a channel, summed and cut off at 255. The panel draws by it too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
"""(height, width, 3), red, green, blue."""

# Indices (8 bytes a pixel), two accumulators (4 bytes) and a table of 256 KiB stay in a cache of
# 1 MiB; 2**12 to 2**17 pixels were measured, and are equally fast from 2**14 on.
_BLOCK: Final = 2**15
_QUANTISED: Final = np.dtype(np.uint16)
_LABEL_KEYS: Final = 65535
_GOLDEN: Final = (
    2654435761  # 2**32 / golden ratio: neighbouring labels lie 222 degrees of hue apart
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one channel is shown.

    Attributes
    ----------
    window
        The pixel values shown darkest and brightest.
    color
        ``"RRGGBB"`` of the brightest pixels.
    cmap
        A matplotlib colormap, instead of `color`.
    gamma
        Exponent of the fraction of the window; below 1 brightens what is dim.
    labels
        Pixels are numbers of objects: 0 is black, each other one has a colour of its own;
        everything else is ignored.
    """

    window: tuple[float, float] = (0.0, 255.0)
    color: str = "FFFFFF"
    cmap: str | None = None
    gamma: float = 1.0
    labels: bool = False


def render_planes(planes: npt.NDArray[Any], looks: Sequence[Look]) -> Frame:
    """Return planes, each by its look, added up as one picture.

    Parameters
    ----------
    planes
        (channel, y, x), any real type.
    looks
        One a plane.

    Returns
    -------
    ndarray
        (y, x, 3) uint8: ``min(255, sum of the channels' levels)``.

    Notes
    -----
    With ``f = clip((v - start) / (end - start), 0, 1)`` in double precision, integers of 8 and 16
    bits have ``g = f ** gamma``. All others are first brought to 16 bits,
    ``q = floor(f * 65535 + 0.5)``, NaN to 0, and have ``g = (q / 65535) ** gamma``. The level of a
    colour is ``floor(color * g + 0.5)``; of a colormap of 256 entries, the entry
    ``floor(g * 255 + 0.5)`` in bytes. See :func:`label_colors` for labels.

    A pixel depends on nothing but itself: rendering a crop is cropping a rendering. Cost: a table
    of 65536 entries once for each look; 3 x 1024 x 1024 uint16 then take about 4 ms of one core.

    Examples
    --------
    >>> plane = np.array([[[0, 100, 200, 300]]], dtype="uint16")
    >>> render_planes(plane, [Look(window=(100, 300), color="FF0000")])[0, :, 0].tolist()
    [0, 0, 128, 255]
    """
    n_planes, height, width = planes.shape
    out = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BLOCK // max(width, 1))
    n = rows * width
    index = np.empty(n, np.intp)
    total, addend = np.empty(n, np.uint32), np.empty(n, np.uint32)
    tables = [_table(planes.dtype, look) for look in looks]
    for top in range(0, height, rows):
        part = planes[:, top : top + rows]
        n = part.shape[1] * width
        here, more = index[:n], addend[:n].view(np.uint8)
        levels = total[:n].view(np.uint8)
        for i in range(n_planes):
            here.reshape(part.shape[1:])[...] = _indices(part[i], looks[i])
            if i == 0:
                np.take(tables[i], here, out=total[:n], mode="wrap")
                continue
            np.take(tables[i], here, out=addend[:n], mode="wrap")
            # Levels are never negative, so cutting off after each channel is cutting off once.
            np.minimum(more, ~levels, out=more)
            levels += more
        pixels = out[top : top + rows].reshape(-1, 3)
        for k in range(3):  # one byte in four, and not a slice: three times faster
            pixels[:, k] = levels[k::4]
    return out


def look_table(dtype: npt.DTypeLike, look: Look) -> npt.NDArray[np.uint8]:
    """Return the levels (red, green, blue) of each value an integer type of 8 or 16 bits has.

    Signed types begin with their smallest value.

    Examples
    --------
    >>> look_table("int8", Look(window=(-128, 127), color="FF8000"))[[0, 128, 255]].tolist()
    [[0, 0, 0], [128, 64, 0], [255, 128, 0]]
    """
    info = np.iinfo(np.dtype(dtype))
    values = np.arange(info.min, info.max + 1, dtype=np.float64)
    if look.labels:
        return label_colors(_label_keys(values.astype(np.int64)))
    fraction = _fractions(values, look.window) ** look.gamma
    return _levels(fraction, look)


def label_colors(keys: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the colours of labels: the same in every frame, file and program.

    Parameters
    ----------
    keys
        0 for background, ``(label - 1) mod 65535 + 1`` for all else.

    Returns
    -------
    ndarray
        Red, green and blue along a new last axis.

    Notes
    -----
    ``h = key * 2654435761 mod 2**32``; the hue is ``h >> 16`` of 65536, the saturation 255 or 153
    (bit 1 of the key), the value 255 or 204 (bit 2 of the key), and HSV becomes RGB in integers,
    rounded down.

    Examples
    --------
    >>> label_colors(np.array([0, 1, 2, 3])).tolist()
    [[0, 0, 0], [0, 74, 255], [191, 255, 102], [255, 102, 236]]
    """
    key = np.asarray(keys).astype(np.uint64)
    hue = ((key * np.uint64(_GOLDEN)) & np.uint64(0xFFFFFFFF)).astype(np.int64) >> 16
    bits = key.astype(np.int64)
    saturation = np.where(bits & 2, 153, 255)
    value = np.where(bits & 4, 204, 255)
    sector, rest = (hue * 6) >> 16, ((hue * 6) & 0xFFFF) >> 8
    low = value * (255 - saturation) // 255
    falling = value * (65025 - saturation * rest) // 65025
    rising = value * (65025 - saturation * (255 - rest)) // 65025
    circle = (value, falling, low, low, rising, value)
    out = np.stack([np.choose(sector, circle[-k:] + circle[:-k]) for k in (6, 2, 4)], axis=-1)
    out[bits == 0] = 0
    return out.astype(np.uint8)


def _table(dtype: np.dtype[Any], look: Look) -> npt.NDArray[np.uint32]:
    """Return the packed table of `look` for planes of `dtype`, or of their quantised type."""
    if look.labels:
        return _packed(_QUANTISED, Look(labels=True))
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return _packed(dtype.newbyteorder("="), look)
    return _packed(_QUANTISED, replace(look, window=(0.0, 65535.0)))


@lru_cache(maxsize=64)
def _packed(dtype: np.dtype[Any], look: Look) -> npt.NDArray[np.uint32]:
    """Return the table with each entry's three bytes, and one of zero, in one number."""
    levels = look_table(dtype, look)
    table = np.zeros((len(levels), 4), np.uint8)
    table[:, :3] = levels
    return table.view(np.uint32)[:, 0]


def _indices(plane: npt.NDArray[Any], look: Look) -> npt.NDArray[Any]:
    dtype = plane.dtype
    if look.labels:
        return _label_keys(plane)
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return plane
    if dtype.kind == "i" and dtype.itemsize <= 2:
        return plane.astype(np.int32) - np.iinfo(dtype).min
    return quantise(plane, look.window)


def quantise(pixels: npt.NDArray[Any], window: tuple[float, float]) -> npt.NDArray[np.uint16]:
    """Return ``floor(clip((v - start) / (end - start), 0, 1) * 65535 + 0.5)``, 0 for NaN.

    Examples
    --------
    >>> quantise(np.array([np.nan, -np.inf, 0.5, np.inf]), (0, 1)).tolist()
    [0, 0, 32768, 65535]
    """
    fraction = _fractions(pixels.astype(np.float64), window)
    fraction *= 65535
    fraction += 0.5
    return fraction.astype(np.uint16)


def _fractions(
    values: npt.NDArray[np.float64], window: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Return where in the window `values`, which are overwritten, lie: 0 to 1, NaN as 0."""
    start, end = window
    if not isfinite(end - start):
        values *= 0.25  # exact, and then the width of the widest window is finite
        start, end = start / 4, end / 4
    with np.errstate(over="ignore", invalid="ignore"):
        values -= start
        values /= end - start
    np.fmax(values, 0, out=values)  # not maximum: of NaN and 0 it takes the 0
    return np.minimum(values, 1, out=values)


def _levels(fraction: npt.NDArray[np.float64], look: Look) -> npt.NDArray[np.uint8]:
    if look.cmap is not None:
        from matplotlib import colormaps

        entries = colormaps[look.cmap].resampled(256)(np.arange(256))[:, :3]
        levels = np.floor(np.clip(entries, 0, 1) * 255 + 0.5).astype(np.uint8)
        chosen: npt.NDArray[np.uint8] = levels[np.floor(fraction * 255 + 0.5).astype(np.intp)]
        return chosen
    color = np.frombuffer(bytes.fromhex(look.color), np.uint8)
    return np.floor(fraction[:, None] * color + 0.5).astype(np.uint8)


def _label_keys(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return 0 for background, ``(label - 1) mod 65535 + 1`` for all else, without overflow."""
    if labels.dtype.kind == "b" or (labels.dtype.kind == "u" and labels.dtype.itemsize <= 2):
        return labels
    wide = labels if labels.dtype.itemsize == 8 else labels.astype(np.int64)
    keys = (wide % _LABEL_KEYS + (_LABEL_KEYS - 1)) % _LABEL_KEYS + 1
    return np.where(wide == 0, 0, keys).astype(np.int64)
