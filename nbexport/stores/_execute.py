"""Blocks to workers: bounded, cancellable, delivered in order.

A worker is a thread, or a process of a dask cluster; both run :func:`run_job` and nothing else, so
the same bytes come from both.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Container, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from nbexport.errors import ExportCancelled, SourceError
from nbexport.pixels import cast_block, coarsen, sample_pixels, sample_strides
from nbexport.plan import Block, Box, Pass, PyramidPlan
from nbexport.stores._progress import Progress

Array = npt.NDArray[Any]
R = TypeVar("R")

# An interrupt is answered within a second: workers get this long to finish the unit they write
# before the partial export is removed. What still computes then finds `cancel` set and writes
# nothing.
_GRACE_S: Final = 0.7
# Another process does not see `cancel`: it finishes its block.
_CLUSTER_GRACE_S: Final = 30.0
# Before a source that failed is asked again; twice as long each time.
_RETRY_S: Final = 0.5
# A wait without a timeout can't be interrupted on Windows.
_POLL_S: Final = 0.2


class Source(Protocol):
    """The pixels of an image, fetched box by box."""

    def hand_out(self, boxes: Sequence[Box], take: Callable[[int, Array], None]) -> None:
        """Call `take` with the number and the pixels of each of `boxes`, one after the other."""

    def cut(self, box: Box) -> Source:
        """Return a source of `box` alone, small enough to be sent to another process."""


Put = Callable[[int, Box, Array], R]
"""Writes or encodes the pixels of one box of one level; called by workers."""


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """One image of an export, and how it is written.

    Attributes
    ----------
    plan
        What to write.
    source
        Its pixels.
    put
        Called with (level, box, pixels), finest level first.
    written
        Gives what a later pass reads, by level: one that was written, as the source of the coarser
        ones; or one that was given.
    sampled
        Take samples of the coarsest level, for display windows.
    retries
        How often a block whose source fails is tried again.
    """

    plan: PyramidPlan
    source: Source
    put: Put[R]
    written: Callable[[int], Source]
    sampled: bool
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Job(Generic[R]):
    """One block of one part; `place` numbers the part, its pass and the block."""

    part: Part[R]
    walk: Pass
    block: Block
    source: Source
    place: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """One finished block.

    Attributes
    ----------
    results
        (level, what `put` returned), in the order of the puts.
    samples
        (channel, pixels) of the coarsest level, where samples are taken.
    """

    results: tuple[tuple[int, R], ...]
    samples: tuple[tuple[int, Array], ...]


def stages(parts: Sequence[Part[R]]) -> list[Iterator[Job[R]]]:
    """Return the jobs of all first passes, of all second ones, …: each reads what came before."""
    n_stages = max(len(part.plan.passes) for part in parts)
    return [_stage(parts, n) for n in range(n_stages)]


def _stage(parts: Sequence[Part[R]], n: int) -> Iterator[Job[R]]:
    for i, part in enumerate(parts):
        for walk in part.plan.passes[n : n + 1]:
            source = part.source if n == 0 else part.written(walk.reads)
            for block in walk.blocks():
                yield Job(part, walk, block, source, (i, n, block.index))


class Workers:
    """Runs jobs, at most `in_flight` at a time beside the one that was just yielded.

    Parameters
    ----------
    in_flight
        Jobs worked on at the same time.
    n_jobs
        Jobs in all, for the progress.
    report
        Called with a Progress after every job, on the calling thread.
    what
        The word for the progress.
    cluster
        Where jobs run instead of on threads: an executor of other processes.
    finished
        Places of jobs that were done before; they count, and are not run.
    note
        Called with a job and its result as soon as it is done, on whatever thread.
    """

    def __init__(
        self,
        in_flight: int,
        n_jobs: int,
        report: Callable[[Progress], object],
        *,
        what: str,
        cluster: Executor | None = None,
        finished: Container[tuple[int, int, int]] = (),
        note: Callable[[Job[Any], Done[Any]], object] | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._n_jobs = n_jobs
        self._report = report
        self._what = what
        self._cluster = cluster
        self._finished = finished
        self._note = note
        self._cancel = threading.Event()
        self._n_done = 0
        self._nbytes = 0

    def run(self, jobs: Iterator[Job[R]]) -> Generator[tuple[Job[R], Done[R]]]:
        """Yield jobs as they finish, in their own order.

        Closing the iterator, or an exception in it, stops all workers.
        """
        threads = None
        if self._cluster is None:
            threads = ThreadPoolExecutor(self._in_flight, thread_name_prefix="nbexport")
        queue: deque[tuple[Job[R], Future[Done[R]]]] = deque()
        due = self._unfinished(jobs)

        def fill(n_jobs: int) -> None:
            for job in islice(due, n_jobs):
                if threads is not None:
                    future = threads.submit(self._run_and_note, job)
                else:
                    assert self._cluster is not None
                    alone = replace(job, source=job.source.cut(job.block.reads))
                    try:
                        future = self._cluster.submit(run_job, _without_source(alone))
                    except Exception as error:
                        told = _as_cancelled(error)
                        raise told from (error if told is not error else None)
                queue.append((job, future))

        try:
            fill(self._in_flight)
            while queue:
                job, future = queue[0]
                done = _result(future)
                if threads is None and self._note is not None:
                    self._note(job, done)
                queue.popleft()
                fill(1)
                self._tell(job)
                yield job, done
        except BaseException:
            self._cancel.set()
            futures = [future for _, future in queue]
            if threads is not None:
                for future in futures:
                    future.cancel()
                threads.shutdown(wait=False)
                wait(futures, timeout=_GRACE_S)
            else:
                # All of them run, no more were sent than workers have threads. A cluster says of
                # a cancelled one at once that it is done, and it writes on.
                wait(futures, timeout=_CLUSTER_GRACE_S)
                for future in futures:
                    future.cancel()
            raise
        if threads is not None:
            threads.shutdown()

    def _unfinished(self, jobs: Iterator[Job[R]]) -> Iterator[Job[R]]:
        for job in jobs:
            if job.place in self._finished:
                self._count(job)
            else:
                yield job

    def _run_and_note(self, job: Job[R]) -> Done[R]:
        done = run_job(job, self._cancel)
        if self._note is not None:
            self._note(job, done)
        return done

    def _count(self, job: Job[R]) -> None:
        self._n_done += 1
        if job.walk is job.part.plan.passes[0]:
            n_pixels = prod(stop - start for start, stop in job.block.reads)
            self._nbytes += n_pixels * np.dtype(job.part.plan.image.dtype).itemsize

    def _tell(self, job: Job[R]) -> None:
        self._count(job)
        self._report(
            Progress(done=self._n_done, total=self._n_jobs, nbytes=self._nbytes, what=self._what)
        )


def run_job(job: Job[R], cancel: threading.Event | None = None) -> Done[R]:
    """Do :func:`_run_once`, and again where the source failed, as often as the part wants."""
    pause = cancel.wait if cancel is not None else time.sleep
    for tried in range(1, job.part.retries + 1):
        try:
            return _run_once(job, cancel)
        except SourceError:
            pause(_RETRY_S * 2 ** (tried - 1))
            _check(cancel)
    return _run_once(job, cancel)


def _run_once(job: Job[R], cancel: threading.Event | None) -> Done[R]:
    """Fetch the block of `job` leaf by leaf, put each, and pool and put the coarser levels."""
    plan, block, walk = job.part.plan, job.block, job.walk
    results: list[tuple[int, R]] = []
    samples: list[tuple[int, Array]] = []

    def put(level: int, box: Box, pixels: Array) -> None:
        _check(cancel)
        results.append((level, job.part.put(level, box, pixels)))
        if job.part.sampled and level == len(plan.levels) - 1:
            samples.extend(_sample(plan, box, pixels))

    coarser = block.writes[1:]
    pooled: Array | None = None
    leaves = list(walk.leaves(block))

    def take(i: int, pixels: Array) -> None:
        nonlocal pooled
        _check(cancel)
        leaf = leaves[i]
        pixels = cast_block(pixels, plan.image.dtype)
        if not leaf.writes:
            return
        level, box = leaf.writes[0]
        if level > walk.reads:
            pixels = _coarser(pixels, plan, level)
        put(level, box, pixels)
        if coarser and len(leaf.writes) > 1:
            level, box = leaf.writes[1]
            part = _coarser(pixels, plan, level)
            if pooled is None:
                pooled = np.empty([b - a for a, b in coarser[0][1]], dtype=part.dtype)
            inside = zip(box, coarser[0][1], strict=True)
            pooled[tuple(slice(a - start, b - start) for (a, b), (start, _) in inside)] = part

    _hand_out(job, [leaf.reads for leaf in leaves], take)
    if coarser and pooled is not None:
        put(*coarser[0], pooled)
        for level, box in coarser[1:]:
            pooled = _coarser(pooled, plan, level)
            put(level, box, pooled)
    return Done(tuple(results), tuple(samples))


def _coarser(pixels: Array, plan: PyramidPlan, level: int) -> Array:
    assert plan.method is not None  # a pass over a given level writes no other
    return coarsen(pixels, plan.levels[level].factors, plan.method)


def _hand_out(job: Job[R], boxes: Sequence[Box], take: Callable[[int, Array], None]) -> None:
    """Call `take` with the pixels of each of `boxes`; what fails before that is the source's."""
    ours: list[BaseException] = []

    def guarded(i: int, pixels: Array) -> None:
        try:
            take(i, pixels)
        except BaseException as error:
            ours.append(error)
            raise

    try:
        job.source.hand_out(boxes, guarded)
    except Exception as error:
        if ours:
            raise ours[0] from None
        place = ", ".join(
            f"{axis.name} {start}:{stop}"
            for axis, (start, stop) in zip(
                job.part.plan.levels[job.walk.reads].axes, job.block.reads, strict=True
            )
        )
        n_tries = job.part.retries + 1
        times = f"{n_tries} times, at last " if n_tries > 1 else ""
        raise SourceError(
            f"computing the pixels at {place} failed {times}with {type(error).__name__}: {error}; "
            "the error lies in how this DataArray is computed, try da.isel(...).compute() there"
        ) from error


