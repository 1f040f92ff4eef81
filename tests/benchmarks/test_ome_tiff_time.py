"""OME-TIFF against the bare floor and tifffile's own recipe; the ratios are what counts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import imagecodecs
import numpy as np
import pytest
import tifffile

import nbexport
from benchmarks.conftest import N_LEVELS
from benchmarks.test_ome_zarr_time import pooled

pytestmark = pytest.mark.benchmark(group="OME-TIFF, 5 levels, 512 tiles, zlib 6")
TILE = 512


def test_floor(timed, volume):
    """Threads that pool, difference, deflate and append, nothing else."""

    def write(path):
        lock = threading.Lock()
        with path.open("wb") as file:

            def plane(place):
                pixels = volume[place][None, None]
                for level in range(N_LEVELS):
                    pixels = pooled(pixels) if level else pixels
                    for y in range(0, pixels.shape[2], TILE):
                        for x in range(0, pixels.shape[3], TILE):
                            tile = np.zeros((TILE, TILE), pixels.dtype)
                            part = pixels[0, 0, y : y + TILE, x : x + TILE]
                            tile[: part.shape[0], : part.shape[1]] = part
                            encoded = imagecodecs.deflate_encode(
                                imagecodecs.delta_encode(tile, axis=1).tobytes(), 6
                            )
                            with lock:
                                file.write(encoded)

            with ThreadPoolExecutor(cpu_count()) as pool:
                list(pool.map(plane, np.ndindex(*volume.shape[:2])))

    timed(write, "floor.tif")


def test_nbexport(timed, source):
    timed(
        lambda path: nbexport.write_ome_tiff(
            source, path, levels=N_LEVELS, compression_level=6, progress=False
        ),
        "a.ome.tif",
    )


def test_tifffile_recipe(timed, volume):
    """The pyramid of tifffile's documentation: whole levels, one after the other."""

    def write(path):
        options = {
            "photometric": "minisblack",
            "tile": (TILE, TILE),
            "compression": "zlib",
            "compressionargs": {"level": 6},
            "predictor": True,
            "maxworkers": cpu_count(),
        }
        with tifffile.TiffWriter(path) as tiff:
            tiff.write(volume, subifds=N_LEVELS - 1, metadata={"axes": "CZYX"}, **options)
            pixels = volume
            for _ in range(1, N_LEVELS):
                pixels = pooled(pixels)
                tiff.write(pixels, subfiletype=1, **options)

    timed(write, "a.ome.tif")
