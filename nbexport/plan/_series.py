"""Options become the frames of a movie or a picture."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from math import prod
from numbers import Integral
from typing import Final, get_args

import numpy as np

from nbexport._numbers import is_finite
from nbexport.errors import PlanError
from nbexport.model import ImageSpec, convert, is_time
from nbexport.plan._cost import SourceChunks
from nbexport.plan._frame import FramePlan, Projection

# Frames are made together until they hold this much: below it, starting a job costs more than it.
_SMALL: Final = 2**20
# What is read at once of an axis that is projected, where its chunks allow.
_PIECE: Final = 2**24
_FPS: Final = 10.0


def plan_series(
    image: ImageSpec,
    *,
    still: bool = False,
    along: str | None = None,
    sel: Mapping[str, int] | None = None,
    project: Mapping[str, Projection] | None = None,
    channels: Sequence[int] = (),
    zoom: float | None = None,
    size: tuple[int, int] | int | None = None,
    fps: float | None = None,
    speed: float | None = None,
    source_chunks: SourceChunks | None = None,
    memory_budget: int = 2**28,
    workers: int = 1,
) -> FramePlan:
    """Lay out the frames that show `image`.

    Parameters
    ----------
    image
        The full-resolution image.
    still
        One frame, and no movie.
    along
        The axis that runs from frame to frame: t, z or c; None: t where it is longer than 1, else
        z, else a single frame.
    sel
        The entry that is shown, by axis; negative numbers count from the end.
    project
        ``max``, ``mean`` or ``sum``, by axis.
    channels
        The channels that are shown.
    zoom
        Factor of width and height.
    size
        Width and height of a frame, or the width alone.
    fps, speed
        Frames a second, or how many times faster than it was; one of both, 10 frames a second
        where neither is given.
    source_chunks
        The chunks of a lazy source, which blocks of frames follow.
    memory_budget
        Bytes that planes and frames may take together.
    workers
        Blocks that may be made at the same time.

    Returns
    -------
    FramePlan
        Cost: O(frames); no pixel is read.

    Raises
    ------
    PlanError
        If the options make no sense for this image.

    Notes
    -----
    Axes about which nothing is said: z of intensities is projected by its maximum, of labels and
    RGB the middle is shown; of t, and of c beside RGB or labels, the first entry is shown.

    Examples
    --------
    >>> from nbexport.model import Axis, Channel
    >>> t = Axis(name="t", size=20, scale=30, unit="second")
    >>> yx = (Axis(name="y", size=100, scale=0.1), Axis(name="x", size=201, scale=0.1))
    >>> cell = ImageSpec(name="cell", axes=(t, *yx), dtype="uint8", channels=(Channel(label="a"),))
    >>> plan_series(cell, channels=(0,), speed=300)
    <FramePlan 'cell' 201 x 100, 20 frames, 10 a second, 2 s>
      along t, a
      2 blocks of up to 14 frames, 2 at a time, 1.2 MiB of frames in all
    """
    sel, project = dict(sel or {}), dict(project or {})
    along = _checked_along(image, still, along, {*sel, *project})
    notes: list[str] = []
    for word, given in (("sel", sel), ("project", project)):
        for name in given:
            _check_axis(image, word, name)
    picked = {name: _index(image, name, i) for name, i in sel.items()}
    for name, method in project.items():
        _check_projection(image, name, method, {*picked}, set(project.values()))
    shown_apart = image.kind == "intensity"
    for name, n in image.sizes.items():
        if name in "yxs" or name == along or name in picked or name in project:
            continue
        if name == "c" and shown_apart:
            continue
        if name == "z" and n > 1 and shown_apart and "t" not in project:
            project[name] = "max"
            notes.append(
                f"z is shown by its maximum over {n} planes; pass sel={{'z': {n // 2}}} for one"
            )
        else:
            picked[name] = n // 2 if name == "z" else 0
            if n > 1:
                notes.append(
                    f"of the {n} entries of {name}, {picked[name]} is shown; "
                    f"pass sel={{{name!r}: …}} for another"
                )
    n_frames = 1 if along is None else image.sizes[along]
    rate = None if still else _fps(image, along, fps, speed, notes)
    if still and (fps is not None or speed is not None):
        word, value = ("fps", fps) if fps is not None else ("speed", speed)
        raise PlanError(f"{word}={value!r} is for movies, this is a single picture; leave it out")
    if np.dtype(image.dtype).kind == "c":
        notes.append(f"{image.dtype} pixels are shown by their magnitude")
    if image.sizes.get("s", 3) == 4:
        notes.append("the fourth sample, transparency, is not shown")
    plan = FramePlan(
        image=image,
        along=along,
        indices=range(n_frames),
        sel=tuple(sorted(picked.items())),
        project=tuple(sorted(project.items())),
        channels=tuple(channels),
        size=_frame_size(image, zoom, size),
        fps=rate,
        notes=tuple(notes),
        losses=image.losses,
    )
    return _laid_out(plan, source_chunks, memory_budget, workers)


def _checked_along(image: ImageSpec, still: bool, along: str | None, taken: set[str]) -> str | None:
    if still:
        if along is not None:
            raise PlanError(
                f"along={along!r} is for movies, this is a single picture; "
                f"choose an entry with sel={{{along!r}: 0}}"
            )
        return None
    if along is None:
        free = [name for name in "tz" if image.sizes.get(name, 1) > 1 and name not in taken]
        return free[0] if free else None
    _check_axis(image, "along", along)
    if along in taken:
        raise PlanError(
            f"along={along!r} makes a frame of every entry of {along}, and sel or project would "
            "make one of all; leave one of both out, or cut the movie with da.isel"
        )
    return along


def _check_axis(image: ImageSpec, word: str, name: str) -> None:
    if name not in image.dims:
        raise PlanError(
            f"{word} names {name!r}, and this image has the axes {', '.join(image.dims)}"
        )
    if name in ("y", "x", "s"):
        raise PlanError(
            f"{word} names {name!r}, which every frame shows whole; cut with da.isel({name}=…), or "
            f"rename the dims so that another one is {name!r}"
        )
    if name == "c" and word != "along" and image.kind == "intensity":
        raise PlanError(f"{word} names 'c'; channels are chosen with visible=['…', …]")


def _index(image: ImageSpec, name: str, index: object) -> int:
    n = image.sizes[name]
    if not isinstance(index, int | np.integer) or isinstance(index, bool):
        raise PlanError(
            f"sel={{{name!r}: {index!r}}} is not a whole number; 0 to {n - 1} are the entries of "
            f"{name}, and da.sel finds them by position"
        )
    if not -n <= int(index) < n:
        raise PlanError(
            f"sel={{{name!r}: {index}}} is beyond the {n} entries of {name}, 0 to {n - 1}"
        )
    return int(index) % n


def _check_projection(
    image: ImageSpec, name: str, method: object, selected: set[str], methods: set[Projection]
) -> None:
    known = get_args(Projection)
    if not isinstance(method, str) or method not in known:
        raise PlanError(
            f"project={{{name!r}: {method!r}}} is not known; use one of {', '.join(known)}"
        )
    if name in selected:
        raise PlanError(f"sel and project both name {name!r}; show one entry of it, or all as one")
    if len(methods) > 1:
        raise PlanError(
            f"project mixes {' and '.join(sorted(methods))}, whose result would depend on their "
            "order; use one method for all axes, or project one with da.max or da.mean before"
        )
    if image.kind == "labels" and method != "max":
        raise PlanError(f"project={{{name!r}: {method!r}}} would invent labels; use 'max', or sel")


def _fps(
    image: ImageSpec, along: str | None, fps: float | None, speed: float | None, notes: list[str]
) -> float:
    for word, value in (("fps", fps), ("speed", speed)):
        if value is not None and not (is_finite(value) and value > 0):
            raise PlanError(f"{word}={value!r} is not a positive number")
    if fps is not None and speed is not None:
        raise PlanError(f"fps={fps:g} and speed={speed:g} say the same twice; leave one out")
    axis = image.axis("t") if along == "t" else None
    if axis is not None and axis.positions is not None:
        notes.append("time steps are uneven; every frame is shown equally long")
    if speed is None:
        return _FPS if fps is None else float(fps)
    if axis is None or not axis.calibrated or not is_time(axis.unit):
        raise PlanError(
            f"speed={speed:g} needs a time coordinate with a unit along the frames; pass fps, or "
            "scale={'t': 2.5}, units={'t': 's'}"
        )
    assert axis.unit is not None
    return float(speed) / convert(axis.scale, axis.unit, "second")


def _frame_size(
    image: ImageSpec, zoom: float | None, size: tuple[int, int] | int | None
) -> tuple[int, int]:
    width, height = image.sizes["x"], image.sizes["y"]
    if zoom is not None and size is not None:
        raise PlanError(f"zoom={zoom!r} and size={size!r} say the same twice; leave one out")
    if zoom is not None:
        if not (is_finite(zoom) and zoom > 0):
            raise PlanError(f"zoom={zoom!r} is not a positive number; 2 doubles width and height")
        width, height = (max(1, int(n * zoom + 0.5)) for n in (width, height))
    elif size is not None:
        whole = list(size) if isinstance(size, Sequence) else [size]
        if len(whole) not in (1, 2) or not all(
            isinstance(n, Integral) and not isinstance(n, bool) and n > 0 for n in whole
        ):
            raise PlanError(
                f"size={size!r} is not known; use (width, height) in pixels, or the width alone"
            )
        height = int(whole[1]) if len(whole) == 2 else max(1, int(height * whole[0] / width + 0.5))
        width = int(whole[0])
    if max(width, height) > 32768:
        raise PlanError(
            f"frames of {width} x {height} are larger than any format here holds (32768); "
            f"pass zoom={0.9 * 32768 / max(image.sizes['x'], image.sizes['y']):.2g} or less"
        )
    return width, height


def _laid_out(
    plan: FramePlan, chunks: SourceChunks | None, memory_budget: int, workers: int
) -> FramePlan:
    """Return `plan` with its blocks: frames that are made together, and what is read at once."""
    image = plan.image
    places = {name: i for i, name in enumerate(image.dims)}
    plane = image.sizes["y"] * image.sizes["x"]
    # Of a frame: the planes that are made, the rendering, and it once more at another size.
    # A mean is summed up in 8 bytes.
    of_value = 8 if plan.method == "mean" else np.dtype(plan.dtype).itemsize
    of_frame = plane * (plan.n_planes * of_value + 3)
    of_frame += (
        plan.size[0] * plan.size[1] * 3 * (plan.size != (image.sizes["x"], image.sizes["y"]))
    )
    most = max(1, memory_budget // 2 // of_frame)
    steps = (
        (1,) * plan.n_frames if plan.along is None or chunks is None else chunks[places[plan.along]]
    )
    spans: list[int] = []
    split = 0
    few = min(most, -(-_SMALL // of_frame))
    for n in filter(None, steps):  # dask has empty chunks, too
        if spans and spans[-1] + n <= few:
            spans[-1] += n
            continue
        pieces = -(-n // most)
        split += pieces - 1
        spans += [min(most, n - i * most) for i in range(pieces)]
    again = 0
    if chunks is not None:
        touched = {
            name: len(lengths)
            for name, lengths in zip(image.dims, chunks, strict=True)
            if name in "yxs" or name in dict(plan.project)
        }
        if plan.apart:
            stops = list(accumulate(chunks[places["c"]]))
            touched["c"] = len({bisect_right(stops, channel) for channel in plan.channels})
        again = split * prod(touched.values())
    itemsize = np.dtype(image.dtype).itemsize
    at_once = max(1, _PIECE // (max(spans) * plane * image.sizes.get("s", 1) * itemsize))
    pieces_of: list[tuple[tuple[int, int], ...]] = []
    for name, _ in plan.project:
        n = image.sizes[name]
        lengths = (1,) * n if chunks is None else chunks[places[name]]
        pieces_of.append(_pieces(lengths, at_once))
        at_once = max(1, at_once // max(b - a for a, b in pieces_of[-1]))
    in_flight = max(1, min(workers + 1, memory_budget // (of_frame * max(spans)) - 1, len(spans)))
    return replace(
        plan,
        spans=tuple(spans),
        pieces=tuple(pieces_of),
        in_flight=in_flight,
        n_recomputed=again,
    )


def _pieces(lengths: Sequence[int], at_once: int) -> tuple[tuple[int, int], ...]:
    """Return ranges of whole chunks, of about `at_once` entries each."""
    ranges: list[tuple[int, int]] = []
    for stop, n in zip(accumulate(lengths), lengths, strict=True):
        if ranges and stop - ranges[-1][0] <= at_once:
            ranges[-1] = (ranges[-1][0], stop)
        elif n:
            ranges.append((stop - n, stop))
    return tuple(ranges)
