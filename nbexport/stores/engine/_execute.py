"""Blocks to workers: bounded, cancellable, delivered in order.

A worker is a thread, or a process of a dask cluster; both run :func:`run_job` and nothing else, so
the same bytes come from both.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Container, Generator, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import replace
from itertools import islice
from math import prod
from typing import Any

import numpy as np

from nbexport.errors import ExportCancelled
from nbexport.stores._interrupts import GRACE_S, POLL_S, interrupts_held
from nbexport.stores._progress import Progress
from nbexport.stores.engine._cluster import Cluster
from nbexport.stores.engine._job import Done, Job, R, run_job, without_source


class Workers:
    """Runs jobs, `in_flight` at a time, and yields them in their own order.

    Parameters
    ----------
    in_flight
        Jobs worked on at the same time.
    ahead
        Finished jobs that may wait for one before them: without any, a worker whose job was
        quicker than its neighbour's idles (5 % of an OME-Zarr export by two workers).
    n_jobs
        Jobs in all, for the progress.
    report
        Called with a Progress after every job, on the calling thread.
    what
        The word for the progress.
    cluster
        Where jobs run instead of on threads. Each of its threads has one more waiting, or it
        would idle while its result travels back and the next job out: 44 ms of every block.
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
        ahead: int = 0,
        cluster: Cluster | None = None,
        finished: Container[tuple[int, int, int]] = (),
        note: Callable[[Job[Any], Done[Any]], object] | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._n_jobs = n_jobs
        self._report = report
        self._what = what
        self._ahead = ahead
        self._cluster = cluster
        self._most = 2 * in_flight if cluster is not None else in_flight
        self._name = uuid.uuid4().hex
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

        def fill() -> None:
            n_running = sum(not future.done() for _, future in queue)
            n_free = min(self._most - n_running, self._most + self._ahead - len(queue))
            for job in islice(due, n_free):
                if threads is not None:
                    future = threads.submit(self._run_and_note, job)
                else:
                    assert self._cluster is not None
                    alone = replace(job, source=job.source.cut(job.block.reads))
                    try:
                        future = self._cluster.submit(self._name, without_source(alone))
                    except Exception as error:
                        told = _as_cancelled(error)
                        raise told from (error if told is not error else None)
                queue.append((job, future))

        def first_done() -> bool:
            """Wait a moment for any of them; interrupts come through between two calls."""
            with interrupts_held():
                fill()
                running = [future for _, future in queue if not future.done()]
                first = queue[0][1]
                if not first.done():
                    wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED)
                return first.done()

        try:
            with interrupts_held():
                fill()
            while queue:
                if not first_done():
                    continue
                job, future = queue.popleft()
                done = _result(future)
                if threads is None and self._note is not None:
                    self._note(job, done)
                with interrupts_held():
                    fill()
                self._tell(job)
                yield job, done
        except BaseException:
            self._stop([future for _, future in queue], threads)
            raise
        if threads is not None:
            threads.shutdown()

    def _stop(self, futures: list[Future[Any]], threads: Executor | None) -> None:
        self._cancel.set()
        if threads is None:
            assert self._cluster is not None
            self._cluster.stop(self._name, futures)
            return
        with interrupts_held():
            for future in futures:
                future.cancel()
            threads.shutdown(wait=False)
            wait(futures, timeout=GRACE_S)

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


def _result(future: Future[Done[R]]) -> Done[R]:
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
