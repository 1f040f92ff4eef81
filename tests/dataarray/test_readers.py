"""What the readers people use hand out is understood: the real packages, on real files."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import bioio_tifffile
import czifile
import dask.array
import multiscale_spatial_image
import nd2
import ngff_zarr
import numpy as np
import ome_types
import pint_xarray  # registers .pint
import pytest
import spatial_image
import tifffile
import xarray as xr
from bioio import BioImage
from reference import SHARED

import nbexport
from nbexport.testing import cells

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared images are not here")
PIXELS = np.random.default_rng(0).integers(0, 1000, (3, 2, 4, 16, 20), dtype="u2")
NIKON = 0.16780898323268245
ZEISS = 0.19564437607395324

# bioio-ome-tiff 1.4 hands ome-types an argument that it ignores since 0.4.
ome_tiff_parser = pytest.mark.filterwarnings("ignore:.*the parser argument is ignored")


def spacing(image: nbexport.ImageSpec) -> dict:
    """Axis name to (scale, translation, unit), None where the image says nothing."""
    return {
        axis.name: (axis.scale, axis.translation, axis.unit) if axis.calibrated else None
        for axis in image.axes
        if axis.type != "channel"
    }


def labels(image: nbexport.ImageSpec) -> list[str]:
    return [channel.label for channel in image.channels]


def colors(image: nbexport.ImageSpec) -> list[str]:
    return [channel.color for channel in image.channels]


def emissions(image: nbexport.ImageSpec) -> list[float | None]:
    return [channel.emission_nm for channel in image.channels]


def counted(method, calls):
    def call(self, *args, **kwargs):
        calls.append(method.__name__)
        return method(self, *args, **kwargs)

    return call


def near(first: float, start: float = 0.0, unit: str | None = "micrometer") -> tuple:
    return pytest.approx(first, rel=1e-6), pytest.approx(start, rel=1e-6, abs=1e-12), unit


# --- Nikon --------------------------------------------------------------------------------------


def assert_nikon(image: nbexport.ImageSpec) -> None:
    assert image.dims == tuple("tczyx")
    assert image.shape == (3, 2, 10, 31, 38)
    sizes = spacing(image)
    assert sizes["z"] == near(0.5)
    assert sizes["y"] == sizes["x"] == near(NIKON)
    assert labels(image) == ["5-FAM/pH 9.0", "FM 4-64/2% CHAPS"]
    assert colors(image) == ["78E90F", "FE0100"]
    assert emissions(image) == [525, 700]
    assert [channel.excitation_nm for channel in image.channels] == [488, 561]
    assert "dask" not in image.name
    assert not image.attributes or [key for key, _ in image.attributes] == ["P"]


@needs_data
def test_bioio_nd2():
    da = BioImage(DATA / "cluster.nd2").xarray_dask_data
    image = nbexport.describe(da)  # no LossWarning: bioio's T is 0 everywhere, the planes are not
    assert_nikon(image)
    assert image.name == "cluster"
    assert image.acquired == "2014-06-18T13:55:23.392019+00:00"
    time = image.axis("t")
    assert time.unit == "millisecond"
    assert time.positions == pytest.approx((445.083498, 11086.180222, 21740.177912))
    assert [channel.exposure_s for channel in image.channels] == pytest.approx([0.996998] * 2)


@needs_data
def test_bioio_nd2_channels_by_name_keep_their_colors():
    da = BioImage(DATA / "cluster.nd2").xarray_dask_data
    one = nbexport.describe(da.sel(C=["FM 4-64/2% CHAPS"]))
    assert (labels(one), colors(one), emissions(one)) == (["FM 4-64/2% CHAPS"], ["FE0100"], [700])
    scalar = nbexport.describe(da.isel(C=1))
    assert scalar.dims == tuple("tzyx")
    assert (labels(scalar), colors(scalar)) == (["FM 4-64/2% CHAPS"], ["FE0100"])
    swapped = nbexport.describe(da.isel(C=[1, 0]))
    assert (colors(swapped), emissions(swapped)) == (["FE0100", "78E90F"], [700, 525])


@needs_data
def test_bioio_nd2_some_frames_have_no_times():
    da = BioImage(DATA / "cluster.nd2").xarray_dask_data.isel(T=slice(1, 3))
    with pytest.warns(nbexport.LossWarning, match="'T' is 0 at every pixel"):
        image = nbexport.describe(da)
    assert spacing(image)["t"] is None


@needs_data
def test_bioio_nd2_assigned_times_count():
    da = BioImage(DATA / "cluster.nd2").xarray_dask_data
    image = nbexport.describe(da.assign_coords(T=("T", [5.0, 7.0, 9.0], {"units": "s"})))
    assert spacing(image)["t"] == (2.0, 5.0, "second")


@needs_data
@pytest.mark.parametrize("options", [{}, {"delayed": False}, {"squeeze": False}])
def test_nd2(options):
    with nd2.ND2File(DATA / "cluster.nd2") as file:
        da = file.to_xarray(**options)
        # nd2 knows a time for the first frame only, and gives 0 for all.
        with pytest.warns(nbexport.LossWarning, match="'T' is 0 at every pixel"):
            image = nbexport.describe(da)
        assert_nikon(image)
        assert image.name == "image"
        assert spacing(image)["t"] is None
        assert image.acquired is None  # it has local time as text alone, in some country's order
        with pytest.warns(nbexport.LossWarning, match="'T' is 0"):
            one = nbexport.describe(da.isel(C=[1]))
        assert (labels(one), colors(one)) == (["FM 4-64/2% CHAPS"], ["FE0100"])


@needs_data
def test_nd2_times_are_milliseconds():
    with nd2.ND2File(DATA / "cluster.nd2") as file:
        da = file.to_xarray(delayed=False).assign_coords(T=[0.0, 250.0, 500.0])
    assert spacing(nbexport.describe(da))["t"] == (250.0, 0.0, "millisecond")


@needs_data
def test_bioio_nd2_to_ome_tiff(tmp_path, monkeypatch):
    da = BioImage(DATA / "cluster.nd2").xarray_dask_data
    # Left alone, nd2's lazy array opens and closes its file for every block, under other threads.
    opened = []
    monkeypatch.setattr(nd2.ND2File, "open", counted(nd2.ND2File.open, opened))
    nbexport.write_ome_tiff(da, tmp_path / "cluster.ome.tif", workers=2, progress=False)
    assert opened == ["open"]
    assert da.data._context.closed
    (image,) = ome_types.from_tiff(tmp_path / "cluster.ome.tif").images
    truth = da.attrs["processed"].images[0]
    assert image.name == truth.name
    assert image.acquisition_date == truth.acquisition_date
    for axis in "xyz":
        key = f"physical_size_{axis}"
        assert getattr(image.pixels, key) == pytest.approx(getattr(truth.pixels, key))
        assert getattr(image.pixels, f"{key}_unit").value == "µm"
    for ours, theirs in zip(image.pixels.channels, truth.pixels.channels, strict=True):
        assert ours.name == theirs.name
        assert ours.color == theirs.color
        assert ours.emission_wavelength == theirs.emission_wavelength
        assert ours.excitation_wavelength == theirs.excitation_wavelength

    def first_planes(pixels):
        planes = [p for p in pixels.planes if (p.the_z, p.the_c) == (0, 0)]
        return [(p.the_t, p.delta_t, p.delta_t_unit) for p in planes]

    assert first_planes(image.pixels) == first_planes(truth.pixels)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "cluster.ome.tif"), da.values)


# --- Zeiss --------------------------------------------------------------------------------------


def assert_zeiss(image: nbexport.ImageSpec, meter: float, unit: str) -> None:
    sizes = spacing(image)
    assert sizes["z"] == near(0.3 * meter, 0, unit)
    assert sizes["y"] == sizes["x"] == near(ZEISS * meter, 0, unit)
    assert labels(image) == ["ChA"]
    assert emissions(image) == pytest.approx([578.618], abs=1e-3)
    assert image.channels[0].excitation_nm == 561


@needs_data
@pytest.mark.parametrize("scene", [0, 1])
def test_bioio_czi(scene):
    file = BioImage(DATA / "xyz__multiple_images.czi")
    file.set_scene(scene)
    image = nbexport.describe(file.xarray_dask_data)
    assert (image.dims, image.shape) == (tuple("tczyx"), (1, 1, 2, 251, 251))
    assert spacing(image)["t"] is None
    assert_zeiss(image, 1, "micrometer")
    assert image.name == "image"
    assert image.attributes == ()


@needs_data
@pytest.mark.skipif(not hasattr(czifile.CziFile, "asxarray"), reason="czifile is older than 2026")
@pytest.mark.parametrize("scene", [0, 1])
def test_czifile(scene):
    with czifile.CziFile(DATA / "xyz__multiple_images.czi") as file:
        image = nbexport.describe(file.scenes[scene].asxarray())
    assert (image.name, image.dims, image.shape) == (f"Scene {scene}", tuple("zyx"), (2, 251, 251))
    assert_zeiss(image, 1e-6, "meter")


def test_czifile_spectral():
    """As czifile 2026 describes a spectral scan, by its source: no such file is at hand."""
    channels = {"ChS1": {"Color": "#80FF8000"}, "ChS2": {"Color": "#FF00FF00", "Fluor": "GFP"}}
    da = xr.DataArray(
        PIXELS[0, :, 0],
        dims=("C", "Y", "X"),
        coords={"C": [495.5, 530.0], "Y": np.arange(16) * 2e-7, "X": np.arange(20) * 2e-7},
        attrs={
            "coord_units": {"C": "nanometer", "Y": "meter", "X": "meter"},
            "coord_scales": {"Y": 2e-7, "X": 2e-7},
            "channels": channels,
        },
    )
    image = nbexport.describe(da)
    assert spacing(image)["x"] == near(2e-7, 0, "meter")
    assert (labels(image), emissions(image)) == (["ChS1", "ChS2"], [495.5, 530.0])
    assert colors(image) == ["FF8000", "00FF00"]  # Zeiss writes #AARRGGBB
    assert image.channels[1].fluor == "GFP"


# --- TIFF ---------------------------------------------------------------------------------------

META = {
    "axes": "TCZYX",
    "PhysicalSizeX": 0.1,
    "PhysicalSizeXUnit": "µm",
    "PhysicalSizeY": 0.1,
    "PhysicalSizeYUnit": "µm",
    "PhysicalSizeZ": 500.0,
    "PhysicalSizeZUnit": "nm",
    "TimeIncrement": 1.5,
    "TimeIncrementUnit": "min",
    "Channel": {
        "Name": ["DAPI", "GFP"],
        "Color": [0x0000FFFF, 0x00FF00FF],
        "EmissionWavelength": [460, 520],
        "EmissionWavelengthUnit": ["nm", "nm"],
        "Fluor": ["DAPI", "EGFP"],
    },
}


def ome_tiff(path, *metadata: dict):
    with tifffile.TiffWriter(path, ome=True) as writer:
        for entry in metadata:
            writer.write(PIXELS, photometric="minisblack", metadata=entry)
    return path


@ome_tiff_parser
def test_bioio_ome_tiff(tmp_path):
    da = BioImage(ome_tiff(tmp_path / "a.ome.tif", META)).xarray_dask_data
    image = nbexport.describe(da)
    assert (image.dims, image.shape) == (tuple("tczyx"), (3, 2, 4, 16, 20))
    assert image.name == "Image0"
    assert spacing(image) == {
        "t": near(1.5, 0, "minute"),
        "z": near(500, 0, "nanometer"),
        "y": near(0.1),
        "x": near(0.1),
    }
    assert labels(image) == ["DAPI", "GFP"]
    assert colors(image) == ["0000FF", "00FF00"]
    assert emissions(image) == [460, 520]
    assert [channel.fluor for channel in image.channels] == ["DAPI", "EGFP"]
    assert image.attributes == ()
    assert not any("ImageJ" in note for note in image.notes)
    part = nbexport.describe(da.sel(C=["GFP"]).isel(T=slice(1, 3), X=slice(5, 10)))
    assert (labels(part), colors(part)) == (["GFP"], ["00FF00"])
    assert spacing(part)["t"] == near(1.5, 1.5, "minute")
    assert spacing(part)["x"] == near(0.1, 0.5)


@ome_tiff_parser
def test_bioio_ome_tiff_of_two_images(tmp_path):
    second = META | {
        "Name": "second",
        "PhysicalSizeX": 0.3,
        "Channel": {"Name": ["Cy3", "Cy5"], "Color": [-16776961, -1]},
    }
    file = BioImage(ome_tiff(tmp_path / "m.ome.tif", META | {"Name": "first"}, second))
    first = nbexport.describe(file.xarray_dask_data)
    assert (first.name, labels(first)) == ("first", ["DAPI", "GFP"])
    file.set_scene(1)
    image = nbexport.describe(file.xarray_dask_data)
    assert (image.name, labels(image), colors(image)) == (
        "second",
        ["Cy3", "Cy5"],
        ["FF0000", "FFFFFF"],
    )
    assert spacing(image)["x"] == near(0.3)
    part = nbexport.describe(file.xarray_dask_data.sel(C=["Cy3"]))
    assert (part.name, colors(part)) == ("second", ["FF0000"])


@ome_tiff_parser
def test_bioio_ome_tiff_that_knows_nothing(tmp_path):
    da = BioImage(ome_tiff(tmp_path / "bare.ome.tif", {"axes": "TCZYX"})).xarray_dask_data
    assert spacing(nbexport.describe(da)) == dict.fromkeys("tzyx")
    timed = nbexport.describe(da.assign_coords(T=[0.0, 10.0, 20.0]), units={"T": "s"})
    assert spacing(timed)["t"] == (10.0, 0.0, "second")  # what the caller assigned counts


@ome_tiff_parser
def test_bioio_ome_tiff_with_plane_times(tmp_path):
    times = [0.1 * i for i in range(24)]
    metadata = {k: v for k, v in META.items() if not k.startswith("TimeIncrement")}
    metadata["Plane"] = {"DeltaT": times, "DeltaTUnit": ["s"] * 24, "ExposureTime": [0.05] * 24}
    da = BioImage(ome_tiff(tmp_path / "b.ome.tif", metadata)).xarray_dask_data
    image = nbexport.describe(da)
    # bioio's coordinate is the time of each frame's last plane.
    assert spacing(image)["t"] == near(0.8, float(da["T"][0]), "second")
    assert [channel.exposure_s for channel in image.channels] == [0.05, 0.05]


needs_tifffile_asxarray = pytest.mark.skipif(
    not hasattr(tifffile.TiffFile, "asxarray"), reason="tifffile is older than asxarray"
)


@needs_tifffile_asxarray
@needs_data
def test_tifffile_imagej():
    """tifffile's coords are single precision, and still even."""
    with tifffile.TiffFile(DATA / "xyz_calibrated_16bit__golgi_bfa.tif") as file:
        da = file.asxarray()
    image = nbexport.describe(da)
    assert da["X"].dtype == np.float32
    assert (image.dims, image.shape) == (tuple("zyx"), (25, 137, 147))
    assert spacing(image) == {"z": near(0.3876), "y": near(0.3514353), "x": near(0.3514353)}
    assert all(axis.positions is None for axis in image.axes)


