"""One plane as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from nbexport._keywords import names_nearest
from nbexport.api import WindowWish, write_image, write_movie
from nbexport.errors import PlanError
from nbexport.stores import Format, TargetPath, WriteReport, check_target
from nbexport.stores.targets import target_text
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

# What can keep pixel values as they are.
_TIFF: Final = ("tif", "tiff")
_KEEPS_VALUES: Final = ("png", *_TIFF)
# Movies beside those of FFMPEG_FORMATS; WebP is written as a picture.
_MOVIES: Final = ("gif", "apng", "webm")


class TwoDWriter(Writer):
    """Writes one grey, RGB or RGBA plane as ``png``, ``tif``, ``jpg``, ….

    Attributes
    ----------
    DIM_ORDERS
        The order that is assumed, by number of dimensions.
    FFMPEG_FORMATS
        Suffixes of movies; a plane becomes one of a single frame.
    """

    DIM_ORDERS: Final = {2: "YX", 3: "YXS"}
    FFMPEG_FORMATS: Final = ["mov", "avi", "mpg", "mpeg", "mp4", "mkv", "wmv", "ogg"]

    @staticmethod
    def get_extension_and_mode(path: str) -> tuple[str, str]:
        """Return the suffix of `path`, lower case and without its dot, and imageio's mode for it.

        Parameters
        ----------
        path
            Path or URL.

        Returns
        -------
        tuple of str
            The mode is ``"I"``, many images, for movies, else ``"?"``.

        Examples
        --------
        >>> TwoDWriter.get_extension_and_mode("cells.MP4")
        ('mp4', 'I')
        """
        extension = path.split(".")[-1].lower()
        return extension, "I" if extension in TwoDWriter.FFMPEG_FORMATS else "?"

    @staticmethod
    @names_nearest
    def save(  # type: ignore[override]
        data: Any,
        uri: TargetPath,
        dim_order: str | None = None,
        fs_kwargs: Mapping[str, Any] | None = None,
        *,
        window: WindowWish = None,
        autoscale: bool = False,
        overwrite: bool = False,
    ) -> WriteReport:
        """Write an array as a picture; it keeps its size.

        Parameters
        ----------
        data
            A numpy or dask array of 2 or 3 dimensions.
        uri
            Path or URL; its suffix, in any case, says the format. See :func:`write_image`, and
            :func:`write_movie` for a movie of one frame.
        dim_order
            The letters Y, X and, for colours, S, in any order and case; None: YX, or YXS.
        fs_kwargs
            What fsspec gets to open a URL.
        window
            The values shown black and white: ``(100, 4000)``, ``("1%", "99%")``, ``"minmax"``,
            ``"full"``. None: values are kept, by TIFF all, by PNG integers of 8 and 16 bits; else
            uint8 is shown as it is, floats and bools from 0 to 1, and all else is refused.
        autoscale
            True: black and white are the 0.1 % and 99.9 % of the pixels.
        overwrite
            Replace an existing picture, once the new one is complete.

        Returns
        -------
        WriteReport
            Shown by itself in a notebook, it is the picture.

        Raises
        ------
        UnexpectedShapeError
            If there are not 2 or 3 dimensions.
        InvalidDimensionOrderingError, ConflictingArgumentsError
            If the letters don't fit.
        DtypeError
            If the format can't keep the values, and it is not said which of them is black and which
            white.
        TargetError, TargetExistsError, PlanError, SourceError
            See :func:`write_image`.

        Examples
        --------
        >>> plane = np.arange(12, dtype="uint16").reshape(3, 4)
        >>> TwoDWriter.save(plane, folder / "plane.png").plan.size
        (4, 3)
        """
        array = as_array(data)
        letters = find_letters(array.shape, dim_order, TwoDWriter.DIM_ORDERS, who="TwoDWriter")
        extension, mode = TwoDWriter.get_extension_and_mode(target_text(uri))
        is_movie = mode == "I" or extension in _MOVIES
        shown = wished_window(window, autoscale)
        remote = url_options(uri, fs_kwargs)
        kind: Format = "movie" if is_movie else "image"
        check_target(uri, kind, overwrite=overwrite, storage_options=remote)
        raw = shown is None and extension in _KEEPS_VALUES
        if not (raw or is_movie) and dict(zip(letters, array.shape, strict=True)).get("S") == 4:
            raise PlanError(
                f"the array is RGBA, and its transparency would be lost in {target_text(uri)!r}; "
                "use .png or .tif and no window, or the three colours alone, array[..., :3]"
            )
        if shown is None and array.dtype.kind in "fb" and extension not in _TIFF:
            array = as_bytes(array)
        elif shown is None and not raw and array.dtype != np.uint8:
            refuse_dtype(array.dtype, uri)
        options: dict[str, Any] = {"overwrite": overwrite, "storage_options": remote}
        if not raw:
            options["window"] = "full" if shown is None else shown
        da = labelled(array, letters)
        with own_errors():
            if is_movie:
                return write_movie(da, uri, progress=False, **options)
            return write_image(da, uri, raw=raw, **options)
