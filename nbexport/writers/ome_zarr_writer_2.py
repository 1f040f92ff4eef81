"""Images to OME-Zarr in batches of time points, each with all its levels in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

import dask.array as dask_array
import numcodecs
import numpy as np

from nbexport._keywords import names_nearest
from nbexport.api._collection import ZarrWishes
from nbexport.api._stated import prepare_stated
from nbexport.dataarray import read
from nbexport.errors import ChannelError, MissingPackageError, PlanError
from nbexport.metadata import ZARR_FORMATS, ngff_attributes, ngff_group
from nbexport.pixels import display_windows, known_window
from nbexport.plan import Method, stated_levels
from nbexport.stores import TargetPath
from nbexport.writers._arrays import as_array
from nbexport.writers._zarr_batches import OpenBatches
from nbexport.writers._zarr_codec import compressor_for
from nbexport.writers._zarr_levels import (
    DIMS,
    DimTuple,
    checked_levels,
    chunk_size_from_memory_target,
    compute_level_chunk_sizes_zslice,
    compute_level_shapes,
    dim_tuple_to_dict,
    five,
    get_scale_ratio,
    without_pixels,
)
from nbexport.writers._zarr_omero import build_ome
from nbexport.writers._zarr_resize import resize

__all__ = [
    "DimTuple",
    "OmeZarrWriter",
    "ZarrLevel",
    "build_ome",
    "chunk_size_from_memory_target",
    "compute_level_chunk_sizes_zslice",
    "compute_level_shapes",
    "dim_tuple_to_dict",
    "get_scale_ratio",
    "resize",
]

_N_DEBUG: Final = 5
_LZ4: Final = numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)


@dataclass
class ZarrLevel:
    """One level of a store.

    Attributes
    ----------
    shape, chunk_size, dtype
        Of its array.
    zarray
        The array.
    """

    shape: DimTuple
    chunk_size: DimTuple
    dtype: np.dtype[Any]
    zarray: Any


class OmeZarrWriter:
    """Write an OME-Zarr in batches of time points.

    Attributes
    ----------
    output_path
        Where, as it was given.
    levels
        What :meth:`init_store` made.
    store, root
        Of zarr: the store, and the group in it.

    Notes
    -----
    Without :meth:`write_metadata` the store is a group of arrays that no program takes for an
    image. A batch that fails is to be written again; what other batches wrote stays.

    Examples
    --------
    >>> im = np.arange(6 * 64 * 64, dtype="uint16").reshape(6, 1, 1, 64, 64)
    >>> shapes = compute_level_shapes(im.shape, (1, 1, 1, 2, 2), 2)
    >>> writer = OmeZarrWriter()
    >>> target = folder / "movie.ome.zarr"
    >>> writer.init_store(target, shapes, compute_level_chunk_sizes_zslice(shapes), im.dtype)
    >>> writer.write_t_batches_array(im, tbatch=4)
    >>> meta = writer.generate_metadata(
    ...     image_name="movie",
    ...     channel_names=["DAPI"],
    ...     physical_dims={"x": 0.1, "y": 0.1, "t": 5.0},
    ...     physical_units={"x": "micrometer", "y": "micrometer", "t": "minute"},
    ...     channel_colors=[0x0000FF],
    ... )
    >>> writer.write_metadata(meta)
    """

    def __init__(self) -> None:
        self.output_path: str = ""
        self.levels: list[ZarrLevel] = []
        self.store: Any = None
        self.root: Any = None
        self._opened: OpenBatches | None = None

    @names_nearest
    def init_store(
        self,
        output_path: TargetPath,
        shapes: Sequence[DimTuple],
        chunk_sizes: Sequence[DimTuple],
        dtype: Any,
        compressor: Any = _LZ4,
        *,
        version: str = "0.4",
        method: Method = "nearest",
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the arrays of all levels, without a pixel.

        Parameters
        ----------
        output_path
            What ends in ``.ome.zarr`` or ``.zarr``: a local path whose folder exists, or a URL that
            fsspec can write to, such as ``s3://bucket/cells.ome.zarr``.
        shapes
            Of all levels, TCZYX, finest first; all have the same T and C.
        chunk_sizes
            Of all levels; those longer than a level are cut to it.
        dtype
            Pixel type.
        compressor
            A codec of numcodecs or zarr; a name such as ``"blosc-zstd"``; None for none.
        version
            OME-NGFF version: ``"0.4"`` (Zarr 2), ``"0.5"`` or ``"0.6"`` (Zarr 3).
        method
            How pixels are merged: ``nearest`` (the first of each block), or ``mean``, ``mode``,
            ``median``, ``max``, ``min``, for which each level is a whole fraction of the finer one.
        overwrite
            Replace an existing OME-Zarr.
        storage_options
            For a URL, what its file system takes; see :func:`nbexport.write_ome_zarr`.

        Raises
        ------
        PlanError
            If the shapes and chunks are not as many, or make no levels of one image.
        TargetExistsError
            If something is there and `overwrite` is False.
        TargetError, MissingPackageError
            If nothing can be written there.
        """
        level_shapes, chunks = checked_levels(shapes, chunk_sizes)
        if version not in ZARR_FORMATS:
            known = ", ".join(ZARR_FORMATS)
            raise PlanError(f"version={version!r} of OME-NGFF can't be written; use one of {known}")
        wishes = ZarrWishes(
            version=version,
            method=method,
            chunks=None,
            shards=None,
            compression=compressor_for(compressor, dtype, ZARR_FORMATS[version]),
            compression_level=None,
            skip_empty=False,
            overwrite=overwrite,
            progress=False,
            workers=None,
            client=None,
            memory_budget="1 GiB",
            storage_options=storage_options,
        )
        described = read(without_pixels(level_shapes[0], dtype), name="image", kind="intensity")
        plan, pyramids = prepare_stated(described, level_shapes, chunks, output_path, wishes)
        self._opened = OpenBatches(plan, level_shapes, chunks, pyramids, version)
        self.output_path = str(output_path)
        self.root = pyramids[0].root()
        self.store = self.root.store
        arrays = [array for pyramid in pyramids for array in pyramid.arrays]
        self.levels = [
            ZarrLevel(five(array.shape, "shape"), five(array.chunks, "chunk"), array.dtype, array)
            for array in arrays
        ]

    @names_nearest
    def write_t_batches(
        self, im: Any, channels: Sequence[int] = (), tbatch: int = 4, debug: bool = False
    ) -> None:
        """Write all time points of a ``bioio.BioImage``.

        Parameters
        ----------
        im
            What has ``dims.T`` and ``get_image_dask_data``.
        channels
            The channels to write, by number; none: all.
        tbatch
            Time points written at a time; more where a chunk holds more.
        debug
            Write 5 time points only.
        """
        if not hasattr(im, "dims") or not hasattr(im, "get_image_dask_data"):
            raise TypeError(
                f"a bioio.BioImage is needed, got {type(im).__name__}; "
                "an array is written with write_t_batches_array"
            )

        def batch(start: int, stop: int) -> Any:
            chosen = {"C": list(channels)} if len(channels) else {}
            return im.get_image_dask_data("TCZYX", T=slice(start, stop), **chosen)

        self._write(batch, int(im.dims.T), tbatch, debug=debug)

    @names_nearest
    def write_t_batches_array(
        self,
        im: Any,
        channels: Sequence[int] = (),
        tbatch: int = 4,
        toffset: int = 0,
        debug: bool = False,
    ) -> None:
        """Write all time points of an array.

        Parameters
        ----------
        im
            numpy or dask, TCZYX; it is not changed.
        channels, tbatch, debug
            See :meth:`write_t_batches`.
        toffset
            The time point of the store where the first one is written.

        Raises
        ------
        PlanError
            If the array does not fit the store.
        """
        pixels = as_array(im)
        if pixels.ndim != 5:
            raise PlanError(
                f"the array has shape {tuple(pixels.shape)} and must be 5D, TCZYX; "
                "add axes of one pixel, such as with array[None]"
            )

        def batch(start: int, stop: int) -> Any:
            part = pixels[start:stop]
            return part[:, list(channels)] if len(channels) else part

        _check_channels(channels, pixels.shape[1])
        self._write(batch, pixels.shape[0], tbatch, toffset=toffset, debug=debug)

    @names_nearest
    def write_t_batches_image_sequence(
        self,
        paths: Sequence[Any],
        channels: Sequence[int] = (),
        tbatch: int = 4,
        debug: bool = False,
    ) -> None:
        """Write files that hold one time point each.

        Parameters
        ----------
        paths
            Files that bioio reads, in the order of time.
        channels, tbatch, debug
            See :meth:`write_t_batches`.

        Raises
        ------
        MissingPackageError
            If bioio is not installed.
        """
        try:
            bioio = import_module("bioio")
        except ImportError as error:
            raise MissingPackageError(
                "image sequences are read by bioio, which is not installed; install it and the "
                "reader of your files with: pip install bioio bioio-ome-tiff"
            ) from error

        def batch(start: int, stop: int) -> Any:
            chosen = {"C": list(channels)} if len(channels) else {}
            images = [bioio.BioImage(path) for path in paths[start:stop]]
            parts = [im.get_image_dask_data("CZYX", **chosen) for im in images]
            return dask_array.stack(parts)  # type: ignore[no-untyped-call]

        self._write(batch, len(paths), tbatch, debug=debug)

    @names_nearest
    def generate_metadata(
        self,
        image_name: str,
        channel_names: Sequence[str],
        physical_dims: Mapping[str, float],
        physical_units: Mapping[str, str],
        channel_colors: Sequence[Any] | None,
    ) -> dict[str, Any]:
        """Return the metadata of the image, for :meth:`write_metadata`.

        Parameters
        ----------
        image_name
            Name of the image.
        channel_names
            One a channel.
        physical_dims
            Distance from pixel to pixel by axis, such as ``{"x": 0.1, "y": 0.1, "t": 5.0}``; 1
            where it is not given.
        physical_units
            Unit by axis, such as ``{"x": "micrometer", "t": "minute"}``.
        channel_colors
            One a channel: ``0xRRGGBB``, ``"RRGGBB"`` or a colour's name. None: colours that can be
            told apart.

        Returns
        -------
        dict
            ``multiscales`` and ``omero``.

        Notes
        -----
        Display windows are the percentiles 0.1 and 99.9 of the coarsest level as far as this writer
        wrote it; before that, the range of the pixel type.
        """
        opened = self._ready()
        n = opened.shapes[0][1]
        for word, given in (("channel_names", channel_names), ("channel_colors", channel_colors)):
            if given is not None and (isinstance(given, str) or len(given) != n):
                raise ChannelError(
                    f"{word}={given!r} does not fit {n} channels; give a list with one each"
                )
        wishes: list[dict[str, Any]] = [{"label": str(name)} for name in channel_names]
        for wish, color in zip(wishes, channel_colors or (), strict=False):
            wish["color"] = color
        named = [axis for axis in DIMS if axis != "c"]
        image = read(
            without_pixels(opened.shapes[0], opened.plan.image.dtype),
            name=str(image_name),
            kind="intensity",
            scale={axis: (physical_dims or {}).get(axis, 1.0) for axis in named},
            units={axis: unit for axis, unit in (physical_units or {}).items() if axis in named},
            channels=wishes,
        ).image
        assert opened.plan.method is not None
        levels = stated_levels(image, opened.shapes, opened.chunks, opened.plan.method)
        plan = replace(opened.plan, image=image, levels=levels)
        windows = (
            display_windows(opened.samples, n)
            if opened.samples
            else [known_window(image.dtype, None)] * n
        )
        attributes = ngff_attributes(plan, windows, opened.version)
        content: dict[str, Any] = attributes.get("ome", attributes)
        colors = [int(channel.color, 16) for channel in image.channels]
        ends = [(start, end) for _, _, start, end in windows]
        omero = build_ome(opened.shapes[0][2], image.name, channel_names, colors, ends)
        for channel, (low, high, _, _) in zip(omero["channels"], windows, strict=True):
            channel["window"] |= {"min": low, "max": high}
        if opened.version != "0.4":
            del omero["version"]  # the image's, from 0.5 on
        return {"multiscales": content["multiscales"], "omero": omero}

    @names_nearest
    def write_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Make the store an OME-Zarr image.

        Parameters
        ----------
        metadata
            What :meth:`generate_metadata` returned.
        """
        opened = self._ready()
        missing = [key for key in ("multiscales", "omero") if key not in metadata]
        if missing:
            raise PlanError(
                f"the metadata have no {missing[0]!r}; pass what generate_metadata returned"
            )
        content = {key: metadata[key] for key in ("multiscales", "omero")}
        opened.pyramids[0].describe(ngff_group(content, opened.version))
        self.root = opened.pyramids[0].root()
        self.store = self.root.store

    def _ready(self) -> OpenBatches:
        if self._opened is None:
            raise PlanError("there is no store yet; call init_store first")
        return self._opened

    def _write(
        self,
        batch: Callable[[int, int], Any],
        n_times: int,
        tbatch: int,
        *,
        toffset: int = 0,
        debug: bool,
    ) -> None:
        """Write what `batch` gives for (start, stop), `n_times` time points in all."""
        opened = self._ready()
        for word, value, least in (("tbatch", tbatch, 1), ("toffset", toffset, 0)):
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or value < least:
                raise PlanError(f"{word}={value!r} is no whole number of at least {least}")
        n_there = opened.shapes[0][0]
        if toffset + n_times > n_there:
            raise PlanError(
                f"{n_times} time points from {toffset} on don't fit a store of {n_there}; "
                "give init_store shapes with more"
            )
        if debug:
            n_times = min(_N_DEBUG, n_times)
        for start, stop in opened.batches(int(toffset), int(toffset) + n_times, int(tbatch)):
            opened.write(batch(start - toffset, stop - toffset), start)


def _check_channels(channels: Sequence[int], n_channels: int) -> None:
    for channel in channels:
        if not -n_channels <= channel < n_channels:
            raise PlanError(f"channels names {channel}; this array has {n_channels} channels")