@needs_tifffile_asxarray
def test_tifffile_ome(tmp_path):
    with tifffile.TiffFile(ome_tiff(tmp_path / "a.ome.tif", META)) as file:
        da = file.asxarray()
    image = nbexport.describe(da)
    assert spacing(image) == {
        "t": near(1.5, 0, "minute"),
        "z": near(0.5),
        "y": near(0.1),
        "x": near(0.1),
    }
    # tifffile numbers channels by emission or by excitation, without saying which: labels only.
    assert (labels(image), emissions(image)) == (["460", "520"], [None, None])


@needs_tifffile_asxarray
def test_tifffile_that_knows_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "bare.tif", PIXELS[0, 0], photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "bare.tif") as file:
        da = file.asxarray()
    da = da.rename({da.dims[0]: "Z"})
    image = nbexport.describe(da)
    assert spacing(image) == dict.fromkeys("zyx")
    scaled = nbexport.describe(da.assign_coords(X=np.arange(20) * 0.2), units={"x": "um"})
    assert spacing(scaled)["x"] == near(0.2)  # what the caller assigned counts


@needs_tifffile_asxarray
@needs_data
def test_tifffile_composite():
    with tifffile.TiffFile(DATA / "xyc_16bit__hela-cells.tif") as file:
        assert_composite(file.asxarray(), "yxs")


