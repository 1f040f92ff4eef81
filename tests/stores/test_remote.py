"""OME-Zarr to URLs: this process's memory, and real S3 servers on loopback that may misbehave.

Objects are looked at by boto3, pixels are read by zarr and s3fs, and a small proxy before the
server records what is asked of it, and refuses some of it.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from pathlib import Path

import dask.array
import numpy as np
import pytest
import requests
import xarray as xr
import zarr
from reference import assert_valid_ome_zarr
from s3 import HASTY, SERVERS, Proxy, serving

import nbexport
from nbexport import (
    MissingPackageError,
    PlanError,
    SourceError,
    TargetError,
    TargetExistsError,
)
from nbexport.stores.targets.held import HeldStore

pytestmark = [
    # aiobotocore's and moto's sockets close with their event loop, after the test.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    # moto and botocore's own use of utcnow and of the like.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
]


def pytest_generate_tests(metafunc):
    """Run what needs an S3 server on each of them, unless it names one."""
    named = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "s3" in metafunc.fixturenames and "s3" not in named:
        metafunc.parametrize("s3", SERVERS, indirect=True, scope="module")


def volume() -> xr.DataArray:
    pixels = np.random.default_rng(0).integers(1, 4000, (4, 100, 90), dtype="uint16")
    coords = {"y": np.arange(100) * 0.5, "x": np.arange(90) * 0.5}
    return xr.DataArray(pixels, dims=("z", "y", "x"), coords=coords, name="volume")


def nuclei() -> xr.DataArray:
    return (volume() // 1000).astype("uint8")


def failing() -> xr.DataArray:
    def fail(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 3:
            raise ZeroDivisionError("the camera melted")
        return block

    pixels = dask.array.from_array(volume().values, chunks=(1, 100, 90))
    return xr.DataArray(pixels.map_blocks(fail, dtype="uint16"), dims=("z", "y", "x"))


def write(da, url, **options):
    return nbexport.write_ome_zarr(da, url, **({"progress": False, "client": False} | options))


def is_chunk(request) -> bool:
    return request.method == "PUT" and re.search(r"/c?/?\d+/\d+/\d+$", request.path) is not None


# -- this process's memory


def test_memory(memory):
    report = write(volume(), "memory://sub/a.ome.zarr", labels={"nuclei": nuclei()}, levels=2)
    assert report.target == "memory://sub/a.ome.zarr"
    assert report.nbytes == memory.du("/sub/a.ome.zarr")
    group = zarr.open_group("memory://sub/a.ome.zarr", mode="r")
    np.testing.assert_array_equal(group["0"][:], volume().values)
    np.testing.assert_array_equal(group["labels/nuclei/0"][:], nuclei().values)


def test_a_remote_target_holds_what_a_local_one_does(memory, tmp_path):
    for version in ("0.4", "0.5", "0.6"):
        options = {"version": version, "levels": 2, "labels": {"nuclei": nuclei()}}
        here = write(volume(), tmp_path / f"{version}.ome.zarr", **options)
        there = write(volume(), f"memory://{version}.ome.zarr", **options)
        files = [path for path in Path(here.target).rglob("*") if path.is_file()]
        found = memory.find(f"/{version}.ome.zarr")
        assert {path: memory.cat_file(path) for path in found} == {
            f"/{path.relative_to(tmp_path).as_posix()}": path.read_bytes() for path in files
        }
        assert there.nbytes == here.nbytes


def test_several_images_go_to_a_url_too(memory, tmp_path):
    dataset = xr.Dataset({"raw": volume(), "nuclei": nuclei()})
    options = {"progress": False, "client": False, "levels": 1}
    here = dataset.bioexport.ome_zarr(tmp_path / "a.ome.zarr", **options)
    there = dataset.bioexport.ome_zarr("memory://a.ome.zarr", **options)
    files = [path for path in Path(here.target).rglob("*") if path.is_file()]
    assert {path: memory.cat_file(path) for path in memory.find("/")} == {
        f"/{path.relative_to(tmp_path).as_posix()}": path.read_bytes() for path in files
    }
    assert (there.target, there.nbytes) == ("memory://a.ome.zarr", here.nbytes)


def test_memory_is_refused_where_other_processes_write(memory):
    class Client:
        def nthreads(self):
            return {"worker": 1}

        def get_executor(self, pure):
            return object()

    with pytest.raises(PlanError, match=r"lies in this process alone.*pass client=False or choose"):
        write(volume(), "memory://a.ome.zarr", client=Client())
    assert memory.find("/") == []


def test_a_failing_source_leaves_nothing_in_memory(memory):
    memory.pipe_file("/a.ome.zarr.bak", b"mine")
    with pytest.raises(SourceError, match=r"the camera melted"):
        write(failing(), "memory://a.ome.zarr", workers=1)
    assert memory.find("/") == ["/a.ome.zarr.bak"]


def test_a_progress_function_that_raises_leaves_nothing_in_memory(memory):
    def stop(progress):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        write(volume(), "memory://a.ome.zarr", progress=stop)
    assert memory.find("/") == []


@pytest.mark.parametrize("chunks", ["xarray", "dask", None])
def test_a_lazy_source_is_not_overwritten_by_itself(chunks, memory):
    url = "memory://sub/a.ome.zarr"
    write(volume(), url, levels=1)
    before = memory.find("/")
    if chunks == "dask":
        lazy = xr.DataArray(dask.array.from_zarr(f"{url}/0"), dims=("z", "y", "x")) + 1
    else:
        lazy = xr.open_zarr(url, consolidated=False, chunks={} if chunks else None)["0"]
    several = xr.Dataset({"a": volume().drop_vars(["y", "x"]), "b": lazy.drop_vars(lazy.coords)})
    text = r"is what the pixels are read from.*write to another target, or da\.load\(\) first"
    with pytest.raises(PlanError, match=text):
        write(lazy, url, overwrite=True)
    with pytest.raises(PlanError, match=text):
        write(volume(), url, overwrite=True, labels={"nuclei": lazy})
    with pytest.raises(PlanError, match=text):
        several.bioexport.ome_zarr(url, overwrite=True, progress=False, client=False)
    assert memory.find("/") == before
    write(lazy, "memory://sub/b.ome.zarr")
    write(lazy.load(), url, overwrite=True)
    for name in "ab":
        written = zarr.open_array(f"memory://sub/{name}.ome.zarr/0", mode="r")
        np.testing.assert_array_equal(written[:], lazy.values)


def test_an_interrupt_waits_for_what_is_being_written(memory, monkeypatch):
    """An object that arrived after the others were removed would stay."""
    begun, release = threading.Event(), threading.Event()
    write_file, stop_writing = type(memory).pipe_file, HeldStore.stop

    def pipe_file(fs, path, value, **kwargs):
        if "/0/c/3/" in path:
            begun.set()
            release.wait(30)
        write_file(fs, path, value, **kwargs)

    def interrupt(progress):
        begun.wait(30)
        raise KeyboardInterrupt

    def stop(store, timeout):
        release.set()
        stop_writing(store, timeout)

    monkeypatch.setattr(type(memory), "pipe_file", pipe_file)
    monkeypatch.setattr(HeldStore, "stop", stop)
    lazy = volume().chunk({"z": 1})
    try:
        with pytest.raises(KeyboardInterrupt):
            write(lazy, "memory://a.ome.zarr", chunks=(1, 64, 64), workers=4, progress=interrupt)
        assert memory.find("/") == []
    finally:
        release.set()
    for worker in [t for t in threading.enumerate() if t.name.startswith("nbexport")]:
        worker.join(30)
    assert memory.find("/") == []


# -- URLs that can't be


@pytest.mark.parametrize(
    ("url", "error", "text"),
    [
        (
            "s3://bucket/cells.png",
            TargetError,
            r"'cells\.png' does not end in \.ome\.zarr, \.zarr or",
        ),
        ("s3://cells.ome.zarr", TargetError, r"names a bucket and nothing in it; add a name"),
        ("nowhere://a/b.ome.zarr", PlanError, r"is a nowhere URL, where nothing can be written"),
        ("https://a/b.ome.zarr", PlanError, r"is a https URL, where nothing can be written"),
        ("simplecache::s3://a/b.zarr", PlanError, r"is a chain of URLs.*use the last of them"),
    ],
)
def test_urls_that_can_not_be_written(url, error, text):
    with pytest.raises(error, match=text):
        write(volume(), url)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(MissingPackageError, match=r"pip install 'nbexport\[s3\]'$"):
        write(volume(), "s3://bucket/a.ome.zarr")


def test_options_that_do_not_fit(bucket):
    with pytest.raises(TargetError, match=r"failed with AttributeError: .*storage_options$"):
        write(volume(), bucket.url, storage_options={"config_kwargs": 3})


def test_a_password_is_not_shown():
    with pytest.raises(PlanError, match=r"'nowhere://me:\*\*\*@host/b.ome.zarr'"):
        write(volume(), "nowhere://me:secret@host/b.ome.zarr")


def test_storage_options_belong_to_urls(tmp_path):
    with pytest.raises(PlanError, match=r"storage_options belong to a URL"):
        write(volume(), tmp_path / "a.ome.zarr", storage_options={"key": "a"})
    report = write(volume(), (tmp_path / "b.ome.zarr").as_uri())
    assert report.target == str(tmp_path / "b.ome.zarr")


# -- a real server


@pytest.mark.parametrize(
    ("version", "shards"),
    [("0.4", None), ("0.5", None), ("0.5", (4, 64, 64)), ("0.6", (4, 64, 64))],
)
def test_s3(version, shards, proxy, bucket, tmp_path):
    report = write(
        volume(),
        bucket.url,
        version=version,
        chunks=(2, 64, 64),
        shards=shards,
        levels=2,
        labels={"nuclei": nuclei()},
        storage_options=bucket.options,
    )
    objects = bucket.objects()
    assert (report.target, report.nbytes) == (bucket.url, sum(objects.values()))
    # Root metadata last, each object once.
    root = f"/{bucket.name}/sub/cells.ome.zarr/"
    last = [".zattrs", ".zgroup"] if version == "0.4" else ["zarr.json"]
    assert proxy.puts[-len(last) :] == [root + name for name in last]
    assert {proxy.puts.count(root + name) for name in last} == {1}
    chunks = [path for path in proxy.puts if path[-1].isdigit()]
    assert len(chunks) == len(set(chunks))
    mark = f"{root}nbexport.partial/"
    assert proxy.puts[0] == mark + "header"  # before anything else, and gone
    rest = {path for path in proxy.puts if not path.startswith(mark)}
    assert {path.removeprefix(f"/{bucket.name}/") for path in rest} == objects.keys()
    group = zarr.open_group(bucket.url, mode="r", storage_options=bucket.options)
    np.testing.assert_array_equal(group["0"][:], volume().values)
    np.testing.assert_array_equal(group["labels/nuclei/0"][:], nuclei().values)
    got = bucket.download(tmp_path)
    assert_valid_ome_zarr(got, version)
    same = write(
        volume(),
        tmp_path / "local.ome.zarr",
        version=version,
        chunks=(2, 64, 64),
        shards=shards,
        levels=2,
        labels={"nuclei": nuclei()},
    )
    for i in ("0", "1"):
        np.testing.assert_array_equal(
            zarr.open_array(got / i)[:], zarr.open_array(Path(same.target) / i)[:]
        )


def test_a_pass_that_reads_what_it_wrote(bucket):
    """A budget so small that coarser levels are made from a written one."""
    report = write(
        volume(),
        bucket.url,
        chunks=(1, 32, 32),
        levels=3,
        memory_budget="40 kB",
        storage_options=bucket.options,
    )
    assert len(report.plan.passes) > 1
    group = zarr.open_group(bucket.url, mode="r", storage_options=bucket.options)
    assert group["2"][:].min() > 0


def test_what_is_there_is_kept_unless_asked(bucket):
    bucket.put("sub/cells.ome.zarr.bak/zarr.json")
    bucket.put("sub/cells.ome.zarr2")
    options = {"storage_options": bucket.options, "levels": 1}
    write(volume(), bucket.url, chunks=(1, 32, 32), **options)
    before = bucket.objects()
    with pytest.raises(TargetExistsError, match=r"'s3://.*' exists; pass overwrite=True"):
        write(volume(), bucket.url, **options)
    assert bucket.objects() == before
    write(volume()[:2], bucket.url, overwrite=True, **options)
    after = bucket.objects()
    kept = {"sub/cells.ome.zarr.bak/zarr.json", "sub/cells.ome.zarr2"}
    assert kept < after.keys()
    assert len(after) < len(before)  # no chunk of the old one is left
    with pytest.raises(PlanError):  # what can't be planned removes nothing
        write(volume(), bucket.url, overwrite=True, chunks=(0, 0, 0), **options)
    assert bucket.objects() == after


@pytest.mark.parametrize("key", ["sub/cells.ome.zarr/thesis.txt", "sub/cells.ome.zarr"])
def test_overwrite_spares_what_is_no_zarr(key, bucket):
    bucket.put(key)
    with pytest.raises(TargetError, match=r"does not look like an OME-Zarr.*remove it yourself"):
        write(volume(), bucket.url, overwrite=True, storage_options=bucket.options)
    with pytest.raises(TargetExistsError, match=r"exists; pass overwrite=True"):
        write(volume(), bucket.url, storage_options=bucket.options)
    assert bucket.objects() == {key: 4}


def test_a_failing_source_leaves_nothing_there(bucket):
    bucket.put("sub/cells.ome.zarr.bak")
    for overwrite in (False, True):
        with pytest.raises(SourceError, match=r"the camera melted"):
            write(
                failing(),
                bucket.url,
                overwrite=overwrite,
                workers=1,
                storage_options=bucket.options,
            )
        assert bucket.objects() == {"sub/cells.ome.zarr.bak": 4}


# -- servers that refuse


def test_a_missing_bucket(s3):
    with pytest.raises(TargetError, match=r"bucket 'nosuch' of 's3://.*' does not exist"):
        write(volume(), "s3://nosuch/a.ome.zarr", storage_options={"endpoint_url": s3})


def test_no_credentials(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options = bucket.options | {"skip_instance_cache": True}
    with pytest.raises(TargetError, match=r"no credentials were found for 's3://.*storage_options"):
        write(volume(), bucket.url, storage_options=options)
    assert bucket.objects() == {}


@pytest.mark.parametrize("s3", ["moto"], indirect=True)  # the other lets everybody in
def test_credentials_that_are_not_accepted(s3, bucket):
    """The server knows its users from here on, until it is told to forget them."""
    requests.post(f"{s3}/moto-api/reset-auth", data="0", timeout=30)
    try:
        with pytest.raises(TargetError, match=r"does not accept these credentials \(InvalidAcc"):
            write(
                volume(), bucket.url, storage_options=bucket.options | {"key": "a", "secret": "b"}
            )
    finally:
        requests.post(f"{s3}/moto-api/reset-auth", data="inf", timeout=30)
    assert bucket.objects() == {}


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_no_permission(method, proxy, bucket):
    proxy.refuse = lambda n, request: (403, "AccessDenied") if request.method == method else None
    doing = {"GET": "looking at", "PUT": "writing to"}[method]
    text = rf"{doing} '{bucket.url}' is not permitted with these credentials \(Not today\.\)"
    with pytest.raises(TargetError, match=text):
        write(volume(), bucket.url, storage_options=bucket.options)
    assert bucket.objects() == {}


def test_a_server_that_is_not_there():
    with serving(lambda *args: []) as endpoint:
        pass  # its port is free again
    options = {"endpoint_url": endpoint, **HASTY}
    with pytest.raises(TargetError, match=r"server of 's3://.*' can't be reached .*endpoint_url"):
        write(volume(), "s3://bucket/a.ome.zarr", storage_options=options)


@pytest.mark.parametrize("shards", [None, (2, 64, 64)])
@pytest.mark.parametrize(
    "answer", [(500, "InternalError"), (503, "ServiceUnavailable"), (503, "SlowDown")]
)
def test_a_server_that_fails_now_and_then(answer, shards, proxy, bucket):
    proxy.refuse = lambda n, request: answer if n % 8 == 4 else None
    options = {"chunks": (1, 64, 64), "shards": shards, "levels": 1}
    write(volume(), bucket.url, storage_options=bucket.options, **options)
    assert proxy.refused > 0
    proxy.refuse = lambda n, request: None
    group = zarr.open_group(bucket.url, mode="r", storage_options=bucket.options)
    np.testing.assert_array_equal(group["0"][:], volume().values)


def test_a_server_that_takes_no_chunk(proxy, bucket):
    proxy.refuse = lambda n, request: (500, "InternalError") if is_chunk(request) else None
    text = (
        r"'s3://.*' failed, the server answered InternalError: Not today; .*nothing was left there$"
    )
    with pytest.raises(TargetError, match=text):
        write(volume(), bucket.url, storage_options=bucket.options | HASTY)
    assert proxy.refused > 0
    assert bucket.objects() == {}


# Answers that take longer than a client waits; and one try again, at once.
IMPATIENT = {"config_kwargs": {"retries": {"max_attempts": 1}, "read_timeout": 0.5}}


@pytest.mark.parametrize("shards", [None, (2, 64, 64)])
def test_a_server_that_is_slow_now_and_then(shards, proxy, bucket):
    """What was asked twice is there once."""
    slow = []

    def refuse(n, request):
        if is_chunk(request) and request.path not in slow and len(slow) < 2:
            slow.append(request.path)
            time.sleep(1.5)

    proxy.refuse = refuse
    options = {"chunks": (1, 64, 64), "shards": shards, "levels": 1, "workers": 1}
    report = write(volume(), bucket.url, storage_options=bucket.options | IMPATIENT, **options)
    assert len(slow) == 2
    assert report.nbytes == sum(bucket.objects().values())
    group = zarr.open_group(bucket.url, mode="r", storage_options=bucket.options)
    np.testing.assert_array_equal(group["0"][:], volume().values)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # werkzeug's
def test_a_server_that_is_always_too_slow(proxy, bucket):
    over = threading.Event()

    def refuse(n, request):
        if is_chunk(request):
            over.wait(3)
            # Most have gone after 0.5 s; aiohttp forgets that where "100 Continue" came late.
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError

    proxy.refuse = refuse
    text = r"server of 's3://.*' can't be reached .*nothing was left there$"
    try:
        with pytest.raises(TargetError, match=text):
            write(volume(), bucket.url, levels=1, storage_options=bucket.options | IMPATIENT)
    finally:
        over.set()
    assert bucket.objects() == {}


def test_a_server_that_takes_no_root_metadata(proxy, bucket):
    root = f"/{bucket.name}/sub/cells.ome.zarr/zarr.json"

    def refuse(request):
        is_root = request.method == "PUT" and request.path == root
        return (500, "InternalError") if is_root else None

    proxy.refuse = lambda n, request: refuse(request)
    with pytest.raises(TargetError, match=r"answered InternalError.*nothing was left there$"):
        write(volume(), bucket.url, storage_options=bucket.options | HASTY)
    assert bucket.objects() == {}


def test_a_server_that_neither_writes_nor_removes(proxy, bucket):
    def refuse(n, request):
        is_removal = request.method == "DELETE" or "delete" in request.args
        return (403, "AccessDenied") if is_chunk(request) or is_removal else None

    proxy.refuse = refuse
    text = r"is not permitted.*; what was written could not be removed \(.*\); remove it yourself$"
    with pytest.raises(TargetError, match=text):
        write(volume(), bucket.url, storage_options=bucket.options)
    left = bucket.objects()
    assert left
    assert "sub/cells.ome.zarr/zarr.json" not in left
    proxy.refuse = lambda n, request: None if is_chunk(request) else refuse(n, request)
    with pytest.raises(SourceError) as caught:
        write(failing(), bucket.url.replace("cells", "other"), storage_options=bucket.options)
    (note,) = caught.value.__notes__
    assert "could not be removed" in note


# -- a cluster


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # distributed's own, as in test_cluster.py
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cluster_writes_to_s3(bucket):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        write(
            volume().chunk({"z": 1}),
            bucket.url,
            client=client,
            chunks=(1, 32, 32),
            shards=(2, 64, 64),
            storage_options=bucket.options,
        )
        group = zarr.open_group(bucket.url, mode="r", storage_options=bucket.options)
        np.testing.assert_array_equal(group["0"][:], volume().values)
        with pytest.raises(SourceError, match="the camera melted"):
            write(
                failing(),
                bucket.url,
                client=client,
                overwrite=True,
                storage_options=bucket.options,
            )
        assert bucket.objects() == {}
        proxy = Proxy(bucket.endpoint)
        proxy.refuse = lambda n, request: (403, "AccessDenied") if is_chunk(request) else None
        with (
            serving(proxy) as endpoint,
            pytest.raises(TargetError, match=r"is not permitted.*nothing was left there$"),
        ):
            write(
                volume().chunk({"z": 1}),
                bucket.url,
                client=client,
                storage_options={"endpoint_url": endpoint},
            )
        assert bucket.objects() == {}


def test_root_metadata_says_what_was_planned(memory):
    write(volume(), "memory://a.ome.zarr", levels=1)
    attributes = json.loads(memory.cat_file("/a.ome.zarr/zarr.json"))["attributes"]
    assert attributes["ome"]["multiscales"][0]["name"] == "volume"
