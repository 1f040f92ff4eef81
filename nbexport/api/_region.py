"""An OME-Zarr that grows: prepared once, then written region by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy.typing as npt
import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._warn import warn_losses
from nbexport.api._collection import checked_place
from nbexport.api._plan import (
    Shards,
    about_among,
    chunks_and_shards,
    n_workers,
    parse_nbytes,
    plan_zarr,
)
from nbexport.dataarray import (
    ChannelWish,
    Described,
    Numbers,
    Units,
    channels_from_samples,
    read,
    with_axes,
    zarr_arrays,
)
from nbexport.errors import DtypeError, PlanError, TargetError
from nbexport.metadata import ngff_losses
from nbexport.model import ImageSpec, Kind
from nbexport.plan import Box, Factors, Method, PyramidPlan, plan_pyramid, plan_region
from nbexport.stores import ProgressOption, TargetPath, WriteReport, find_cluster

if TYPE_CHECKING:
    from nbexport.stores.ome_zarr import StoredPyramid

Region = Mapping[str, slice | int]

_PREPARE: Final = "make it with prepare_ome_zarr, or leave region out to write a new one"


@names_nearest
def prepare_ome_zarr(
    image: xr.DataArray | ImageSpec,
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
    storage_options: Mapping[str, Any] | None = None,
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> WriteReport:
    """Write an OME-Zarr without pixels, to be filled by ``write_ome_zarr(..., region=...)``.

    For images that arrive piece by piece: an acquisition in time, or a cluster whose jobs write a
    part each. The target can be opened at once; what was not written yet reads as zeros.

    Parameters
    ----------
    image
        The whole image: an ImageSpec, or a DataArray (lazy, such as of ``dask.array.zeros``),
        whose pixels are not looked at.
    target
        See :func:`write_ome_zarr`; not a single file (``.ozx``).
    version, levels, factors, method, chunks, shards
        See :func:`write_ome_zarr`. Regions are whole chunks (shards) of every level, so leave
        both at 1 along the axis that grows.
    compression, compression_level, skip_empty
        See :func:`write_ome_zarr`; `skip_empty` holds for what this call writes alone.
    overwrite, storage_options
        See :func:`write_ome_zarr`.
    name, dims, scale, translation, units, channels, kind
        See :func:`describe`; for a DataArray.

    Returns
    -------
    WriteReport
        Of the metadata; its plan shows the levels.

    Raises
    ------
    TargetError, TargetExistsError, PlanError
        See :func:`write_ome_zarr`.

    Warns
    -----
    LossWarning
        For each thing that OME-Zarr can't keep.

    Notes
    -----
    Display windows that are not given are the range of the pixel type: no pixel is known yet.
    Cost: O(levels).

    Examples
    --------
    >>> import nbexport.testing
    >>> from nbexport import write_ome_zarr
    >>> movie = nbexport.testing.cells(t=4, c=2, y=64, x=64)
    >>> report = prepare_ome_zarr(movie, folder / "live.ome.zarr")
    >>> for t in range(4):  # as the frames arrive
    ...     frame = movie.isel(t=t)
    ...     report = write_ome_zarr(frame, folder / "live.ome.zarr", region={"t": t})
    >>> report.plan.levels[0].shape
    (1, 2, 64, 64)
    """
    from nbexport.stores.ome_zarr import ZarrOptions, prepare_zarr

    place = checked_place(
        target,
        version=version,
        compression=compression,
        compression_level=compression_level,
        overwrite=overwrite,
        storage_options=storage_options,
    )
    if place.is_one_file:
        raise PlanError(
            f"target '{place}' is one file, written once; prepare one that ends in .ome.zarr"
        )
    shape: dict[str, Any] = {"levels": levels, "factors": factors, "method": method}
    about = about_among(locals())
    if isinstance(image, ImageSpec):
        given = [key for key, value in about.items() if value is not None]
        if given:
            raise PlanError(
                f"{given[0]}={about[given[0]]!r} describes a DataArray, and an ImageSpec says it "
                "itself; change the ImageSpec with dataclasses.replace"
            )
        plan = _plan_of(image, version, chunks, shards, shape)
    else:
        plan = plan_zarr(image, version=version, chunks=chunks, shards=shards, **shape, **about)[1]
    options = ZarrOptions(
        version=version,
        compression=compression,
        compression_level=compression_level,
        skip_empty=skip_empty,
    )
    report = prepare_zarr(plan, place, options)
    warn_losses(report.losses)
    return report


def write_into(
    da: xr.DataArray,
    target: TargetPath,
    region: Region,
    *,
    fixed: Mapping[str, Any],
    progress: ProgressOption,
    workers: int | None,
    client: Any,
    memory_budget: str | int,
    storage_options: Mapping[str, Any] | None,
    about: Mapping[str, Any],
) -> WriteReport:
    """Write `da` as `region` of the OME-Zarr at `target`.

    Parameters
    ----------
    da, target, region, progress, workers, client, memory_budget, storage_options
        See :func:`write_ome_zarr`.
    fixed
        The options that the target has settled already, by name: those that were given.
    about
        Arguments of :func:`describe`.
    """
    from nbexport.stores.ome_zarr import open_pyramid

    for option, value in fixed.items():
        raise PlanError(
            f"{option}={value!r} can't be changed by a region, the target has it settled; "
            "leave it out, or give it to prepare_ome_zarr"
        )
    stored = open_pyramid(target, storage_options, otherwise=_PREPARE)
    if stored.method is None:
        raise TargetError(f"'{stored}' does not say how its levels are made; {_PREPARE}")
    return write_part(
        da,
        stored,
        region,
        progress=progress,
        workers=workers,
        client=client,
        memory_budget=memory_budget,
        about=about,
    )


def write_part(
    da: xr.DataArray,
    stored: StoredPyramid,
    region: Region,
    *,
    progress: ProgressOption,
    workers: int | None,
    client: Any,
    memory_budget: str | int,
    about: Mapping[str, Any],
    samples: list[tuple[int, npt.NDArray[Any]]] | None = None,
) -> WriteReport:
    """Write `da` as `region` of `stored`, which is open.

    Parameters
    ----------
    da, region, progress, workers, client, memory_budget, about
        See :func:`write_into`.
    stored
        Its method is known.
    samples
        Takes (channel, pixels) of the coarsest level, where they are wanted.
    """
    from nbexport.stores.ome_zarr import write_region

    assert stored.method is not None
    box = _box(region, stored.image)
    described = _fitting(da, about, stored.image, box)
    if any(map(stored.holds, zarr_arrays(described.source.as_dataarray()))):
        raise PlanError(
            f"'{stored}' is what the pixels are read from, and a region can't be replaced "
            "while it is read; da.load() first"
        )
    cluster = find_cluster(client)
    if cluster is not None and workers is None:
        workers = cluster.n_threads
    plan, origins = plan_region(
        stored.image,
        stored.levels,
        box,
        method=stored.method,
        source_chunks=described.source.chunks,
        memory_budget=parse_nbytes(memory_budget),
        workers=n_workers(workers),
    )
    with described.source.opened():
        return write_region(
            stored,
            described.source,
            plan,
            origins,
            cluster=cluster,
            progress=progress,
            notes=described.image.notes,
            samples=samples,
        )


def _plan_of(
    image: ImageSpec,
    version: str,
    chunks: Sequence[int] | Mapping[str, int] | None,
    shards: Shards,
    shape: Mapping[str, Any],
) -> PyramidPlan:
    if image.kind == "rgb":
        raise PlanError(
            "OME-Zarr has no RGB samples; describe the image with an axis c of 3 channels"
        )
    inner, outer = chunks_and_shards(image, version, chunks, shards)
    losses = image.losses + ngff_losses(image)
    return plan_pyramid(
        image, format="ome-zarr", chunks=inner, shards=outer, losses=losses, **shape
    )


def _box(region: Region, image: ImageSpec) -> Box:
    """Return `region` as (start, stop) along every axis of `image`."""
    if not isinstance(region, Mapping) or not region:
        raise PlanError(f"region={region!r} names no axis; give for example {{'t': slice(10, 20)}}")
    sizes = image.sizes
    for name in region:
        if name not in sizes:
            raise PlanError(f"region names axis {name!r}; the target has {', '.join(sizes)}")
    return tuple(_bounds(name, region.get(name, slice(None)), size) for name, size in sizes.items())


def _bounds(name: str, wanted: object, size: int) -> tuple[int, int]:
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        wanted = slice(wanted, wanted + 1)
    if not isinstance(wanted, slice) or wanted.step not in (None, 1):
        raise PlanError(
            f"region has {wanted!r} along {name}; give an index, or a slice without a step"
        )
    start = 0 if wanted.start is None else wanted.start
    stop = size if wanted.stop is None else wanted.stop
    for bound in (start, stop):
        if not isinstance(bound, int) or isinstance(bound, bool):
            raise PlanError(f"region has {bound!r} along {name}; whole numbers are needed")
    if not 0 <= start < stop <= size:
        raise PlanError(
            f"region {name} {start}:{stop} does not lie within the target's {name} 0:{size}"
        )
    return start, stop


def _fitting(da: xr.DataArray, about: Mapping[str, Any], stored: ImageSpec, box: Box) -> Described:
    """Return `da` on the axes of `stored`, or say what does not fit."""
    described = read(da, **about)
    if described.image.kind == "rgb":
        described = channels_from_samples(described)
    described = with_axes(described, stored.dims)
    image = described.image
    for axis, (start, stop) in zip(image.axes, box, strict=True):
        if axis.size != stop - start:
            raise PlanError(
                f"the pixels have {axis.name}={axis.size} and the region "
                f"{axis.name} {start}:{stop} has {stop - start}; give as many as the region"
            )
        there = stored.axis(axis.name)
        assert there is not None
        if axis.type == "space" and axis.calibrated and there.calibrated and axis.size > 1:
            same_unit = axis.unit in (None, there.unit)
            if same_unit and abs(axis.scale - there.scale) > 1e-3 * there.scale:
                raise PlanError(
                    f"the pixels lie {axis.scale:.6g} {there.unit or ''} apart along {axis.name} "
                    f"and those of the target {there.scale:.6g}; they don't belong to one image"
                )
    if image.dtype != stored.dtype:
        raise DtypeError(
            f"the pixels are {image.dtype} and the target holds {stored.dtype}; "
            f"cast them with da.astype('{stored.dtype}')"
        )
    return described
