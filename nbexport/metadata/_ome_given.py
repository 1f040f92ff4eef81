"""OME metadata that the caller gave: checked against the pixels, and pointed at this file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from nbexport.metadata._ome_limits import OME_PIXEL_TYPES
from nbexport.metadata._ome_planes import given_planes
from nbexport.model import ImageSpec


def ome_disagreements(image: Any, sizes: dict[str, int], dtype: str) -> tuple[str, ...]:
    """Return where an ``ome_types.model.Image`` contradicts pixels, a clause each.

    Parameters
    ----------
    image
        As the caller gave it.
    sizes
        Axis name to length.
    dtype
        NumPy name of the type that is written.
    """
    pixels = image.pixels
    channels, samples = sizes.get("c", 1), sizes.get("s", 1)
    found = [
        f"Size{name.upper()} is {said}, the pixels have {name}={sizes.get(name, 1)}"
        for name in "xyzt"
        if (said := getattr(pixels, f"size_{name}")) != sizes.get(name, 1)
    ]
    if pixels.size_c != channels * samples:
        times = f" of {samples} samples" if samples > 1 else ""
        found.append(f"SizeC is {pixels.size_c}, the pixels have {channels} channels{times}")
    if pixels.type.value != OME_PIXEL_TYPES.get(dtype):
        wanted = OME_PIXEL_TYPES.get(dtype, "none of OME's types")
        found.append(f"Type is {pixels.type.value}, the pixels are {dtype} ({wanted})")
    said_samples = [c.samples_per_pixel or 1 for c in pixels.channels] or [1]
    wrong = [n for n in said_samples if n != samples]
    if wrong:
        found.append(f"SamplesPerPixel is {wrong[0]}, the pixels have {samples}")
    if pixels.channels and len(pixels.channels) != channels:
        n_said = len(pixels.channels)
        found.append(f"there are {n_said} Channel elements, the pixels have c={channels}")
    return tuple(found)


def plane_order(image: ImageSpec) -> str:
    """Return in which order the planes of `image` are stored, slowest first: ``tcz``, ``tzc``, ….

    OME metadata that the caller gave decides by its DimensionOrder.
    """
    source = image.source_ome
    if source is None or not source.given:
        return "tcz"
    order: str = source.image.pixels.dimension_order.value
    return order[:1:-1].lower()


def given_document(images: Sequence[ImageSpec]) -> tuple[Any, list[Iterable[str]]]:
    """Return the ``ome_types.OME`` that was given for `images`, and the Plane elements of each.

    Only what says where pixels lie is new: TiffData, and nothing of BinData, UUIDs of other files
    and byte order.
    """
    from ome_types import model as om

    entries = []
    first_ifd = 0
    planes: list[Iterable[str]] = []
    document: Any = None
    for image in images:
        source = image.source_ome
        assert source is not None
        document = source.document
        sizes = image.sizes
        n_planes = sizes.get("t", 1) * sizes.get("c", 1) * sizes.get("z", 1)
        theirs = source.image.pixels
        pixels = theirs.model_copy(
            update={
                "planes": [],
                "bin_data_blocks": [],
                "metadata_only": None,
                "tiff_data_blocks": [om.TiffData(ifd=first_ifd, plane_count=n_planes)],
            }
        )
        pixels.model_fields_set.discard("metadata_only")
        if theirs.big_endian is not None:
            pixels = pixels.model_copy(update={"big_endian": sys.byteorder == "big"})
        if sizes.get("s", 1) > 1:
            pixels = pixels.model_copy(update={"interleaved": True})
        entries.append(source.image.model_copy(update={"pixels": pixels}))
        planes.append(given_planes(theirs.planes))
        first_ifd += n_planes
    return document.model_copy(update={"images": entries}), planes
