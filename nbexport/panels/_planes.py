"""Planes for the browser: the shown region of one level, within a budget for all channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from os import cpu_count
from time import monotonic
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nbexport.model import ImageSpec
from nbexport.panels._subject import Subject
from nbexport.pixels import cast_block, coarsen, display_windows
from nbexport.plan import Box, Level

Array = npt.NDArray[Any]

MAX_PIXELS: Final = 1_000_000
# All channels of a picture together: three of 16 bits at a megapixel each, or ten at 0.3. The fewer
# are shown, and the smaller the region, the finer they are.
MAX_NBYTES: Final = 6_000_000
# Fetched at once: 2048 x 2048 pixels, 8 MB of uint16, are some 10 ms of reading from a disk.
_TILE: Final = 2048
# A picture that is still being computed is shown anew this often.
_REFRESH_S: Final = 0.3
# Histogram and percentiles look at this many pixels: 1/sqrt(65) of the tail's are beyond 99.9 %.
_SAMPLE: Final = 2**16
_BINS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one picture in the browser needs.

    Attributes
    ----------
    view
        The picture that asks.
    number
        Its count of requests.
    index
        By axis (t, z), the plane, in pixels of level 0.
    level
        A level of the pyramid; None: just fine enough for `max_pixels`.
    region
        (y0, y1, x0, x1), in pixels of level 0.
    channels
        The channels to send.
    max_pixels
        Pixels a channel; all of them together have a budget, too.
    """

    view: str
    number: int
    index: tuple[tuple[str, int], ...] = ()
    level: int | None = None
    region: tuple[float, float, float, float]
    channels: tuple[int, ...] = (0,)
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How level-0 pixels become those of the picture, and which are shown.

    Attributes
    ----------
    steps
        Factors by axis of the image, one tuple a step, as the writer merges them.
    shape
        Of the whole image after all steps.
    box
        The shown part of it.
    shown
        False where the level was thinned out further, to stay under the budget.
    """

    steps: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    box: Box
    shown: bool = True

    @property
    def factors(self) -> tuple[int, ...]:
        """Pixels of level 0 that became one, by axis."""
        return tuple(prod(step[i] for step in self.steps) for i in range(len(self.shape)))


def look_at(request: Request, image: ImageSpec, levels: Sequence[Level]) -> Look:
    """Return how the region of `request` is made.

    A level of the pyramid is merged step by step, with the rounding of each, as the writer does;
    where the region holds more pixels than the budget, halves of y and x follow.
    """
    most = _most_pixels(request, image)
    level = min(request.level or 0, len(levels) - 1)
    steps = [one.factors for one in levels[1 : level + 1]]
    exact = len(steps)
    shape = list(levels[level].shape)
    y, x = image.dims.index("y"), image.dims.index("x")
    while True:
        factors = [prod(step[i] for step in steps) for i in range(len(shape))]
        box = [(0, n) for n in shape]
        for axis, (low, high) in ((y, request.region[:2]), (x, request.region[2:])):
            start = min(max(int(low // factors[axis]), 0), shape[axis] - 1)
            stop = min(max(int(-(-high // factors[axis])), start + 1), shape[axis])
            box[axis] = (start, stop)
        n_pixels = prod(box[axis][1] - box[axis][0] for axis in (y, x))
        halves = tuple(
            2 if i in (y, x) and n > 1 and box[i][1] - box[i][0] > 1 else 1
            for i, n in enumerate(shape)
        )
        if n_pixels <= most or prod(halves) == 1:
            break
        steps.append(halves)
        shape = [n // f for n, f in zip(shape, halves, strict=True)]
    for i, name in enumerate(image.dims):
        if name in "tz":
            at = min(dict(request.index).get(name, 0) // factors[i], shape[i] - 1)
            box[i] = (max(at, 0), max(at, 0) + 1)
    return Look(steps=tuple(steps), shape=tuple(shape), box=tuple(box), shown=len(steps) == exact)


def _most_pixels(request: Request, image: ImageSpec) -> int:
    """Return how many pixels each plane of a picture may have."""
    n_planes = image.sizes.get("s") or len(set(request.channels)) or 1
    itemsize = 1 if image.dtype in ("uint8", "bool") else 2
    return max(min(request.max_pixels, MAX_PIXELS, MAX_NBYTES // (n_planes * itemsize)), 1)


def fetch_planes(
    subject: Subject,
    look: Look,
    channels: Sequence[int],
    method: str,
    stale: Callable[[], bool],
) -> Iterator[tuple[dict[int, Array], float]]:
    """Yield ({channel: plane}, fraction done) as tiles are computed; the last fraction is 1.

    Tiles follow the chunks of a lazy source, so that each is computed once a picture. Nothing is
    yielded any more once `stale` says so.
    """
    image = subject.image
    names = image.dims
    (y0, y1), (x0, x1) = (look.box[names.index(name)] for name in "yx")
    dtype = np.dtype(image.dtype)
    n_planes = image.sizes["s"] if "s" in names else 0
    keys = list(range(n_planes)) if n_planes else list(channels)
    planes = {key: np.zeros((y1 - y0, x1 - x0), dtype) for key in keys}
    jobs = [
        (channel, rows, columns)
        for rows in _cuts(look, subject, "y")
        for columns in _cuts(look, subject, "x")
        for channel in ([0] if n_planes else channels)
    ]

    def take(job: tuple[int, tuple[int, int], tuple[int, int]]) -> None:
        channel, rows, columns = job
        tile = _tile(subject, look, channel, rows, columns, method)
        place = (slice(rows[0] - y0, rows[1] - y0), slice(columns[0] - x0, columns[1] - x0))
        for key in range(n_planes) if n_planes else [channel]:
            planes[key][place] = tile[..., key] if n_planes else tile

    with subject.source.opened():
        if len(jobs) < 2:  # none where all channels are hidden
            for job in jobs:
                take(job)
        else:
            yield from _shared(jobs, take, stale, planes)
    if not stale():
        yield planes, 1.0


def _shared(
    jobs: Sequence[Any],
    take: Callable[[Any], None],
    stale: Callable[[], bool],
    planes: dict[int, Array],
) -> Iterator[tuple[dict[int, Array], float]]:
    with ThreadPoolExecutor(min(len(jobs), cpu_count() or 1), "nbexport-view") as pool:
        futures: list[Future[None]] = [pool.submit(take, job) for job in jobs]
        shown = monotonic()
        try:
            for n_done, future in enumerate(as_completed(futures), 1):
                future.result()
                if stale():
                    return
                if n_done < len(jobs) and monotonic() - shown > _REFRESH_S:
                    shown = monotonic()
                    yield planes, n_done / len(jobs)
        finally:
            for future in futures:
                future.cancel()


def _cuts(look: Look, subject: Subject, name: str) -> list[tuple[int, int]]:
    """Return the tiles along one axis, in pixels of the picture."""
    axis = subject.image.dims.index(name)
    start, stop = look.box[axis]
    factor = look.factors[axis]
    chunks = subject.source.chunks
    length = _TILE if chunks is None else max(chunks[axis][0], 256)
    step = max(length // factor, 1)
    edges = [start, *range((start // step + 1) * step, stop, step), stop]
    return list(pairwise(edges))


def _tile(
    subject: Subject,
    look: Look,
    channel: int,
    rows: tuple[int, int],
    columns: tuple[int, int],
    method: str,
) -> Array:
    """Return one tile of the picture as (y, x), or (y, x, s) of an RGB image."""
    names = subject.image.dims
    here = dict(zip(names, look.box, strict=True))
    here |= {"y": rows, "x": columns, "c": (channel, channel + 1)}
    factors = dict(zip(names, look.factors, strict=True))
    box = tuple((here[n][0] * factors[n], here[n][1] * factors[n]) for n in names)
    pixels = cast_block(subject.source.fetch(box), subject.image.dtype)
    for step in look.steps:
        pixels = coarsen(pixels, step, method)
    keep = tuple(slice(None) if name in "yxs" else 0 for name in names)
    return pixels[keep]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One plane as the browser gets it: ``value = low + step * raw``.

    Attributes
    ----------
    raw
        uint8 or uint16.
    low, step
        What raw values mean.
    range
        Smallest and largest value.
    auto
        Percentiles 0.1 and 99.9.
    histogram
        Pixels by value, from the smallest to the largest.
    """

    raw: Array
    low: float
    step: float
    range: tuple[float, float]
    auto: tuple[float, float]
    histogram: tuple[int, ...]


