"""Movies of every kind of image: what is written is what was rendered, and browsers show it so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from shutil import which

import dask.array
import fsspec
import numpy as np
import pytest
import xarray as xr
from movies import psnr, read_animation, read_movie

import nbexport
from nbexport.api._render import plan_frames
from nbexport.testing import cells, labels

CHROMIUM = os.environ.get("NBEXPORT_CHROMIUM") or shutil.which("chromium") or "chromium"


def with_nan() -> xr.DataArray:
    da = cells(t=5, c=1, y=253, x=217, dtype="float32")
    da[:, :, 40:80, 30:60] = np.nan
    return da


def rgb() -> xr.DataArray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (5, 4, 4, 3)).repeat(64, 1).repeat(60, 2)
    return xr.DataArray(coarse[:, :253, :217].astype("uint8"), dims=tuple("tyxs"), name="rgb")


GREEN_MAGENTA_BLUE = {"color": ("c", ["#00FF00", "#FF00FF", "#0000FF"])}


def camera() -> xr.DataArray:
    """Return smooth structure with the noise of each pixel, in three saturated colours."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:253, :217]
    pixels = 100 + rng.poisson(80 * (1 + np.sin(x / 20) * np.cos(y / 26)), (5, 3, 253, 217))
    return xr.DataArray(pixels.astype("uint16"), GREEN_MAGENTA_BLUE, dims=tuple("tcyx"))


