"""OME-XML and NGFF attributes of what real files do not have, checked by their own schemas."""

from __future__ import annotations

import numpy as np
import ome_types
import pytest
import tifffile
import xarray as xr
import zarr
from reference import assert_valid_ome_xml, assert_valid_ome_zarr

import nbexport
from nbexport import Channel
from nbexport.metadata import OME_PIXEL_TYPES, ngff_attributes
from nbexport.testing import assert_same_image, cells, labels

DTYPES = [*OME_PIXEL_TYPES]


def written(da, tmp_path, **options) -> tuple[ome_types.OME, str]:
    path = tmp_path / "a.ome.tif"
    nbexport.write_ome_tiff(da, path, overwrite=True, progress=False, **options)
    with tifffile.TiffFile(path) as tiff:
        text = tiff.ome_metadata
    assert_valid_ome_xml(text)
    return ome_types.from_xml(text), text


def planes(dims="tczyx", shape=(2, 2, 3, 8, 9), dtype="uint8", **coords) -> xr.DataArray:
    pixels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    return xr.DataArray(pixels, dims=tuple(dims), coords=coords)


@pytest.mark.parametrize("dtype", [*DTYPES, "bool", "float16", ">i4", "int64", "uint64"])
def test_every_pixel_type_comes_back(dtype, tmp_path):
    pixels = (np.arange(40 * 50) % 2).reshape(40, 50).astype(dtype)
    da = xr.DataArray(pixels, dims=("y", "x"))
    ome, _ = written(da, tmp_path, tile=(16, 16), levels=2)
    back = tifffile.imread(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(back, pixels)
    assert OME_PIXEL_TYPES[back.dtype.name] == ome.images[0].pixels.type.value
    nbexport.write_ome_zarr(da, tmp_path / "a.ome.zarr", progress=False, chunks=(16, 16))
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "a.ome.zarr")["0"][:], pixels)


def test_integers_of_64_bits_take_the_smallest_type_that_holds_them(tmp_path):
    for low, high, dtype in [
        (0, 200, "uint8"),
        (0, 300, "uint16"),
        (-5, 5, "int8"),
        (0, 2**20, "u4"),
    ]:
        da = xr.DataArray(np.array([[low, high]]), dims=("y", "x"))
        report = nbexport.write_ome_tiff(da, tmp_path / "a.tif", overwrite=True, progress=False)
        assert report.plan.image.dtype == np.dtype(dtype).name
        assert f"written as {np.dtype(dtype).name}: OME-TIFF has no int64" in report.notes[-1]


def test_positions_and_times_of_planes(tmp_path):
    da = planes(
        t=("t", [0.0, 7.0], {"units": "min"}),
        z=("z", [5.0, 6.0, 9.0], {"units": "um"}),
        y=("y", 100 + 0.5 * np.arange(8), {"units": "um"}),
        x=("x", 2 + 0.2 * np.arange(9), {"units": "mm"}),
        exposure=("c", [0.1, 0.25], {"units": "s"}),
    ).assign_coords(t=("t", [1.0, 8.0], {"units": "min"}))
    ome, _ = written(da, tmp_path)
    pixels = ome.images[0].pixels
    assert len(pixels.planes) == 12
    last = pixels.planes[-1]
    assert (last.the_z, last.the_c, last.the_t) == (2, 1, 1)
    assert (last.position_x, last.position_y, last.position_z) == (2000.0, 100.0, 9.0)
    assert (last.delta_t, last.delta_t_unit.value) == (8.0, "min")
    assert (last.exposure_time, last.exposure_time_unit.value) == (0.25, "s")
    assert (pixels.time_increment, pixels.time_increment_unit.value) == (7.0, "min")
    assert pixels.physical_size_x == 200.0
    order = [(p.the_t, p.the_c, p.the_z) for p in pixels.planes]
    assert order == sorted(order)


def test_uneven_times_are_kept_plane_by_plane(tmp_path):
    da = planes(t=("t", [0.0, 1.0, 5.0], {"units": "s"}), shape=(3, 1, 1, 8, 9))
    ome, _ = written(da, tmp_path)
    assert [p.delta_t for p in ome.images[0].pixels.planes] == [0.0, 1.0, 5.0]
    assert ome.images[0].pixels.time_increment is None


def test_a_size_without_a_unit_does_not_become_micrometres(tmp_path):
    da = planes("yx", (8, 9), x=("x", 0.3 * np.arange(9)))
    pixels = written(da, tmp_path)[0].images[0].pixels
    assert (pixels.physical_size_x, pixels.physical_size_x_unit.value) == (0.3, "reference frame")
    assert pixels.physical_size_y is None


def test_names_of_every_script_and_attributes(tmp_path):
    da = planes("cyx", (2, 8, 9), c=["β < & > \" '", "細胞"], dtype="uint16")
    da = da.rename("Zellen µm ✓").assign_attrs(operator="Zoë", gain=2.5)
    ome, _ = written(da, tmp_path)
    assert [c.name for c in ome.images[0].pixels.channels] == list(da.c.values)
    assert ome.images[0].name == "Zellen µm ✓"
    notes = ome.structured_annotations.map_annotations
    kept = {m.k: m.value for note in notes for m in note.value.ms}
    assert kept == {"operator": '"Zoë"', "gain": "2.5"}


def test_the_same_export_twice_gives_the_same_bytes(tmp_path):
    da = cells(t=2, z=2, y=64, x=64).assign_attrs(gain=2)
    _, first = written(da, tmp_path)
    before = (tmp_path / "a.ome.tif").read_bytes()
    _, second = written(da, tmp_path)
    assert first == second
    assert before == (tmp_path / "a.ome.tif").read_bytes()


