"""What dims, coords and attrs say: one small DataArray a rule."""

from __future__ import annotations

import warnings

import dask.array as dask_array
import numpy as np
import pint
import pytest
import xarray as xr

import nbexport
from nbexport import AxisError, Channel, LossWarning
from nbexport.dataarray import read
from nbexport.dataarray._color import default_colors, parse_color
from nbexport.dataarray._unit import UnknownUnitError, parse_unit
from nbexport.dataarray._vocabulary import AXIS_WORDS, CHANNEL_WORDS

describe = nbexport.describe


def array(*dims, shape=None, dtype="uint16", coords=None, **attrs) -> xr.DataArray:
    shape = shape or tuple(range(2, 2 + len(dims)))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 100, shape).astype(dtype)
    return xr.DataArray(pixels, dims=dims, coords=coords or {}, attrs=attrs)


def pixels_of(da, **options) -> np.ndarray:
    described = read(da, **options)
    return described.source.fetch(tuple((0, n) for n in described.image.shape))


# -- dims


@pytest.mark.parametrize("axis", AXIS_WORDS)
def test_every_word_means_its_axis_in_any_case(axis):
    for word in AXIS_WORDS[axis]:
        for spelling in {word, word.upper(), word.title()}:
            if axis in "yx":
                other = "x" if axis == "y" else "y"
                da = array(spelling, other)
            else:
                da = array("y", "x", spelling, shape=(4, 5, 3))
            assert set(describe(da).dims) == {"y", "x", axis}


def test_a_word_belongs_to_one_axis_or_channel_field_only():
    words = [w for words in AXIS_WORDS.values() for w in words]
    assert len(words) == len(set(words))
    fields = [w for words in CHANNEL_WORDS.values() for w in words]
    assert len(fields) == len(set(fields))


def test_pixels_come_in_storage_order_and_stay_lazy():
    da = array("X", "Channel", "time", "Y", "plane", shape=(5, 2, 3, 4, 6))
    lazy = da.chunk({"time": 1})
    described = read(lazy)
    assert described.image.dims == ("t", "c", "z", "y", "x")
    assert described.image.shape == (3, 2, 6, 4, 5)
    assert described.source.chunks is not None
    wanted = da.values.transpose(2, 1, 4, 3, 0)
    np.testing.assert_array_equal(pixels_of(lazy), wanted)
    np.testing.assert_array_equal(pixels_of(da), wanted)


def test_dims_says_what_a_dim_is():
    da = array("view", "y", "x")
    assert describe(da, dims={"view": "z"}).dims == ("z", "y", "x")
    swapped = describe(array("y", "x"), dims={"y": "x", "x": "y"})
    assert swapped.shape == (3, 2)


def test_samples_can_be_channels():
    da = array("T", "C", "Y", "X", "S", shape=(1, 1, 4, 5, 3))
    assert describe(da).kind == "rgb"
    image = describe(da, dims={"S": "c"}, channels=["a", "b", "c"])
    assert image.dims == ("t", "c", "y", "x")
    assert [c.label for c in image.channels] == ["a", "b", "c"]
    assert "dim 'C' has one entry and was dropped" in image.notes


def test_unknown_dims_of_one_entry_are_dropped_and_noted():
    image = describe(array("position", "y", "x", shape=(1, 4, 5)))
    assert image.dims == ("y", "x")
    assert image.notes == ("dim 'position' has one entry and was dropped",)


# -- coords


def line(values, unit=None, dims=("y", "x")) -> xr.DataArray:
    attrs = {} if unit is None else {"units": unit}
    pixels = np.arange(2 * len(values), dtype="uint16").reshape(2, -1)
    return xr.DataArray(pixels, dims=dims, coords={dims[1]: (dims[1], np.asarray(values), attrs)})


def test_even_spacing_is_scale_and_translation():
    x = describe(line(10 + 0.65 * np.arange(7), "um")).axis("x")
    assert (x.scale, x.translation, x.unit) == (pytest.approx(0.65), 10.0, "micrometer")
    assert x.positions is None
    assert x.calibrated


