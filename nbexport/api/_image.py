"""One picture: a rendering, a contact sheet, or a plane with its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._warn import warn_losses
from nbexport.api._looks import PerChannel, VisibleWish, WindowWish
from nbexport.api._overlays import Corners
from nbexport.api._render import Planes, Rendering, plan_frames
from nbexport.dataarray import ChannelWish, Numbers, Units
from nbexport.errors import PlanError
from nbexport.model import Kind
from nbexport.pixels import Frame, Painter, fit_overlays, sheet_size, tile_frames
from nbexport.plan import CORNERS, FramePlan, Overlay, Projection
from nbexport.stores import TargetPath, WriteReport, check_target

Montage = Literal["c", "t", "z"] | None

# A sheet is one array in memory, and a picture that no program opens is of no use.
_LARGEST_SHEET: Final = 2**30


@names_nearest
def write_image(
    da: xr.DataArray,
    target: TargetPath,
    *,
    sel: Mapping[str, int] | None = None,
    project: Mapping[str, Projection] | None = None,
    visible: VisibleWish = None,
    window: WindowWish = None,
    cmap: str | None = None,
    gamma: PerChannel = 1.0,
    size: tuple[int, int] | int | None = None,
    zoom: float | None = None,
    dpi: float | None = None,
    scale_bar: bool | str = False,
    timestamp: bool = False,
    legend: bool = False,
    text: str | None = None,
    corner: Corners = None,
    overlay_color: str = "white",
    montage: Montage = None,
    columns: int | None = None,
    raw: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    memory_budget: str | int = "256 MiB",
    storage_options: Mapping[str, Any] | None = None,
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> WriteReport:
    """Write one picture of `da`; the report shows it in a notebook.

    Parameters
    ----------
    da
        See :func:`describe`.
    target
        Path, or URL that fsspec knows, that ends in ``.png``, ``.jpg``, ``.jpeg``, ``.tif``,
        ``.tiff``, ``.webp`` or ``.bmp``; its folder or bucket exists.
    sel, project, visible, window, cmap, gamma
        What is shown, and how: see :func:`write_movie`. Of t the first entry is shown, of z the
        maximum, where nothing is said.
    size, zoom
        Width and height in pixels or the width alone; or a factor. None: the pixels are kept. Of a
        montage: of each cell.
    dpi
        Pixels an inch on paper, such as 300, for pictures that are placed in a document. None: the
        file says how large a pixel is in the specimen, as ImageJ reads it.
    scale_bar, timestamp, legend, text, corner, overlay_color
        What is written onto it: see :func:`write_movie`.
    montage
        ``"c"``: the visible channels in grey, each named, and their merge, which has the scale bar
        and all else that was asked for; ``"t"`` or ``"z"``: all entries, each named.
    columns
        Cells side by side; None: one row up to five cells, else about as wide as high.
    raw
        Write a single plane with its values: ``.tif``, any type; ``.png``, integers that fit 8 or
        16 bits.
    overwrite
        Replace an existing picture, once the new one is complete.
    workers, memory_budget, storage_options
        See :func:`write_movie`.
    name, dims, scale, translation, units, channels, kind
        See :func:`describe`.

    Returns
    -------
    WriteReport
        Shown by itself in a notebook, it is the picture: up to 2 MiB are embedded, more is linked.

    Raises
    ------
    TargetError, TargetExistsError
        If the target can't be written; nothing is left there.
    PlanError
        If the options make no sense together, or for this image.
    DtypeError
        If `raw` values don't fit the format.
    SourceError
        If computing the pixels failed; nothing is left at the target.

    Warns
    -----
    LossWarning
        For each thing of the image that can't be shown.

    Notes
    -----
    JPEG is written at quality 95 with colours at full resolution, WebP lossless, TIFF with zlib.
    The physical resolution stands in pHYs (PNG), in the resolution tags of TIFF and Exif (TIFF,
    JPEG, WebP), in JFIF where its 16 bits hold it, and in BMP's header. Sources: PNG 1.2, TIFF 6.0,
    Exif 2.3.

    Examples
    --------
    >>> import nbexport.testing
    >>> da = nbexport.testing.cells(c=2, y=64, x=80)
    >>> report = write_image(da, folder / "cells.png", montage="c", scale_bar="10 um", dpi=300)
    >>> report.plan.size  # two channels in grey and the merge, a pixel apart
    (242, 64)
    """
    from nbexport.stores.media.picture import check_picture, plan_density, write_picture_file

    place = check_target(target, "image", overwrite=overwrite, storage_options=storage_options)
    _check_montage(montage, columns)
    if raw:
        _check_raw(
            window=window,
            cmap=cmap,
            gamma=None if gamma == 1.0 else gamma,
            size=size,
            zoom=zoom,
            scale_bar=scale_bar or None,
            timestamp=timestamp or None,
            legend=legend or None,
            text=text,
            montage=montage,
        )
    rendering = plan_frames(
        da,
        still=montage not in ("t", "z"),
        along=montage if montage in ("t", "z") else None,
        sel=sel,
        project=project,
        visible=visible,
        window=window,
        cmap=cmap,
        gamma=gamma,
        zoom=zoom,
        size=size,
        scale_bar=scale_bar,
        timestamp=timestamp,
        legend=legend,
        text=text,
        corner=corner,
        overlay_color=overlay_color,
        workers=workers,
        memory_budget=memory_budget,
        name=name,
        dims=dims,
        scale=scale,
        translation=translation,
        units=units,
        channels=channels,
        kind=kind,
    )
    density = plan_density(rendering.plan, dpi)
    plan = rendering.plan
    if montage is not None:
        plan = _sheet_plan(rendering, montage, columns)
    elif raw:
        _check_one_plane(plan)
    check_picture(place.name, plan.size, raw=raw)
    with rendering.source.opened():
        if montage is not None:
            pixels: Planes = _sheet(rendering, montage, columns)
        elif raw:
            pixels = _plane(rendering)
        else:
            with closing(rendering.frames()) as frames:
                pixels = next(frames)
    report = write_picture_file(pixels, plan, place, density=density, raw=raw)
    warn_losses(report.losses)
    return report


def _check_montage(montage: object, columns: object) -> None:
    if montage is not None and not (isinstance(montage, str) and montage in ("c", "t", "z")):
        raise PlanError(f"montage={montage!r} is not known; use 'c', 't' or 'z'")
    if columns is None:
        return
    if montage is None:
        raise PlanError(f"columns={columns!r} is for montages; pass montage='c', 't' or 'z' too")
    if not isinstance(columns, int) or isinstance(columns, bool) or columns < 1:
        raise PlanError(f"columns={columns!r} is not a whole number above 0")


def _check_raw(**wishes: object) -> None:
    """Raise PlanError where something is wished for that changes values."""
    for word, value in wishes.items():
        if value is not None:
            raise PlanError(
                f"raw=True writes pixel values as they are, and {word}={value!r} is for rendered "
                "pictures; leave one of both out"
            )


def _check_one_plane(plan: FramePlan) -> None:
    if len(plan.channels) > 1:
        labels = [plan.image.channels[i].label for i in plan.channels]
        raise PlanError(
            f"raw=True writes one plane and {len(labels)} channels are shown; "
            f"pass visible={labels[0]!r} for one, or write an OME-TIFF"
        )


def _plane(rendering: Rendering) -> Planes:
    """Return the single plane (y, x), or the samples (y, x, s) of RGB."""
    with closing(rendering.planes()) as frames:
        planes = next(frames)
    return np.moveaxis(planes, 0, -1) if rendering.plan.image.kind == "rgb" else planes[0]


def _names(rendering: Rendering, montage: str) -> tuple[str, ...]:
    return rendering.panel_names if montage == "c" else rendering.plan.frame_names


def _sheet_plan(rendering: Rendering, montage: str, columns: int | None) -> FramePlan:
    """Return the plan of the sheet; its size is that of all cells together."""
    plan = rendering.plan
    if montage == "c" and not plan.apart:
        raise PlanError(
            f"montage='c' shows channels side by side, and {plan.image.name!r} "
            f"({plan.image.kind}) has none; leave it out"
        )
    n = len(_names(rendering, montage))
    width, height = sheet_size(n, plan.size, columns)
    if width * height * 3 > _LARGEST_SHEET:
        raise PlanError(
            f"a sheet of {n} cells of {plan.size[0]} x {plan.size[1]} would be {width} x {height} "
            f"pixels, more than 1 GiB; pass zoom=0.25 or less, or fewer entries with "
            f"da.isel({montage}=slice(None, None, 10))"
        )
    return replace(plan, size=(width, height), fps=None)


def _sheet(rendering: Rendering, montage: str, columns: int | None) -> Frame:
    """Return the contact sheet: its cells named in a free corner, where a name fits."""
    plan, names = rendering.plan, _names(rendering, montage)
    if montage == "c":
        with closing(rendering.panels()) as panels:
            *grey, merge = next(panels)
        cells: Iterator[Frame] = iter([*grey, Painter(plan.overlays, plan.size).draw(merge, 0)])
        named = _named(cells, names, plan, last_is_written_on=True)
        return tile_frames(named, len(names), plan.size, columns)
    with closing(rendering.frames()) as frames:
        cells = _named(frames, names, plan) if _says_no_time(plan) else frames
        return tile_frames(cells, len(names), plan.size, columns)


def _says_no_time(plan: FramePlan) -> bool:
    """Return whether cells need names: a time that is written onto them is one."""
    return not any(overlay.texts for overlay in plan.overlays)


def _named(
    cells: Iterator[Frame],
    names: Sequence[str],
    plan: FramePlan,
    *,
    last_is_written_on: bool = False,
) -> Iterator[Frame]:
    taken = {overlay.corner for overlay in plan.overlays}
    color = next((overlay.color for overlay in plan.overlays), "FFFFFF")
    for i, (cell, word) in enumerate(zip(cells, names, strict=True)):
        written_on = not last_is_written_on or i == len(names) - 1
        free = [c for c in CORNERS if not (written_on and c in taken)]
        if free:
            name = Overlay(kind="text", corner=free[0], color=color, lines=((word, color),))
            fitting, _ = fit_overlays([*(plan.overlays if written_on else ()), name], plan.size)
            if name in fitting:
                cell = Painter([name], plan.size).draw(cell)
        yield cell
