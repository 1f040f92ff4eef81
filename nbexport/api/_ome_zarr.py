"""One image, and the labels on it, as an OME-Zarr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, Final

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.api._collection import Collection, Member, ZarrWishes, write_collection
from nbexport.api._labels import plan_labels
from nbexport.api._plan import Shards, about_among, plan_zarr
from nbexport.api._region import Region, write_into
from nbexport.dataarray import ChannelWish, Numbers, Units
from nbexport.metadata import ngff_group
from nbexport.model import Kind
from nbexport.plan import Factors, Method
from nbexport.stores import ProgressOption, TargetPath, VerifyOption, WriteReport


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
    region: Region | None = None,
    overwrite: bool = False,
    resume: bool = False,
    verify: VerifyOption = False,
    retries: int = 0,
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
        Pixels merged from level to level, by axis (``{"y": 2, "x": 2}``), or a list of such,
        one a step; ``"isotropic"``: the finest axes first; None: 2 along y and x, and along z
        while it is sampled as finely.
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
        Label images by name, on the grid of `da`; written below ``labels/`` with as many levels,
        as :func:`write_labels` does.
    region
        Write into the OME-Zarr that :func:`prepare_ome_zarr` made at `target`: an index or a slice
        by axis, such as ``{"t": slice(10, 20)}``; an axis that is not named is written whole. It
        begins and ends on whole chunks (shards) of every level, or with the axis. The options
        above it are the target's to say then. What an error leaves unfinished stays; write the
        region again.
    overwrite
        Replace an existing OME-Zarr, once the new one is complete. At a URL there is no renaming:
        the old one is removed right before the first pixel is written, and is gone should the
        export fail.
    resume
        Continue the export to this target that failed, was stopped or killed: blocks it finished
        are not computed again, and all else is as for a whole export. Everything but `progress`
        and the credentials must be as it was then, the pixels too. Where there is nothing to
        continue, it is a new export. Should this one fail, what is finished stays, hidden beside
        the target (at a URL: in its place, and no image to any reader) for the next one.
    verify
        True: once all is written, each chunk (shard) is read back and its pixels are compared by
        checksums taken on their way out; ``"sample"``: up to 32 of each level. What differs is an
        error, and nothing is published.
    retries
        How often a block is tried again whose pixels could not be computed; half a second after
        the first failure, twice as long after each further one.
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
        If the target can't be written, or another export is writing it; nothing is left there.
    VerifyError
        If `verify` finds other pixels than were written; nothing is left there.
    PlanError
        If the options make no sense together, or `resume` finds another export than this one.
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
    if region is not None:
        return write_into(
            da,
            target,
            region,
            fixed=_settled(locals()),
            progress=progress,
            workers=workers,
            client=client,
            memory_budget=memory_budget,
            storage_options=storage_options,
            about=about_among(locals()),
        )
    wishes = ZarrWishes.among(locals())

    def planned(wishes: ZarrWishes) -> Collection:
        described, plan = plan_zarr(
            da,
            version=wishes.version,
            levels=wishes.levels,
            factors=wishes.factors,
            method=wishes.method,
            chunks=wishes.chunks,
            shards=wishes.shards,
            workers=wishes.workers,
            memory_budget=wishes.memory_budget,
            name=name,
            dims=dims,
            scale=scale,
            translation=translation,
            units=units,
            channels=channels,
            kind=kind,
        )
        image = Member(path="", described=described, plan=plan, notes=described.image.notes)
        below = plan_labels(labels or {}, plan.image, plan.levels, wishes)
        groups = {"labels": ngff_group({"labels": list(labels or ())}, version)} if below else {}
        return Collection(members=(image, *below), groups=groups)

    return write_collection(planned, target, wishes)


_OF_A_NEW_ONE: Final = (
    *("version", "levels", "factors", "method", "chunks", "shards", "compression"),
    *("compression_level", "skip_empty", "labels", "overwrite"),
    *("resume", "verify", "retries"),
)


def _settled(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that shape a new OME-Zarr, where `arguments` differ from the defaults."""
    parameters = signature(write_ome_zarr).parameters
    return {
        name: arguments[name]
        for name in _OF_A_NEW_ONE
        if arguments[name] is not parameters[name].default
        and arguments[name] != parameters[name].default
    }