def assert_composite(da: xr.DataArray, dims: str) -> None:
    """ImageJ stores three fluorescence channels as samples; only a note can say so."""
    image = nbexport.describe(da)
    assert (image.dims, image.kind) == (tuple(dims), "rgb")
    assert any("dims={'S': 'c'}" in note for note in image.notes)
    image = nbexport.describe(da, dims={"S": "c"}, channels=["a", "b", "c"])
    assert (image.sizes["c"], image.kind) == (3, "intensity")
    assert spacing(image)["x"] == near(0.0514931362, 0)


@needs_data
class TestBioioTifffile:
    def open(self, name: str) -> xr.DataArray:
        return BioImage(DATA / name, reader=bioio_tifffile.Reader).xarray_dask_data

    def test_time_series(self):
        image = nbexport.describe(self.open("xyt_calibrated_16bit__golgi_bfa_sum_projection.tif"))
        assert (image.dims, image.shape) == (tuple("tczyx"), (30, 1, 1, 137, 147))
        assert spacing(image)["t"] == near(59.86, 0, "second")
        assert spacing(image)["x"] == near(0.3514353)

    def test_stack(self):
        image = nbexport.describe(self.open("xyz_calibrated_16bit__golgi_bfa.tif"))
        assert spacing(image)["z"] == near(0.3876)

    def test_composite(self):
        assert_composite(self.open("xyc_16bit__hela-cells.tif"), "tczyxs")

    def test_no_calibration(self):
        image = nbexport.describe(self.open("mitosis_max_tcyx.tif"))
        assert spacing(image) == dict.fromkeys("tzyx")