@pytest.mark.parametrize("step", [0.1, 0.65, 1 / 3, 0.05149313617092096, 1e-9, 1234.5])
def test_steps_from_zero_are_exact(step):
    assert describe(line(np.arange(700) * step)).axis("x").scale == step


def test_float_noise_is_even():
    rng = np.random.default_rng(0)
    noisy = np.arange(100) * 0.5 + rng.uniform(-1, 1, 100) * 0.2e-6
    assert describe(line(noisy)).axis("x").positions is None
    single = (0.05149313 * np.arange(2000)).astype("float32")
    x = describe(line(single)).axis("x")
    assert x.positions is None
    assert x.scale == pytest.approx(0.05149313, rel=1e-6)


def test_uneven_spacing_keeps_every_position():
    image = describe(line([0.0, 1.0, 5.0], "um"))
    x = image.axis("x")
    assert x.positions == (0.0, 1.0, 5.0)
    assert x.scale == 2.5
    assert x.position(2) == 5.0


def test_a_hundred_thousandth_of_a_step_is_uneven():
    assert describe(line([0.0, 1.0, 2.00001])).axis("x").positions is not None


def test_descending_coords_are_flipped_with_their_pixels():
    da = line([3.0, 2.0, 1.0], "um")
    image = describe(da)
    assert (image.axis("x").translation, image.axis("x").scale) == (1.0, 1.0)
    assert "coordinate 'x' descends" in image.notes[0]
    np.testing.assert_array_equal(pixels_of(da), da.values[:, ::-1])
    np.testing.assert_array_equal(pixels_of(da.chunk({"x": 2})), da.values[:, ::-1])


def test_one_entry_keeps_its_position_but_has_no_step():
    da = xr.DataArray(
        np.zeros((1, 2, 3), "u1"),
        dims=("z", "y", "x"),
        coords={"z": ("z", [12.5], {"units": "um"})},
    )
    z = describe(da).axis("z")
    assert (z.translation, z.unit, z.calibrated) == (12.5, "micrometer", False)
    assert describe(da, scale={"z": 2.0}).axis("z").scale == 2.0


def test_dates_become_seconds_and_an_acquisition_date():
    times = np.datetime64("2026-11-22T10:00:00") + np.arange(3) * np.timedelta64(1500, "ms")
    image = describe(line(times.astype("datetime64[ns]"), dims=("y", "t")).expand_dims(x=2))
    t = image.axis("t")
    assert (t.scale, t.translation, t.unit) == (1.5, 0.0, "second")
    assert image.acquired == "2026-11-22T10:00:00.000"


def test_durations_become_seconds():
    times = (np.arange(3) * 350 + 50).astype("timedelta64[ms]").astype("timedelta64[ns]")
    t = describe(line(times, dims=("y", "t")).expand_dims(x=2)).axis("t")
    assert (t.scale, t.translation, t.unit) == (pytest.approx(0.35), 0.05, "second")


def test_arguments_override_coords():
    image = describe(
        line([0.0, 1.0], "um"), scale={"x": 7, "Y": 3}, translation={"x": 5}, units="nm"
    )
    assert [(a.scale, a.translation, a.unit) for a in image.axes] == [
        (3.0, 0.0, "nanometer"),
        (7.0, 5.0, "nanometer"),
    ]
    both = describe(array("z", "y", "x"), scale=0.5, units={"y": "um", "x": "um"})
    assert [a.calibrated for a in both.axes] == [False, True, True]


# -- units


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("um", "micrometer"),
        ("\u00b5m", "micrometer"),
        ("\u03bcm", "micrometer"),
        ("micron", "micrometer"),
        ("microns", "micrometer"),
        ("\\u00B5m", "micrometer"),
        ("Micrometers", "micrometer"),
        ("micrometre", "micrometer"),
        ("nm", "nanometer"),
        ("mm", "millimeter"),
        ("m", "meter"),
        ("\u00c5", "angstrom"),
        ("inch", "inch"),
        ("s", "second"),
        ("sec", "second"),
        ("ms", "millisecond"),
        ("min", "minute"),
        ("h", "hour"),
        ("days", "day"),
        ("pixel", None),
        ("", None),
    ],
)
def test_units_people_write(text, name):
    assert parse_unit(text) == name


