"""Images of another size, lazily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as dask_array
import numpy as np
import numpy.typing as npt

from nbexport._keywords import names_nearest
from nbexport.errors import MissingPackageError, PlanError
from nbexport.pixels import pick


@names_nearest
def resize(
    image: Any,
    output_shape: Sequence[int],
    order: int | None = None,
    mode: str = "reflect",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = True,
    anti_aliasing: bool | None = None,
    anti_aliasing_sigma: Any = None,
) -> Any:
    """Return `image` with `output_shape`, lazily and with its own pixel type.

    Parameters
    ----------
    image
        A dask array; a numpy array is taken as one.
    output_shape
        Pixels wanted along each axis.
    order
        0: every pixel is one of the input's, see Notes; 1 to 5: a spline of this order, by
        scikit-image; None: 0 for bool, else 1.
    mode, cval, clip, anti_aliasing, anti_aliasing_sigma
        See :func:`skimage.transform.resize`; for orders above 0.
    preserve_range
        Has to be True: an image that keeps its pixel type keeps its range of values.

    Returns
    -------
    dask.array.Array
        In chunks of the input's size.

    Raises
    ------
    PlanError
        If the shape or an option is not possible.
    MissingPackageError
        If `order` is above 0 and scikit-image is not installed.

    Notes
    -----
    Order 0 takes every f-th pixel from the first along an axis whose length is divided by a whole
    f and rounded down, else pixel ``i * n // m``; nothing is smoothed, also not floats. Above 0
    integers are rounded half to even, and the axes that change are one chunk each, so that no seam
    is seen where chunks meet.

    Examples
    --------
    >>> resize(dask_array.arange(8, chunks=3), (4,), order=0).compute()
    array([0, 2, 4, 6])
    """
    lazy = dask_array.asarray(image)  # type: ignore[no-untyped-call]
    shape = tuple(output_shape)
    if len(shape) != lazy.ndim or not all(_is_length(n) for n in shape):
        raise PlanError(
            f"output_shape={shape} does not fit an image of shape {lazy.shape}; "
            f"give {lazy.ndim} whole numbers above 0"
        )
    if not preserve_range:
        raise PlanError(
            "preserve_range=False would turn pixels into fractions of their type's range, which "
            f"{lazy.dtype} can't hold; leave it out, or cast the image to float first"
        )
    spline = (0 if lazy.dtype == bool else 1) if order is None else order
    if spline not in range(6) or isinstance(spline, bool):
        raise PlanError(f"order={order!r} is no order of a spline; use 0 to 5")
    if spline == 0:
        resized = pick(lazy, shape)
    else:
        options = {
            "order": spline,
            "mode": mode,
            "cval": cval,
            "clip": clip,
            "preserve_range": True,
            "anti_aliasing": anti_aliasing,
            "anti_aliasing_sigma": anti_aliasing_sigma,
        }
        resized = _interpolated(lazy, shape, options)
    return resized.rechunk(tuple(map(min, lazy.chunksize, shape)))


def _is_length(n: object) -> bool:
    return isinstance(n, int | np.integer) and not isinstance(n, bool) and bool(n > 0)


def _interpolated(image: Any, shape: tuple[int, ...], options: dict[str, Any]) -> Any:
    try:
        from skimage.transform import resize as skimage_resize
    except ImportError as error:
        raise MissingPackageError(
            f"resize with order={options['order']} needs scikit-image; install it with: "
            "pip install scikit-image, or use order=0"
        ) from error
    whole = {i: -1 for i, (n, m) in enumerate(zip(image.shape, shape, strict=True)) if n != m}
    lazy = image.rechunk(whole)
    dtype = image.dtype

    def interpolate(block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        wanted = [shape[i] if i in whole else n for i, n in enumerate(block.shape)]
        values = skimage_resize(block, wanted, **options)  # type: ignore[no-untyped-call]
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            values = np.clip(np.rint(values), info.min, info.max)
        elif dtype.kind == "b":
            values = values >= 0.5
        return np.asarray(values).astype(dtype)

    chunks = tuple((shape[i],) if i in whole else lengths for i, lengths in enumerate(lazy.chunks))
    meta = np.zeros((0,) * image.ndim, dtype)
    return lazy.map_blocks(interpolate, dtype=dtype, chunks=chunks, meta=meta)
