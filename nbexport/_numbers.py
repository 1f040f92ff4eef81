"""What a number is, wherever people give one."""

from __future__ import annotations

from math import isfinite
from numbers import Real


def is_finite(value: object) -> bool:
    """Return whether `value` is a real number that a float holds; True and False are none.

    Examples
    --------
    >>> is_finite(0.5), is_finite(True), is_finite(float("nan")), is_finite(10**400)
    (True, False, False, False)
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except (OverflowError, TypeError):  # an int beyond all floats; numpy calls a timedelta real
        return False
