"""What OME-XML can't hold; apart from the XML itself, since ome-types takes 0.5 s to import."""

from __future__ import annotations

import re
from typing import Final

from nbexport.model import ImageSpec

OME_PIXEL_TYPES: Final = {
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
    "complex64": "complex",
    "complex128": "double-complex",
}
"""NumPy pixel type to OME's; what is not here OME-TIFF can't hold."""

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def ome_losses(image: ImageSpec) -> tuple[str, ...]:
    """Return what OME-XML can't say of `image`, a sentence each."""
    losses = []
    for axis in image.axes:
        if axis.positions is not None and axis.name in "yx":
            losses.append(
                f"positions along {axis.name} are uneven; OME-XML says one step, {axis.scale:.6g}"
            )
        if axis.name == "t" and axis.unit is None and (axis.calibrated or axis.translation):
            losses.append(
                f"the time step {axis.scale:.6g} has no unit and OME-XML needs one; "
                "pass units={'t': 's'}"
            )
    texts = [image.name, *(c.label for c in image.channels), *(c.fluor for c in image.channels)]
    texts += [part for pair in image.attributes for part in pair]
    if any(text and _NOT_XML.search(text) for text in texts):
        losses.append(
            "control characters in names or attributes were replaced: XML can't hold them"
        )
    return tuple(losses)


def legal_text(text: str) -> str:
    """Return `text` with what XML 1.0 can't hold replaced by U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)
