"""The journal of an unfinished OME-Zarr: what is made, and which blocks of it are finished.

A block is noted once all its write units lie in the store, by a line of JSON; a line that was cut
off by a kill is no line. What no line names is written again, whatever is found there.
"""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from nbexport.errors import PlanError
from nbexport.plan import Box, PyramidPlan
from nbexport.stores.targets._trouble import told

Place = tuple[int, int, int]
"""Number of the image, of the pass and of the block."""
UnitSums = tuple[int, Box, tuple[int, ...]]
"""Level, box and the checksums of the write units in it, last axis fastest."""
Sample = tuple[int, npt.NDArray[Any]]
"""Channel, and some of its pixels."""

_FORMAT: Final = 1
# Objects can't be appended to: each second of finished blocks becomes one more.
_SEGMENT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished block.

    Attributes
    ----------
    sums
        Checksums of what was written, where they were taken.
    samples
        For display windows.
    """

    sums: tuple[UnitSums, ...] = ()
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalWish:
    """What an export is, and whether it continues one like it.

    Attributes
    ----------
    about
        What must be equal to continue, by the word for it.
    resume
        Continue; and leave what is finished if this export fails, too.
    """

    about: Mapping[str, Any]
    resume: bool


class Lines(Protocol):
    """Where a journal is kept."""

    def append(self, line: bytes) -> None:
        """Keep a line; it is safe from then on, or shortly after."""

    def flush(self) -> None:
        """Make all lines safe."""


class Journal:
    """Takes notes of finished blocks, from any thread.

    Parameters
    ----------
    lines
        Where.
    finished
        What an earlier export noted.

    Attributes
    ----------
    finished
        The same.
    """

    def __init__(self, lines: Lines, finished: Mapping[Place, Entry]) -> None:
        self._lines = lines
        self.finished = dict(finished)
        self._n_noted = len(self.finished)
        self._open = True
        self._lock = threading.Lock()

    @property
    def n_noted(self) -> int:
        """Finished blocks, of this export and of those before."""
        return self._n_noted

    def note(self, place: Place, entry: Entry) -> None:
        """Say that a block is finished."""
        line = json.dumps(_as_json(place, entry)).encode() + b"\n"
        with self._lock:
            if self._open:  # else the export has ended, and a worker has not heard of it
                self._lines.append(line)
                self._n_noted += 1

    def close(self) -> None:
        """Take no more notes."""
        with self._lock:
            self._open = False
            self._lines.flush()


class FileLines:
    """A journal in a file.

    Parameters
    ----------
    path
        The file.
    nbytes
        Of it that are whole lines; the rest is cut off.
    """

    def __init__(self, path: Path, nbytes: int) -> None:
        self._file = path.open("ab", buffering=0)
        self._file.truncate(nbytes)

    def append(self, line: bytes) -> None:
        """Write `line`; it survives the process from then on."""
        view = memoryview(line)
        while view:
            view = view[self._file.write(view) :]

    def flush(self) -> None:
        """Close the file."""
        self._file.close()


class ObjectLines:
    """A journal in objects of a file system of fsspec's, one a second.

    Parameters
    ----------
    fs, folder
        Where they lie.
    name
        The target, as it may be printed.
    n_there
        How many there are.
    check
        Called before each: raises where the export has lost its right to write.
    """

    def __init__(self, fs: Any, folder: str, name: str, n_there: int, check: Any) -> None:
        self._fs = fs
        self._name = name
        self._folder = folder
        self._n = n_there
        self._check = check
        self._waiting: list[bytes] = []
        self._last = time.monotonic()

    def append(self, line: bytes) -> None:
        """Keep `line`; within a second, or with the next one, it becomes part of an object."""
        self._waiting.append(line)
        if time.monotonic() - self._last >= _SEGMENT_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._check()
            with told("writing to", self._name):
                self._fs.pipe_file(f"{self._folder}/lines-{self._n:08}", b"".join(self._waiting))
            self._n += 1
            self._waiting.clear()
        self._last = time.monotonic()


def header(about: Mapping[str, Any]) -> bytes:
    """Return the first line of a journal."""
    return json.dumps({"journal": _FORMAT, "about": about}).encode() + b"\n"


def read_journal(content: bytes) -> tuple[dict[str, Any], dict[Place, Entry], int] | None:
    """Return what is made, the finished blocks, and how many bytes of `content` say so.

    None where not even the first line is whole, or it is none of ours.
    """
    first, newline, rest = content.partition(b"\n")
    try:
        head = json.loads(first)
        if not newline or head["journal"] != _FORMAT:
            return None
        about = head["about"]
    except (ValueError, KeyError, TypeError):
        return None
    n_bytes = len(first) + 1
    finished: dict[Place, Entry] = {}
    for line in rest.splitlines(keepends=True):
        try:
            if not line.endswith(b"\n"):
                break
            place, entry = _from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):
            break
        finished[place] = entry
        n_bytes += len(line)
    return about, finished, n_bytes


def check_same(target: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise PlanError where the export `now` does not continue that of `then`."""
    now = json.loads(json.dumps(now))
    for word in [*now, *(word for word in then if word not in now)]:
        if then.get(word) != now.get(word):
            hint = ""
            if word.endswith("blocks"):
                hint = " (they follow from memory_budget, workers and the chunks of the source)"
            raise PlanError(
                f"resume=True can't continue the partial export of '{target}': it was begun with "
                f"{word} {_text(then.get(word))}, and this one has {_text(now.get(word))}{hint}; "
                "give the same as then, or leave out resume to begin anew"
            )


