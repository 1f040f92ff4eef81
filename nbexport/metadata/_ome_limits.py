"""What OME-XML can hold; apart from the XML itself, since ome-types takes 0.5 s to import."""

from __future__ import annotations

import re
from typing import Final

from nbexport.model import OME_SYMBOLS

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

SYMBOL_UNITS: Final = {symbol: name for name, symbol in OME_SYMBOLS.items()}
"""OME-XML symbol to NGFF unit name."""

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_legal_text(text: str) -> bool:
    """Return whether XML 1.0 can hold `text`."""
    return _NOT_XML.search(text) is None


def legal_text(text: str) -> str:
    """Return `text` with what XML 1.0 can't hold replaced by U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)
