"""What is written onto frames: lengths, times and words, decided before the first pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, isclose, log10
from typing import Final, Literal

from nbexport.errors import PlanError
from nbexport.model import Axis, convert, is_length, is_time

OverlayKind = Literal["scale_bar", "timestamp", "legend", "text"]
CORNERS: Final = ("top left", "top right", "bottom left", "bottom right")
USUAL_CORNERS: Final[dict[str, str]] = {
    "timestamp": "top left",
    "legend": "top right",
    "text": "bottom left",
    "scale_bar": "bottom right",
}
"""Where each overlay stands, in the order in which those of one corner are stacked."""

_LENGTHS: Final = (
    ("kilometer", "km"),
    ("meter", "m"),
    ("millimeter", "mm"),
    ("micrometer", "µm"),
    ("nanometer", "nm"),
    ("picometer", "pm"),
)
_SHORT_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BAR_FRACTION: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """One thing written onto the frames.

    Attributes
    ----------
    kind
        ``scale_bar``, ``timestamp``, ``legend`` or ``text``.
    corner
        One of "top left", "top right", "bottom left", "bottom right".
    color
        ``"RRGGBB"``.
    lines
        (text, its colour) pairs, from top to bottom; the same on every frame.
    texts
        One text a frame, instead of `lines`.
    length
        Length of the bar in pixels of the frame.
    """

    kind: OverlayKind
    corner: str
    color: str = "FFFFFF"
    lines: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()
    length: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.corner, str) or self.corner not in CORNERS:
            raise PlanError(f"corner={self.corner!r} is not known; use one of {', '.join(CORNERS)}")

    def __str__(self) -> str:
        said = self.texts[:1] + self.texts[1:][-1:] if self.texts else [t for t, _ in self.lines]
        joined = (" to " if self.texts else ", ").join(said)
        return f"{self.kind.replace('_', ' ')} {joined!r}, {self.corner}"


def scale_bar(
    width: int, pixel: float, unit: str, wish: tuple[float, str] | None
) -> tuple[str, float]:
    """Return the text and the length in pixels of a scale bar.

    Parameters
    ----------
    width
        Of the frame, in pixels.
    pixel, unit
        Length of one pixel.
    wish
        The length that was asked for and its unit; None: the round length (1, 2 or 5 times a power
        of ten) nearest to a fifth of the width.

    Examples
    --------
    >>> scale_bar(512, 0.65, "micrometer", None)
    ('50 µm', 76.92307692307692)
    >>> scale_bar(512, 0.65, "micrometer", (0.1, "millimeter"))
    ('0.1 mm', 153.84615384615384)
    """
    if wish is not None:
        value, wished = wish
        length = convert(value, wished, unit) / pixel
        symbol = dict(_LENGTHS).get(wished, wished)
        if not 1 <= length <= width:
            raise PlanError(
                f"scale_bar='{value:g} {symbol}' would be {length:.3g} pixels long in a frame "
                f"{width} pixels wide; scale_bar=True finds a length that fits"
            )
        return f"{value:g} {symbol}", length
    nanometers = convert(width * pixel * _BAR_FRACTION, unit, "nanometer")
    power = floor(log10(nanometers))
    rounds = [m * 10.0**p for p in (power, power + 1) for m in (1, 2, 5)]
    nanometers = min(rounds, key=lambda r: abs(log10(r) - log10(nanometers)))
    for name, symbol in _LENGTHS:
        value = convert(nanometers, "nanometer", name)
        if value >= 1 or symbol == "pm" or isclose(value, 1):
            return f"{value:g} {symbol}", convert(nanometers, "nanometer", unit) / pixel
    raise AssertionError(nanometers)


def pixel_length(axis: Axis) -> tuple[float, str]:
    """Return the length of a pixel along `axis`, a space axis.

    Raises
    ------
    PlanError
        If it isn't known.
    """
    if not axis.calibrated or axis.unit is None or not is_length(axis.unit):
        raise PlanError(
            f"a scale bar needs the pixel size, and axis {axis.name!r} has "
            f"{'no scale' if not axis.calibrated else 'no unit'}; "
            "pass scale={'y': 0.65, 'x': 0.65}, units='um'"
        )
    return axis.scale, axis.unit


def seconds(axis: Axis, word: str) -> list[float]:
    """Return the time of every entry of `axis`, in seconds; `word` is the option that needs it."""
    if axis.type != "time" or not axis.calibrated or not is_time(axis.unit):
        raise PlanError(
            f"{word} needs the time of every frame, and axis {axis.name!r} has none; "
            "pass along='t' with a time coordinate that has a unit, "
            "or scale={'t': 2.5}, units={'t': 's'}"
        )
    assert axis.unit is not None
    return [convert(axis.position(i), axis.unit, "second") for i in range(axis.size)]


def time_texts(times: Sequence[float]) -> tuple[str, ...]:
    """Return times, given in seconds, as people write them: in one format for all.

    Examples
    --------
    >>> time_texts([0, 1800, 8130]), time_texts([0, 0.05, 0.35])
    (('00:00:00', '00:30:00', '02:15:30'), ('0 ms', '50 ms', '350 ms'))
    >>> time_texts([0.0, 2.5, 5.0]), time_texts([-30.0, 0.0, 90.0])
    (('0.0 s', '2.5 s', '5.0 s'), ('-00:30', '00:00', '01:30'))
    """
    longest = max(map(abs, times))
    if longest < 60:
        size, symbol = next((e for e in _SHORT_TIMES if longest >= e[0]), _SHORT_TIMES[-1])
        if longest == 0:
            size, symbol = _SHORT_TIMES[0]
        values = [t / size for t in times]
        n_digits = _n_decimals(values)
        return tuple(f"{v:.{n_digits}f} {symbol}" for v in values)
    n_digits = _n_decimals(times)
    return tuple(_clock(t, n_digits, hours=longest >= 3600) for t in times)


def _n_decimals(values: Sequence[float]) -> int:
    """Return how many decimals, at most 3, tell the values within a hundredth of their step."""
    ordered = sorted(values)
    steps = [b - a for a, b in pairwise(ordered) if b > a]
    allowed = min(steps, default=1.0) / 100
    return next((n for n in range(3) if all(abs(round(v, n) - v) <= allowed for v in values)), 3)


def _clock(time: float, n_digits: int, *, hours: bool) -> str:
    ticks = round(abs(time) * 10**n_digits)  # rounded before it is split: never 00:60
    whole, part = divmod(ticks, 10**n_digits)
    sign = "-" if time < 0 and ticks else ""
    minutes = whole // 60 % 60 if hours else whole // 60
    clock = f"{minutes:02d}:{whole % 60:02d}" + (f".{part:0{n_digits}d}" if n_digits else "")
    if not hours:
        return sign + clock
    days, hour = divmod(whole // 3600, 24) if whole >= 100 * 3600 else (0, whole // 3600)
    return sign + (f"{days} d " if days else "") + f"{hour:02d}:{clock}"