def encode_plane(plane: Array, *, labels: bool = False) -> Encoded:
    """Return `plane` in 8 or 16 bits: small integers as they are, all else spread over its range.

    Labels keep their differences: numbers above 65535 start over at 1. NaN is drawn as the
    smallest value.

    Examples
    --------
    >>> encode_plane(np.array([[-1, 1]], "int16")).raw, encode_plane(np.array([[0.5, 1]])).raw
    (array([[32767, 32769]], dtype=uint16), array([[    0, 65535]], dtype=uint16))
    """
    low, step = 0.0, 1.0
    if plane.dtype.kind == "c":
        plane = np.abs(plane)
    if labels and plane.dtype not in ("uint8", "uint16"):
        plane = plane.astype(np.result_type(plane.dtype, "int32"))
        keys = (plane % 65535 + plane.dtype.type(65534)) % 65535 + 1
        plane = np.where(plane == 0, 0, keys).astype("uint16")
    if plane.dtype.kind == "f":
        finite = plane[np.isfinite(plane)]
        smallest, largest = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    else:
        smallest, largest = plane.min(), plane.max()
    bottom, top = float(smallest), float(largest)
    if plane.dtype.kind in "iu" and plane.dtype.itemsize <= 2:
        if plane.dtype.kind == "i":
            low = float(np.iinfo(plane.dtype).min)
        unsigned = plane.astype("int32") - int(low)
        raw = unsigned.astype(f"u{plane.dtype.itemsize}")
    else:
        low = bottom
        is_exact = plane.dtype.kind in "iu" and int(largest) - int(smallest) <= 65535
        step = 1.0 if is_exact else (top - bottom) / 65535 or 1.0
        if is_exact:
            raw = (plane - smallest).astype("uint16")
        else:
            with np.errstate(invalid="ignore"):
                scaled = (plane.astype("float64") - low) / step
            raw = np.floor(np.nan_to_num(scaled, nan=0).clip(0, 65535) + 0.5).astype("uint16")
    every = -(-plane.size // _SAMPLE)
    thinned, keys = plane.ravel()[::every], raw.ravel()[::every]
    _, _, start, end = display_windows([(0, thinned)], 1)[0]
    first, last = int(raw.min()), int(raw.max())
    # Of raw values: 128 bins between large and nearly equal numbers are beyond double precision.
    bins = (keys[np.isfinite(thinned)].astype("int64") - first) * _BINS // (last - first + 1)
    histogram = np.bincount(bins, minlength=_BINS)
    return Encoded(
        raw=raw,
        low=low,
        step=step,
        range=(bottom, top),
        auto=(start, end),
        histogram=tuple(histogram.tolist()),
    )
