"""OME-Zarr groups, written in one pass: each chunk or shard once, the root metadata last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zarr
from zarr.core import codec_pipeline
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from nbexport.errors import PlanError
from nbexport.metadata import ZARR_FORMATS, ngff_attributes
from nbexport.pixels import display_windows
from nbexport.plan import Box, PyramidPlan
from nbexport.stores._codec import check_codec, codec
from nbexport.stores._execute import Part, Source, Workers, stages
from nbexport.stores._progress import ProgressOption, listener
from nbexport.stores._report import WriteReport
from nbexport.stores._target import ZarrTarget

__all__ = ["ZarrImage", "ZarrOptions", "check_codec", "write_zarr"]

Array = npt.NDArray[Any]

# "/" also where it is Zarr's default: NGFF 0.4, "storage format", MUST be nested.
_KEYS: Final[dict[int, Any]] = {
    2: {"name": "v2", "separator": "/"},
    3: {"name": "default", "separator": "/"},
}

# zarr's settings belong to the whole process, and a setting that two threads put back crosswise
# stays.
_CONFIG: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarrOptions:
    """How the arrays of an OME-Zarr are stored.

    Attributes
    ----------
    version
        OME-NGFF version.
    compression, compression_level
        Checked by :func:`check_codec`.
    skip_empty
        Leave out chunks that are all zero.
    """

    version: str
    compression: Any
    compression_level: int | None
    skip_empty: bool


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
            _put_file(root, path, content)
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
        nbytes = place.nbytes()
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
        arrays = _create_levels(self._group, image.plan, options)
        self.samples: list[tuple[int, Array]] = []
        self.part: Part[None] = Part(
            image.plan,
            image.source,
            _Put(arrays),
            lambda level: image.coarser[level - 1] if image.coarser else _Level(arrays[level]),
            sampled=None in self._given,
        )

    def finish(self) -> None:
        """Write the metadata, whose display windows are known now."""
        windows = _with_given(display_windows(self.samples, len(self._given)), self._given)
        attributes = ngff_attributes(self._image.plan, windows, self._version)
        for key, value in self._image.extra.items():
            inner = attributes.get("ome", attributes)
            inner[key] = value
        self._group.update_attributes(attributes)


class _Put:
    """Writes boxes into the arrays of the levels; can be sent to another process."""

    def __init__(self, arrays: Sequence[zarr.Array[Any]]) -> None:
        self._arrays = tuple(arrays)

    def __call__(self, level: int, box: Box, pixels: Array) -> None:
        self._arrays[level][_slices(box)] = pixels


class _Level:
    """A written level as the source of the coarser ones."""

    def __init__(self, array: zarr.Array[Any]) -> None:
        self._array = array

    def hand_out(self, boxes: Sequence[Box], take: Callable[[int, Array], None]) -> None:
        for i, box in enumerate(boxes):
            take(i, np.asarray(self._array[_slices(box)]))

    def cut(self, box: Box) -> _Level:
        return self


def _create_levels(
    group: zarr.Group, plan: PyramidPlan, options: ZarrOptions
) -> tuple[zarr.Array[Any], ...]:
    zarr_format = ZARR_FORMATS[options.version]
    dims = plan.image.dims
    compressor = codec(
        options.compression, options.compression_level, plan.image.dtype, zarr_format
    )
    named: dict[str, Any] = {"dimension_names": dims}  # MUST equal the axis names (0.5.2)
    if zarr_format == 2:
        named = {"attributes": {"_ARRAY_DIMENSIONS": list(dims)}}  # xarray's way to say the same
    with _CONFIG, zarr.config.set(_pipeline(plan)):
        return tuple(
            group.create_array(
                str(i),
                shape=level.shape,
                dtype=np.dtype(plan.image.dtype),
                chunks=level.chunks,
                shards=level.shards,
                compressors=compressor,
                fill_value=0,
                chunk_key_encoding=_KEYS[zarr_format],
                config={"write_empty_chunks": not options.skip_empty},
                **named,
            )
            for i, level in enumerate(plan.levels)
        )


def _pipeline(plan: PyramidPlan) -> dict[str, str]:
    """Return the setting that encodes a shard in one go, where zarr has it (3.4 has, 3.1 not).

    Its other pipeline makes a coroutine and a thread hop for every chunk of a shard: 25 % more
    CPU time than without shards (16 chunks of 4 MiB each), against 6 %.
    """
    name = "FusedCodecPipeline"
    if plan.levels[0].shards is None or not hasattr(codec_pipeline, name):
        return {}
    return {"codec_pipeline.path": f"{codec_pipeline.__name__}.{name}"}


def _put_file(root: zarr.Group, path: str, content: bytes) -> None:
    """Write a file of its own below `root`, wherever that lies."""
    place = root.store_path / path
    buffer = default_buffer_prototype().buffer.from_bytes(content)
    sync(place.set(buffer))


def _with_given(
    windows: list[tuple[float, float, float, float]],
    given: Sequence[tuple[float, float] | None],
) -> list[tuple[float, float, float, float]]:
    """Return `windows` with the given (start, end) in place, and a range that holds them."""
    return [
        (low, high, start, end)
        if window is None
        else (min(low, window[0]), max(high, window[1]), *window)
        for (low, high, start, end), window in zip(windows, given, strict=True)
    ]


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(start, stop) for start, stop in box)