# --- OME-Zarr -----------------------------------------------------------------------------------


@pytest.fixture(params=["0.4", "0.5"])
def zarr_store(request, tmp_path):
    """Two levels by ngff-zarr, with consolidated metadata."""
    image = ngff_zarr.to_ngff_image(
        np.tile(PIXELS, (1, 1, 1, 4, 4)),
        dims=tuple("tczyx"),
        scale={"t": 1.5, "c": 1.0, "z": 0.5, "y": 0.1, "x": 0.1},
        translation={"t": 0.0, "c": 0.0, "z": 0.0, "y": 2.0, "x": 3.0},
        name="nuc",
        axes_units={"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"},
    )
    levels = ngff_zarr.to_multiscales(image, scale_factors=[2], chunks=64)
    window = ngff_zarr.OmeroWindow(min=0, max=65535, start=0, end=1000)
    levels.metadata.omero = ngff_zarr.Omero(
        channels=[
            ngff_zarr.OmeroChannel(color=color, window=window, label=label)
            for color, label in (("0000FF", "DAPI"), ("00FF00", "GFP"))
        ]
    )
    path = tmp_path / "a.ome.zarr"
    with warnings.catch_warnings():
        # itkwasm sets the shape of an array, which numpy 2.5 deprecates.
        warnings.filterwarnings("ignore", "Setting the shape on a NumPy array", DeprecationWarning)
        ngff_zarr.to_ngff_zarr(str(path), levels, version=request.param)
    return path