@pytest.mark.parametrize("text", ["furlongish", "V", "um/s", "frame", "3 um", "kg"])
def test_units_nobody_knows(text):
    with pytest.raises(UnknownUnitError):
        parse_unit(text)


def test_units_from_either_attribute_and_from_the_array():
    for key in ("units", "unit"):
        da = line([0.0, 1.0])
        da["x"].attrs[key] = "nm"
        assert describe(da).axis("x").unit == "nanometer"
    assert describe(line([0.0, 1.0]).assign_attrs(units="um")).axis("x").unit == "micrometer"
    counts = describe(line([0.0, 1.0]).assign_attrs(units="counts"))
    assert counts.axis("x").unit is None
    assert counts.attributes == (("units", '"counts"'),)


def test_an_unknown_unit_keeps_the_numbers():
    with pytest.warns(LossWarning, match="unit 'furlongish' of 'x' is not known"):
        x = describe(line([0.0, 2.0], "furlongish")).axis("x")
    assert (x.scale, x.unit) == (2.0, None)


# -- channels


def channels(n=2, **coords) -> xr.DataArray:
    return array("c", "y", "x", shape=(n, 3, 4), coords=coords)


def test_labels_from_text_duplicates_and_any_script():
    names = ["細胞", "β-actin <&>", "GFP", "GFP"]
    assert [c.label for c in describe(channels(4, c=names)).channels] == names


def test_numbers_are_labels_and_wavelengths_where_they_say_nm():
    da = channels(c=("c", [488.0, 561.0], {"units": "nm"}))
    assert [(c.label, c.emission_nm) for c in describe(da).channels] == [
        ("488", 488.0),
        ("561", 561.0),
    ]
    assert [(c.label, c.emission_nm) for c in describe(channels(c=[7, 8])).channels] == [
        ("7", None),
        ("8", None),
    ]
    in_um = channels(c=("c", [0.488, 0.561], {"units": "um"}))
    assert [c.emission_nm for c in describe(in_um).channels] == [488.0, pytest.approx(561.0)]


def test_coords_along_channels_and_scalars():
    da = channels(
        c=["a", "b"],
        exposure=("c", [100.0, 250.0], {"units": "ms"}),
        emission_wavelength=("c", [461.0, 525.0], {"units": "nm"}),
        color=("c", ["#ff0000", "lime"]),
        fluor=("c", ["DAPI", "GFP"]),
    )
    first, second = describe(da).channels
    assert first == Channel(
        label="a", color="FF0000", emission_nm=461.0, exposure_s=0.1, fluor="DAPI"
    )
    assert (second.color, second.exposure_s) == ("00FF00", 0.25)
    # After isel the coordinate is a scalar, and still says which channel this is.
    (one,) = describe(da.isel(c=1)).channels
    assert (one.label, one.color, one.exposure_s) == ("b", "00FF00", 0.25)


def test_attrs_with_one_value_a_channel():
    da = channels().assign_attrs(
        channel_names=["a", "b"],
        channel_colors=[(255, 0, 0), (0.0, 1.0, 0.0)],
        contrast_limits=[[0, 10], [5, 50]],
    )
    first, second = describe(da).channels
    assert (first.label, first.color, first.window) == ("a", "FF0000", (0.0, 10.0))
    assert (second.label, second.color, second.window) == ("b", "00FF00", (5.0, 50.0))
    assert describe(da).attributes == ()


def test_channels_given():
    image = describe(
        channels(c=["a", "b"]),
        channels=[{"color": "red", "window": {"start": 1, "end": 2}}, Channel(label="B")],
    )
    assert image.channels == (
        Channel(label="a", color="FF0000", window=(1.0, 2.0)),
        Channel(label="B"),
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("#00ff7f", "00FF7F"),
        ("00FF7F", "00FF7F"),
        ("#0f0", "00FF00"),
        ("#FF112233", "112233"),
        ("magenta", "FF00FF"),
        ("tab:blue", "1F77B4"),
        ((255, 0, 0), "FF0000"),
        ((1.0, 0.5, 0.0), "FF8000"),
        ([0, 128, 255, 255], "0080FF"),
        (np.array([0, 128, 255], "uint8"), "0080FF"),
        (0x00FF00, "00FF00"),
        (-1, "FFFFFF"),
        (-16776961, "FF0000"),
        (16711935, "FF00FF"),
    ],
)
def test_colours_people_write(value, code):
    assert parse_color(value) == code


