"""OME-XML as text, which may come from anywhere, to ome-types."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import Any, Final
from xml.parsers import expat

from nbexport.errors import PlanError

_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]*\?>")


class UnusableOmeError(PlanError):
    """OME-XML that can't be read, or must not be."""


# Kept: ids that OME forbids get new ones from a counter, which would differ from export to export.
@lru_cache(maxsize=8)
def parse_ome(text: str) -> tuple[Any, tuple[str, ...]]:
    """Return the ``ome_types.OME`` of `text`, and what ome-types had to change.

    Text with a DTD is refused before anything of it is expanded: there entities are declared, which
    can grow without bound or read other files, and no honest OME-XML has one.

    Raises
    ------
    UnusableOmeError
        If it has a DTD, is no XML, or no OME-XML.
    """
    # The encoding it declares is that of a file; text is decoded already, and has none.
    plain = _DECLARATION.sub("", text, count=1).strip().encode("utf-8", errors="replace")
    _refuse_dtd(plain)
    from ome_types import OME, from_xml

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ome = from_xml(plain)
        except Exception as error:
            reason = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
            raise UnusableOmeError(
                f"this OME-XML can't be read ({reason[0][:200]}); ome_types.from_xml must take it"
            ) from error
    if not isinstance(ome, OME):
        raise UnusableOmeError(f"this XML is <{type(ome).__name__}>, not a whole <OME> document")
    changes = dict.fromkeys(str(w.message).splitlines()[0] for w in caught)
    return ome, tuple(changes)


def _refuse_dtd(plain: bytes) -> None:
    def stop(name: str, *_: object) -> None:
        raise UnusableOmeError(
            f"this OME-XML has a DTD (<!DOCTYPE {name}>), which can declare entities that grow "
            "without bound or read other files; remove it, OME-XML needs none"
        )

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = stop
    try:
        parser.Parse(plain, True)
    except expat.ExpatError as error:
        raise UnusableOmeError(f"this is not XML ({error}); pass a whole <OME> document") from None