@pytest.fixture
def own_store(tmp_path):
    """Three levels by nbexport, without consolidated metadata."""
    da = cells(t=2, c=3, z=2, y=64, x=64)
    path = tmp_path / "own.ome.zarr"
    nbexport.write_ome_zarr(da, path, levels=3, progress=False)
    return path


class TestBioioOmeZarr:
    @pytest.mark.parametrize("lazy", [True, False])
    def test_levels(self, zarr_store, lazy):
        file = BioImage(zarr_store)
        image = nbexport.describe(file.xarray_dask_data if lazy else file.xarray_data)
        assert (image.name, image.dims) == ("nuc", tuple("tczyx"))
        assert spacing(image) == {
            "t": near(1.5, 0, "second"),
            "z": near(0.5),
            "y": near(0.1, 2.0),
            "x": near(0.1, 3.0),
        }
        assert (labels(image), colors(image)) == (["DAPI", "GFP"], ["0000FF", "00FF00"])
        assert [channel.window for channel in image.channels] == [(0, 1000)] * 2
        file.set_resolution_level(1)
        da = file.xarray_dask_data if lazy else file.xarray_data
        coarse = nbexport.describe(da)
        assert spacing(coarse)["x"][0] == near(0.2)[0]
        assert spacing(coarse)["t"] == near(1.5, 0, "second")
        one = nbexport.describe(da.sel(C=["GFP"]))
        assert (labels(one), colors(one)) == (["GFP"], ["00FF00"])

    def test_own_store(self, own_store):
        file = BioImage(own_store)
        file.set_resolution_level(1)
        image = nbexport.describe(file.xarray_dask_data)
        assert image.name == "cells"
        assert spacing(image)["x"] == near(1.3, 0.325)
        assert emissions(image) == [461, 521, 581]
        # In memory nothing tells the level of a store without consolidated metadata: it is said.
        image = nbexport.describe(file.xarray_data)
        assert any("coarser level" in note for note in image.notes)


def zarr_like(**image) -> xr.DataArray:
    """As bioio-ome-zarr's, with any multiscales metadata."""
    group = SimpleNamespace(attributes={"ome": {"multiscales": [image], **image.pop("beside", {})}})
    return xr.DataArray(PIXELS[:, 0], dims=("T", "Z", "Y", "X"), attrs={"unprocessed": group})


