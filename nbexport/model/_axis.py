"""One dimension of an image, and where its pixels lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from nbexport.errors import AxisError

AxisType = Literal["time", "channel", "space"]

AXIS_TYPES: Final[dict[str, AxisType]] = {
    "t": "time",
    "c": "channel",
    "z": "space",
    "y": "space",
    "x": "space",
    "s": "channel",  # the samples of one RGB(A) pixel
}
AXIS_NAMES: Final = tuple(AXIS_TYPES)
"""Every axis name, in the order in which pixels are stored."""


# OME-XML's sizes are 32-bit floats, whose range this leaves in some unit or on some level.
_LARGEST: Final = 1e30


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One dimension of an image, and where its pixels lie.

    The centre of pixel ``i`` is at ``translation + i * scale``, in `unit`; where `positions`
    are given the spacing is uneven, the centres are exactly these, and `scale` is their mean step.

    Attributes
    ----------
    name
        One of ``t c z y x s``.
    size
        Number of pixels, at least 1.
    scale
        Distance from one pixel to the next, in `unit`; positive.
    translation
        Position of pixel 0, in `unit`.
    unit
        NGFF unit name (``"micrometer"``, ``"second"``), or None where it isn't known.
    positions
        The position of every pixel, only where spacing is uneven.
    calibrated
        False where nothing said how far apart the pixels are; `scale` is 1 then.

    Examples
    --------
    >>> x = Axis(name="x", size=512, scale=0.65, unit="micrometer")
    >>> x.type, x.position(2)
    ('space', 1.3)
    """

    name: str
    size: int
    scale: float = 1.0
    translation: float = 0.0
    unit: str | None = None
    positions: tuple[float, ...] | None = None
    calibrated: bool = True

    def __post_init__(self) -> None:
        if self.name not in AXIS_TYPES:
            raise AxisError(f"axis name {self.name!r} is not one of {' '.join(AXIS_NAMES)}")
        if self.size < 1:
            raise AxisError(
                f"axis {self.name!r} has size {self.size}; an image needs at least one pixel "
                "along every axis"
            )
        if not (1 / _LARGEST < self.scale < _LARGEST):
            raise AxisError(
                f"axis {self.name!r} has scale {self.scale}; it must be a positive number "
                f"between 1e-30 and 1e30, for example scale={{{self.name!r}: 0.65}}"
            )
        if not abs(self.translation) < _LARGEST:
            raise AxisError(
                f"axis {self.name!r} has translation {self.translation}; it must be a number "
                "between -1e30 and 1e30"
            )
        if self.positions is not None and not all(abs(p) < _LARGEST for p in self.positions):
            raise AxisError(
                f"axis {self.name!r} has a position that is not between -1e30 and 1e30; "
                f"pass scale={{{self.name!r}: …}} to override its coordinate"
            )
        if self.positions is not None and len(self.positions) != self.size:
            raise AxisError(
                f"axis {self.name!r} has {len(self.positions)} positions for {self.size} pixels"
            )

    @property
    def type(self) -> AxisType:
        """NGFF axis type: ``"time"``, ``"channel"`` or ``"space"``."""
        return AXIS_TYPES[self.name]

    def position(self, index: int) -> float:
        """Return the position of the centre of pixel `index`, in `unit`."""
        if self.positions is not None:
            return self.positions[index]
        return self.translation + index * self.scale
