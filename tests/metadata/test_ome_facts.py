"""OME-XML of what a DataArray says: axes, planes, resolution tags, description, speed of planes."""

from __future__ import annotations

from itertools import combinations

import dask.array
import numpy as np
import ome_types
import pytest
import tifffile
import xarray as xr
from bioio import BioImage
from reference import assert_valid_ome_xml

import nbexport
from nbexport.metadata.ome_xml import ome_xml

SIZES = {"t": 2, "c": 3, "z": 4, "y": 20, "x": 24, "s": 3}
COMBINATIONS = [
    "".join(chosen) + "yx" + samples
    for n in range(4)
    for chosen in combinations("tcz", n)
    for samples in ("", "s")
]


def image(dims: str, **coords) -> xr.DataArray:
    shape = tuple(SIZES[d] for d in dims)
    values = np.arange(np.prod(shape)).reshape(shape).astype("uint8")
    return xr.DataArray(values, dims=tuple(dims), coords=coords)


def written(da, tmp_path, **options):
    path = tmp_path / "a.ome.tif"
    nbexport.write_ome_tiff(da, path, progress=False, overwrite=True, **options)
    text = tifffile.tiffcomment(path)
    assert_valid_ome_xml(text)
    return path, ome_types.from_xml(text)


@pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument")  # bioio-ome-tiff
@pytest.mark.parametrize("dims", COMBINATIONS)
def test_axes_of_every_combination(dims, tmp_path):
    da = image(dims)
    path, ome = written(da, tmp_path, levels=2, tile=(16, 16))
    with tifffile.TiffFile(path) as tiff:
        (series,) = tiff.series
        assert series.axes == dims.upper()
        assert series.shape == da.shape
        assert series.levels[1].axes == dims.upper()
        np.testing.assert_array_equal(series.asarray(), da.values)
    pixels = ome.images[0].pixels
    expected = {f"size_{a}": SIZES[a] if a in dims else 1 for a in "tzyx"}
    channels = SIZES["c"] if "c" in dims else 1
    samples = SIZES["s"] if "s" in dims else 1
    assert {key: getattr(pixels, key) for key in expected} == expected
    assert (pixels.size_c, len(pixels.channels)) == (channels * samples, channels)
    assert {c.samples_per_pixel for c in pixels.channels} == {samples}
    if not {"c", "s"} <= set(dims):  # bioio-ome-tiff 1.4 reads no RGB channels beside each other
        assert BioImage(path).ome_metadata.to_xml() == ome.to_xml()


@pytest.mark.parametrize(
    ("unit", "size", "per_cm"),
    [
        ("um", 0.5, 20_000),
        ("nm", 250.0, 40_000),
        ("mm", 2.0, 5),
        ("micrometer", 0.1, 100_000),
        ("angstrom", 5.0, 20_000_000),
        ("m", 1e-6, 10_000),
        (None, 0.5, None),
        ("km", 20.0, None),  # a rational of two 32-bit integers can't hold it
    ],
)
def test_resolution_tags_say_the_same_as_the_xml(unit, size, per_cm, tmp_path):
    da = image("zyx", x=("x", size * np.arange(24)), y=("y", 2 * size * np.arange(20)))
    path, ome = written(da, tmp_path, levels=2, tile=(16, 16), units=unit)
    pixels = ome.images[0].pixels
    assert pixels.physical_size_y == pytest.approx(2 * pixels.physical_size_x)
    with tifffile.TiffFile(path) as tiff:
        for factor, pages in ((1, tiff.pages), (2, tiff.pages[0].pages)):
            tags = pages[0].tags
            if per_cm is None:
                assert tags["ResolutionUnit"].value == tifffile.RESUNIT.NONE
                assert tags["XResolution"].value == (1, 1)
                continue
            assert tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
            x, y = (np.divide(*tags[f"{a}Resolution"].value) for a in "XY")
            assert x == pytest.approx(per_cm / factor, rel=1e-6)
            assert y == pytest.approx(per_cm / factor / 2, rel=1e-6)
            assert 1e4 / x == pytest.approx(pixels.physical_size_x * factor, rel=1e-6)


def test_a_description_is_the_description(tmp_path):
    da = image("yx").rename("cell").assign_attrs(description="day 3 <fixed> & µ", gain=2)
    _, ome = written(da, tmp_path)
    assert (ome.images[0].name, ome.images[0].description) == ("cell", "day 3 <fixed> & µ")
    (note,) = ome.structured_annotations
    assert [(m.k, m.value) for m in note.value.ms] == [("gain", "2")]
    _, ome = written(da.assign_attrs(description={"day": 3}), tmp_path)
    assert ome.images[0].description is None
    (note,) = ome.structured_annotations
    assert ("description", '{"day": 3}') in [(m.k, m.value) for m in note.value.ms]


def test_planes_in_text_are_those_of_ome_types(tmp_path):
    da = image(
        "tczyx",
        t=("t", [1.5, 1e-7], {"units": "min"}),
        z=("z", [1.0, 2.0, 4.0, 1e20], {"units": "nm"}),
        x=("x", 1e-5 + 0.3 * np.arange(24), {"units": "mm"}),
        exposure=("c", [0.1, 3e-9, 2.0], {"units": "s"}),
    ).sortby("t")
    path, ome = written(da, tmp_path)
    assert ome.to_xml().strip() == tifffile.tiffcomment(path).strip()
    assert len(ome.images[0].pixels.planes) == 24


def test_a_hundred_thousand_planes(tmp_path):
    """Counted in work, not in seconds: ome-types makes no object a plane."""
    from ome_types import model as om

    n = 100_000
    times = np.cumsum(np.random.default_rng(0).uniform(0.5, 1, n))
    zeros = dask.array.zeros((n, 2, 2), dtype="u1", chunks=(n, 2, 2))
    da = xr.DataArray(zeros, dims=("t", "y", "x"), coords={"t": ("t", times, {"units": "s"})})
    plan = nbexport.plan_export(da, "ome-tiff")
    made = []
    original = om.Plane.__init__
    om.Plane.__init__ = lambda self, **data: (made.append(1), original(self, **data))[1]
    try:
        text = ome_xml([plan.image])
    finally:
        om.Plane.__init__ = original
    assert made == []
    assert text.count("<Plane ") == n
    last = text[text.rindex("<Plane ") :].splitlines()[0]
    said = f'DeltaT="{float(times[-1])!r}" DeltaTUnit="s"'
    assert last == f'<Plane TheZ="0" TheT="99999" TheC="0" {said}/>'
