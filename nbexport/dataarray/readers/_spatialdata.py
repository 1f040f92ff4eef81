"""spatialdata (0.8): pixel sizes in a transformation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from nbexport.dataarray._hints import Hints, bare_numbers
from nbexport.dataarray.readers._common import Dims


def read_spatialdata(da: xr.DataArray, axis_dims: Dims, hints: Hints) -> None:
    """spatialdata: coords are pixel centres (0.5, 1.5, …); the size is in a transformation."""
    transforms = da.attrs.get("transform")
    if not isinstance(transforms, Mapping) or not transforms:
        return
    transform = transforms.get("global", next(iter(transforms.values())))
    if not hasattr(transform, "to_affine_matrix"):
        return
    hints.used.add("transform")
    axes = tuple(axis for axis in "xyz" if axis in axis_dims)
    matrix = np.asarray(transform.to_affine_matrix(axes, axes))
    diagonal = np.diag(matrix)[:-1]
    hints.uncalibrated |= set(axes)
    if not np.allclose(matrix[:-1, :-1], np.diag(diagonal)) or (diagonal <= 0).any():
        hints.notes.append(
            "the spatialdata transformation rotates or shears, so no pixel size was taken from it"
        )
        return
    if np.allclose(matrix, np.eye(len(matrix))):
        return
    for i, axis in enumerate(axes):
        hints.scale[axis] = float(diagonal[i])
        start = _first_center(da, axis_dims[axis])
        hints.translation[axis] = float(matrix[i, -1] + diagonal[i] * start)


def _first_center(da: xr.DataArray, dim: str) -> float:
    """Return where the first pixel lies, counted in pixels: 0.5, more after a crop.

    Coarser levels have coords in pixels of the finest, 1, 3, 5, …, and a transformation of their
    own.
    """
    values = bare_numbers(da, dim)
    if values is None:
        return 0.5
    step = values[1] - values[0] if len(values) > 1 else 1.0
    return float(values[0] / step) if step > 0 else 0.5
