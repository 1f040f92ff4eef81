"""Arrays as the array door takes them, and the letters that name their dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt
import xarray as xr

from nbexport.errors import (
    ConflictingArgumentsError,
    DtypeError,
    InvalidDimensionOrderingError,
    PlanError,
    SourceError,
    UnexpectedShapeError,
)
from nbexport.stores import TargetPath
from nbexport.stores.targets import remote_scheme, target_text

_TO_BYTES: Final = np.float64(255)


def as_array(data: Any) -> Any:
    """Return a numpy or dask array as it is, the pixels of a DataArray, or numbers as an array.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(data, xr.DataArray):
        return data.data
    if hasattr(data, "__dask_graph__") or isinstance(data, np.ndarray):
        return data
    if hasattr(data, "__array__"):
        return np.asarray(data)
    raise TypeError(
        f"data is {type(data).__name__}; pass a numpy or a dask array, such as numpy.asarray(data)"
    )


def find_letters(
    shape: tuple[int, ...],
    dim_order: str | None,
    known: dict[int, str],
    *,
    who: str,
    also: tuple[str, ...] = (),
) -> str:
    """Return one letter a dimension, upper case.

    Parameters
    ----------
    shape
        Of the array.
    dim_order
        What the caller says; None: the order known for that many dimensions.
    known
        The usual order by number of dimensions.
    who
        The writer, by its name.
    also
        Further sets of letters that are taken.

    Raises
    ------
    UnexpectedShapeError
        If no order is known for that many dimensions.
    InvalidDimensionOrderingError
        If a letter is unknown, missing or named twice.
    ConflictingArgumentsError
        If there are more or fewer letters than dimensions.
    """
    n = len(shape)
    numbers = " or ".join(map(str, known))
    if n not in known:
        raise UnexpectedShapeError(
            f"{who} takes arrays of {numbers} dimensions ({' or '.join(known.values())}), and this "
            f"one has {n}, shape {shape}; take one entry of those it does not know"
        )
    if dim_order is None:
        return known[n]
    if not isinstance(dim_order, str):
        raise TypeError(f"dim_order={dim_order!r} is not text; pass {known[n]!r}, for example")
    letters = dim_order.upper()
    taken = max(known.values(), key=len)
    unknown = [letter for letter in letters if letter not in taken]
    if unknown:
        raise InvalidDimensionOrderingError(
            f"dim_order={dim_order!r} has the letter {unknown[0]!r}; {who} knows {', '.join(taken)}"
        )
    if len(letters) != n:
        raise ConflictingArgumentsError(
            f"dim_order={dim_order!r} names {len(letters)} dimensions, and the array has {n}, "
            f"shape {shape}; give one letter for each, such as {known[n]!r}"
        )
    if not any(sorted(letters) == sorted(order) for order in (known[n], *also)):
        raise InvalidDimensionOrderingError(
            f"dim_order={dim_order!r} does not name what {who} needs of {n} dimensions; "
            f"use the letters {' or '.join([known[n], *also])}, each once, in any order"
        )
    return letters


def labelled(array: Any, letters: str) -> xr.DataArray:
    """Return `array` as a DataArray of intensities or RGB, its dims named by `letters`."""
    da = xr.DataArray(array, dims=list(letters.lower()))
    da.attrs["kind"] = "intensity"
    return da


def wished_window(window: Any, autoscale: bool) -> Any:
    """Return the window that is meant; None where the caller says none.

    Raises
    ------
    PlanError
        If both are given.
    """
    if autoscale and window is not None:
        raise PlanError(
            f"autoscale=True and window={window!r} both say what is black and what is white; "
            "leave one of them out"
        )
    return ("0.1%", "99.9%") if autoscale else window


def as_bytes(array: Any) -> Any:
    """Return floats or bools from 0 to 1 as 0 to 255, rounded; NaN becomes 0. dask stays lazy.

    Raises
    ------
    DtypeError
        If a value lies outside; for dask once it is computed.
    """
    if isinstance(array, np.ndarray):
        return _as_bytes(array)
    blocks: Callable[..., Any] = array.map_blocks
    return blocks(_as_bytes, dtype=np.uint8, meta=np.zeros((0,) * array.ndim, np.uint8))


def _as_bytes(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    outside = (pixels < 0) | (pixels > 1)  # NaN is neither
    if outside.any():
        raise DtypeError(
            f"{pixels.dtype.name} pixels are shown as they are from 0 (black) to 1 (white), and "
            f"one is {float(pixels[outside][0]):g}; pass window=(darkest, brightest) or "
            "autoscale=True"
        )
    # In double precision, so that k/255 of any float type comes back as k.
    values: npt.NDArray[np.float64] = np.nan_to_num(pixels) * _TO_BYTES
    return np.rint(values).astype(np.uint8)


def refuse_dtype(dtype: np.dtype[Any], uri: TargetPath) -> NoReturn:
    """Raise DtypeError: which value is black and which is white is not said."""
    raise DtypeError(
        f"{dtype.name} pixels can't be shown in {target_text(uri)!r} before it is clear which "
        "value is black and which is white; pass window=(darkest, brightest), autoscale=True, or "
        "uint8 pixels"
    )


def url_options(uri: TargetPath, fs_kwargs: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return `fs_kwargs` as storage options, None where there are none.

    Raises
    ------
    PlanError
        If there are some, and `uri` is a local path.
    """
    if not fs_kwargs:
        return None
    text = target_text(uri)
    if remote_scheme(text) is None:
        raise PlanError(
            f"fs_kwargs with {', '.join(map(repr, fs_kwargs))} belong to a URL, and uri={text!r} "
            "is a local path; leave them out"
        )
    return fs_kwargs


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise what :func:`as_bytes` found in lazy pixels as itself."""
    try:
        yield
    except SourceError as error:
        if isinstance(error.__cause__, DtypeError):
            raise error.__cause__ from None
        raise
