"""OME-Zarr against the bare floor and peers; the table's ratios are what counts.

All do the same work: means of 2 x 2 down to the same levels, chunks of the same shape, compressed
the same way. What was written last is looked at, so that none is fast by leaving something out.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from os import cpu_count
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

import nbexport
from benchmarks.conftest import CHUNKS, N_LEVELS

pytestmark = pytest.mark.benchmark(group="OME-Zarr, 5 levels, blosc-zstd 3")
SHARDS = (1, 16, 2048, 2048)
FACTORS = [{"c": 1, "z": 1, "y": 2**i, "x": 2**i} for i in range(1, N_LEVELS)]
CODEC = {"cname": "zstd", "clevel": 3, "shuffle": "shuffle", "typesize": 2}
layouts = pytest.mark.parametrize("shards", [None, SHARDS], ids=["chunks", "shards"])


def pooled(pixels: np.ndarray) -> np.ndarray:
    """Return the 2 x 2 mean of y and x, as fast as numpy knows."""
    rows = np.add(pixels[:, :, 0::2], pixels[:, :, 1::2], dtype=np.int32)
    total = rows[..., 0::2] + rows[..., 1::2]
    total += 2
    total >>= 2
    return total.astype(pixels.dtype)


def shapes_of(volume: np.ndarray, n_levels: int = N_LEVELS) -> list[tuple[int, ...]]:
    """Return the shape of every level."""
    return [(*volume.shape[:2], *(n >> i for n in volume.shape[2:])) for i in range(n_levels)]


def within(unit: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the chunk or shard `unit`, no larger than an array of `shape` needs."""
    return tuple(map(min, unit, shape))


def slabs(volume: np.ndarray, depth: int) -> list[tuple[slice, slice]]:
    """Return where `depth` planes of one channel lie, for a worker each."""
    n_channels, n_planes = volume.shape[:2]
    return [
        (slice(c, c + 1), slice(z, min(z + depth, n_planes)))
        for c in range(n_channels)
        for z in range(0, n_planes, depth)
    ]


def assert_same_work(
    path: Path,
    volume: np.ndarray,
    *,
    n_levels: int = N_LEVELS,
    shards: tuple[int, ...] | None = None,
    rounding: float | None = 0.5,
) -> None:
    """Assert that `path` holds the levels, chunks and codec that all are timed with.

    Means are off by `rounding` at most; None: a pixel is one of the four, for want of means.
    """
    group = zarr.open_group(path, mode="r")
    (multiscale,) = group.attrs["ome"]["multiscales"]
    arrays = [group[dataset["path"]] for dataset in multiscale["datasets"]]
    assert [array.shape for array in arrays] == shapes_of(volume, n_levels)
    np.testing.assert_array_equal(arrays[0][:], volume)
    finer = volume
    for i, array in enumerate(arrays):
        assert within(array.chunks, array.shape) == within(CHUNKS, array.shape)
        held = array.shards and within(array.shards, array.shape)
        assert held == (shards and within(shards, array.shape))
        (codec,) = array.compressors
        configured = codec.to_dict()["configuration"]
        assert {key: configured[key] for key in CODEC} == CODEC
        if i:
            n, m = array.shape[2:]
            blocks = finer.reshape(*finer.shape[:2], n, 2, m, 2)
            finer = array[:]
            if rounding is None:
                assert (blocks == finer[:, :, :, None, :, None]).any((3, 5)).all()
            else:
                assert np.abs(finer - blocks.mean((3, 5))).max() <= rounding


FLOOR_CODEC = numcodecs.Blosc("zstd", 3, numcodecs.Blosc.SHUFFLE)


@pytest.fixture
def floor(volume):
    """Threads that pool, compress with numcodecs and write plain files, nothing else."""

    def write(folder):
        folder.mkdir()

        def block(place):
            c, z = (axis.start for axis in place)
            pixels = volume[place]
            for level in range(N_LEVELS):
                pixels = pooled(pixels) if level else pixels
                for y in range(0, pixels.shape[2], CHUNKS[2]):
                    for x in range(0, pixels.shape[3], CHUNKS[3]):
                        chunk = pixels[:, :, y : y + CHUNKS[2], x : x + CHUNKS[3]]
                        encoded = FLOOR_CODEC.encode(np.ascontiguousarray(chunk))
                        (folder / f"{level}.{c}.{z}.{y}.{x}").write_bytes(encoded)

        use_threads = numcodecs.blosc.use_threads
        numcodecs.blosc.use_threads = False  # the workers are the threads
        try:
            with ThreadPoolExecutor(cpu_count()) as pool:
                list(pool.map(block, slabs(volume, CHUNKS[1])))
        finally:
            numcodecs.blosc.use_threads = use_threads

    return write


