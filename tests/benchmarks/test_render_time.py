"""Rendering alone, on one core: what comes before every encoder. 60 frames a second is the goal."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.conftest import scmos
from nbexport.pixels import Look, render_planes

COLORS = ("0080FF", "00FF00", "FF8000")
N_FRAMES = 8


@pytest.fixture(scope="module")
def frames(request) -> np.ndarray:
    """Return (frame, channel, y, x) uint16."""
    edge = 1024 if request.config.getoption("benchmark_enable") else 64
    return scmos(3, N_FRAMES, edge).swapaxes(0, 1)


@pytest.mark.benchmark(group="8 frames of 3 x 1024 x 1024, one core")
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_composite(benchmark, frames, dtype):
    planes = np.minimum(frames, 255).astype(dtype) if dtype == "uint8" else frames.astype(dtype)
    looks = [Look(window=(100.0, 250.0), color=color) for color in COLORS]
    made = benchmark(lambda: [render_planes(frame, looks) for frame in planes])
    assert np.ptp(made[0]) > 100
    if benchmark.stats is not None:
        benchmark.extra_info["frames a second"] = round(N_FRAMES / benchmark.stats.stats.min)


@pytest.mark.benchmark(group="8 frames of 1024 x 1024, one core")
@pytest.mark.parametrize("look", ["grey", "viridis", "labels"])
def test_single(benchmark, frames, look):
    looks = {
        "grey": Look(window=(100.0, 250.0)),
        "viridis": Look(window=(100.0, 250.0), cmap="viridis"),
        "labels": Look(labels=True),
    }
    made = benchmark(lambda: [render_planes(frame[:1], [looks[look]]) for frame in frames])
    assert np.ptp(made[0]) > 100
