"""Any images, any options: tifffile reads what numpy computes, ome-types and the XSD agree."""

from __future__ import annotations

from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import dask.array
import numpy as np
import ome_types
import tifffile
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import assert_valid_ome_xml, pyramid

import nbexport

BYTES = ("zlib", "zstd", "lzw", "none")
CODECS = {
    "uint8": (*BYTES, "jpeg2000", "jpegxl"),
    "int8": (*BYTES, "jpeg2000"),
    "uint16": (*BYTES, "jpeg2000", "jpegxl"),
    "int16": (*BYTES, "jpeg2000"),
    "uint32": BYTES,
    "int32": BYTES,
    "float32": BYTES,
    "float64": BYTES,
}


@st.composite
def arrays(draw, dtype):
    """Return pixels with any of t, c, z, in any chunks; or RGB."""
    leading = [name for name in draw(st.permutations("tcz")) if draw(st.booleans())]
    rgb = np.dtype(dtype).kind == "u" and dtype != "uint32" and draw(st.booleans())
    dims = [*(n for n in leading if not rgb or n != "c"), "y", "x"] + ["s"] * rgb
    sizes = {"y": st.integers(1, 90), "x": st.integers(1, 90), "s": st.sampled_from([3, 4])}
    shape = tuple(draw(sizes.get(name, st.integers(1, 4))) for name in dims)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if np.dtype(dtype).kind == "f":
        pixels = rng.normal(100, 1e4, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        low, high = draw(st.sampled_from([(limits.min, limits.max), (0, 5)]))
        pixels = rng.integers(low, high, shape, dtype=dtype, endpoint=True)
    name = draw(st.sampled_from(["cells", "β-Tubulin <3", "raw & cooked"]))
    data = pixels
    if draw(st.booleans()):
        data = dask.array.from_array(pixels, chunks=tuple(draw(st.integers(1, n)) for n in shape))
    da = xr.DataArray(data, dims=dims, name=name)
    if draw(st.booleans()):
        da = da.assign_coords(y=np.arange(shape[dims.index("y")]) * 0.5 + 3)
    return da, pixels


@st.composite
def exports(draw):
    dtypes = draw(st.lists(st.sampled_from(sorted(CODECS)), min_size=1, max_size=3))
    compression = draw(
        st.sampled_from(sorted(set.intersection(*(set(CODECS[dtype]) for dtype in dtypes))))
    )
    level = None
    if compression in ("zlib", "zstd"):
        level = draw(st.none() | st.integers(1, 12))
    floats = any(dtype.startswith("float") for dtype in dtypes)
    predictors = [None, False]
    if compression in ("zlib", "zstd", "lzw") and not floats:
        predictors.append(True)
    options = {
        "tile": (16 * draw(st.integers(1, 4)), 16 * draw(st.integers(1, 4))),
        "levels": draw(st.sampled_from([None, 1, 2])),
        "compression": compression,
        "compression_level": level,
        "predictor": draw(st.sampled_from(predictors)),
        "bigtiff": draw(st.sampled_from([None, True])),
        "memory_budget": draw(st.sampled_from(["4 kB", "1 GiB"])),
        "workers": draw(st.integers(1, 3)),
        "method": draw(st.sampled_from([None, "nearest", "max", "mode"])),
    }
    return [draw(arrays(dtype)) for dtype in dtypes], options, draw(st.sampled_from([0, 2**24]))


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(exports())
def test_tifffile_reads_every_level_of_every_image(export):
    images, options, large_nbytes = export
    smallest = min(min(da.sizes["y"], da.sizes["x"]) for da, _ in images)
    if options["levels"] == 2 and smallest < 2:
        options["levels"] = 1
    with (
        TemporaryDirectory() as folder,
        # So small that blocks count as large ones.
        patch("nbexport.stores.ome_tiff._spool._LARGE_BLOCK_NBYTES", large_nbytes),
    ):
        path = Path(folder, "a.ome.tif")
        das = [da for da, _ in images]
        report = nbexport.write_ome_tiff(
            das if len(das) > 1 else das[0], path, progress=False, **options
        )
        with tifffile.TiffFile(path) as tiff:
            assert tiff.is_bigtiff == bool(options["bigtiff"])
            assert len(tiff.series) == len(images)
            method = options["method"] or "mean"
            for series, (da, pixels), plan in zip(
                tiff.series, images, (report.plan, *report.others), strict=True
            ):
                check_image(series, da, pixels, options, method, plan)
            text = tiff.ome_metadata
            assert_valid_ome_xml(text)
            ome = ome_types.from_xml(text)
            planes = [prod(da.sizes.get(name, 1) for name in "tcz") for da in das]
            assert len(tiff.pages) == sum(planes)
            assert [i.pixels.tiff_data_blocks[0].plane_count for i in ome.images] == planes
            assert [image.name for image in ome.images] == [da.name for da in das]
        assert sorted(Path(folder).iterdir()) == [path]


def check_image(series, da, pixels, options, method, plan):
    kind = plan.image.kind
    method = plan.method if kind == "labels" else method
    steps = tuple(2 if name in "yx" else 1 for name in da.dims)
    wanted = pyramid(pixels, [steps] * (len(series.levels) - 1), method)
    if options["levels"] is not None:
        assert len(series.levels) == options["levels"]
    else:
        y, x = (da.dims.index(name) for name in "yx")
        fits = [
            level.shape[y] <= options["tile"][0] and level.shape[x] <= options["tile"][1]
            for level in wanted
        ]
        assert fits.index(True) == len(wanted) - 1 if any(fits) else min(wanted[-1].shape) == 1
    for level, expected in zip(series.levels, wanted, strict=True):
        page = level.keyframe
        got = level.asarray()
        assert got.dtype == expected.dtype
        assert got.size == prod(expected.shape)
        stored = [name.lower() for name in level.axes]
        assert [n for n in stored if n in da.dims] == [
            n for n in storage_order(da) if n in stored
        ], level.axes
        got = got.reshape([da.sizes[n] if n not in "yx" else k for n, k in in_order(da, expected)])
        got = np.moveaxis(got, range(got.ndim), [da.dims.index(n) for n in storage_order(da)])
        if expected.dtype.kind == "f" and method == "mean":
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-2)
        else:
            np.testing.assert_array_equal(got, expected)
        differs = page.predictor == 2
        by_bytes = options["compression"] in ("zlib", "zstd", "lzw")
        integers = expected.dtype.kind in "iu"
        assert differs == (by_bytes and integers and options["predictor"] is not False)


def storage_order(da) -> list[str]:
    return [name for name in "tczyxs" if name in da.dims]


def in_order(da, pixels) -> list[tuple[str, int]]:
    return [(name, pixels.shape[da.dims.index(name)]) for name in storage_order(da)]
