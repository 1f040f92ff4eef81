"""Frames at another size."""

from __future__ import annotations

import numpy as np

from nbexport.pixels._composite import Frame


def resize(frame: Frame, size: tuple[int, int], *, exact: bool = False) -> Frame:
    """Return `frame` with another width and height.

    Parameters
    ----------
    frame
        (y, x, 3).
    size
        Width and height.
    exact
        Only ever pick pixels, as labels need: colours between two labels mean nothing.

    Notes
    -----
    Whole factors repeat pixels; all others are resampled by Pillow's Lanczos filter, which takes
    the mean over what becomes one pixel.

    Examples
    --------
    >>> resize(np.array([[[1, 2, 3], [4, 5, 6]]], "uint8"), (4, 1))[0, :, 0].tolist()
    [1, 1, 4, 4]
    """
    height, width = frame.shape[:2]
    if size == (width, height):
        return frame
    across, down = size[0] / width, size[1] / height
    if across.is_integer() and down.is_integer():
        return frame.repeat(int(down), axis=0).repeat(int(across), axis=1)
    from PIL import Image

    how = Image.Resampling.NEAREST if exact else Image.Resampling.LANCZOS
    return np.array(Image.fromarray(frame).resize(size, how))
