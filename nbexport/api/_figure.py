"""A matplotlib Figure of an image, for people who go on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._numbers import is_finite
from nbexport._warn import warn_losses
from nbexport.api._looks import PerChannel, VisibleWish, WindowWish
from nbexport.api._overlays import parse_ink, parse_length
from nbexport.api._render import Rendering, plan_frames
from nbexport.dataarray import ChannelWish, Numbers, Units
from nbexport.errors import PlanError
from nbexport.model import OME_SYMBOLS, Axis, Kind
from nbexport.pixels import Frame, Look
from nbexport.plan import FramePlan, Projection, pixel_length
from nbexport.plan import scale_bar as plan_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCHES: Final = 4.0


@names_nearest
def render_figure(
    da: xr.DataArray,
    *,
    apart: bool = False,
    sel: Mapping[str, int] | None = None,
    project: Mapping[str, Projection] | None = None,
    visible: VisibleWish = None,
    window: WindowWish = None,
    cmap: str | None = None,
    gamma: PerChannel = 1.0,
    scale_bar: bool | str = True,
    color: str = "white",
    figsize: tuple[float, float] | None = None,
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> Figure:
    """Return `da` as a matplotlib Figure, with axes in units and a scale bar.

    Parameters
    ----------
    da
        See :func:`describe`.
    apart
        Each channel in grey, in axes of its own, and their merge.
    sel, project, visible, window, cmap, gamma
        See :func:`write_image`: the pixels shown are those that it writes.
    scale_bar
        True: of a round length, where the pixel size is known; or a length, ``"10 um"``; False:
        none.
    color
        Colour of the scale bar.
    figsize
        Width and height in inches; None: 4 inches high for each picture.
    name, dims, scale, translation, units, channels, kind
        See :func:`describe`.

    Returns
    -------
    matplotlib.figure.Figure
        Its axes run from edge to edge of the pixels, whose centres lie where the coordinates say;
        of a single channel with `cmap` a colour bar says the values. It is closed for pyplot:
        ``figure.savefig("figure.pdf")`` saves it.

    Raises
    ------
    PlanError
        If the options make no sense for this image.

    Examples
    --------
    >>> import nbexport.testing
    >>> figure = render_figure(nbexport.testing.cells(c=2, y=64, x=80), apart=True)
    >>> [axes.get_title() for axes in figure.axes]
    ['DAPI', 'GFP', 'merge']
    >>> figure.axes[0].get_xlabel()
    'x (µm)'
    """
    ink = "#" + parse_ink("color", color)
    size = _checked_size(figsize)
    rendering = plan_frames(
        da,
        still=True,
        sel=sel,
        project=project,
        visible=visible,
        window=window,
        cmap=cmap,
        gamma=gamma,
        name=name,
        dims=dims,
        scale=scale,
        translation=translation,
        units=units,
        channels=channels,
        kind=kind,
    )
    bar = _bar(rendering.plan, scale_bar)
    with rendering.source.opened():
        titles, frames, looks = _pictures(rendering, apart=apart)
    figure = _figure(rendering.plan, titles, frames, size)
    for axes in figure.axes:
        if bar is not None:
            _draw_bar(axes, *bar, ink)
    if cmap is not None and not apart:
        _draw_values(figure, looks[0])
    warn_losses(rendering.plan.losses)
    return figure


def _checked_size(figsize: object) -> tuple[float, float] | None:
    if figsize is None:
        return None
    numbers = list(figsize) if isinstance(figsize, Sequence | np.ndarray) else []
    if len(numbers) == 2 and all(is_finite(n) and n > 0 for n in numbers):
        return float(numbers[0]), float(numbers[1])
    raise PlanError(
        f"figsize={figsize!r} is not width and height in inches; give for example (6, 4)"
    )


def _bar(plan: FramePlan, wish: bool | str) -> tuple[str, float] | None:
    """Return the text of the scale bar and its length in the unit of x."""
    x = plan.image.axis("x")
    assert x is not None
    if wish is False:
        return None
    if wish is True:
        try:
            pixel_length(x)
        except PlanError:  # a picture without a known size has none
            return None
    pixel, unit = pixel_length(x)
    length = None if wish is True else parse_length(wish)
    text, n_pixels = plan_scale_bar(x.size, pixel, unit, length)
    return text, n_pixels * pixel


def _pictures(
    rendering: Rendering, *, apart: bool
) -> tuple[tuple[str, ...], tuple[Frame, ...], tuple[Look, ...]]:
    looks = rendering.looks()
    if apart:
        with closing(rendering.panels()) as panels:
            return rendering.panel_names, next(panels), looks
    with closing(rendering.frames()) as frames:
        return (rendering.plan.image.name,), (next(frames),), looks


def _figure(
    plan: FramePlan,
    titles: Sequence[str],
    frames: Sequence[Frame],
    figsize: tuple[float, float] | None,
) -> Figure:
    import matplotlib.pyplot as plt

    y, x = plan.image.axis("y"), plan.image.axis("x")
    assert y is not None
    assert x is not None
    (left, right), (top, bottom) = _edges(x), _edges(y)
    aspect = (right - left) / (bottom - top) if _alike(x, y) else x.size / y.size
    width = _PANEL_INCHES * min(max(aspect, 0.25), 4.0) * len(frames)
    # By pyplot, since the backend of a notebook is loaded by it alone, and with it what shows a
    # Figure; closed there, since it is shown by being returned, and once.
    figure = plt.figure(figsize=figsize or (width, _PANEL_INCHES), layout="constrained")
    plt.close(figure)
    row: Any = figure.subplots(1, len(frames), sharex=True, sharey=True, squeeze=False)[0]
    for axes, title, frame in zip(row, titles, frames, strict=True):
        axes.imshow(
            frame,
            extent=(left, right, bottom, top),
            interpolation="nearest",
            aspect="equal" if _alike(x, y) else "auto",
        )
        axes.set_title(title)
        axes.set_xlabel(_label(x))
        axes.label_outer()
    row[0].set_ylabel(_label(y))
    return figure


def _alike(x: Axis, y: Axis) -> bool:
    return x.unit == y.unit and x.calibrated == y.calibrated


def _edges(axis: Axis) -> tuple[float, float]:
    """Return where the first pixel begins and the last one ends; a centre lies at its position."""
    half = axis.scale / 2
    return axis.position(0) - half, axis.position(axis.size - 1) + half


def _label(axis: Axis) -> str:
    unit = OME_SYMBOLS.get(axis.unit, axis.unit) if axis.unit else None
    return f"{axis.name} ({unit or 'pixels'})" if unit or not axis.calibrated else axis.name


def _draw_bar(axes: Axes, text: str, length: float, color: str) -> None:
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    low, high = axes.get_ylim()
    bar = AnchoredSizeBar(
        axes.transData,
        length,
        text,
        "lower right",
        pad=0.5,
        sep=4,
        color=color,
        frameon=False,
        size_vertical=abs(high - low) / 100,
        label_top=True,
    )
    axes.add_artist(bar)


def _draw_values(figure: Figure, look: Look) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    norm = PowerNorm(look.gamma, *look.window, clip=True)
    figure.colorbar(ScalarMappable(norm, look.cmap), ax=figure.axes[0])
