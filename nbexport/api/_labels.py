"""Label images on an image: beside it in one export, or added to one that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._warn import warn_losses
from nbexport.api._collection import Member, ZarrWishes
from nbexport.api._plan import Shards, plan_zarr
from nbexport.api._trust import check_trust
from nbexport.dataarray import label_colors, read
from nbexport.errors import PlanError, TargetExistsError
from nbexport.metadata import ZARR_FORMATS, image_label
from nbexport.model import ImageSpec
from nbexport.plan import Level
from nbexport.stores import (
    ProgressOption,
    TargetPath,
    VerifyOption,
    WriteReport,
    find_cluster,
)


@names_nearest
def write_labels(
    labels: Mapping[str, xr.DataArray],
    target: TargetPath,
    *,
    chunks: Sequence[int] | Mapping[str, int] | None = None,
    shards: Shards = None,
    compression: Any = "blosc-zstd",
    compression_level: int | None = None,
    skip_empty: bool = False,
    overwrite: bool = False,
    verify: VerifyOption = False,
    retries: int = 0,
    progress: ProgressOption = None,
    workers: int | None = None,
    client: Any = None,
    memory_budget: str | int = "1 GiB",
    storage_options: Mapping[str, Any] | None = None,
) -> WriteReport:
    """Add label images to an OME-Zarr that is there, whoever wrote it.

    Parameters
    ----------
    labels
        Label images by name, on the pixels of the image at `target`. A mapping of label to colour
        in a DataArray's ``attrs["colors"]`` becomes the colours of the label image.
    target
        An OME-Zarr image: a path, or a URL that fsspec can write to.
    chunks, shards, compression, compression_level, skip_empty
        See :func:`write_ome_zarr`.
    overwrite
        Replace labels of the same name.
    verify, retries, progress, workers, client, memory_budget, storage_options
        See :func:`write_ome_zarr`.

    Returns
    -------
    WriteReport
        Of the first label image; `others` are the plans of the rest.

    Raises
    ------
    TargetError
        If there is no OME-Zarr image at `target`, or it can't be written.
    TargetExistsError
        If it has labels of this name and `overwrite` is False.
    PlanError
        If the labels lie on another grid, or the options make no sense together.
    SourceError
        If computing the pixels failed; the label image is not there then.

    Warns
    -----
    LossWarning
        For each thing that OME-Zarr could not keep.

    Notes
    -----
    Each label image has as many levels as its image, made by the most frequent label of each
    block; an axis of which the DataArray says nothing lies where the image's does. A label image
    is listed once it is complete. Source: OME-NGFF 0.5, "labels metadata".

    Examples
    --------
    >>> import nbexport.testing
    >>> from nbexport import write_ome_zarr
    >>> cell = nbexport.testing.cells(c=1, y=64, x=64).isel(c=0)
    >>> report = write_ome_zarr(cell, folder / "cell.ome.zarr")
    >>> nuclei = (cell > 300).astype("uint8")
    >>> write_labels({"nuclei": nuclei}, folder / "cell.ome.zarr").plan.method
    'mode'
    """
    from nbexport.stores.ome_zarr import (
        ZarrImage,
        ZarrOptions,
        check_codec,
        open_pyramid,
        write_zarr,
    )

    check_trust(verify, retries)
    if not isinstance(labels, Mapping) or not labels:
        raise PlanError(
            f"labels={labels!r} names no label image; give for example {{'nuclei': labels}}"
        )
    stored = open_pyramid(
        target, storage_options, otherwise="write it first, with write_ome_zarr(..., labels=...)"
    )
    check_codec(compression, compression_level, ZARR_FORMATS[stored.version])
    there = stored.label_names()
    for name in labels:
        if name in there and not overwrite:
            raise TargetExistsError(
                f"'{stored}' has labels {name!r} already; pass overwrite=True to replace them"
            )
    cluster = find_cluster(client)
    if cluster is not None and workers is None:
        workers = cluster.n_threads
    wishes = ZarrWishes.among({**locals(), "version": stored.version})
    members = plan_labels(labels, stored.image, stored.levels, wishes)
    options = ZarrOptions(
        version=stored.version,
        compression=compression,
        compression_level=compression_level,
        skip_empty=skip_empty,
    )
    reports = []
    for name, member in zip(labels, members, strict=True):
        with stored.labels_at(name) as place, member.described.source.opened():
            reports.append(
                write_zarr(
                    [
                        ZarrImage(
                            plan=member.plan, source=member.described.source, extra=member.extra
                        )
                    ],
                    place,
                    options,
                    cluster=cluster,
                    verify=verify,
                    retries=retries,
                    progress=progress,
                    notes=member.notes,
                )
            )
    report = _together(reports, members)
    warn_losses(report.losses)
    return report


def _names_a_folder(name: object) -> bool:
    """Return whether any disk holds a folder called `name` beside zarr's own files."""
    if not isinstance(name, str) or not name.isprintable():
        return False
    taken = name == "zarr.json" or name.startswith((".", "__"))
    return bool(name) and not taken and not set(name) & set("/\\") and len(name.encode()) < 200


