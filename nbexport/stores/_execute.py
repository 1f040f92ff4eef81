"""Blocks to workers: bounded, cancellable, delivered in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from nbexport.errors import ExportCancelled, ExportError, SourceError
from nbexport.pixels import cast_block, coarsen, sample_pixels, sample_strides
from nbexport.plan import Block, Box, Pass, PyramidPlan
from nbexport.stores._progress import Progress

Array = npt.NDArray[Any]
R = TypeVar("R")

# An interrupt is answered within a second: workers get this long to finish the unit they write
# before the partial export is removed. What still computes then finds `cancel` set and writes
# nothing.
_GRACE_S: Final = 0.7
# A wait without a timeout can't be interrupted on Windows.
_POLL_S: Final = 0.2


class Source(Protocol):
    """The pixels of an image, fetched box by box."""

    def fetch(self, box: Box) -> Array:
        """Return the pixels of `box`."""


Put = Callable[[int, Box, Array], R]
"""Writes or encodes the pixels of one box of one level; called by worker threads."""


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """One finished block.

    Attributes
    ----------
    block
        The block.
    results
        What `put` returned, for each of ``block.writes``.
    samples
        (channel, pixels) of the coarsest level, where samples are taken.
    """

    block: Block
    results: tuple[R, ...]
    samples: tuple[tuple[int, Array], ...]


class Walk(Generic[R]):
    """Runs the passes of a plan: each block is fetched once and pooled up through all levels.

    Parameters
    ----------
    plan
        What to write.
    put
        Called with (level, box, pixels), finest level first.
    report
        Called with a Progress after every block, on the calling thread.
    what
        The word for the progress.
    sampled
        Take samples of the coarsest level, for display windows.
    """

    def __init__(
        self,
        plan: PyramidPlan,
        put: Put[R],
        report: Callable[[Progress], object],
        *,
        what: str,
        sampled: bool,
    ) -> None:
        self._plan = plan
        self._put = put
        self._report = report
        self._what = what
        self._cancel = threading.Event()
        self._n_done = 0
        self._nbytes = 0
        last = plan.levels[-1]
        self._strides = sample_strides({a.name: a.size for a in last.axes}) if sampled else None

    def run(self, walk: Pass, source: Source) -> Generator[Done[R]]:
        """Yield the blocks of `walk` as they finish, in their own order.

        At most ``plan.in_flight`` blocks are worked on, beside the one that was yielded. Closing
        the iterator, or an exception in it, stops all workers.
        """
        pool = ThreadPoolExecutor(self._plan.in_flight, thread_name_prefix="nbexport")
        blocks = walk.blocks()
        queue: deque[Future[Done[R]]] = deque()
        try:
            for block in islice(blocks, self._plan.in_flight):
                queue.append(pool.submit(self._work, walk, block, source))
            while queue:
                done = _result(queue[0])
                queue.popleft()
                for block in islice(blocks, 1):
                    queue.append(pool.submit(self._work, walk, block, source))
                self._tell(walk, done.block)
                yield done
        except BaseException:
            self._cancel.set()
            pool.shutdown(wait=False, cancel_futures=True)
            wait(queue, timeout=_GRACE_S)
            raise
        pool.shutdown()

    def _work(self, walk: Pass, block: Block, source: Source) -> Done[R]:
        self._check_cancel()
        pixels = self._fetch(walk, block, source)
        results = []
        level = walk.reads
        for level, box in block.writes:
            if level > walk.reads:
                pixels = coarsen(pixels, self._plan.levels[level].factors, self._plan.method)
            self._check_cancel()
            results.append(self._put(level, box, pixels))
        samples: tuple[tuple[int, Array], ...] = ()
        if self._strides is not None and level == len(self._plan.levels) - 1:
            samples = self._sample(block.writes[-1][1], pixels, self._strides)
        return Done(block, tuple(results), samples)

    def _fetch(self, walk: Pass, block: Block, source: Source) -> Array:
        try:
            pixels = source.fetch(block.reads)
        except ExportError:
            raise
        except Exception as error:
            box = ", ".join(
                f"{axis.name} {start}:{stop}"
                for axis, (start, stop) in zip(
                    self._plan.levels[walk.reads].axes, block.reads, strict=True
                )
            )
            raise SourceError(
                f"computing the pixels at {box} failed with {type(error).__name__}: {error}; "
                "the error lies in how this DataArray is computed, try da.isel(...).compute() there"
            ) from error
        return cast_block(pixels, self._plan.image.dtype)

    def _sample(
        self, box: Box, pixels: Array, strides: dict[str, int]
    ) -> tuple[tuple[int, Array], ...]:
        names = self._plan.image.dims
        start = {name: begin for name, (begin, _) in zip(names, box, strict=True)}
        sample = sample_pixels(pixels, start, strides)
        if "c" not in names:
            return ((0, sample.copy()),)
        by_channel = np.moveaxis(sample, names.index("c"), 0)
        return tuple((start["c"] + i, part.copy()) for i, part in enumerate(by_channel))

    def _check_cancel(self) -> None:
        if self._cancel.is_set():
            raise ExportCancelled("the export was stopped")

    def _tell(self, walk: Pass, block: Block) -> None:
        self._n_done += 1
        if walk.reads == 0:
            n_pixels = prod(stop - start for start, stop in block.reads)
            self._nbytes += n_pixels * np.dtype(self._plan.image.dtype).itemsize
        self._report(
            Progress(
                done=self._n_done,
                total=self._plan.n_blocks,
                nbytes=self._nbytes,
                what=self._what,
            )
        )


def _result(future: Future[Done[R]]) -> Done[R]:
    while not wait((future,), timeout=_POLL_S).done:
        pass
    return future.result()
