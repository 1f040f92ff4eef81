"""Describe, plan, write, report: what all doors call."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.dataarray import ChannelWish, Described, Numbers, Units, channels_from_samples, read
from nbexport.errors import DtypeError, LossWarning, PlanError
from nbexport.metadata import NGFF_VERSIONS, OME_PIXEL_TYPES, ngff_losses, ome_losses
from nbexport.model import Kind
from nbexport.plan import Method, PyramidPlan, given_chunks, plan_pyramid, plane_chunks, tile_shape
from nbexport.stores import (
    ProgressOption,
    TargetPath,
    WriteReport,
    check_target,
)

Factors = Mapping[str, int] | Literal["isotropic"] | None


def plan_export(
    da: xr.DataArray, format: Literal["ome-zarr", "ome-tiff"], **options: Any
) -> PyramidPlan:
    """Return what an export would write; nothing is computed or written.

    Parameters
    ----------
    da
        See :func:`describe`.
    format
        ``"ome-zarr"`` or ``"ome-tiff"``.
    **options
        Those of :func:`write_ome_zarr` or :func:`write_ome_tiff` that shape the levels, and those
        of :func:`describe`.

    Returns
    -------
    PyramidPlan
        Levels, blocks, bytes and what would be lost. Cost: O(levels).

    Examples
    --------
    >>> import nbexport.testing
    >>> plan_export(nbexport.testing.cells(t=2, c=2, y=600, x=800), "ome-tiff", levels=2)
    <PyramidPlan ome-tiff 'cells' uint16, 2 levels by mean, 4.6 MiB>
      0: 2 x 2 x 600 x 800  0.65 x 0.65 micrometer  tile 1 x 1 x 512 x 512
      1: 2 x 2 x 300 x 400  1.3 x 1.3 micrometer  tile 1 x 1 x 512 x 512
      4 blocks of up to 937.5 KiB, 2 at a time, about 7.3 MiB of memory
    """
    if format == "ome-zarr":
        return _plan_zarr(da, **options)[1]
    if format == "ome-tiff":
        return _plan_tiff(da, **options)[1]
    raise PlanError(f"format={format!r} is not known; use 'ome-zarr' or 'ome-tiff'")


@names_nearest
def write_ome_zarr(
    da: xr.DataArray,
    target: TargetPath,
    *,
    version: str = "0.5",
    levels: int | None = None,
    factors: Factors = None,
    method: Method | None = None,
    chunks: Sequence[int] | Mapping[str, int] | None = None,
    compression: str = "blosc-zstd",
    overwrite: bool = False,
    progress: ProgressOption = None,
    workers: int | None = None,
    memory_budget: str | int = "1 GiB",
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> WriteReport:
    """Write `da` as an OME-Zarr image with all its levels, in one pass over the pixels.

    Parameters
    ----------
    da
        See :func:`describe`.
    target
        Local path that ends in ``.ome.zarr`` or ``.zarr``; its folder exists.
    version
        OME-NGFF version: ``"0.5"`` (Zarr 3).
    levels
        Number of levels, the full resolution included; None: until the plane fits one chunk.
    factors
        Pixels merged from level to level, by axis (``{"y": 2, "x": 2}``); ``"isotropic"``: the
        finest axes first; None: 2 along y and x, and along z while it is sampled as finely.
    method
        ``mean`` (integers rounded half up, NaN left out), ``nearest`` (the first pixel), ``mode``,
        ``median``, ``max`` or ``min``; None: ``mode`` for labels, else ``mean``.
    chunks
        Chunk lengths, one an axis or by axis name; None: about 1 to 4 MiB, square in y and x.
    compression
        ``blosc-zstd``, ``blosc-lz4``, ``zstd``, ``gzip`` or ``none``.
    overwrite
        Replace an existing OME-Zarr, once the new one is complete.
    progress
        True: a bar; False: none; a function: called with :class:`Progress` after every block;
        None: a bar in notebooks and terminals.
    workers
        Blocks worked on at the same time; None: one a core.
    memory_budget
        Bytes in flight, such as ``"500 MB"``; at least one block always is.
    name, dims, scale, translation, units, channels, kind
        See :func:`describe`.

    Returns
    -------
    WriteReport
        What was done, and what the format could not keep.

    Raises
    ------
    TargetError, TargetExistsError
        If the target can't be written; nothing is left there.
    PlanError
        If the options make no sense together.
    SourceError
        If computing the pixels failed; nothing is left at the target.

    Warns
    -----
    LossWarning
        For each thing that OME-Zarr could not keep.

    Notes
    -----
    RGB samples become channels R, G and B. Display windows that are not given are the percentiles
    0.1 and 99.9 of the coarsest level. Cost: every pixel is read once; memory is bounded by
    `memory_budget`, whatever the size of the image. Source: OME-NGFF 0.5.

    Examples
    --------
    >>> import nbexport.testing
    >>> report = write_ome_zarr(nbexport.testing.cells(), folder / "cells.ome.zarr")
    >>> [level.shape for level in report.plan.levels]
    [(2, 256, 256)]
    """
    if version not in NGFF_VERSIONS:
        raise PlanError(
            f"version={version!r} of OME-NGFF can't be written; use {' or '.join(NGFF_VERSIONS)}"
        )
    from nbexport.stores.ome_zarr import CODECS, write_zarr

    _check_compression(compression, CODECS)
    path = check_target(target, "ome-zarr", overwrite=overwrite)
    described, plan = _plan_zarr(
        da,
        levels=levels,
        factors=factors,
        method=method,
        chunks=chunks,
        workers=workers,
        memory_budget=memory_budget,
        name=name,
        dims=dims,
        scale=scale,
        translation=translation,
        units=units,
        channels=channels,
        kind=kind,
    )
    with described.source.opened():
        report = write_zarr(
            described.source,
            plan,
            path,
            compression=compression,
            progress=progress,
            notes=described.image.notes,
        )
    return _warned(report)


@names_nearest
def write_ome_tiff(
    da: xr.DataArray,
    target: TargetPath,
    *,
    levels: int | None = None,
    factors: Factors = None,
    method: Method | None = None,
    tile: tuple[int, int] = (512, 512),
    compression: str = "zlib",
    bigtiff: bool | None = None,
    overwrite: bool = False,
    progress: ProgressOption = None,
    workers: int | None = None,
    memory_budget: str | int = "1 GiB",
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> WriteReport:
    """Write `da` as a tiled OME-TIFF whose coarser levels are SubIFDs, in one pass.

    Parameters
    ----------
    da
        See :func:`describe`.
    target
        Local path that ends in ``.ome.tif``, ``.ome.tiff``, ``.ome.btf`` or these without
        ``.ome``; its folder exists.
    levels
        Number of levels, the full resolution included; None: until the plane fits one tile.
    factors
        Pixels merged from level to level along y and x: ``{"y": 2, "x": 2}``. TIFF keeps one
        number of planes for all levels, so t and z stay as they are.
    method
        ``mean`` (integers rounded half up, NaN left out), ``nearest`` (the first pixel), ``mode``,
        ``median``, ``max`` or ``min``; None: ``mode`` for labels, else ``mean``.
    tile
        Height and width of a tile, multiples of 16.
    compression
        ``zlib`` (read by every program we tried), ``zstd``, ``lzw`` or ``none``.
    bigtiff
        64-bit offsets; None: only where the file could outgrow 4 GiB.
    overwrite
        Replace an existing TIFF, once the new one is complete.
    progress, workers, memory_budget
        See :func:`write_ome_zarr`.
    name, dims, scale, translation, units, channels, kind
        See :func:`describe`.

    Returns
    -------
    WriteReport
        What was done, and what the format could not keep.

    Raises
    ------
    TargetError, TargetExistsError
        If the target can't be written; nothing is left there.
    PlanError
        If the options make no sense together.
    DtypeError
        If OME has no type for the pixels; found while writing where pixels are lazy.
    SourceError
        If computing the pixels failed; nothing is left at the target.

    Warns
    -----
    LossWarning
        For each thing that OME-TIFF could not keep.

    Notes
    -----
    OME has no 64-bit integers: pixels in memory are written in the smallest type that holds them,
    lazy ones as 32-bit integers, checked block by block. Cost: as :func:`write_ome_zarr`; the
    encoded coarser levels wait on disk beside the target. Source: OME 2016-06, TIFF 6.0.

    Examples
    --------
    >>> import nbexport.testing
    >>> report = write_ome_tiff(nbexport.testing.cells(), folder / "cells.ome.tif")
    >>> report.plan.levels[0].chunks
    (1, 256, 256)
    """
    from nbexport.stores.ome_tiff import CODECS, write_tiff

    _check_compression(compression, CODECS)
    path = check_target(target, "ome-tiff", overwrite=overwrite)
    described, plan = _plan_tiff(
        da,
        levels=levels,
        factors=factors,
        method=method,
        tile=tile,
        workers=workers,
        memory_budget=memory_budget,
        name=name,
        dims=dims,
        scale=scale,
        translation=translation,
        units=units,
        channels=channels,
        kind=kind,
    )
    with described.source.opened():
        report = write_tiff(
            described.source,
            plan,
            path,
            compression=compression,
            bigtiff=bigtiff,
            progress=progress,
            notes=described.image.notes,
        )
    return _warned(report)


@names_nearest
def _plan_zarr(
    da: xr.DataArray,
    *,
    levels: int | None = None,
    factors: Factors = None,
    method: Method | None = None,
    chunks: Sequence[int] | Mapping[str, int] | None = None,
    workers: int | None = None,
    memory_budget: str | int = "1 GiB",
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> tuple[Described, PyramidPlan]:
    described = read(
        da,
        name=name,
        dims=dims,
        scale=scale,
        translation=translation,
        units=units,
        channels=channels,
        kind=kind,
    )
    if described.image.kind == "rgb":
        described = channels_from_samples(described)
    image = described.image
    plan = plan_pyramid(
        image,
        format="ome-zarr",
        chunks=plane_chunks(image) if chunks is None else given_chunks(image, chunks),
        levels=levels,
        factors=factors,
        method=method,
        source_chunks=described.source.chunks,
        memory_budget=_nbytes(memory_budget),
        workers=_n_workers(workers),
        losses=image.losses + ngff_losses(image),
    )
    return described, plan


@names_nearest
def _plan_tiff(
    da: xr.DataArray,
    *,
    levels: int | None = None,
    factors: Factors = None,
    method: Method | None = None,
    tile: tuple[int, int] = (512, 512),
    workers: int | None = None,
    memory_budget: str | int = "1 GiB",
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> tuple[Described, PyramidPlan]:
    described = _with_ome_type(
        read(
            da,
            name=name,
            dims=dims,
            scale=scale,
            translation=translation,
            units=units,
            channels=channels,
            kind=kind,
        )
    )
    image = described.image
    height, width = tile_shape(image, tile)
    tiles = {"y": height, "x": width, "s": image.sizes.get("s", 1)}
    plan = plan_pyramid(
        image,
        format="ome-tiff",
        chunks=tuple(tiles.get(name, 1) for name in image.dims),
        row_of_tiles=True,
        levels=levels,
        factors=_planar(factors, image.dims),
        method=method,
        source_chunks=described.source.chunks,
        memory_budget=_nbytes(memory_budget),
        workers=_n_workers(workers),
        losses=image.losses + ome_losses(image),
    )
    return described, plan


def _planar(factors: Factors, dims: Sequence[str]) -> Factors:
    """Return `factors` for TIFF, whose levels all have the same planes."""
    if factors is None or factors == "isotropic":
        return {"y": 2, "x": 2}
    if isinstance(factors, Mapping):
        for name in "tz":
            if name in dims and factors.get(name, 1) != 1:
                raise PlanError(
                    f"factors[{name!r}]={factors[name]!r} is not possible in OME-TIFF, whose "
                    "levels all have the same planes; leave it out, or write an OME-Zarr"
                )
    return factors


def _with_ome_type(described: Described) -> Described:
    """Return `described` with a pixel type that OME has.

    Raises
    ------
    DtypeError
        If pixels in memory don't fit any.
    """
    image, source = described.image, described.source
    if image.dtype in OME_PIXEL_TYPES:
        return described
    if source.in_memory:
        low, high = source.extremes()
        words = ("uint8", "uint16", "uint32") if low >= 0 else ("int8", "int16", "int32")
        fitting = (w for w in words if np.iinfo(w).min <= low and high <= np.iinfo(w).max)
        dtype = next(fitting, None)
        if dtype is None:
            value = high if high > np.iinfo(words[-1]).max else low
            raise DtypeError(
                f"pixel value {value} does not fit {words[-1]}, the widest integer of OME-TIFF; "
                "write an OME-Zarr, or cast with da.astype('float64')"
            )
        note = f"pixels are written as {dtype}: OME-TIFF has no {image.dtype}, and all values fit"
    else:
        dtype = "uint32" if image.dtype == "uint64" or image.kind == "labels" else "int32"
        note = (
            f"pixels are written as {dtype}: OME-TIFF has no {image.dtype}; "
            "every value is checked to fit while writing"
        )
    return replace(described, image=replace(image, dtype=dtype, notes=(*image.notes, note)))


def _check_compression(name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise PlanError(f"compression={name!r} is not known; use one of {', '.join(known)}")


def _nbytes(budget: str | int) -> int:
    from dask.utils import parse_bytes

    try:
        nbytes = int(parse_bytes(budget))
    except (ValueError, TypeError, AttributeError):
        nbytes = 0
    if nbytes < 1:
        raise PlanError(f"memory_budget={budget!r} is no size; give bytes or text such as '1 GiB'")
    return nbytes


def _n_workers(workers: int | None) -> int:
    if workers is None:
        # Containers often may use fewer cores than the machine has.
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise PlanError(f"workers={workers!r} is not a whole number above 0; 1 works one by one")
    return workers


def _warned(report: WriteReport) -> WriteReport:
    for text in report.losses:
        # Level 4 is the caller of write_ome_…: this, the function, its keyword check, the caller.
        warnings.warn(text, LossWarning, stacklevel=4)
    return report
