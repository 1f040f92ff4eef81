"""Bars and words on frames: lengths to the pixel, ground untouched elsewhere, pictures to look at.

``NBEXPORT_GOLDEN=1`` draws the pictures of tests/pixels/golden anew: look at each before it is
committed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nbexport.api._render import plan_frames
from nbexport.errors import PlanError
from nbexport.pixels import Painter, fit_overlays
from nbexport.pixels._annotate import Patch
from nbexport.plan import CORNERS, Overlay, scale_bar, time_texts
from nbexport.testing import cells, labels

GOLDEN = Path(__file__).with_name("golden")


def bar(length=40.0, corner="bottom right", text="10 µm", color="FFFFFF") -> Overlay:
    return Overlay(
        kind="scale_bar", corner=corner, lines=((text, color),), length=length, color=color
    )


def text(words="cells", corner="top left", color="FFFFFF") -> Overlay:
    return Overlay(kind="text", corner=corner, color=color, lines=((words, color),))


def black(width, height) -> np.ndarray:
    return np.zeros((height, width, 3), "uint8")


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("length", [1, 7.4, 40, 99.6])
def test_a_bar_has_its_length_and_stands_in_its_corner(corner, length):
    (kept,), _ = fit_overlays([bar(length, corner, "1 µm")], (200, 150))
    frame = Painter([kept], (200, 150)).draw(black(200, 150))
    rows = np.flatnonzero((frame == 255).all(2).sum(1) == round(length))
    whole = [r for r in rows if (np.diff(np.flatnonzero((frame[r] == 255).all(1))) == 1).all()]
    assert len(whole) >= 2  # as thick as two pixels at least, and without a gap
    ys, xs = np.nonzero(frame.any(2))
    assert (ys.max() < 75) == ("top" in corner)
    assert (xs.max() < 110) == ("left" in corner)


def test_the_font_grows_with_the_frame_and_stays_legible():
    heights = []
    for edge in (64, 256, 512, 1024, 2048):
        drawn = Painter([text("H")], (edge, edge)).draw(black(edge, edge)).any(2)
        heights.append(np.flatnonzero(drawn.any(1)).size)
    assert heights[0] == heights[1] == 7  # of a capital letter, at the floor of 10 pixels
    assert heights == sorted(heights)
    assert 0.025 < heights[-1] / 2048 < 0.035


def test_ink_is_legible_on_its_own_colour():
    """White words on white, black ones on black, blue ones on blue: the outline shows them."""
    for color in ("FFFFFF", "000000", "0000FF", "00FF00", "808080"):
        ground = np.full((60, 120, 3), np.frombuffer(bytes.fromhex(color), "uint8"), "uint8")
        drawn = Painter([text(color=color)], (120, 60)).draw(ground.copy())
        assert np.abs(drawn.astype(int) - ground).sum(2).max() > 150


@settings(deadline=None, max_examples=40)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    corners=st.lists(st.sampled_from(CORNERS), min_size=3, max_size=3),
    length=st.floats(1, 60),
)
def test_any_frame_takes_what_fits_and_says_the_rest(width, height, corners, length):
    time = Overlay(kind="timestamp", corner=corners[0], texts=("00:00", "100:00"))
    asked = [time, text("two\nwords", corners[1]), bar(length, corners[2])]
    kept, notes = fit_overlays(asked, (width, height))
    without = [o for o in kept if o.kind == "scale_bar" and not o.lines]
    assert len(kept) + len(notes) == 3 + len(without)
    assert all(f"does not fit frames of {width} x {height}" in note for note in notes)
    painter = Painter(kept, (width, height))
    for i in range(2):
        frame = painter.draw(black(width, height), i)
        assert frame.shape == (height, width, 3)
        assert frame.any() == bool(kept)


def test_what_does_not_fit_is_named():
    legend = Overlay(kind="legend", corner="top right", lines=(("DAPI", "0000FF"),) * 9)
    kept, notes = fit_overlays([legend, bar(5)], (24, 24))
    assert [(o.kind, o.lines) for o in kept] == [("scale_bar", ())]
    assert notes == (
        "the legend does not fit frames of 24 x 24, and is left out",
        "the text '10 µm' of the scale bar does not fit frames of 24 x 24",
    )


def test_overlays_of_one_corner_do_not_cover_each_other():
    three = [text("upper", "top left"), bar(30, "top left")]
    kept, notes = fit_overlays(three, (200, 200))
    assert (len(kept), notes) == (2, ())
    alone = sum(Painter([o], (200, 200)).draw(black(200, 200)).any(2).sum() for o in kept)
    assert Painter(kept, (200, 200)).draw(black(200, 200)).any(2).sum() == alone


def test_blending_is_exact():
    """Of every pixel: between the ground and the ink, and the ground where nothing is drawn."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (60, 120, 3), "uint8")
    touched = Painter([text()], (120, 60)).draw(black(120, 60)).any(2)
    opaque = (Painter([text()], (120, 60)).draw(black(120, 60)) == 255).all(2)
    drawn = Painter([text()], (120, 60)).draw(ground.copy())
    assert opaque.any()
    assert (drawn[opaque] == 255).all()
    grown = np.pad(touched, 2)
    near = np.zeros_like(touched)
    for dy in range(5):
        for dx in range(5):
            near |= grown[dy : dy + 60, dx : dx + 120]
    np.testing.assert_array_equal(drawn[~near], ground[~near])


