"""Orders, level sizes and chunks of one image, from what is said in keywords. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from numbers import Real
from typing import Any, Final

import numpy as np

from nbexport.errors import InvalidDimensionOrderingError, PlanError, UnexpectedShapeError

Lengths = dict[str, int]
"""Pixels by axis name."""

ORDER: Final = "TCZYX"
_CHUNK_NBYTES: Final = 16 * 2**20


def checked_order(dimension_order: str | None, shape: tuple[int, ...]) -> str:
    """Return the order of an array of `shape`, one upper-case letter an axis.

    Raises
    ------
    InvalidDimensionOrderingError
        If it does not fit the shape, or has letters that OME-Zarr has no place for.
    """
    ndim = len(shape)
    if not 2 <= ndim <= 5:
        raise InvalidDimensionOrderingError(
            f"image data must have 2, 3, 4 or 5 dimensions, these have shape {shape}; "
            "take one entry of the others"
        )
    order = ORDER[-ndim:] if dimension_order is None else dimension_order
    if len(order) != ndim:
        raise InvalidDimensionOrderingError(
            f"dimension order {order!r} does not match data of shape {shape}; "
            f"give {ndim} letters of {ORDER}"
        )
    if set(order) - set(ORDER) or len(set(order)) < ndim:
        raise InvalidDimensionOrderingError(
            f"dimension order {order!r} has letters that are unknown or repeated; "
            f"use each of {ORDER} once at most"
        )
    if not {"Y", "X"} <= set(order):
        raise InvalidDimensionOrderingError(
            f"dimension order {order!r} lacks Y or X; an image needs both"
        )
    if "C" in order and any(
        order.index(name) < order.index("C") for name in "ZYX" if name in order
    ):
        raise InvalidDimensionOrderingError(
            f"dimension order {order!r} is invalid, the channel dimension must be before X, Y and "
            "Z; transpose the data"
        )
    return order


def level_sizes(sizes: Mapping[str, int], n_levels: Any, factor: Any) -> list[Lengths]:
    """Return the size of each level: Y and X divided by `factor` and rounded down, a step a level.

    Raises
    ------
    PlanError
        If `n_levels` or `factor` is no such number, or no pixels are left to divide.
    """
    if not isinstance(n_levels, int | np.integer) or isinstance(n_levels, bool) or n_levels < 1:
        raise PlanError(
            f"scale_num_levels={n_levels!r} is no whole number above 0; 1 writes the image alone"
        )
    if n_levels > 1 and (not isinstance(factor, Real) or not 1 < float(factor) < np.inf):
        raise PlanError(
            f"scale_factor={factor!r} makes no coarser level; give a number above 1, such as 2"
        )
    levels = [dict(sizes)]
    while len(levels) < n_levels:
        finer = levels[-1]
        # An axis that is shorter than the factor stays, as everywhere here.
        coarser = {n: int(finer[n] // factor) or finer[n] for n in "yx"}
        if coarser == {n: finer[n] for n in "yx"}:
            raise PlanError(
                f"scale_num_levels={n_levels} is too many: level {len(levels) - 1} has "
                f"{finer['y']} x {finer['x']} pixels and can't be divided by {factor}; "
                f"use {len(levels)}"
            )
        levels.append(finer | coarser)
    return levels


def plane_chunks(levels: Sequence[Mapping[str, int]], factor: Any, itemsize: int) -> list[Lengths]:
    """Return chunks of whole planes, of as many as make 16 MiB, for each of `levels`."""
    out = []
    y, x = levels[0]["y"], levels[0]["x"]
    for level in levels:
        n_planes = ceil(_CHUNK_NBYTES / (y * x * itemsize))
        chunk = {"t": 1, "c": 1, "z": min(n_planes, level.get("z", 1)), "y": y, "x": x}
        out.append({name: chunk[name] for name in level})
        y, x = ceil(y / factor), ceil(x / factor)
    return out


def given_chunks(
    chunk_dims: Sequence[int], order: str, n_levels: int, factor: Any
) -> list[Lengths]:
    """Return the chunks of each level: those given at level 0, Y and X divided from there on.

    Raises
    ------
    UnexpectedShapeError
        If these are not as many as the dimensions.
    PlanError
        If one is no whole number above 0.
    """
    if len(chunk_dims) != len(order):
        raise UnexpectedShapeError(
            f"chunk dimensions {tuple(chunk_dims)} do not match the data, whose order is {order}; "
            f"give {len(order)} lengths"
        )
    for name, length in zip(order, chunk_dims, strict=True):
        if not isinstance(length, int | np.integer) or isinstance(length, bool) or length < 1:
            raise PlanError(
                f"chunk_dims has {length!r} along {name}; a whole number above 0 is needed"
            )
    out = [{name.lower(): int(n) for name, n in zip(order, chunk_dims, strict=True)}]
    while len(out) < n_levels:
        out.append(out[-1] | {name: ceil(out[-1][name] / factor) for name in "yx"})
    return out
