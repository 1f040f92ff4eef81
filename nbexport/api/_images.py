"""Several images in one OME-Zarr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.api._collection import (
    Collection,
    Member,
    ZarrWishes,
    plan_member,
    write_collection,
)
from nbexport.api._plan import Shards
from nbexport.errors import PlanError
from nbexport.metadata import OME_PIXEL_TYPES, ngff_group
from nbexport.plan import Factors, Method
from nbexport.stores import ProgressOption, TargetPath, VerifyOption, WriteReport


@names_nearest
def write_images(
    images: Mapping[str, xr.DataArray] | xr.Dataset,
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
    overwrite: bool = False,
    resume: bool = False,
    verify: VerifyOption = False,
    retries: int = 0,
    progress: ProgressOption = None,
    workers: int | None = None,
    client: Any = None,
    memory_budget: str | int = "1 GiB",
    storage_options: Mapping[str, Any] | None = None,
) -> WriteReport:
    """Write several images into one OME-Zarr, each with all its levels, in one pass.

    Parameters
    ----------
    images
        DataArrays by name, or a Dataset whose data variables are images; of any shapes and types.
    target
        See :func:`write_ome_zarr`.
    version, levels, factors, method, chunks, shards
        See :func:`write_ome_zarr`; they hold for every image.
    compression, compression_level, skip_empty
        See :func:`write_ome_zarr`.
    overwrite, resume, verify, retries
        See :func:`write_ome_zarr`.
    progress, workers, client, memory_budget, storage_options
        See :func:`write_ome_zarr`.

    Returns
    -------
    WriteReport
        What was done; its plan is the first image's, `others` are the plans of the rest.

    Raises
    ------
    PlanError
        If there are no images, or the options make no sense for one of them.
    TargetError, TargetExistsError, SourceError
        See :func:`write_ome_zarr`.

    Warns
    -----
    LossWarning
        For each thing that OME-Zarr could not keep.

    Notes
    -----
    The groups are ``0``, ``1``, … in the order of `images`; ``OME/`` lists them and holds their
    OME-XML, with the names. Blocks of all images go through the same workers. Source: OME-NGFF
    0.5, "bioformats2raw.layout (transitional)".

    Examples
    --------
    >>> from nbexport.testing import cells
    >>> images = {"before": cells(y=64, x=64), "after": cells(y=32, x=80, dtype="uint8")}
    >>> report = write_images(images, folder / "both.ome.zarr")
    >>> [plan.image.name for plan in (report.plan, *report.others)]
    ['before', 'after']
    """
    wishes = ZarrWishes.among(locals())

    def plan(wishes: ZarrWishes) -> Collection:
        members = [
            plan_member(str(i), name, da, wishes, title=name)
            for i, (name, da) in enumerate(_named(images))
        ]
        return as_series(members, wishes.version)

    return write_collection(plan, target, wishes)


def _named(images: Mapping[str, xr.DataArray] | xr.Dataset) -> list[tuple[str, xr.DataArray]]:
    if isinstance(images, xr.Dataset):
        images = {str(name): da for name, da in images.data_vars.items()}
    if not isinstance(images, Mapping):
        raise TypeError(
            f"DataArrays by name or an xarray.Dataset are needed, got {type(images).__name__}; "
            "one image is written with write_ome_zarr"
        )
    if not images:
        raise PlanError("there are no images here; give at least one DataArray by its name")
    return [(str(name), da) for name, da in images.items()]


def as_series(members: Sequence[Member], version: str) -> Collection:
    """Return `members` as the series of one file, in bioformats2raw's layout."""
    from nbexport.metadata.ome_xml import ome_xml_of_series

    files = {}
    specs = [member.described.image for member in members]
    unknown = [spec for spec in specs if spec.dtype not in OME_PIXEL_TYPES]
    if unknown:
        loss = (
            f"OME-XML has no pixel type {unknown[0].dtype}, which image {unknown[0].name!r} has, "
            "so OME/METADATA.ome.xml was left out"
        )
        first = members[0]
        plan = replace(first.plan, losses=(*first.plan.losses, loss))
        members = [replace(first, plan=plan), *members[1:]]
    else:
        # Not all readers know `series`, but all know the order of the images in the XML.
        files["OME/METADATA.ome.xml"] = ome_xml_of_series(specs).encode()
    return Collection(
        members=tuple(members),
        groups={
            "": ngff_group({"bioformats2raw.layout": 3}, version),
            "OME": ngff_group({"series": [member.path for member in members]}, version),
        },
        files=files,
    )
