"""Movies against the bundled ffmpeg fed by a bare pipe; the ratios are what counts."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
import xarray as xr
from imageio_ffmpeg import get_ffmpeg_exe

import nbexport
from benchmarks.conftest import scmos
from nbexport.api._render import plan_frames

FPS = 24


@pytest.fixture(scope="module")
def planes(request) -> np.ndarray:
    """Return (t, c, y, x) uint16: what a camera gives, 240 frames of 1024 x 1024."""
    n, edge = (240, 1024) if request.config.getoption("benchmark_enable") else (4, 128)
    # Noise of its own on every frame would be all that the encoder works on; 16 are repeated.
    distinct = scmos(3, min(n, 16), edge).swapaxes(0, 1)
    return np.concatenate([distinct] * (n // len(distinct)))


@pytest.fixture(scope="module")
def grey(planes) -> xr.DataArray:
    pixels = np.clip(planes[:, 0] - 90.0, 0, 255).astype("uint8")
    return xr.DataArray(pixels, dims=("t", "y", "x"), name="grey")


@pytest.fixture(scope="module")
def composite(planes) -> xr.DataArray:
    return xr.DataArray(
        planes,
        dims=tuple("tcyx"),
        coords={
            "t": ("t", np.arange(len(planes)) * 30.0, {"units": "s"}),
            "y": ("y", np.arange(planes.shape[2]) * 0.65, {"units": "um"}),
            "x": ("x", np.arange(planes.shape[3]) * 0.65, {"units": "um"}),
            "color": ("c", ["#0080FF", "#00FF00", "#FF8000"]),
        },
        name="composite",
    )


def bare_pipe(path, frames, size):
    """Encode frames that lie in memory by the settings of `quality="medium"`, and nothing else."""
    filters = (
        "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:"
        "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,format=yuv420p,"
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    )
    command = [
        *(get_ffmpeg_exe(), "-nostdin", "-loglevel", "error"),
        *("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{size[0]}x{size[1]}"),
        *("-framerate", str(FPS), "-i", "pipe:0", "-vf", filters),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-movflags", "+faststart"),
        *("-fps_mode", "passthrough", str(path)),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    for frame in frames:
        process.stdin.write(memoryview(frame).cast("B"))
    process.stdin.close()
    assert process.wait() == 0


def rendered(da, **options) -> list[np.ndarray]:
    return list(plan_frames(da, fps=FPS, **options).frames())


OVERLAYS = {"scale_bar": True, "timestamp": True}


def piped(da, **options):
    """Return the bare pipe of the frames of `da`, which lie in memory."""
    frames = rendered(da, **options)
    return lambda path: bare_pipe(path, frames, frames[0].shape[1::-1])


@pytest.mark.benchmark(group="mp4, 240 frames of 1024 x 1024 uint8")
def test_grey(timed, grey):
    timed(
        lambda path: nbexport.write_movie(grey, path, fps=FPS, progress=False),
        "a.mp4",
        piped(grey),
    )


@pytest.mark.benchmark(group="mp4, 240 frames of 3 x 1024 x 1024 uint16, scale bar and time")
def test_composite(timed, composite):
    timed(
        lambda path: nbexport.write_movie(composite, path, fps=FPS, progress=False, **OVERLAYS),
        "a.mp4",
        piped(composite, **OVERLAYS),
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="holds threads to one core")
@pytest.mark.benchmark(group="frames alone, one core")
@pytest.mark.parametrize("overlays", [{}, OVERLAYS], ids=["bare", "scale bar and time"])
def test_rendering_alone(benchmark, composite, overlays):
    """60 frames a second of 3 x 1024 x 1024 uint16 is the goal; threads inherit the one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        made = benchmark.pedantic(
            lambda: sum(1 for _ in plan_frames(composite, fps=FPS, workers=1, **overlays).frames()),
            rounds=3,
            warmup_rounds=1,
        )
    finally:
        os.sched_setaffinity(0, cores)
    assert made == len(composite)
    if benchmark.stats is not None:
        benchmark.extra_info["frames a second"] = round(made / benchmark.stats.stats.min)


def test_both_ways_make_the_same_movie(composite, tmp_path):
    """Else the ratio would compare two different things."""
    frames = rendered(composite[:4], **OVERLAYS)
    bare_pipe(tmp_path / "bare.mp4", frames, frames[0].shape[1::-1])
    nbexport.write_movie(composite[:4], tmp_path / "ours.mp4", fps=FPS, progress=False, **OVERLAYS)
    assert (tmp_path / "bare.mp4").read_bytes() == (tmp_path / "ours.mp4").read_bytes()
