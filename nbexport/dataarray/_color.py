"""Colours: any spelling people use to ``"RRGGBB"``; names are matplotlib's."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Final

# Two channels: green and magenta, three: with cyan and yellow, as journals ask for; from four on
# Okabe and Ito's palette (2008), made for colour-blind readers, its black replaced by white.
_PAIR: Final = ("00FF00", "FF00FF")
_TRIPLE: Final = ("00FFFF", "FF00FF", "FFFF00")
_MANY: Final = (
    "E69F00",
    "56B4E9",
    "009E73",
    "F0E442",
    "0072B2",
    "D55E00",
    "CC79A7",
    "FFFFFF",
)

# Upper end of a band in nm, and the colour people expect for it.
_BANDS: Final = (
    (380, "8000FF"),
    (450, "4000FF"),
    (485, "0080FF"),
    (500, "00FFFF"),
    (565, "00FF00"),
    (590, "FFFF00"),
    (625, "FF8000"),
    (700, "FF0000"),
)
_FAR_RED: Final = "FF0080"


def parse_color(value: Any) -> str:
    """Return ``"RRGGBB"`` for a colour as people write it.

    Parameters
    ----------
    value
        ``"#rrggbb"``, ``"rrggbb"``, a name matplotlib knows, three or four numbers from 0 to 1
        (floats) or 0 to 255 (ints), an int ``0xRRGGBB``, or OME's signed RGBA int (negative or
        above ``0xFFFFFF``). Alpha is dropped.

    Raises
    ------
    ValueError
        If it is none of these.

    Examples
    --------
    >>> [parse_color(c) for c in ("#00ff7f", "magenta", (255, 0, 0), (0.0, 0.5, 1.0), 0xFFFF, -1)]
    ['00FF7F', 'FF00FF', 'FF0000', '0080FF', '00FFFF', 'FFFFFF']
    """
    if hasattr(value, "as_rgb_tuple"):  # ome-types' and pydantic's colours
        value = tuple(int(v) for v in value.as_rgb_tuple()[:3])
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if 0 <= number <= 0xFFFFFF:
            return f"{number:06X}"
        if -(2**31) <= number < 2**32:
            return f"{(number & 0xFFFFFFFF) >> 8:06X}"
        raise ValueError(value)
    parts = list(value) if not isinstance(value, bytes | bool | Real) else []
    if len(parts) not in (3, 4) or not all(isinstance(p, Real) for p in parts):
        raise ValueError(value)
    rgb = parts[:3]
    if all(isinstance(p, Integral) for p in rgb):
        levels = [int(p) for p in rgb]
    elif all(0 <= float(p) <= 1 for p in rgb):
        levels = [int(float(p) * 255 + 0.5) for p in rgb]
    else:
        levels = [int(float(p) + 0.5) for p in rgb]
    if not all(0 <= level <= 255 for level in levels):
        raise ValueError(value)
    return "".join(f"{level:02X}" for level in levels)


def _parse_text(text: str) -> str:
    from matplotlib.colors import to_hex

    word = text.strip()
    digits = word.removeprefix("#")
    if len(digits) in (6, 8) and all(c in "0123456789abcdefABCDEF" for c in digits):
        # "#AARRGGBB" is Zeiss's order, "#RRGGBBAA" CSS's; only an opaque one is unambiguous.
        if len(digits) == 8 and digits[:2].upper() == "FF":
            digits = digits[2:]
        return digits[:6].upper()
    return to_hex(word).removeprefix("#").upper()


def default_colors(emissions: Sequence[float | None]) -> list[str]:
    """Return a colour for each channel from its emission wavelength, else from a palette.

    Wavelengths decide only where all are known and give different colours: two channels of one
    colour can't be told apart.

    Examples
    --------
    >>> default_colors([None]), default_colors([461.0, 525.0]), default_colors([536.0, 536.0])
    (['FFFFFF'], ['0080FF', '00FF00'], ['00FF00', 'FF00FF'])
    """
    n = len(emissions)
    if n == 1:
        return ["FFFFFF"]
    by_wavelength = [_band(nm) for nm in emissions if nm is not None]
    if len(by_wavelength) == n == len(set(by_wavelength)):
        return by_wavelength
    palette: Sequence[str] = {2: _PAIR, 3: _TRIPLE}.get(n, _MANY)
    return [palette[i % len(palette)] for i in range(n)]


def _band(nanometers: float) -> str:
    return next((color for end, color in _BANDS if nanometers < end), _FAR_RED)
