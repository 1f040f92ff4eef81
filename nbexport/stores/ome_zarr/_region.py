"""An OME-Zarr that is prepared first, and written region by region."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy.typing as npt
import zarr

from nbexport.errors import PlanError
from nbexport.metadata import ZARR_FORMATS, ngff_attributes
from nbexport.pixels import known_window
from nbexport.plan import PyramidPlan
from nbexport.stores._progress import ProgressOption, listener
from nbexport.stores._report import WriteReport
from nbexport.stores.engine import Cluster, Part, Source, Workers, stages
from nbexport.stores.ome_zarr._levels import PutBoxes, WrittenLevel, ZarrOptions, create_levels
from nbexport.stores.ome_zarr._stored import StoredPyramid
from nbexport.stores.targets import UnitSums, ZarrTarget

__all__ = ["prepare_zarr", "write_region"]


def prepare_zarr(
    plan: PyramidPlan, target: ZarrTarget, options: ZarrOptions, *, described: bool = True
) -> WriteReport:
    """Create the arrays and the metadata of `plan` at the checked `target`, without any pixel.

    Not `described`, it is a group of arrays that no program takes for an image.
    """
    begin = time.perf_counter()
    windows = [known_window(plan.image.dtype, channel.window) for channel in plan.image.channels]
    with target.opened() as place:
        root = zarr.create_group(place.store, zarr_format=ZARR_FORMATS[options.version])
        create_levels(root, plan, options)
        if described:
            root.update_attributes(ngff_attributes(plan, windows, options.version))
        nbytes = place.finish()
    return WriteReport(
        target=str(target),
        format=plan.format,
        plan=plan,
        nbytes=nbytes,
        seconds=time.perf_counter() - begin,
        notes=plan.image.notes,
        losses=plan.losses,
    )


def write_region(
    stored: StoredPyramid,
    source: Source,
    plan: PyramidPlan,
    origins: Sequence[tuple[int, ...]],
    *,
    cluster: Cluster | None,
    progress: ProgressOption,
    notes: tuple[str, ...],
    samples: list[tuple[int, npt.NDArray[Any]]] | None = None,
) -> WriteReport:
    """Write the pixels of `source` into `stored`, from `origins` on.

    What was written before an error stays: the region is to be written again. To `samples`, where
    there are such, (channel, pixels) of the coarsest level are added.
    """
    begin = time.perf_counter()
    if cluster is not None and not stored.place.is_shared:
        raise PlanError(
            f"target '{stored}' lies in this process alone, and the blocks run on a dask cluster; "
            "pass client=False or choose another target"
        )
    name = str(stored).rsplit("/", 1)[-1]
    part: Part[UnitSums | None] = Part(
        plan,
        source,
        PutBoxes(stored.arrays, origins),
        lambda level: WrittenLevel(stored.arrays[level], origins[level]),
        sampled=samples is not None,
    )
    with listener(progress, plan.n_blocks, name) as report:
        workers = Workers(
            plan.in_flight, plan.n_blocks, report, what=name, ahead=plan.in_flight, cluster=cluster
        )
        for stage in stages([part]):
            with closing(workers.run(stage)) as blocks:
                for _, done in blocks:
                    if samples is not None:
                        samples += done.samples
    return WriteReport(
        target=str(stored),
        format=plan.format,
        plan=plan,
        nbytes=None,
        seconds=time.perf_counter() - begin,
        notes=notes,
        losses=plan.losses,
    )
