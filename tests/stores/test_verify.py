"""What is written is read back: a flipped byte, a missing chunk, a truncated file are found."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr

import nbexport
from nbexport import TargetError, VerifyError
from nbexport.stores import _verify
from nbexport.stores.ome_tiff import _verify as _verify_tiff
from nbexport.stores.ome_zarr import _write as ome_zarr

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
]
ZARR = {"chunks": (1, 32, 32), "levels": 3, "progress": False, "client": False}
TIFF = {"tile": (32, 32), "levels": 3, "progress": False}


def volume(shape=(3, 96, 80), dtype="uint16") -> xr.DataArray:
    pixels = np.random.default_rng(0).integers(1, 200, shape).astype(dtype)
    dims = ("z", "y", "x", "s")[: len(shape)]
    return xr.DataArray(pixels, dims=dims, name="volume")


def write_zarr(path, da=None, **options):
    da = volume() if da is None else da
    return nbexport.write_ome_zarr(da, path, **{**ZARR, "verify": True, **options})


def write_tiff(path, da=None, **options):
    da = volume() if da is None else da
    return nbexport.write_ome_tiff(da, path, **{**TIFF, "verify": True, **options})


@pytest.fixture
def spoil(monkeypatch):
    """Let something happen to what was written, after that and before it is read back."""

    def prepare(module, function):
        check = module.check_all

        def checking(*args):
            function()
            return check(*args)

        monkeypatch.setattr(module, "check_all", checking)

    return prepare


def made_in(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f".{name}.partial-????????/{name}")
    return found


def flip(path: Path, at: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3 if at is None else at] ^= 0x10
    path.write_bytes(content)


# -- OME-Zarr


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
@pytest.mark.parametrize("shards", [None, (2, 64, 64)])
def test_whole_ones_pass(version, shards, tmp_path):
    if version == "0.4" and shards:
        shards = None
    report = write_zarr(tmp_path / "a.ome.zarr", version=version, shards=shards)
    n = report.plan.n_writes
    assert f"verified {n} of {n} write units: read back, they hold what was written" in report.notes
    unverified = write_zarr(tmp_path / "b.ome.zarr", version=version, shards=shards, verify=False)
    assert not any("verified" in note for note in unverified.notes)


def test_other_doors_pass(tmp_path, bucket):
    reports = [
        write_zarr(tmp_path / "a.ozx"),
        write_zarr(tmp_path / "l.ome.zarr", labels={"n": volume(dtype="uint8")}),
        nbexport.write_images({"a": volume(), "b": volume()}, tmp_path / "i.ome.zarr", verify=True),
        nbexport.write_plate({("A", 1, 0): volume()}, tmp_path / "p.ome.zarr", verify=True),
        write_zarr(bucket.url, storage_options=bucket.options),
        write_zarr(tmp_path / "e.ome.zarr", volume() * 0, skip_empty=True),
        nbexport.write_labels({"m": volume(dtype="uint8")}, tmp_path / "e.ome.zarr", verify=True),
    ]
    for report in reports:
        (note,) = [note for note in report.notes if "verified" in note]
        n_read, n_units = re.match(r"verified (\d+) of (\d+) write units", note).groups()
        assert n_read == n_units
        plans = (report.plan, *report.others)
        assert int(n_units) == sum(plan.n_writes for plan in plans)


def test_a_sample_is_some_of_each_level(tmp_path):
    report = write_zarr(tmp_path / "a.ome.zarr", chunks=(1, 8, 8), verify="sample")
    n_units = [3 * 12 * 10, 3 * 6 * 5, 3 * 3 * 3]
    assert report.plan.n_writes == sum(n_units)
    expected = sum(min(n, 32) for n in n_units)
    assert report.notes == (
        f"verified {expected} of {sum(n_units)} write units: read back, they hold what was written",
    )


@pytest.mark.parametrize("verify", [True, "sample"])
@pytest.mark.parametrize("compression", ["none", "blosc-zstd", "zstd", "gzip"])
def test_a_flipped_byte_is_found_and_named(compression, verify, spoil, tmp_path):
    spoil(ome_zarr, lambda: flip(made_in(tmp_path, "a.ome.zarr") / "1/c/2/1/0"))
    with pytest.raises(VerifyError) as caught:
        write_zarr(tmp_path / "a.ome.zarr", compression=compression, verify=verify)
    sentence = str(caught.value)
    start = f"level 1 of '{tmp_path / 'a.ome.zarr'}' "
    assert sentence.startswith((start + "holds other pixels", start + "can't be read back ("))
    assert sentence.endswith(
        " at z 2:3, y 32:48, x 0:32, so it was not published; look at the disk, the memory or the "
        "network in between, and export again"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_of_a_shard_is_found(spoil, tmp_path):
    spoil(ome_zarr, lambda: flip(made_in(tmp_path, "a.ome.zarr") / "0/c/0/1/0", 100))
    with pytest.raises(VerifyError, match=r"level 0 of .* at z 0:2, y 64:96, x 0:64, so it was"):
        write_zarr(tmp_path / "a.ome.zarr", shards=(2, 64, 64), compression="none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pixels", ["some", "zeros"])
def test_a_missing_chunk_is_found(pixels, spoil, tmp_path):
    """A chunk that is not there reads as zeros, so that one of zeros is looked for."""
    da = volume() * (pixels == "some")
    spoil(ome_zarr, lambda: (made_in(tmp_path, "a.ome.zarr") / "0/c/1/2/1").unlink())
    with pytest.raises(
        VerifyError, match=r"level 0 of .* can't be read back \(0/c/1/2/1 is missin"
    ):
        write_zarr(tmp_path / "a.ome.zarr", da)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_chunk_is_found_where_empty_ones_are_left_out(spoil, tmp_path):
    spoil(ome_zarr, lambda: (made_in(tmp_path, "a.ome.zarr") / "0/c/1/2/1").unlink())
    with pytest.raises(VerifyError, match=r"level 0 of .* holds other pixels than were written at"):
        write_zarr(tmp_path / "a.ome.zarr", skip_empty=True)


def test_the_old_target_stays(spoil, tmp_path):
    path = tmp_path / "a.ome.zarr"
    write_zarr(path)
    spoil(ome_zarr, lambda: flip(made_in(tmp_path, "a.ome.zarr") / "2/c/0/0/0"))
    for resume in (False, True):  # what can't be read back is not continued either
        with pytest.raises(VerifyError):
            write_zarr(path, volume() + 1, overwrite=True, resume=resume, compression="none")
        np.testing.assert_array_equal(zarr.open_array(path / "0")[:], volume().values)
        assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_the_image_of_several_is_named(spoil, tmp_path):
    spoil(ome_zarr, lambda: flip(made_in(tmp_path, "a.ome.zarr") / "1/0/c/0/0/0"))
    images = {"a": volume(), "b": volume()}
    with pytest.raises(VerifyError, match=r"level 0 of image '1' of '.*a\.ome\.zarr'"):
        nbexport.write_images(images, tmp_path / "a.ome.zarr", verify=True, progress=False)


def test_a_zip_file_is_read_back_as_it_is(spoil, tmp_path):
    def flip_inside():
        path = made_in(tmp_path, "a.ozx")
        flip(path, path.stat().st_size // 2)

    spoil(ome_zarr, flip_inside)
    with pytest.raises(VerifyError):
        write_zarr(tmp_path / "a.ozx", compression="none")
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_object_is_found(bucket, spoil):
    spoil(ome_zarr, lambda: bucket.put("sub/cells.ome.zarr/0/c/0/0/0", b"\0" * 2048))
    with pytest.raises(VerifyError, match=r"level 0 of 's3://.*at z 0:1, y 0:32.*nothing was left"):
        write_zarr(bucket.url, compression="none", storage_options=bucket.options)
    assert bucket.objects() == {}


def test_it_is_a_target_error():
    assert issubclass(VerifyError, TargetError)


def test_reading_back_tells_how_far_it_is_and_can_be_stopped(tmp_path):
    heard = []
    write_zarr(tmp_path / "a.ome.zarr", progress=heard.append)
    verifying = [p for p in heard if p.what == "verifying a.ome.zarr"]
    assert [p.nbytes for p in verifying] == sorted({p.nbytes for p in verifying})
    assert (verifying[-1].done, verifying[-1].total) == (1, 1)

    def stop(progress):
        if progress.what.startswith("verifying"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_zarr(tmp_path / "b.ome.zarr", progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_a_continued_export_is_verified_as_a_whole(spoil, tmp_path):
    """Checksums of the blocks that were finished before come from the journal."""

    def stop(progress):
        if progress.done == 4:
            raise KeyboardInterrupt

    path = tmp_path / "a.ome.zarr"
    options = {"chunks": (1, 96, 80), "levels": 2, "resume": True, "workers": 1}
    for verify, n_read in ((True, 12), (False, None)):
        with pytest.raises(KeyboardInterrupt):
            write_zarr(path, volume((6, 96, 80)), **options, progress=stop, verify=verify)
        report = write_zarr(path, volume((6, 96, 80)), **options, overwrite=True)
        (note,) = [note for note in report.notes if "verified" in note]
        found, n_units = map(int, re.match(r"verified (\d+) of (\d+)", note).groups())
        assert n_units == 12
        assert found == n_read if n_read else found < n_units
        shutil.rmtree(path)


# -- OME-TIFF


@pytest.mark.parametrize("compression", ["none", "zlib", "zstd", "lzw", "jpeg2000", "jpegxl"])
def test_whole_tiffs_pass(compression, tmp_path):
    report = write_tiff(tmp_path / "a.ome.tif", compression=compression)
    n = sum(level.n_chunks for level in report.plan.levels)
    assert report.notes[-1] == f"verified {n} of {n} tiles: read back, they hold what was written"


def test_other_tiffs_pass(tmp_path):
    rgb = volume((2, 96, 80, 3), "uint8")
    series = volume((3, 4, 40, 50)).rename(z="t", y="c", x="y", s="x")
    for i, (da, options) in enumerate([
        (rgb, {"compression": "jpeg"}),
        (rgb, {}),
        ([volume(), rgb], {}),
        (series, {"verify": "sample"}),
        (volume(dtype="float32"), {}),
        (volume(dtype="int8"), {"predictor": False, "bigtiff": True}),
    ]):  # fmt: skip
        report = write_tiff(tmp_path / f"{i}.ome.tif", da, **options)
        n_read, n = map(int, re.search(r"verified (\d+) of (\d+) tiles", str(report)).groups())
        assert n == sum(x.n_chunks for plan in (report.plan, *report.others) for x in plan.levels)
        assert n_read == n or options.get("verify") == "sample"


@pytest.mark.parametrize(
    ("compression", "level"), [("none", None), ("zlib", None), ("jpegxl", 90), ("jpeg2000", 60)]
)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_flipped_byte_of_a_tiff_is_found(compression, level, share, tmp_path):
    def flip_tile():
        path = made_in(tmp_path, "a.ome.tif")
        with tifffile.TiffFile(path) as tiff:
            page = tiff.series[0].levels[0].pages[1]
            at = page.dataoffsets[4] + int(page.databytecounts[4] * share)
        flip(path, at)

    check = _verify_tiff.TiffSums.check

    def spoilt(self, *args):
        flip_tile()
        return check(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_verify_tiff.TiffSums, "check", spoilt)
        with pytest.raises(VerifyError) as caught:
            write_tiff(tmp_path / "a.ome.tif", compression=compression, compression_level=level)
    assert re.search(
        r"^level 0 of '.*a\.ome\.tif' (holds other pixels than were written|can't be read back "
        r"\(.*\)) at z 1:2, y 32:64, x 32:64, so it was not published",
        str(caught.value),
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_truncated_tiff_is_found(share, monkeypatch, tmp_path):
    check = _verify_tiff.TiffSums.check

    def spoilt(self, path, *args):
        with path.open("r+b") as file:
            file.truncate(int(path.stat().st_size * share))
        return check(self, path, *args)

    monkeypatch.setattr(_verify_tiff.TiffSums, "check", spoilt)
    with pytest.raises(VerifyError, match=r"a\.ome\.tif.* so it was not published; look at"):
        write_tiff(tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_tiff_is_not_uploaded(bucket, monkeypatch):
    check = _verify_tiff.TiffSums.check

    def spoilt(self, path, *args):
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - 3000)
        return check(self, path, *args)

    monkeypatch.setattr(_verify_tiff.TiffSums, "check", spoilt)
    with pytest.raises(VerifyError):
        write_tiff(f"s3://{bucket.name}/a.ome.tif", storage_options=bucket.options)
    assert bucket.objects() == {}


# -- the sums


def test_sums_know_the_unit():
    pixels = np.arange(60).reshape(6, 10)
    sums = _verify.unit_sums(pixels, (4, 4))
    assert len(sums) == 6
    assert sums[4] == _verify.checksum(pixels[4:6, 4:8])
    assert len(set(sums)) == 6
    assert _verify.checksum(pixels.T) == _verify.checksum(pixels.T.copy())
