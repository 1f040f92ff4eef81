"""Every real file, opened by a real reader, exported to both formats and read back by others."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import ome_types
import pint
import pytest
import tifffile
import xarray as xr
import zarr
from reference import SHARED, assert_valid_ome_xml, assert_valid_ome_zarr, pyramid

import nbexport

DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared images are not here")

INDEX = json.loads((DATA / "index.json").read_text())["images"] if DATA.is_dir() else []
FILES = {entry["file"]: entry for entry in INDEX}
LABELS = {
    "xy_16bit_labels__nuclei.tif",
    "stardist_mask2d.tif",
    "cardiomyocyte_nuclei_labels.tif",
}
UNITS = pint.UnitRegistry()


def open_file(name: str) -> xr.DataArray:
    if name.endswith(".czi"):
        from bioio import BioImage

        return BioImage(DATA / name).xarray_dask_data
    spec = importlib.util.spec_from_file_location("load", DATA / "load.py")
    load = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(load)
    return load.load(name)


def expected(name: str) -> dict:
    """What index.json says of a file, in storage order, in micrometres and seconds."""
    entry = FILES[name]
    dims = [d.lower() for d in entry["dims"]]
    if name.endswith(".czi"):
        dims = ["t", "c", "z", "y", "x"]
    step = {
        axis: UNITS.Quantity(size, entry["unit"]).to("micrometer").magnitude
        for axis, size in (entry.get("pixel_size") or {}).items()
    }
    if entry.get("time_interval"):
        interval = UNITS.Quantity(entry["time_interval"], entry["time_unit"])
        step["t"] = interval.to("second").magnitude
    colors = [c.removeprefix("#").upper() for c in entry.get("channel_colors") or ()]
    return {
        "dims": dims,
        "step": step,
        "names": entry.get("channel_names") if "c" in dims else None,
        "colors": colors,
        "windows": entry.get("contrast_limits"),
        "emission": entry.get("emission_nm"),
    }


def stored(da: xr.DataArray, dims: list[str], order: str) -> np.ndarray:
    """Return the pixels of `da` in the order of `order`, by plain numpy."""
    axes = [dims.index(name) for name in order if name in dims]
    native = np.asarray(da.data)
    return native.transpose(axes).astype(native.dtype.newbyteorder("="))


def default_steps(truth: dict, dims: str, n_steps: int, *, tiff: bool) -> list[tuple[int, ...]]:
    """Halve y and x, and z while it is sampled at least as finely: said again, in plain words."""
    size = {name: truth["step"].get(name) for name in "zyx"}
    steps = []
    for _ in range(n_steps):
        fine_z = not tiff and None not in size.values() and size["z"] <= size["y"] * 1.000001
        steps.append(tuple(2 if d in "yx" or (d == "z" and fine_z) else 1 for d in dims))
        size = {d: s * 2 if s is not None and (d in "yx" or fine_z) else s for d, s in size.items()}
    return steps


@pytest.mark.parametrize("name", FILES)
def test_ome_tiff(name, tmp_path):
    da, truth = open_file(name), expected(name)
    path = tmp_path / "image.ome.tif"
    nbexport.write_ome_tiff(da, path, levels=3, progress=False)

    order = "".join(d for d in "tczyxs" if d in truth["dims"])
    method = "mode" if name in LABELS else "mean"
    steps = default_steps(truth, order, 2, tiff=True)
    reference = pyramid(stored(da, truth["dims"], order), steps, method)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        assert len(tiff.series) == 1
        assert len(tiff.series[0].levels) == 3
        for level, pixels in zip(tiff.series[0].levels, reference, strict=True):
            assert level.dtype == pixels.dtype
            np.testing.assert_array_equal(level.asarray(squeeze=True), pixels.squeeze())
        text = tiff.ome_metadata
        tags = tiff.pages[0].tags
        if "x" in truth["step"]:
            pixels_per_cm = tags["XResolution"].value
            assert tags["ResolutionUnit"].value == 3
            assert pixels_per_cm[1] / pixels_per_cm[0] * 1e4 == pytest.approx(
                truth["step"]["x"], rel=1e-6
            )
    assert_valid_ome_xml(text)

    (image,) = ome_types.from_xml(text).images
    pixels = image.pixels
    sizes = dict(zip(order, reference[0].shape, strict=True))
    for axis in "tzyx":
        assert getattr(pixels, f"size_{axis}") == sizes.get(axis, 1)
    assert pixels.size_c == sizes.get("c", 1) * sizes.get("s", 1)
    for axis in "zyx":
        size = getattr(pixels, f"physical_size_{axis}")
        if axis in truth["step"]:
            assert getattr(pixels, f"physical_size_{axis}_unit").value == "µm"
            assert size == pytest.approx(truth["step"][axis], rel=1e-6)
        else:
            assert size is None
    if "t" in truth["step"]:
        increment = UNITS.Quantity(pixels.time_increment, pixels.time_increment_unit.value)
        assert increment.to("s").magnitude == pytest.approx(truth["step"]["t"])
    else:
        assert pixels.time_increment is None
    if truth["names"]:
        assert [c.name for c in pixels.channels] == truth["names"]
    if truth["colors"]:
        colors = [c.color.as_hex(format="long").removeprefix("#").upper() for c in pixels.channels]
        assert colors == truth["colors"]
    if truth["emission"]:
        assert [c.emission_wavelength for c in pixels.channels] == truth["emission"]
    if truth["windows"]:
        kept = {
            m.k: json.loads(m.value)
            for note in ome_types.from_xml(text).structured_annotations.map_annotations
            for m in note.value.ms
        }
        assert [kept[f"window of channel {i}"] for i in range(len(truth["windows"]))] == truth[
            "windows"
        ]


@pytest.mark.parametrize("name", FILES)
def test_ome_zarr(name, tmp_path):
    da, truth = open_file(name), expected(name)
    path = tmp_path / "image.ome.zarr"
    nbexport.write_ome_zarr(da, path, levels=3, progress=False)

    assert_valid_ome_zarr(path)
    rgb = "s" in truth["dims"]
    source = ["c" if d == "s" else d for d in truth["dims"]]
    order = "".join(d for d in "tczyx" if d in source)
    method = "mode" if name in LABELS else "mean"
    steps = default_steps(truth, order, 2, tiff=False)
    reference = pyramid(stored(da, source, order), steps, method)
    group = zarr.open_group(path, mode="r")
    for i, pixels in enumerate(reference):
        array = group[str(i)]
        assert array.dtype == pixels.dtype
        assert array.metadata.dimension_names == tuple(order)
        np.testing.assert_array_equal(array[:], pixels)
    assert set(group.array_keys()) == {"0", "1", "2"}

    import ome_zarr_models.v05

    attributes = ome_zarr_models.v05.Image.from_zarr(group).attributes.ome
    (multiscale,) = attributes.multiscales
    assert [axis.name for axis in multiscale.axes] == list(order)
    total = np.ones(len(order))
    for level, dataset in enumerate(multiscale.datasets):
        if level:
            total *= steps[level - 1]
        scale, translation = dataset.coordinateTransformations
        for i, axis in enumerate(multiscale.axes):
            step = truth["step"].get(axis.name)
            if step is not None:
                unit = "second" if axis.name == "t" else "micrometer"
                got = UNITS.Quantity(scale.scale[i], axis.unit).to(unit).magnitude
                assert got == pytest.approx(step * total[i], rel=1e-6)
            else:
                assert axis.unit is None
                assert scale.scale[i] == total[i]
            # A block mean lies in the middle of its block; a mode too.
            assert translation.translation[i] == pytest.approx(
                scale.scale[i] / total[i] * (total[i] - 1) / 2, rel=1e-6
            )
    if name in LABELS:
        assert "omero" not in group.attrs["ome"]
        return
    channels = group.attrs["ome"]["omero"]["channels"]
    assert len(channels) == dict(zip(order, reference[0].shape, strict=True)).get("c", 1)
    if truth["names"]:
        assert [c["label"] for c in channels] == truth["names"]
    if truth["colors"]:
        assert [c["color"] for c in channels] == truth["colors"]
    if rgb:
        assert [c["color"] for c in channels] == ["FF0000", "00FF00", "0000FF"]
    for i, channel in enumerate(channels):
        window = channel["window"]
        start, end = window["start"], window["end"]
        assert window["min"] <= start < end <= window["max"]
        if truth["windows"]:
            assert [start, end] == truth["windows"][i]
        elif not rgb:
            coarse = np.take(reference[-1], i, order.index("c")) if "c" in order else reference[-1]
            finite = coarse[np.isfinite(coarse)]
            assert finite.min() <= start <= np.median(finite) + 1
            assert np.median(finite) <= end <= finite.max() + 1
