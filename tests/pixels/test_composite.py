"""Rendering is one stated rule: exact values, any type, any block, and its speed's shortcuts."""

from __future__ import annotations

import colorsys
from math import floor

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nbexport.pixels import Look, label_colors, look_table, quantise, render_planes, resize

DTYPES = (
    "bool", "int8", "uint8", "int16", "uint16", ">u2", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
)  # fmt: skip
COLORS = st.sampled_from(["FF0000", "00FF00", "0080FF", "FFFFFF", "FF8001", "000000"])


def level(value, look) -> list[int]:
    """Return what one channel adds to one pixel: the rule, in Python's own numbers."""
    start, end = look.window
    value = value.item()
    small = isinstance(value, int) and look.direct
    fraction = min(max((value - start) / (end - start), 0.0), 1.0) if value == value else 0.0
    if not small:
        fraction = floor(fraction * 65535 + 0.5) / 65535
    bright = fraction**look.gamma
    if look.cmap is not None:
        entry = matplotlib.colormaps[look.cmap](np.linspace(0, 1, 256))[floor(bright * 255 + 0.5)]
        return [floor(part * 255 + 0.5) for part in entry[:3]]
    return [floor(part * bright + 0.5) for part in bytes.fromhex(look.color)]


def expected(planes, looks) -> np.ndarray:
    out = np.zeros((*planes.shape[1:], 3), int)
    direct = planes.dtype.kind in "iu" and planes.dtype.itemsize <= 2
    for plane, look in zip(planes, looks, strict=True):
        for place in np.ndindex(plane.shape):
            out[place] += level(plane[place], Rule(look, direct))
    return np.minimum(out, 255).astype("uint8")


class Rule:
    """A look, and whether pixels are looked up as they are."""

    def __init__(self, look, direct):
        self.window, self.color, self.cmap = look.window, look.color, look.cmap
        self.gamma, self.direct = look.gamma, direct


looks_of = st.builds(
    lambda start, width, color, gamma, cmap: Look(
        window=(start, start + width), color=color, gamma=gamma, cmap=cmap
    ),
    st.floats(-300, 300).map(float),
    st.floats(0.5, 70000),
    COLORS,
    st.sampled_from([1.0, 0.5, 2.2]),
    st.sampled_from([None, None, "viridis", "gray", "tab10"]),
)


@settings(deadline=None, max_examples=150)
@given(data=st.data(), dtype=st.sampled_from(DTYPES), n=st.integers(1, 5))
def test_every_pixel_follows_the_rule(data, dtype, n):
    planes = data.draw(hnp.arrays(dtype, (n, 3, 4)))
    looks = data.draw(st.lists(looks_of, min_size=n, max_size=n))
    native = planes.astype(planes.dtype.newbyteorder("="))
    np.testing.assert_array_equal(render_planes(planes, looks), expected(native, looks))


