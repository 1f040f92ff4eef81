"""OME-Zarr groups, written in one pass: each chunk or shard once, the root metadata last."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from nbexport.errors import PlanError
from nbexport.metadata import ZARR_FORMATS, ngff_attributes
from nbexport.pixels import display_windows, known_window
from nbexport.plan import PyramidPlan
from nbexport.stores._codec import check_codec
from nbexport.stores._execute import Part, Source, Workers, stages
from nbexport.stores._progress import ProgressOption, listener
from nbexport.stores._report import WriteReport
from nbexport.stores._target import ZarrTarget
from nbexport.stores._zarr_levels import PutBoxes, WrittenLevel, ZarrOptions, create_levels

__all__ = ["ZarrImage", "ZarrOptions", "check_codec", "put_file", "write_zarr"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarrImage:
    """One image of an OME-Zarr.

    Attributes
    ----------
    path
        Its group, relative to the root; empty for the root itself.
    plan, source
        What to write, and its pixels.
    coarser
        The pixels of levels 1, 2, … where they were given.
    extra
        Attributes beside those of the image, where they belong in `version`.
    """

    path: str = ""
    plan: PyramidPlan
    source: Source
    coarser: Sequence[Source] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_zarr(
    images: Sequence[ZarrImage],
    target: ZarrTarget,
    options: ZarrOptions,
    *,
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    files: Mapping[str, bytes] | None = None,
    cluster: Executor | None = None,
    progress: ProgressOption,
    notes: tuple[str, ...],
) -> WriteReport:
    """Write `images` to the checked `target`; the first is the one that is reported.

    Parameters
    ----------
    images
        All blocks of all of them go through the same workers.
    target
        Shows nothing before it is complete.
    options
        How arrays are stored.
    groups
        Attributes of groups that hold no image, by path.
    files
        What else lies in the store, by path.
    cluster
        Runs blocks instead of threads.
    progress, notes
        See :func:`nbexport.write_ome_zarr`.

    Notes
    -----
    Empty chunks are written too unless `skip_empty`: a missing chunk would read as zeros, and a
    lost one as well.
    """
    begin = time.perf_counter()
    n_jobs = sum(image.plan.n_blocks for image in images)
    if cluster is not None and not target.is_shared:
        raise PlanError(
            f"target '{target}' lies in this process alone, and the blocks run on a dask cluster; "
            "pass client=False or choose another target"
        )
    with target.opened() as place, listener(progress, n_jobs, target.name) as report:
        root = zarr.create_group(place.store, zarr_format=ZARR_FORMATS[options.version])
        for path, attributes in (groups or {}).items():
            if path:
                root.create_group(path, attributes=dict(attributes))
        for path, content in (files or {}).items():
            put_file(root, path, content)
        opened = [_Opened(root, image, options) for image in images]
        workers = Workers(
            min(image.plan.in_flight for image in images),
            n_jobs,
            report,
            what=target.name,
            cluster=cluster,
        )
        by_part = {id(one.part): one for one in opened}
        for stage in stages([one.part for one in opened]):
            with closing(workers.run(stage)) as blocks:
                for job, done in blocks:
                    by_part[id(job.part)].samples += done.samples
        for one in opened:
            one.finish()
        root.update_attributes(dict((groups or {}).get("", {})))
        nbytes = place.finish()
    plan = images[0].plan
    return WriteReport(
        target=str(target),
        format=plan.format,
        plan=plan,
        others=tuple(image.plan for image in images[1:]),
        nbytes=nbytes,
        seconds=time.perf_counter() - begin,
        notes=notes,
        losses=tuple(dict.fromkeys(loss for image in images for loss in image.plan.losses)),
    )


class _Opened:
    """The arrays of one image, and what was seen of its pixels."""

    def __init__(self, root: zarr.Group, image: ZarrImage, options: ZarrOptions) -> None:
        self._image = image
        self._version = options.version
        self._group = root.require_group(image.path) if image.path else root
        self._given = [channel.window for channel in image.plan.image.channels]
        arrays = create_levels(self._group, image.plan, options)
        self.samples: list[tuple[int, Array]] = []
        self.part: Part[None] = Part(
            image.plan,
            image.source,
            PutBoxes(arrays),
            lambda i: image.coarser[i - 1] if image.coarser else WrittenLevel(arrays[i]),
            sampled=None in self._given,
        )

    def finish(self) -> None:
        """Write the metadata, whose display windows are known now."""
        plan = self._image.plan
        sampled = display_windows(self.samples, len(self._given))
        windows = [
            found if given is None else known_window(plan.image.dtype, given)
            for found, given in zip(sampled, self._given, strict=True)
        ]
        attributes = ngff_attributes(plan, windows, self._version)
        for key, value in self._image.extra.items():
            inner = attributes.get("ome", attributes)
            inner[key] = value
        self._group.update_attributes(attributes)


def put_file(root: zarr.Group, path: str, content: bytes) -> None:
    """Write a file of its own below `root`, wherever that lies."""
    place = root.store_path / path
    buffer = default_buffer_prototype().buffer.from_bytes(content)
    sync(place.set(buffer))