def about_export(
    plans: Mapping[str, PyramidPlan], options: Mapping[str, Any]
) -> dict[str, dict[str, Any] | Any]:
    """Return, by the word for it, what two exports must have in common to write the same bytes.

    Parameters
    ----------
    plans
        By the path of the image's group.
    options
        How arrays are stored, by their names.
    """
    about: dict[str, Any] = {"images": list(plans)}
    for path, plan in plans.items():
        whose = f"image '{path}' of " if len(plans) > 1 else ""
        image = plan.image
        facts = {
            "shape": [f"{axis.name} {axis.size}" for axis in image.axes],
            "dtype": image.dtype,
            "levels": [list(level.shape) for level in plan.levels],
            "chunks": [list(level.chunks) for level in plan.levels],
            "shards": [level.shards and list(level.shards) for level in plan.levels],
            "factors": [list(level.factors) for level in plan.levels],
            "method": plan.method,
            "blocks": [[walk.reads, list(walk.writes), list(walk.block)] for walk in plan.passes],
            "name": image.name,
            "kind": image.kind,
            "axes": [repr(axis) for axis in image.axes],
            "channels": [repr(channel) for channel in image.channels],
        }
        about |= {whose + word: value for word, value in facts.items()}
    return about | {word: _option(value) for word, value in options.items()}


def _option(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _text(value: Any) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, list) else repr(value)


def _as_json(place: Place, entry: Entry) -> dict[str, Any]:
    return {
        "block": place,
        "sums": entry.sums,
        "samples": [
            (channel, pixels.dtype.str, b64encode(pixels.tobytes()).decode())
            for channel, pixels in entry.samples
        ],
    }


def _from_json(line: Mapping[str, Any]) -> tuple[Place, Entry]:
    image, walk, block = map(int, line["block"])
    sums = tuple(
        (int(level), tuple((int(a), int(b)) for a, b in box), tuple(map(int, values)))
        for level, box, values in line["sums"]
    )
    samples = tuple(
        (int(channel), np.frombuffer(b64decode(content), np.dtype(dtype)))
        for channel, dtype, content in line["samples"]
    )
    return (image, walk, block), Entry(sums, samples)