def _sample(plan: PyramidPlan, box: Box, pixels: Array) -> tuple[tuple[int, Array], ...]:
    names = plan.image.dims
    strides = sample_strides({axis.name: axis.size for axis in plan.levels[-1].axes})
    start = {name: begin for name, (begin, _) in zip(names, box, strict=True)}
    sample = sample_pixels(pixels, start, strides)
    if "c" not in names:
        return ((0, sample.copy()),)
    by_channel = np.moveaxis(sample, names.index("c"), 0)
    return tuple((start["c"] + i, part.copy()) for i, part in enumerate(by_channel))


def _without_source(job: Job[R]) -> Job[R]:
    """Return `job` as it is sent to a cluster: the part's own pixels stay here."""
    return replace(job, part=replace(job.part, source=job.source, written=_nothing_written))


def _nothing_written(level: int) -> Source:
    raise LookupError(f"level {level} is not at hand in another process")


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise ExportCancelled("the export was stopped")


def _result(future: Future[Done[R]]) -> Done[R]:
    while not wait((future,), timeout=_POLL_S).done:
        pass
    try:
        return future.result()
    except CancelledError as error:
        raise _as_cancelled(error) from error


def _as_cancelled(error: Exception) -> Exception:
    """Return what a user is told where a cluster was closed under an export; else `error`."""
    if type(error).__name__ not in ("CancelledError", "ClosedClientError"):
        return error
    return ExportCancelled(
        "the dask cluster was closed, or dropped the blocks of this export; export again on one "
        "that runs, or with client=False"
    )