def test_rgb_is_interleaved_in_tiff_and_channels_in_zarr(tmp_path):
    rng = np.random.default_rng(0)
    for n in (3, 4):
        pixels = rng.integers(0, 255, (2, 40, 50, n), dtype="uint8")
        da = xr.DataArray(pixels, dims=("t", "y", "x", "s"))
        ome, _ = written(da, tmp_path, tile=(16, 16), levels=2)
        (channel,) = ome.images[0].pixels.channels
        assert (channel.samples_per_pixel, ome.images[0].pixels.size_c) == (n, n)
        with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
            assert tiff.pages[0].photometric == tifffile.PHOTOMETRIC.RGB
            assert tiff.pages[0].planarconfig == tifffile.PLANARCONFIG.CONTIG
            assert tiff.series[0].axes == "TYXS"
            np.testing.assert_array_equal(tiff.series[0].asarray(), pixels)
        path = tmp_path / f"{n}.ome.zarr"
        nbexport.write_ome_zarr(da, path, progress=False)
        assert_valid_ome_zarr(path)
        np.testing.assert_array_equal(zarr.open_group(path)["0"][:], pixels.transpose(0, 3, 1, 2))
    with pytest.raises(nbexport.AxisError, match=r"c=2 and s=3, and OME-Zarr has one channel axis"):
        nbexport.write_ome_zarr(
            planes("cyxs", (2, 8, 9, 3)), tmp_path / "no.ome.zarr", progress=False
        )


def test_ngff_keeps_what_it_has_no_field_for_under_our_own_key(tmp_path):
    da = cells(t=2, y=32, x=32).assign_attrs(gain=2.5, acquired="2026-11-22T10:00:00")
    path = tmp_path / "a.ome.zarr"
    nbexport.write_ome_zarr(da, path, progress=False)
    assert_valid_ome_zarr(path)
    assert zarr.open_group(path).attrs["nbexport"] == {
        "acquired": "2026-11-22T10:00:00",
        "attributes": {"gain": 2.5},
        "channels": [{"emission_nm": 461.0}, {"emission_nm": 521.0}],
    }


def test_given_windows_reach_omero_and_widen_the_range(tmp_path):
    da = cells(y=32, x=32, dtype="float32")
    path = tmp_path / "a.ome.zarr"
    report = nbexport.write_ome_zarr(
        da,
        path,
        progress=False,
        channels=[Channel(label="a", window=(-5.0, 9000.0)), {"window": (10, 20)}],
    )
    first, second = zarr.open_group(path).attrs["ome"]["omero"]["channels"]
    assert first["window"] == {"min": -5.0, "max": 9000.0, "start": -5.0, "end": 9000.0}
    assert (second["window"]["start"], second["window"]["end"]) == (10.0, 20.0)
    assert second["window"]["min"] <= 10
    again = ngff_attributes(report.plan, [(0, 1, 0, 1), (0, 1, 0, 1)], "0.5")
    assert again["ome"]["multiscales"] == zarr.open_group(path).attrs["ome"]["multiscales"]


def test_plain_imagej_finds_the_pixel_size(tmp_path):
    da = planes("yx", (8, 9), x=("x", 0.25 * np.arange(9), {"units": "um"}))
    da = da.assign_coords(y=("y", 500.0 * np.arange(8), {"units": "nm"}))
    written(da, tmp_path)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        tags = tiff.pages[0].tags
        x, y = (tags[f"{a}Resolution"].value for a in "XY")
        assert tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
        assert (x[0] / x[1], y[0] / y[1]) == (40000, 20000)


def test_small_files_are_classic_tiff(tmp_path):
    written(cells(y=64, x=64), tmp_path)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert not tiff.is_bigtiff
    written(cells(y=64, x=64), tmp_path, bigtiff=True)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.is_bigtiff


@pytest.mark.parametrize("compression", ["zlib", "zstd", "lzw", "none"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_compressions(compression, dtype, tmp_path):
    da = cells(t=2, y=70, x=90, dtype=dtype)
    written(da, tmp_path, compression=compression, tile=(32, 48), levels=3)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), da.values)


@pytest.mark.parametrize("compression", ["blosc-zstd", "blosc-lz4", "zstd", "gzip", "none"])
def test_zarr_compressions(compression, tmp_path):
    da = cells(t=2, y=70, x=90)
    path = tmp_path / "a.ome.zarr"
    nbexport.write_ome_zarr(da, path, compression=compression, progress=False)
    np.testing.assert_array_equal(zarr.open_group(path)["0"][:], da.values)


@pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument")  # bioio-ome-tiff
def test_the_synthetic_truth_comes_back_through_other_readers(tmp_path):
    """Exported, reopened by bioio, described again: the same image."""
    from bioio import BioImage

    da = cells(t=3, c=3, z=4, y=70, x=90)
    written(da, tmp_path)
    back = BioImage(tmp_path / "a.ome.tif").xarray_data
    assert_same_image(back, da)


def test_synthetic_labels_are_labels(tmp_path):
    report = nbexport.write_ome_zarr(labels(), tmp_path / "labels.ome.zarr", progress=False)
    assert report.plan.method == "mode"
    with pytest.raises(AssertionError):
        assert_same_image(labels(), labels(seed=1))
    with pytest.raises(AssertionError, match="axis"):
        assert_same_image(labels(), labels(pixel_size=0.7))
