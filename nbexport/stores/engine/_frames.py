"""Frames from a source: in order, in threads ahead of who takes them, and never many at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from nbexport.errors import ExportCancelled, SourceError
from nbexport.pixels import cast_block, sample_strides
from nbexport.plan import FrameBlock, FramePlan, FrameRead
from nbexport.stores._interrupts import GRACE_S, interrupts_held, some_done
from nbexport.stores.engine._job import Source

Array = npt.NDArray[Any]
T = TypeVar("T")

Make = Callable[[Array, int], T]
"""Makes a frame, or anything else, of (plane, y, x) pixels and the number of the frame."""

# Windows are those of so many frames, the first and the last among them: of a series that bleaches
# or grows the ends differ most.
_N_SAMPLED: Final = 8


def fetch_series(
    plan: FramePlan, source: Source, prepare: Callable[[Callable[[], Array]], Make[T]]
) -> Generator[T]:
    """Yield what is made of every frame of `plan`, in order.

    Parameters
    ----------
    plan
        The frames.
    source
        Their pixels.
    prepare
        Called once, with a function that gives a sample of the series, see :func:`fetch_sample`;
        returns what makes a frame of its planes. That runs on threads.

    Raises
    ------
    SourceError
        If the pixels can't be computed.

    Notes
    -----
    Closing the generator stops the threads. At most ``plan.in_flight`` blocks are held beside the
    one that is handed out. Every source chunk is computed once (`plan.n_recomputed` more where
    memory is short), and those of up to 8 frames once more where a sample is wanted; a series of a
    single block is its own sample.
    """
    blocks = plan.blocks()
    if len(plan.spans) == 1:
        planes = fetch_planes(plan, source, next(blocks))
        make = prepare(lambda: _sample_of(plan, planes))
        for i in range(plan.n_frames):
            yield make(planes[i], i)
        return
    make = prepare(lambda: fetch_sample(plan, source))
    cancel = threading.Event()

    def work(block: FrameBlock) -> deque[T]:
        planes = fetch_planes(plan, source, block, cancel=cancel)
        made: deque[T] = deque()
        for i, frame in enumerate(planes):
            _check(cancel)
            made.append(make(frame, block.start + i))
        return made

    threads = ThreadPoolExecutor(plan.in_flight, thread_name_prefix="nbexport")
    queue: deque[Future[deque[T]]] = deque()

    def send(n: int) -> None:
        with interrupts_held():
            queue.extend(threads.submit(work, block) for block in islice(blocks, n))

    try:
        send(plan.in_flight)
        while queue:
            if not some_done((queue[0],)):
                continue
            made = queue.popleft().result()
            send(1)
            while made:
                yield made.popleft()
    finally:
        cancel.set()
        with interrupts_held():
            for future in queue:
                future.cancel()
            threads.shutdown(wait=False)
            wait(queue, timeout=GRACE_S)


def fetch_planes(
    plan: FramePlan,
    source: Source,
    block: FrameBlock,
    *,
    steps: tuple[int, int] = (1, 1),
    cancel: threading.Event | None = None,
) -> Array:
    """Return the planes of a block: (frame, plane, y, x), selected and projected.

    Parameters
    ----------
    plan, source
        See :func:`fetch_series`.
    block
        The frames.
    steps
        Take each so manieth pixel along y and x.
    cancel
        Ends the fetching with ExportCancelled, once it is set.
    """
    sizes = plan.image.sizes
    height, width = (-(-sizes[name] // step) for name, step in zip("yx", steps, strict=True))
    totals = Projected(plan, (block.stop - block.start, plan.n_planes, height, width))

    def take(i: int, pixels: Array) -> None:
        _check(cancel)
        totals.add(block.reads[i], _thinned(pixels, plan.image.dims, steps))

    _hand_out(plan, source, block, take)
    return totals.result()


def fetch_sample(plan: FramePlan, source: Source) -> Array:
    """Return a sample of the series: (frame, plane, y, x), the same however pixels are stored."""
    steps = _steps(plan)
    parts = [fetch_planes(plan, source, plan.block(i, i + 1), steps=steps) for i in _sampled(plan)]
    return np.concatenate(parts)


def _sample_of(plan: FramePlan, planes: Array) -> Array:
    down, across = _steps(plan)
    return planes[_sampled(plan)][:, :, ::down, ::across]


def _sampled(plan: FramePlan) -> list[int]:
    """Return the frames that windows are made of; of channels, all."""
    n = plan.n_frames if plan.along == "c" else min(plan.n_frames, _N_SAMPLED)
    return sorted({round(i) for i in np.linspace(0, plan.n_frames - 1, n)})


def _steps(plan: FramePlan) -> tuple[int, int]:
    sizes = plan.image.sizes
    n = 1 if plan.along == "c" else len(_sampled(plan))
    strides = sample_strides({"t": n, "y": sizes["y"], "x": sizes["x"]})
    return strides["y"], strides["x"]


class Projected:
    """Planes to which pixels are added, in any order, by the method of the plan.

    NaN is left out, and is the result where there is nothing else. A mean of integers is rounded
    half up.
    """

    def __init__(self, plan: FramePlan, shape: tuple[int, int, int, int]) -> None:
        self._plan = plan
        method, dtype = plan.method, np.dtype(plan.dtype)
        wide = dtype
        if method == "mean":
            wide = np.dtype(np.int64 if dtype.kind in "iu" else np.float64)
        self._is_float = wide.kind == "f"
        self._planes = np.zeros(shape, wide) if method else np.empty(shape, wide)
        if method == "max":
            self._planes[...] = np.nan if self._is_float else np.iinfo(dtype).min
        self._counts = None
        if method in ("sum", "mean") and self._is_float:
            self._counts = np.zeros(shape, np.uint32)

    def add(self, read: FrameRead, pixels: Array) -> None:
        """Add the pixels of `read`."""
        pixels = cast_block(pixels, self._plan.image.dtype)
        if pixels.dtype.kind == "c":
            pixels = np.abs(pixels)
        method = self._plan.method
        counts: Array | None = None
        if self._counts is not None:
            known = ~np.isnan(pixels)
            counts = self._as_planes(self._reduced(np.add, known, np.uint32))
            pixels = np.where(known, pixels, 0)
        if method == "max":
            pixels = self._reduced(np.fmax, pixels, None)
        elif method is not None:
            pixels = self._reduced(np.add, pixels, self._planes.dtype)
        part = self._as_planes(pixels)
        place = slice(read.plane, read.plane + part.shape[1])
        ours = self._planes[:, place]
        if method is None:
            ours[...] = part
        elif method == "max":
            np.fmax(ours, part, out=ours)
        else:
            ours += part
        if counts is not None and self._counts is not None:
            self._counts[:, place] += counts

    def result(self) -> Array:
        """Return the planes, once everything was added."""
        planes = self._planes
        if self._plan.method == "mean":
            n = self._plan.n_projected
            if self._counts is not None:
                with np.errstate(invalid="ignore"):
                    planes = planes / self._counts
            else:
                planes = (2 * planes + n) // (2 * n)
            return planes.astype(self._plan.dtype)
        if self._counts is not None:
            planes[self._counts == 0] = np.nan
        return planes

    def _reduced(self, how: np.ufunc, pixels: Array, dtype: Any) -> Array:
        dims = self._plan.image.dims
        axes = tuple(dims.index(name) for name, _ in self._plan.project)
        for axis in axes:
            pixels = how.reduce(pixels, axis=axis, dtype=dtype, keepdims=True)
        return pixels

    def _as_planes(self, pixels: Array) -> Array:
        """Return pixels with the axes (frame, plane, y, x); all others have one entry."""
        plan = self._plan
        kept = {plan.along, "y", "x", "s"}
        pixels = pixels[tuple(slice(None) if name in kept else 0 for name in plan.image.dims)]
        if plan.along is None:
            pixels = pixels[None]
        return np.moveaxis(pixels, -1, 1) if plan.image.kind == "rgb" else pixels[:, None]


def _thinned(pixels: Array, dims: Sequence[str], steps: tuple[int, int]) -> Array:
    if steps == (1, 1):
        return pixels
    by_name = dict(zip("yx", steps, strict=True))
    return pixels[tuple(slice(None, None, by_name.get(name, 1)) for name in dims)]


def _hand_out(
    plan: FramePlan, source: Source, block: FrameBlock, take: Callable[[int, Array], None]
) -> None:
    """Call `take` with what the block reads; what fails before that is the source's."""
    ours: list[BaseException] = []

    def guarded(i: int, pixels: Array) -> None:
        try:
            take(i, pixels)
        except BaseException as error:
            ours.append(error)
            raise

    try:
        source.hand_out([read.box for read in block.reads], guarded)
    except Exception as error:
        if ours:
            raise ours[0] from None
        name = plan.along or "a single picture"
        place = f"{name} {block.start}:{block.stop}" if plan.along else name
        raise SourceError(
            f"computing the pixels at {place} failed with {type(error).__name__}: {error}; "
            "the error lies in how this DataArray is computed, try da.isel(...).compute() there"
        ) from error


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise ExportCancelled("the export was stopped")
