"""Pixel sizes as the array door takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

from nbexport._numbers import is_finite
from nbexport.errors import PlanError


class PhysicalPixelSizes(NamedTuple):
    """Size of a pixel along Z, Y and X in micrometres; None where it is not known."""

    Z: float | None
    Y: float | None
    X: float | None


def pixel_sizes(given: Any) -> PhysicalPixelSizes:
    """Return `given`, any object with `.Z .Y .X`, a sequence of three or None, as sizes.

    A size of 0 says that it is not known, as files without sizes are often read.

    Raises
    ------
    PlanError
        If it is none of these, or a size is no positive number.

    Examples
    --------
    >>> pixel_sizes((0.3, 0.1, None))
    PhysicalPixelSizes(Z=0.3, Y=0.1, X=None)
    """
    if given is None:
        return PhysicalPixelSizes(None, None, None)
    if all(hasattr(given, name) for name in "ZYX"):
        three = [given.Z, given.Y, given.X]
    elif isinstance(given, list | tuple) and len(given) == 3:
        three = list(given)
    else:
        raise PlanError(
            f"physical_pixel_sizes={given!r} is not understood; "
            "pass PhysicalPixelSizes(Z=…, Y=…, X=…) in micrometres, None where one is not known"
        )
    return PhysicalPixelSizes(*map(_size, "ZYX", three))


def _size(name: str, value: Any) -> float | None:
    if value is None or value == 0:
        return None
    if not (is_finite(value) and value > 0):
        raise PlanError(
            f"the pixel size {name}={value!r} is no positive number; "
            "pass micrometres, or None where it is not known"
        )
    return float(value)