def plan_labels(
    labels: Mapping[str, xr.DataArray],
    image: ImageSpec,
    levels: Sequence[Level],
    wishes: ZarrWishes,
) -> tuple[Member, ...]:
    """Return the label images, on the grid and with the levels of `image`.

    Raises
    ------
    PlanError
        If a name is no path, or the labels lie on another grid.
    """
    members = []
    for name, da in labels.items():
        if not _names_a_folder(name):
            raise PlanError(
                f"labels has the name {name!r}, which can't be a folder; use letters and digits"
            )
        if not isinstance(da, xr.DataArray):
            raise PlanError(
                f"labels[{name!r}] is a {type(da).__name__}, and an xarray.DataArray is needed; "
                "wrap it, for example xr.DataArray(array, dims=('y', 'x'))"
            )
        bare, colors = label_colors(da)
        about = read(bare, kind="labels").image
        described, plan = plan_zarr(
            bare,
            version=wishes.version,
            name=name,
            kind="labels",
            factors=[_step(level, image.dims, about.dims) for level in levels[1:]],
            chunks=_lengths(wishes.chunks, image.dims, about.dims),
            shards=_lengths(wishes.shards, image.dims, about.dims),
            workers=wishes.workers,
            memory_budget=wishes.memory_budget,
            **_place_of(about, image),
        )
        for axis, size in described.image.sizes.items():
            wanted = image.sizes.get(axis, 1)
            if size not in (1, wanted) or (axis in "yx" and size != wanted):
                raise PlanError(
                    f"labels[{name!r}] has {axis}={size} and the image {axis}={wanted}; "
                    "labels lie on the pixels of their image"
                )
        members.append(
            Member(
                path=f"labels/{name}",
                described=described,
                plan=plan,
                notes=(),
                extra=image_label(wishes.version, colors),
            )
        )
    return tuple(members)


def _lengths(lengths: Any, dims: Sequence[str], wanted: Sequence[str]) -> Any:
    """Return chunk or shard lengths of an image with `dims` for labels that have the axes `wanted`.

    Lengths that are one an axis may also be the labels' own.
    """
    if isinstance(lengths, str) or not hasattr(lengths, "__len__"):
        return lengths
    if not isinstance(lengths, Mapping):
        if len(lengths) != len(dims):
            return lengths
        lengths = dict(zip(dims, lengths, strict=True))
    return {name: length for name, length in lengths.items() if name in wanted or name not in dims}


def _step(level: Level, dims: Sequence[str], wanted: Sequence[str]) -> dict[str, int]:
    steps = zip(dims, level.factors, strict=True)
    return {name: step for name, step in steps if step > 1 and name in wanted}


def _place_of(labels: ImageSpec, image: ImageSpec) -> dict[str, Any]:
    """Return, as options of :func:`describe`, where the axes lie that `labels` don't know."""
    place: dict[str, Any] = {"scale": {}, "translation": {}, "units": {}}
    for axis in labels.axes:
        there = image.axis(axis.name)
        if axis.calibrated or there is None or not there.calibrated or there.size != axis.size:
            continue
        place["scale"][axis.name] = there.scale
        place["translation"][axis.name] = there.translation
        if there.unit is not None:
            place["units"][axis.name] = there.unit
    return place


def _together(reports: Sequence[WriteReport], members: Sequence[Member]) -> WriteReport:
    return replace(
        reports[0],
        others=tuple(member.plan for member in members[1:]),
        nbytes=sum(report.nbytes or 0 for report in reports),
        seconds=sum(report.seconds for report in reports),
        losses=tuple(dict.fromkeys(loss for report in reports for loss in report.losses)),
    )
