"""Units: the NGFF name is ours, the OME-XML symbol is looked up at the XML edge.

Source: OME-NGFF 0.5, "axes metadata", lists the names; OME 2016-06, ``UnitsLength`` and
``UnitsTime``, list the symbols.
"""

from __future__ import annotations

from typing import Final

# Powers of ten to metre and second are kept as integers, so that 200 nm becomes 0.2 um and not
# 0.19999999999999998: one rounding, by the division.
_PREFIXES: Final = {
    "yotta": (24, "Y"),
    "zetta": (21, "Z"),
    "exa": (18, "E"),
    "peta": (15, "P"),
    "tera": (12, "T"),
    "giga": (9, "G"),
    "mega": (6, "M"),
    "kilo": (3, "k"),
    "hecto": (2, "h"),
    "": (0, ""),
    "deci": (-1, "d"),
    "centi": (-2, "c"),
    "milli": (-3, "m"),
    "micro": (-6, "µ"),
    "nano": (-9, "n"),
    "pico": (-12, "p"),
    "femto": (-15, "f"),
    "atto": (-18, "a"),
    "zepto": (-21, "z"),
    "yocto": (-24, "y"),
}

# name: (OME symbol, factor, power of ten) with unit = factor * 10**power metres or seconds
_LENGTHS: Final = {
    **{f"{name}meter": (f"{symbol}m", 1.0, power) for name, (power, symbol) in _PREFIXES.items()},
    "angstrom": ("Å", 1.0, -10),
    "inch": ("in", 254.0, -4),
    "foot": ("ft", 3048.0, -4),
    "yard": ("yd", 9144.0, -4),
    "mile": ("mi", 1609344.0, -3),
    "parsec": ("pc", 3.0856775814913673, 16),
}
_TIMES: Final = {
    **{f"{name}second": (f"{symbol}s", 1.0, power) for name, (power, symbol) in _PREFIXES.items()},
    "minute": ("min", 60.0, 0),
    "hour": ("h", 3600.0, 0),
    "day": ("d", 86400.0, 0),
}

OME_SYMBOLS: Final = {name: entry[0] for name, entry in (_LENGTHS | _TIMES).items()}
"""NGFF unit name to OME-XML symbol."""


def is_length(unit: str | None) -> bool:
    """Return whether `unit` is an NGFF name of a length."""
    return unit in _LENGTHS


def is_time(unit: str | None) -> bool:
    """Return whether `unit` is an NGFF name of a time."""
    return unit in _TIMES


def convert(value: float, unit: str, to: str) -> float:
    """Return `value`, given in `unit`, in the unit `to`; both are NGFF names of one kind.

    Raises
    ------
    KeyError
        If a name is not NGFF's, or one is a length and the other a time.

    Examples
    --------
    >>> convert(200, "nanometer", "micrometer"), convert(2, "minute", "second")
    (0.2, 120.0)
    """
    table = _LENGTHS if unit in _LENGTHS else _TIMES
    _, factor, power = table[unit]
    _, to_factor, to_power = table[to]
    value, power = value * factor, power - to_power
    scaled = value * 10.0**power if power >= 0 else value / 10.0**-power
    return scaled / to_factor
