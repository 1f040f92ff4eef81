"""One level from the one above.

Rounding, stated once: the mean and the median of integers are rounded half up, ``floor(m + 1/2)``;
the mean of floats is summed in float64 and cast once. NaN is left out of a mean, median, maximum
or minimum; a block of nothing but NaN stays NaN. Every output pixel is computed by the same
operations in the same order whatever the block it arrives in, so that files come out the same
for any chunking and any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def coarsen(pixels: Array, factors: tuple[int, ...], method: str) -> Array:
    """Return `pixels` with every block of `factors` pixels merged into one.

    Parameters
    ----------
    pixels
        Any real or complex number type.
    factors
        Pixels merged along each axis; 1 leaves an axis alone.
    method
        ``mean``, ``nearest`` (the first pixel of each block), ``mode`` (the most frequent value;
        of equally frequent ones the first in C order), ``median``, ``max``, ``min``.

    Returns
    -------
    ndarray
        Shape ``n // f`` along each axis: a trailing partial block is dropped. Same dtype.

    Notes
    -----
    Cost: one pass over the pixels; ``mean`` holds one accumulator of half the input's pixels,
    ``mode`` and ``median`` hold all pixels of the blocks side by side.

    Examples
    --------
    >>> a = np.array([[1, 2, 9], [3, 4, 9]], dtype="uint8")
    >>> coarsen(a, (2, 2), "mean"), coarsen(a, (2, 2), "nearest"), coarsen(a, (1, 3), "max")
    (array([[3]], dtype=uint8), array([[1]], dtype=uint8), array([[9],
           [9]], dtype=uint8))
    """
    trimmed = pixels[
        tuple(slice(0, n // f * f) for n, f in zip(pixels.shape, factors, strict=True))
    ]
    if all(f == 1 for f in factors):
        return trimmed
    return _KERNELS[method](trimmed, factors)


def _offsets(pixels: Array, factors: tuple[int, ...]) -> list[Array]:
    """Return the views that hold the first, second, … pixel of every block, in C order."""
    return [
        pixels[tuple(slice(o, None, f) for o, f in zip(offset, factors, strict=True))]
        for offset in product(*map(range, factors))
    ]


def _nearest(pixels: Array, factors: tuple[int, ...]) -> Array:
    return np.ascontiguousarray(pixels[tuple(slice(None, None, f) for f in factors)])


def _sum(pixels: Array, factors: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return block sums, one axis after the other: contiguous rows are added first."""
    total = pixels
    for axis, factor in enumerate(factors):
        if factor == 1:
            continue
        parts = [total[(slice(None),) * axis + (slice(i, None, factor),)] for i in range(factor)]
        total = np.add(parts[0], parts[1], dtype=dtype)
        for part in parts[2:]:
            total += part
    return total


def _mean(pixels: Array, factors: tuple[int, ...]) -> Array:
    n = prod(factors)
    dtype = pixels.dtype
    if dtype.kind in "iu":
        return _integer_mean(pixels, factors, n)
    # inf - inf and overflow to inf are the data's own; they need no warning here.
    with np.errstate(invalid="ignore", over="ignore"):
        if dtype.kind == "c":
            return (_sum(pixels, factors, np.complex128) / n).astype(dtype)
        total = _sum(pixels, factors, np.float64)
        mean = total / n
        if np.isnan(total).any():
            absent = np.isnan(pixels)
            if absent.any():
                count = n - _sum(absent.astype(np.int64), factors, np.int64)
                rest = _sum(np.where(absent, 0, pixels), factors, np.float64)
                mean = np.divide(rest, count, out=np.full_like(rest, np.nan), where=count > 0)
        return mean.astype(dtype)


def _integer_mean(pixels: Array, factors: tuple[int, ...], n: int) -> Array:
    dtype = pixels.dtype
    info = np.iinfo(dtype)
    largest = max(int(info.max), -int(info.min)) * n + n // 2
    wide = next((w for w in ("int16", "int32", "int64") if largest <= np.iinfo(w).max), None)
    if wide is not None:
        total = _sum(pixels, factors, np.dtype(wide))
        total += n // 2
        if n & (n - 1) == 0:
            total >>= n.bit_length() - 1  # an arithmetic shift floors, as // does
        else:
            total //= n
        return total.astype(dtype)
    # 64-bit values would overflow a sum: quotients and remainders are added apart, exactly.
    quotient, remainder = np.divmod(pixels, n)
    rest = (_sum(remainder, factors, dtype) + dtype.type(n // 2)) // dtype.type(n)
    return np.asarray(_sum(quotient, factors, dtype) + rest)


def _extreme(function: np.ufunc) -> Callable[[Array, tuple[int, ...]], Array]:
    def kernel(pixels: Array, factors: tuple[int, ...]) -> Array:
        first, *rest = _offsets(pixels, factors)
        out = first.copy()
        for part in rest:
            function(out, part, out=out)
        return out

    return kernel


def _median(pixels: Array, factors: tuple[int, ...]) -> Array:
    stack = np.stack(_offsets(pixels, factors))
    stack.sort(axis=0)  # NaN last
    if pixels.dtype.kind == "f":
        count = len(stack) - np.isnan(stack).sum(axis=0)
        low, high = (
            np.take_along_axis(stack, np.maximum(i // 2, 0)[None], axis=0)[0].astype(np.float64)
            for i in (count - 1, count)
        )
        return np.asarray((low + high) / 2, dtype=pixels.dtype)
    n = len(stack)
    low, high = stack[(n - 1) // 2], stack[n // 2]
    # low + (high - low + 1) // 2 is the half-up mean of both; the difference of two signed values
    # may wrap, and taken as unsigned it is right.
    unsigned = np.dtype(f"u{pixels.dtype.itemsize}")
    gap = high.view(unsigned) - low.view(unsigned)
    middle = low.view(unsigned) + gap // 2 + gap % 2
    return np.asarray(middle.view(pixels.dtype))


def _mode(pixels: Array, factors: tuple[int, ...]) -> Array:
    parts = _offsets(pixels, factors)
    best = parts[0].copy()
    best_count = np.zeros(best.shape, dtype=np.uint32)
    for candidate in parts:
        count = np.zeros(best.shape, dtype=np.uint32)
        for part in parts:
            count += part == candidate
        better = count > best_count
        best[better] = candidate[better]
        best_count[better] = count[better]
    return best


_KERNELS: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "mean": _mean,
    "nearest": _nearest,
    "mode": _mode,
    "median": _median,
    "max": _extreme(np.fmax),
    "min": _extreme(np.fmin),
}
