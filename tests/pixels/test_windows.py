"""What people say of windows, and the windows that follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nbexport.errors import PlanError
from nbexport.pixels import (
    USUAL,
    by_channel,
    display_windows,
    find_channel,
    find_window,
    is_window,
    parse_window,
)

RAMP = np.arange(1001, dtype="uint16").reshape(7, 143)


@pytest.mark.parametrize(
    ("wish", "window"),
    [
        ((100, 4000), (100, 4000)),
        ([-0.5, 7], (-0.5, 7)),
        (("1%", "99%"), (10, 990)),
        (("1 %", 500), (10, 500)),
        ((0, "50%"), (0, 500)),
        ("minmax", (0, 1000)),
        ("full", (0, 65535)),
        ((np.float32(2), np.uint8(9)), (2, 9)),
    ],
)
def test_wishes(wish, window):
    assert is_window(wish)
    assert find_window(parse_window(wish, "uint16"), RAMP) == pytest.approx(window)


def test_the_usual_window_is_that_of_the_omero_metadata():
    rng = np.random.default_rng(0)
    for dtype in ("uint8", "int16", "float32", "int64"):
        sample = (rng.normal(100, 30, 5000)).astype(dtype)
        _, _, start, end = display_windows([(0, sample)], 1)[0]
        assert find_window(USUAL, sample) == (start, end)


@pytest.mark.parametrize(
    ("wish", "dtype", "words"),
    [
        ("ful", "uint8", r"window='ful' is not known; use \(100, 4000\)"),
        ("full", "float32", r"window='full' has no meaning for float32 pixels.*'minmax'"),
        ((5, 5), "uint8", r"window=\(5, 5\) ends before it starts"),
        (("99%", "1%"), "uint8", r"ends before it starts; write it as \(darkest, brightest\)"),
        ((0, "101%"), "uint8", r"has the end '101%'"),
        ((0, "x%"), "uint8", r"has the end 'x%'"),
        ((0, float("nan")), "uint8", r"has the end nan"),
        ((0, float("inf")), "uint8", r"has the end inf"),
        ((0, 1, 2), "uint8", r"window=\(0, 1, 2\) is not known"),
        ((True, 5), "uint8", r"window=\(True, 5\) is not known"),
        (7, "uint8", r"window=7 is not known"),
    ],
)
def test_wishes_that_make_no_sense(wish, dtype, words):
    with pytest.raises(PlanError, match=words):
        parse_window(wish, dtype)


samples = st.sampled_from(["uint8", "int16", "int64", "uint64", "float16", "float32", "float64"])
ends = st.sampled_from(
    ["minmax", "usual", (0, "99%"), ("1%", 50.0), ("50%", "50.1%"), (1e30, "90%"), ("90%", -1e30)]
)


@settings(deadline=None, max_examples=300)
@given(data=st.data(), dtype=samples, wish=ends)
def test_every_window_is_finite_and_has_a_width(data, dtype, wish):
    shape = data.draw(st.sampled_from([(0,), (1,), (2, 2), (40,)]))
    sample = data.draw(hnp.arrays(dtype, shape))
    start, end = find_window(USUAL if wish == "usual" else parse_window(wish, dtype), sample)
    assert np.isfinite([start, end]).all()
    assert start < end


def test_constant_nan_and_infinite_pixels():
    assert find_window(USUAL, np.full(9, 7, "uint8")) == (7, 8)
    assert find_window(USUAL, np.full(9, 255, "uint8")) == (254, 255)
    assert find_window(USUAL, np.full(9, np.nan)) == (0, 1)
    assert np.isfinite(find_window(USUAL, np.full(9, np.finfo("float64").max))).all()
    largest = float(np.finfo("float64").max)
    for sample in (np.full(3, largest), np.zeros(0)):
        start, end = find_window(parse_window((largest, "50%"), "float64"), sample)
        assert np.nextafter(largest, 0) == start < end == largest
    minmax = parse_window("minmax", "float32")
    assert find_window(minmax, np.array([np.inf, 1, 3, np.nan, -np.inf])) == (1, 3)


def test_one_wish_a_channel():
    labels = ["DAPI", "GFP", "Cy5"]
    assert by_channel({"GFP": (0, 9), -1: "full"}, labels, (0, 1, 2), "window") == {
        1: (0, 9),
        2: "full",
    }
    assert by_channel([0.5, 2], labels, (2, 0), "gamma") == {2: 0.5, 0: 2}
    for wish in ([1, 2], 5, "GFP"):
        with pytest.raises(PlanError, match=r"does not fit 3 channels; give one for all"):
            by_channel(wish, labels, (0, 1, 2), "gamma")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("GPF", r"visible names 'GPF', which is no channel of this image; did you mean 'GFP'\?"),
        ("zzz", r"'zzz'.*the channels are 'DAPI', 'GFP'"),
        (2, r"visible names 2,"),
        (-3, r"visible names -3,"),
        (True, r"visible names True,"),
        (None, r"visible names None,"),
    ],
)
def test_channels_that_are_none(key, words):
    with pytest.raises(PlanError, match=words):
        find_channel(key, ["DAPI", "GFP"], "visible")
