"""Axes, channels, images and units as values."""

from __future__ import annotations

import copy
import pickle
from typing import get_args

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ome_types.model import UnitsLength, UnitsTime

from nbexport.errors import AxisError, ChannelError, DescribeError, DtypeError
from nbexport.model import OME_SYMBOLS, Axis, Channel, ImageSpec, convert, is_length, is_time

REGISTRY = pint.UnitRegistry()
LENGTHS = [u for u in OME_SYMBOLS if is_length(u)]
TIMES = [u for u in OME_SYMBOLS if is_time(u)]


def test_every_unit_has_a_symbol_of_ome_and_is_one_of_two_kinds():
    assert {OME_SYMBOLS[u] for u in LENGTHS} <= {u.value for u in UnitsLength}
    assert {OME_SYMBOLS[u] for u in TIMES} <= {u.value for u in UnitsTime}
    assert len(set(OME_SYMBOLS.values())) == len(OME_SYMBOLS)
    assert set(LENGTHS).isdisjoint(TIMES)


def test_the_names_are_those_of_ngff():
    from yaozarrs import _axis

    assert set(LENGTHS) == set(get_args(_axis.ValidSpaceUnit))
    assert set(TIMES) == set(get_args(_axis.ValidTimeUnit))


@given(
    st.floats(1e-6, 1e6),
    st.one_of(
        st.tuples(st.sampled_from(LENGTHS), st.sampled_from(LENGTHS)),
        st.tuples(st.sampled_from(TIMES), st.sampled_from(TIMES)),
    ),
)
def test_conversion_is_what_pint_says(value, pair):
    unit, to = pair
    assert convert(value, unit, to) == pytest.approx(
        REGISTRY.Quantity(value, unit).to(to).magnitude, rel=1e-9
    )
    assert convert(convert(value, unit, to), to, unit) == pytest.approx(value, rel=1e-12)


def test_round_numbers_stay_round():
    assert convert(200, "nanometer", "micrometer") == 0.2
    assert convert(0.5, "millimeter", "micrometer") == 500
    assert convert(65, "nanometer", "micrometer") == 0.065


def test_a_length_is_no_time():
    with pytest.raises(KeyError):
        convert(1, "second", "micrometer")


YX = (Axis(name="y", size=4), Axis(name="x", size=5))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Axis(name="q", size=1), AxisError, "axis name 'q' is not one of t c z y x s"),
        (lambda: Axis(name="x", size=2, positions=(1.0,)), AxisError, "1 positions for 2 pixels"),
        (lambda: Channel(label="a", color="#ffffff"), ChannelError, "six upper-case hexadecimal"),
        (
            lambda: ImageSpec(
                name="a", axes=YX[::-1], dtype="uint8", channels=(Channel(label=""),)
            ),
            AxisError,
            "axes x y are not in the order t c z y x s",
        ),
        (
            lambda: ImageSpec(name="a", axes=YX[:1], dtype="uint8"),
            AxisError,
            "needs the axes y and",
        ),
        (
            lambda: ImageSpec(name="a", axes=YX, dtype="uint8"),
            ChannelError,
            "0 channels are described, the data have 1",
        ),
        (
            lambda: ImageSpec(name="a", axes=YX, dtype="uint8", kind="rgb"),
            AxisError,
            "kind 'rgb' does not fit the axes y x",
        ),
    ],
)
def test_impossible_values_are_refused_at_birth(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_specs_are_values():
    image = ImageSpec(name="a", axes=YX, dtype="uint16", channels=(Channel(label="c"),))
    same = copy.deepcopy(image)
    assert image == same
    assert hash(image) == hash(same)
    assert pickle.loads(pickle.dumps(image)) == image
    assert (image.shape, image.sizes, image.nbytes) == ((4, 5), {"y": 4, "x": 5}, 40)


def test_errors_survive_a_process_boundary():
    error = DescribeError("DataArray 'a has b'", [AxisError("one"), DtypeError("two")])
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert [str(p) for p in again.problems] == ["one", "two"]
