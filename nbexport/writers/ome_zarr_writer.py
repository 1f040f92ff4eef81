"""Images to OME-Zarr, one call an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.api._collection import ZarrWishes
from nbexport.api._stated import SeriesTarget
from nbexport.errors import ChannelError
from nbexport.plan import Method
from nbexport.stores import TargetPath
from nbexport.writers import _zarr_omero
from nbexport.writers._arrays import as_array
from nbexport.writers._sizes import pixel_sizes
from nbexport.writers._zarr_shapes import (
    checked_order,
    given_chunks,
    level_sizes,
    plane_chunks,
)

__all__ = ["OmeZarrWriter"]


class OmeZarrWriter:
    """Write images to one OME-Zarr.

    Parameters
    ----------
    uri
        What ends in ``.ome.zarr`` or ``.zarr``: a local path whose folder exists, or a URL that
        fsspec can write to, such as ``s3://bucket/cells.ome.zarr``. Nothing is written yet.
    version
        OME-NGFF version: ``"0.4"`` (Zarr 2), ``"0.5"`` or ``"0.6"`` (Zarr 3).
    overwrite
        Replace an existing OME-Zarr, once the first image is complete.
    storage_options
        For a URL, what its file system takes; see :func:`nbexport.write_ome_zarr`.

    Raises
    ------
    TargetExistsError
        If something is there and `overwrite` is False.
    TargetError, PlanError, MissingPackageError
        If nothing can be written there.

    Notes
    -----
    One image lies in the root of the store. With a second one both become the groups ``0`` and
    ``1`` in the bioformats2raw layout, and so on: after every call the store is a whole image or a
    whole series. In a folder that is a rename; at a URL the server copies the first image once.
    """

    @names_nearest
    def __init__(
        self,
        uri: TargetPath,
        *,
        version: str = "0.4",
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._series = SeriesTarget(
            uri,
            ZarrWishes(
                version=version,
                chunks=None,
                shards=None,
                compression="blosc-lz4",
                compression_level=None,
                skip_empty=False,
                overwrite=overwrite,
                progress=False,
                workers=None,
                client=None,
                memory_budget="1 GiB",
                storage_options=storage_options,
            ),
        )

    @staticmethod
    @names_nearest
    def build_ome(
        size_z: int,
        image_name: str,
        channel_names: Sequence[str],
        channel_colors: Sequence[Any],
        channel_minmax: Sequence[tuple[float, float]],
    ) -> dict[str, Any]:
        """Return the ``omero`` metadata of an OME-Zarr image.

        Parameters
        ----------
        size_z, image_name, channel_names, channel_colors, channel_minmax
            See :func:`nbexport.writers.ome_zarr_writer_2.build_ome`.
        """
        return _zarr_omero.build_ome(
            size_z, image_name, channel_names, channel_colors, channel_minmax
        )

    @names_nearest
    def write_image(
        self,
        image_data: Any,
        image_name: str | None = None,
        physical_pixel_sizes: Any = None,
        channel_names: Sequence[str] | None = None,
        channel_colors: Sequence[Any] | None = None,
        chunk_dims: Sequence[int] | None = None,
        scale_num_levels: int = 1,
        scale_factor: float = 2.0,
        dimension_order: str | None = None,
        *,
        method: Method = "nearest",
    ) -> None:
        """Write one image with all its levels.

        Parameters
        ----------
        image_data
            numpy or dask, of 2 to 5 dimensions.
        image_name
            None: ``Image:0`` for the first, ``Image:1`` for the second, ….
        physical_pixel_sizes
            Along Z, Y and X in micrometres; 1 where they are not known. A list of texts in this
            place is taken for `channel_names`.
        channel_names
            One a channel; None: ``Channel:0:0``, ``Channel:0:1``, … after the name of the image.
        channel_colors
            One a channel: ``0xRRGGBB``, (red, green, blue) or a colour's name. None: colours that
            can be told apart.
        chunk_dims
            Chunk of level 0; the coarser ones follow along Y and X. None: one T, one C, and as many
            whole planes as make 16 MiB.
        scale_num_levels
            Number of levels, the full resolution included.
        scale_factor
            By how much Y and X are divided from level to level; sizes are rounded down.
        dimension_order
            Letters of TCZYX, one a dimension; None: the last of them.
        method
            How pixels are merged: ``nearest`` (the first of each block), or ``mean``, ``mode``,
            ``median``, ``max``, ``min``, for which `scale_factor` must be whole.

        Raises
        ------
        InvalidDimensionOrderingError
            If `dimension_order` or the dimensions fit no image.
        UnexpectedShapeError
            If `chunk_dims` has another length.
        PlanError, ChannelError, SourceError, TargetError
            See :func:`nbexport.write_ome_zarr`; the images before this one stay.

        Notes
        -----
        Every level lies exactly where its pixels are, and is stored as T, C, Z, Y, X whatever their
        order in memory, which OME-NGFF asks for. T is counted in steps of one millisecond. Display
        windows are the percentiles 0.1 and 99.9 of the coarsest level.

        Examples
        --------
        >>> import numpy as np
        >>> writer = OmeZarrWriter(folder / "cells.ome.zarr")
        >>> writer.write_image(np.zeros((3, 2, 64, 64), "uint16"), "Image:0", ["C0", "C1", "C2"])
        >>> writer.write_image(np.zeros((3, 2, 32, 32), "uint16"), "Image:1", ["C0", "C1", "C2"])
        """
        if channel_names is None and _are_texts(physical_pixel_sizes):
            channel_names, physical_pixel_sizes = physical_pixel_sizes, None
        pixels = as_array(image_data)
        order = checked_order(dimension_order, tuple(pixels.shape))
        name = f"Image:{self._series.n_images}" if image_name is None else str(image_name)
        da = xr.DataArray(pixels, dims=tuple(order.lower()))
        sizes = {str(axis): size for axis, size in da.sizes.items()}
        levels = level_sizes(sizes, scale_num_levels, scale_factor)
        if chunk_dims is None:
            chunks = plane_chunks(levels, scale_factor, pixels.dtype.itemsize)
        else:
            chunks = given_chunks(chunk_dims, order, len(levels), scale_factor)
        known = pixel_sizes(physical_pixel_sizes)
        steps = {"t": 1.0, "z": known.Z or 1.0, "y": known.Y or 1.0, "x": known.X or 1.0}
        units = {"t": "millisecond"} | dict.fromkeys("zyx", "micrometer")
        self._series.add(
            da,
            levels,
            chunks,
            about={
                "name": name,
                "kind": "intensity",
                "scale": {axis: step for axis, step in steps.items() if axis in sizes},
                "units": {axis: unit for axis, unit in units.items() if axis in sizes},
                "channels": _channels(name, sizes.get("c", 1), channel_names, channel_colors),
            },
            method=method,
            likely=dict.fromkeys("yx", int(scale_factor)) if len(levels) > 1 else None,
        )


def _are_texts(given: object) -> bool:
    return (
        isinstance(given, list | tuple)
        and len(given) > 0
        and all(isinstance(entry, str) for entry in given)
    )


def _channels(
    image_name: str,
    n_channels: int,
    names: Sequence[str] | None,
    colors: Sequence[Any] | None,
) -> list[dict[str, Any]]:
    if names is None:
        number = image_name.replace("Image:", "")
        names = [f"Channel:{number}:{i}" for i in range(n_channels)]
    for word, given in (("channel_names", names), ("channel_colors", colors)):
        if given is not None and (isinstance(given, str) or len(given) != n_channels):
            raise ChannelError(
                f"{word}={given!r} does not fit {n_channels} channels; give a list with one each"
            )
    wishes: list[dict[str, Any]] = [{"label": str(name)} for name in names]
    for wish, color in zip(wishes, colors or (), strict=False):
        wish["color"] = color
    return wishes
