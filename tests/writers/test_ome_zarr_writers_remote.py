"""Both Zarr writers at URLs: S3 servers on loopback, and file systems that fsspec knows."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest
import zarr
from fsspec.implementations.memory import MemoryFileSystem
from reference import assert_valid_ome_zarr, pyramid
from s3 import AWS, HASTY, SERVERS, Bucket, Proxy, serving

from nbexport import MissingPackageError, TargetError, TargetExistsError
from nbexport.writers.ome_zarr_writer import OmeZarrWriter as FirstWriter
from nbexport.writers.ome_zarr_writer_2 import OmeZarrWriter as SecondWriter
from nbexport.writers.ome_zarr_writer_2 import (
    compute_level_chunk_sizes_zslice,
    compute_level_shapes,
)

pytestmark = [
    # aiobotocore's and moto's sockets close with their event loop, after the test.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    # moto and botocore's own use of utcnow and of the like.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
]


@pytest.fixture(scope="module", params=SERVERS)
def s3(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for key, value in AWS.items():
            patch.setenv(key, value)
        patch.setattr(logging.getLogger("werkzeug"), "disabled", True)  # a line a request
        with SERVERS[request.param](tmp_path_factory.mktemp("buckets")) as endpoint:
            yield endpoint


@pytest.fixture
def bucket(s3):
    return Bucket(s3)


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    return fs


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(1, 4000, shape).astype("uint16")


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_series(target, n_images, **options):
    writer = FirstWriter(target, **options)
    for i in range(n_images):
        writer.write_image(
            pixels(3, 40 + i, 50, seed=i),
            channel_names=["a", "b", "c"],
            dimension_order="CYX",
            scale_num_levels=2,
        )
    return writer


def write_batches(target, image, **options):
    shapes = compute_level_shapes(image.shape, (1, 1, 1, 2, 2), 2)
    writer = SecondWriter()
    writer.init_store(
        target, shapes, compute_level_chunk_sizes_zslice(shapes), image.dtype, **options
    )
    writer.write_t_batches_array(image[:2])
    writer.write_t_batches_array(image[2:], toffset=2)
    meta = writer.generate_metadata(
        "movie", ["c"], {"x": 0.1, "y": 0.1}, {"x": "micrometer", "y": "micrometer"}, [0xFF]
    )
    return writer, meta


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_series_in_a_bucket_is_the_one_in_a_folder(bucket, tmp_path, version):
    there = FirstWriter(bucket.url, version=version, storage_options=bucket.options)
    here = FirstWriter(tmp_path / "cells.ome.zarr", version=version)
    for i in range(3):
        for writer in (there, here):
            writer.write_image(
                pixels(3, 20 + i, 30, seed=i), dimension_order="CYX", scale_num_levels=2
            )
        (tmp_path / str(i)).mkdir()
        found = bucket.download(tmp_path / str(i))
        assert files(found) == files(tmp_path / "cells.ome.zarr")
    with pytest.raises(TargetExistsError):
        FirstWriter(bucket.url, storage_options=bucket.options)


@pytest.mark.parametrize("version", ["0.4", "0.6"])
def test_batches_in_a_bucket_are_those_in_a_folder(bucket, tmp_path, version):
    image = pixels(5, 1, 2, 40, 50)
    options = {"version": version}
    writer, meta = write_batches(bucket.url, image, storage_options=bucket.options, **options)
    # A group, and no image yet.
    assert "multiscales" not in str(writer.root.attrs.asdict())
    writer.write_metadata(meta)
    here, meta = write_batches(tmp_path / "cells.ome.zarr", image, **options)
    here.write_metadata(meta)
    found = bucket.download(tmp_path)
    assert files(found) == files(tmp_path / "cells.ome.zarr")
    assert_valid_ome_zarr(found, version)
    for i, level in enumerate(pyramid(image, [(1, 1, 1, 2, 2)], "nearest")):
        np.testing.assert_array_equal(zarr.open_array(found / str(i), mode="r")[:], level)


def test_a_move_the_server_refuses_half_way_is_told(s3, tmp_path):
    bucket = Bucket(s3)
    proxy = Proxy(s3)
    with serving(proxy) as endpoint:
        options = {"endpoint_url": endpoint} | HASTY
        writer = write_series(bucket.url, 1, storage_options=options)
        before = files(bucket.download(tmp_path))
        proxy.refuse = lambda n, request: (
            (403, "AccessDenied") if "x-amz-copy-source" in request.headers else None
        )
        with pytest.raises(TargetError, match=r"moving the first image of 's3.*is not permitted"):
            writer.write_image(pixels(8, 8))
        assert proxy.refused
        # The image is there as it was, and nothing beside it.
        (tmp_path / "b").mkdir()
        assert files(bucket.download(tmp_path / "b")) == before
        proxy.refuse = lambda n, request: None
        writer.write_image(pixels(8, 8))
        (tmp_path / "c").mkdir()
        assert_valid_ome_zarr(bucket.download(tmp_path / "c") / "0", "0.4")


class Google(MemoryFileSystem):
    """Google's buckets without Google."""

    protocol = "gs"
    store = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("gs://", "memory://"))


def test_gs_urls(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "gs", Google)
    image = pixels(5, 1, 2, 40, 50)
    writer, meta = write_batches("gs://bucket/cells.ome.zarr", image)
    writer.write_metadata(meta)
    write_series("gs://bucket/many.ome.zarr", 2)
    for name, n_files in (("cells", 0), ("many", 0)):
        for path in Google().find(f"/bucket/{name}.ome.zarr"):
            target = tmp_path / Path(path).relative_to("/bucket")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Google().cat_file(path))
            n_files += 1
        assert n_files > 5
    assert_valid_ome_zarr(tmp_path / "cells.ome.zarr", "0.4")
    assert_valid_ome_zarr(tmp_path / "many.ome.zarr/1", "0.4")
    found = zarr.open_array(tmp_path / "cells.ome.zarr/0", mode="r")[:]
    np.testing.assert_array_equal(found, image)


def test_gs_urls_without_their_package():
    assert importlib.util.find_spec("gcsfs") is None, "this test needs an environment without gcsfs"
    with pytest.raises(MissingPackageError, match=r"a gs URL needs a package.*pip install gcsfs"):
        SecondWriter().init_store(
            "gs://bucket/a.zarr", [(1, 1, 1, 8, 8)], [(1, 1, 1, 8, 8)], "uint8"
        )


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_a_series_of_planes_in_memory(memory, tmp_path, version):
    writer = FirstWriter("memory://a.ome.zarr", version=version)
    here = FirstWriter(tmp_path / "a.ome.zarr", version=version)
    for i in range(3):
        # Two dimensions have the shortest keys, which could be taken for those of the groups.
        for target in (writer, here):
            target.write_image(pixels(40, 50, seed=i), chunk_dims=(10, 10), scale_num_levels=3)
        there = {
            path.removeprefix("/a.ome.zarr/"): memory.cat_file(path)
            for path in memory.find("/a.ome.zarr")
        }
        assert there == files(tmp_path / "a.ome.zarr")
