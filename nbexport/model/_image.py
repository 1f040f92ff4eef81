"""What an image is: everything the writers need except the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from nbexport._markup import bullets, human_nbytes, markup, page, strong, swatch, table
from nbexport.errors import AxisError, ChannelError
from nbexport.model._axis import AXIS_NAMES, Axis
from nbexport.model._channel import Channel
from nbexport.model._source_ome import SourceOme

Kind = Literal["intensity", "labels", "rgb"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ImageSpec:
    """What an image **is**: axes, pixel type, channels and the rest of its metadata.

    Attributes
    ----------
    name
        Name of the image.
    axes
        In storage order, a subset of ``t c z y x s`` that holds ``y`` and ``x``.
    dtype
        NumPy name of the pixel type that will be written, native byte order.
    channels
        One for each entry of axis ``c`` (one in all where there is none); empty for labels.
    kind
        ``"intensity"``, ``"labels"`` (never averaged) or ``"rgb"`` (axis ``s`` of 3 or 4).
    acquired
        Date and time of the first pixel, ISO 8601.
    attributes
        What `attrs` and other coords said beside all this: (key, JSON text) pairs.
    source_ome
        OME metadata that came with the pixels: the base of the OME-XML written.
    notes
        What was changed or assumed on the way from the DataArray, a sentence each.
    losses
        What could not be understood and is left out, a sentence each.
    """

    name: str
    axes: tuple[Axis, ...]
    dtype: str
    channels: tuple[Channel, ...] = ()
    kind: Kind = "intensity"
    acquired: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    source_ome: SourceOme | None = None
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        order = [AXIS_NAMES.index(axis.name) for axis in self.axes]
        if sorted(set(order)) != order:
            raise AxisError(
                f"axes {' '.join(self.dims)} are not in the order {' '.join(AXIS_NAMES)}"
            )
        if not {"y", "x"} <= set(self.dims):
            raise AxisError(
                f"an image needs the axes y and x, this one has {' '.join(self.dims) or 'none'}"
            )
        if ("s" in self.dims) != (self.kind == "rgb"):
            raise AxisError(f"kind {self.kind!r} does not fit the axes {' '.join(self.dims)}")
        wanted = 0 if self.kind == "labels" else self.sizes.get("c", 1)
        if len(self.channels) != wanted:
            raise ChannelError(
                f"{len(self.channels)} channels are described, the data have {wanted}"
            )

    @property
    def dims(self) -> tuple[str, ...]:
        """Axis names in storage order."""
        return tuple(axis.name for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Axis lengths in storage order."""
        return tuple(axis.size for axis in self.axes)

    @property
    def sizes(self) -> dict[str, int]:
        """Axis name to length."""
        return dict(zip(self.dims, self.shape, strict=True))

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels, uncompressed."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    def axis(self, name: str) -> Axis | None:
        """Return the axis called `name`, or None where the image has none."""
        return next((axis for axis in self.axes if axis.name == name), None)

    @property
    def missing(self) -> tuple[str, ...]:
        """What viewers will want and the DataArray did not say, each with the way to give it."""
        hints = []
        bare = [a.name for a in self.axes if a.type == "space" and not a.calibrated]
        if bare:
            example = ", ".join(f"{name!r}: 0.65" for name in bare)
            hints.append(
                f"no pixel size along {', '.join(bare)}: pass scale={{{example}}}, units='um'"
            )
        unitless = [
            a.name for a in self.axes if a.calibrated and a.type != "channel" and not a.unit
        ]
        if unitless:
            example = ", ".join(f"{n!r}: {'s' if n == 't' else 'um'!r}" for n in unitless)
            hints.append(f"no unit along {', '.join(unitless)}: pass units={{{example}}}")
        time = self.axis("t")
        if time is not None and not time.calibrated and time.size > 1:
            hints.append("no time step: pass scale={'t': 2.5}, units={'t': 's'}")
        if len(self.channels) > 1 and all(
            channel.label == f"channel {i}" for i, channel in enumerate(self.channels)
        ):
            hints.append("no channel names: pass channels=['DAPI', …]")
        return tuple(hints)

    def __repr__(self) -> str:
        sizes = " ".join(f"{name}={size}" for name, size in self.sizes.items())
        lines = [f"<ImageSpec {self.name!r} {self.kind} {self.dtype} {sizes}, {self._nbytes}>"]
        lines += [f"  {a.name}  {a.size:>6}  {_spacing(a)}" for a in self.axes if a.name != "s"]
        lines += [f"  channel {i}: {_channel_text(c)}" for i, c in enumerate(self.channels)]
        if self.acquired:
            lines.append(f"  acquired: {self.acquired}")
        for word, texts in (
            ("note", self.notes),
            ("left out", self.losses),
            ("missing", self.missing),
        ):
            lines += [f"  {word}: {text}" for text in texts]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        axes = table(
            ("axis", "size", "pixel to pixel", "unit", "starts at"),
            [
                (a.name, a.size, _step(a), a.unit or "—", f"{a.position(0):.6g}")
                for a in self.axes
                if a.name != "s"
            ],
        )
        channels = table(
            ("channel", "name", "colour", "window", "more"),
            [
                (i, c.label, swatch(c.color), _window(c), _more(c))
                for i, c in enumerate(self.channels)
            ],
        )
        kept = [f"{key}: {text}"[:200] for key, text in self.attributes]
        return page(
            strong(self.name),
            page(f"{self.kind} · {self.dtype} · {self._nbytes}"),
            axes,
            channels if self.channels else markup(""),
            bullets("Other attributes", kept),
            bullets("Notes", self.notes),
            bullets("Left out", self.losses),
            bullets("Missing", self.missing),
        )

    @property
    def _nbytes(self) -> str:
        return human_nbytes(self.nbytes)


def _step(axis: Axis) -> str:
    if axis.type == "channel":
        return "—"
    if not axis.calibrated:
        return "unknown"
    return f"{axis.scale:.6g}" + (" (mean, uneven)" if axis.positions else "")


def _spacing(axis: Axis) -> str:
    if axis.type == "channel" or not axis.calibrated:
        return _step(axis)
    start = f", starts at {axis.position(0):.6g}" if axis.position(0) else ""
    return f"{_step(axis)} {axis.unit or '(no unit)'}{start}"


def _window(channel: Channel) -> str:
    return "from the pixels" if channel.window is None else "{:g} to {:g}".format(*channel.window)


def _more(channel: Channel) -> str:
    parts = []
    if channel.fluor:
        parts.append(channel.fluor)
    if channel.excitation_nm is not None:
        parts.append(f"excitation {channel.excitation_nm:g} nm")
    if channel.emission_nm is not None:
        parts.append(f"emission {channel.emission_nm:g} nm")
    if channel.exposure_s is not None:
        parts.append(f"exposure {channel.exposure_s:g} s")
    return ", ".join(parts)


def _channel_text(channel: Channel) -> str:
    more = _more(channel)
    return f"{channel.label!r} #{channel.color}, window {_window(channel)}" + (
        f", {more}" if more else ""
    )
