"""Blocks on a real dask cluster of two processes: the same bytes, exact progress, plain errors."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from contextlib import nullcontext
from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr
import zarr
from distributed import Client, LocalCluster

import nbexport
from nbexport.stores.engine import _cluster

pytestmark = [
    # distributed's own sockets and loops are still closing when their fixture is gone.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
OPTIONS = {"chunks": (1, 32, 32), "shards": (4, 64, 64), "levels": 3}


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=":0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def volume() -> xr.DataArray:
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 4000, (16, 200, 170), dtype="uint16")
    return xr.DataArray(pixels, dims=("z", "y", "x"), name="volume")


def lazy(da: xr.DataArray, function=None, chunks=(3, 70, 64)) -> xr.DataArray:
    pixels = dask.array.from_array(da.values, chunks=chunks)
    if function is not None:
        pixels = pixels.map_blocks(function, dtype=pixels.dtype, meta=pixels._meta)
    return da.copy(data=pixels)


def tree(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("budget", ["1 GiB", "1 MB"])
def test_a_cluster_writes_the_same_bytes_as_threads(client, budget, tmp_path):
    da = volume()
    heard = []
    for name, pixels, where in (
        ("numpy", da, False),
        ("dask", lazy(da), False),
        ("cluster", lazy(da), client),
        ("shipped", da, client),
    ):
        report = nbexport.write_ome_zarr(
            pixels,
            tmp_path / f"{name}.ome.zarr",
            client=where,
            memory_budget=budget,
            progress=heard.append,
            **OPTIONS,
        )
        assert heard[-1].done == heard[-1].total == report.plan.n_blocks
        assert heard[-1].nbytes == da.nbytes
    first, *others = (
        tree(tmp_path / f"{n}.ome.zarr") for n in ("numpy", "dask", "cluster", "shipped")
    )
    for other in others:
        assert other == first


def test_the_active_client_is_used_unless_told_otherwise(client, tmp_path):
    def where(block):
        return np.full_like(block, os.getpid() % 60000)

    with client.as_current():
        for option, inside in ((None, False), (False, True)):
            path = tmp_path / f"{inside}.ome.zarr"
            nbexport.write_ome_zarr(
                lazy(volume(), where), path, client=option, progress=False, levels=1
            )
            pids = set(np.unique(zarr.open_array(path / "0")[:]).tolist())
            assert (os.getpid() % 60000 in pids) == inside


def test_a_worker_that_dies_costs_its_blocks_only(client, tmp_path):
    """Killed in the middle; its blocks are computed again elsewhere, the result is whole.

    Every source chunk notes that it was computed: those of finished blocks must not be again.
    """
    notes = tmp_path / "notes"
    notes.mkdir()

    def deadly(block, block_info=None):
        z = block_info[0]["chunk-location"][0]
        (notes / f"{z}-{time.time_ns()}").touch()
        if z == 6 and len(list(notes.glob("6-*"))) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    da = volume()
    path = tmp_path / "a.ome.zarr"
    heard = []
    report = nbexport.write_ome_zarr(
        lazy(da, deadly, chunks=(2, 200, 170)),
        path,
        client=client,
        progress=heard.append,
        chunks=(1, 64, 64),
        shards=(2, 64, 64),
        levels=3,
    )
    computed = [int(note.name.partition("-")[0]) for note in notes.iterdir()]
    n_blocks = report.plan.n_blocks
    assert n_blocks == 8
    assert set(computed) == set(range(n_blocks))
    # The killed block, and what the dead worker held besides: it had not been gathered yet. Two
    # blocks a worker are under way.
    assert computed.count(6) > 1
    assert len(computed) <= n_blocks + 4
    assert [p.done for p in heard] == [*range(1, n_blocks + 1)]
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], da.values)
    assert [p.name for p in tmp_path.iterdir() if p != notes] == ["a.ome.zarr"]


def test_an_error_on_a_worker_is_told_as_everywhere(client, tmp_path):
    def fail(block):
        raise ZeroDivisionError("the camera melted")

    with pytest.raises(nbexport.SourceError, match=r"failed with ZeroDivisionError: the camera"):
        nbexport.write_ome_zarr(
            lazy(volume(), fail), tmp_path / "a.ome.zarr", client=client, progress=False
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_cancelled_export_leaves_nothing(client, overwrite, tmp_path):
    """Stopped after the second block, while others still compute."""
    path = tmp_path / "a.ome.zarr"
    if overwrite:
        nbexport.write_ome_zarr(volume()[:2], path, client=False, progress=False)
    before = tree(tmp_path)

    def slow(block):
        time.sleep(0.1)
        return block

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    options = {"chunks": (1, 64, 64), "levels": 3, "memory_budget": "1 MB"}
    with pytest.raises(KeyboardInterrupt):
        nbexport.write_ome_zarr(
            lazy(volume(), slow, chunks=(1, 200, 170)),
            path,
            client=client,
            overwrite=overwrite,
            progress=stop,
            **options,
        )
    assert tree(tmp_path) == before
    time.sleep(1)  # longer than a block that had begun
    assert tree(tmp_path) == before
    assert client.run(os.getpid)  # and the cluster lives
    nbexport.write_ome_zarr(
        lazy(volume()), path, client=client, overwrite=True, progress=False, **options
    )
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], volume().values)


def test_one_failed_block_of_many_leaves_nothing(client, tmp_path):
    """The others were written before, or are being written."""

    def fail(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 9:
            raise ZeroDivisionError("the camera melted")
        return block

    with pytest.raises(nbexport.SourceError, match=r"z 9:10.* ZeroDivisionError: the camera"):
        nbexport.write_ome_zarr(
            lazy(volume(), fail, chunks=(1, 200, 170)),
            tmp_path / "a.ome.zarr",
            client=client,
            progress=False,
            chunks=(1, 64, 64),
            memory_budget="1 MB",
        )
    time.sleep(0.5)
    assert list(tmp_path.iterdir()) == []


def test_after_a_stop_no_block_begins_and_none_writes(client, tmp_path):
    """Each worker has a block waiting: those are dropped, those that run are waited for."""
    notes = tmp_path / "notes"
    notes.mkdir()

    def slow(block):
        (notes / str(time.time_ns())).touch()
        time.sleep(0.3)
        return block

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nbexport.write_ome_zarr(
            lazy(volume(), slow, chunks=(1, 200, 170)),
            tmp_path / "a.ome.zarr",
            client=client,
            progress=stop,
            chunks=(1, 64, 64),
            memory_budget="1 MB",
        )
    running = client.run(lambda: [here.n_blocks for here in _cluster._exports.values()])
    assert [n for counts in running.values() for n in counts if n] == []
    n_begun = len(list(notes.iterdir()))
    time.sleep(1)
    assert len(list(notes.iterdir())) == n_begun < 16


def test_a_finished_export_leaves_nothing_in_a_worker(client, tmp_path):
    def known():
        return set(_cluster._exports)

    before = client.run(known)
    nbexport.write_ome_zarr(
        lazy(volume()), tmp_path / "a.ome.zarr", client=client, progress=False, **OPTIONS
    )
    assert client.run(known) == before


def test_what_is_no_client_is_refused(tmp_path):
    path = tmp_path / "a.ome.zarr"
    for wrong in ("threads", True, 4):
        text = f"client={wrong!r} is no dask.distributed.Client; give one, or False for threads"
        with pytest.raises(nbexport.PlanError, match=re.escape(text)):
            nbexport.write_ome_zarr(volume(), path, client=wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("active", [False, True])
def test_an_asynchronous_client_is_refused(active, tmp_path):
    """An export waits, and on the loop of such a client nothing else would go on."""

    async def export():
        async with (
            LocalCluster(
                n_workers=0, processes=False, asynchronous=True, dashboard_address=":0"
            ) as cluster,
            Client(cluster, asynchronous=True, set_as_default=False) as client,
        ):
            with client.as_current() if active else nullcontext():
                nbexport.write_ome_zarr(
                    volume(), tmp_path / "a.ome.zarr", client=None if active else client
                )

    with pytest.raises(nbexport.PlanError, match=r"<Client: .*> is asynchronous, .* client=False"):
        asyncio.run(export())
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_without_workers_is_refused(tmp_path):
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(nbexport.PlanError, match="the dask cluster has no workers; start some, or"),
    ):
        nbexport.write_ome_zarr(volume(), tmp_path / "a.ome.zarr", client=client)
    assert list(tmp_path.iterdir()) == []
