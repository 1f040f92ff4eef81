"""Frames from a source: in order, each chunk once, a few at a time, by plain numpy's numbers."""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from contextlib import closing

import dask.array
import numpy as np
import pytest
import xarray as xr

from nbexport import PlanError, SourceError
from nbexport.api._render import plan_frames


def counted(shape, chunks, dtype="uint16", slow=0.0):
    """Return a lazy (t, c, z, y, x) array, its pixels, and how often each chunk was computed."""
    pixels = np.random.default_rng(0).integers(0, 4000, shape).astype(dtype)
    counts: Counter = Counter()
    lock = threading.Lock()

    def load(block_info=None):
        info = block_info[None]
        time.sleep(slow)
        with lock:
            counts[info["chunk-location"]] += 1
        return pixels[tuple(slice(a, b) for a, b in info["array-location"])]

    lengths = dask.array.core.normalize_chunks(chunks, shape)
    lazy = dask.array.map_blocks(
        load, chunks=lengths, dtype=dtype, meta=np.zeros((0,) * len(shape), dtype)
    )
    dims = tuple("tczyx")[-len(shape) :]
    return xr.DataArray(lazy, dims=dims, name="a"), pixels, counts


def planes_of(rendering) -> np.ndarray:
    with closing(rendering.planes()) as frames:
        return np.stack([*frames])


@pytest.mark.parametrize("chunks", [(1, 1, 1, 20, 30), (4, 1, 3, 20, 30), (3, 2, 2, 9, 30)])
@pytest.mark.parametrize("memory_budget", ["256 MiB", "100 kB"])
def test_frames_are_numpy_s_in_order(chunks, memory_budget):
    da, pixels, counts = counted((10, 2, 5, 20, 30), chunks)
    frames = plan_frames(da, project={"z": "max"}, memory_budget=memory_budget)
    np.testing.assert_array_equal(planes_of(frames), pixels.max(2))
    plan = frames.plan
    assert max(counts.values()) == 1 or plan.n_recomputed > 0
    assert sum(counts.values()) - len(counts) == plan.n_recomputed


def test_each_chunk_is_computed_once():
    da, _, counts = counted((12, 2, 4, 20, 30), (3, 1, 2, 20, 30))
    rendering = plan_frames(da, project={"z": "mean"}, window=(0, 4000), memory_budget="80 kB")
    assert rendering.plan.n_recomputed == 0
    assert len(rendering.plan.spans) > 1
    assert sum(1 for _ in rendering.frames()) == 12
    assert set(counts.values()) == {1}
    assert len(counts) == 4 * 2 * 2


def test_a_window_that_is_looked_for_costs_a_sample_of_eight_frames():
    da, _, counts = counted((100, 1, 1, 20, 30), (1, 1, 1, 20, 30))
    frames = plan_frames(da, memory_budget="20 kB").frames()
    assert sum(1 for _ in frames) == 100
    assert sum(counts.values()) == 108
    assert counts[(0, 0, 0, 0, 0)] == counts[(99, 0, 0, 0, 0)] == 2  # the ends are among them


def test_only_what_is_shown_is_computed():
    da, pixels, counts = counted((10, 2, 5, 20, 30), (1, 1, 1, 20, 30))
    rendering = plan_frames(da, still=True, sel={"t": 3, "z": -1}, visible=[1])
    np.testing.assert_array_equal(planes_of(rendering)[0], pixels[3, 1:2, 4])
    assert dict(counts) == {(3, 1, 4, 0, 0): 1}


def test_projections_state_their_rounding():
    pixels = np.array([[[1, 2]], [[2, 2]], [[2, 250]], [[2, 255]]], "uint8")  # z, y, x
    da = xr.DataArray(pixels, dims=tuple("zyx"), name="a")

    def projected(method):
        found = planes_of(plan_frames(da, still=True, project={"z": method}))[0, 0]
        return found.dtype.name, found.tolist()

    assert projected("max") == ("uint8", [[2, 255]])
    assert projected("mean") == ("uint8", [[2, 127]])  # 1.75 and 127.25
    assert projected("sum") == ("uint64", [[7, 509]])
    odd = xr.DataArray(np.array([[[1]], [[2]]], "int8"), dims=tuple("zyx"), name="a")
    mean = planes_of(plan_frames(odd, still=True, project={"z": "mean"}))
    assert mean.tolist() == [[[[2]]]]  # 1.5, half up
    signed = xr.DataArray(np.array([[[-1]], [[-2]]], "int8"), dims=tuple("zyx"), name="a")
    mean = planes_of(plan_frames(signed, still=True, project={"z": "mean"}))
    assert mean.tolist() == [[[[-1]]]]  # -1.5, half up


