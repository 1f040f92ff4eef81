"""What an export costs, counted exactly: chunks computed, keys written, bytes read back."""

from __future__ import annotations

import threading
from collections import Counter

import dask.array as dask_array
import numpy as np
import pytest
import xarray as xr
import zarr

import nbexport

SHAPE, CHUNKS = (2, 6, 300, 260), (1, 2, 128, 100)


@pytest.fixture
def counted():
    """A lazy image that counts how often each of its chunks is computed, and how many at once."""
    counts: Counter = Counter()
    lock = threading.Lock()
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4000, SHAPE, dtype="uint16")

    def load(block_info=None):
        place = block_info[None]["array-location"]
        with lock:
            counts[tuple(a for a, _ in place)] += 1
        return truth[tuple(slice(*edges) for edges in place)]

    chunks = tuple(
        tuple([c] * (n // c) + ([n % c] if n % c else []))
        for n, c in zip(SHAPE, CHUNKS, strict=True)
    )
    lazy = dask_array.map_blocks(
        load, chunks=chunks, dtype="uint16", meta=np.zeros((0,) * 4, "uint16")
    )
    counts.clear()
    return xr.DataArray(lazy, dims=tuple("czyx")), counts, truth


@pytest.mark.parametrize("format", ["ome-zarr", "ome-tiff"])
@pytest.mark.parametrize("workers", [1, 3])
def test_each_source_chunk_is_computed_once(format, workers, counted, tmp_path):
    da, counts, truth = counted
    if format == "ome-zarr":
        report = nbexport.write_ome_zarr(
            da,
            tmp_path / "a.ome.zarr",
            chunks=(1, 1, 64, 64),
            levels=3,
            workers=workers,
            progress=False,
        )
        np.testing.assert_array_equal(zarr.open_group(report.target)["0"][:], truth)
    else:
        report = nbexport.write_ome_tiff(
            da,
            tmp_path / "a.ome.tif",
            tile=(64, 64),
            levels=3,
            workers=workers,
            progress=False,
        )
    assert report.plan.n_recomputed == 0
    assert len(counts) == da.data.npartitions
    assert set(counts.values()) == {1}


def test_the_count_of_recomputed_chunks_is_what_happens(counted, tmp_path):
    da, counts, _ = counted
    report = nbexport.write_ome_tiff(
        da, tmp_path / "a.ome.tif", tile=(64, 64), levels=1, memory_budget="600 kB", progress=False
    )
    assert report.plan.n_recomputed > 0
    assert sum(counts.values()) - len(counts) == report.plan.n_recomputed


@pytest.fixture
def operations(monkeypatch):
    """Count what is asked of local stores, by kind and key."""
    done: Counter = Counter()
    local = zarr.storage.LocalStore
    # zarr 3.1 has no call that waits.
    for name in {"set", "get", "set_sync", "get_sync"} & set(dir(local)):
        original = getattr(local, name)

        def counting(self, key, *args, _name=name[:3], _original=original, **kwargs):
            done[_name, key] += 1
            return _original(self, key, *args, **kwargs)

        monkeypatch.setattr(local, name, counting)
    return done


@pytest.mark.parametrize("budget", ["1 GiB", "300 kB"])
def test_each_chunk_is_written_once_and_only_the_stated_rest_is_read_back(
    budget, counted, operations, tmp_path
):
    da, _, _ = counted
    report = nbexport.write_ome_zarr(
        da,
        tmp_path / "a.ome.zarr",
        chunks=(1, 1, 64, 64),
        levels=4,
        memory_budget=budget,
        workers=1,
        progress=False,
    )
    written = {key: n for (kind, key), n in operations.items() if kind == "set" and "/c/" in key}
    read = {key: n for (kind, key), n in operations.items() if kind == "get" and "/c/" in key}
    assert set(written.values()) == {1}
    assert len(written) == report.plan.n_writes
    base = [key for key in read if key.startswith("0/")]
    if budget == "1 GiB":
        assert not read
        assert report.plan.reread == 0
    else:
        again = {walk.reads for walk in report.plan.passes[1:]}
        assert again
        assert {int(key.split("/")[0]) for key in read} == again
        assert set(read.values()) == {1}
        assert not base or 0 in again


def test_no_more_blocks_are_in_flight_than_planned(tmp_path):
    now, most = 0, 0
    lock = threading.Lock()
    together = threading.Barrier(2, timeout=10)

    def load(block):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait()  # two blocks really run at the same time, or this breaks
        with lock:
            now -= 1
        return block

    pixels = dask_array.zeros((6, 64, 64), chunks=(1, 64, 64), dtype="uint8")
    lazy = pixels.map_blocks(load, dtype="uint8", meta=np.zeros((0, 0, 0), "uint8"))
    da = xr.DataArray(lazy, dims=("t", "y", "x"))
    nbexport.write_ome_tiff(da, tmp_path / "a.ome.tif", workers=2, progress=False)
    assert most == 2


def test_chunks_of_zeros_are_written_too(tmp_path):
    da = xr.DataArray(np.zeros((4, 8, 8), "uint8"), dims=("t", "y", "x"))
    nbexport.write_ome_zarr(da, tmp_path / "a.ome.zarr", progress=False)
    assert sum(p.is_file() for p in (tmp_path / "a.ome.zarr/0/c").rglob("*")) == 4


def test_what_the_leaves_of_a_block_share_is_computed_once(monkeypatch, tmp_path):
    """Leaves keep memory small; a file that several of them are cut from is still read once."""
    monkeypatch.setattr("nbexport.plan._passes._LEAF_NBYTES", 2**13)
    reads: Counter = Counter()
    truth = np.random.default_rng(0).integers(0, 4000, (2, 6, 300, 260), dtype="uint16")

    def read_file(block_info=None):
        place = block_info[None]["array-location"]
        reads[place[0]] += 1
        return truth[tuple(slice(*edges) for edges in place)]

    files = dask_array.map_blocks(
        read_file,
        chunks=((1, 1), (6,), (300,), (260,)),
        dtype="uint16",
        meta=np.zeros((0,) * 4, "uint16"),
    )
    da = xr.DataArray(files.rechunk((1, 6, 64, 64)), dims=tuple("czyx"))
    reads.clear()
    report = nbexport.write_ome_zarr(
        da, tmp_path / "a.ome.zarr", chunks=(1, 1, 64, 64), levels=4, progress=False
    )
    (walk,) = report.plan.passes
    assert walk.n_blocks == 2
    block = next(walk.blocks())
    assert len(list(walk.leaves(block))) > 10
    assert reads == {(0, 1): 1, (1, 2): 1}
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.ome.zarr/0")[:], truth)
