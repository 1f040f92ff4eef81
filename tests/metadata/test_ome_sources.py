"""A source's OME metadata as the base of what is written: cases that no real file here has."""

from __future__ import annotations

import numpy as np
import ome_types
import pytest
import tifffile
import xarray as xr
from ome_types import model as om
from reference import assert_valid_ome_xml

import nbexport
from nbexport.testing import cells


def pixels_of(i=0, t=1, c=1, z=1, **fields) -> om.Pixels:
    channels = [om.Channel(id=f"Channel:{i}:{k}", name=f"ch{k}") for k in range(c)]
    sizes = {"size_t": t, "size_c": c, "size_z": z, "size_y": 20, "size_x": 30}
    fields = {"channels": channels, "dimension_order": "XYCZT", "type": "uint8"} | sizes | fields
    return om.Pixels(id=f"Pixels:{i}", **fields)


def document(pixels: om.Pixels, **fields) -> ome_types.OME:
    return ome_types.OME(images=[om.Image(id="Image:0", name="source", pixels=pixels)], **fields)


def array(ome, dims="tczyx", **coords) -> xr.DataArray:
    pixels = ome.images[0].pixels
    shape = [3 if d == "s" else getattr(pixels, f"size_{d}") for d in dims]
    return xr.DataArray(
        np.zeros(shape, "uint8"), dims=tuple(dims), coords=coords, attrs={"processed": ome}
    )


def written(da, tmp_path, losses: tuple[str, ...] = (), **options) -> ome_types.OME:
    path = tmp_path / "a.ome.tif"
    if losses:
        with pytest.warns(nbexport.LossWarning):
            report = nbexport.write_ome_tiff(da, path, progress=False, overwrite=True, **options)
    else:
        report = nbexport.write_ome_tiff(da, path, progress=False, overwrite=True, **options)
    assert len(report.losses) == len(losses)
    for text, start in zip(report.losses, losses, strict=True):
        assert text.startswith(start)
    text = tifffile.tiffcomment(path)
    assert_valid_ome_xml(text)
    return ome_types.from_xml(text)


def test_a_flipped_axis_counts_its_planes_from_the_other_end(tmp_path):
    planes = [om.Plane(the_t=0, the_c=0, the_z=z, position_z=100.0 + z) for z in range(6)]
    ome = document(pixels_of(z=6, planes=planes, physical_size_z=1.0))
    da = array(ome, z=("z", np.arange(6.0))).isel(z=slice(4, 1, -1))
    after = written(da, tmp_path)
    assert [p.position_z for p in after.images[0].pixels.planes] == [102.0, 103.0, 104.0]


def test_coords_in_another_unit_are_understood(tmp_path):
    planes = [om.Plane(the_t=0, the_c=0, the_z=z, exposure_time=1.0 + z) for z in range(6)]
    ome = document(pixels_of(z=6, planes=planes, physical_size_z=0.5))
    z = ("z", 500.0 * np.arange(6), {"units": "nm"})
    after = written(array(ome, z=z).isel(z=[1, 4]), tmp_path, units={"z": "nm"})
    assert [p.exposure_time for p in after.images[0].pixels.planes] == [2.0, 5.0]
    assert after.images[0].pixels.physical_size_z == 1.5


def test_wavelengths_that_mean_the_same_stay_as_they_are(tmp_path):
    channel = om.Channel(
        id="Channel:0:0",
        emission_wavelength=520_000,
        emission_wavelength_unit="pm",
        excitation_wavelength=488,
        fluor="GFP",
        pinhole_size=3.0,
    )
    ome = document(pixels_of(channels=[channel]))
    (after,) = written(array(ome), tmp_path).images[0].pixels.channels
    assert (after.emission_wavelength, after.emission_wavelength_unit.value) == (520_000, "pm")
    wish = {"label": "X", "emission_nm": 600, "excitation_nm": 561, "fluor": "RFP"}
    (after,) = written(array(ome), tmp_path, channels=[wish]).images[0].pixels.channels
    assert (after.emission_wavelength, after.emission_wavelength_unit.value) == (600, "nm")
    assert (after.excitation_wavelength, after.fluor, after.name) == (561, "RFP", "X")
    assert after.pinhole_size == 3.0


def test_times_of_planes_are_no_even_step(tmp_path):
    planes = [om.Plane(the_t=t, the_c=0, the_z=0, delta_t=2.0 * t) for t in range(3)]
    ome = document(pixels_of(t=3, planes=planes))
    after = written(array(ome, t=("t", [0.0, 2.0, 4.0])), tmp_path).images[0].pixels
    assert [p.delta_t for p in after.planes] == [0.0, 2.0, 4.0]
    assert after.time_increment is None


