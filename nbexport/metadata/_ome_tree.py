"""OME elements as a tree: what they define, what they refer to, and copies without loose ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from ome_types import model as om

Element = Any
"""Any element of ``ome_types.model``."""


def children(element: Element) -> Iterator[Element]:
    """Yield the elements that lie directly in `element`."""
    for name in type(element).model_fields:
        value = getattr(element, name)
        for part in value if isinstance(value, list) else (value,):
            if hasattr(type(part), "model_fields"):
                yield part


def within(element: Element) -> Iterator[Element]:
    """Yield `element` and all that lies in it, itself first."""
    yield element
    for part in children(element):
        yield from within(part)


def defined(element: Element) -> set[str]:
    """Return the ids that `element` and its parts define."""
    return {
        part.id
        for part in within(element)
        if not isinstance(part, om.Reference) and getattr(part, "id", None)
    }


def referred(element: Element) -> set[str]:
    """Return the ids that `element` and its parts refer to."""
    return {part.id for part in within(element) if isinstance(part, om.Reference)}


def copied(element: Element, known: Set[str], renamed: Mapping[str, str]) -> Element | None:
    """Return a copy of `element` that refers to nothing but `known` ids, under their new names.

    References to other ids are left out, and with them what can't stand without; None where that
    is `element` itself.
    """
    if isinstance(element, om.Reference) and element.id not in known:
        return None
    copy = element.model_copy()
    for name, field in type(element).model_fields.items():
        value = getattr(element, name)
        if isinstance(value, list):
            parts = [_copied_part(part, known, renamed) for part in value]
            copy.__dict__[name] = left = [part for part in parts if part is not None]
            least = max((getattr(rule, "min_length", 0) for rule in field.metadata), default=0)
            if len(left) < min(least, len(value)):
                return None
        elif value is not None:
            copy.__dict__[name] = part = _copied_part(value, known, renamed)
            if part is None and field.is_required():
                return None
    if getattr(copy, "id", None):
        copy.__dict__["id"] = renamed.get(copy.id, copy.id)
    return copy


def _copied_part(part: Element, known: Set[str], renamed: Mapping[str, str]) -> Element | None:
    is_element = hasattr(type(part), "model_fields") and hasattr(part, "to_xml")
    return copied(part, known, renamed) if is_element else part
