"""One image, or several, as an OME-TIFF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._warn import warn_losses
from nbexport.api._plan import plan_tiff
from nbexport.api._trust import check_trust
from nbexport.dataarray import ChannelWish, Numbers, Units
from nbexport.errors import PlanError
from nbexport.model import Kind
from nbexport.plan import Factors, Method
from nbexport.stores import ProgressOption, TargetPath, VerifyOption, WriteReport, check_target


@names_nearest
def write_ome_tiff(
    da: xr.DataArray | Sequence[xr.DataArray] | xr.Dataset,
    target: TargetPath,
    *,
    levels: int | None = None,
    factors: Factors = None,
    method: Method | None = None,
    tile: tuple[int, int] = (512, 512),
    compression: str = "zlib",
    compression_level: int | None = None,
    predictor: bool | None = None,
    bigtiff: bool | None = None,
    ome_xml: Any = None,
    overwrite: bool = False,
    verify: VerifyOption = False,
    retries: int = 0,
    progress: ProgressOption = None,
    workers: int | None = None,
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
    """Write `da` as a tiled OME-TIFF whose coarser levels are SubIFDs, in one pass.

    Parameters
    ----------
    da
        See :func:`describe`. Several DataArrays, or a Dataset whose data variables are images,
        become the images of one file, each with its own levels; options hold for all of them.
    target
        Path, or URL that fsspec knows, that ends in ``.ome.tif``, ``.ome.tiff``, ``.ome.btf`` or
        these without ``.ome``; its folder or bucket exists. For a URL the file is made in the
        temporary folder (``TMPDIR``) and uploaded when it is complete.
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
        Lossless: ``zlib`` (read by every program we tried), ``zstd``, ``lzw``, ``jpeg2000``
        (integers of 8 and 16 bits), ``jpegxl`` (unsigned ones) or ``none``. Lossy: ``jpeg`` (uint8,
        grey or RGB); ``jpeg2000`` and ``jpegxl`` where `compression_level` is given.
    compression_level
        1 to 12 for zlib and 1 to 22 for zstd, where more is smaller and slower; 1 to 100 for jpeg
        and jpegxl (quality) and jpeg2000 (signal to noise in dB), where more is better and larger.
        None: 1 for zlib and 3 for zstd, where more costs time and wins 1 %; 90 for jpeg; lossless
        for jpeg2000 and jpegxl.
    predictor
        Store differences of neighbours, which zlib, zstd and lzw make smaller; None: for integers.
    bigtiff
        64-bit offsets; None: only where the file could outgrow 4 GiB.
    ome_xml
        OME-XML, or an ``ome_types.OME``, written as it is: with its ids, in place of what coords
        and attrs say. It must fit the pixels. Its DimensionOrder decides in which order planes are
        stored; only what says where they lie in the file (TiffData, BinData) is written anew.
    overwrite
        Replace an existing TIFF, once the new one is complete.
    verify
        True: once all is written, each tile is decoded from the file by tifffile and compared by
        checksums taken before it was encoded (of a lossy compression, after that); ``"sample"``: up
        to 32 of each level. What differs is an error, and nothing is published.
    retries, progress, workers, memory_budget, storage_options
        See :func:`write_ome_zarr`.
    name, dims, scale, translation, units, channels, kind
        See :func:`describe`.

    Returns
    -------
    WriteReport
        What was done, and what the format could not keep; of several images, its plan is the
        first one's, `others` are the plans of the rest.

    Raises
    ------
    TargetError, TargetExistsError
        If the target can't be written; nothing is left there.
    VerifyError
        If `verify` finds other pixels than were written; nothing is left there.
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
    lazy ones as 32-bit integers, checked block by block. OME metadata in the attrs, as bioio gives
    it, is the base of what is written: instruments, settings, regions, annotations stay, cut to the
    planes and channels that remain as far as coords tell. Cost: as :func:`write_ome_zarr`; the
    encoded coarser levels wait on disk beside the target. Source: OME 2016-06, TIFF 6.0.

    Examples
    --------
    >>> import nbexport.testing
    >>> report = write_ome_tiff(nbexport.testing.cells(), folder / "cells.ome.tif")
    >>> report.plan.levels[0].chunks
    (1, 256, 256)
    """
    from nbexport.stores.ome_tiff import Compression, TiffImage, write_tiff

    check_trust(verify, retries)
    codec = Compression(name=compression, level=compression_level, predictor=predictor)
    if not (bigtiff is None or isinstance(bigtiff, bool)):
        raise PlanError(f"bigtiff={bigtiff!r} is neither True, False nor None; use one of these")
    place = check_target(target, "ome-tiff", overwrite=overwrite, storage_options=storage_options)
    images = _images(da)
    if name is not None and len(images) > 1:
        raise PlanError(
            f"name={name!r} is one name for {len(images)} images; leave it out, and name them by "
            "da.rename(…)"
        )
    planned = plan_tiff(
        images,
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
        ome_xml=ome_xml,
    )
    with ExitStack() as stack:
        for described, _ in planned:
            stack.enter_context(described.source.opened())
        report = write_tiff(
            [
                TiffImage(plan=plan, source=described.source, notes=described.image.notes)
                for described, plan in planned
            ],
            place,
            compression=codec,
            bigtiff=bigtiff,
            verify=verify,
            retries=retries,
            progress=progress,
        )
    warn_losses(report.losses)
    return report


def _images(da: xr.DataArray | Sequence[xr.DataArray] | xr.Dataset) -> list[xr.DataArray]:
    """Return the images to write, at least one."""
    if isinstance(da, xr.Dataset):
        images = list(da.data_vars.values())
    elif isinstance(da, list | tuple):
        images = list(da)
    else:
        return [da]  # type: ignore[list-item]
    if not images:
        raise PlanError("there are no images here; give at least one DataArray")
    return images
