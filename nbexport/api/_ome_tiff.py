"""One image as an OME-TIFF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._warn import warn_losses
from nbexport.api._plan import Factors, plan_tiff
from nbexport.dataarray import ChannelWish, Numbers, Units
from nbexport.model import Kind
from nbexport.plan import Method
from nbexport.stores import ProgressOption, TargetPath, WriteReport, check_target


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
    compression_level: int | None = None,
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
        ``zlib`` (read by every program we tried), ``zstd``, ``lzw`` or ``none``; integers are
        stored as differences of neighbours.
    compression_level
        1 to 12 for zlib, 1 to 22 for zstd; None: 1 and 3, where more costs time and wins 1 %.
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
    from nbexport.stores.ome_tiff import check_codec, write_tiff

    check_codec(compression, compression_level)
    path = check_target(target, "ome-tiff", overwrite=overwrite)
    described, plan = plan_tiff(
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
            compression_level=compression_level,
            bigtiff=bigtiff,
            progress=progress,
            notes=described.image.notes,
        )
    warn_losses(report.losses)
    return report
