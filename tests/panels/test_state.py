"""The panel's state and its reducers: no widget, no browser."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from nbexport.errors import PlanError
from nbexport.panels._options import FIELDS, parse_option
from nbexport.panels._reduce import Bounds, reduce
from nbexport.panels._state import ChannelState, PanelState, format_of, renamed

BOUNDS = Bounds(sizes=(("t", 3), ("c", 2), ("z", 5), ("y", 100), ("x", 80)), n_channels=2)


def after(*actions, state=None):
    state = state or PanelState()
    for action in actions:
        state = reduce(state, action, BOUNDS)
    return state


@pytest.mark.parametrize(
    ("action", "field", "value"),
    [
        ({"type": "index", "axis": "z", "value": 3}, "index", (("z", 3),)),
        ({"type": "index", "axis": "z", "value": 99}, "index", (("z", 4),)),
        ({"type": "index", "axis": "z", "value": -1}, "index", ()),
        ({"type": "level", "value": 2}, "level", 2),
        ({"type": "level", "value": None}, "level", None),
        ({"type": "overwrite", "value": True}, "overwrite", True),
        ({"type": "crop", "axis": "y", "value": [10, 60]}, "crop", (("y", (10, 60)),)),
        ({"type": "crop", "axis": "y", "value": [-5, 500]}, "crop", ()),
        ({"type": "crop", "axis": "y", "value": None}, "crop", ()),
        ({"type": "keep", "value": [1]}, "kept", (1,)),
        ({"type": "keep", "value": [1, 0]}, "kept", None),
        ({"type": "name", "value": " mine "}, "name", "mine"),
        ({"type": "name", "value": ""}, "name", None),
        ({"type": "scale", "axis": "z", "value": 0.3}, "scale", (("z", 0.3),)),
        ({"type": "scale", "axis": "z", "value": None}, "scale", ()),
        ({"type": "units", "axis": "z", "value": "um"}, "units", (("z", "um"),)),
        ({"type": "dims", "dim": "slab", "value": "z"}, "dims", (("slab", "z"),)),
        (
            {"type": "option", "name": "levels", "value": "3"},
            "options",
            (("ome-zarr", (("levels", 3),)),),
        ),
        ({"type": "option", "name": "levels", "value": ""}, "options", ()),
    ],
)
def test_action_sets_its_field_and_nothing_else(action, field, value):
    state = after(action)
    assert getattr(state, field) == value
    assert replace(state, **{field: getattr(PanelState(), field)}) == PanelState()


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("window", [10, 20], (10.0, 20.0)),
        ("color", "#00ff7f", "00FF7F"),
        ("label", "<script>", "<script>"),
        ("active", False, False),
    ],
)
def test_channel_fields_are_set_and_unset(field, given, kept):
    action = {"type": "channel", "channel": 1, "field": field, "value": given}
    state = after(action)
    assert state.channels == (ChannelState(), ChannelState(**{field: kept}))
    assert after({**action, "value": None}, state=state) == PanelState()


def test_target_decides_the_format_and_the_format_the_suffix():
    state = after({"type": "target", "value": "out/cells.ome.tif"})
    assert (state.target, state.format) == ("out/cells.ome.tif", "ome-tiff")
    state = after({"type": "format", "value": "ome-zarr"}, state=state)
    assert (state.target, state.format) == ("out/cells.ome.zarr", "ome-zarr")
    state = after({"type": "target", "value": "cells.what"}, state=state)
    assert (state.target, state.format) == ("cells.what", "ome-zarr")  # refused when written
    assert after({"type": "target", "value": ""}, state=state).target is None


@pytest.mark.parametrize(
    ("kind", "target"), [("image", "a.tif"), ("movie", "a.webp"), ("ome-tiff", "a.tif")]
)
def test_a_suffix_of_two_formats_keeps_the_chosen_one(kind, target):
    state = after({"type": "format", "value": kind}, {"type": "target", "value": target})
    assert (state.format, state.target) == (kind, target)


def test_another_target_does_not_keep_the_leave_to_replace():
    state = replace(PanelState(), target="a.zarr", overwrite=True)
    assert not after({"type": "target", "value": "b.zarr"}, state=state).overwrite
    assert not after({"type": "format", "value": "ome-tiff"}, state=state).overwrite


def test_options_belong_to_their_format():
    state = after(
        {"type": "option", "name": "levels", "value": 3},
        {"type": "format", "value": "ome-tiff"},
        {"type": "option", "name": "compression", "value": "zstd"},
    )
    assert state.options_of("ome-zarr") == {"levels": 3}
    assert state.options_of("ome-tiff") == {"compression": "zstd"}
    assert state.options_of("movie") == {}


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ({"type": "jump"}, "action 'jump' is not known; known: index"),
        ({"type": "index", "axis": "c", "value": 1}, "there is no axis 'c' to choose from"),
        ({"type": "index", "axis": "q", "value": 1}, "there is no axis 'q' to choose from"),
        ({"type": "index", "axis": "z"}, "action 'index' with .* makes no sense: 'value'"),
        ({"type": "crop", "axis": "y", "value": [60, 60]}, "crop of 'y' is 60 to 60"),
        ({"type": "keep", "value": []}, "no channel is left to write; keep at least one"),
        ({"type": "keep", "value": [7]}, r"channels \(7,\) are not all there; there are 2"),
        (
            {"type": "scale", "axis": "z", "value": -1},
            "scale -1.0 of 'z' must be a positive",
        ),
        ({"type": "format", "value": "bmp"}, "format='bmp' is not known; use one of ome-zarr"),
        ({"type": "option", "name": "tile", "value": 1}, "ome-zarr has no option 'tile'"),
        (
            {"type": "option", "name": "levels", "value": "2.5"},
            "levels='2.5' is not a whole number",
        ),
        (
            {"type": "option", "name": "method", "value": "best"},
            "method='best' is not offered; choose one of automatic, mean",
        ),
        (
            {"type": "option", "name": "chunks", "value": "64 by 64"},
            "chunks='64 by 64' is not understood; give lengths such as 1, 512, 512",
        ),
        (
            {"type": "channel", "channel": 5, "field": "label", "value": "a"},
            "channel 5 does not exist; there are 2",
        ),
        (
            {"type": "channel", "channel": 0, "field": "color", "value": "mauve-ish"},
            "color 'mauve-ish' is not a colour; give six digits such as '00FF00'",
        ),
        (
            {"type": "channel", "channel": 0, "field": "window", "value": [5, 5]},
            r"window \(5.0, 5.0\) of channel 0 is not \(start, end\)",
        ),
        (
            {"type": "channel", "channel": 0, "field": "smell", "value": 1},
            "a channel has no 'smell'; it has label, color, window, active",
        ),
    ],
)
def test_senseless_action_says_why(action, text):
    with pytest.raises(PlanError, match=text):
        after(action)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("factors", "isotropic", "isotropic"),
        ("factors", "y=2 x=2", (("y", 2), ("x", 2))),
        ("factors", "Z = 2, y: 2", (("z", 2), ("y", 2))),
        ("chunks", "1, 256,256", (1, 256, 256)),
        ("shards", "auto", "auto"),
        ("levels", 4, 4),
        ("skip_empty", True, True),
        ("skip_empty", False, None),
        ("version", "0.4", "0.4"),
        ("compression_level", "7", 7),
    ],
)
def test_typed_options_become_values(name, given, value):
    (field,) = (f for f in FIELDS["ome-zarr"] if f.name == name)
    assert parse_option(field, given) == value


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("gamma", "0", "gamma='0' is not a positive number"),
        ("gamma", "-1.5", "gamma='-1.5' is not a positive number"),
        ("zoom", "big", "zoom='big' is not a number"),
        (
            "codec",
            "xvid",
            "codec='xvid' is not offered; choose one of what suits the suffix, H.264",
        ),
    ],
)
def test_senseless_option_of_a_movie_says_why(name, given, text):
    (field,) = (f for f in FIELDS["movie"] if f.name == name)
    with pytest.raises(PlanError) as caught:
        parse_option(field, given)
    assert str(caught.value).startswith(text)


def test_state_is_frozen_hashable_and_survives_json():
    state = after(
        {"type": "target", "value": 'näme "x".ome.zarr'},
        {"type": "option", "name": "factors", "value": "y=2, x=2"},
        {"type": "option", "name": "chunks", "value": "1, 1, 1, 64, 64"},
        {"type": "option", "name": "shards", "value": "auto"},
        {"type": "channel", "channel": 1, "field": "window", "value": [0.25, 0.5]},
        {"type": "channel", "channel": 0, "field": "label", "value": "nuclei"},
        {"type": "crop", "axis": "y", "value": [1, 9]},
        {"type": "keep", "value": [1]},
        {"type": "index", "axis": "z", "value": 2},
        {"type": "scale", "axis": "z", "value": 0.5},
        {"type": "units", "axis": "z", "value": "um"},
        {"type": "dims", "dim": "slab", "value": "z"},
        {"type": "level", "value": 1},
    )
    text = state.to_json()
    assert PanelState.from_json(text) == state
    assert PanelState.from_json(json.loads(text)) == state
    assert hash(PanelState.from_json(text)) == hash(state)
    assert PanelState().to_json() == "{}"
    with pytest.raises(FrozenInstanceError):
        state.level = 3


def test_the_order_of_actions_on_different_things_does_not_matter():
    actions = [
        {"type": "crop", "axis": "y", "value": [1, 9]},
        {"type": "crop", "axis": "x", "value": [2, 9]},
        {"type": "option", "name": "levels", "value": 2},
        {"type": "option", "name": "chunks", "value": "y=8"},
    ]
    assert after(*actions) == after(*reversed(actions))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("{", "is not what PanelState.to_json gives"),
        ({"colour": 1}, "state has no field 'colour'; its fields are channels, crop"),
        ({"format": "bmp"}, "format='bmp' is not known"),
        ({"crop": {"y": [5, 5]}}, "crop of 'y' is 5 to 5; it must hold at least one pixel"),
        ({"channels": [{"smell": 1}]}, "is not what PanelState.to_json gives"),
        ([1, 2], "is not what PanelState.to_json gives"),
    ],
)
def test_wrong_json_says_why(given, text):
    with pytest.raises(PlanError, match=text):
        PanelState.from_json(given)


def test_suffixes_go_with_formats():
    assert format_of("a.b/cells.ZARR/") == "ome-zarr"
    assert format_of("cells.txt") is None
    assert renamed("a/cells.ome.tiff", "ome-zarr") == "a/cells.ome.zarr"
    assert renamed("cells", "image") == "cells.png"
    assert renamed("cells.zarr", "ome-zarr") == "cells.zarr"
