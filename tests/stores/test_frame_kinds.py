"""Any way of storing pixels, any cut into blocks: the same frames come out."""

from __future__ import annotations

import time
from contextlib import closing

import dask.array
import numpy as np
import pytest
import xarray as xr

from nbexport.api._render import plan_frames
from nbexport.pixels import Look, find_window, look_table, render_planes
from nbexport.pixels._window import USUAL


def series(dtype="uint16", shape=(20, 2, 3, 40, 50)) -> xr.DataArray:
    """Return pixels that grow brighter with time: a window of one frame would be seen."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.2, 1, shape[0]).reshape(-1, *(1,) * (len(shape) - 1))
    values = rng.random(shape) * ramp * (200 if np.dtype(dtype).itemsize == 1 else 3000)
    pixels = (values > 100 if dtype == "bool" else values).astype(dtype)
    if pixels.dtype.kind == "f":
        pixels[..., 0, 0], pixels[..., 1, 1], pixels[..., 2, 2] = np.nan, np.inf, -np.inf
    return xr.DataArray(pixels, dims=tuple("tczyx"), name="a")


def frames_of(da, **options) -> np.ndarray:
    return np.stack([*plan_frames(da, **options).frames()])


@pytest.mark.parametrize("dtype", ["bool", "uint8", ">i2", "uint16", "int64", "float32"])
@pytest.mark.parametrize("options", [{}, {"project": {"z": "mean"}}, {"project": {"z": "sum"}}])
def test_frames_do_not_depend_on_how_pixels_are_stored(dtype, options):
    da = series(dtype)
    wanted = frames_of(da, memory_budget="1 GiB", **options)
    assert wanted.shape == (20, 40, 50, 3)
    assert np.ptp(wanted) > 100
    for chunks in ((1, 1, 1, 40, 50), (7, 2, 2, 13, 50), (20, 1, 3, 40, 9)):
        lazy = da.chunk(dict(zip("tczyx", chunks, strict=True)))
        for budget, workers in (("1 GiB", 1), ("40 kB", 3)):
            made = frames_of(lazy, memory_budget=budget, workers=workers, **options)
            np.testing.assert_array_equal(made, wanted)


def test_windows_are_those_of_the_series_and_not_of_a_frame():
    da = series("uint16")
    rendering = plan_frames(da, sel={"z": 1}, channels=["a", "b"])
    looks = rendering.looks()
    for i, look in enumerate(looks):
        # 40 x 50 pixels of 8 frames are all looked at: the first, the last, and six between.
        sample = da.values[np.round(np.linspace(0, 19, 8)).astype(int), i, 1]
        assert look.window == find_window(USUAL, sample)
    frames = frames_of(da, sel={"z": 1}, channels=["a", "b"])
    np.testing.assert_array_equal(frames[3], render_planes(da.values[3, :, 1], looks))
    assert frames[0].mean() < frames[-1].mean() / 3


def test_windows_that_are_given_win():
    da = series("uint16").assign_coords(c=["a", "b"])
    wishes = [{"label": "a", "window": (5, 50)}, "b"]
    looks = plan_frames(da, channels=wishes, window={"b": (0, 99)}).looks()
    assert [look.window for look in looks] == [(5, 50), (0, 99)]
    looks = plan_frames(da, channels=wishes, window="full").looks()
    assert [look.window for look in looks] == [(0, 65535)] * 2
    # A window of pixels is none of their sum.
    looks = plan_frames(da, channels=wishes, project={"z": "sum"}).looks()
    assert looks[0].window[1] > 1000


def test_channels_one_after_the_other():
    da = series("uint16").isel(t=0, z=0).assign_coords(c=["a", "b"])
    rendering = plan_frames(da, along="c", legend=False)
    looks = rendering.looks()
    frames = [*rendering.frames()]
    assert rendering.plan.frame_names == ("a", "b")
    for i, frame in enumerate(frames):
        assert looks[i].window == find_window(USUAL, da.values[i])
        np.testing.assert_array_equal(frame, render_planes(da.values[i : i + 1], [looks[i]]))


def test_rgb_or_labels_one_channel_after_the_other():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 11, 3), "uint8")
    da = xr.DataArray(pixels, dims=tuple("cyxs"), name="a")
    np.testing.assert_array_equal(frames_of(da, along="c"), pixels)
    np.testing.assert_array_equal(frames_of(da, along="c", window="minmax"), pixels)
    labels = xr.DataArray(pixels[..., 0], dims=tuple("cyx"), name="labels")
    table = look_table("uint8", Look(labels=True))
    np.testing.assert_array_equal(frames_of(labels, along="c"), table[pixels[..., 0]])


def test_visible_channels_in_their_order():
    da = series("uint8")
    hidden = {"label": "a", "color": "#FF0000", "active": False}
    channels = [hidden, {"label": "b", "color": "#00FF00"}]
    options = {"sel": {"z": 0}, "window": (0, 255), "channels": channels}
    both = frames_of(da, visible=["b", 0], **options)
    np.testing.assert_array_equal(both[..., 0], da.values[:, 0, 0])
    np.testing.assert_array_equal(both[..., 1], da.values[:, 1, 0])
    rendering = plan_frames(da, **options)
    assert rendering.plan.channels == (1,)
    assert "inactive channels are not shown: a; pass visible=[…]" in rendering.plan.notes
    np.testing.assert_array_equal(next(rendering.frames())[..., 1], da.values[0, 1, 0])


def test_rgb_is_shown_as_it_is():
    rng = np.random.default_rng(0)
    for dtype, full in (("uint8", 255), ("uint16", 65535), ("float32", 1)):
        pixels = (rng.random((4, 9, 11, 4)) * full).astype(dtype)
        da = xr.DataArray(pixels, dims=tuple("tyxs"), name="a")
        frames = frames_of(da)
        exact = np.floor(pixels[..., :3].astype(float) / full * 255 + 0.5)
        assert np.abs(frames - exact).max() <= (0 if dtype != "float32" else 1)
    np.testing.assert_array_equal(frames_of(da.chunk(t=1, y=3)), frames)


def test_labels_keep_their_colours_in_every_frame():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 100_000, (5, 3, 9, 11)).astype("uint32")
    da = xr.DataArray(pixels, dims=tuple("tzyx"), name="labels")
    frames = frames_of(da)
    np.testing.assert_array_equal(frames[2], render_planes(pixels[2, 1:2], [Look(labels=True)]))
    small = frames_of(da % 200)
    table = look_table("uint8", Look(labels=True))
    np.testing.assert_array_equal(small, table[pixels[:, 1] % 200])
    zoomed = frames_of(da % 200, zoom=1.5)
    assert {tuple(c) for c in zoomed.reshape(-1, 3)} <= {tuple(c) for c in small.reshape(-1, 3)}


def test_complex_pixels_are_shown_by_their_magnitude():
    pixels = np.array([[3 + 4j, 0, -5j]], "complex64")
    da = xr.DataArray(pixels, dims=("y", "x"), name="a")
    frame = frames_of(da, still=True, window=(0, 10))[0]
    assert frame[0, :, 0].tolist() == [128, 0, 128]


def test_frames_belong_to_whom_they_are_given():
    da = series("uint8")
    rendering = plan_frames(da, text="a", memory_budget="20 kB")
    untouched = [frame.copy() for frame in rendering.frames()]
    for frame, wanted in zip(rendering.frames(), untouched, strict=True):
        assert frame.flags.c_contiguous
        np.testing.assert_array_equal(frame, wanted)
        frame[...] = 0
    np.testing.assert_array_equal(series("uint8"), da)


def test_each_frame_has_its_own_time():
    da = series("uint8", (9, 1, 1, 40, 60)).assign_coords(
        t=("t", np.arange(9) * 30.0, {"units": "s"})
    )
    options = {"timestamp": True, "window": (0, 255)}
    wanted = frames_of(da, memory_budget="1 GiB", **options)
    rendering = plan_frames(da, memory_budget="60 kB", **options)
    assert len(rendering.plan.spans) > 2
    np.testing.assert_array_equal([*rendering.frames()], wanted)
    assert (wanted != frames_of(da, window=(0, 255))).any((1, 2, 3)).all()
    # The one time of a single picture is that of its frame.
    still = frames_of(da, still=True, sel={"t": 7}, **options)[0]
    np.testing.assert_array_equal(still, wanted[7])


def test_closing_stops_within_a_block():
    """Of a block of 40 planes, those that are not begun are never computed."""
    counts: list[int] = []

    def load(block_info=None):
        counts.append(1)
        time.sleep(0.03)
        return np.zeros((1, 1, 8, 8), "uint8")

    chunks = ((1,) * 6, (1,) * 40, (8,), (8,))
    meta = np.zeros((0,) * 4, "uint8")
    lazy = dask.array.map_blocks(load, chunks=chunks, dtype="uint8", meta=meta)
    counts.clear()
    da = xr.DataArray(lazy, dims=tuple("tcyx"), name="a")
    rendering = plan_frames(da, window=(0, 9), memory_budget="10 kB", workers=1)
    assert set(rendering.plan.spans) == {1}
    with closing(rendering.frames()) as frames:
        next(frames)
        time.sleep(0.3)  # the next blocks are under way
    at_close = len(counts)
    time.sleep(1)
    assert len(counts) <= at_close + 1
    assert at_close < 6 * 40 / 2
