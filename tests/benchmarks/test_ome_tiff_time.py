"""OME-TIFF against the bare floor and tifffile's own recipe; the ratios are what counts.

All do the same work: means of 2 x 2 down to the same levels, tiles of 512, differences of
neighbours, zlib at level 6. What was written last is looked at.
"""

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

TILE = 512
pyramid = pytest.mark.benchmark(group="OME-TIFF, 5 levels, 512 tiles, zlib 6")
flat = pytest.mark.benchmark(group="OME-TIFF, 1 level, zlib 6")


def assert_same_work(path, volume, n_levels=N_LEVELS):
    """Assert that `path` holds the levels that all are timed with."""
    with tifffile.TiffFile(path) as tiff:
        (series,) = tiff.series
        shapes = [tuple(n >> i for n in volume.shape[2:]) for i in range(n_levels)]
        assert [level.shape[-2:] for level in series.levels] == shapes
        assert {page.compression.name for page in tiff.pages} == {"ADOBE_DEFLATE"}
        np.testing.assert_array_equal(series.asarray().reshape(volume.shape), volume)
        finer = volume
        for level in series.levels[1:]:
            got = level.asarray().reshape(*volume.shape[:2], *level.shape[-2:])
            finer = pooled(finer)
            np.testing.assert_array_equal(got, finer)


@pytest.fixture
def floor(volume):
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

    return write


@pyramid
def test_floor(timed, floor):
    timed(floor, "floor.tif", floor)


@pyramid
def test_nbexport(timed, volume, source, floor):
    path = timed(
        lambda path: nbexport.write_ome_tiff(
            source, path, levels=N_LEVELS, compression_level=6, progress=False
        ),
        "a.ome.tif",
        floor,
    )
    assert_same_work(path, volume)


@pyramid
def test_tifffile_recipe(timed, volume, floor):
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

    assert_same_work(timed(write, "a.ome.tif", floor), volume)


@pytest.fixture
def at_once(source):
    """What writers of whole images do: compute all of it, then one call of tifffile."""

    def write(path):
        tifffile.imwrite(
            path,
            np.asarray(source.data),
            ome=True,
            metadata={"axes": "CZYX"},
            photometric="minisblack",
            compression="zlib",
            compressionargs={"level": 6},
        )

    return write


@flat
def test_whole_image_at_once(timed, volume, at_once):
    assert_same_work(timed(at_once, "a.ome.tif", at_once), volume, 1)


@flat
def test_nbexport_flat(timed, volume, source, at_once):
    path = timed(
        lambda path: nbexport.write_ome_tiff(
            source, path, levels=1, compression_level=6, progress=False
        ),
        "a.ome.tif",
        at_once,
    )
    assert_same_work(path, volume, 1)
