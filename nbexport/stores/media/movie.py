"""Rendered frames as a movie: one ffmpeg process, fed by a pipe; two, one after the other, for GIF.

The frames keep their pixels: an encoder that needs even sizes gets the last column or row twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from nbexport.plan import FramePlan
from nbexport.stores._progress import Progress, ProgressOption, listener
from nbexport.stores._report import WriteReport, kept_preview
from nbexport.stores.media._codec import AOM
from nbexport.stores.media._encoding import Encoding, Quality, plan_encoding
from nbexport.stores.media._ffmpeg import (
    Frame,
    check_encoders,
    has_encoder,
    raw_frames,
    run_ffmpeg,
    url,
)
from nbexport.stores.targets import FileTarget

__all__ = ["Encoding", "Quality", "check_encoding", "write_movie_file"]

# What holds the frames of a GIF until its palette is known: lossless and fast. At most 240 MB for
# 100 noisy frames of 1024 x 1024.
_WAITING: Final = ("-c:v", "ffv1", "-level", "3", "-g", "1", "-f", "matroska")


def check_encoding(
    name: str,
    size: tuple[int, int],
    fps: float,
    *,
    codec: str | None,
    quality: Quality,
    crf: int | None,
) -> Encoding:
    """Return how frames become the file `name`, and look whether ffmpeg can do it.

    Raises
    ------
    PlanError
        Where the options don't go together.
    MissingPackageError
        Where ffmpeg or the encoder is missing.
    """
    suffix = Path(name).suffix.lower()
    encoding = plan_encoding(suffix, size, fps, codec=codec, quality=quality, crf=crf)
    if encoding.codec.encoder == "libsvtav1" and not has_encoder("libsvtav1"):
        encoding = replace(encoding, codec=AOM)  # slower, as small: imageio-ffmpeg 0.6 has no other
    check_encoders(encoding.codec.encoder)
    return encoding


def write_movie_file(
    frames: Generator[Frame, None, None],
    plan: FramePlan,
    target: FileTarget,
    *,
    encoding: Encoding,
    progress: ProgressOption,
) -> WriteReport:
    """Encode `frames`, which are those of `plan`, to the checked `target`."""
    begin = time.perf_counter()
    with (
        closing(frames),
        listener(progress, plan.n_frames, target.name, unit="frame") as report,
        target.opened(report) as path,
    ):
        announce = partial(_announce, report, plan, target.name)
        encode = _encode_gif if encoding.codec.encoder == "gif" else _encode
        encode(_padded(frames, encoding.size), path, encoding, target.name, announce)
        nbytes = path.stat().st_size
        preview = kept_preview(path, encoding.container.mime)
    return WriteReport(
        target=str(target),
        format=encoding.container.muxer,
        plan=plan,
        nbytes=nbytes,
        seconds=time.perf_counter() - begin,
        notes=(*plan.notes, *_notes(plan, encoding, target.name)),
        losses=plan.losses,
        preview=preview,
    )


def _announce(report: Callable[[Progress], object], plan: FramePlan, what: str, done: int) -> None:
    nbytes = done * (plan.nbytes // plan.n_frames)
    report(Progress(done=done, total=plan.n_frames, nbytes=nbytes, what=what))


def _encode(
    frames: Iterator[Frame],
    path: Path,
    encoding: Encoding,
    what: str,
    announce: Callable[[int], None],
) -> None:
    arguments = (*raw_frames(encoding.size, encoding.fps), *encoding.arguments(), url(path))
    run_ffmpeg(arguments, frames, what=what, announce=announce)


def _encode_gif(
    frames: Iterator[Frame],
    path: Path,
    encoding: Encoding,
    what: str,
    announce: Callable[[int], None],
) -> None:
    """Encode with one palette for all frames, which is known after the last.

    In one pass ffmpeg keeps all frames in memory: 542 MB for 100 of 1024 x 1024. A palette for each
    frame needs none of this, but ffmpeg 9.0 makes black white in some frames then.
    """
    # 256 greys need all 256 entries: none is kept for transparency.
    make, use = (f"palettegen={encoding.options[0]}:reserve_transparent=0", encoding.options[1])
    raw = raw_frames(encoding.size, encoding.fps)
    output = ("-c:v", "gif", "-loop", "0", "-fps_mode", "passthrough", "-f", "gif", url(path))
    waiting, palette = path.with_name("frames.mkv"), path.with_name("palette.png")
    first = (
        *raw,
        *("-filter_complex", f"[0:v]split[a][b];[a]format=gbrp[keep];[b]{make}[few]"),
        *("-map", "[keep]", "-fps_mode", "passthrough", *_WAITING, url(waiting)),
        *("-map", "[few]", "-c:v", "png", "-f", "image2pipe", url(palette)),
    )
    done = run_ffmpeg(first, frames, what=what, announce=announce)
    second = (
        *("-i", url(waiting), "-f", "png_pipe", "-i", url(palette)),
        *("-filter_complex", f"[0:v][1:v]paletteuse={use}", *output),
    )
    # No frame goes in here, but a cancel is heard.
    run_ffmpeg(second, what=what, announce=lambda _: announce(done))


def _padded(frames: Iterator[Frame], size: tuple[int, int]) -> Iterator[Frame]:
    """Yield `frames`, the last column and row repeated up to `size` (width, height)."""
    width, height = size
    for frame in frames:
        missing = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
        yield frame if missing == ((0, 0),) * 3 else np.pad(frame, missing, mode="edge")


def _notes(plan: FramePlan, encoding: Encoding, name: str) -> Iterator[str]:
    if encoding.size != plan.size:
        (width, height), (wider, higher) = plan.size, encoding.size
        yield (
            f"frames of {width} x {height} are written as {wider} x {higher}, the edge repeated: "
            f"{encoding.codec.label} needs even sizes; no pixel is resampled"
        )
    if encoding.codec.encoder == "gif":
        yield "GIF holds 256 colours in all, and delays in steps of 10 ms"
    if name.lower().endswith(".png"):
        yield (
            f"'{name}' is an animated PNG (APNG): what doesn't know these shows the first frame; "
            "a single picture is written by write_image or da.bioexport.image"
        )
