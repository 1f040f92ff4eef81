"""Level shapes and chunks in five dimensions, TCZYX. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import xarray as xr

from nbexport.errors import PlanError

DimTuple = tuple[int, int, int, int, int]

DIMS: Final = ("t", "c", "z", "y", "x")


def chunk_size_from_memory_target(shape: DimTuple, dtype: Any, memory_target: int) -> DimTuple:
    """Return a chunk of one T and one C that fits `memory_target`.

    Parameters
    ----------
    shape
        Of the image, TCZYX.
    dtype
        Pixel type.
    memory_target
        Bytes.

    Returns
    -------
    tuple of int
        Z, Y and X are halved together, rounded down, until it fits.

    Raises
    ------
    PlanError
        If not even one pixel fits.

    Examples
    --------
    >>> chunk_size_from_memory_target((1, 1, 1, 128, 128), "uint16", 1024)
    (1, 1, 1, 16, 16)
    """
    _, _, z, y, x = five(shape, "shape")
    itemsize = np.dtype(dtype).itemsize
    if memory_target < itemsize:
        raise PlanError(
            f"memory_target={memory_target!r} is less than one pixel of {itemsize} bytes; "
            "give bytes such as 16 * 2**20"
        )
    while z * y * x * itemsize > memory_target:
        z, y, x = (max(length // 2, 1) for length in (z, y, x))
    return (1, 1, z, y, x)


def compute_level_shapes(
    lvl0shape: DimTuple, scaling: tuple[float, float, float, float, float], nlevels: int
) -> list[DimTuple]:
    """Return the shapes of all levels.

    Parameters
    ----------
    lvl0shape
        Of level 0, TCZYX.
    scaling
        By what each dimension is divided from level to level.
    nlevels
        Number of levels, level 0 included; the last ones repeat where nothing is left to divide.

    Examples
    --------
    >>> compute_level_shapes((1, 1, 1, 13, 23), (1, 1, 1, 2, 2), 3)
    [(1, 1, 1, 13, 23), (1, 1, 1, 6, 11), (1, 1, 1, 3, 5)]
    """
    shapes = [five(lvl0shape, "lvl0shape")]
    if len(scaling) != 5 or any(not factor > 0 for factor in scaling):
        raise PlanError(f"scaling={scaling!r} is not five numbers above 0, in the order TCZYX")
    for _ in range(nlevels - 1):
        finer = shapes[-1]
        coarser = tuple(max(int(n / factor), 1) for n, factor in zip(finer, scaling, strict=True))
        shapes.append(five(coarser, "lvl0shape"))
    return shapes


def compute_level_chunk_sizes_zslice(shapes: Sequence[DimTuple]) -> list[DimTuple]:
    """Return chunks of whole planes for levels that are coarsened along Y and X.

    Parameters
    ----------
    shapes
        Of all levels, TCZYX.

    Returns
    -------
    list of tuple
        One plane at level 0; where Y and X are divided there are as many planes more, so that the
        chunks of all levels hold about as many pixels.

    Examples
    --------
    >>> shapes = [(1, 1, 9, 1000, 1000), (1, 1, 9, 500, 500), (1, 1, 9, 250, 250)]
    >>> compute_level_chunk_sizes_zslice(shapes)
    [(1, 1, 1, 1000, 1000), (1, 1, 4, 500, 500), (1, 1, 16, 250, 250)]
    """
    first = five(shapes[0], "shapes[0]")
    chunks: list[DimTuple] = [(1, 1, 1, first[3], first[4])]
    for finer, shape in pairwise(shapes):
        *_, by_y, by_x = get_scale_ratio(finer, shape)
        _, _, z, y, x = chunks[-1]
        chunks.append((1, 1, int(by_x * by_y * z), int(y / by_y), int(x / by_x)))
    return chunks


def dim_tuple_to_dict(dims: Sequence[Any]) -> dict[str, Any]:
    """Return five values of T, C, Z, Y and X by axis name.

    Examples
    --------
    >>> dim_tuple_to_dict((1, 2, 3, 4, 5))
    {'t': 1, 'c': 2, 'z': 3, 'y': 4, 'x': 5}
    """
    return dict(zip(DIMS, five(dims, "dims"), strict=True))


def get_scale_ratio(level0: Sequence[int], level1: Sequence[int]) -> tuple[float, ...]:
    """Return by how much each of the five dimensions of `level0` is longer than of `level1`.

    Examples
    --------
    >>> get_scale_ratio((1, 1, 4, 100, 90), (1, 1, 4, 50, 30))
    (1.0, 1.0, 1.0, 2.0, 3.0)
    """
    both = zip(five(level0, "level0"), five(level1, "level1"), strict=True)
    return tuple(a / b for a, b in both)


def without_pixels(shape: DimTuple, dtype: Any) -> xr.DataArray:
    """Return an image of zeros that takes the memory of one."""
    return xr.DataArray(np.broadcast_to(np.zeros((), dtype), shape), dims=DIMS)


def five(values: Sequence[Any], what: str) -> Any:
    """Return `values` as a tuple, or say that `what` is not five of T, C, Z, Y and X."""
    if len(values) != 5:
        raise PlanError(f"{what} must be a 5-tuple in TCZYX order, not {tuple(values)}")
    return tuple(values)


def checked_levels(
    shapes: Sequence[DimTuple], chunk_sizes: Sequence[DimTuple]
) -> tuple[list[DimTuple], list[DimTuple]]:
    """Return shapes and chunks of levels, or say why they make no levels of one image."""
    if len(shapes) != len(chunk_sizes) or not shapes:
        raise PlanError(
            f"shapes and chunk_sizes must have the same length, the number of levels, "
            f"and have {len(shapes)} and {len(chunk_sizes)}"
        )
    checked: list[list[Any]] = []
    for word, tuples in (("shapes", shapes), ("chunk_sizes", chunk_sizes)):
        out = [five(entry, f"{word}[{i}]") for i, entry in enumerate(tuples)]
        for i, entry in enumerate(out):
            if not all(isinstance(n, int | np.integer) and n > 0 for n in entry):
                raise PlanError(f"{word}[{i}] is {entry}; whole numbers above 0 are needed")
        checked.append([tuple(map(int, entry)) for entry in out])
    for i, shape in enumerate(checked[0]):
        if shape[:2] != checked[0][0][:2]:
            raise PlanError(
                f"shapes[{i}] has T and C {shape[:2]} and level 0 {checked[0][0][:2]}; "
                "all levels keep them, so scale Z, Y and X only"
            )
    return checked[0], checked[1]
