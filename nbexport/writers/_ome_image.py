"""OME metadata of arrays: built from arguments, or given and checked against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbexport._version import __version__
from nbexport.dataarray import UnusableOmeError, parse_ome
from nbexport.errors import PlanError
from nbexport.metadata import OME_PIXEL_TYPES
from nbexport.metadata._ome_limits import is_legal_text
from nbexport.writers._ome_order import OmeOrder
from nbexport.writers._sizes import PhysicalPixelSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeImage:
    """What the arguments say of one image.

    Attributes
    ----------
    shape, dtype, order
        Of the array.
    name
        None: it has none.
    sizes
        Micrometres.
    names, colors
        One a channel; None: the usual ones.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: OmeOrder
    name: str | None
    sizes: PhysicalPixelSizes
    names: Sequence[str] | None
    colors: Sequence[Sequence[int]] | None

    def __post_init__(self) -> None:
        n = self.order.sizes(self.shape)["C"]
        for word, entries in (("names", self.names), ("colors", self.colors)):
            if entries is not None and len(entries) != n:
                raise PlanError(
                    f"channel_{word} has {len(entries)} entries ({', '.join(map(str, entries))}), "
                    f"and the image has {n} channels; give one for each"
                )
        for text in (self.name, *(self.names or ())):
            if text is not None and (not isinstance(text, str) or not is_legal_text(text)):
                raise PlanError(f"the name {text!r} can't stand in XML; pass printable text")
        for color in self.colors or ():
            _check_color(color)


def _check_color(color: Any) -> None:
    whole = isinstance(color, Sequence | np.ndarray) and not isinstance(color, str)
    if not whole or len(color) != 3 or not all(_is_byte(part) for part in color):
        raise PlanError(
            f"channel_colors has {color!r}; a colour is red, green and blue from 0 to 255, "
            "such as [255, 0, 0]"
        )


def _is_byte(part: Any) -> bool:
    whole = isinstance(part, int | np.integer) and not isinstance(part, bool)
    return whole and 0 <= int(part) <= 255


def ome_document(images: Sequence[OmeImage]) -> Any:
    """Return the ``ome_types.OME`` of `images`."""
    from ome_types import OME
    from ome_types import model as om

    entries = []
    first = 0
    for i, image in enumerate(images):
        sizes = image.order.sizes(image.shape)
        names = image.names or [f"C:{c}" for c in range(sizes["C"])]
        channels = []
        for c, name in enumerate(names):
            channel = om.Channel(id=f"Channel:{i}:{c}", name=name, samples_per_pixel=sizes["S"])
            if image.colors is not None:
                red, green, blue = map(int, image.colors[c])
                channel.color = om.Color((red, green, blue))
            channels.append(channel)
        n_planes = sizes["T"] * sizes["C"] * sizes["Z"]
        pixels = om.Pixels(
            id=f"Pixels:{i}:0",
            dimension_order=om.Pixels_DimensionOrder(image.order.letters[::-1]),
            type=om.PixelType(_ome_type(image.dtype)),
            size_t=sizes["T"],
            size_c=sizes["C"] * sizes["S"],
            size_z=sizes["Z"],
            size_y=sizes["Y"],
            size_x=sizes["X"],
            interleaved=True if image.order.is_rgb else None,
            channels=channels,
            tiff_data_blocks=[om.TiffData(ifd=first, plane_count=n_planes)],
            **_physical_sizes(image.sizes),
        )
        entries.append(om.Image(id=f"Image:{i}", name=image.name, pixels=pixels))
        first += n_planes
    return OME(creator=f"nbexport {__version__}", images=entries)


def _physical_sizes(sizes: PhysicalPixelSizes) -> dict[str, Any]:
    """Return the known ones; the unit is OME's own where none stands, micrometres."""
    return {
        f"physical_size_{letter.lower()}": size
        for letter, size in zip("ZYX", sizes, strict=True)
        if size is not None
    }


def _ome_type(dtype: np.dtype[Any]) -> str:
    name = dtype.newbyteorder("=").name
    if name not in OME_PIXEL_TYPES:
        known = ", ".join(OME_PIXEL_TYPES)
        raise PlanError(
            f"OME has no pixel type for {name}; cast the array, for example with "
            f"array.astype('float32'), to one of {known}"
        )
    return OME_PIXEL_TYPES[name]


def parsed_ome(given: Any) -> Any:
    """Return the ``ome_types.OME`` that the caller gave, or the text of.

    Raises
    ------
    PlanError
        If the text is no OME-XML.
    TypeError
        If it is neither.
    """
    from ome_types import OME

    if isinstance(given, OME):
        return given
    if not isinstance(given, str):
        raise TypeError(
            f"ome_xml is {type(given).__name__}; pass OME-XML as text, an ome_types.OME, or None"
        )
    try:
        return parse_ome(given)[0]
    except UnusableOmeError as error:
        raise PlanError(f"ome_xml can't be used: {error}") from error.__cause__


def check_ome(ome: Any, arrays: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> list[OmeOrder]:
    """Return the order of each array as `ome` says it, where it fits them.

    Raises
    ------
    PlanError
        If it does not.
    """
    if len(ome.images) != len(arrays) or not arrays:
        raise PlanError(
            f"OME has {len(ome.images) or 'no'} images, and {len(arrays)} are written; "
            "give one of each"
        )
    orders = []
    for i, (image, (shape, dtype)) in enumerate(zip(ome.images, arrays, strict=True)):
        pixels = image.pixels
        samples = (pixels.channels[0].samples_per_pixel or 1) if pixels.channels else 1
        order = OmeOrder(pixels.dimension_order.value[::-1], samples > 1)
        sizes = {letter: getattr(pixels, f"size_{letter.lower()}") for letter in "TCZYX"}
        if samples > 1:
            sizes |= {"C": len(pixels.channels), "S": samples}
        said = tuple(sizes[letter] for letter in order.dims(6))
        padded = (1,) * (len(said) - len(shape)) + shape
        if padded != said:
            raise PlanError(
                f"OME shape {said} ({order.dims(6)}) of image {i} is not the shape of the array, "
                f"{padded}; change one of them"
            )
        wanted = OME_PIXEL_TYPES.get(dtype.newbyteorder("=").name)
        if pixels.type.value != wanted:
            raise PlanError(
                f"OME pixel type {pixels.type.value} of image {i} is not the array's, "
                f"{dtype.name} ({wanted or 'none of OME'}); change one of them"
            )
        orders.append(order)
    return orders
