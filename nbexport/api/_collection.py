"""What all doors to OME-Zarr share: options and images become one store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from typing import Any

import xarray as xr

from nbexport._warn import warn_losses
from nbexport.api._own import check_not_own
from nbexport.api._plan import Shards, plan_zarr
from nbexport.api._trust import check_trust
from nbexport.dataarray import Described, PixelSource
from nbexport.errors import PlanError
from nbexport.metadata import ZARR_FORMATS
from nbexport.plan import Factors, Method, PyramidPlan
from nbexport.stores import (
    ProgressOption,
    TargetPath,
    VerifyOption,
    WriteReport,
    ZarrTarget,
    check_target,
    find_cluster,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarrWishes:
    """The options that the functions for OME-Zarr have in common; see ``write_ome_zarr``."""

    version: str
    levels: int | None = None
    factors: Factors = None
    method: Method | None = None
    chunks: Sequence[int] | Mapping[str, int] | None
    shards: Shards
    compression: Any
    compression_level: int | None
    skip_empty: bool
    overwrite: bool
    progress: ProgressOption
    workers: int | None
    client: Any
    memory_budget: str | int
    storage_options: Mapping[str, Any] | None
    resume: bool = False
    verify: VerifyOption = False
    retries: int = 0

    @classmethod
    def among(cls, arguments: Mapping[str, Any]) -> ZarrWishes:
        """Return those of a function's own `arguments`; naming each would say them once more."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in arguments.items() if name in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One image of a collection.

    Attributes
    ----------
    path
        Its group, relative to the root.
    described, plan
        What it is and what will be written.
    notes
        What was changed or assumed.
    coarser
        The pixels of levels 1, 2, … where they were given.
    extra
        Attributes beside those of an image.
    """

    path: str
    described: Described
    plan: PyramidPlan
    notes: tuple[str, ...]
    coarser: tuple[PixelSource, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """The images of one OME-Zarr, and what holds them together.

    Attributes
    ----------
    members
        At least one; the first is the one that is reported.
    groups
        Attributes of groups that hold no image, by path.
    files
        What else lies in the store, by path.
    """

    members: tuple[Member, ...]
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def plan_member(
    path: str, name: str, da: xr.DataArray, wishes: ZarrWishes, *, title: str
) -> Member:
    """Return `da` as the image at `path`; `title` is what messages call it.

    Raises
    ------
    PlanError
        If the options make no sense for it; the sentence says for which.
    """
    try:
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
        )
    except PlanError as error:
        raise PlanError(f"image {title!r}: {error}") from error
    losses = tuple(f"image {title!r}: {text}" for text in plan.losses)
    notes = tuple(f"image {title!r}: {text}" for text in described.image.notes)
    return Member(path=path, described=described, plan=replace(plan, losses=losses), notes=notes)


def checked_place(
    target: TargetPath,
    *,
    version: str,
    compression: object,
    compression_level: int | None,
    overwrite: bool,
    storage_options: Mapping[str, Any] | None,
) -> ZarrTarget:
    """Return `target` as what `version` can be written to with this compression.

    Raises
    ------
    PlanError, TargetError, TargetExistsError, MissingPackageError
        See :func:`write_ome_zarr`; nothing was written.
    """
    from nbexport.stores.ome_zarr import check_codec

    if not isinstance(version, str) or version not in ZARR_FORMATS:
        raise PlanError(
            f"version={version!r} of OME-NGFF can't be written; use one of "
            f"{', '.join(ZARR_FORMATS)}"
        )
    check_codec(compression, compression_level, ZARR_FORMATS[version])
    place = check_target(target, "ome-zarr", overwrite=overwrite, storage_options=storage_options)
    if place.is_one_file and ZARR_FORMATS[version] == 2:
        raise PlanError(
            f"version={version!r} can't be one .ozx file, which holds Zarr 3 only; use '0.5', "
            "or a target that ends in .ome.zarr"
        )
    return place


def write_collection(
    plan: Callable[[ZarrWishes], Collection], target: TargetPath, wishes: ZarrWishes
) -> WriteReport:
    """Check the options, `plan` the images with them, write all on the same workers."""
    check_trust(wishes.verify, wishes.retries, resume=wishes.resume)
    place = checked_place(
        target,
        version=wishes.version,
        compression=wishes.compression,
        compression_level=wishes.compression_level,
        overwrite=wishes.overwrite,
        storage_options=wishes.storage_options,
    )
    return write_at(plan, place, wishes)


def write_at(
    plan: Callable[[ZarrWishes], Collection], place: ZarrTarget, wishes: ZarrWishes
) -> WriteReport:
    """Write the images of `plan` to `place`, which is checked, as are the options."""
    from nbexport.stores.ome_zarr import ZarrImage, ZarrOptions, write_zarr

    cluster = find_cluster(wishes.client)
    if cluster is not None and wishes.workers is None:
        wishes = replace(wishes, workers=cluster.n_threads)
    collection = plan(wishes)
    members = collection.members
    sources = [
        source for member in members for source in (member.described.source, *member.coarser)
    ]
    check_not_own(place, sources)
    with ExitStack() as stack:
        for source in sources:
            stack.enter_context(source.opened())
        report = write_zarr(
            [
                ZarrImage(
                    path=member.path,
                    plan=member.plan,
                    source=member.described.source,
                    coarser=member.coarser,
                    extra=member.extra,
                )
                for member in members
            ],
            place,
            ZarrOptions(
                version=wishes.version,
                compression=wishes.compression,
                compression_level=wishes.compression_level,
                skip_empty=wishes.skip_empty,
            ),
            groups=collection.groups,
            files=collection.files,
            cluster=cluster,
            resume=wishes.resume,
            verify=wishes.verify,
            retries=wishes.retries,
            progress=wishes.progress,
            notes=tuple(note for member in members for note in member.notes),
        )
    warn_losses(report.losses)
    return report