@settings(deadline=None, max_examples=50)
@given(
    data=st.data(),
    dtype=st.sampled_from(DTYPES),
    labels=st.booleans(),
    rows=st.tuples(st.integers(0, 20), st.integers(1, 20)),
    columns=st.tuples(st.integers(0, 3000), st.integers(1, 3000)),
)
def test_a_crop_is_rendered_as_in_the_whole(data, dtype, labels, rows, columns):
    """Planes of several blocks of rows each: where a block ends must not be seen."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    planes = (rng.random((2, 40, 6000)) * 200).astype(dtype)
    looks = [Look(window=(3, 150), color="FF8000"), Look(window=(0, 90), color="00FFFF")]
    if labels and planes.dtype.kind in "iu":
        looks = [Look(labels=True)] * 2
    box = (slice(rows[0], sum(rows)), slice(columns[0], sum(columns)))
    crop = render_planes(planes[:, *box], looks)
    np.testing.assert_array_equal(crop, render_planes(planes, looks)[box])


def test_how_pixels_lie_in_memory_does_not_matter():
    planes = np.arange(2 * 30 * 50, dtype="uint16").reshape(2, 30, 50)
    looks = [Look(window=(0, 3000), color="FF0000"), Look(window=(0, 3000), color="00FF00")]
    wanted = render_planes(planes, looks)
    for other in (planes.copy(order="F"), np.repeat(planes, 2, 2)[:, :, ::2], planes.astype(">u2")):
        np.testing.assert_array_equal(render_planes(other, looks), wanted)
    assert wanted.flags.c_contiguous
    planes.flags.writeable = False
    np.testing.assert_array_equal(render_planes(planes, looks), wanted)


def test_halves_are_rounded_up_and_sums_are_cut_off_at_255():
    plane = np.array([[[0, 1, 2, 4]]], "uint8")
    # 1/2 of 255 is 127.5, and of 1 (the blue) 0.5.
    assert render_planes(plane, [Look(window=(0, 2), color="FF0001")])[0].tolist() == [
        [0, 0, 0],
        [128, 0, 1],
        [255, 0, 1],
        [255, 0, 1],
    ]
    many = np.full((300, 1, 1), 255, "uint8")
    assert render_planes(many, [Look(color="030001")] * 300).tolist() == [[[255, 0, 255]]]
    assert render_planes(many[:84], [Look(color="030001")] * 84).tolist() == [[[252, 0, 84]]]


def test_nan_is_black_and_infinity_is_the_end():
    values = np.array([[[np.nan, -np.inf, np.inf, 1e300, -1e300, 0.5]]])
    assert render_planes(values, [Look(window=(0, 1))])[0, :, 0].tolist() == [
        0,
        0,
        255,
        255,
        0,
        128,
    ]
    # A window as wide as all floats: its width overflows, its fractions do not.
    huge = np.array([-1.7e308, 0, 1.7e308])
    assert quantise(huge, (-1.7e308, 1.7e308)).tolist() == [0, 32768, 65535]


def test_the_ends_of_all_integers():
    for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        info = np.iinfo(dtype)
        plane = np.array([[[info.min, info.max]]], dtype)
        look = Look(window=(float(info.min), float(info.max)))
        assert render_planes(plane, [look])[0, :, 0].tolist() == [0, 255]


def test_every_grey_of_a_full_window_is_itself():
    greys = np.arange(256, dtype="uint8").reshape(1, 16, 16)
    np.testing.assert_array_equal(render_planes(greys, [Look()])[..., 1], greys[0])
    np.testing.assert_array_equal(look_table("uint8", Look())[:, 2], np.arange(256))


def test_a_colormap_of_few_colours_is_spread_over_256_entries():
    table = look_table("uint8", Look(cmap="tab10"))
    assert len(np.unique(table, axis=0)) == 10
    wanted = np.floor(np.array(matplotlib.colormaps["viridis"].colors) * 255 + 0.5)
    np.testing.assert_array_equal(look_table("uint8", Look(cmap="viridis")), wanted)


# Written down once: a palette that changes would give the same cell another colour tomorrow.
PALETTE = {
    0: (0, 0, 0), 1: (0, 74, 255), 2: (191, 255, 102), 3: (255, 102, 236), 4: (0, 204, 170),
    5: (204, 110, 0), 100: (168, 0, 204), 4095: (204, 81, 192), 65535: (204, 81, 186),
}  # fmt: skip


def test_labels_keep_their_colours():
    for label, color in PALETTE.items():
        plane = np.array([[[label]]], "uint32")
        assert render_planes(plane, [Look(labels=True)])[0, 0].tolist() == list(color)
    for key in range(1, 2000, 7):
        hue = ((key * 2654435761) % 2**32 >> 16) / 65536
        hsv = (hue, 153 / 255 if key & 2 else 1, 204 / 255 if key & 4 else 1)
        close = np.array(colorsys.hsv_to_rgb(*hsv)) * 255
        assert np.abs(label_colors(np.array([key]))[0] - close).max() < 2


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint64"])
def test_a_label_has_one_colour_in_every_type(dtype):
    kind = np.dtype(dtype)
    top = 2 if kind.kind == "b" else min(int(np.iinfo(kind).max), 70000)
    labels = np.arange(0, top, max(top // 500, 1)).astype(dtype)[None, None]
    wide = render_planes(labels.astype("int64"), [Look(labels=True)])
    np.testing.assert_array_equal(render_planes(labels, [Look(labels=True)]), wide)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int16"])
def test_labels_at_the_ends_of_their_type(dtype):
    info = np.iinfo(dtype)
    labels = np.array([info.min, info.min + 1, 0, info.max - 1, info.max], dtype)
    keys = [0 if v == 0 else (int(v) - 1) % 65535 + 1 for v in labels]
    drawn = render_planes(labels[None, None], [Look(labels=True)])[0]
    np.testing.assert_array_equal(drawn, label_colors(np.array(keys)))


def test_neighbouring_labels_are_told_apart():
    colors = label_colors(np.arange(1, 65536)).astype(int)
    assert np.abs(np.diff(colors, axis=0)).sum(1).min() > 100
    assert colors.max(1).min() >= 203  # never nearly black, which is the background


def test_a_whole_zoom_repeats_and_labels_are_only_picked():
    frame = np.random.default_rng(0).integers(0, 255, (5, 7, 3), "uint8")
    np.testing.assert_array_equal(resize(frame, (21, 10)), frame.repeat(2, 0).repeat(3, 1))
    assert resize(frame, (7, 5)) is frame
    picked = resize(frame, (10, 3), exact=True)
    assert picked.shape == (3, 10, 3)
    known = {tuple(color) for color in frame.reshape(-1, 3)}
    assert {tuple(color) for color in picked.reshape(-1, 3)} <= known
    flat = np.full((9, 9, 3), (7, 100, 250), "uint8")
    assert (resize(flat, (4, 5)) == (7, 100, 250)).all()
