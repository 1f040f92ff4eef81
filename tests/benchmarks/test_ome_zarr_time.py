"""OME-Zarr against the bare floor and peers; the table's ratios are what counts."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numcodecs
import numpy as np
import pytest

import nbexport
from benchmarks.conftest import CHUNKS, N_LEVELS

pytestmark = pytest.mark.benchmark(group="OME-Zarr, 5 levels, blosc-zstd 3")


def pooled(pixels: np.ndarray) -> np.ndarray:
    """Return the 2 x 2 mean of y and x, as fast as numpy knows."""
    rows = np.add(pixels[:, :, 0::2], pixels[:, :, 1::2], dtype=np.int32)
    total = rows[..., 0::2] + rows[..., 1::2]
    total += 2
    total >>= 2
    return total.astype(pixels.dtype)


def test_floor(timed, volume):
    """Threads that pool, compress with numcodecs and write plain files, nothing else."""
    codec = numcodecs.Blosc("zstd", 3, numcodecs.Blosc.SHUFFLE)

    def write(folder):
        folder.mkdir()

        def block(place):
            c, z = place
            pixels = volume[c : c + 1, z : z + CHUNKS[1]]
            for level in range(N_LEVELS):
                pixels = pooled(pixels) if level else pixels
                for y in range(0, pixels.shape[2], CHUNKS[2]):
                    for x in range(0, pixels.shape[3], CHUNKS[3]):
                        chunk = pixels[:, :, y : y + CHUNKS[2], x : x + CHUNKS[3]]
                        name = f"{level}.{c}.{z}.{y}.{x}"
                        (folder / name).write_bytes(codec.encode(np.ascontiguousarray(chunk)))

        places = [
            (c, z) for c in range(volume.shape[0]) for z in range(0, volume.shape[1], CHUNKS[1])
        ]
        with ThreadPoolExecutor(cpu_count()) as pool:
            list(pool.map(block, places))

    use_threads = numcodecs.blosc.use_threads
    numcodecs.blosc.use_threads = False  # the workers are the threads
    try:
        timed(write, "floor")
    finally:
        numcodecs.blosc.use_threads = use_threads


def test_nbexport(timed, source):
    timed(
        lambda path: nbexport.write_ome_zarr(
            source, path, chunks=CHUNKS, levels=N_LEVELS, progress=False
        ),
        "a.ome.zarr",
    )


def test_nbexport_sharded(timed, source):
    shards = (1, 16, 2048, 2048)
    timed(
        lambda path: nbexport.write_ome_zarr(
            source, path, chunks=CHUNKS, shards=shards, levels=N_LEVELS, progress=False
        ),
        "a.ome.zarr",
    )


def test_bioio_ome_zarr(timed, volume):
    from bioio_ome_zarr.writers import OMEZarrWriter
    from zarr.codecs import BloscCodec

    shapes = [
        (*volume.shape[:2], volume.shape[2] >> i, volume.shape[3] >> i) for i in range(N_LEVELS)
    ]

    def write(path):
        writer = OMEZarrWriter(
            store=str(path),
            level_shapes=shapes,
            dtype=volume.dtype,
            chunk_shape=[tuple(map(min, CHUNKS, shape)) for shape in shapes],
            compressor=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
            axes_names=list("czyx"),
            axes_types=["channel", "space", "space", "space"],
        )
        writer.write_full_volume(volume)

    timed(write, "a.ome.zarr")


# ome-zarr-py 0.18, the last for Python 3.11, warns of its own defaults when it is imported.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ome_zarr_py(timed, volume):
    import dask.array
    import zarr
    from ome_zarr.writer import write_image

    lazy = dask.array.from_array(volume, chunks=CHUNKS)
    factors = [{"c": 1, "z": 1, "y": 2**i, "x": 2**i} for i in range(1, N_LEVELS)]

    def write(path):
        group = zarr.create_group(path, zarr_format=3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_image(lazy, group, axes="czyx", scale_factors=factors)

    timed(write, "a.ome.zarr")
