"""Letters of dimensions as OME-TIFF needs them: five, and whether samples follow."""

from __future__ import annotations

from typing import Final, NamedTuple

from nbexport.errors import InvalidDimensionOrderingError, PlanError

_LETTERS: Final = "TCZYXS"


class OmeOrder(NamedTuple):
    """Five letters, slowest first, and whether S, the samples of RGB, comes after them."""

    letters: str
    is_rgb: bool

    def dims(self, n: int) -> str:
        """Return the letters of an array of `n` dimensions, the last ones."""
        return (self.letters + "S" * self.is_rgb)[-n:]

    def sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        """Return the length of each letter; 1 of those that `shape` does not have."""
        return dict.fromkeys(_LETTERS, 1) | dict(zip(self.dims(len(shape)), shape, strict=True))


def find_order(shape: tuple[int, ...], dim_order: str | None) -> OmeOrder:
    """Return the order of an array of `shape`.

    Parameters
    ----------
    shape
        Of 2 to 6 dimensions.
    dim_order
        What the caller says, upper case; None: the last letters of TCZYX, and samples only of 6
        dimensions.

    Raises
    ------
    InvalidDimensionOrderingError
        If the letters don't fit.
    PlanError
        If there are too many or too few dimensions.

    Examples
    --------
    >>> find_order((3, 10, 20), "CYX"), find_order((3, 10, 20), None)
    (OmeOrder(letters='TZCYX', is_rgb=False), OmeOrder(letters='TCZYX', is_rgb=False))
    """
    n = len(shape)
    few = bool(shape) and shape[-1] in (3, 4)
    if n < 2 or n > 6:
        raise PlanError(f"an array of {n} dimensions, shape {shape}, is no image; use 2 to 6")
    if dim_order is None:
        _check_six(shape, is_rgb=n == 6 and few)
        return OmeOrder("TCZYX", n == 6)
    if not isinstance(dim_order, str):
        raise TypeError(f"dim_order={dim_order!r} is not text; pass 'TCZYX', for example")
    if len(dim_order) != n:
        raise InvalidDimensionOrderingError(
            f"dim_order={dim_order!r} names {len(dim_order)} dimensions, and the array has {n}, "
            f"shape {shape}; give one letter for each"
        )
    is_rgb = dim_order.endswith("S") and few
    _check_six(shape, is_rgb=is_rgb)
    unknown = [letter for letter in dim_order if letter not in _LETTERS]
    if unknown:
        raise InvalidDimensionOrderingError(
            f"dim_order={dim_order!r} has the letter {unknown[0]!r}; use {', '.join(_LETTERS)}, "
            "upper case"
        )
    if "S" in dim_order and not is_rgb:
        raise InvalidDimensionOrderingError(
            f"dim_order={dim_order!r} of shape {shape} is no RGB; S must come last, and have 3 or "
            "4 entries; name that dimension C if these are channels"
        )
    if not dim_order.removesuffix("S").endswith("YX"):
        raise InvalidDimensionOrderingError(
            f"dim_order={dim_order!r} does not end in YX or YXS; transpose the array, for example "
            "with numpy.moveaxis"
        )
    front = dim_order.removesuffix("S")[:-2]
    if len(set(dim_order)) < n:
        twice = next(letter for letter in dim_order if dim_order.count(letter) > 1)
        raise InvalidDimensionOrderingError(
            f"dim_order={dim_order!r} names {twice!r} twice; use each letter once"
        )
    missing = "".join(letter for letter in "TCZ" if letter not in front)
    return OmeOrder(f"{missing}{front}YX", is_rgb)


def _check_six(shape: tuple[int, ...], *, is_rgb: bool) -> None:
    if len(shape) == 6 and not is_rgb:
        raise PlanError(
            f"an array of 6 dimensions, shape {shape}, must end in S, 3 or 4 samples of RGB; "
            "write the images of one dimension as a list"
        )
