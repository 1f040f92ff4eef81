"""One ffmpeg process: frames go in by a pipe, its own words come out where it fails."""

from __future__ import annotations

import errno
import functools
import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from nbexport.errors import MissingPackageError, TargetError
from nbexport.stores._interrupts import POLL_S

Frame = npt.NDArray[np.uint8]

_KEPT_LINES: Final = 12
_FULL: Final = "No space left on device"


def find_ffmpeg() -> str:
    """Return the path of imageio-ffmpeg's binary, or of what IMAGEIO_FFMPEG_EXE names.

    Raises
    ------
    MissingPackageError
        If there is none.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            "movies are encoded by ffmpeg and none was found; pip install imageio-ffmpeg, "
            "or name one by the variable IMAGEIO_FFMPEG_EXE"
        ) from error


def has_encoder(name: str) -> bool:
    """Return whether ffmpeg has the encoder called `name`."""
    return name in _encoders(find_ffmpeg())


def check_encoders(*names: str) -> None:
    """Raise MissingPackageError unless ffmpeg has the encoders called `names`."""
    exe = find_ffmpeg()
    missing = [name for name in names if name not in _encoders(exe)]
    if missing:
        raise MissingPackageError(
            f"the ffmpeg at '{exe}' has no encoder {' or '.join(map(repr, missing))}; "
            "pass another codec, or unset IMAGEIO_FFMPEG_EXE and pip install -U imageio-ffmpeg"
        )


@functools.cache
def _encoders(exe: str) -> frozenset[str]:
    try:
        done = subprocess.run(
            [exe, "-hide_banner", "-encoders"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=True,
            **_quiet(),
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingPackageError(
            f"the ffmpeg at '{exe}' does not run ({error}); pip install -U imageio-ffmpeg"
        ) from error
    rows = (line.split() for line in done.stdout.decode(errors="replace").splitlines())
    return frozenset(row[1] for row in rows if len(row) > 1 and row[0].startswith("V"))


def raw_frames(size: tuple[int, int], rate: object) -> tuple[str, ...]:
    """Return the input options for rgb24 frames of `size` (width, height) on the pipe."""
    return (
        *("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{size[0]}x{size[1]}"),
        *("-framerate", str(rate), "-i", "pipe:0"),
    )


def url(path: Path) -> str:
    """Return `path` so that no name is taken for an option or a protocol."""
    return f"file:{path.absolute()}"


def run_ffmpeg(
    arguments: Sequence[str],
    frames: Iterable[Frame] = (),
    *,
    what: str,
    announce: Callable[[int], object] = lambda done: None,
) -> int:
    """Run ffmpeg with `arguments`, feed it `frames`, and return how many there were.

    Whatever ends this early, an interrupt included, ends the process too.

    Parameters
    ----------
    arguments
        Input, filters, output; no shell sees them.
    frames
        In order, each as the input options say.
    what
        Name of the movie, for the error.
    announce
        Called with the number of frames taken, after each; and while ffmpeg finishes.

    Raises
    ------
    TargetError
        If ffmpeg fails or is killed, with its own words.
    """
    process = subprocess.Popen(
        [find_ffmpeg(), "-hide_banner", "-nostdin", "-loglevel", "error", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "SVT_LOG": "1"},  # SVT-AV1 prints its settings as if they were errors
        **_quiet(),
    )
    assert process.stdin is not None
    assert process.stderr is not None
    words: deque[str] = deque(maxlen=_KEPT_LINES)
    listening = threading.Thread(target=_listen, args=(process.stderr, words), daemon=True)
    listening.start()
    done = 0
    try:
        broken = False
        for frame in frames:
            broken = not _fed(process.stdin, frame)
            if broken:
                break
            done += 1
            announce(done)
        broken |= not _closed(process.stdin)
        while _running(process):
            announce(done)
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()  # after a kill, or ended: no zombie
        listening.join()
        process.stderr.close()
        _closed(process.stdin)
    if process.returncode != 0 or broken:
        raise _failure(process.returncode, done, list(words), what)
    return done


def _quiet() -> dict[str, Any]:
    """Return what keeps an interrupt of the terminal from ffmpeg, and Windows from a window."""
    if os.name == "nt":
        return {"creationflags": 0x08000200}  # CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP
    return {"start_new_session": True}


def _fed(pipe: IO[bytes], frame: Frame) -> bool:
    """Write `frame`, and return whether ffmpeg still reads."""
    try:
        pipe.write(memoryview(frame).cast("B"))
    except OSError as error:  # Windows says EINVAL for a broken pipe
        if error.errno not in (errno.EPIPE, errno.EINVAL):
            raise
        return False
    return True


def _closed(pipe: IO[bytes]) -> bool:
    """Close `pipe`, and return whether all of it was read."""
    try:
        pipe.close()
    except OSError:
        return False
    return True


def _running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _listen(pipe: IO[bytes], words: deque[str]) -> None:
    """Keep the last lines; a pipe that nobody reads would stop ffmpeg."""
    for line in pipe:
        if text := line.decode(errors="replace").strip():
            words.append(text)


def _failure(code: int, done: int, words: list[str], what: str) -> OSError:
    said = " | ".join(words) or "it said nothing"
    if _FULL in said:
        return OSError(errno.ENOSPC, _FULL)
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return TargetError(
        f"'{what}' could not be encoded: ffmpeg {how} after {done} frames and nothing was left "
        f"there; its words: {said}"
    )
