"""From a DataArray to frames: what movies, pictures and figures are made of."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt
import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.api._looks import (
    LookWish,
    PerChannel,
    VisibleWish,
    WindowWish,
    choose_channels,
    find_looks,
    wish_looks,
)
from nbexport.api._overlays import Corners, wish_overlays
from nbexport.api._plan import n_workers, parse_nbytes
from nbexport.dataarray import ChannelWish, Numbers, PixelSource, Units, read
from nbexport.errors import PlanError
from nbexport.model import Kind
from nbexport.pixels import Frame, Look, Painter, fit_overlays, render_planes, resize
from nbexport.plan import FramePlan, Projection, plan_series
from nbexport.stores.engine import fetch_sample, fetch_series

Planes = npt.NDArray[Any]
_Sample = Callable[[], Planes]
_MakeFrame = Callable[[Planes, int], Frame]
_MakePanels = Callable[[Planes, int], tuple[Frame, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Frames that can be made, once or again: what they show, from which pixels, and how.

    Attributes
    ----------
    plan
        What they show.
    source
        Their pixels; ``with rendering.source.opened():`` keeps a file open while they are made.
    wishes
        How each channel is shown, as far as that is known before a pixel is read.
    """

    plan: FramePlan
    source: PixelSource
    wishes: tuple[LookWish, ...]

    def looks(self) -> tuple[Look, ...]:
        """Return how each channel is shown.

        Cost: computes a sample of up to 8 frames where a window is to be found.
        """
        return find_looks(self.plan, self.wishes, lambda: fetch_sample(self.plan, self.source))

    def frames(self) -> Generator[Frame]:
        """Yield (height, width, 3) frames in order; closing the generator stops all work."""
        plan = self.plan
        painter = Painter(plan.overlays, plan.size)
        exact = plan.image.kind == "labels"

        def prepare(sample: _Sample) -> _MakeFrame:
            looks = find_looks(plan, self.wishes, sample)

            def make(planes: Planes, i: int) -> Frame:
                one_of = plan.along == "c" and plan.image.kind == "intensity"
                shown = (looks[i],) if one_of else looks
                frame = render_planes(planes[: len(shown)], shown)
                return painter.draw(resize(frame, plan.size, exact=exact), i)

            return make

        return fetch_series(plan, self.source, prepare)

    def panels(self) -> Generator[tuple[Frame, ...]]:
        """Yield, for every frame, its channels in grey and last their merge; nothing drawn onto it.

        Raises
        ------
        PlanError
            If the image has no channels that could be shown apart.
        """
        plan = self.plan
        if not plan.apart:
            raise PlanError(
                f"image {plan.image.name!r} ({plan.image.kind}, axes {' '.join(plan.image.dims)}) "
                "has no channels to show side by side; leave montage='c' out"
            )

        def prepare(sample: _Sample) -> _MakePanels:
            looks = find_looks(plan, self.wishes, sample)
            grey = [replace(look, color="FFFFFF", cmap=None) for look in looks]

            def make(planes: Planes, i: int) -> tuple[Frame, ...]:
                each = [render_planes(planes[k : k + 1], [look]) for k, look in enumerate(grey)]
                merged = render_planes(planes, looks)
                return tuple(resize(frame, plan.size) for frame in (*each, merged))

            return make

        return fetch_series(plan, self.source, prepare)

    def planes(self) -> Generator[Planes]:
        """Yield, for every frame, its (channel, y, x) pixels with their values.

        They are selected and projected, not resampled; of RGB the planes are the samples.
        """
        return fetch_series(self.plan, self.source, lambda _: lambda planes, _: planes)

    @property
    def panel_names(self) -> tuple[str, ...]:
        """Return the titles of :meth:`panels`."""
        image = self.plan.image
        return (*(image.channels[i].label for i in self.plan.channels), "merge")