def test_exposures_of_planes_stay_unless_the_caller_says_another(tmp_path):
    planes = [
        om.Plane(the_t=t, the_c=0, the_z=0, exposure_time=10.0 * (t + 1), exposure_time_unit="ms")
        for t in range(2)
    ]
    ome = document(pixels_of(t=2, planes=planes))
    after = written(array(ome), tmp_path).images[0].pixels.planes
    assert [(p.exposure_time, p.exposure_time_unit.value) for p in after] == [
        (10.0, "ms"),
        (20.0, "ms"),
    ]
    after = written(array(ome), tmp_path, channels=[{"exposure_s": 0.5}]).images[0].pixels.planes
    assert [(p.exposure_time, p.exposure_time_unit.value) for p in after] == [(0.5, "s")] * 2


def test_places_that_a_crop_can_not_move_are_left_out(tmp_path):
    plane = om.Plane(
        the_t=0, the_c=0, the_z=0, position_x=5.0, position_x_unit="reference frame", position_y=1.0
    )
    ome = document(pixels_of(planes=[plane], physical_size_x=2.0, physical_size_y=2.0))
    coords = {a: (a, 2.0 * np.arange(n)) for a, n in (("x", 30), ("y", 20))}
    assert written(array(ome, **coords), tmp_path).images[0].pixels.planes[0].position_x == 5.0
    da = array(ome, **coords).isel(x=slice(3, 9))
    loss = "PositionX of single planes was left out: it is in 'reference frame'"
    (after,) = written(da, tmp_path, (loss,)).images[0].pixels.planes
    assert (after.position_x, after.position_x_unit.value, after.position_y) == (6.0, "µm", 1.0)
    # A position the caller gives is that of the first pixel, whatever the source says.
    loss = "PositionX of single planes was left out: the x coordinate says otherwise"
    (after,) = written(array(ome), tmp_path, (loss,), translation={"x": 70}).images[0].pixels.planes
    assert after.position_x == 70.0


def test_moved_z_coords_override_the_places_of_planes(tmp_path):
    planes = [om.Plane(the_t=0, the_c=0, the_z=z, position_z=100.0 + z) for z in range(3)]
    ome = document(pixels_of(z=3, planes=planes, physical_size_z=1.0))
    loss = "PositionZ of single planes was left out: the z coordinate says otherwise"
    da = array(ome, z=("z", [0.0, 5.0, 6.0], {"units": "um"}))
    after = written(da, tmp_path, (loss,)).images[0].pixels.planes
    assert [p.position_z for p in after] == [0.0, 5.0, 6.0]


def test_hashes_of_planes_are_of_other_pixels(tmp_path):
    plane = om.Plane(the_t=0, the_c=0, the_z=0, hash_sha1=b"\x01" * 20, delta_t=1.0)
    ome = document(pixels_of(planes=[plane]))
    da = array(ome)
    after = written(da, tmp_path, ("HashSHA1 of single planes was left out",))
    assert after.images[0].pixels.planes[0].hash_sha1 is None
    given = written(da, tmp_path, ome_xml=ome)  # the caller may know
    assert given.images[0].pixels.planes[0].hash_sha1 == b"\x01" * 20


def test_samples_taken_for_channels_are_not_those_of_the_source(tmp_path):
    channel = om.Channel(id="Channel:0:0", samples_per_pixel=3, pinhole_size=3.0)
    ome = document(pixels_of(channels=[channel], size_c=3))
    rgb = written(array(ome, "yxs"), tmp_path).images[0].pixels
    assert (rgb.channels[0].pinhole_size, rgb.channels[0].samples_per_pixel) == (3.0, 3)
    loss = "detectors, light paths and settings of the source's 1 channels were left out"
    split = written(array(ome, "yxs"), tmp_path, (loss,), dims={"s": "c"}).images[0].pixels
    assert [c.pinhole_size for c in split.channels] == [None] * 3


