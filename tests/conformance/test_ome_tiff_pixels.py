"""OME-TIFF pixels as other programs read them: tifffile as zarr, bioio, libtiff, libvips.

Bio-Formats needs Java and a jar that no registry has; what it reads was tried by hand and stands in
the README's table.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import dask.array
import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr
from reference import assert_valid_ome_xml, pyramid

import nbexport
from nbexport import PlanError
from nbexport.stores.ome_tiff import _pages as _tiff_pages
from nbexport.stores.ome_tiff._write import CODECS

BY_LIBTIFF = [
    (compression, dtype, s)
    for compression in ("zlib", "zstd", "lzw", "none", "jpeg")
    for dtype, s in (("uint8", 0), ("uint8", 3), ("uint16", 0), ("uint16", 4), ("float32", 0))
    if compression != "jpeg" or dtype == "uint8"
]


def cells(dtype="uint16", **sizes) -> xr.DataArray:
    """Return smooth structure with noise; with `s`, colours that differ."""
    sizes = {"z": 3, "y": 150, "x": 170} | sizes
    sizes = {name: size for name, size in sizes.items() if size}
    grids = np.meshgrid(*(np.arange(n) for n in sizes.values()), indexing="ij")
    *_, y, x = (grid for name, grid in zip(sizes, grids, strict=True) if name != "s")
    shade = sum(grid * 11 for name, grid in zip(sizes, grids, strict=True) if name not in "yx")
    noise = np.random.default_rng(0).normal(0, 2, y.shape)
    pixels = 110 + shade + 60 * np.sin(x / 20) * np.cos(y / 15) + noise
    return xr.DataArray(pixels.clip(0, 255).astype(dtype), dims=list(sizes), name="cells")


def write(da, path, **options):
    return nbexport.write_ome_tiff(
        da, path, **({"progress": False, "tile": (64, 64), "levels": 3} | options)
    )


def program(name: str) -> str:
    """Return the path of a program of the machine; on CI it must be there."""
    path = shutil.which(name)
    if path is None and not os.environ.get("NBEXPORT_CI"):
        package = "libvips-tools" if name == "vips" else "libtiff-tools"
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    assert path is not None, f"{name} must be installed here"
    return path


def run(*command) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower(), done.stderr
    return done.stdout


def levels_of(da, n=3):
    steps = tuple(2 if name in "yx" else 1 for name in da.dims)
    return pyramid(np.asarray(da), [steps] * (n - 1), "mean")


LOSSLESS = [
    (name, dtype)
    for name, codec in CODECS.items()
    if name != "jpeg"
    for dtype in (codec.dtypes or ("uint8", "int16", "uint32", "float32", "float64", "complex64"))
]


@pytest.mark.parametrize("s", [0, 3, 4])
@pytest.mark.parametrize(("compression", "dtype"), LOSSLESS)
def test_lossless(compression, dtype, s, tmp_path):
    da = cells(dtype, s=s)
    report = write(da, tmp_path / "a.ome.tif", compression=compression)
    assert report.notes == ()
    with tifffile.TiffFile(report.target) as tiff:
        assert {page.compression.name for page in tiff.pages} == {
            {
                "zlib": "ADOBE_DEFLATE", "zstd": "ZSTD", "lzw": "LZW", "none": "NONE",
                "jpeg2000": "APERIO_JP2000_RGB", "jpegxl": "JPEGXL",
            }[compression]
        }  # fmt: skip
        for level, wanted in zip(tiff.series[0].levels, levels_of(da), strict=True):
            got = level.asarray()
            assert got.dtype == wanted.dtype
            if wanted.dtype.kind in "fc":
                np.testing.assert_allclose(got, wanted, rtol=1e-5)
            else:
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("compression", "dtype", "rough", "fine"),
    [
        ("jpeg", "uint8", 10, 95),
        ("jpeg2000", "uint8", 40, 60),
        ("jpeg2000", "uint16", 45, 90),
        ("jpegxl", "uint8", 10, 99),
        ("jpegxl", "uint16", 10, 99),
    ],
)
@pytest.mark.parametrize("s", [0, 3])
def test_lossy(compression, dtype, rough, fine, s, tmp_path):
    da = cells(dtype, s=s)
    da.data *= 1 if dtype == "uint8" else 250
    errors, sizes = [], []
    for level in (rough, fine):
        path = tmp_path / f"{level}.ome.tif"
        report = write(da, path, compression=compression, compression_level=level)
        assert report.notes == (f"{compression} at level {level} changes pixel values a little",)
        with tifffile.TiffFile(path) as tiff:
            got = tiff.series[0].levels[0].asarray().astype(float)
            means = [one.asarray().mean() for one in tiff.series[0].levels]
        errors.append(np.sqrt(np.mean((got - da.values) ** 2)) / np.ptp(da.values))
        sizes.append(report.nbytes)
        np.testing.assert_allclose(means, da.values.mean(), rtol=0.03)
    assert 0 < errors[1] < errors[0] < 0.2
    assert errors[1] < 0.03
    assert sizes[1] > sizes[0]


def test_jpeg_is_of_quality_90(tmp_path):
    write(cells("uint8"), tmp_path / "a.ome.tif", compression="jpeg")
    write(cells("uint8"), tmp_path / "b.ome.tif", compression="jpeg", compression_level=90)
    write(cells("uint8"), tmp_path / "c.ome.tif", compression="jpeg", compression_level=80)
    a, b, c = ((tmp_path / f"{name}.ome.tif").read_bytes() for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_a_higher_level_is_smaller(compression, tmp_path):
    sizes = [
        write(
            cells(y=300, x=300), tmp_path / f"{level}.ome.tif",
            compression=compression, compression_level=level,
        ).nbytes
        for level in (1, 6, 12)
    ]  # fmt: skip
    assert sizes[0] > sizes[1] >= sizes[2]


def test_differences_make_integers_smaller(tmp_path):
    smooth = xr.DataArray(
        np.add.outer(np.arange(500), np.arange(500) ** 2).astype("u2"), dims=("y", "x")
    )
    sizes = {
        predictor: write(
            smooth,
            tmp_path / f"{predictor}.ome.tif",
            predictor=predictor,
            tile=(512, 512),
            levels=1,
        ).nbytes
        for predictor in (None, True, False)
    }
    assert sizes[None] == sizes[True] < sizes[False] / 2


# -- other programs


@pytest.mark.parametrize("dask_source", [False, True])
@pytest.mark.parametrize("s", [0, 3])
def test_it_opens_lazily_as_zarr(dask_source, s, tmp_path):
    da = cells(s=s)
    source = da.chunk({"z": 1, "y": 70, "x": 170}) if dask_source else da
    report = write([source, source[:1]], tmp_path / "a.ome.tif")
    for series, one in enumerate([da, da[:1]]):
        store = tifffile.imread(report.target, aszarr=True, series=series)
        group = zarr.open_group(store, mode="r")
        (multiscales,) = group.attrs.get("ome", group.attrs)["multiscales"]
        paths = [dataset["path"] for dataset in multiscales["datasets"]]
        assert len(paths) == 3
        for path, wanted in zip(paths, levels_of(one), strict=True):
            np.testing.assert_array_equal(group[path][:], wanted.squeeze())
        lazy = dask.array.from_zarr(group[paths[0]])
        np.testing.assert_array_equal(
            lazy[..., 10:20, 5:9].compute(), group[paths[0]][..., 10:20, 5:9]
        )
        store.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compression", sorted(CODECS))
def test_bioio(compression, tmp_path):
    from bioio_ome_tiff import Reader

    da = cells("uint8").expand_dims(t=2, c=2).copy()
    da.data = da.values.copy()
    da.data[1, 0] //= 2
    da.data[:, 1] //= 3
    report = write([da, da[:1, 0]], tmp_path / "a.ome.tif", compression=compression)
    reader = Reader(report.target)
    assert len(reader.scenes) == 2
    slack = 12 if compression == "jpeg" else 0
    for scene, one in zip(reader.scenes, [da, da[:1, 0].expand_dims(c=1, axis=1)], strict=True):
        reader.set_scene(scene)
        got = reader.xarray_dask_data
        assert got.dims == ("T", "C", "Z", "Y", "X")
        np.testing.assert_allclose(got.values.astype(int), one.values.astype(int), atol=slack)


@pytest.mark.parametrize(("compression", "dtype", "s"), BY_LIBTIFF)
def test_libtiff(compression, dtype, s, tmp_path):
    tiffinfo, tiffcp = program("tiffinfo"), program("tiffcp")
    da = cells(dtype, s=s)
    report = write(da, tmp_path / "a.ome.tif", compression=compression)
    # -D: every tile of every page is decoded.
    text = run(tiffinfo, "-D", report.target)
    assert text.count("=== TIFF directory") == 3
    # By chains: tifffile before 2026.11 chains SubIFDs of neighbouring levels as well.
    assert text.count("SubIFD 0 of chain") == 6
    assert text.count("Tile Width: 64 Tile Length: 64") >= 9
    assert text.count("SubIFD Offsets") == 3
    assert "tifffile" not in text  # nor in any SubIFD
    for page in range(3):
        run(tiffcp, "-c", "none", f"{report.target},{page}", tmp_path / "copy.tif")
        if compression == "jpeg" and s:
            continue  # libtiff copies subsampled YCbCr as it is, which tifffile does not read
        with tifffile.TiffFile(tmp_path / "copy.tif") as tiff:
            got = tiff.pages[0].asarray()
        slack = 12 if compression == "jpeg" else 0
        np.testing.assert_allclose(got.astype(float), da.values[page].astype(float), atol=slack)


@pytest.mark.parametrize(("compression", "dtype", "s"), BY_LIBTIFF)
def test_libvips(compression, dtype, s, tmp_path):
    vips = program("vips")
    da = cells(dtype, s=s)
    report = write(da, tmp_path / "a.ome.tif", compression=compression)
    for page in range(3):
        for subifd, wanted in zip((-1, 0, 1), levels_of(da[page]), strict=True):
            place = f"{report.target}[page={page},subifd={subifd}]"
            run(vips, "copy", place, tmp_path / "copy.tif[compression=none]")
            with tifffile.TiffFile(tmp_path / "copy.tif") as tiff:
                got = tiff.pages[0].asarray()
            slack = 30 if compression == "jpeg" else 1e-3 if dtype == "float32" else 0
            np.testing.assert_allclose(got.astype(float), wanted.astype(float), atol=slack)


# -- several images


def several():
    return [
        cells("uint16").rename("raw"),
        cells("uint8", z=0, s=3, y=33, x=200).rename("overview"),
        (cells("uint8", z=1) // 100).rename("nuclei").assign_attrs(kind="labels"),
        cells("float32", z=0, y=20, x=10).rename("small"),
    ]


@pytest.mark.parametrize("budget", ["20 kB", "1 GiB"])
@pytest.mark.parametrize("lazy", [False, True])
def test_several_images_of_any_shape_and_type(lazy, budget, tmp_path):
    images = several()
    sources = [da.chunk({"y": 37}) if lazy else da for da in images]
    report = write(sources, tmp_path / "a.ome.tif", levels=None, memory_budget=budget, workers=2)
    assert [p.image.name for p in (report.plan, *report.others)] == [
        "raw", "overview", "nuclei", "small",
    ]  # fmt: skip
    with tifffile.TiffFile(report.target) as tiff:
        assert_valid_ome_xml(tiff.ome_metadata)
        assert [(s.name, len(s.levels)) for s in tiff.series] == [
            ("raw", 3), ("overview", 3), ("nuclei", 3), ("small", 1),
        ]  # fmt: skip
        for series, da in zip(tiff.series, images, strict=True):
            np.testing.assert_array_equal(series.asarray(), da.values.squeeze())
        # No label between two labels was invented.
        for level in tiff.series[2].levels:
            assert set(np.unique(level.asarray())) <= set(np.unique(images[2]))
        # Only the first page says what is in the file.
        pages = (tiff.pages.get(i, aspage=True) for i in range(len(tiff.pages)))
        described = [page.index for page in pages if "ImageDescription" in page.tags]
        assert described == [0]


def test_a_dataset_is_several_images(tmp_path):
    dataset = xr.Dataset({"raw": cells(), "nuclei": cells("uint8")})
    report = dataset.bioexport.ome_tiff(tmp_path / "a.ome.tif", progress=False)
    same = write(
        list(dataset.data_vars.values()), tmp_path / "b.ome.tif", levels=None, tile=(512, 512)
    )
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b.ome.tif").read_bytes()
    assert report.nbytes == same.nbytes
    with tifffile.TiffFile(report.target) as tiff:
        assert [series.name for series in tiff.series] == ["raw", "nuclei"]


def test_progress_counts_the_blocks_of_all_images(tmp_path):
    heard = []
    report = write(several(), tmp_path / "a.ome.tif", levels=2, progress=heard.append)
    n_blocks = sum(plan.n_blocks for plan in (report.plan, *report.others))
    assert [p.done for p in heard] == list(range(1, n_blocks + 1))
    assert {p.total for p in heard} == {n_blocks}


def test_a_failing_second_image_leaves_nothing(tmp_path):
    lazy = dask.array.zeros((3, 64, 64), chunks=(1, 64, 64), dtype="uint8")
    broken = xr.DataArray(lazy.map_blocks(lambda block: [][0], dtype="uint8"), dims=("z", "y", "x"))
    with pytest.raises(nbexport.SourceError, match="computing the pixels at z 0:1"):
        write([cells(), broken], tmp_path / "a.ome.tif", levels=1)
    assert list(tmp_path.iterdir()) == []


# -- sizes


@pytest.mark.parametrize(("over", "bigtiff"), [(0, False), (1, True)])
def test_bigtiff_only_where_the_file_could_outgrow_classic(over, bigtiff, tmp_path, monkeypatch):
    da = cells()
    report = write(da, tmp_path / "a.ome.tif")
    largest = []
    real = _tiff_pages._largest_nbytes
    monkeypatch.setattr(
        _tiff_pages, "_largest_nbytes", lambda plan: largest.append(real(plan)) or largest[-1]
    )
    write(da, tmp_path / "b.ome.tif")
    with tifffile.TiffFile(report.target) as tiff:
        description = tiff.pages[0].tags["ImageDescription"].count - 1  # its end
    limit = largest[0] + description + 1 - over
    monkeypatch.setattr(_tiff_pages, "CLASSIC_NBYTES", limit)
    write(da, tmp_path / "c.ome.tif")
    with tifffile.TiffFile(tmp_path / "c.ome.tif") as tiff:
        assert tiff.is_bigtiff == bigtiff
        np.testing.assert_array_equal(tiff.series[0].asarray(), da.values)
    for wanted in (True, False):
        write(da, tmp_path / "d.ome.tif", bigtiff=wanted, overwrite=True)
        with tifffile.TiffFile(tmp_path / "d.ome.tif") as tiff:
            assert tiff.is_bigtiff == wanted


@pytest.mark.parametrize("compression", sorted(CODECS))
@pytest.mark.parametrize(
    "sizes", [{"y": 1, "x": 1, "z": 200}, {"y": 129, "x": 65}, {"y": 640, "x": 640}]
)
def test_the_estimate_is_never_too_small(compression, sizes, tmp_path):
    """Noise, which nothing compresses: codecs make it larger than it was."""
    rng = np.random.default_rng(0)
    shape = tuple(({"z": 2} | sizes)[name] for name in "zyx")
    da = xr.DataArray(rng.integers(0, 256, shape, dtype="uint8"), dims=("z", "y", "x"))
    report = write(da, tmp_path / "a.ome.tif", compression=compression, levels=None, bigtiff=True)
    with tifffile.TiffFile(report.target) as tiff:
        description = tiff.pages[0].tags["ImageDescription"].count - 1  # its end
    assert report.nbytes <= _tiff_pages._largest_nbytes(report.plan) + description


def test_small_files_are_classic(tmp_path):
    write(several(), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert not tiff.is_bigtiff


def test_planes_larger_than_the_budget_go_by_rows_of_tiles(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4000, (2, 1000, 700), dtype="uint16")
    da = xr.DataArray(dask.array.from_array(pixels, chunks=(1, 100, 700)), dims=("z", "y", "x"))
    budget = 400_000  # a plane has 1.4 MB
    report = write(da, tmp_path / "a.ome.tif", levels=4, memory_budget=budget, workers=2)
    assert len(report.plan.passes) > 1
    assert report.plan.passes[0].block[1] < 1000
    assert report.plan.passes[0].leaf[1:] != (1000, 700)
    with tifffile.TiffFile(report.target) as tiff:
        for level, wanted in zip(tiff.series[0].levels, levels_of(da, 4), strict=True):
            np.testing.assert_array_equal(level.asarray(), wanted)


def test_many_planes(tmp_path):
    """Five axes, 4000 tiny planes from dask; 100,000 differ in nothing but their number."""
    pixels = np.arange(100 * 2 * 20 * 4 * 4, dtype="uint32").reshape(100, 2, 20, 4, 4)
    da = xr.DataArray(dask.array.from_array(pixels, chunks=(1, 2, 20, 4, 4)), dims=tuple("tczyx"))
    report = write(da, tmp_path / "a.ome.tif", levels=1)
    with tifffile.TiffFile(report.target) as tiff:
        assert len(tiff.pages) == 4000
        np.testing.assert_array_equal(tiff.series[0].asarray(), pixels)


# -- what is refused


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"compression": "rar"},
            r"compression='rar' is not known; use one of zlib, zstd, lzw, jpeg",
        ),
        ({"compression": ["zlib"]}, r"compression=\['zlib'\] is not known"),
        (
            {"compression": "lzw", "compression_level": 3},
            r"'lzw', which has no levels; leave it out",
        ),
        (
            {"compression": "none", "compression_level": 0},
            r"level=0 is not possible with 'none', wh",
        ),
        (
            {"compression_level": 13},
            r"compression_level=13 is not possible with 'zlib'; use 1 to 12",
        ),
        ({"compression_level": True}, r"compression_level=True is not possible with 'zlib'; use 1"),
        (
            {"compression": "zstd", "compression_level": 0},
            r"0 is not possible with 'zstd'; use 1 to",
        ),
        (
            {"compression": "jpeg", "compression_level": 101},
            r"101 is not possible .*; use 1 to 100",
        ),
        (
            {"compression": "jpeg2000", "compression_level": 9.5},
            r"=9\.5 is not possible .* 1 to 100",
        ),
        ({"predictor": 3}, r"predictor=3 is neither True .* False nor None"),
        (
            {"predictor": True, "compression": "none"},
            r"predictor=True is not possible with .*'none'",
        ),
        (
            {"predictor": True, "compression": "jpegxl"},
            r"='jpegxl'; leave it out, or use zlib, zstd",
        ),
        (
            {"compression": "jpeg"},
            r"'jpeg' holds uint8, and the pixels of 'cells' are uint16; use z",
        ),
        ({"bigtiff": "auto"}, r"bigtiff='auto' is neither True, False nor None"),
    ],
)  # fmt: skip
def test_options_that_are_refused(options, text, tmp_path):
    with pytest.raises(PlanError, match=text):
        write(cells(), tmp_path / "a.ome.tif", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("da", "options", "text"),
    [
        (cells("uint32"), {"compression": "jpeg2000"}, r"holds uint8, int8, uint16 or int16, and"),
        (
            cells("float32"), {"compression": "jpegxl"},
            r"holds uint8 or uint16, and the pixels of '",
        ),
        (cells("float32"), {"predictor": True}, r"True is not possible for float32 pixels, whose"),
        (
            cells("uint8", s=4), {"compression": "jpeg"},
            r"holds no alpha, and 'cells' is RGBA; use z",
        ),
        (
            cells("uint8").assign_attrs(kind="labels"), {"compression": "jpeg"},
            r"labels of 'cells'; use zlib$",
        ),
        (
            cells("uint8").assign_attrs(kind="labels"),
            {"compression": "jpegxl", "compression_level": 90},
            r"use zlib, or leave compression_level out",
        ),
        ([cells(), cells("float32").rename("b")], {"predictor": True}, r"float32 pixels"),
        ([], {}, r"there are no images here; give at least one DataArray"),
        (xr.Dataset(), {}, r"there are no images here"),
        (
            [cells(), cells()], {"name": "both"},
            r"name='both' is one name for 2 images; leave it out",
        ),
    ],
)  # fmt: skip
def test_images_that_are_refused(da, options, text, tmp_path):
    with pytest.raises(PlanError, match=text):
        write(da, tmp_path / "a.ome.tif", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("da", [np.zeros((3, 3)), {"a": cells()}, [np.zeros((3, 3))], "cells.tif"])
def test_what_is_no_image(da, tmp_path):
    with pytest.raises(TypeError, match=r"xarray\.DataArray is needed, got (ndarray|dict|str)"):
        write(da, tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []
