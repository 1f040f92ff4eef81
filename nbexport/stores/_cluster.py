"""The active dask cluster, as an executor of blocks."""

from __future__ import annotations

import sys
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from nbexport.errors import PlanError


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers in other processes.

    Attributes
    ----------
    executor
        Runs a function there.
    n_threads
        Threads of all workers together.
    """

    executor: Executor
    n_threads: int


def find_cluster(client: Any) -> Cluster | None:
    """Return where blocks run, or None for threads of this process.

    Parameters
    ----------
    client
        A ``dask.distributed.Client``; None: the active one, if there is one; False: none.

    Raises
    ------
    PlanError
        If it is something else, or a cluster without workers.
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
    n_threads = sum(client.nthreads().values())
    if n_threads == 0:
        raise PlanError(
            "the dask cluster has no workers; start some, or pass client=False for threads"
        )
    # The same block twice is two tasks: writing has no value that could be kept.
    return Cluster(client.get_executor(pure=False), n_threads)
