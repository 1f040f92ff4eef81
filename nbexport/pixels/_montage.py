"""Frames side by side on one sheet."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]


def sheet_grid(n: int, columns: int | None = None) -> tuple[int, int]:
    """Return rows and columns for `n` cells: one row up to five, else about as wide as high.

    Examples
    --------
    >>> sheet_grid(4), sheet_grid(12), sheet_grid(12, columns=6)
    ((1, 4), (3, 4), (2, 6))
    """
    if columns is None:
        columns = n if n <= 5 else ceil(sqrt(n))
    columns = min(columns, n)
    return -(-n // columns), columns


def sheet_gap(size: tuple[int, int]) -> int:
    """Return the pixels between cells of `size` (width, height): a hundredth of the width.

    Examples
    --------
    >>> sheet_gap((512, 512)), sheet_gap((20, 20))
    (5, 1)
    """
    return max(1, size[0] // 100)


def sheet_size(n: int, size: tuple[int, int], columns: int | None = None) -> tuple[int, int]:
    """Return width and height of a sheet of `n` cells of `size` (width, height).

    Examples
    --------
    >>> sheet_size(3, (512, 256))
    (1546, 256)
    """
    rows, columns = sheet_grid(n, columns)
    gap = sheet_gap(size)
    return columns * (size[0] + gap) - gap, rows * (size[1] + gap) - gap


def tile_frames(
    frames: Iterable[Frame], n: int, size: tuple[int, int], columns: int | None = None
) -> Frame:
    """Return `n` frames of `size` (width, height) row by row on one white sheet, their pixels kept.

    Examples
    --------
    >>> cells = [np.full((1, 2, 3), i, "uint8") for i in range(2)]
    >>> tile_frames(cells, 2, (2, 1))[..., 0].tolist()
    [[0, 0, 255, 1, 1]]
    """
    _, columns = sheet_grid(n, columns)
    gap = sheet_gap(size)
    width, height = sheet_size(n, size, columns)
    sheet = np.full((height, width, 3), 255, np.uint8)
    for i, frame in enumerate(frames):
        row, column = divmod(i, columns)
        top, left = row * (size[1] + gap), column * (size[0] + gap)
        sheet[top : top + size[1], left : left + size[0]] = frame
    return sheet
