"""OME-XML of real makers, as the metadata of matching pixels: written, re-read, compared."""

from __future__ import annotations

import warnings

import dask.array
import ome_types
import pytest
import tifffile
import xarray as xr
from bioio import BioImage
from bioio_ome_tiff.utils import get_coords_from_ome
from ome_compare import differences, loose_ends
from reference import SHARED, assert_valid_ome_xml

import nbexport

FOLDER = SHARED / "data" / "ome_xml"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared OME-XML is not here")
DTYPES = {"uint8": "uint8", "uint16": "uint16", "float": "float32"}
FILES = sorted(path.name for path in FOLDER.glob("*")) if FOLDER.is_dir() else []

# What the file says of itself, and not of the specimen; and what is counted anew.
OF_THE_FILE = {
    "OME.creator",
    "OME.uuid",
    "Image.id",
    "ImageRef.id",
    "Pixels.id",
    "Pixels.dimension_order",
    "Pixels.tiff_data_blocks",
    "Pixels.bin_data_blocks",
    "Pixels.metadata_only",
    "Pixels.big_endian",
    "Pixels.interleaved",
    "Channel.id",
}
# What is said where the source says nothing.
ADDED = {"Image.name", "Pixels.channels", "Channel.color", "Channel.samples_per_pixel"}
# 12 planes for SizeT=5 and SizeC=2: the recording was stopped.
STOPPED = (
    "2 of the source's 12 Plane elements were left out: they are beyond its own SizeT, SizeC or "
    "SizeZ"
)
LOSSES = {"visiview_20241003_2c_5t.companion.ome": (STOPPED,)}


