"""The frames of a movie, or of a picture: a still is a movie of one frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from nbexport._markup import bullets, human_nbytes, page, strong, table
from nbexport.model import ImageSpec, is_length
from nbexport.plan._block import Box
from nbexport.plan._overlay import Overlay

Projection = Literal["max", "mean", "sum"]


@dataclass(frozen=True, slots=True)
class FrameRead:
    """A box of source pixels, and the plane of each frame (of all, for RGB) that it is part of."""

    plane: int
    box: Box


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """Frames `start` to `stop`, made together, and what is read for them."""

    start: int
    stop: int
    reads: tuple[FrameRead, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FramePlan:
    """What the frames **will** show.

    Attributes
    ----------
    image
        What the image is.
    along
        The axis that runs from frame to frame; None for a single frame.
    indices
        The entries of that axis, one a frame.
    sel
        (axis, index) of the axes of which one entry is shown.
    project
        (axis, method) of the axes that are shown as one; one method for all.
    channels
        The channels shown, by number; none for labels and RGB, all where `along` is c.
    size
        Width and height of a frame in pixels, as it is handed out.
    fps
        Frames a second; None for a still.
    overlays
        What is written onto the frames.
    spans
        Frames made together, block by block; no source chunk lies in two, where memory allows.
    pieces
        Of each axis of `project`: the ranges that are read one after the other.
    in_flight
        Blocks made at the same time.
    n_recomputed
        Repeated computations of source chunks.
    notes
        What was decided, a sentence each.
    losses
        What of the image can't be shown, a sentence each.
    """

    image: ImageSpec
    along: str | None
    indices: range
    sel: tuple[tuple[str, int], ...]
    project: tuple[tuple[str, Projection], ...]
    channels: tuple[int, ...]
    size: tuple[int, int]
    fps: float | None = None
    overlays: tuple[Overlay, ...] = ()
    spans: tuple[int, ...] = (1,)
    pieces: tuple[tuple[tuple[int, int], ...], ...] = ()
    in_flight: int = 1
    n_recomputed: int = 0
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.indices)

    @property
    def nbytes(self) -> int:
        """Bytes of all frames, uncompressed."""
        return self.n_frames * self.size[0] * self.size[1] * 3

    @property
    def seconds(self) -> float | None:
        """How long the movie runs."""
        return None if self.fps is None else self.n_frames / self.fps

    @property
    def method(self) -> Projection | None:
        """How entries become one, or None where each frame shows a single one."""
        return self.project[0][1] if self.project else None

    @property
    def n_projected(self) -> int:
        """How many entries become one."""
        n = 1
        for name, _ in self.project:
            n *= self.image.sizes[name]
        return n

    @property
    def dtype(self) -> str:
        """The type of the planes, once projected; complex pixels are shown by their magnitude."""
        kind = np.dtype(self.image.dtype)
        if kind.kind == "c":
            kind = np.dtype("float32" if kind.itemsize == 8 else "float64")
        if self.method in (None, "max"):
            return kind.name
        if kind.itemsize == 8:
            return "float64"
        if self.method == "mean":
            return kind.name
        return {"i": "int64", "u": "uint64"}.get(kind.kind, "float64")

    @property
    def pixel_size(self) -> tuple[float, float, str] | None:
        """Width and height of a pixel of the frames, and their unit; None where unknown."""
        y, x = self.image.axis("y"), self.image.axis("x")
        assert y is not None
        assert x is not None
        if not (x.calibrated and y.calibrated and is_length(x.unit) and x.unit == y.unit):
            return None
        assert x.unit is not None
        return x.scale * x.size / self.size[0], y.scale * y.size / self.size[1], x.unit

    def blocks(self) -> Iterator[FrameBlock]:
        """Yield the blocks in the order of their frames."""
        start = 0
        for n in self.spans:
            yield self.block(start, start + n)
            start += n

    def block(self, start: int, stop: int) -> FrameBlock:
        """Return frames `start` to `stop` as one block."""
        ranges = {axis.name: [(0, axis.size)] for axis in self.image.axes}
        ranges |= {name: [(i, i + 1)] for name, i in self.sel}
        for (name, _), pieces in zip(self.project, self.pieces, strict=True):
            ranges[name] = list(pieces)
        if self.along is not None:
            ranges[self.along] = [(self.indices[start], self.indices[stop - 1] + 1)]
        reads = []
        if self.apart:
            for i, channel in enumerate(self.channels):
                ranges["c"] = [(channel, channel + 1)]
                reads += [FrameRead(i, box) for box in product(*ranges.values())]
        else:
            reads = [FrameRead(0, box) for box in product(*ranges.values())]
        return FrameBlock(start, stop, tuple(reads))

    @property
    def apart(self) -> bool:
        """Whether the planes of a frame are channels along axis c."""
        return "c" in self.image.dims and self.image.kind == "intensity" and self.along != "c"

    @property
    def n_planes(self) -> int:
        """Planes that make one frame: channels, or the samples of RGB."""
        return len(self.channels) if self.apart else self.image.sizes.get("s", 1)

    @property
    def frame_names(self) -> tuple[str, ...]:
        """What tells the frames apart: ``"z 5"``, or the channel."""
        if self.along is None:
            return (self.image.name,)
        if self.along == "c" and self.image.channels:
            return tuple(self.image.channels[i].label for i in self.indices)
        return tuple(f"{self.along} {i}" for i in self.indices)

    def __repr__(self) -> str:
        width, height = self.size
        lines = [
            f"<FramePlan {self.image.name!r} {width} x {height}, {self._timing}>",
            f"  {self._how}",
        ]
        lines += [f"  overlay: {overlay}" for overlay in self.overlays]
        lines.append(f"  {self._work}")
        for word, texts in (("note", self.notes), ("left out", self.losses)):
            lines += [f"  {word}: {text}" for text in texts]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return page(
            strong(f"frames: {self.image.name}"),
            table(
                ("frames", "width x height", "shows", "channels", "overlays"),
                [
                    (
                        self._timing,
                        "{} x {}".format(*self.size),
                        self._how,
                        ", ".join(self._channels),
                        "; ".join(map(str, self.overlays)) or "—",
                    )
                ],
            ),
            page(self._work),
            bullets("Notes", self.notes),
            bullets("Left out", self.losses),
        )

    @property
    def _channels(self) -> tuple[str, ...]:
        if self.image.kind != "intensity":
            return (self.image.kind,)
        return tuple(self.image.channels[i].label for i in self.channels)

    @property
    def _timing(self) -> str:
        frames = "1 frame" if self.n_frames == 1 else f"{self.n_frames} frames"
        if self.fps is None:
            return frames
        return f"{frames}, {self.fps:.6g} a second, {self.seconds:.3g} s"

    @property
    def _how(self) -> str:
        parts = [f"along {self.along}"] if self.along else []
        parts += [f"{name}={i}" for name, i in self.sel]
        parts += [f"{method} over {name}" for name, method in self.project]
        return ", ".join([*parts, *self._channels])

    @property
    def _work(self) -> str:
        text = (
            f"{len(self.spans)} blocks of up to {max(self.spans)} frames, {self.in_flight} at a "
            f"time, {human_nbytes(self.nbytes)} of frames in all"
        )
        if self.n_recomputed:
            text += f"; {self.n_recomputed} source chunks are computed again"
        return text
