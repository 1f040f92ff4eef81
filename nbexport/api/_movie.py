"""A series of frames as a movie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport._warn import warn_losses
from nbexport.api._looks import PerChannel, VisibleWish, WindowWish
from nbexport.api._overlays import Corners
from nbexport.api._render import plan_frames
from nbexport.dataarray import ChannelWish, Numbers, Units
from nbexport.model import Kind
from nbexport.plan import Projection
from nbexport.stores import ProgressOption, Quality, TargetPath, WriteReport, check_target


@names_nearest
def write_movie(
    da: xr.DataArray,
    target: TargetPath,
    *,
    along: str | None = None,
    sel: Mapping[str, int] | None = None,
    project: Mapping[str, Projection] | None = None,
    visible: VisibleWish = None,
    window: WindowWish = None,
    cmap: str | None = None,
    gamma: PerChannel = 1.0,
    fps: float | None = None,
    speed: float | None = None,
    codec: str | None = None,
    quality: Quality = "medium",
    crf: int | None = None,
    size: tuple[int, int] | int | None = None,
    zoom: float | None = None,
    scale_bar: bool | str = False,
    timestamp: bool = False,
    legend: bool = False,
    text: str | None = None,
    corner: Corners = None,
    overlay_color: str = "white",
    overwrite: bool = False,
    progress: ProgressOption = None,
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
    """Write `da` as a movie; the report plays in a notebook.

    Parameters
    ----------
    da
        See :func:`describe`.
    target
        Path, or URL that fsspec knows, that ends in ``.mp4``, ``.mov``, ``.mkv``, ``.webm``,
        ``.avi``, ``.gif``, ``.apng``, ``.webp``, ``.mpg``, ``.mpeg``, ``.wmv`` or ``.ogg``; its
        folder or bucket exists. ``.png`` is taken for ``.apng``, an animated PNG; one frame as a
        picture is what :func:`write_image` writes.
    along
        The axis that runs from frame to frame: ``t``, ``z`` or ``c``; None: t where it is longer
        than 1, else z.
    sel
        The entry that is shown, by axis: ``{"z": 5}``; negative numbers count from the end.
    project
        ``max``, ``mean`` or ``sum``, by axis: ``{"z": "max"}``, which is what z of intensities gets
        where nothing is said.
    visible
        The channels that are shown, by name or number; None: those that `da` says are active.
    window
        The pixel values shown darkest and brightest: ``(100, 4000)``, ``("1%", "99%")``,
        ``"minmax"``, ``"full"``; or one of these a channel, as a list or a dict. None: what `da`
        says, else ``("0.1%", "99.9%")`` of a sample. The same for every frame.
    cmap
        A matplotlib colormap for a single visible channel.
    gamma
        Exponent; below 1 brightens what is dim.
    fps, speed
        Frames a second, or how many times faster than it was; one of both, else 10 a second.
    codec
        ``h264``, ``av1``, ``vp9``, ``ffv1``, ``mjpeg``, …; None: what the suffix is known for.
    quality
        ``low``, ``medium``, ``high``, or ``lossless``, which gives back every byte of the frames.
    crf
        A number instead, 0 is best: up to 51 for H.264, to 63 for AV1 and VP9.
    size, zoom
        Width and height in pixels or the width alone; or a factor. None: frames keep the pixels.
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
    overwrite
        Replace an existing movie, once the new one is complete.
    progress
        True: a bar; False: nothing; None: a bar in notebooks and terminals; else a function that
        is called with a :class:`Progress`, once a frame.
    workers
        Threads that make frames ahead of the encoder; None: one a core.
    memory_budget
        Bytes that planes and frames may take together; ffmpeg's own memory comes on top.
    storage_options
        See :func:`write_ome_zarr`.
    name, dims, scale, translation, units, channels, kind
        See :func:`describe`.

    Returns
    -------
    WriteReport
        Shown by itself in a notebook, it plays the movie: up to 2 MiB are embedded, more is linked.

    Raises
    ------
    TargetError, TargetExistsError
        If the target can't be written, or ffmpeg fails, with its own words; nothing is left there.
    PlanError
        If the options make no sense together, or for this image.
    MissingPackageError
        If there is no ffmpeg, or it lacks the encoder.
    SourceError
        If computing the pixels failed; nothing is left at the target.

    Warns
    -----
    LossWarning
        For each thing of the image that can't be shown.

    Notes
    -----
    The encoder is the ffmpeg of imageio-ffmpeg, a program of its own under the GPL. Colours are
    converted to BT.709 and tagged so. H.264, and all else that keeps colours at half resolution,
    needs even sizes: an odd edge is repeated once, never resampled. H.264 of quality ``high`` keeps
    the brightness of composites within 40 dB (PSNR) of the frames, and the colours of cells and
    other structures wider than two pixels too; single pixels in saturated colours, such as noise
    or the edges of labels, lose colour to their neighbours at any quality but ``lossless``. Frames
    are made in threads
    while the encoder works, and never many are held. Of two encodings of one movie ``vp9`` and
    ``av1`` are smaller and slower; ``mjpeg`` in ``.avi`` is what ImageJ opens. Sources: ITU-T
    H.273, the container formats' specifications.

    Examples
    --------
    >>> import nbexport.testing
    >>> da = nbexport.testing.cells(t=3, y=64, x=80)
    >>> report = write_movie(da, folder / "cells.mp4", speed=300, timestamp=True)
    >>> report.plan.n_frames, report.plan.fps, report.plan.size
    (3, 10.0, (80, 64))
    """
    from nbexport.stores.media.movie import check_encoding, write_movie_file

    place = check_target(target, "movie", overwrite=overwrite, storage_options=storage_options)
    rendering = plan_frames(
        da,
        along=along,
        sel=sel,
        project=project,
        visible=visible,
        window=window,
        cmap=cmap,
        gamma=gamma,
        zoom=zoom,
        size=size,
        fps=fps,
        speed=speed,
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
    plan = rendering.plan
    assert plan.fps is not None
    encoding = check_encoding(
        place.name, plan.size, plan.fps, codec=codec, quality=quality, crf=crf
    )
    with rendering.source.opened():
        report = write_movie_file(
            rendering.frames(), plan, place, encoding=encoding, progress=progress
        )
    warn_losses(report.losses)
    return report
