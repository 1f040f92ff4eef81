"""What tests of movies and pictures share: frames with known pixels, and other people's readers."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageSequence

from nbexport.model import Axis, Channel, ImageSpec
from nbexport.plan import FramePlan
from nbexport.stores.media._ffmpeg import find_ffmpeg


def smooth(n: int, height: int, width: int) -> list[np.ndarray]:
    """Return `n` frames of moving waves in three colours: no two alike, none symmetric."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for i in range(n):
        red = 127.5 * (1 + np.sin((x + 3 * i) / 21))
        green = 127.5 * (1 + np.cos((y - 2 * i) / 17))
        blue = 255 * (x + y) / (height + width) * (i + 1) / n
        frames.append(np.rint(np.stack([red, green, blue], axis=-1)).astype(np.uint8))
    return frames


def noisy(n: int, height: int, width: int) -> list[np.ndarray]:
    """Return `n` frames of noise: a decoder that loses anything shows it."""
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8))


def plan_of(frames: list[np.ndarray], fps: float | None = 10) -> FramePlan:
    """Return the plan that these frames are those of."""
    n, (height, width) = len(frames), frames[0].shape[:2]
    sizes = {"t": n, "y": height, "x": width, "s": 3}
    axes = tuple(Axis(name=name, size=size) for name, size in sizes.items())
    return FramePlan(
        image=ImageSpec(
            name="waves", axes=axes, dtype="uint8", kind="rgb", channels=(Channel(label="RGB"),)
        ),
        along="t",
        indices=range(n),
        sel=(),
        project=(),
        channels=(0,),
        size=(width, height),
        fps=fps,
        spans=(1,) * n,
    )


@dataclass(frozen=True)
class Movie:
    """What a reader finds in a file."""

    codec: str
    frames: list[np.ndarray]
    fps: Fraction | None
    pix_fmt: str
    tags: tuple[int, int, int, int]
    """matrix, primaries, transfer, range: ITU-T H.273 numbers, range 1 limited and 2 full"""
    times: list[float]

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.frames[0].shape[:2]
        return width, height


def read_movie(path: Path) -> Movie:
    """Decode all of `path` with PyAV; the pixels by ffmpeg itself, colours at half size smoothly.

    PyAV has no way to ask swscale for that: its pixels are 6 dB worse at edges of colour.
    """
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        times = [float(frame.time) for frame in file.decode(stream)]
        context = stream.codec_context
        filters = "scale=flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,format=rgb24"
        command = [find_ffmpeg(), "-v", "error", "-i", f"file:{path}", "-vf", filters]
        done = subprocess.run(
            [*command, "-fps_mode", "passthrough", "-f", "rawvideo", "-"],
            capture_output=True,
            check=True,
        )
        shape = (len(times), context.height, context.width, 3)
        frames = list(np.frombuffer(done.stdout, np.uint8).reshape(shape))
        return Movie(
            codec=context.name,
            frames=frames,
            fps=stream.average_rate,
            pix_fmt=context.pix_fmt,
            tags=(
                int(context.colorspace),
                int(context.color_primaries),
                int(context.color_trc),
                int(context.color_range),
            ),
            times=times,
        )


def read_animation(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """Return the frames of an animated GIF, PNG or WebP and how long each is shown, by Pillow."""
    with Image.open(path) as file:
        frames = [(np.asarray(f.convert("RGB")), f.info["duration"]) for f in _each(file)]
    return [f for f, _ in frames], [d for _, d in frames]


def _each(file):
    if not getattr(file, "is_animated", False):
        file.info.setdefault("duration", 0)
    yield from ImageSequence.Iterator(file)


def psnr(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Return the peak signal-to-noise ratio of all frames together, in dB."""
    squares = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(ours, theirs, strict=True)]
    mean = float(np.mean(squares))
    return float("inf") if mean == 0 else 10 * np.log10(255**2 / mean)
