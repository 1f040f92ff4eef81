"""Two processes of a dask cluster against one thread, for a source that holds the GIL."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import xarray as xr
import zarr

import nbexport

pytestmark = [
    pytest.mark.benchmark(group="OME-Zarr, a source of Python's own work, 2 processes"),
    # distributed's own sockets and loops are still closing when their fixture is gone.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
OPTIONS = {"chunks": (1, 512, 512), "levels": 3, "progress": False}
# About 0.2 s of a plain Python loop for every plane: writing one is 2 % of that.
N_STEPS = 3_000_000


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

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


@pytest.fixture
def laborious(request) -> xr.DataArray:
    """Return 24 planes, each the work of a Python loop."""
    timed = request.config.getoption("benchmark_enable")
    n_planes, n_steps = (24, N_STEPS) if timed else (4, 1000)

    def plane(block_info=None):
        z = block_info[None]["chunk-location"][0]
        total = 0
        for step in range(n_steps):
            total += step & z
        return np.full((1, 512, 512), total % 60_000 + z, "uint16")

    pixels = dask.array.map_blocks(
        plane,
        chunks=((1,) * n_planes, (512,), (512,)),
        dtype="uint16",
        meta=np.empty((0, 0, 0), "uint16"),
    )
    return xr.DataArray(pixels, dims=("z", "y", "x"), name="laborious")


def test_one_thread(timed, laborious):
    path = timed(
        lambda path: nbexport.write_ome_zarr(laborious, path, client=False, workers=1, **OPTIONS),
        "a.ome.zarr",
    )
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], laborious.values)


def test_two_processes(timed, laborious, client):
    path = timed(
        lambda path: nbexport.write_ome_zarr(laborious, path, client=client, **OPTIONS),
        "a.ome.zarr",
    )
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], laborious.values)