AXES = [
    {"name": "t", "type": "time", "unit": "second"},
    *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
]
LEVEL = {
    "path": "0",
    "coordinateTransformations": [
        {"type": "scale", "scale": [1, 2, 0.5, 0.5]},
        {"type": "translation", "translation": [0, 0, 3, 4]},
    ],
}


def test_zarr_transformations_beside_the_levels_apply_too():
    both = [{"type": "scale", "scale": [30, 1, 2, 1]}]
    image = nbexport.describe(
        zarr_like(axes=AXES, datasets=[LEVEL], coordinateTransformations=both)
    )
    assert spacing(image) == {
        "t": (30, 0, "second"),
        "z": (2, 0, "micrometer"),
        "y": (1, 6, "micrometer"),
        "x": (0.5, 4, "micrometer"),
    }


def test_zarr_with_broken_metadata_is_described():
    omero = {"channels": [{"color": "nonsense", "window": {"start": 5, "end": 5}}]}
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 0, -1, 2]}]}
    image = nbexport.describe(zarr_like(axes=AXES, datasets=[level], beside={"omero": omero}))
    sizes = spacing(image)
    assert sizes["z"] is sizes["y"] is None
    assert sizes["x"] == (2, 0, "micrometer")
    assert colors(image) == ["FFFFFF"]
    assert sum("ignored" in note for note in image.notes) == 4
    old = zarr_like(axes=["t", "z", "y", "x"], datasets=[{"path": "0"}])  # NGFF 0.3
    with pytest.warns(nbexport.LossWarning, match="unprocessed"):
        assert spacing(nbexport.describe(old)) == dict.fromkeys("tzyx")


def test_ngff_zarr(zarr_store):
    image = ngff_zarr.from_ngff_zarr(str(zarr_store)).images[0]
    coords = {
        dim: (dim, image.translation[dim] + image.scale[dim] * np.arange(n))
        for dim, n in zip(image.dims, image.data.shape, strict=True)
        if dim != "c"
    }
    da = xr.DataArray(image.data, dims=image.dims, coords=coords, name=image.name)
    for dim, unit in image.axes_units.items():
        if dim in da.coords:
            da[dim].attrs["units"] = unit
    spec = nbexport.describe(da)
    assert spacing(spec) == {
        "t": near(1.5, 0, "second"),
        "z": near(0.5),
        "y": near(0.1, 2),
        "x": near(0.1, 3),
    }


# --- other labelled arrays ----------------------------------------------------------------------

UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


def test_spatial_image():
    da = spatial_image.to_spatial_image(
        PIXELS,
        dims=tuple("tczyx"),
        scale={"z": 0.5, "y": 0.1, "x": 0.1},
        translation={"z": 0.0, "y": 2.0, "x": 3.0},
        c_coords=["DAPI", "GFP"],
        t_coords=[0.0, 2.0, 4.0],
        axis_units=UNITS,
        name="nuclei",
    )
    image = nbexport.describe(da, kind="intensity")
    assert image.name == "nuclei"
    assert spacing(image) == {
        "t": (2.0, 0.0, "second"),
        "z": near(0.5),
        "y": near(0.1, 2),
        "x": near(0.1, 3),
    }
    assert labels(image) == ["DAPI", "GFP"]
    assert image.attributes == ()
    assert labels(nbexport.describe(da.sel(c="GFP"))) == ["GFP"]


def test_spatial_image_without_sizes():
    """Its default coords number the pixels and have no unit: that is asked for."""
    image = nbexport.describe(spatial_image.to_spatial_image(PIXELS[0, 0]))
    assert [axis.unit for axis in image.axes] == [None] * 3
    assert any("z, y, x" in text for text in image.missing)


def test_multiscale_spatial_image():
    da = spatial_image.to_spatial_image(
        PIXELS[0],
        dims=tuple("czyx"),
        scale={"z": 0.5, "y": 0.1, "x": 0.1},
        c_coords=["DAPI", "GFP"],
        axis_units={k: UNITS[k] for k in "zyx"},
    )
    tree = multiscale_spatial_image.to_multiscale(
        da, scale_factors=[2], method=multiscale_spatial_image.Methods.XARRAY_COARSEN
    )
    image = nbexport.describe(tree["scale1"].ds["image"])
    assert spacing(image) == {"z": near(1.0, 0.25), "y": near(0.2, 0.05), "x": near(0.2, 0.05)}
    assert labels(image) == ["DAPI", "GFP"]