def test_floor(timed, volume, floor):
    folder = timed(floor, "floor", floor)
    chunk = FLOOR_CODEC.decode((folder / "1.0.0.0.0").read_bytes())
    np.testing.assert_array_equal(
        np.frombuffer(chunk, "uint16"), pooled(volume[:1, :8])[..., :512, :512].ravel()
    )


@layouts
def test_nbexport(timed, source, volume, floor, shards):
    path = timed(
        lambda path: nbexport.write_ome_zarr(
            source, path, chunks=CHUNKS, shards=shards, levels=N_LEVELS, progress=False
        ),
        "a.ome.zarr",
        floor,
    )
    assert_same_work(path, volume, shards=shards)


def tensorstore_levels(path: Path, volume: np.ndarray, shards: tuple[int, ...] | None) -> list:
    """Create a group of one array a level; the metadata of NGFF is as good as free."""
    import tensorstore

    names = [str(i) for i in range(N_LEVELS)]
    datasets = [{"path": name} for name in names]
    zarr.create_group(path, attributes={"ome": {"multiscales": [{"datasets": datasets}]}})
    # Nobody else waits for the disk after every file.
    context = tensorstore.Context({"file_io_sync": False})
    codecs = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "blosc", "configuration": CODEC},
    ]
    arrays = []
    for name, shape in zip(names, shapes_of(volume), strict=True):
        unit = chunk = within(CHUNKS, shape)
        chain = codecs
        if shards is not None:
            # A shard holds whole chunks, also where the array ends before.
            unit = tuple(-(-n // c) * c for n, c in zip(within(shards, shape), chunk, strict=True))
            inner = {"chunk_shape": chunk, "codecs": codecs}
            chain = [{"name": "sharding_indexed", "configuration": inner}]
        metadata = {
            "shape": shape,
            "data_type": volume.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": unit}},
            "codecs": chain,
        }
        spec = {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": f"{path}/{name}"},
            "metadata": metadata,
        }
        arrays.append(tensorstore.open(spec, create=True, context=context).result())
    return arrays


@layouts
def test_tensorstore_and_numpy(timed, volume, floor, shards):
    """Threads that pool with numpy and hand whole write units to tensorstore."""
    depth = (shards or CHUNKS)[1]

    def write(path):
        arrays = tensorstore_levels(path, volume, shards)

        def block(place):
            pixels = volume[place]
            writes = []
            for level, array in enumerate(arrays):
                pixels = pooled(pixels) if level else pixels
                # Written while the next level is pooled, and from where the pixels lie.
                writes.append(
                    array[place].write(pixels, can_reference_source_data_indefinitely=True)
                )
            for write in writes:
                write.result()

        with ThreadPoolExecutor(cpu_count()) as pool:
            list(pool.map(block, slabs(volume, depth)))

    path = timed(write, "a.ome.zarr", floor)
    assert_same_work(path, volume, shards=shards)


@layouts
def test_tensorstore_downsample(timed, volume, floor, shards):
    """Level after level by tensorstore alone: its downsample driver over the one before."""
    import tensorstore

    def write(path):
        arrays = tensorstore_levels(path, volume, shards)
        arrays[0].write(volume, can_reference_source_data_indefinitely=True).result()
        for finer, coarser in pairwise(arrays):
            coarser.write(tensorstore.downsample(finer, [1, 1, 2, 2], "mean")).result()

    path = timed(write, "a.ome.zarr", floor)
    assert_same_work(path, volume, shards=shards)


@layouts
def test_acquire_zarr(timed, volume, floor, shards):
    """A stream of planes, as from a camera.

    Three of its ways can't be turned off: levels end where one chunk holds the plane, so it writes
    1.6 % less than the others at 5 levels; means are truncated; and each chunk without shards is a
    shard of one. z is called something else than space, for it would be pooled as well.
    """
    acquire = pytest.importorskip("acquire_zarr", reason="no wheel for this Python")
    kinds = acquire.DimensionType
    unit = shards or CHUNKS

    def write(path):
        dimensions = [
            acquire.Dimension(
                name=name,
                kind=kind,
                array_size_px=size,
                chunk_size_px=min(chunk, size),
                shard_size_chunks=max(1, min(n, size) // chunk),
            )
            for name, kind, size, chunk, n in zip(
                "czyx",
                (kinds.CHANNEL, kinds.OTHER, kinds.SPACE, kinds.SPACE),
                volume.shape,
                CHUNKS,
                unit,
                strict=True,
            )
        ]
        compression = acquire.CompressionSettings(
            compressor=acquire.Compressor.BLOSC1,
            codec=acquire.CompressionCodec.BLOSC_ZSTD,
            level=CODEC["clevel"],
            shuffle=1,
        )
        array = acquire.ArraySettings(
            dimensions=dimensions,
            data_type=volume.dtype,
            compression=compression,
            downsampling_method=acquire.DownsamplingMethod.MEAN,
            max_levels=N_LEVELS - 1,
        )
        stream = acquire.ZarrStream(acquire.StreamSettings(arrays=[array], store_path=str(path)))
        stream.append(volume)
        stream.close()

    path = timed(write, "a.ome.zarr", floor)
    n_levels = 1 + sum(volume.shape[2] >> i >= CHUNKS[2] for i in range(1, N_LEVELS))
    assert_same_work(path, volume, n_levels=n_levels, shards=unit, rounding=0.75)


@layouts
def test_ngff_zarr(timed, volume, floor, shards):
    import ngff_zarr

    per_shard = None
    if shards is not None:
        per_shard = {n: s // c for n, s, c in zip("czyx", shards, CHUNKS, strict=True)}

    def write(path):
        multiscales = ngff_zarr.to_multiscales(
            ngff_zarr.to_ngff_image(volume, dims=list("czyx")),
            scale_factors=[{name: step[name] for name in "zyx"} for step in FACTORS],
            chunks=dict(zip("czyx", CHUNKS, strict=True)),
            method=ngff_zarr.Methods.DASK_BIN_SHRINK,  # the mean
            cache=False,  # a copy on disk first would be more work than the others do
        )
        ngff_zarr.to_ngff_zarr(
            str(path),
            multiscales,
            version="0.5",
            chunks_per_shard=per_shard,
            compressors=BloscCodec(**CODEC),
        )

    path = timed(write, "a.ome.zarr", floor)
    assert_same_work(path, volume, shards=shards)


@layouts
def test_bioio_ome_zarr(timed, volume, floor, shards):
    """Its writer takes one pixel of four; it has no mean, so it has less to do than the others."""
    from bioio_ome_zarr.writers import OMEZarrWriter

    shapes = shapes_of(volume)

    def write(path):
        writer = OMEZarrWriter(
            store=str(path),
            level_shapes=shapes,
            dtype=volume.dtype,
            chunk_shape=[within(CHUNKS, shape) for shape in shapes],
            shard_shape=shards and [within(shards, shape) for shape in shapes],
            compressor=BloscCodec(**CODEC),
            axes_names=list("czyx"),
            axes_types=["channel", "space", "space", "space"],
        )
        writer.write_full_volume(volume)

    path = timed(write, "a.ome.zarr", floor)
    assert_same_work(path, volume, shards=shards, rounding=None)


# ome-zarr-py 0.18, the last for Python 3.11, warns of its own defaults when it is imported.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@layouts
def test_ome_zarr_py(timed, volume, floor, shards):
    """Its means are truncated."""
    import dask.array
    from ome_zarr.scale import Methods
    from ome_zarr.writer import write_image

    options = [
        {"chunks": within(CHUNKS, shape), "compressors": BloscCodec(**CODEC)}
        | ({} if shards is None else {"shards": within(shards, shape)})
        for shape in shapes_of(volume)
    ]
    # Blocks smaller than shards would write one shard twice at the same time.
    lazy = dask.array.from_array(volume, chunks=within(shards or CHUNKS, volume.shape))

    def write(path):
        group = zarr.create_group(path, zarr_format=3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_image(
                lazy,
                group,
                axes="czyx",
                scale_factors=FACTORS,
                method=Methods.LOCAL_MEAN,
                storage_options=options,
            )

    path = timed(write, "a.ome.zarr", floor)
    assert_same_work(path, volume, shards=shards, rounding=0.75)
