"""The call that the state means: its text, and that running the text writes the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import nbexport
import nbexport.testing
from nbexport.panels import PanelState
from nbexport.panels._code import call_of, literal
from nbexport.panels._subject import hints, problems, understood


@pytest.fixture(scope="module")
def cells():
    return nbexport.testing.cells(t=2, c=3, z=2, y=96, x=80)


def code(da, **state):
    state = PanelState.from_json(state)
    return call_of(state, understood(da, state)).text


def test_nothing_set_is_the_bare_call(cells):
    assert code(cells) == 'da.bioexport.ome_zarr("cells.ome.zarr")'
    assert code(cells, format="ome-tiff") == 'da.bioexport.ome_tiff("cells.ome.tif")'
    assert code(cells.rename("a/b:<c>")) == 'da.bioexport.ome_zarr("a_b__c_.ome.zarr")'
    assert code(cells, index={"z": 1}, level=1) == code(cells)  # only looked at


def test_everything_set(cells):
    text = code(
        cells,
        target="out/a b.ome.zarr",
        overwrite=True,
        options={"ome-zarr": {"levels": 2, "factors": {"x": 2, "y": 2}, "chunks": [1, 1, 1, 8, 8]}},
        channels=[{}, {"label": "it's", "color": "FF0000", "window": [10, 20.5], "active": False}],
        crop={"y": [0, 48], "t": [1, 2]},
        name="mine",
        scale={"z": 0.5},
        units={"z": "nm"},
    )
    assert text == (
        'da.isel(t=slice(1, 2), y=slice(0, 48)).bioexport.ome_zarr("out/a b.ome.zarr", '
        'chunks=(1, 1, 1, 8, 8), factors={"y": 2, "x": 2}, levels=2, overwrite=True, '
        'name="mine", scale={"z": 0.5}, units={"z": "nm"}, '
        'channels=["DAPI", {"label": "it\'s", "color": "FF0000", "window": (10, 20.5), '
        '"active": False}, "mCherry"])'
    )


def test_what_equals_the_array_is_not_said(cells):
    own = understood(cells, PanelState()).image.channels[0]
    assert code(cells, channels=[{"label": own.label, "color": own.color}]) == code(cells)
    assert code(cells, crop={"y": [0, 96]}) == code(cells)


def test_a_kept_channel_keeps_the_colour_it_is_shown_in():
    da = xr.DataArray(np.zeros((2, 8, 8), "u1"), dims=("c", "y", "x"), name="two")
    shown = understood(da, PanelState()).image.channels
    assert [c.color for c in shown] == ["00FF00", "FF00FF"]  # alone it would be white
    assert "da.isel(c=[1])" in code(da, kept=[1])
    assert 'channels=[{"label": "channel 1", "color": "FF00FF"}]' in code(da, kept=[1])


def test_crop_is_in_the_pixels_that_are_shown(cells):
    """Descending coordinates are turned round on their way; da.isel counts the other way."""
    turned = cells.isel(y=slice(None, None, -1)).transpose("x", "y", "c", "z", "t")
    state = PanelState.from_json({"crop": {"y": [0, 10], "x": [5, 80]}})
    subject = understood(turned, state)
    assert subject.flipped == {"y"}
    part = call_of(state, subject).part(turned)
    assert dict(part.sizes) == {"x": 75, "y": 10, "c": 3, "z": 2, "t": 2}
    wanted = cells.isel(y=slice(0, 10), x=slice(5, 80))
    nbexport.testing.assert_same_image(part, wanted)


def test_dims_of_any_name_can_be_cropped():
    da = xr.DataArray(np.zeros((4, 8, 8), "u1"), dims=("my dim", "y", "x"), name="odd")
    text = code(da, dims={"my dim": "z"}, crop={"z": [1, 3]})
    assert text == (
        'da.isel({"my dim": slice(1, 3)}).bioexport.ome_zarr("odd.ome.zarr", dims={"my dim": "z"})'
    )


@pytest.mark.parametrize("container", ["ome-zarr", "ome-tiff"])
def test_running_the_text_writes_what_running_the_call_writes(
    cells, tmp_path, monkeypatch, container
):
    state = PanelState.from_json(
        {
            "format": container,
            "options": {container: {"levels": 2, "method": "max"}},
            "channels": [{"label": "\"quoted\" 'both' \\ back", "window": [1, 2]}],
            "crop": {"y": [8, 72]},
            "kept": [0, 2],
            "units": {"x": "nm"},
            "scale": {"x": 0.1},
        }
    )
    call = call_of(state, understood(cells, state))
    for folder in ("text", "call"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "text")
    eval(call.text, {"da": cells})
    monkeypatch.chdir(tmp_path / "call")
    report = call.run(cells, lambda progress: None)
    assert report.plan.image.channels[0].label == "\"quoted\" 'both' \\ back"
    files = [
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (tmp_path / "text", tmp_path / "call")
    ]
    assert files[0]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    "value",
    [
        "a",
        'a"b',
        "a'b",
        "a\nb",
        "\\",
        "é\u2028",
        {"a": (1,)},
        [1.0, 0.1, None, True],
        (),
        -3,
    ],
)
def test_literals_are_read_back(value):
    assert eval(literal(value)) == value


def test_problems_stand_at_their_field():
    da = xr.DataArray(np.zeros((4, 8, 8), "u1"), dims=("z", "y", "x"))
    wrong = PanelState.from_json({"units": {"z": "bananas", "x": "um"}, "scale": {"x": 0.5}})
    found = problems(da, wrong)
    assert list(found) == ["units.z"]
    assert "bananas" in found["units.z"][0]
    assert problems(da, PanelState()) == {}
    odd = problems(da.rename(z="slab"), PanelState())
    assert list(odd) == ["dims.slab"]
    assert "slab" in odd["dims.slab"][0]
    scaled = PanelState.from_json({"units": {"x": "um"}, "scale": {"x": 2}})
    assert problems(da.rename(z="slab"), scaled) == odd  # these two are not what is wrong
    named = PanelState.from_json({"dims": {"slab": "z"}})
    assert problems(da.rename(z="slab"), named) == {}


def test_hints_stand_at_their_field():
    da = xr.DataArray(np.zeros((4, 8, 8), "u1"), dims=("z", "y", "x"))
    assert set(hints(understood(da, PanelState()).image)) == {"scale.z", "scale.y", "scale.x"}
    scaled = PanelState.from_json({"scale": {"z": 1, "y": 1, "x": 1}, "units": {"x": "um"}})
    assert set(hints(understood(da, scaled).image)) == {"units.z", "units.y"}