def liffile_like() -> xr.DataArray:
    """As liffile 2026 describes a synthetic LIF: no real one is free to ship."""
    return xr.DataArray(
        PIXELS.transpose(0, 2, 1, 3, 4),
        dims=tuple("TZCYX"),
        coords={
            "T": [0.0, 10.0, 20.0],
            "Z": 1e-6 + np.arange(4) * 5e-7,
            "Y": np.arange(16) * 2e-7,
            "X": np.arange(20) * 2e-7,
            "C": ["DAPI", "ALEXA 488"],
        },
        name="Series001",
        attrs={
            "filepath": "synth.lif",
            "name": "Series001",
            "path": "proj.lif/Series001",
            "UniqueID": "u1",
            "HardwareSetting": {"ATLConfocalSettingDefinition": {"Magnification": 63}},
        },
    )


def test_liffile():
    image = nbexport.describe(liffile_like())
    assert (image.name, image.dims) == ("Series001", tuple("tczyx"))
    assert spacing(image) == {
        "t": (10.0, 0.0, "second"),
        "z": near(5e-7, 1e-6, "meter"),
        "y": near(2e-7, 0, "meter"),
        "x": near(2e-7, 0, "meter"),
    }
    assert labels(image) == ["DAPI", "ALEXA 488"]
    assert "HardwareSetting" in dict(image.attributes)


def test_liffile_to_ome_tiff_is_in_micrometers(tmp_path):
    nbexport.write_ome_tiff(liffile_like(), tmp_path / "a.ome.tif", progress=False)
    pixels = ome_types.from_tiff(tmp_path / "a.ome.tif").images[0].pixels
    assert pixels.physical_size_x == pytest.approx(0.2)
    assert pixels.physical_size_z == pytest.approx(0.5)
    assert pixels.time_increment == 10
    assert [channel.name for channel in pixels.channels] == ["DAPI", "ALEXA 488"]


class Transform:
    """Stands in for spatialdata 0.8's: the package is too heavy for the test extra."""

    def __init__(self, matrix: list[list[float]]) -> None:
        self.matrix = np.array(matrix)

    def to_affine_matrix(self, input_axes, output_axes):
        assert input_axes == output_axes == ("x", "y")
        return self.matrix


def spatialdata_like(matrix, *, step: int = 1) -> xr.DataArray:
    """As Image2DModel.parse's: coords are pixel centres of the finest level."""
    return xr.DataArray(
        dask.array.from_array(PIXELS[0, :, 0]),
        dims=tuple("cyx"),
        coords={
            "c": ("c", ["DAPI", "GFP"], {"long_name": "c", "units": ""}),
            "y": (np.arange(16) + 0.5) * step,
            "x": (np.arange(20) + 0.5) * step,
        },
        attrs={"transform": {"um": Transform(np.eye(3)), "global": Transform(matrix)}},
        name="image",
    )


def test_spatialdata():
    da = spatialdata_like([[0.1, 0, 7], [0, 0.2, 0], [0, 0, 1]])
    image = nbexport.describe(da)
    assert spacing(image) == {"y": near(0.2, 0.1, None), "x": near(0.1, 7.05, None)}
    assert labels(image) == ["DAPI", "GFP"]
    assert image.attributes == ()
    cropped = nbexport.describe(da.isel(x=slice(10, None)))
    assert spacing(cropped)["x"] == near(0.1, 8.05, None)
    # A coarser level has coords 1, 3, 5, … and a transformation of its own.
    coarse = nbexport.describe(spatialdata_like([[0.2, 0, 0], [0, 0.2, 0], [0, 0, 1]], step=2))
    assert spacing(coarse)["x"] == near(0.2, 0.1, None)


def test_spatialdata_without_a_pixel_size():
    assert spacing(nbexport.describe(spatialdata_like(np.eye(3)))) == {"y": None, "x": None}
    turned = nbexport.describe(spatialdata_like([[0, -1, 0], [1, 0, 0], [0, 0, 1]]))
    assert spacing(turned) == {"y": None, "x": None}
    assert any("rotates" in note for note in turned.notes)


def plain(**attrs) -> xr.DataArray:
    return xr.DataArray(PIXELS[0], dims=tuple("czyx"), attrs=attrs)