@pytest.mark.parametrize("value", ["nope", (1, 2), (0, 300, 0), 2**40, None, True, b"abc", {}])
def test_colours_nobody_knows(value):
    with pytest.raises((ValueError, TypeError)):
        parse_color(value)


def test_default_colours_can_be_told_apart():
    for n in range(1, 9):
        colors = default_colors([None] * n)
        assert len(set(colors)) == n
    assert default_colors([None]) == ["FFFFFF"]
    assert default_colors([461.0, 525.0, 610.0]) == ["0080FF", "00FF00", "FF8000"]
    assert len(set(default_colors([536.0, 536.0]))) == 2
    assert len(set(default_colors([461.0, None]))) == 2


# -- kind and pixel types


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nuclei_labels", "labels"),
        ("stardist_mask2d", "labels"),
        ("Segmentation", "labels"),
        ("labelled", "intensity"),
        ("cells", "intensity"),
        (None, "intensity"),
    ],
)
def test_labels_by_name(name, kind):
    assert describe(array("y", "x").rename(name)).kind == kind
    assert describe(array("y", "x", dtype="float32").rename(name)).kind == "intensity"
    assert describe(array("y", "x").rename(name), kind="intensity").kind == "intensity"


def test_labels_by_attrs():
    assert describe(array("y", "x", kind="labels")).kind == "labels"
    assert describe(array("y", "x", kind="intensity").rename("mask")).kind == "intensity"
    assert describe(array("y", "x", kind="labels")).channels == ()


@pytest.mark.parametrize("n", [3, 4])
def test_rgb_by_samples(n):
    image = describe(array("y", "x", "rgb", shape=(4, 5, n), dtype="uint8"))
    assert image.kind == "rgb"
    assert image.dims == ("y", "x", "s")
    assert [c.label for c in image.channels] == ["RGB"]


@pytest.mark.parametrize(
    ("dtype", "written"),
    [
        ("bool", "uint8"),
        ("float16", "float32"),
        (">u2", "uint16"),
        (">f4", "float32"),
        ("int64", "int64"),
        ("uint64", "uint64"),
        ("complex64", "complex64"),
        ("float64", "float64"),
    ],
)
def test_pixel_types(dtype, written):
    assert describe(array("y", "x", dtype=dtype)).dtype == written


# -- the rest


def test_the_rest_of_attrs_and_coords_is_kept_as_json():
    da = array("y", "x", gain=2.5, tags=["a"], at=np.float32(1.5), when=np.datetime64("2020-01-01"))
    da = da.assign_coords(stage=3.25, row_quality=("y", [0.5, 0.75]))
    image = describe(da)
    assert image.acquired == "2020-01-01T00:00:00.000"
    assert dict(image.attributes) == {
        "gain": "2.5",
        "tags": '["a"]',
        "at": "1.5",
        "stage": "3.25",
        "row_quality": "[0.5, 0.75]",
    }


def test_a_dask_token_is_no_name():
    lazy = xr.DataArray(dask_array.zeros((3, 4)) + 1, dims=("y", "x"))
    assert describe(lazy).name == "image"
    assert describe(lazy, name="mine").name == "mine"


def test_nothing_is_computed():
    def explode(block):
        raise AssertionError("computed")

    lazy = dask_array.zeros((3, 4), chunks=2).map_blocks(
        explode, dtype="float64", meta=np.zeros((0, 0))
    )
    assert describe(xr.DataArray(lazy, dims=("y", "x"))).shape == (3, 4)