@names_nearest
def plan_frames(
    da: xr.DataArray,
    *,
    still: bool = False,
    along: str | None = None,
    sel: Mapping[str, int] | None = None,
    project: Mapping[str, Projection] | None = None,
    visible: VisibleWish = None,
    window: WindowWish = None,
    cmap: str | None = None,
    gamma: PerChannel = 1.0,
    zoom: float | None = None,
    size: tuple[int, int] | int | None = None,
    fps: float | None = None,
    speed: float | None = None,
    scale_bar: bool | str = False,
    timestamp: bool = False,
    legend: bool = False,
    text: str | None = None,
    corner: Corners = None,
    overlay_color: str = "white",
    workers: int | None = None,
    memory_budget: str | int = "256 MiB",
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> Rendering:
    """Return the frames that show `da`; no pixel is computed.

    Parameters
    ----------
    da
        See :func:`describe`.
    still
        One picture, and no movie.
    along
        The axis that runs from frame to frame: ``t``, ``z`` or ``c``; None: t where it is longer
        than 1, else z.
    sel
        The entry that is shown, by axis: ``{"z": 5}``; negative numbers count from the end.
    project
        ``max``, ``mean`` or ``sum``, by axis: ``{"z": "max"}``. NaN is left out. ``max`` and
        ``mean`` keep the type (integers rounded half up), ``sum`` widens it to 64 bits.
    visible
        The channels that are shown, by name or number; None: those that `da` says are active.
    window
        The pixel values shown darkest and brightest: ``(100, 4000)``, ``("1%", "99%")``,
        ``(0, "99.9%")``, ``"minmax"``, ``"full"``; or one of these a channel, as a list or as a
        dict by name or number. None: what `da` says, else ``("0.1%", "99.9%")``. Percentiles are
        those of a sample of up to 8 frames of the series, and the same for every frame.
    cmap
        A matplotlib colormap for a single visible channel.
    gamma
        Exponent, for all channels, or one a channel; below 1 brightens what is dim.
    zoom
        Factor of width and height; whole numbers repeat pixels.
    size
        Width and height of a frame in pixels, or the width alone.
    fps, speed
        Frames a second, or how many times faster than it was; one of both, else 10 a second.
    scale_bar
        True: of a round length; or a length, ``"10 um"``.
    timestamp
        The time of each frame, from the time coordinate.
    legend
        The names of the channels in their colours.
    text
        Any text.
    corner
        Where all these stand: ``"bottom right"``, or by what it is: ``{"legend": "top left"}``.
    overlay_color
        Colour of all these but the legend.
    workers
        Threads that make frames; None: one a core.
    memory_budget
        Bytes that planes and frames may take together, ``"256 MiB"``.
    name, dims, scale, translation, units, channels, kind
        See :func:`describe`.

    Returns
    -------
    Rendering
        Its `plan` says what will be shown; its `frames()` are the frames.

    Raises
    ------
    PlanError
        If the options make no sense for this image.

    Examples
    --------
    >>> from nbexport.testing import cells
    >>> rendering = plan_frames(cells(t=3, y=64, x=80), speed=300, legend=True)
    >>> rendering.plan.n_frames, rendering.plan.fps, next(rendering.frames()).shape
    (3, 10.0, (64, 80, 3))
    """
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
    image, source = described.image, described.source
    if along is not None and not isinstance(along, str):
        raise PlanError(f"along={along!r} names no axis; use one of {', '.join(image.dims)}")
    chosen, notes = choose_channels(image, along, visible)
    plan = plan_series(
        image,
        still=still,
        along=along,
        sel=sel,
        project=project,
        channels=chosen,
        zoom=zoom,
        size=size,
        fps=fps,
        speed=speed,
        source_chunks=source.chunks,
        memory_budget=parse_nbytes(memory_budget),
        workers=n_workers(workers),
    )
    wishes = wish_looks(plan, window, cmap, gamma)
    overlays = wish_overlays(
        plan,
        scale_bar=scale_bar,
        timestamp=timestamp,
        legend=legend,
        text=text,
        corner=corner,
        color=overlay_color,
        named_in=tuple(wish.shown_color for wish in wishes),
    )
    kept, unfit = fit_overlays(overlays, plan.size)
    notes = (*image.notes, *plan.notes, *notes, *unfit)
    return Rendering(plan=replace(plan, overlays=kept, notes=notes), source=source, wishes=wishes)
