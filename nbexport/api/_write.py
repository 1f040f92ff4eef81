"""Describe, plan, write, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._warn import warn_losses
from nbexport.api._own import check_not_own
from nbexport.api._plan import Factors, Shards, plan_labels, plan_tiff, plan_zarr
from nbexport.dataarray import ChannelWish, Numbers, Units
from nbexport.errors import PlanError
from nbexport.metadata import ZARR_FORMATS, image_label, ngff_group
from nbexport.model import Kind
from nbexport.plan import Method
from nbexport.stores import (
    ProgressOption,
    TargetPath,
    WriteReport,
    check_target,
    find_cluster,
)


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
    shards: Shards = None,
    compression: Any = "blosc-zstd",
    compression_level: int | None = None,
    skip_empty: bool = False,
    labels: Mapping[str, xr.DataArray] | None = None,
    overwrite: bool = False,
    progress: ProgressOption = None,
    workers: int | None = None,
    client: Any = None,
    memory_budget: str | int = "1 GiB",
    storage_options: Mapping[str, Any] | None = None,
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
        What ends in ``.ome.zarr`` or ``.zarr``: a local path whose folder exists, or a URL that
        fsspec can write to, such as ``s3://bucket/cells.ome.zarr``.
    version
        OME-NGFF version: ``"0.5"`` (Zarr 3), ``"0.6"`` (Zarr 3, coordinate systems) or ``"0.4"``
        (Zarr 2).
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
    shards
        Shard lengths, one an axis or by axis name, multiples of the chunks; ``"auto"``: shards of
        up to 128 MiB where there would be more than 10,000 chunks; None: no shards. Not in 0.4.
    compression
        ``blosc-zstd``, ``blosc-lz4``, ``zstd``, ``gzip`` or ``none``; or codec objects: zarr's for
        Zarr 3, numcodecs' for Zarr 2.
    compression_level
        Level of a compression by name; None: 3 for zstd, 5 for lz4 and gzip.
    skip_empty
        Leave out chunks that are all zero. By default they are written: a missing chunk can't be
        told from a lost one.
    labels
        Label images by name, on the grid of `da`; written below ``labels/`` with as many levels.
    overwrite
        Replace an existing OME-Zarr, once the new one is complete. At a URL there is no renaming:
        the old one is removed right before the first pixel is written, and is gone should the
        export fail.
    progress
        True: a bar; False: none; a function: called with :class:`Progress` after every block;
        None: a bar in notebooks and terminals.
    workers
        Blocks worked on at the same time; None: one a core, or a thread of the cluster.
    client
        A ``dask.distributed.Client`` that runs the blocks instead of threads; None: the active
        one, if there is one; False: threads in any case. Its workers must see `target`.
    memory_budget
        Bytes in flight, such as ``"500 MB"``; at least one block always is.
    storage_options
        For a URL, what its file system takes: ``{"key": …, "secret": …, "endpoint_url": …}`` for
        S3 by s3fs (``pip install 'nbexport[s3]'``).
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
    from nbexport.stores.ome_zarr import ZarrImage, ZarrOptions, check_codec, write_zarr

    if version not in ZARR_FORMATS:
        raise PlanError(
            f"version={version!r} of OME-NGFF can't be written; use one of "
            f"{', '.join(ZARR_FORMATS)}"
        )
    check_codec(compression, compression_level, ZARR_FORMATS[version])
    path = check_target(target, "ome-zarr", overwrite=overwrite, storage_options=storage_options)
    cluster = find_cluster(client)
    described, plan = plan_zarr(
        da,
        version=version,
        levels=levels,
        factors=factors,
        method=method,
        chunks=chunks,
        shards=shards,
        workers=cluster.n_threads if cluster is not None and workers is None else workers,
        memory_budget=memory_budget,
        name=name,
        dims=dims,
        scale=scale,
        translation=translation,
        units=units,
        channels=channels,
        kind=kind,
    )
    sets = plan_labels(
        labels or {}, plan, version=version, factors=factors, memory_budget=memory_budget
    )
    sources = (described.source, *(one.source for one, _ in sets.values()))
    check_not_own(path, sources)
    images = [ZarrImage(plan=plan, source=described.source)]
    images += [
        ZarrImage(
            path=f"labels/{label}",
            plan=one_plan,
            source=one.source,
            extra=image_label(one.image, version),
        )
        for label, (one, one_plan) in sets.items()
    ]
    with ExitStack() as stack:
        for source in sources:
            stack.enter_context(source.opened())
        report = write_zarr(
            images,
            path,
            ZarrOptions(
                version=version,
                compression=compression,
                compression_level=compression_level,
                skip_empty=skip_empty,
            ),
            groups={"labels": ngff_group({"labels": list(sets)}, version)} if sets else {},
            cluster=cluster.executor if cluster is not None else None,
            progress=progress,
            notes=described.image.notes,
        )
    warn_losses(report.losses)
    return report


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