def test_lazy_files_are_read_box_by_box(tmp_path):
    """An array that xarray itself keeps lazy is not loaded, not even by fetching from it."""
    import zarr

    store = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    stored = store.create_array("img", shape=(4, 6), chunks=(2, 3), dtype="u2")
    stored[:] = np.arange(24).reshape(4, 6)
    stored.attrs["_ARRAY_DIMENSIONS"] = ["x", "y"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        da = xr.open_zarr(tmp_path / "a.zarr", chunks=None, consolidated=False)["img"]
    assert not da.variable._in_memory
    source = read(da).source
    np.testing.assert_array_equal(
        source.fetch(((1, 3), (0, 2))), np.arange(24).reshape(4, 6).T[1:3, 0:2]
    )
    assert not da.variable._in_memory


def test_what_is_missing_is_said_with_the_way_to_give_it():
    assert describe(array("c", "y", "x")).missing == (
        "no pixel size along y, x: pass scale={'y': 0.65, 'x': 0.65}, units='um'",
        "no channel names: pass channels=['DAPI', …]",
    )
    assert describe(line([0.0, 1.0]), scale={"y": 1}).missing == (
        "no unit along y, x: pass units={'y': 'um', 'x': 'um'}",
    )


def test_the_html_shows_everything_and_escapes_it():
    da = channels(
        c=["<script>alert(1)</script>", "b"], x=("x", 0.65 * np.arange(4), {"units": "um"})
    ).assign_attrs(note="<b>bold</b>")
    html = da.bioexport._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<b>bold" not in html
    assert "background:#00FF00" in html
    assert "micrometer" in html
    assert "0.65" in html
    assert "no pixel size along y" in html


def test_the_html_of_what_cannot_be_exported_says_why():
    html = array("foo", "y", "x").bioexport._repr_html_()
    assert "Can&#x27;t be exported yet" in html
    assert "&#x27;foo&#x27;" in html


def test_datasets_and_trees_have_an_accessor():
    ds = xr.Dataset({"a": array("y", "x"), "b": array("z", "y", "x", shape=(4, 2, 3))})
    assert {k: v.dims for k, v in ds.bioexport.describe().items()} == {
        "a": ("y", "x"),
        "b": ("z", "y", "x"),
    }
    tree = xr.DataTree.from_dict({"scale0": ds, "scale1": ds})
    assert list(tree.bioexport.describe()) == ["scale0/a", "scale0/b", "scale1/a", "scale1/b"]
    assert ds.bioexport._repr_html_().count("<table>") == 4
    assert tree.bioexport._repr_html_().count("<table>") == 8


def test_a_quantity_brings_its_unit():
    """Of scale= and translation=: converted where the axis has one, never dropped."""
    quantity = pint.UnitRegistry().Quantity
    da = xr.DataArray(np.zeros((4, 5), "u2"), dims=("y", "x"))

    def x_of(**options):
        return nbexport.describe(da, **options).axis("x")

    wished = x_of(scale={"x": quantity(500, "nm"), "y": 0.5}, units="um")
    assert (wished.scale, wished.unit) == (0.5, "micrometer")
    own = x_of(scale=quantity(500, "nm"), translation={"x": quantity(1, "um")})
    assert (own.scale, own.translation, own.unit) == (500.0, 1000.0, "nanometer")
    with pytest.raises(AxisError, match=r"scale\['x'\]=2 second is no length; axis x needs one"):
        x_of(scale={"x": quantity(2, "s")})
    with pytest.raises(AxisError, match=r"1 millimeter has a unit, .* pass units='millimeter'"):
        x_of(scale=0.5, translation={"x": quantity(1, "mm")})


def test_a_dim_that_is_no_text_is_named():
    da = xr.DataArray(np.zeros((3, 4, 5)), dims=(0, "y", "x"))
    with pytest.raises(AxisError, match=r"dim 0 is no text, rename it with da\.rename"):
        nbexport.describe(da)


@pytest.mark.parametrize("key", ["channel_names", "channel_colors"])
def test_an_attribute_of_one_number_is_no_list(key):
    da = xr.DataArray(np.zeros((2, 4, 5), "u1"), dims=("c", "y", "x"), attrs={key: np.array(5)})
    assert [c.label for c in nbexport.describe(da).channels] == ["channel 0", "channel 1"]
