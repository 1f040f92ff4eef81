"""Unit texts to NGFF names; parsing is pint's."""

from __future__ import annotations

from functools import cache
from typing import Any

import xarray as xr

from nbexport.dataarray._vocabulary import NO_UNIT_WORDS, UNIT_KEYS
from nbexport.model import OME_SYMBOLS


class UnknownUnitError(ValueError):
    """A unit text that is neither a length nor a time."""


@cache
def parse_unit(text: str) -> str | None:
    r"""Return the NGFF name of a unit of length or time, or None where `text` says "no unit".

    Raises
    ------
    UnknownUnitError
        If it is anything else.

    Notes
    -----
    Cost: the first call imports pint, about 0.2 s; answers are kept.

    Examples
    --------
    >>> [parse_unit(u) for u in ("um", "µm", "micron", "Micrometer", "ms", "min", "px")]
    ['micrometer', 'micrometer', 'micrometer', 'micrometer', 'millisecond', 'minute', None]
    """
    word = text.strip()
    if "\\u" in word:  # ImageJ escapes the micro sign, and its readers hand the escape on
        word = word.encode("latin-1", "backslashreplace").decode("unicode_escape")
    if word.lower() in NO_UNIT_WORDS:
        return None
    if word in OME_SYMBOLS:
        return word
    # pint computes what it reads: 9**9**9 in a file's metadata would never come back.
    if not all(letter.isalpha() or letter in " ._" for letter in word):
        raise UnknownUnitError(text)
    registry = _registry()
    for spelling in (word, word.lower()):
        try:
            unit = registry.Unit(spelling)
        except Exception:
            continue
        name = _ngff_name(unit)
        if name is not None:
            return name
    raise UnknownUnitError(text)


def unit_text(coord: xr.DataArray) -> str | None:
    """Return what a coordinate says of its unit: its values first, then its attrs."""
    data = coord.variable.data
    if hasattr(data, "magnitude"):
        return str(data.units)
    found = (coord.attrs.get(key) for key in UNIT_KEYS)
    return next((str(unit) for unit in found if unit is not None), None)


def _ngff_name(unit: Any) -> str | None:
    if str(unit) in OME_SYMBOLS:
        return str(unit)
    if len(unit.dimensionality) != 1 or unit.dimensionality not in (
        {"[length]": 1},
        {"[time]": 1},
    ):
        return None
    for name in ("micrometer", "second", "nanometer", "millimeter", "meter", *OME_SYMBOLS):
        if unit.is_compatible_with(name) and (1 * unit).to(name).magnitude == 1:
            return name
    return None


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()
