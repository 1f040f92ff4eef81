"""OME-Zarr images whose level shapes and chunks are stated: one, a series, or batches in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import xarray as xr

from nbexport._warn import warn_losses
from nbexport.api._collection import Collection, Member, ZarrWishes, checked_place, write_at
from nbexport.api._images import as_series
from nbexport.api._plan import n_workers, parse_nbytes
from nbexport.dataarray import Described, PixelSource, read, zarr_arrays
from nbexport.errors import PlanError
from nbexport.metadata import ZARR_FORMATS, ngff_losses
from nbexport.pixels import pick
from nbexport.plan import Method, PyramidPlan, plan_levels, plan_stated, stated_levels, whole_runs
from nbexport.stores import TargetPath, WriteReport

if TYPE_CHECKING:
    from nbexport.stores.ome_zarr import StoredPyramid

ArrayT = TypeVar("ArrayT")
Shape = tuple[int, ...]
Lengths = Mapping[str, int]
"""Pixels by axis name."""


class SeriesTarget:
    """A place for images that are written one after the other.

    The first is alone in the root; the second makes both a series in bioformats2raw's layout.

    Parameters
    ----------
    target
        See :func:`write_ome_zarr`.
    wishes
        Options for all images.

    Raises
    ------
    PlanError, TargetError, TargetExistsError, MissingPackageError
        See :func:`write_ome_zarr`; nothing was written.
    """

    def __init__(self, target: TargetPath, wishes: ZarrWishes) -> None:
        self._wishes = wishes
        self._target = target
        self._place = self._checked(overwrite=wishes.overwrite)
        self._members: list[Member] = []

    @property
    def n_images(self) -> int:
        """Images that were written."""
        return len(self._members)

    def add(
        self,
        da: xr.DataArray,
        sizes: Sequence[Lengths],
        chunks: Sequence[Lengths],
        about: Mapping[str, Any],
        method: Method,
        likely: Lengths | None = None,
    ) -> WriteReport:
        """Write `da` with these levels; where that fails, the images before it stay.

        Parameters
        ----------
        da
            See :func:`describe`.
        sizes, chunks
            Of each level, level 0 included.
        about
            Arguments of :func:`describe`.
        method
            How pixels are merged.
        likely
            Factors of the first step by axis, where they are known.
        """
        number = self.n_images
        options = replace(self._wishes, method=method)
        described = read(da, **about)

        def member(wishes: ZarrWishes) -> Member:
            return stated_member(str(number), described, sizes, chunks, wishes, likely)

        if number == 0:
            self._place = self._checked(overwrite=self._wishes.overwrite)
            found, report = self._written(member, self._place, options)
            self._members.append(found)
            return report
        from nbexport.stores.ome_zarr import begin_series, list_series, reads_from, series_place

        if any(reads_from(self._place, array) for array in zarr_arrays(da)):
            raise PlanError(
                f"'{self._place}' is what the pixels are read from, and its images move when "
                "another joins them; da.load() first, or write to another target"
            )
        member(options)  # what is wrong with the options is said before anything moves
        version = self._wishes.version
        if number == 1:
            so_far = as_series(self._members, version)
            begin_series(self._place, ZARR_FORMATS[version], so_far.groups, so_far.files)
        found, report = self._written(member, series_place(self._place, str(number)), options)
        self._members.append(found)
        series = as_series(self._members, version)
        list_series(self._place, series.groups, series.files)
        return report

    def _checked(self, *, overwrite: bool) -> Any:
        return checked_place(
            self._target,
            version=self._wishes.version,
            compression=self._wishes.compression,
            compression_level=self._wishes.compression_level,
            overwrite=overwrite,
            storage_options=self._wishes.storage_options,
        )

    def _written(self, member: Any, place: Any, wishes: ZarrWishes) -> tuple[Member, WriteReport]:
        found: list[Member] = []

        def plan(wishes: ZarrWishes) -> Collection:
            found.append(member(wishes))
            return Collection(members=(replace(found[0], path=""),))

        report = write_at(plan, place, wishes)
        return found[0], report


def stated_member(
    path: str,
    described: Described,
    sizes: Sequence[Lengths],
    chunks: Sequence[Lengths],
    wishes: ZarrWishes,
    likely: Lengths | None = None,
) -> Member:
    """Return `described` as the image at `path` with levels of these sizes and chunks.

    Levels that are no whole fraction of the finer one are picked from it, by ``nearest``.
    """
    image = described.image
    shapes, chunk_shapes = (
        [tuple(level[name] for name in image.dims) for level in lengths]
        for lengths in (sizes, chunks)
    )
    common: dict[str, Any] = {
        "memory_budget": parse_nbytes(wishes.memory_budget),
        "workers": n_workers(wishes.workers),
        "losses": image.losses + ngff_losses(image),
    }
    method = wishes.method or "nearest"
    factors = None
    if likely is not None:
        factors = tuple(likely.get(name, 1) for name in image.dims)
    coarser: tuple[PixelSource, ...] = ()
    if len(whole_runs(shapes)) == 1:
        lengths = described.source.chunks
        plan = plan_stated(
            image,
            shapes,
            chunk_shapes,
            method=method,
            likely=factors,
            source_chunks=lengths,
            **common,
        )
    else:
        import dask.array

        check_picked(shapes, method)
        levels = stated_levels(image, shapes, chunk_shapes, method)
        pixels = described.source.as_dataarray()
        picked = [dask.array.asarray(pixels.data)]  # type: ignore[no-untyped-call]
        for level in levels[1:]:
            picked.append(pick(picked[-1], level.shape))
        coarser = tuple(PixelSource(xr.DataArray(data, dims=pixels.dims)) for data in picked[1:])
        sources = (described.source, *coarser)
        plan = plan_levels(
            image,
            [level.axes for level in levels[1:]],
            chunks=chunk_shapes[0],
            source_chunks=[source.chunks for source in sources],
            **common,
        )
        plan = replace(plan, method=method)
    return Member(path=path, described=described, plan=plan, notes=image.notes, coarser=coarser)


def prepare_stated(
    described: Described,
    shapes: Sequence[Shape],
    chunks: Sequence[Shape],
    target: TargetPath,
    wishes: ZarrWishes,
) -> tuple[PyramidPlan, tuple[StoredPyramid, ...]]:
    """Create the arrays of these levels at `target`, without pixels and without metadata.

    Returns
    -------
    plan : PyramidPlan
        Of all levels.
    pyramids : tuple of StoredPyramid
        The levels that follow from each other by whole factors, finest first. Each is filled by
        :func:`write_part`; all but the first with pixels picked from the one before it.
    """
    from nbexport.stores.ome_zarr import ZarrOptions, open_levels, prepare_zarr

    place = checked_place(
        target,
        version=wishes.version,
        compression=wishes.compression,
        compression_level=wishes.compression_level,
        overwrite=wishes.overwrite,
        storage_options=wishes.storage_options,
    )
    if place.is_one_file:
        raise PlanError(
            f"target '{place}' is one file, written once; prepare one that ends in .ome.zarr"
        )
    method = wishes.method or "nearest"
    runs = whole_runs(shapes)
    if len(runs) > 1:
        check_picked(shapes, method)
    first = runs[0][1]
    plan = plan_stated(described.image, shapes[:first], chunks[:first], method=method)
    plan = replace(plan, levels=stated_levels(described.image, shapes, chunks, method))
    options = ZarrOptions(
        version=wishes.version,
        compression=wishes.compression,
        compression_level=wishes.compression_level,
        skip_empty=wishes.skip_empty,
    )
    warn_losses(prepare_zarr(plan, place, options, described=False).losses)
    return plan, open_levels(target, wishes.storage_options, plan, runs, wishes.version)


def check_picked(shapes: Sequence[Shape], method: str) -> None:
    """Raise PlanError where `method` can't make a level of `shapes`."""
    for i, (finer, shape) in enumerate(pairwise(shapes), 1):
        if any(m > n for n, m in zip(finer, shape, strict=True)):
            raise PlanError(
                f"level {i} has shape {shape}, which is larger than {finer} of level {i - 1}; "
                "levels go from fine to coarse"
            )
    if method != "nearest":
        raise PlanError(
            f"method={method!r} merges whole pixels, and a level of {shapes} is no whole fraction "
            "of the finer one; divide each axis by a whole number, or use method='nearest'"
        )
