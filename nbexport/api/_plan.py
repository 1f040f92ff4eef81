"""Options become a plan; nothing is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.api._given_ome import as_given, given_ome, read_bare
from nbexport.dataarray import ChannelWish, Described, Numbers, Units, channels_from_samples, read
from nbexport.errors import DtypeError, PlanError
from nbexport.metadata import OME_PIXEL_TYPES, ngff_losses, ome_losses
from nbexport.model import ImageSpec, Kind
from nbexport.plan import (
    Factors,
    Method,
    PyramidPlan,
    given_chunks,
    plan_pyramid,
    plane_chunks,
    shard_shape,
    tile_shape,
)

Shards = Sequence[int] | Mapping[str, int] | Literal["auto"] | None


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
        return plan_zarr(da, **options)[1]
    if format == "ome-tiff":
        return plan_tiff([da], **options)[0][1]
    raise PlanError(f"format={format!r} is not known; use 'ome-zarr' or 'ome-tiff'")


@names_nearest
def plan_zarr(
    da: xr.DataArray,
    *,
    version: str = "0.5",
    levels: int | None = None,
    factors: Factors = None,
    method: Method | None = None,
    chunks: Sequence[int] | Mapping[str, int] | None = None,
    shards: Shards = None,
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
    """Return the image as OME-Zarr holds it, and its plan; see :func:`write_ome_zarr`."""
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
    inner, outer = chunks_and_shards(image, version, chunks, shards)
    plan = plan_pyramid(
        image,
        format="ome-zarr",
        chunks=inner,
        shards=outer,
        levels=levels,
        factors=factors,
        method=method,
        source_chunks=described.source.chunks,
        memory_budget=parse_nbytes(memory_budget),
        workers=n_workers(workers),
        losses=image.losses + ngff_losses(image),
    )
    return described, plan


def chunks_and_shards(
    image: ImageSpec,
    version: str,
    chunks: Sequence[int] | Mapping[str, int] | None,
    shards: Shards,
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the chunks and shards that a user wants, checked."""
    inner = plane_chunks(image) if chunks is None else given_chunks(image, chunks)
    if shards is not None and version == "0.4":
        raise PlanError(
            f"shards={shards!r} are not possible in OME-Zarr 0.4, which is Zarr 2; "
            "leave them out, or use version='0.5'"
        )
    return inner, shard_shape(image, inner, shards)


@names_nearest
def plan_tiff(
    images: Sequence[xr.DataArray],
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
    ome_xml: Any = None,
) -> list[tuple[Described, PyramidPlan]]:
    """Return the images as OME-TIFF holds them, and their plans; see :func:`write_ome_tiff`."""
    about: dict[str, Any] = {
        "name": name,
        "scale": scale,
        "translation": translation,
        "units": units,
        "channels": channels,
    }
    if ome_xml is not None:
        given = given_ome(ome_xml, len(images), about)
        all_described = [
            as_given(given, i, with_ome_type(read_bare(da, given, i, dims, kind)))
            for i, da in enumerate(images)
        ]
    else:
        all_described = [with_ome_type(read(da, dims=dims, kind=kind, **about)) for da in images]
    out = []
    for described in all_described:
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
            memory_budget=parse_nbytes(memory_budget),
            workers=n_workers(workers),
            losses=image.losses + ome_losses(image),
        )
        out.append((described, plan))
    return out


def _planar(factors: Factors, dims: Sequence[str]) -> Factors:
    """Return `factors` for TIFF, whose levels all have the same planes."""
    if factors is None or (isinstance(factors, str) and factors == "isotropic"):
        return {"y": 2, "x": 2}
    for step in factors if isinstance(factors, Sequence) else [factors]:
        for name in "tz":
            if name in dims and isinstance(step, Mapping) and step.get(name, 1) != 1:
                raise PlanError(
                    f"factors[{name!r}]={step[name]!r} is not possible in OME-TIFF, whose "
                    "levels all have the same planes; leave it out, or write an OME-Zarr"
                )
    return factors


def with_ome_type(described: Described) -> Described:
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


_ABOUT: Final = ("name", "dims", "scale", "translation", "units", "channels", "kind")


def about_among(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a function's own `arguments` that :func:`describe` takes."""
    return {name: arguments[name] for name in _ABOUT}


def parse_nbytes(budget: str | int) -> int:
    """Return `memory_budget` in bytes."""
    from dask.utils import parse_bytes

    try:
        nbytes = int(parse_bytes(budget))
    except (ValueError, TypeError, AttributeError, OverflowError):
        nbytes = 0
    if nbytes < 1:
        raise PlanError(f"memory_budget={budget!r} is no size; give bytes or text such as '1 GiB'")
    return nbytes


def n_workers(workers: int | None) -> int:
    """Return how many blocks are worked on at the same time: `workers`, or one a core."""
    if workers is None:
        # Containers often may use fewer cores than the machine has.
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise PlanError(f"workers={workers!r} is not a whole number above 0; 1 works one by one")
    return workers
