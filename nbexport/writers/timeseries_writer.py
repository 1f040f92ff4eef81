"""A series of frames as a movie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from nbexport._keywords import names_nearest
from nbexport.api import WindowWish, write_movie
from nbexport.stores import ProgressOption, Quality, TargetPath, WriteReport, check_target
from nbexport.writers._arrays import (
    as_array,
    as_bytes,
    find_letters,
    labelled,
    own_errors,
    refuse_dtype,
    url_options,
    wished_window,
)
from nbexport.writers.writer import Writer


class TimeseriesWriter(Writer):
    """Writes grey, RGB or RGBA frames as ``mp4``, ``mkv``, ``gif``, ….

    Attributes
    ----------
    DIM_ORDERS
        The order that is assumed, by number of dimensions.
    """

    DIM_ORDERS: Final = {3: "TYX", 4: "TYXS"}

    @staticmethod
    @names_nearest
    def save(  # type: ignore[override]
        data: Any,
        uri: TargetPath,
        dim_order: str | None = None,
        fps: float = 24,
        fs_kwargs: Mapping[str, Any] | None = None,
        *,
        window: WindowWish = None,
        autoscale: bool = False,
        codec: str | None = None,
        quality: Quality = "medium",
        overwrite: bool = False,
        progress: ProgressOption = None,
    ) -> WriteReport:
        """Write an array as a movie; frames keep their size.

        Parameters
        ----------
        data
            A numpy or dask array of 3 or 4 dimensions. dask's is computed frame by frame.
        uri
            Path or URL; its suffix, in any case, says the format. See :func:`write_movie`.
        dim_order
            The letters T, Y, X and, for colours, S, in any order and case; None: TYX, or TYXS.
            Without T, ``SYX``, it is a single frame.
        fps
            Frames a second.
        fs_kwargs
            What fsspec gets to open a URL.
        window
            The values shown black and white: ``(100, 4000)``, ``("1%", "99%")``, ``"minmax"``,
            ``"full"``. None: uint8 is shown as it is, floats and bools from 0 to 1; all else is
            refused.
        autoscale
            True: black and white are the 0.1 % and 99.9 % of a sample, the same for every frame.
        codec, quality, progress
            See :func:`write_movie`.
        overwrite
            Replace an existing movie, once the new one is complete.

        Returns
        -------
        WriteReport
            Shown by itself in a notebook, it plays the movie.

        Raises
        ------
        UnexpectedShapeError
            If there are not 3 or 4 dimensions.
        InvalidDimensionOrderingError, ConflictingArgumentsError
            If the letters don't fit.
        DtypeError
            If it is not said which value is black and which is white, and `dtype` does not say it.
        TargetError, TargetExistsError, PlanError, SourceError
            See :func:`write_movie`.

        Notes
        -----
        A Z stack is a movie, too: call its Z dimension T.

        Examples
        --------
        >>> frames = np.zeros((5, 3, 90, 121), dtype="uint8")
        >>> report = TimeseriesWriter.save(frames, folder / "frames.mp4", "TSYX", fps=12)
        >>> report.plan.size, report.plan.n_frames
        ((121, 90), 5)
        """
        array = as_array(data)
        letters = find_letters(
            array.shape,
            dim_order,
            TimeseriesWriter.DIM_ORDERS,
            who="TimeseriesWriter",
            also=("YXS",) if array.ndim == 3 else (),
        )
        shown = wished_window(window, autoscale)
        options = url_options(uri, fs_kwargs)
        check_target(uri, "movie", overwrite=overwrite, storage_options=options)
        if shown is None:
            if array.dtype.kind in "fb":
                array = as_bytes(array)
            elif array.dtype != np.uint8:
                refuse_dtype(array.dtype, uri)
            shown = "full"
        with own_errors():
            return write_movie(
                labelled(array, letters),
                uri,
                along="t" if "T" in letters else None,
                window=shown,
                fps=fps,
                codec=codec,
                quality=quality,
                overwrite=overwrite,
                progress=progress,
                storage_options=options,
            )