def test_blends_are_rounded_to_the_nearest():
    ground = np.arange(256, dtype="uint8").reshape(1, 256, 1).repeat(3, 2)
    for keep in (0, 1, 127, 128, 254, 255):
        paint = (255 - keep) * 201
        patch = Patch(np.full((1, 256, 1), keep, "uint16"), np.full((1, 256, 3), paint, "uint16"))
        frame = ground.copy()
        patch.lay(frame, 0, 0)
        np.testing.assert_array_equal(frame, np.rint((ground * float(keep) + paint) / 255))


def test_times_change_and_the_rest_stays():
    time = Overlay(kind="timestamp", corner="top right", texts=("00:00", "00:08"))
    painter = Painter([time, bar()], (200, 100))
    first, second = (painter.draw(black(200, 100), i) for i in range(2))
    assert (first != second).any()
    changed = np.flatnonzero((first != second).any((0, 2)))
    assert changed.min() > 180  # the last digit alone: figures are equally wide
    np.testing.assert_array_equal(first[50:], second[50:])


def test_threads_draw_the_same():
    texts = tuple(f"{i:04d}" for i in range(300))
    time = Overlay(kind="timestamp", corner="top left", texts=texts)
    painter = Painter([time], (120, 40))
    one = [painter.draw(black(120, 40), i) for i in range(300)]
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda i: painter.draw(black(120, 40), i), range(300)))
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(
    ("width", "pixel", "unit", "words", "length"),
    [
        (512, 0.65, "micrometer", "50 µm", 50 / 0.65),
        (512, 65.0, "nanometer", "5 µm", 5000 / 65),
        (100, 1.0, "angstrom", "2 nm", 20),
        (100, 0.5, "millimeter", "10 mm", 20),
        (1000, 0.1, "meter", "20 m", 200),
        (64, 0.1, "micrometer", "1 µm", 10),
        (100, 1e-4, "micrometer", "2 nm", 20),
        (100, 1e-9, "micrometer", "0.02 pm", 20),
    ],
)
def test_round_lengths(width, pixel, unit, words, length):
    assert scale_bar(width, pixel, unit, None)[0] == words
    assert scale_bar(width, pixel, unit, None)[1] == pytest.approx(length)


@given(
    width=st.integers(10, 10000),
    pixel=st.floats(1e-3, 1e3),
    unit=st.sampled_from(["nanometer", "micrometer", "millimeter", "inch"]),
)
def test_every_bar_is_about_a_fifth(width, pixel, unit):
    words, length = scale_bar(width, pixel, unit, None)
    assert 0.12 * width < length < 0.32 * width
    assert float(words.split()[0]) in {m * 10.0**p for m in (1, 2, 5) for p in range(7)}


