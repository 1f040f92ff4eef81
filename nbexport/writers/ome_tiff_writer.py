"""Arrays as an OME-TIFF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nbexport._keywords import names_nearest
from nbexport.api import write_ome_tiff
from nbexport.errors import ConflictingArgumentsError, PlanError
from nbexport.stores import ProgressOption, TargetPath, WriteReport
from nbexport.stores.targets import remote_scheme, target_text
from nbexport.writers._arrays import as_array, labelled, url_options
from nbexport.writers._ome_image import OmeImage, check_ome, ome_document, parsed_ome
from nbexport.writers._ome_order import find_order
from nbexport.writers._sizes import pixel_sizes
from nbexport.writers._tifffile import DEFAULT_TIFF_WRITE_KWARGS, tiff_options
from nbexport.writers.writer import Writer

_Rgb = Sequence[int]


class OmeTiffWriter(Writer):
    """Writes one array, or several as the images of one file, as an OME-TIFF."""

    @staticmethod
    @names_nearest
    def save(  # type: ignore[override]
        data: Any,
        uri: TargetPath,
        dim_order: str | Sequence[str | None] | None = None,
        ome_xml: Any = None,
        channel_names: Sequence[str] | Sequence[Sequence[str] | None] | None = None,
        image_name: str | Sequence[str | None] | None = None,
        physical_pixel_sizes: Any = None,
        channel_colors: Sequence[_Rgb] | Sequence[Sequence[_Rgb] | None] | None = None,
        fs_kwargs: Mapping[str, Any] | None = None,
        tifffile_kwargs: Mapping[str, Any] = DEFAULT_TIFF_WRITE_KWARGS,
        *,
        levels: int | None = 1,
        overwrite: bool = False,
        progress: ProgressOption = None,
    ) -> WriteReport:
        """Write an array, or a list of them, to one file.

        Parameters
        ----------
        data
            A numpy or dask array of 2 to 6 dimensions; a list of them becomes the images of one
            file. dask's are computed tile by tile, not whole.
        uri
            A path of this machine.
        dim_order
            The letters T, C, Z, Y, X, and S for the 3 or 4 samples of RGB, which come last. None:
            the last letters of TCZYX, and no RGB. Planes are stored in this order.
        ome_xml
            OME-XML or an ``ome_types.OME``, in place of all that follows.
        channel_names
            A name a channel; None: ``C:0``, ``C:1``, ….
        image_name
            Its name; None: it has none.
        physical_pixel_sizes
            Micrometres: ``PhysicalPixelSizes``, any object with ``.Z .Y .X``, or three numbers.
        channel_colors
            Red, green and blue, 0 to 255, a channel; of RGB it may be one.
        fs_kwargs
            For the file system of a URL; none belongs to a path.
        tifffile_kwargs
            Keywords of tifffile: ``compression``, ``compressionargs`` (``level``), ``predictor``,
            ``tile``, ``bigtiff``, ``maxworkers``. What is not among them is refused.
        levels
            Number of levels, the full resolution included; None: until the plane fits one tile.
        overwrite
            Replace an existing TIFF, once the new one is complete.
        progress
            See :func:`write_ome_tiff`.

        Returns
        -------
        WriteReport
            What was done.

        Raises
        ------
        InvalidDimensionOrderingError
            If the letters don't fit an array.
        ConflictingArgumentsError
            If lists differ in length.
        PlanError
            If there is no pixel type for an array, channels and their names or colours differ in
            number, `ome_xml` does not fit the arrays, or `uri` is no path of this machine.
        TargetError, TargetExistsError, SourceError
            See :func:`write_ome_tiff`.

        Notes
        -----
        With a list as `data`, each argument about it is one for all images, or a list with one an
        image.

        Examples
        --------
        >>> images = [np.zeros((3, 10, 64, 128), "uint8"), np.zeros((3, 10, 32, 32), "uint8")]
        >>> report = OmeTiffWriter.save(
        ...     images,
        ...     folder / "both.ome.tif",
        ...     dim_order="CZYX",
        ...     channel_names=[["C00", "C01", "C02"], ["C10", "C11", "C12"]],
        ... )
        >>> len(report.others)
        1
        """
        text = target_text(uri)
        scheme = remote_scheme(text)
        if scheme is not None:
            raise PlanError(
                f"uri={text!r} is no path of this machine, and OmeTiffWriter writes nowhere else; "
                "nbexport.write_ome_tiff takes URLs"
            )
        arrays = [as_array(a) for a in (data if isinstance(data, list | tuple) else [data])]
        n = len(arrays)
        orders = _each(dim_order, n, "dim_order", dim_order is None or isinstance(dim_order, str))
        if ome_xml is None:
            ome = OmeTiffWriter.build_ome(
                [a.shape for a in arrays],
                [a.dtype for a in arrays],
                dimension_order=orders,
                channel_names=_each(
                    channel_names, n, "channel_names", _is_one(channel_names, depth=1)
                ),
                image_name=_each(
                    image_name, n, "image_name", image_name is None or isinstance(image_name, str)
                ),
                physical_pixel_sizes=_each(
                    physical_pixel_sizes,
                    n,
                    "physical_pixel_sizes",
                    not isinstance(physical_pixel_sizes, list)
                    or _is_one(physical_pixel_sizes, depth=1),
                ),
                channel_colors=_each(
                    channel_colors, n, "channel_colors", _is_one(channel_colors, depth=2)
                ),
            )
        else:
            ome = parsed_ome(ome_xml)
        orders_of = check_ome(ome, [(a.shape, a.dtype) for a in arrays])
        return write_ome_tiff(
            [labelled(a, order.dims(a.ndim)) for a, order in zip(arrays, orders_of, strict=True)],
            uri,
            ome_xml=ome,
            levels=levels,
            overwrite=overwrite,
            progress=progress,
            storage_options=url_options(uri, fs_kwargs),
            **tiff_options(tifffile_kwargs),
        )

    @staticmethod
    @names_nearest
    def build_ome(
        data_shapes: Sequence[tuple[int, ...]],
        data_types: Sequence[Any],
        dimension_order: Sequence[str | None] | None = None,
        channel_names: Sequence[Sequence[str] | None] | None = None,
        image_name: Sequence[str | None] | None = None,
        physical_pixel_sizes: Sequence[Any] | None = None,
        channel_colors: Sequence[Sequence[_Rgb] | None] | None = None,
    ) -> Any:
        """Return the OME metadata of images, each list with one entry an image.

        Parameters
        ----------
        data_shapes
            Shapes of 2 to 6 dimensions.
        data_types
            numpy's types.
        dimension_order, channel_names, image_name, physical_pixel_sizes, channel_colors
            See :meth:`save`.

        Returns
        -------
        ome_types.OME
            It says nothing of levels, which OME-XML has no word for.

        Raises
        ------
        InvalidDimensionOrderingError, ConflictingArgumentsError, PlanError
            See :meth:`save`.

        Examples
        --------
        >>> ome = OmeTiffWriter.build_ome([(2, 64, 64)], [np.uint8], ["CYX"])
        >>> [channel.name for channel in ome.images[0].pixels.channels]
        ['C:0', 'C:1']
        """
        n = len(data_shapes)
        nothing: list[None] = [None] * n
        lists: dict[str, Sequence[Any]] = {
            "data_types": data_types,
            "dimension_order": nothing if dimension_order is None else dimension_order,
            "channel_names": nothing if channel_names is None else channel_names,
            "image_name": nothing if image_name is None else image_name,
            "physical_pixel_sizes": nothing
            if physical_pixel_sizes is None
            else physical_pixel_sizes,
            "channel_colors": nothing if channel_colors is None else channel_colors,
        }
        for word, entries in lists.items():
            _check_length(word, len(entries), n)
        images = []
        for shape, dtype, order, names, name, sizes, colors in zip(
            data_shapes, *lists.values(), strict=True
        ):
            images.append(
                OmeImage(
                    shape=tuple(shape),
                    dtype=np.dtype(dtype),
                    order=find_order(tuple(shape), order),
                    name=name,
                    sizes=pixel_sizes(sizes),
                    names=names,
                    colors=colors,
                )
            )
        return ome_document(images)


def _is_one(given: Any, *, depth: int) -> bool:
    """Return whether `given` is for one image: sequences inside each other to `depth` at most."""
    if given is None:
        return True
    if depth == 1:
        return not any(entry is None or isinstance(entry, list | tuple) for entry in given)
    return all(isinstance(entry, Sequence) and _is_one(entry, depth=1) for entry in given)


def _each(given: Any, n: int, word: str, is_one: bool) -> list[Any]:
    """Return one entry an image."""
    if is_one:
        return [given] * n
    _check_length(word, len(given), n)
    return list(given)


def _check_length(word: str, found: int, n: int) -> None:
    if found != n:
        raise ConflictingArgumentsError(
            f"{word} has {found} entries, one an image, and there are {n} images; "
            "give as many, or one for all"
        )