IMAGES = {
    "green, magenta, blue": lambda: cells(t=5, c=3, y=253, x=217).assign_coords(GREEN_MAGENTA_BLUE),
    "camera noise": camera,
    "float with NaN": with_nan,
    "uint16": lambda: cells(t=5, c=3, y=253, x=217),
    "uint8": lambda: cells(t=5, c=1, y=253, x=217, dtype="uint8"),
    "int16": lambda: cells(t=5, c=2, y=253, x=217).astype("int16") - 2000,
    "bool": lambda: cells(t=5, c=1, y=253, x=217) > 1000,
    "rgb": rgb,
    "labels": lambda: xr.concat([labels(y=253, x=217, seed=i) for i in range(5)], "t"),
    "dask": lambda: cells(t=5, c=2, z=4, y=253, x=217, chunks={"t": 2, "z": 2, "y": 100}),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_lossless_frames_are_the_rendered_ones(kind, tmp_path):
    da = IMAGES[kind]()
    rendered = list(plan_frames(da).frames())
    report = nbexport.write_movie(da, tmp_path / "a.mkv", quality="lossless", progress=False)
    movie = read_movie(tmp_path / "a.mkv")
    assert (movie.codec, movie.size, movie.fps) == ("ffv1", (217, 253), 10)
    assert len(movie.frames) == report.plan.n_frames == 5
    for ours, theirs in zip(rendered, movie.frames, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(np.unique(np.concatenate(rendered))) >= 2  # something was shown


@pytest.mark.parametrize("kind", IMAGES)
def test_h264_frames_are_nearly_the_rendered_ones(kind, tmp_path):
    da = IMAGES[kind]()
    rendered = list(plan_frames(da).frames())
    nbexport.write_movie(da, tmp_path / "a.mp4", quality="high", progress=False)
    movie = read_movie(tmp_path / "a.mp4")
    assert (movie.codec, movie.pix_fmt, movie.tags) == ("h264", "yuv420p", (1, 1, 1, 1))
    assert (movie.size, movie.fps, len(movie.frames)) == ((218, 254), 10, 5)
    kept = [frame[:253, :217] for frame in movie.frames]
    # Edges and pixels of unlike colours: half the colour's resolution is what 4:2:0 keeps.
    at_least = {"bool": 24, "rgb": 24, "labels": 24, "camera noise": 28}.get(kind, 40)
    assert psnr(rendered, kept) >= at_least
    grey = [[f.astype(float) @ (0.2126, 0.7152, 0.0722) for f in fs] for fs in (rendered, kept)]
    assert psnr(*grey) >= (33 if at_least == 24 else 44)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", None), ("a.mkv", "ffv1")])
def test_ten_thousand_tiny_frames_of_a_dask_array(name, codec, tmp_path):
    values = (np.arange(10_000) % 256).astype("uint8")
    pixels = np.broadcast_to(values[:, None, None], (10_000, 5, 7)).copy()
    da = xr.DataArray(dask.array.from_array(pixels, chunks=(7, 5, 7)), dims=tuple("tyx"))
    heard = []
    report = nbexport.write_movie(
        da, tmp_path / name, codec=codec, window=(0, 255), progress=heard.append
    )
    assert report.plan.n_frames == heard[-1].done == 10_000
    found = [int(frame[1, 1, 1]) for frame in read_movie(tmp_path / name).frames]
    assert len(found) == 10_000
    off = np.abs(np.array(found) - values).max()
    assert off <= (0 if codec == "ffv1" else 8)


def test_the_scale_bar_and_the_time_are_in_the_movie(tmp_path):
    da = cells(t=4, c=2, y=256, x=320, time_step=60)
    options = {"scale_bar": "50 um", "timestamp": True, "legend": True, "speed": 600}
    nbexport.write_movie(da, tmp_path / "a.mkv", quality="lossless", **options)
    movie = read_movie(tmp_path / "a.mkv")
    assert movie.fps == 10
    rendered = list(plan_frames(da, **options).frames())
    bare = list(plan_frames(da, fps=10).frames())
    for ours, theirs, plain in zip(rendered, movie.frames, bare, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert (theirs != plain).any(axis=-1)[-60:, -120:].sum() > 100  # the bar
        assert (theirs != plain).any(axis=-1)[:40, :120].sum() > 50  # the time


def test_a_size_that_was_asked_for(tmp_path):
    da = cells(t=3, y=100, x=200)
    for options, size in (({"size": (64, 48)}, (64, 48)), ({"zoom": 2}, (400, 200))):
        report = nbexport.write_movie(da, tmp_path / "a.mp4", overwrite=True, **options)
        assert read_movie(tmp_path / "a.mp4").size == report.plan.size == size


def test_animations_of_cells(tmp_path):
    da = cells(t=5, c=1, y=120, x=90)
    rendered = list(plan_frames(da, cmap="gray").frames())
    for name, quality in (("a.gif", "medium"), ("a.apng", "medium"), ("a.webp", "lossless")):
        nbexport.write_movie(da, tmp_path / name, cmap="gray", quality=quality, fps=5)
        found, durations = read_animation(tmp_path / name)
        assert durations == [200] * 5
        for ours, theirs in zip(rendered, found, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def ffprobe(path: Path) -> dict:
    if which("ffprobe") is None:
        if os.environ.get("NBEXPORT_CI"):
            pytest.fail("ffprobe is needed here; apt-get install ffmpeg")
        pytest.skip("needs ffprobe, of another ffmpeg than the one that encodes")
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stderr == ""
    (stream,) = json.loads(done.stdout)["streams"]
    return stream


PROBED = {
    ("a.mp4", None): ("h264", "yuv420p", 218, 254),
    ("a.mp4", "av1"): ("av1", "yuv420p", 218, 254),
    ("a.mov", None): ("h264", "yuv420p", 218, 254),
    ("a.mkv", None): ("h264", "yuv420p", 218, 254),
    ("a.mkv", "ffv1"): ("ffv1", "bgr0", 217, 253),
    ("a.webm", None): ("vp9", "yuv420p", 218, 254),
    ("a.avi", None): ("mjpeg", "yuvj444p", 217, 253),
    ("a.mpg", None): ("mpeg2video", "yuv420p", 218, 254),
    ("a.wmv", None): ("wmv2", "yuv420p", 218, 254),
    ("a.ogg", None): ("theora", "yuv420p", 218, 254),
    ("a.gif", None): ("gif", "bgra", 217, 253),
    ("a.apng", None): ("apng", "rgb24", 217, 253),
}


@pytest.mark.parametrize(("kind", "wanted"), PROBED.items(), ids=lambda v: " ".join(map(str, v)))
def test_another_ffmpeg_finds_the_same(kind, wanted, tmp_path):
    name, codec = kind
    da = cells(t=6, c=2, y=253, x=217)
    nbexport.write_movie(da, tmp_path / name, codec=codec, fps=12, progress=False)
    stream = ffprobe(tmp_path / name)
    found = (stream["codec_name"], stream["pix_fmt"], stream["width"], stream["height"])
    assert found == wanted
    assert int(stream["nb_read_frames"]) == 6
    if name in ("a.mp4", "a.mov", "a.avi", "a.apng", "a.mkv", "a.webm"):
        assert stream["r_frame_rate"] == "12/1"
    if codec != "ffv1" and stream["codec_name"] in ("h264", "av1", "vp9", "mpeg2video"):
        tags = [stream[f"color_{what}"] for what in ("space", "primaries", "transfer", "range")]
        assert tags == ["bt709", "bt709", "bt709", "tv"]


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    return fs


@pytest.fixture(scope="module")
def page():
    """Open a page of a real browser; SwiftShader stands for the graphics card.

    Without one Chromium converts colours with 8-bit tables that are up to 12 levels off in
    saturated blue, whatever the movie says.
    """
    if shutil.which(CHROMIUM) is None:
        if os.environ.get("NBEXPORT_CI"):
            pytest.fail(f"{CHROMIUM} is needed here; apt-get install chromium")
        pytest.skip("needs Chromium; set NBEXPORT_CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    flags = (
        *("--no-sandbox", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
        *("--ignore-gpu-blocklist", "--autoplay-policy=no-user-gesture-required"),
        "--force-color-profile=srgb",
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(flags))
        yield browser.new_page()
        browser.close()


PATCHES = [
    *((0, 0, 0), (255, 255, 255), (128, 128, 128), (64, 64, 64)),
    *((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)),
    *((255, 0, 255), (0, 255, 255), (200, 40, 90), (30, 160, 220)),
    *((240, 200, 20), (90, 10, 130), (10, 90, 40), (250, 128, 114)),
]
PLAYED = """async () => {
  const video = document.querySelector('video');
  await new Promise((done, failed) => {
    video.onerror = () => failed(new Error(video.error.message));
    if (video.readyState >= 2) done();
    video.onloadeddata = done;
  });
  video.loop = false;
  await video.play();
  await new Promise(done => { video.onended = done; if (video.ended) done(); });
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.width, canvas.height, video.duration, Array.from(data)];
}"""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mp4", {"quality": "high"}),
        ("a.mp4", {"codec": "av1"}),
        ("a.mp4", {"quality": "lossless"}),
        ("a.webm", {}),
        ("a.webm", {"codec": "av1", "quality": "high"}),
        ("a.webm", {"quality": "lossless"}),
    ],
    ids=str,
)
def test_chromium_plays_the_report_with_its_colours(name, options, page, tmp_path):
    """The report as a notebook shows it: the movie plays, and a canvas has the patches' colours."""
    frame = np.array(PATCHES, np.uint8).reshape(4, 4, 3).repeat(64, 0).repeat(64, 1)[:253, :251]
    da = xr.DataArray(np.stack([frame] * 6), dims=tuple("tyxs"))
    report = nbexport.write_movie(da, tmp_path / name, progress=False, **options)
    page.set_content(report._repr_html_())
    width, height, duration, data = page.evaluate(PLAYED)
    exact = options.get("quality") == "lossless"
    assert (width, height) == ((251, 253) if exact else (252, 254))
    assert duration == pytest.approx(0.6, abs=0.01)
    shown = np.array(data, np.uint8).reshape(height, width, 4)[..., :3].astype(int)
    off = [
        np.abs(shown[y * 64 + 24 : y * 64 + 40, x * 64 + 24 : x * 64 + 40] - frame[y * 64, x * 64])
        for y in range(4)
        for x in range(4)
    ]
    assert max(int(patch.max()) for patch in off) <= (0 if exact else 3)


@pytest.mark.parametrize("name", ["a.gif", "a.apng", "a.webp"])
def test_chromium_shows_animations(name, page, tmp_path):
    da = cells(t=3, c=1, y=64, x=80)
    report = nbexport.write_movie(da, tmp_path / name, progress=False)
    page.set_content(report._repr_html_())
    page.wait_for_function("document.querySelector('img').complete")
    size = page.evaluate("(i => [i.naturalWidth, i.naturalHeight])(document.querySelector('img'))")
    assert size == [80, 64]


def test_movies_and_pictures_by_url(memory, tmp_path):
    da = cells(t=3, c=1, y=64, x=80)
    heard = []
    report = nbexport.write_movie(da, "memory://talks/a.mp4", progress=heard.append)
    assert report.target == "memory://talks/a.mp4"
    (tmp_path / "a.mp4").write_bytes(memory.cat("/talks/a.mp4"))
    assert len(read_movie(tmp_path / "a.mp4").frames) == 3
    assert report.preview == ("video/mp4", memory.cat("/talks/a.mp4"))
    assert "<a href" not in report._repr_html_()  # a notebook can't follow it, but plays it
    assert heard[-1].what == "uploading a.mp4"
    nbexport.write_image(da, "memory://talks/a.png", sel={"t": 1})
    (tmp_path / "a.png").write_bytes(memory.cat("/talks/a.png"))
    found, _ = read_animation(tmp_path / "a.png")
    np.testing.assert_array_equal(found[0], list(plan_frames(da, visible=0).frames())[1])


MUCH = """
import sys
from pathlib import Path
import dask.array, numpy as np, xarray as xr
import nbexport
n = int(sys.argv[2])
pixels = dask.array.map_blocks(
    lambda block_info: np.full((1, 1, 1024, 1024), block_info[None]["chunk-location"][0], "u2"),
    chunks=((1,) * n, (1,), (1024,), (1024,)), dtype="uint16",
)
da = xr.DataArray(pixels, dims=tuple("tcyx"))
peaks = {}

def look(progress):
    me = Path("/proc/self")
    children = (me / "task" / me.resolve().name / "children").read_text().split()
    for place in ("self", *children):
        words = Path("/proc", place, "status").read_text().split()
        if "VmHWM:" in words:  # a process that has ended has no memory
            peaks[place] = int(words[words.index("VmHWM:") + 1]) / 1024

report = nbexport.write_movie(da, sys.argv[1], quality="low", window="full", progress=look)
assert report.plan.n_frames == n
print(peaks.pop("self") + max(peaks.values()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_two_gigabytes_pass_through_500_megabytes(name, tmp_path):
    """Python and ffmpeg together; the imports alone are about 150 MB of it."""
    n = 1000 if name == "a.mp4" else 200
    done = subprocess.run(
        [sys.executable, "-c", MUCH, str(tmp_path / name), str(n)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 500
