"""OME-Zarr groups, written in one pass: each chunk or shard once, the root metadata last."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from typing import Any

import numpy.typing as npt
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from nbexport.errors import PlanError
from nbexport.metadata import ZARR_FORMATS, ngff_attributes
from nbexport.pixels import display_windows, known_window
from nbexport.plan import PyramidPlan
from nbexport.stores._progress import Progress, ProgressOption, listener
from nbexport.stores._report import WriteReport
from nbexport.stores._verify import Check, Checksums, VerifyOption, check_all, verified_note
from nbexport.stores.engine import Cluster, Done, Job, Part, Source, Workers, stages
from nbexport.stores.ome_zarr._codec import check_codec
from nbexport.stores.ome_zarr._levels import (
    PutBoxes,
    ReadUnits,
    WrittenLevel,
    ZarrOptions,
    create_levels,
    reopened_levels,
)
from nbexport.stores.targets import Entry, Journal, JournalWish, UnitSums, ZarrTarget, about_export

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
    cluster: Cluster | None = None,
    resume: bool = False,
    verify: VerifyOption = False,
    retries: int = 0,
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
    resume, verify, retries, progress, notes
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
    wish = JournalWish(about=_about(images, options), resume=resume)
    with target.opened(wish) as place, listener(progress, n_jobs, target.name) as report:
        finished = place.journal.finished if place.journal is not None else {}
        root = _create(place.store, options, groups or {}, files or {}, again=bool(finished))
        opened = [
            _Opened(
                root,
                image,
                options,
                retries=retries,
                summed=verify is not False,
                again=bool(finished),
            )
            for image in images
        ]
        for (i, _, _), entry in finished.items():
            opened[i].add(entry)
        in_flight = min(image.plan.in_flight for image in images)
        workers = Workers(
            in_flight,
            n_jobs,
            report,
            what=target.name,
            ahead=in_flight,  # what waits is written: samples only
            cluster=cluster,
            finished=finished,
            note=_noting(place.journal),
        )
        by_part = {id(one.part): one for one in opened}
        for stage in stages([one.part for one in opened]):
            with closing(workers.run(stage)) as blocks:
                for job, done in blocks:
                    by_part[id(job.part)].add(_entry(done))
        for one in opened:
            one.finish()
        root.update_attributes(dict((groups or {}).get("", {})))
        nbytes = place.finish()
        notes += place.notes
        if finished:
            n = len(finished)
            notes += (f"{n} of {n_jobs} blocks were there from an earlier export that ended early",)
        if verify is not False:
            notes += (_verified(opened, options, place.reread, str(target), verify, report),)
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

    def __init__(
        self,
        root: zarr.Group,
        image: ZarrImage,
        options: ZarrOptions,
        *,
        retries: int,
        summed: bool,
        again: bool,
    ) -> None:
        self.image = image
        self._version = options.version
        self._group = root.require_group(image.path) if image.path else root
        self._given = [channel.window for channel in image.plan.image.channels]
        make = reopened_levels if again else create_levels
        arrays = make(self._group, image.plan, options)
        self._samples: list[tuple[int, Array]] = []
        self.sums = Checksums(image.plan) if summed else None
        units = [level.write_unit for level in image.plan.levels]
        self.part: Part[UnitSums | None] = Part(
            image.plan,
            image.source,
            PutBoxes(arrays, units=units if summed else None, again=again),
            lambda i: image.coarser[i - 1] if image.coarser else WrittenLevel(arrays[i]),
            sampled=None in self._given,
            retries=retries,
        )

    def add(self, entry: Entry) -> None:
        """Remember what a finished block says."""
        self._samples += entry.samples
        if self.sums is not None:
            self.sums.add(entry.sums)

    def finish(self) -> None:
        """Write the metadata, whose display windows are known now."""
        plan = self.image.plan
        sampled = display_windows(self._samples, len(self._given))
        windows = [
            found if given is None else known_window(plan.image.dtype, given)
            for found, given in zip(sampled, self._given, strict=True)
        ]
        attributes = ngff_attributes(plan, windows, self._version)
        for key, value in self.image.extra.items():
            inner = attributes.get("ome", attributes)
            inner[key] = value
        self._group.update_attributes(attributes)


def _about(images: Sequence[ZarrImage], options: ZarrOptions) -> dict[str, Any]:
    plans = {image.path: image.plan for image in images}
    return about_export(plans, {f.name: getattr(options, f.name) for f in fields(options)})


def _entry(done: Done[UnitSums | None]) -> Entry:
    sums = tuple(result for _, result in done.results if result is not None)
    return Entry(sums, done.samples)


def _noting(
    journal: Journal | None,
) -> Callable[[Job[UnitSums | None], Done[UnitSums | None]], None] | None:
    if journal is None:
        return None
    return lambda job, done: journal.note(job.place, _entry(done))


def _create(
    store: Any,
    options: ZarrOptions,
    groups: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, bytes],
    *,
    again: bool,
) -> zarr.Group:
    """Return the root, with all that is no image; `again` where it may be there already."""
    zarr_format = ZARR_FORMATS[options.version]
    if again:
        root = zarr.open_group(store, mode="a", zarr_format=zarr_format)
    else:
        root = zarr.create_group(store, zarr_format=zarr_format)
    for path, attributes in groups.items():
        if path and again:
            root.require_group(path).update_attributes(dict(attributes))
        elif path:
            root.create_group(path, attributes=dict(attributes))
    for path, content in files.items():
        put_file(root, path, content)
    return root


def _verified(
    opened: Sequence[_Opened],
    options: ZarrOptions,
    store: Any,
    target: str,
    option: VerifyOption,
    report: Callable[[Progress], object],
) -> str:
    """Read back what was written, and return what the report says of it."""
    checks = []
    for one in opened:
        assert one.sums is not None
        arrays = [
            zarr.open_array(store, path=f"{one.image.path}/{i}".strip("/"), mode="r")
            for i in range(len(one.image.plan.levels))
        ]
        checks.append(
            Check(
                plan=one.image.plan,
                units=one.sums.units(option),
                read=ReadUnits(arrays, skip_empty=options.skip_empty),
                of=f"image '{one.image.path}' of " if len(opened) > 1 else "",
            )
        )
    in_flight = min(one.image.plan.in_flight for one in opened)
    n_read = check_all(checks, target, in_flight, report)
    return verified_note(n_read, sum(one.sums.n_units for one in opened if one.sums is not None))


def put_file(root: zarr.Group, path: str, content: bytes) -> None:
    """Write a file of its own below `root`, wherever that lies."""
    place = root.store_path / path
    buffer = default_buffer_prototype().buffer.from_bytes(content)
    sync(place.set(buffer))
