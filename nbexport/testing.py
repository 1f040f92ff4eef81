"""Synthetic images with known truth, and the assertion that two images are the same.

What these make is what nbexport's own notebooks and tests export; nothing is downloaded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

_COLORS = ("#0080FF", "#00FF00", "#FF8000", "#FF00FF")
_NAMES = ("DAPI", "GFP", "mCherry", "Cy5")


def cells(
    *,
    t: int = 1,
    c: int = 2,
    z: int = 1,
    y: int = 256,
    x: int = 256,
    dtype: npt.DTypeLike = "uint16",
    pixel_size: float = 0.65,
    z_step: float = 2.0,
    time_step: float = 30.0,
    n_cells: int = 12,
    seed: int = 0,
    chunks: dict[str, int] | None = None,
) -> xr.DataArray:
    """Return fluorescent cells that drift over time, as a camera would see them.

    Parameters
    ----------
    t, c, z, y, x
        Lengths; t and z of 1 are left out of the dims, c is always there.
    dtype
        Any integer or float type; intensities lie between about 100 and 4000, scaled down to fit
        8 bits.
    pixel_size, z_step
        Micrometres.
    time_step
        Seconds.
    n_cells
        Number of cells.
    seed
        Decides everything that is random.
    chunks
        Chunk lengths by dim, for dask pixels; None: numpy.

    Returns
    -------
    DataArray
        Dims ``t c z y x``, coords with units, channel names, emission wavelengths and colours.

    Examples
    --------
    >>> cells(t=3, y=64, x=80).sizes
    Frozen({'t': 3, 'c': 2, 'y': 64, 'x': 80})
    """
    rng = np.random.default_rng(seed)
    place = rng.uniform(0.1, 0.9, (n_cells, 2)) * (y, x)
    drift = rng.normal(0, min(y, x) / 100, (n_cells, 2))
    depth = rng.uniform(0, max(z - 1, 1), n_cells)
    radius = rng.uniform(0.03, 0.07, n_cells) * min(y, x)
    brightness = rng.uniform(0.3, 1.0, (c, n_cells))
    rows, columns = np.arange(y)[:, None], np.arange(x)[None, :]
    pixels = np.empty((t, c, z, y, x), dtype=dtype)
    full = 255 if np.dtype(dtype).itemsize == 1 else 4000
    for i, j, k in np.ndindex(t, c, z):
        plane = np.full((y, x), 0.02)
        for n in range(n_cells):
            center = place[n] + i * drift[n]
            # Gaussians are separable: two exponentials a cell, not one a pixel.
            profile_y = np.exp(-(((rows - center[0]) / radius[n]) ** 2))
            profile_x = np.exp(-(((columns - center[1]) / radius[n]) ** 2))
            focus = np.exp(-(((k - depth[n]) / 3) ** 2)) if z > 1 else 1.0
            plane += brightness[j, n] * focus * profile_y * profile_x
        noisy = np.clip(plane + rng.normal(0, 0.01, (y, x)), 0, 1) * full
        pixels[i, j, k] = noisy if np.dtype(dtype).kind == "f" else np.rint(noisy)
    da = xr.DataArray(
        pixels,
        dims=("t", "c", "z", "y", "x"),
        coords={
            "t": ("t", np.arange(t) * time_step, {"units": "s"}),
            "c": [_NAMES[j] if j < len(_NAMES) else f"channel {j}" for j in range(c)],
            "z": ("z", np.arange(z) * z_step, {"units": "um"}),
            "y": ("y", np.arange(y) * pixel_size, {"units": "um"}),
            "x": ("x", np.arange(x) * pixel_size, {"units": "um"}),
            "emission": ("c", [461.0 + 60 * j for j in range(c)], {"units": "nm"}),
            "color": ("c", [_COLORS[j % len(_COLORS)] for j in range(c)]),
        },
        name="cells",
    )
    da = da.isel({name: 0 for name in "tz" if da.sizes[name] == 1}, drop=True)
    return da.chunk(chunks) if chunks is not None else da


def labels(
    *,
    y: int = 256,
    x: int = 256,
    n_cells: int = 12,
    dtype: npt.DTypeLike = "uint32",
    pixel_size: float = 0.65,
    seed: int = 0,
) -> xr.DataArray:
    """Return discs numbered from 1 on background 0, where :func:`cells` has its cells.

    Returns
    -------
    DataArray
        Dims ``y x``, coords in micrometres; nbexport takes it for labels by its name.

    Examples
    --------
    >>> int(labels(n_cells=3).max())
    3
    """
    rng = np.random.default_rng(seed)
    place = rng.uniform(0.1, 0.9, (n_cells, 2)) * (y, x)
    rng.normal(0, 1, (n_cells, 2))
    rng.uniform(0, 1, n_cells)
    radius = rng.uniform(0.03, 0.07, n_cells) * min(y, x)
    rows, columns = np.arange(y)[:, None], np.arange(x)[None, :]
    pixels = np.zeros((y, x), dtype=dtype)
    for n in range(n_cells):
        inside = (rows - place[n, 0]) ** 2 + (columns - place[n, 1]) ** 2 < radius[n] ** 2
        pixels[inside] = n + 1
    coords = {
        name: (name, np.arange(size) * pixel_size, {"units": "um"})
        for name, size in (("y", y), ("x", x))
    }
    return xr.DataArray(pixels, dims=("y", "x"), coords=coords, name="labels")


def assert_same_image(actual: xr.DataArray, expected: xr.DataArray, *, rtol: float = 1e-6) -> None:
    """Raise AssertionError unless both DataArrays are the same image.

    Pixels must be equal; dims may be in any order and words; scale, translation, unit, channel
    names and colours are compared as :func:`nbexport.describe` understands them. Axes of one
    pixel that only one of both has are left out.

    Parameters
    ----------
    actual, expected
        The images.
    rtol
        Relative difference allowed in scale and translation.

    Examples
    --------
    >>> assert_same_image(cells(y=32, x=32), cells(y=32, x=32).transpose("x", "y", "c"))
    """
    __tracebackhide__ = True
    from nbexport.dataarray import read

    ours, theirs = (_squeezed(read(da)) for da in (actual, expected))
    assert ours[0].keys() == theirs[0].keys(), f"axes {[*ours[0]]} are not {[*theirs[0]]}"
    for name, axis in ours[0].items():
        other = theirs[0][name]
        if name in "cs":
            continue
        same = axis.calibrated == other.calibrated and axis.unit == other.unit
        close = np.allclose(
            [axis.scale, axis.position(0), axis.position(axis.size - 1)],
            [other.scale, other.position(0), other.position(other.size - 1)],
            rtol=rtol,
        )
        if not (same and close):
            raise AssertionError(f"axis {axis} is not {other}")
    assert ours[1] == theirs[1], f"channels {ours[1]} are not {theirs[1]}"
    np.testing.assert_array_equal(ours[2], theirs[2])


def _squeezed(described: Any) -> tuple[dict[str, Any], list[tuple[str, str]], npt.NDArray[Any]]:
    """Return the axes longer than one pixel by name, the channels and the pixels."""
    image = described.image
    axes = {axis.name: axis for axis in image.axes if axis.size > 1}
    pixels = described.source.fetch(tuple((0, n) for n in image.shape))
    return axes, [(c.label, c.color) for c in image.channels], pixels.squeeze()
