"""Frames to movies: every kind of file, read back by PyAV and Pillow; and what can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from movies import noisy, plan_of, psnr, read_animation, read_movie, smooth

import nbexport
from nbexport.errors import ExportError, MissingPackageError, PlanError, TargetError
from nbexport.stores import check_target
from nbexport.stores.media._codec import CODECS, CONTAINERS
from nbexport.stores.media.movie import check_encoding, write_movie_file

BT709_LIMITED = (1, 1, 1, 1)
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


def write(frames, path, *, fps=10, progress=False, pull=None, **options):
    options = {"codec": None, "quality": "medium", "crf": None, **options}
    target = check_target(path, "movie", overwrite=True)
    plan = plan_of(frames, fps)
    encoding = check_encoding(target.name, plan.size, fps, **options)
    source = pull(frames) if pull else (frame for frame in frames)
    return write_movie_file(source, plan, target, encoding=encoding, progress=progress)


def children() -> list[int]:
    """Return the processes that this one has, zombies included."""
    done = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())], capture_output=True
    )
    return [int(line.split()[0]) for line in done.stdout.splitlines() if b"ffmpeg" in line]


# suffix, codec -> what PyAV calls it, pixels, even size, matrix primaries transfer range
LOSSY = {
    (".mp4", None): ("h264", "yuv420p", True, BT709_LIMITED),
    (".mp4", "av1"): ("libdav1d", "yuv420p", True, BT709_LIMITED),
    (".mov", None): ("h264", "yuv420p", True, BT709_LIMITED),
    (".mkv", None): ("h264", "yuv420p", True, BT709_LIMITED),
    (".mkv", "vp9"): ("vp9", "yuv420p", True, BT709_LIMITED),
    (".mkv", "av1"): ("libdav1d", "yuv420p", True, BT709_LIMITED),
    (".webm", None): ("vp9", "yuv420p", True, BT709_LIMITED),
    (".webm", "av1"): ("libdav1d", "yuv420p", True, BT709_LIMITED),
    (".avi", None): ("mjpeg", "yuvj444p", False, (5, 2, 2, 2)),
    (".mpg", None): ("mpeg2video", "yuv420p", True, BT709_LIMITED),
    (".mpeg", None): ("mpeg2video", "yuv420p", True, BT709_LIMITED),
    # Neither has a place for tags; players take such for BT.601.
    (".wmv", None): ("wmv2", "yuv420p", True, (2, 2, 2, 0)),
    (".ogg", None): ("theora", "yuv420p", True, (2, 2, 2, 0)),
}


@pytest.mark.parametrize(("kind", "found"), LOSSY.items(), ids=lambda v: f"{v[0]} {v[1] or ''}")
@pytest.mark.parametrize("size", [(253, 217), (96, 128)], ids=str)
def test_every_lossy_movie_is_what_it_says(kind, found, size, tmp_path):
    frames = smooth(12, *size)
    path = tmp_path / f"waves{kind[0]}"
    report = write(frames, path, codec=kind[1], quality="high")
    movie = read_movie(path)
    codec, pix_fmt, even, tags = found
    height, width = (n + n % 2 if even else n for n in size)
    assert (movie.codec, movie.pix_fmt, movie.tags) == (codec, pix_fmt, tags)
    assert movie.size == (width, height)
    assert len(movie.frames) == 12
    steps = np.diff(movie.times)
    assert steps == pytest.approx(np.full(11, 0.1), abs=1e-3)
    kept = [frame[: size[0], : size[1]] for frame in movie.frames]
    assert psnr(frames, kept) >= (40 if codec != "wmv2" else 39)
    padded = any("needs even sizes" in note for note in report.notes)
    assert padded == (even and size == (253, 217))
    if padded:  # by the edge itself, not by black, whose colour would bleed into the frame
        edge = [f[: size[0], -1].astype(int) - f[: size[0], -2] for f in movie.frames]
        assert np.abs(edge).mean() < 6
    # No frame may come late or early: each is nearest to its own.
    if size == (96, 128):
        for i, frame in enumerate(kept):
            assert np.argmin([np.abs(frame - f.astype(int)).mean() for f in frames]) == i


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (7, 5), (16, 16), (33, 31), (63, 65)], ids=str)
@pytest.mark.parametrize("kind", LOSSY, ids=lambda v: f"{v[0]} {v[1] or ''}")
def test_every_lossy_movie_may_be_tiny(kind, size, tmp_path):
    frames = [np.full((*size, 3), value, np.uint8) for value in (0, 90, 255)]
    path = tmp_path / f"tiny{kind[0]}"
    if kind[0] == ".ogg" and max(size) < 18:
        with pytest.raises(
            PlanError, match=r"are smaller than Theora players take, 18 x 18; pass a"
        ):
            write(frames, path)
        return
    write(frames, path, codec=kind[1], quality="high")
    movie = read_movie(path)
    assert len(movie.frames) == 3
    for frame, value in zip(movie.frames, (0, 90, 255), strict=True):
        assert np.abs(frame[: size[0], : size[1]].astype(int) - value).max() <= 4


@pytest.mark.parametrize(
    ("suffix", "options", "codec"),
    [
        (".mkv", {"quality": "lossless"}, "ffv1"),
        (".mkv", {"codec": "ffv1"}, "ffv1"),
        (".mkv", {"quality": "lossless", "codec": "vp9"}, "vp9"),
        (".mkv", {"quality": "lossless", "codec": "av1"}, "libdav1d"),
        (".mp4", {"quality": "lossless"}, "libdav1d"),
        (".webm", {"quality": "lossless"}, "vp9"),
        (".avi", {"quality": "lossless"}, "ffv1"),
        (".apng", {}, "apng"),
        (".apng", {"quality": "lossless"}, "apng"),
    ],
)
@pytest.mark.parametrize("size", [(253, 217), (64, 64), (1, 1)], ids=str)
def test_lossless_is_exact_and_needs_no_padding(suffix, options, codec, size, tmp_path):
    frames = noisy(4, *size)
    path = tmp_path / f"noise{suffix}"
    write(frames, path, **options)
    movie = read_movie(path)
    assert movie.codec == codec
    assert len(movie.frames) == 4
    assert movie.size == size[::-1]
    for ours, theirs in zip(frames, movie.frames, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("size", [(61, 47), (1, 1)], ids=str)
@pytest.mark.parametrize("suffix", [".webp", ".apng"])
def test_lossless_animations_by_pillow(suffix, size, tmp_path):
    frames = noisy(4, *size)
    write(frames, tmp_path / f"a{suffix}", quality="lossless", fps=8)
    found, durations = read_animation(tmp_path / f"a{suffix}")
    assert durations == [125] * 4
    for ours, theirs in zip(frames, found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_lossy_webp(tmp_path):
    frames = smooth(6, 97, 131)
    write(frames, tmp_path / "a.webp", quality="high", fps=8)
    found, durations = read_animation(tmp_path / "a.webp")
    assert durations == [125] * 6
    assert psnr(frames, found) > 33


def test_gif_of_greys_is_exact(tmp_path):
    grey = [f[..., :1].repeat(3, axis=-1) for f in noisy(5, 47, 61)]
    report = write(grey, tmp_path / "a.gif")
    found, durations = read_animation(tmp_path / "a.gif")
    assert durations == [100] * 5
    for ours, theirs in zip(grey, found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any("256 colours" in note for note in report.notes)
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.parametrize(("quality", "at_least"), [("low", 20), ("medium", 23.5), ("high", 23.5)])
def test_gif_in_colour(quality, at_least, tmp_path):
    frames = smooth(8, 120, 160)
    write(frames, tmp_path / "a.gif", quality=quality)
    found, _ = read_animation(tmp_path / "a.gif")
    assert psnr(frames, found) > at_least
    n_colors = len(np.unique(np.concatenate(found).reshape(-1, 3), axis=0))
    assert 32 < n_colors <= {"low": 64}.get(quality, 256)


@pytest.mark.parametrize("fps", [0.5, 7, 10, 29.97002997, 30, 50])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif", ".avi"])
def test_the_speed_is_kept(suffix, fps, tmp_path):
    frames = smooth(7, 32, 48)
    write(frames, tmp_path / f"a{suffix}", fps=fps)
    movie = read_movie(tmp_path / f"a{suffix}")
    # mkv and webm count milliseconds, gif hundredths.
    tolerance = {".mp4": 1e-4, ".avi": 1e-4, ".gif": 0.0101}.get(suffix, 1.01e-3)
    assert movie.times == pytest.approx([i / fps for i in range(7)], abs=tolerance)
    if suffix == ".mp4":
        assert movie.fps == Fraction(fps).limit_denominator(1001)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_one_frame(suffix, tmp_path):
    (frame,) = frames = smooth(1, 64, 96)
    write(frames, tmp_path / f"one{suffix}", quality="high")
    if suffix in (".gif", ".webp", ".apng"):
        found, _ = read_animation(tmp_path / f"one{suffix}")
    else:
        found = read_movie(tmp_path / f"one{suffix}").frames
    assert len(found) == 1
    assert psnr([frame], found) > 29


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_ten_thousand_tiny_frames(suffix, tmp_path):
    frames = [np.full((4, 6, 3), i % 256, np.uint8) for i in range(10_000)]
    write(frames, tmp_path / f"long{suffix}", fps=25, quality="high")
    found = read_movie(tmp_path / f"long{suffix}").frames
    assert len(found) == 10_000
    assert max(abs(int(f[1, 1, 1]) - i % 256) for i, f in enumerate(found)) <= 4


def test_patches_have_their_colours(tmp_path):
    """A wrong or only half applied matrix is 10 to 40 levels off on pure colours."""
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)]
    frame = np.zeros((64, 64 * 6, 3), np.uint8)
    for i, color in enumerate(colors):
        frame[:, 64 * i : 64 * i + 64] = color
    for suffix, codec in LOSSY:
        path = tmp_path / f"a{suffix}"
        # Three different frames: Theora repeats one by a packet of no bytes, which PyAV refuses.
        write([np.roll(frame, i, axis=1) for i in (2, 1, 0)], path, codec=codec, quality="high")
        found = read_movie(path).frames[-1]
        middles = [tuple(map(int, found[32, 64 * i + 32])) for i in range(6)]
        assert np.abs(np.subtract(middles, colors)).max() <= 4, (suffix, codec, middles)


def test_quality_and_crf_order_the_sizes(tmp_path):
    frames = smooth(10, 200, 200)
    for name, codec in CODECS.items():
        if not codec.lossy or name == "gif":  # its medium and high are one
            continue
        suffix = next(s for s, c in CONTAINERS.items() if name in c.codecs)
        sizes = []
        for quality in ("low", "medium", "high"):
            report = write(frames, tmp_path / f"a{suffix}", codec=name, quality=quality)
            sizes.append(report.nbytes)
        assert sizes == sorted(set(sizes)), name
    sizes = [write(frames, tmp_path / "a.mp4", crf=crf).nbytes for crf in (40, 20, 5)]
    assert sizes == sorted(set(sizes))


def test_the_index_comes_first(tmp_path):
    for suffix in (".mp4", ".mov"):
        write(smooth(3, 64, 64), tmp_path / f"a{suffix}")
        content = (tmp_path / f"a{suffix}").read_bytes()
        assert 0 < content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    "name",
    [
        "-y.mp4",
        "a:b.mp4",
        "%03d %41.mp4",
        "http:x.MP4",
        "é 細胞.webm",
        "-i.gif",
        "a%d:.gif",
        "'q\".mkv",
    ],
)
def test_names_that_programs_take_for_something_else(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = write(smooth(3, 32, 32), name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert report.target == str(tmp_path / name)
    with (tmp_path / name).open("rb") as file:
        import av

        with av.open(file) as movie:
            assert len(list(movie.decode(video=0))) == 3


def test_progress_counts_every_frame(tmp_path):
    heard = []
    frames = smooth(5, 32, 48)
    write(frames, tmp_path / "a.mp4", progress=heard.append)
    assert list(dict.fromkeys(p.done for p in heard)) == [1, 2, 3, 4, 5]
    assert {(p.total, p.what) for p in heard} == {(5, "a.mp4")}
    assert heard[-1].nbytes == 5 * 32 * 48 * 3


def test_the_bar_counts_frames(tmp_path, capsys):
    write(smooth(5, 32, 48), tmp_path / "a.mp4", progress=True)
    bar = capsys.readouterr().err
    assert "a.mp4: " in bar
    assert "frame/s" in bar
    assert "block" not in bar


def test_a_png_of_several_frames_is_said_to_be_animated(tmp_path):
    frames = noisy(3, 20, 30)
    report = write(frames, tmp_path / "a.PNG")
    assert report.format == "apng"
    assert report.notes[-1] == (
        "'a.PNG' is an animated PNG (APNG): what doesn't know these shows the first frame; "
        "a single picture is written by write_image or da.bioexport.image"
    )
    found, _ = read_animation(tmp_path / "a.PNG")
    for ours, theirs in zip(frames, found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not any("PNG" in note for note in write(frames, tmp_path / "a.apng").notes)


def test_the_report_plays_in_a_notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = write(smooth(3, 64, 64), "a.mp4")
    html = report._repr_html_()
    assert (
        '<video controls loop muted playsinline style="max-width:100%" src="data:video/mp4' in html
    )
    assert '<a href="a.mp4"' in html
    assert "3 frames of 64 x 64 at 10 frames/s" in repr(report)
    html = write(smooth(3, 64, 64), "a.gif")._repr_html_()
    assert '<img style="max-width:100%" src="data:image/gif;base64,R0lGOD' in html
    html = write(smooth(3, 64, 64), "a b&.mkv")._repr_html_()
    assert "<video" not in html
    assert '<a href="a%20b%26.mkv"' in html
    large = write(noisy(30, 200, 200), "large.apng")
    assert large.nbytes > 2**21
    assert large.preview == ("image/apng", b"")
    assert '<img style="max-width:100%" src="large.apng">' in large._repr_html_()


def test_a_failing_source_leaves_nothing(tmp_path):
    def pull(frames):
        yield from frames[:2]
        raise RuntimeError("the disk is gone")

    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(RuntimeError, match="the disk is gone"):
        write(smooth(5, 64, 64), tmp_path / "a.mp4", pull=pull)
    assert [(p.name, p.stat().st_size) for p in tmp_path.iterdir()] == [("a.mp4", 0)]
    assert children() == []


@POSIX
@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_killed_encoder_is_an_error_and_leaves_nothing(suffix, tmp_path):
    def pull(frames):
        for i, frame in enumerate(frames):
            if i == 3:
                (pid,) = children()
                os.kill(pid, signal.SIGKILL)
            yield frame

    with pytest.raises(
        TargetError, match=rf"'a{suffix}' could not be encoded: ffmpeg was killed by signal 9 after"
    ):
        write(smooth(200, 256, 256), tmp_path / f"a{suffix}", pull=pull)
    assert list(tmp_path.iterdir()) == []
    assert children() == []


@POSIX
@pytest.mark.parametrize("when", ["feeding", "finishing"])
@pytest.mark.parametrize("stopped", [False, True], ids=["working", "hanging"])
def test_a_cancel_ends_ffmpeg_within_two_seconds(when, stopped, tmp_path):
    """Also one that hangs: here it is stopped by a signal."""
    cancelled = []

    class Cancel(Exception):
        pass

    def progress(p):
        if p.done == (2 if when == "feeding" else p.total):
            if stopped and not cancelled:
                os.kill(children()[0], signal.SIGSTOP)
            if not cancelled:
                cancelled.append(time.monotonic())
                if when == "finishing":
                    return
            raise Cancel

    with pytest.raises(Cancel):
        write(noisy(24, 720, 1280), tmp_path / "a.webm", codec="av1", progress=progress)
    assert time.monotonic() - cancelled[0] < 2
    assert list(tmp_path.iterdir()) == []
    assert children() == []


@POSIX
def test_an_interrupt_ends_ffmpeg(tmp_path):
    """Ctrl-C, as a terminal sends it: to the whole group."""
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from movies import smooth
from stores.test_movie import write
def pull(frames):
    yield from frames
    print("fed", flush=True)
    time.sleep(60)
write(smooth(3, 64, 64), {str(tmp_path / "a.mp4")!r}, pull=pull)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout.readline() == "fed\n"
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, words = process.communicate(timeout=10)
    assert time.monotonic() - begin < 2
    assert words.rstrip().endswith("KeyboardInterrupt")
    assert list(tmp_path.iterdir()) == []


def test_the_words_of_ffmpeg_reach_the_user(tmp_path, monkeypatch):
    from nbexport.stores.media import _codec as _movie_codec
    from nbexport.stores.media import _encoding as _movie_encoding

    broken = {
        ".mp4": _movie_codec.Container(muxer="mp4", codecs=("h264",), options=("-profile:v", "odd"))
    }
    monkeypatch.setattr(_movie_encoding, "CONTAINERS", broken)
    with pytest.raises(
        TargetError, match=r"'a\.mp4' could not be encoded: ffmpeg ended with code \d+ after.*odd"
    ):
        write(smooth(3, 64, 64), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


@POSIX
def test_an_ffmpeg_without_the_encoder_is_named(tmp_path, monkeypatch):
    exe = tmp_path / "ffmpeg"
    exe.write_text("#!/bin/sh\necho ' V..... mpeg4   MPEG-4'\n")
    exe.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(exe))
    with pytest.raises(MissingPackageError, match=r"ffmpeg at '.*' has no encoder 'libx264'; pass"):
        write(smooth(1, 8, 8), tmp_path / "a.mp4")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    with pytest.raises(MissingPackageError, match="does not run"):
        write(smooth(1, 8, 8), tmp_path / "a.mp4")


@POSIX
def test_av1_without_the_fast_encoder(tmp_path, monkeypatch):
    exe = tmp_path / "ffmpeg"
    exe.write_text("#!/bin/sh\necho ' V..... libaom-av1   AV1'\n")
    exe.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(exe))
    encoding = check_encoding("a.mp4", (256, 256), 10, codec="av1", quality="high", crf=None)
    assert (encoding.codec.encoder, encoding.options) == ("libaom-av1", ("-crf", "14"))
    assert "libaom-av1" in encoding.arguments()


def test_the_binary_has_every_encoder_of_the_tables():
    from nbexport.stores.media._codec import AOM
    from nbexport.stores.media._ffmpeg import check_encoders

    codecs = [c for codec in CODECS.values() for c in (codec, codec.exact) if c] + [AOM]
    check_encoders(*(codec.encoder for codec in codecs))


def test_frames_stream(tmp_path):
    """Never more than one frame waits: the source is asked as the encoder takes them."""
    alive, most, lock = [0], [0], threading.Lock()

    class Counted(np.ndarray):
        def __del__(self):
            with lock:
                alive[0] -= 1

    def pull(frames):
        for i in range(len(frames)):
            frame = np.full((64, 64, 3), i, np.uint8).view(Counted)
            with lock:
                alive[0] += 1
                most[0] = max(most[0], alive[0])
            yield frame
            del frame

    write([np.zeros((64, 64, 3), np.uint8)] * 50, tmp_path / "a.gif", pull=pull)
    assert most[0] <= 3


def test_export_error_is_the_base():
    assert issubclass(TargetError, ExportError)
    assert nbexport.TargetError is TargetError
