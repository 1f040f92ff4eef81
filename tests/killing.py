"""Exports in processes of their own, ended by SIGKILL.

Run as a script it is a nursery: it imports what exports need once, and forks a process for each
order that comes as a line of JSON. It has no threads of its own when it does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import dask.array
import numpy as np
import xarray as xr

import nbexport

ZARR = {"chunks": (1, 64, 64), "levels": 3, "memory_budget": "1 MB", "workers": 2}
TIFF = {"tile": (64, 64), "levels": 3, "workers": 2}
MOVIE = {"along": "z", "fps": 5, "workers": 2}


def volume(seed: int = 0) -> xr.DataArray:
    pixels = np.random.default_rng(seed).integers(1, 4000, (6, 128, 120), dtype="uint16")
    return xr.DataArray(pixels, dims=("z", "y", "x"), name="volume")


def slow(da: xr.DataArray, seconds: float, notes: Path | None = None) -> xr.DataArray:
    """Return `da` as planes that take their time, and leave a note each time one is computed."""

    def wait(block, block_info=None):
        time.sleep(seconds)
        if notes is not None and block_info[0]["chunk-location"]:
            (notes / f"{block_info[0]['chunk-location'][0]}-{time.time_ns()}").touch()
        return block

    pixels = dask.array.from_array(da.values, chunks=(1, *da.shape[1:]))
    return da.copy(data=pixels.map_blocks(wait, dtype=da.dtype, meta=np.zeros((0, 0, 0), da.dtype)))


def export(kind: str, target: str, *, seconds: float = 0.0, seed: int = 0, **options):
    """Write the volume as an ``ome-zarr``, an ``ome-tiff`` or a ``movie``."""
    da = slow(volume(seed), seconds)
    if kind == "ome-zarr":
        options = {**ZARR, **options}
        return nbexport.write_ome_zarr(da, target, progress=False, client=False, **options)
    if kind == "ome-tiff":
        return nbexport.write_ome_tiff(da, target, progress=False, **{**TIFF, **options})
    return nbexport.write_movie(da, target, progress=False, **{**MOVIE, **options})


class Nursery:
    """A process that forks one for each order."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def begin(self, **order) -> int:
        """Begin an export; return the process's number."""
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> str:
        """Wait for the process; return ``"killed"``, ``"done"`` or ``"failed"``."""
        return self._process.stdout.readline().strip()

    def killed_after(self, moment: float, /, **order) -> str:
        """Begin an export and kill it; return how it ended."""
        pid = self.begin(**order)
        time.sleep(moment)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return self.end()

    def duration(self, **order) -> float:
        """Return the seconds that a whole export takes."""
        begin = time.perf_counter()
        self.begin(**order)
        assert self.end() == "done"
        return time.perf_counter() - begin

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


def _serve() -> None:
    import imageio_ffmpeg  # noqa: F401
    import s3fs  # noqa: F401
    import tifffile  # noqa: F401
    import zarr  # noqa: F401

    import nbexport.stores.media.movie
    import nbexport.stores.ome_tiff._write
    import nbexport.stores.ome_zarr._write  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                export(**order)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(pid, flush=True)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            print("killed", flush=True)
        else:
            print("done" if os.WEXITSTATUS(status) == 0 else "failed", flush=True)


if __name__ == "__main__":
    _serve()
