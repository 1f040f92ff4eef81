"""Pictures of every kind of image, read back by Pillow, tifffile, imagecodecs and a browser."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
import xarray as xr
from conformance.test_movies import IMAGES
from movies import psnr
from PIL import Image

import nbexport
from nbexport.api._render import plan_frames
from nbexport.errors import DtypeError, PlanError
from nbexport.pixels._montage import sheet_gap
from nbexport.testing import cells, labels

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
LOSSY = (".jpg", ".jpeg")


def rendered(da, **options):
    return next(plan_frames(da, still=True, **options).frames())


def opened(path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", IMAGES)
def test_a_picture_is_what_was_rendered(kind, suffix, tmp_path):
    da = IMAGES[kind]()
    report = nbexport.write_image(da, tmp_path / f"a{suffix}", legend=kind == "uint16")
    ours, theirs = rendered(da, legend=kind == "uint16"), opened(tmp_path / f"a{suffix}")
    assert theirs.shape == (253, 217, 3)
    if suffix in LOSSY:
        assert psnr([ours], [theirs]) > 36
    else:
        np.testing.assert_array_equal(ours, theirs)
    assert report.plan.size == (217, 253)
    assert report.nbytes == (tmp_path / f"a{suffix}").stat().st_size


def physical(path) -> tuple[float, float]:
    """Return the width and height of a pixel in metres, from the bytes themselves where short."""
    content = path.read_bytes()
    if path.suffix == ".png":
        at = content.index(b"pHYs")
        x, y, unit = struct.unpack(">IIB", content[at + 4 : at + 13])
        assert unit == 1
        return 1 / x, 1 / y
    if path.suffix == ".bmp":
        x, y = struct.unpack("<ii", content[38:46])
        return 1 / x, 1 / y
    if path.suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as file:
            tags = file.pages[0].tags
            x, y = (tags[name].value for name in ("XResolution", "YResolution"))
            per_metre = {2: 1 / 0.0254, 3: 100}[tags["ResolutionUnit"].value]
        return x[1] / x[0] / per_metre, y[1] / y[0] / per_metre
    with Image.open(path) as picture:
        exif = picture.getexif()
        assert exif[0x0128] == 3
        return 0.01 / float(exif[0x011A]), 0.01 / float(exif[0x011B])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("zoom", [1, 2, 0.5])
def test_the_file_knows_how_large_a_pixel_is(suffix, zoom, tmp_path):
    da = cells(c=1, y=128, x=192).assign_coords(y=("y", np.arange(128) * 1.3, {"units": "um"}))
    report = nbexport.write_image(da, tmp_path / f"a{suffix}", zoom=zoom)
    x, y = physical(tmp_path / f"a{suffix}")
    assert (x, y) == pytest.approx((0.65e-6 / zoom, 1.3e-6 / zoom), rel=1e-5)
    assert any(f"{0.65 / zoom:.4g} x {1.3 / zoom:.4g} micrometer" in note for note in report.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_dpi_is_for_paper(suffix, tmp_path):
    report = nbexport.write_image(cells(c=1, y=64, x=64), tmp_path / f"a{suffix}", dpi=300)
    assert physical(tmp_path / f"a{suffix}") == pytest.approx((0.0254 / 300,) * 2, rel=1e-4)
    assert not any("dpi" in note for note in report.notes)
    if suffix in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        with Image.open(tmp_path / f"a{suffix}") as picture:
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_jfif_says_it_too_where_it_can(tmp_path):
    for size, inside in ((0.65, True), (0.1, False)):
        nbexport.write_image(
            cells(c=1, y=64, x=64, pixel_size=size), tmp_path / "a.jpg", overwrite=True
        )
        content = (tmp_path / "a.jpg").read_bytes()
        at = content.index(b"JFIF\0")
        unit, x, y = struct.unpack(">BHH", content[at + 7 : at + 12])
        assert (unit == 1 and x == y == round(25400 / size)) == inside
        assert physical(tmp_path / "a.jpg") == pytest.approx((size * 1e-6,) * 2, rel=1e-5)


def test_an_image_without_pixel_size_says_nothing(tmp_path):
    da = xr.DataArray(np.zeros((8, 9), "uint8"), dims=("y", "x"))
    report = nbexport.write_image(da, tmp_path / "a.png")
    assert b"pHYs" not in (tmp_path / "a.png").read_bytes()
    assert not any("specimen" in note for note in report.notes)


# -- planes with their values


@pytest.mark.parametrize(
    "dtype",
    [f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)]
    + [f"float{bits}" for bits in (16, 32, 64)],
)
def test_raw_tiff_keeps_any_values(dtype, tmp_path):
    values = np.random.default_rng(0).integers(0, 100, (33, 47)).astype(dtype)
    if np.dtype(dtype).kind in "if":
        values -= np.array(50, dtype)
    da = xr.DataArray(values, dims=("y", "x"))
    nbexport.write_image(da, tmp_path / "a.tif", raw=True)
    found = tifffile.imread(tmp_path / "a.tif")
    assert found.dtype == ("float32" if dtype == "float16" else dtype)  # as in all our formats
    np.testing.assert_array_equal(found, values)


def test_raw_keeps_nan_and_the_chosen_plane(tmp_path):
    da = cells(t=3, c=2, z=4, y=33, x=47, dtype="float32")
    da[1, 1, 2, 5, 6] = np.nan
    nbexport.write_image(da, tmp_path / "a.tif", raw=True, sel={"t": 1, "z": 2}, visible="GFP")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), da[1, 1, 2])
    assert physical(tmp_path / "a.tif") == pytest.approx((0.65e-6,) * 2, rel=1e-6)
    nbexport.write_image(
        da, tmp_path / "b.tif", raw=True, sel={"t": 0}, project={"z": "max"}, visible=0
    )
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), da[0, 0].max("z"))


@pytest.mark.parametrize(
    ("dtype", "high", "written"),
    [
        ("uint8", 255, "uint8"),
        ("uint16", 65535, "uint16"),
        ("uint16", 200, "uint16"),
        ("int64", 255, "uint8"),
        ("uint32", 300, "uint16"),
        ("bool", 1, "uint8"),
    ],
)
def test_raw_png_keeps_integers(dtype, high, written, tmp_path):
    values = np.linspace(0, high, 33 * 47).reshape(33, 47).astype(dtype)
    da = xr.DataArray(values, dims=("y", "x"), attrs={"units": "1"})
    report = nbexport.write_image(da, tmp_path / "a.png", raw=True)
    found = imagecodecs.imread(tmp_path / "a.png")  # libpng itself, not Pillow that wrote it
    assert found.dtype == written
    np.testing.assert_array_equal(found, values)
    changed = any(f"written as {written}" in note for note in report.notes)
    assert changed == (dtype != written)


def test_raw_labels_and_rgb(tmp_path):
    numbers = labels(y=40, x=50)
    nbexport.write_image(numbers, tmp_path / "a.png", raw=True)
    np.testing.assert_array_equal(imagecodecs.imread(tmp_path / "a.png"), numbers)
    da = IMAGES["rgb"]().isel(t=2)
    for name in ("b.png", "b.tif"):
        nbexport.write_image(da, tmp_path / name, raw=True)
        np.testing.assert_array_equal(imagecodecs.imread(tmp_path / name), da)
    nbexport.write_image(da.astype("uint16") * 200, tmp_path / "c.tif", raw=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "c.tif"), da.astype("uint16") * 200)


@pytest.mark.parametrize(
    ("da", "name", "error", "words"),
    [
        (lambda: cells(c=1), "a.jpg", PlanError, r"raw=True keeps pixel values and \.jpg does not"),
        (
            lambda: cells(c=2),
            "a.tif",
            PlanError,
            r"one plane and 2 channels.*visible='DAPI' for one",
        ),
        (
            lambda: cells(c=1, dtype="float32"),
            "a.png",
            DtypeError,
            r"PNG holds integers of 8 and 16 bits and the plane is float32; use \.tif",
        ),
        (
            lambda: cells(c=1).astype("int32") * 100,
            "a.png",
            DtypeError,
            r"without sign, and the plane goes from \d+ to \d+; use \.tif",
        ),
        (
            lambda: IMAGES["rgb"]().isel(t=0).astype("uint16"),
            "a.png",
            DtypeError,
            r"samples of 8 bits and these have 16; use \.tif",
        ),
    ],
)
def test_raw_values_that_do_not_fit(da, name, error, words, tmp_path):
    with pytest.raises(error, match=words):
        nbexport.write_image(da(), tmp_path / name, raw=True)
    assert list(tmp_path.iterdir()) == []


# -- contact sheets


def cell(sheet: np.ndarray, place: int, size: tuple[int, int], columns: int) -> np.ndarray:
    """Return one cell of a sheet."""
    gap = sheet_gap(size)
    row, column = divmod(place, columns)
    top, left = row * (size[1] + gap), column * (size[0] + gap)
    return sheet[top : top + size[1], left : left + size[0]]


def test_channels_in_grey_and_their_merge(tmp_path):
    da = cells(c=3, y=240, x=320)
    report = nbexport.write_image(da, tmp_path / "a.png", montage="c", scale_bar="50 um")
    sheet = opened(tmp_path / "a.png")
    assert report.plan.size == (4 * 320 + 3 * 3, 240) == sheet.shape[1::-1]
    for i in range(3):
        ours = cell(sheet, i, (320, 240), 4)
        grey = rendered(da.isel(c=[i]), cmap="gray")
        different = (ours != grey).any(axis=-1)
        assert not different[40:].any()  # below its name all is as the channel alone
        assert different[:40, :160].any()
        assert (ours[..., 0] == ours[..., 1]).all()
    merge, alone = cell(sheet, 3, (320, 240), 4), rendered(da, scale_bar="50 um")
    np.testing.assert_array_equal(merge[40:], alone[40:])
    assert (merge[:40] != alone[:40]).any()
    assert (sheet[:, 320:323] == 255).all()


@pytest.mark.parametrize("axis", ["t", "z"])
@pytest.mark.parametrize(("columns", "grid"), [(None, (3, 3)), (7, (1, 7)), (2, (4, 2))])
def test_strips_of_time_and_depth(axis, columns, grid, tmp_path):
    da = cells(**{axis: 7}, c=2, y=160, x=200)
    nbexport.write_image(da, tmp_path / "a.png", montage=axis, columns=columns)
    sheet = opened(tmp_path / "a.png")
    rows, across = grid
    assert sheet.shape == (rows * 162 - 2, across * 202 - 2, 3)
    frames = list(plan_frames(da, along=axis).frames())
    for i, frame in enumerate(frames):
        ours = cell(sheet, i, (200, 160), across)
        np.testing.assert_array_equal(ours[30:], frame[30:])
        assert (ours[:30] != frame[:30]).any()  # its name
    for i in range(7, rows * across):
        assert (cell(sheet, i, (200, 160), across) == 255).all()


def test_a_time_is_name_enough(tmp_path):
    da = cells(t=3, c=1, y=160, x=200)
    nbexport.write_image(da, tmp_path / "a.png", montage="t", timestamp=True)
    sheet = opened(tmp_path / "a.png")
    for i, frame in enumerate(plan_frames(da, along="t", timestamp=True).frames()):
        np.testing.assert_array_equal(cell(sheet, i, (200, 160), 3), frame)


def test_names_keep_off_what_is_written_there(tmp_path):
    da = cells(z=2, c=1, y=160, x=200)
    options = {"text": "WT", "corner": {"text": "top left"}}
    nbexport.write_image(da, tmp_path / "a.png", montage="z", **options)
    sheet = opened(tmp_path / "a.png")
    frame = next(plan_frames(da, along="z", **options).frames())
    ours = cell(sheet, 0, (200, 160), 2)
    np.testing.assert_array_equal(ours[:, :100], frame[:, :100])
    assert (ours[:30, 100:] != frame[:30, 100:]).any()


def test_tiny_cells_go_without_names(tmp_path):
    da = cells(z=3, c=1, y=8, x=6)
    nbexport.write_image(da, tmp_path / "a.png", montage="z")
    sheet = opened(tmp_path / "a.png")
    for i, frame in enumerate(plan_frames(da, along="z").frames()):
        np.testing.assert_array_equal(cell(sheet, i, (6, 8), 3), frame)


def test_the_report_shows_the_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, start in (
        ("a.png", "image/png;base64,iVBORw0KGgo"),
        ("a.jpg", "image/jpeg;base64,/9j/"),
    ):
        html = nbexport.write_image(cells(c=1, y=32, x=32), name)._repr_html_()
        assert f'<img style="max-width:100%" src="data:{start}' in html
    report = nbexport.write_image(cells(c=1, y=32, x=32), "a.tif")
    assert "<img" not in report._repr_html_()
    assert '<a href="a.tif"' in report._repr_html_()
    assert "on disk for 32 x 32, " in repr(report)


def test_file_names_of_any_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-a.png", "a:b.PNG", "%03d.jpg", "%d.tif", "http:a.webp", "é 細胞.bmp"):
        report = nbexport.write_image(cells(c=1, y=32, x=32), name)
        assert report.target == str(tmp_path / name)
        assert opened(tmp_path / name).shape == (32, 32, 3)
    assert len(list(tmp_path.iterdir())) == 6
