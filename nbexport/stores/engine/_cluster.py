"""The active dask cluster: where the blocks of an export run, and are stopped."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from nbexport.errors import PlanError
from nbexport.stores.engine._job import Done, Job, R, run_job

# Until every worker has said that it writes no block of a stopped export any more.
_GRACE_S: Final = 30.0
# Between two questions whether it does: a question takes 5 ms.
_ASK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers in other processes.

    Attributes
    ----------
    client
        The ``dask.distributed.Client``.
    executor
        Runs a function there.
    n_threads
        Threads of all workers together.
    """

    client: Any
    executor: Executor
    n_threads: int

    def submit(self, export: str, job: Job[R]) -> Future[Done[R]]:
        """Have `job` of the export of that name run, or wait until a thread is free."""
        return self.executor.submit(_run_block, export, job)

    def stop(self, export: str, futures: Sequence[Future[Any]]) -> None:
        """Have no block of the export written any more: those that wait, those that run.

        dask says of a cancelled block at once that it is done, and it writes on: each worker is
        asked. A cluster that does not answer is left alone after 30 s.
        """
        asking = threading.Thread(target=self._stop, args=(export,), daemon=True)
        asking.start()
        for future in futures:
            future.cancel()
        asking.join(_GRACE_S)

    def _stop(self, export: str) -> None:
        end = time.monotonic() + _GRACE_S
        with suppress(Exception):  # a cluster that is gone writes nothing, either
            while self.client.status == "running" and time.monotonic() < end:
                answers = self.client.run(_stop_blocks, export, on_error="ignore")
                if not any(answers.values()):
                    return
                time.sleep(_ASK_S)


@dataclass(slots=True)
class _Running:
    """The blocks of one export that a worker's threads work on."""

    n_blocks: int = 0
    cancel: threading.Event = field(default_factory=threading.Event)


# In a worker's process: by export. Stopped ones are kept, a block of theirs may be on its way.
_exports: dict[str, _Running] = {}
_lock = threading.Lock()


def _run_block(export: str, job: Job[R]) -> Done[R]:
    with _lock:
        here = _exports.setdefault(export, _Running())
        here.n_blocks += 1
    try:
        return run_job(job, here.cancel)
    finally:
        with _lock:
            here.n_blocks -= 1
            if not here.n_blocks and not here.cancel.is_set():
                del _exports[export]


def _stop_blocks(export: str) -> int:
    """Return how many of its blocks still run on this worker."""
    with _lock:
        here = _exports.setdefault(export, _Running())
        here.cancel.set()
        return here.n_blocks


def find_cluster(client: Any) -> Cluster | None:
    """Return where blocks run, or None for threads of this process.

    Parameters
    ----------
    client
        A ``dask.distributed.Client``; None: the active one, if there is one; False: none.

    Raises
    ------
    PlanError
        If it is something else, an asynchronous client, or a cluster without workers.
    """
    if client is False:
        return None
    if client is None:
        # Never imported means never started; another thread may be importing it (dask does).
        known = getattr(sys.modules.get("distributed"), "Client", None)
        if known is None:
            return None
        try:
            client = known.current()
        except ValueError:
            return None
    if not hasattr(client, "get_executor") or not hasattr(client, "nthreads"):
        raise PlanError(
            f"client={client!r} is no dask.distributed.Client; give one, or False for threads"
        )
    if getattr(client, "asynchronous", False):
        raise PlanError(
            f"{client!r} is asynchronous, and an export waits for its blocks; "
            "give a client made without asynchronous=True, or client=False for threads"
        )
    n_threads = sum(client.nthreads().values())
    if n_threads == 0:
        raise PlanError(
            "the dask cluster has no workers; start some, or pass client=False for threads"
        )
    # The same block twice is two tasks: writing has no value that could be kept.
    return Cluster(client, client.get_executor(pure=False), n_threads)