def quantified(data_unit: str | None) -> xr.DataArray:
    coords = {"t": ("t", [0.0, 2.0, 4.0], {"units": "s"})}
    for dim, n, step in (("y", 16, 100.0), ("x", 20, 100.0)):
        coords[dim] = (dim, np.arange(n) * step, {"units": "nm"})
    attrs = {"units": data_unit} if data_unit else {}
    da = xr.DataArray(PIXELS[:, 0, 0], dims=tuple("tyx"), coords=coords, attrs=attrs)
    return da.pint.quantify()


@pytest.mark.parametrize("data_unit", [None, "count"])
def test_pint_xarray(data_unit, tmp_path):
    da = quantified(data_unit)
    image = nbexport.describe(da)  # UnitStrippedWarning would fail here
    assert spacing(image) == {
        "t": (2.0, 0.0, "second"),
        "y": (100.0, 0.0, "nanometer"),
        "x": (100.0, 0.0, "nanometer"),
    }
    converted = nbexport.describe(da.pint.to(x=pint_xarray.unit_registry.Unit("mm")))
    assert spacing(converted)["x"] == near(1e-4, 0, "millimeter")
    nbexport.write_ome_tiff(da, tmp_path / "a.ome.tif", progress=False)
    assert ome_types.from_tiff(tmp_path / "a.ome.tif").images[0].pixels.physical_size_x == 0.1
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), PIXELS[:, 0, 0])


@pytest.mark.parametrize(
    ("attrs", "sizes"),
    [
        ({"pixel_size": 0.65, "units": "um"}, (None, 0.65, 0.65)),
        ({"pixel_size": (2.0, 0.65, 0.6), "unit": "um"}, (2.0, 0.65, 0.6)),
        ({"spacing": [0.65, 0.6], "units": "micron"}, (None, 0.65, 0.6)),
        ({"voxel_size": {"Z": 2, "Y": 0.65, "X": 0.6}, "units": "µm"}, (2.0, 0.65, 0.6)),
        (
            {
                "physical_pixel_sizes": SimpleNamespace(Z=None, Y=0.65, X=0.6),
                "units": {"y": "um", "x": "um"},
            },
            (None, 0.65, 0.6),
        ),
    ],
    ids=["one number", "zyx", "yx", "by axis", "bioio's tuple"],
)
def test_plain_pixel_size(attrs, sizes):
    image = nbexport.describe(plain(**attrs))
    expected = [None if size is None else (size, 0.0, "micrometer") for size in sizes]
    assert list(spacing(image).values()) == expected
    assert image.attributes == ()


def test_plain_channels():
    image = nbexport.describe(
        plain(
            channel_names=["DAPI", "GFP"],
            channel_colors=["blue", (0, 255, 0)],
            contrast_limits=[(0, 10), (5, 20)],
            emission_nm=[461, 509],
            exposure_time=[0.1, 0.2],
            acquisition_date="2024-05-06T07:08:09",
        )
    )
    assert (labels(image), colors(image)) == (["DAPI", "GFP"], ["0000FF", "00FF00"])
    assert [channel.window for channel in image.channels] == [(0, 10), (5, 20)]
    assert emissions(image) == [461, 509]
    assert [channel.exposure_s for channel in image.channels] == [0.1, 0.2]
    assert image.acquired == "2024-05-06T07:08:09"
    assert image.attributes == ()


def test_unit_of_the_values_is_no_unit_of_space():
    image = nbexport.describe(plain(units="count", pixel_size=0.5))
    assert spacing(image)["x"] == (0.5, 0.0, None)
    assert dict(image.attributes) == {"units": '"count"'}


def test_ome_xml_as_text(tmp_path):
    with tifffile.TiffFile(ome_tiff(tmp_path / "a.ome.tif", META)) as file:
        text = file.ome_metadata
    da = xr.DataArray(PIXELS, dims=tuple("tczyx"), attrs={"ome": text})
    image = nbexport.describe(da)
    assert spacing(image)["z"] == (500.0, 0.0, "nanometer")
    assert (labels(image), colors(image)) == (["DAPI", "GFP"], ["0000FF", "00FF00"])
    # One with a DTD is left out and never parsed, wherever the DTD hides.
    hostile = f"<!-- <OME --><!DOCTYPE OME [<!ENTITY a 'b'>]>{text}"
    with pytest.warns(nbexport.LossWarning, match=r"attrs\['ome'\] was left out: .* has a DTD"):
        image = nbexport.describe(da.assign_attrs(ome=hostile))
    assert spacing(image) == dict.fromkeys("tzyx")
    assert "ome" not in dict(image.attributes)
