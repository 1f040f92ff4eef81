"""One image, and the labels on it, as an OME-Zarr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.api._collection import Collection, Member, ZarrWishes, write_collection
from nbexport.api._plan import Factors, Shards, plan_zarr
from nbexport.dataarray import ChannelWish, Numbers, Units
from nbexport.errors import PlanError
from nbexport.metadata import image_label, ngff_group
from nbexport.model import Kind
from nbexport.plan import Method, PyramidPlan
from nbexport.stores import ProgressOption, TargetPath, WriteReport


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
        below = plan_labels(labels or {}, plan, wishes)
        groups = {"labels": ngff_group({"labels": list(labels or ())}, version)} if below else {}
        return Collection(members=(image, *below), groups=groups)

    return write_collection(planned, target, wishes)


def plan_labels(
    labels: Mapping[str, xr.DataArray], plan: PyramidPlan, wishes: ZarrWishes
) -> tuple[Member, ...]:
    """Return the label images, on the grid and with the levels of the image that `plan` writes.

    Raises
    ------
    PlanError
        If a name is no path, or the labels lie on another grid.
    """
    members = []
    for name, da in labels.items():
        if not name or "/" in name or name.startswith("."):
            raise PlanError(
                f"labels has the name {name!r}, which can't be a folder; use letters and digits"
            )
        described, one = plan_zarr(
            da,
            version=wishes.version,
            name=name,
            kind="labels",
            levels=len(plan.levels),
            factors=wishes.factors,
            workers=wishes.workers,
            memory_budget=wishes.memory_budget,
        )
        for axis, size in described.image.sizes.items():
            wanted = plan.image.sizes.get(axis, 1)
            if size not in (1, wanted) or (axis in "yx" and size != wanted):
                raise PlanError(
                    f"labels[{name!r}] has {axis}={size} and the image {axis}={wanted}; "
                    "labels lie on the pixels of their image"
                )
        members.append(
            Member(
                path=f"labels/{name}",
                described=described,
                plan=one,
                notes=(),
                extra=image_label(wishes.version),
            )
        )
    return tuple(members)