def test_nan_is_left_out_of_projections():
    nan = np.nan
    pixels = np.array([[[1.0, nan]], [[3.0, nan]], [[nan, nan]]], "float32")
    da = xr.DataArray(pixels, dims=tuple("zyx"), name="a")
    for method, value in {"max": 3.0, "mean": 2.0, "sum": 4.0}.items():
        found = planes_of(plan_frames(da, still=True, project={"z": method}))[0, 0, 0]
        assert found[0] == value
        assert np.isnan(found[1])


def test_closing_stops_the_threads_at_once():
    da, _, counts = counted((200, 1, 1, 8, 8), (1, 1, 1, 8, 8), slow=0.02)
    frames = plan_frames(da, window=(0, 9), memory_budget="2 kB").frames()
    next(frames)
    begin = time.perf_counter()
    frames.close()
    assert time.perf_counter() - begin < 2
    before = sum(counts.values())
    time.sleep(0.3)
    assert sum(counts.values()) <= before + 1
    assert before < 20
    names = [t.name for t in threading.enumerate() if t.name.startswith("nbexport")]
    assert names == []


def test_few_frames_are_held_at_once():
    da, _, counts = counted((60, 1, 1, 64, 64), (1, 1, 1, 64, 64))
    rendering = plan_frames(da, window=(0, 9), memory_budget="100 kB", workers=2)
    with closing(rendering.frames()) as frames:
        for i, _ in enumerate(frames):
            time.sleep(0.002)
            ahead = sum(counts.values()) - i
            assert ahead <= (rendering.plan.in_flight + 2) * max(rendering.plan.spans) + 1


def test_a_hundred_gigabytes_are_held_a_few_frames_at_a_time():
    """50,000 frames of 1024 x 1024 uint16: planned in full, the first 40 made."""
    alive, most, made, lock = [0], [0], [0], threading.Lock()

    def freed():
        with lock:
            alive[0] -= 1

    def load(block_info=None):
        (start, _), *_ = block_info[None]["array-location"]
        pixels = np.full((1, 1024, 1024), start, "uint16")
        weakref.finalize(pixels, freed)
        with lock:
            alive[0] += 1
            made[0] += 1
            most[0] = max(most[0], alive[0])
        return pixels

    n = 50_000
    lazy = dask.array.map_blocks(
        load, chunks=((1,) * n, (1024,), (1024,)), dtype="uint16", meta=np.zeros((0,) * 3, "uint16")
    )
    assert lazy.nbytes > 100e9
    da = xr.DataArray(lazy, dims=tuple("tyx"), name="much")
    rendering = plan_frames(da, window=(0, 100), workers=2, memory_budget="64 MiB")
    plan = rendering.plan
    assert (plan.n_frames, plan.n_recomputed) == (n, 0)
    held = (plan.in_flight + 1) * max(plan.spans)
    assert held <= 64 * 2**20 // (2 * 2**20)  # of pixels alone
    with closing(rendering.frames()) as frames:
        values = [int(frame[0, 0, 0]) for frame, _ in zip(frames, range(40), strict=False)]
    assert values == [int(i * 2.55 + 0.5) for i in range(40)]
    assert most[0] <= held
    assert made[0] <= 40 + held + max(plan.spans)


def test_a_source_that_fails_names_the_frame():
    def fail(block):
        raise RuntimeError("the disk is gone")

    lazy = dask.array.zeros((5, 8, 8), chunks=(1, 8, 8), dtype="uint8").map_blocks(
        fail, dtype="uint8", meta=np.zeros((0,) * 3, "uint8")
    )
    rendering = plan_frames(xr.DataArray(lazy, dims=tuple("tyx"), name="a"), window=(0, 9))
    with pytest.raises(SourceError, match=r"at t 0:\d+ failed with RuntimeError: the disk is gone"):
        next(rendering.frames())


def test_panels_need_channels():
    da, _, _ = counted((3, 8, 8), (1, 8, 8))
    labels = plan_frames(da.rename(c="t") if "c" in da.dims else da, still=True, kind="labels")
    with pytest.raises(PlanError, match="has no channels to show side by side"):
        next(labels.panels())