def source(name: str) -> ome_types.OME:
    """Return a document with images of at most 64 pixels along y and x, all else as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ids and references that OME forbids are mended
        ome = ome_types.from_xml(FOLDER / name)
    for image in ome.images:
        for axis in ("size_x", "size_y"):
            setattr(image.pixels, axis, min(getattr(image.pixels, axis), 64))
    return ome


def opened(ome: ome_types.OME, index: int = 0) -> xr.DataArray:
    """Return lazy pixels with the coords and attrs that bioio-ome-tiff gives them."""
    pixels = ome.images[index].pixels
    shape = tuple(getattr(pixels, f"size_{a}") for a in "tczyx")
    zeros = dask.array.zeros(shape, dtype=DTYPES[pixels.type.value], chunks=(1, 1, 1, -1, -1))
    coords = get_coords_from_ome(ome, index)
    coords = {d: v for d, v in coords.items() if len(v) == shape["TCZYX".index(d)]}
    return xr.DataArray(
        zeros,
        dims=tuple("TCZYX"),
        name=ome.images[index].name,
        coords=coords,
        attrs={"unprocessed": {256: shape[-1]}, "processed": ome},
    )


def written(da, tmp_path, **options) -> tuple[ome_types.OME, tuple[str, ...]]:
    path = tmp_path / "a.ome.tif"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = nbexport.write_ome_tiff(da, path, progress=False, overwrite=True, **options)
    assert [str(w.message) for w in caught if w.category is nbexport.LossWarning] == list(
        report.losses
    )
    with tifffile.TiffFile(path) as tiff:
        text = tiff.ome_metadata
        assert tiff.series[0].shape == da.squeeze().shape or da.size == 0
    assert_valid_ome_xml(text)
    ome = ome_types.from_xml(text)
    assert not loose_ends(ome)
    return ome, report.losses


def unexplained(before: ome_types.OME, after: ome_types.OME, index: int) -> list:
    alone = before.model_copy(update={"images": [before.images[index]]})
    theirs = before.images[index].pixels
    real = [p for p in theirs.planes if p.the_t < theirs.size_t]
    real.sort(key=lambda p: (p.the_t, p.the_c, p.the_z))  # we list them in the order of the IFDs
    planes = theirs.model_copy(update={"planes": real})
    alone.images[0] = before.images[index].model_copy(update={"pixels": planes})
    return [
        (where, old, new)
        for where, old, new in differences(alone, after, OF_THE_FILE)
        if not (where in ADDED and not old)
    ]


@pytest.mark.parametrize("name", FILES)
def test_all_of_a_source_is_kept(name, tmp_path):
    ome = source(name)
    for index in range(len(ome.images)):
        before = ome.to_xml()
        after, losses = written(opened(ome, index), tmp_path)
        assert ome.to_xml() == before
        assert losses == LOSSES.get(name, ())
        assert unexplained(ome, after, index) == []


@pytest.mark.parametrize("name", FILES)
def test_what_is_written_is_what_ome_types_would_write(name, tmp_path):
    ome = source(name)
    path = tmp_path / "a.ome.tif"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbexport.LossWarning)
        nbexport.write_ome_tiff(opened(ome), path, progress=False)
    text = tifffile.tiffcomment(path)
    assert ome_types.from_xml(text).to_xml().strip() == text.strip()


@pytest.mark.parametrize("name", FILES)
def test_text_says_the_same_as_the_object(name, tmp_path):
    ome = source(name)
    da = opened(ome)
    from_object, losses = written(da, tmp_path)
    from_text, same = written(da.assign_attrs(processed=ome.to_xml()), tmp_path)
    assert from_text.to_xml() == from_object.to_xml()
    assert same == losses


@pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument")  # bioio-ome-tiff
@pytest.mark.parametrize("name", FILES)
def test_written_again_nothing_changes(name, tmp_path):
    """Exported, opened by bioio, exported again: also what the first export put in."""
    first, _ = written(opened(source(name)), tmp_path)
    bioimage = BioImage(tmp_path / "a.ome.tif")
    assert list(differences(first, bioimage.ome_metadata)) == []
    back = bioimage.xarray_dask_data
    (tmp_path / "again").mkdir()
    second, losses = written(back, tmp_path / "again")
    assert list(differences(first, second)) == []
    assert losses == ()


def places(ome: ome_types.OME, field: str) -> dict:
    planes = ome.images[0].pixels.planes
    return {(p.the_t, p.the_c, p.the_z): getattr(p, field) for p in planes}


def test_picked_frames_and_channels_take_theirs_along(tmp_path):
    ome = source("tubhiswt.ome.xml")
    da = opened(ome).isel(T=slice(3, 9, 2), C=[1, 0])
    after, losses = written(da, tmp_path)
    pixels, theirs = after.images[0].pixels, ome.images[0].pixels
    assert (pixels.size_t, pixels.size_c) == (3, 2)
    before, now = places(ome, "delta_t"), places(after, "delta_t")
    assert now == {(t, c, 0): before[3 + 2 * t, 1 - c, 0] for t in range(3) for c in range(2)}
    assert [c.name for c in pixels.channels] == [c.name for c in theirs.channels[::-1]]
    for new, old in zip(pixels.channels, theirs.channels[::-1], strict=True):
        left = [d for d in differences(old, new, OF_THE_FILE) if d[0] not in ADDED]
        assert left == []
    assert after.instruments[0].detectors == ome.instruments[0].detectors
    assert losses == ()


def test_one_plane_keeps_its_own(tmp_path):
    ome = source("MMStack.ome.xml")
    da = opened(ome).isel(T=1, C=2, Z=3)
    after, losses = written(da, tmp_path)
    pixels = after.images[0].pixels
    assert places(after, "delta_t") == {(0, 0, 0): places(ome, "delta_t")[1, 2, 3]}
    assert places(after, "position_z") == {(0, 0, 0): places(ome, "position_z")[1, 2, 3]}
    assert pixels.channels[0].name == ome.images[0].pixels.channels[2].name
    assert pixels.physical_size_z == 1.75
    assert losses == ()


def test_a_crop_moves_the_stage(tmp_path):
    ome = source("MMStack.ome.xml")
    da = opened(ome).isel(Z=slice(1, None, 2), X=slice(10, 30), Y=slice(5, 25))
    after, losses = written(da, tmp_path)
    old_x, old_y = places(ome, "position_x"), places(ome, "position_y")
    old_z = places(ome, "position_z")
    assert places(after, "position_x") == {
        (t, c, z): old_x[t, c, 1 + 2 * z] + 20 for t in range(2) for c in range(3) for z in range(2)
    }
    assert places(after, "position_y")[1, 2, 1] == old_y[1, 2, 3] + 10
    assert places(after, "position_z")[1, 2, 1] == old_z[1, 2, 3]
    assert after.images[0].pixels.physical_size_z == 3.5
    assert losses == ()


def test_a_projection_keeps_what_all_planes_agree_in(tmp_path):
    ome = source("MMStack.ome.xml")
    after, losses = written(opened(ome).max("Z", keep_attrs=True), tmp_path)
    (loss,) = losses
    assert loss.startswith("DeltaT, PositionZ of single planes were left out: coords don't tell")
    assert loss.endswith("which of the source's t=2, c=3, z=5 remain along z")
    assert set(places(after, "delta_t").values()) == {None}
    assert places(after, "position_x")[1, 2, 0] == places(ome, "position_x")[1, 2, 4]
    assert len(after.images[0].pixels.planes) == 6


def test_planes_that_nothing_tells_apart_keep_what_all_agree_in(tmp_path):
    ome = source("MMStack.ome.xml")
    after, losses = written(opened(ome).isel(Z=[1, 3]).drop_vars("Z"), tmp_path)
    assert len(losses) == 1
    old = places(ome, "position_x")
    new = places(after, "position_x")
    assert new == {(t, c, z): old[t, c, 0] for t in range(2) for c in range(3) for z in range(2)}


def test_new_times_override_those_of_planes(tmp_path):
    ome = source("MMStack.ome.xml")
    da = opened(ome).assign_coords(T=("T", [0.0, 30.0], {"units": "s"}))
    after, losses = written(da, tmp_path)
    assert losses == ("DeltaT of single planes was left out: the time coordinate says otherwise",)
    assert after.images[0].pixels.time_increment == 30
    after, losses = written(opened(ome), tmp_path, scale={"t": 7, "x": 0.5}, units={"t": "s"})
    assert after.images[0].pixels.time_increment == 7
    assert after.images[0].pixels.physical_size_x == 0.5


def test_renamed_channels_keep_their_detectors(tmp_path):
    ome = source("MMStack.ome.xml")
    after, _ = written(opened(ome), tmp_path, channels=["a", {"color": "red"}, "c"])
    channels = after.images[0].pixels.channels
    assert [c.name for c in channels] == ["a", ome.images[0].pixels.channels[1].name, "c"]
    assert channels[1].color.as_rgb_tuple() == (255, 0, 0)
    assert channels[0].detector_settings == ome.images[0].pixels.channels[0].detector_settings


def test_unknown_channels_are_not_guessed(tmp_path):
    ome = source("MMStack.ome.xml")
    da = opened(ome).isel(C=[0, 2]).drop_vars("C")
    after, losses = written(da, tmp_path)
    assert (
        "detectors, light paths and settings of the source's 3 channels were left out" in losses[0]
    )
    assert all(c.detector_settings is None for c in after.images[0].pixels.channels)


def test_regions_follow_a_crop(tmp_path):
    ome = source("ROI.ome.xml")
    da = opened(ome).isel(C=[2], X=slice(1, 5), Y=slice(1, 4))
    after, losses = written(da, tmp_path)
    rois = {roi.id: list(roi.union) for roi in after.rois}
    # Shape:1 is on channel 0, which is gone, and its region with it.
    assert set(rois) == {"ROI:2", "ROI:3", "ROI:4", "ROI:5"}
    assert [ref.id for ref in after.images[0].roi_refs] == ["ROI:2", "ROI:3", "ROI:4", "ROI:5"]
    line, point = sorted(rois["ROI:2"], key=lambda s: s.id, reverse=True)
    assert (point.x, point.y, point.the_c) == (0, 0, 0)
    assert (line.x1, line.y1, line.x2, line.y2) == (0, 0, 1, 1)
    (turned,) = rois["ROI:4"]
    assert (turned.x, turned.y) == (0, 0)
    assert (turned.transform.a02, turned.transform.a12) == pytest.approx((2.82, 1.21))
    assert losses == (
        "1 shapes of regions of interest were left out: they lie outside of what is written",
    )


def test_regions_are_left_out_where_pixels_are_others(tmp_path):
    ome = source("ROI.ome.xml")
    after, losses = written(opened(ome).coarsen(X=2, Y=2).mean(), tmp_path)
    assert after.rois == []
    assert after.images[0].roi_refs == []
    assert losses[0].startswith("5 regions of interest were left out: the pixels along x are not")


def test_the_plate_shows_this_image(tmp_path):
    after, _ = written(opened(source("hcs.ome.xml")), tmp_path)
    (well,) = after.plates[0].wells
    assert well.well_samples[0].image_ref.id == after.images[0].id


def test_a_cast_drops_significant_bits(tmp_path):
    ome = source("tubhiswt.ome.xml")
    ome.images[0].pixels.significant_bits = 7
    after, losses = written(opened(ome), tmp_path)
    assert (after.images[0].pixels.significant_bits, losses) == (7, ())
    after, losses = written(opened(ome).astype("float32"), tmp_path)
    assert after.images[0].pixels.significant_bits is None
    assert losses == (
        "SignificantBits=7 was left out: it was said of uint8 pixels, these are float32",
    )


def test_images_of_two_sources_in_one_file(tmp_path):
    omes = [source("MMStack.ome.xml"), source("instrument-units-alternate.ome.xml")]
    omes.append(omes[0])
    das = [opened(omes[0], 0), opened(omes[1]), opened(omes[2], 1)]
    path = tmp_path / "a.ome.tif"
    nbexport.write_ome_tiff(das, path, progress=False)
    text = tifffile.tiffcomment(path)
    assert_valid_ome_xml(text)
    after = ome_types.from_xml(text)
    assert not loose_ends(after)
    assert len(after.instruments) == 2
    models = [d.manufacturer for i in after.instruments for d in i.detectors]
    assert models == ["DCam", "OME Detectors"]
    of_image = {image.instrument_ref.id: i for i, image in enumerate(after.images)}
    assert len(of_image) == 2
    settings = after.images[1].pixels.channels[0].detector_settings
    assert settings.id == after.instruments[1].detectors[0].id


def test_ome_zarr_of_several_images_keeps_it_too(tmp_path):
    das = {n: opened(source(n)) for n in ("MMStack.ome.xml", "tubhiswt.ome.xml")}
    nbexport.write_images(das, tmp_path / "a.ome.zarr", progress=False)
    text = (tmp_path / "a.ome.zarr" / "OME" / "METADATA.ome.xml").read_text()
    assert_valid_ome_xml(text)
    after = ome_types.from_xml(text)
    assert after.experimenters[0].email == "mnasim@wisc.edu"
