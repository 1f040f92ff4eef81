"""Fewer or more pixels by picking, numpy or dask alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

ArrayT = TypeVar("ArrayT")  # numpy.ndarray or dask.array.Array


def pick(pixels: ArrayT, shape: Sequence[int]) -> ArrayT:
    """Return `pixels` with `shape`, every pixel one of the input's; lazy input stays lazy.

    Parameters
    ----------
    pixels
        numpy or dask.
    shape
        Pixels wanted along each axis.

    Returns
    -------
    array
        Along an axis of n pixels that becomes m, every f-th pixel from the first where ``n // f``
        is m for a whole f, else pixel ``i * n // m``. It does not depend on chunks.

    Examples
    --------
    >>> pick(np.arange(7), (3,)), pick(np.arange(6), (4,)), pick(np.arange(2), (4,))
    (array([0, 2, 4]), array([0, 1, 3, 4]), array([0, 0, 1, 1]))
    """
    picked: Any = pixels
    for axis, (n, m) in enumerate(zip(picked.shape, shape, strict=True)):
        if n == m:
            continue
        f = n // (m + 1) + 1
        wanted = slice(0, m * f, f) if n // f == m else np.arange(m) * n // m
        picked = picked[(slice(None),) * axis + (wanted,)]
    chosen: ArrayT = picked
    return chosen