@pytest.mark.parametrize(
    ("times", "texts"),
    [
        ([0, 1800, 8130], ("00:00:00", "00:30:00", "02:15:30")),
        ([0, 0.05, 0.35], ("0 ms", "50 ms", "350 ms")),
        ([0, 2.5, 5], ("0.0 s", "2.5 s", "5.0 s")),
        ([0, 1e-5], ("0 µs", "10 µs")),
        ([0, 4e-9], ("0 ns", "4 ns")),
        ([0], ("0 s",)),
        ([-30, 0, 90], ("-00:30", "00:00", "01:30")),
        ([0, 59.9999, 3599.99999], ("00:00", "01:00", "60:00")),
        ([0, 7.5, 60], ("00:00.0", "00:07.5", "01:00.0")),
        ([0, 360000, 363661], ("00:00:00", "4 d 04:00:00", "4 d 05:01:01")),
        ([0.1, 0.2, 0.30000000000000004], ("100 ms", "200 ms", "300 ms")),
    ],
)
def test_times_are_written_in_one_format(times, texts):
    assert time_texts(times) == texts


@given(
    start=st.floats(-1e4, 1e4),
    step=st.floats(1e-3, 1e5),
    n=st.integers(2, 40),
)
def test_times_a_step_apart_are_told_apart(start, step, n):
    texts = time_texts([start + i * step for i in range(n)])
    visible = step >= 2e-3 or abs(start) + n * step < 1
    assert len(set(texts)) == n or not visible


def slide() -> xr.DataArray:
    pixels = np.full((60, 120, 3), 245, "uint8")
    pixels[15:45, 30:90] = (200, 120, 170)
    y, x = ((name, np.arange(n) * 0.1, {"units": "um"}) for name, n in (("y", 60), ("x", 120)))
    return xr.DataArray(pixels, dims=("y", "x", "s"), coords={"y": y, "x": x}, name="slide")


def ramp() -> xr.DataArray:
    pixels = np.tile(np.arange(120, dtype="float32"), (40, 1))
    pixels[10:30, 40:60] = np.nan
    return xr.DataArray(pixels, dims=("y", "x"), name="ramp")


PICTURES = {
    "composite": lambda: plan_frames(
        cells(t=3, c=3, y=80, x=112, seed=3), window=(600, 4000),
        scale_bar=True, timestamp=True, legend=True, text="gastrula",
    ),
    "labels": lambda: plan_frames(labels(y=96, x=128), still=True, scale_bar="20 um"),
    "slide": lambda: plan_frames(
        slide(), still=True, scale_bar=True, text="H&E, 40x", overlay_color="black"
    ),
    "white on white": lambda: plan_frames(slide(), still=True, scale_bar=True, text="H&E, 40x"),
    "colormap": lambda: plan_frames(ramp(), still=True, cmap="magma", window="minmax"),
    "tiny": lambda: plan_frames(
        cells(t=2, c=2, y=32, x=32), scale_bar=True, timestamp=True, legend=True
    ),
    "zoomed": lambda: plan_frames(
        cells(c=1, y=32, x=48), still=True, zoom=4, cmap="viridis", scale_bar=True, gamma=0.5
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_look_as_they_did(name):
    """Letters may differ by a shade where FreeType does; everything else may not."""
    *_, frame = PICTURES[name]().frames()
    path = GOLDEN / f"{name.replace(' ', '_')}.png"
    if os.environ.get("NBEXPORT_GOLDEN"):
        Image.fromarray(frame).save(path, optimize=True)
    assert path.stat().st_size < 10_000
    with Image.open(path) as picture:
        wanted = np.asarray(picture)
    assert frame.shape == wanted.shape
    difference = np.abs(frame.astype(int) - wanted)
    assert difference.mean() < 0.5
    assert (difference.max(2) > 40).mean() < 0.005


def test_a_corner_that_is_none():
    with pytest.raises(PlanError, match=r"corner='middle' is not known; use one of top left"):
        text(corner="middle")
