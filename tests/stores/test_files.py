"""Targets that are one file: what is there before, during and after the export, here and remote."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
import tifffile
import xarray as xr
from s3 import HASTY

import nbexport
from nbexport import PlanError, SourceError, TargetError, TargetExistsError
from nbexport.stores import check_target

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
]
# The first bytes of files that ffmpeg, imageio, Pillow and tifffile wrote.
BEGINNINGS = {
    "movie": {
        "a.mp4": b"\0\0\0\x20ftypisom\0\0\x02\0",
        "a.mov": b"\0\0\0\x14ftypqt  \0\0\x02\0",
        "old.mov": b"\0\0\0\x08wide\0\1\2\3mdat",
        "a.mkv": b"\x1aE\xdf\xa3\1\0\0\0\0\0\0\x23B\x86\x81\1",
        "a.webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1",
        "a.avi": b"RIFF\x1a\x2b\0\0AVI LIST",
        "a.gif": b"GIF89a\x40\0\x40\0\x87\0\0",
        "a.apng": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "a.webp": b"RIFF\x1a\x2b\0\0WEBPVP8X",
        "a.mpg": b"\0\0\1\xba!\0\1\0\1\x80",
        "a.mpeg": b"\0\0\1\xb3\x10\0\xf0",
        "a.wmv": b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel",
        "a.ogg": b"OggS\0\2\0\0\0\0\0\0\0\0",
    },
    "image": {
        "a.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "a.jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        "a.jpeg": b"\xff\xd8\xff\xdb\0\x43",
        "a.tif": b"II*\0\x08\0\0\0",
        "a.tiff": b"MM\0*\0\0\0\x08",
        "a.webp": b"RIFF\x1a\x2b\0\0WEBPVP8 ",
        "a.bmp": b"BM\x36\x10\0\0\0\0",
    },
    "ome-tiff": {
        "a.ome.tif": b"II*\0\x08\0\0\0",
        "a.ome.tiff": b"MM\0*\0\0\0\x08",
        "a.ome.btf": b"II+\0\x08\0\0\0",
        "a.btf": b"MM\0+\0\x08\0\0",
    },
}
CASES = [(f, name) for f, names in BEGINNINGS.items() for name in names]
FOREIGN = [
    b"name,age\n", b"%PDF-1.7\n%\xe2\xe3", b"PK\3\4\x14\0", b"RIFF\1\2\3\4WAVEfmt ",
    b"\0", b"II", b"\x89PN", b"ftypisom",
]  # fmt: skip


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Let the temporary folder of this machine be one that a test can look into."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def checked(url, format="movie", *, overwrite=False, **options):
    return check_target(url, format, overwrite=overwrite, storage_options=options)


def write_half(target, error):
    with target.opened() as made:
        made.write_bytes(b"half")
        raise error


# -- a path


def test_a_file_is_there_when_it_is_complete(tmp_path):
    path = tmp_path / "a.mp4"
    target = checked(path)
    assert (str(target), target.name) == (str(path), "a.mp4")
    with target.opened() as made:
        assert made.parent.parent == tmp_path
        made.write_bytes(b"frames")
        made.with_name("scratch").write_bytes(b"other")
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"frames"


def test_what_was_there_stays_where_a_block_fails(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF89a old")
    with pytest.raises(ZeroDivisionError):
        write_half(checked(path, overwrite=True), ZeroDivisionError())
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]
    assert path.read_bytes() == b"GIF89a old"


@pytest.mark.parametrize(("format", "name"), CASES)
def test_overwrite_replaces_its_own_kind(format, name, tmp_path):
    path = tmp_path / name
    for content in (BEGINNINGS[format][name], b""):
        path.write_bytes(content)
        with pytest.raises(TargetExistsError, match=r"exists; pass overwrite=True to replace it"):
            checked(path, format)
        with checked(path, format, overwrite=True).opened() as made:
            made.write_bytes(b"new")
        assert path.read_bytes() == b"new"


@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize(("format", "name"), CASES)
def test_overwrite_spares_all_else(format, name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    label = {"movie": "a movie", "image": "an image", "ome-tiff": "an OME-TIFF"}[format]
    with pytest.raises(TargetError, match=f"is a file that does not look like {label}, so overw"):
        checked(path, format, overwrite=True)
    path.unlink()
    path.mkdir()
    with pytest.raises(TargetError, match=f"is a folder that does not look like {label}, so ove"):
        checked(path, format, overwrite=True)


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("movie", r"'a\.svg' does not end in \.mp4, .* or \.ogg; rename it, .*'a\.mp4'"),
        ("ome-tiff", r"'a\.svg' does not end in \.ome\.tif, .*'a\.ome\.tif'"),
    ],
)
@pytest.mark.parametrize("folder", ["", "memory://", "s3://bucket/"])
def test_other_names(folder, format, text, tmp_path, memory):
    with pytest.raises(TargetError, match=text):
        checked(f"{folder or tmp_path}/a.svg".replace("//a", "/a"), format)


# -- a URL


def test_memory(memory, scratch):
    target = checked("memory://sub/a.mp4")
    assert (str(target), target.name) == ("memory://sub/a.mp4", "a.mp4")
    heard = []
    with target.opened(heard.append) as made:
        assert made.parents[2] == scratch
        assert made.name == "a.mp4"
        made.write_bytes(b"frames" * 2**20)
        made.with_name("scratch").write_bytes(b"other")
        assert memory.find("/") == []
        assert heard == []
    assert memory.find("/") == ["/sub/a.mp4"]
    assert memory.cat_file("/sub/a.mp4") == b"frames" * 2**20
    assert list(scratch.iterdir()) == []
    assert (heard[-1].what, heard[-1].nbytes) == ("uploading a.mp4", 6 * 2**20)
    assert (heard[-1].done, heard[-1].total) == (6, 6)


def test_nothing_is_sent_where_a_block_fails(memory, scratch):
    memory.pipe_file("/a.mp4", BEGINNINGS["movie"]["a.mp4"])
    for url, overwrite in (("memory://b.mp4", False), ("memory://a.mp4", True)):
        with pytest.raises(ZeroDivisionError):
            write_half(checked(url, overwrite=overwrite), ZeroDivisionError())
        assert memory.cat(memory.find("/")) == {"/a.mp4": BEGINNINGS["movie"]["a.mp4"]}
        assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(("format", "name"), CASES)
def test_overwrite_replaces_its_own_kind_at_a_url(format, name, memory, scratch):
    memory.pipe_file(f"/{name}", BEGINNINGS[format][name] + b"the rest")
    with pytest.raises(TargetExistsError, match=r"'memory://.*' exists; pass overwrite=True"):
        checked(f"memory://{name}", format)
    with checked(f"memory://{name}", format, overwrite=True).opened() as made:
        made.write_bytes(b"new")
    assert memory.cat_file(f"/{name}") == b"new"


def test_overwrite_spares_all_else_at_a_url(memory):
    memory.pipe_file("/a.mp4", b"name,age\n")
    memory.pipe_file("/b.mp4/thesis.txt", b"mine")
    for name in "ab":
        with pytest.raises(TargetError, match=r"does not look like a movie, so overwrite=True doe"):
            checked(f"memory://{name}.mp4", overwrite=True)
        with pytest.raises(TargetExistsError, match=r"exists; pass overwrite=True"):
            checked(f"memory://{name}.mp4")


def test_an_upload_that_is_stopped_leaves_nothing(memory, scratch):
    def stop(progress):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"), checked("memory://a.mp4").opened(stop) as f:
        f.write_bytes(b"frames")
    assert memory.find("/") == []
    assert list(scratch.iterdir()) == []


def test_a_file_that_can_not_be_asked_for_is_not_removed(memory, scratch, monkeypatch):
    """The network fails for the upload, and for every question what is there."""
    memory.pipe_file("/a.mp4", old := BEGINNINGS["movie"]["a.mp4"] + b"old")
    target = checked("memory://a.mp4", overwrite=True)

    def gone(*args, **kwargs):
        raise TimeoutError("no answer")

    def upload():
        with target.opened() as made:
            made.write_bytes(b"frames")

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "info", gone)
        patch.setattr(type(memory), "put_file", gone)
        with pytest.raises(TargetError, match="what is there now could not be asked, look your"):
            upload()
    assert memory.cat_file("/a.mp4") == old


def test_a_full_scratch_disk(memory, scratch):
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(TargetError, match=r"disk of .*scratch' is full after 4 B; .*set TMPDIR to"):
        write_half(checked("memory://a.mp4"), full)
    assert memory.find("/") == []


# -- OME-TIFF, on a server that may refuse


def cells() -> xr.DataArray:
    pixels = np.random.default_rng(0).integers(1, 4000, (4, 100, 90), dtype="uint16")
    return xr.DataArray(pixels, dims=("z", "y", "x"), name="cells")


def write(da, url, **options):
    return nbexport.write_ome_tiff(da, url, **({"progress": False, "levels": 2} | options))


@pytest.fixture
def url(bucket):
    return f"s3://{bucket.name}/sub/cells.ome.tif"


def test_a_tiff_in_memory(memory, tmp_path, scratch):
    there = write(cells(), "memory://sub/a.ome.tif")
    here = write(cells(), tmp_path / "a.ome.tif")
    assert (there.target, there.nbytes) == ("memory://sub/a.ome.tif", here.nbytes)
    assert memory.cat_file("/sub/a.ome.tif") == Path(here.target).read_bytes()
    assert list(scratch.iterdir()) == []


def test_a_tiff_on_s3(bucket, url, scratch):
    heard = []
    report = write(cells(), url, storage_options=bucket.options, progress=heard.append)
    assert (report.target, bucket.objects()) == (url, {"sub/cells.ome.tif": report.nbytes})
    assert [p.what for p in heard[-1:]] == ["uploading cells.ome.tif"]
    assert heard[-1].nbytes == report.nbytes
    with fsspec.open(url, **bucket.options) as file, tifffile.TiffFile(file) as tiff:
        np.testing.assert_array_equal(tiff.series[0].asarray(), cells().values)
    with pytest.raises(TargetExistsError, match=rf"'{url}' exists; pass overwrite=True"):
        write(cells(), url, storage_options=bucket.options)
    again = write(cells()[:1], url, storage_options=bucket.options, overwrite=True)
    assert bucket.objects() == {"sub/cells.ome.tif": again.nbytes}
    assert again.nbytes < report.nbytes


def test_a_bar_follows_the_upload(memory, capsys):
    write(cells(), "memory://a.ome.tif", progress=True)
    assert "uploading a.ome.tif" in capsys.readouterr().err


def test_a_failing_source_sends_nothing(bucket, url, scratch):
    import dask.array

    lazy = dask.array.from_array(cells().values, chunks=(1, 100, 90))
    broken = lazy.map_blocks(lambda block: block // np.zeros(1, int)[0] + [][0], dtype="uint16")
    da = xr.DataArray(broken, dims=("z", "y", "x"))
    with pytest.raises(SourceError, match=r"computing the pixels at z 0:\d"):
        write(da, url, storage_options=bucket.options)
    assert bucket.objects() == {}
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_no_permission(method, proxy, bucket, url, scratch):
    bucket.put("sub/old.ome.tif", b"II*\0old")
    proxy.refuse = lambda n, request: (403, "AccessDenied") if request.method == method else None
    doing = {"GET": "looking at", "PUT": "writing to"}[method]
    text = rf"{doing} '.*' is not permitted with these credentials \(Not today\.\)"
    for name, overwrite in (("cells", False), ("old", True)):
        with pytest.raises(TargetError, match=text) as caught:
            write(
                cells(),
                url.replace("cells", name),
                storage_options=bucket.options,
                overwrite=overwrite,
            )
        assert str(caught.value).endswith("nothing was changed there") == (method == "PUT")
    proxy.refuse = lambda n, request: None
    assert bucket.objects() == {"sub/old.ome.tif": 7}
    assert list(scratch.iterdir()) == []


def test_a_missing_bucket(s3):
    with pytest.raises(TargetError, match=r"bucket 'nosuch' of 's3://.*' does not exist; create"):
        write(cells(), "s3://nosuch/a.ome.tif", storage_options={"endpoint_url": s3})
    with pytest.raises(TargetError, match=r"nothing in it; add a name, .*cells\.ome\.tif"):
        write(cells(), "s3://a.ome.tif", storage_options={"endpoint_url": s3})


def test_no_credentials(bucket, url, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options = bucket.options | {"skip_instance_cache": True}
    with pytest.raises(TargetError, match=r"no credentials were found for 's3://.*storage_options"):
        write(cells(), url, storage_options=options)
    assert bucket.objects() == {}


def test_a_server_that_fails_while_it_is_sent_to(proxy, bucket, url, scratch):
    """A large file goes in parts, of which none may stay."""
    large = xr.DataArray(np.zeros((110, 1024, 1024), "uint8"), dims=("z", "y", "x"))
    refuse = lambda request: request.method == "PUT" and "partNumber" in request.args  # noqa: E731
    proxy.refuse = lambda n, request: (500, "InternalError") if refuse(request) else None
    options = bucket.options | HASTY
    with pytest.raises(TargetError, match=r"answered InternalError: Not today; try again later; n"):
        write(large, url, storage_options=options, compression="none", levels=1)
    assert proxy.refused > 0
    proxy.refuse = lambda n, request: None
    assert bucket.objects() == {}
    assert bucket.uploads() == []


def test_storage_options_belong_to_urls(tmp_path):
    with pytest.raises(PlanError, match=r"storage_options belong to a URL, and target .* is a lo"):
        write(cells(), tmp_path / "a.ome.tif", storage_options={"anon": True})


@pytest.mark.parametrize(
    "url", ["https://a.org/a.ome.tif", "zip://a/a.ome.tif", "nix://a/a.ome.tif"]
)
def test_urls_where_nothing_can_be_written(url):
    with pytest.raises(PlanError, match=r"is a \w+ URL, where nothing can be written; use a local"):
        write(cells(), url)