def two_images() -> ome_types.OME:
    """A plate of two wells, an image each, with what only one of them or both refer to."""
    instruments = [
        om.Instrument(
            id=f"Instrument:{i}", objectives=[om.Objective(id=f"Objective:{i}", lens_na=i + 0.1)]
        )
        for i in range(2)
    ]
    notes = [
        om.CommentAnnotation(id=f"Annotation:{k}", value=k) for k in ("first", "both", "second")
    ]
    images = [
        om.Image(
            id=f"Image:{i}",
            name=f"field {i}",
            instrument_ref=om.InstrumentRef(id=f"Instrument:{i}"),
            objective_settings=om.ObjectiveSettings(id=f"Objective:{i}"),
            pixels=pixels_of(i, c=1 + i),
            annotation_refs=[
                om.AnnotationRef(id=f"Annotation:{('first', 'second')[i]}"),
                om.AnnotationRef(id="Annotation:both"),
            ],
            roi_refs=[om.ROIRef(id=f"ROI:{i}")],
        )
        for i in range(2)
    ]
    wells = [
        om.Well(
            id=f"Well:{i}",
            row=0,
            column=i,
            well_samples=[
                om.WellSample(id=f"WellSample:{i}", index=i, image_ref=om.ImageRef(id=f"Image:{i}"))
            ],
        )
        for i in range(2)
    ]
    runs = om.PlateAcquisition(
        id="PlateAcquisition:0",
        well_sample_refs=[om.WellSampleRef(id=f"WellSample:{i}") for i in range(2)],
    )
    shapes = [om.ROI.Union(points=[om.Point(id=f"Shape:{i}", x=1, y=1, the_c=0)]) for i in range(2)]
    return ome_types.OME(
        instruments=instruments,
        images=images,
        structured_annotations=om.StructuredAnnotations(comment_annotations=notes),
        plates=[om.Plate(id="Plate:0", wells=wells, plate_acquisitions=[runs])],
        datasets=[om.Dataset(id="Dataset:0", image_refs=[om.ImageRef(id=i.id) for i in images])],
        rois=[om.ROI(id=f"ROI:{i}", union=shape) for i, shape in enumerate(shapes)],
    )


def test_other_images_and_what_is_theirs_alone_are_left_out(tmp_path):
    ome = two_images()
    da = xr.DataArray(
        np.zeros((2, 20, 30), "uint8"),
        dims=("c", "y", "x"),
        coords={"c": ["ch0", "ch1"]},
        attrs={"processed": ome},
    )
    after = written(da, tmp_path)
    assert [i.name for i in after.images] == ["field 1"]
    assert [i.id for i in after.instruments] == ["Instrument:1"]
    notes = [(a.id, a.value) for a in after.structured_annotations]
    assert notes == [("Annotation:both", "both"), ("Annotation:second", "second")]
    (well,) = after.plates[0].wells
    assert (well.id, well.well_samples[0].image_ref.id) == ("Well:1", "Image:0")
    refs = after.plates[0].plate_acquisitions[0].well_sample_refs
    assert [ref.id for ref in refs] == ["WellSample:1"]
    assert [ref.id for ref in after.datasets[0].image_refs] == ["Image:0"]
    assert [roi.id for roi in after.rois] == ["ROI:1"]


@pytest.mark.filterwarnings("ignore:Reference to unknown ID")  # ome-types, when it is built here
def test_references_to_nothing_are_left_out_and_named(tmp_path):
    beam = om.MicrobeamManipulation(
        id="MicrobeamManipulation:0",
        type=["FRAP"],
        experimenter_ref=om.ExperimenterRef(id="Experimenter:gone"),
        roi_refs=[om.ROIRef(id="ROI:0")],
    )
    roi = om.ROI(id="ROI:0", union=om.ROI.Union(points=[om.Point(id="Shape:0", x=1, y=1)]))
    ome = document(
        pixels_of(),
        experiments=[om.Experiment(id="Experiment:0", microbeam_manipulations=[beam])],
        rois=[roi],
    )
    ome.images[0].microbeam_manipulation_refs = [
        om.MicrobeamManipulationRef(id="MicrobeamManipulation:0")
    ]
    ome.images[0].objective_settings = om.ObjectiveSettings(id="Objective:gone")
    loss = (
        "references of the source's OME metadata to Experimenter:gone, Objective:gone were left out"
    )
    after = written(array(ome), tmp_path, (loss,))
    assert after.images[0].objective_settings is None
    assert after.images[0].microbeam_manipulation_refs == []
    assert after.experiments[0].microbeam_manipulations == []


def test_own_annotations_stay_through_a_second_export(tmp_path):
    first = written(cells(c=2, y=20, x=30).assign_attrs(gain=2), tmp_path)
    da = array(first, "cyx").assign_attrs(more="x")
    second = written(da, tmp_path)
    notes = [{m.k: m.value for m in a.value.ms} for a in second.structured_annotations]
    assert notes == [{"gain": "2"}, {"more": '"x"'}]
    assert [ref.id for ref in second.images[0].annotation_refs] == ["Annotation:0", "Annotation:1"]


def test_an_image_with_a_source_is_a_value():
    ome = two_images()
    one, other = (nbexport.describe(array(document(pixels_of(z=4)))) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != nbexport.describe(array(ome, "yx"))
    assert one.source_ome.along("z") == range(4)
