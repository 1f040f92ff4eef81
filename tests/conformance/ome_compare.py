"""Two OME documents, element by element: what the second says otherwise than the first."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import pint
from ome_types import model as om

UNITS = pint.UnitRegistry()
UNITS.define("reference_frame = [reference]")

Difference = tuple[str, Any, Any]
"""(Element.field, before, after)"""


def differences(before: Any, after: Any, leave: Container[str] = ()) -> Iterator[Difference]:
    """Yield each attribute and element of `before` and `after` that isn't the same in both.

    Parameters
    ----------
    before, after
        Of the same class.
    leave
        ``Element.field`` names that aren't compared.

    Values with units are compared as quantities; what the schema fills in isn't compared.
    """
    kind = type(before).__name__
    for name in type(before).model_fields:
        if name.endswith("_unit") or name == "kind":
            continue
        old, new = (_said(element, name) for element in (before, after))
        where = f"{kind}.{name}"
        if where in leave:
            continue
        if isinstance(old, list) or isinstance(new, list):
            old, new = old or [], new or []
            if len(old) != len(new):
                yield where, old, new
                continue
            for one, other in zip(old, new, strict=True):
                yield from _compared(where, one, other, leave)
        elif f"{name}_unit" in type(before).model_fields and None not in (old, new):
            if not _same_amount(before, after, name):
                yield where, old, new
        else:
            yield from _compared(where, old, new, leave)


def _said(element: Any, name: str) -> Any:
    """Return what the document says, not what the schema fills in."""
    value = getattr(element, name)
    if name in element.model_fields_set or isinstance(value, list):
        return value
    return None


def _compared(where: str, old: Any, new: Any, leave: Container[str]) -> Iterator[Difference]:
    if type(old) is not type(new):
        yield where, old, new
    elif hasattr(type(old), "model_fields") and hasattr(old, "to_xml"):
        yield from differences(old, new, leave)
    elif old != new:
        yield where, old, new


def _same_amount(before: Any, after: Any, name: str) -> bool:
    (old, old_unit), (new, new_unit) = (
        (float(getattr(e, name)), getattr(e, f"{name}_unit").value) for e in (before, after)
    )
    if old_unit == new_unit:
        return old == new
    wanted = UNITS.Quantity(old, _pint(old_unit)).to(_pint(new_unit)).magnitude
    return abs(wanted - new) <= 1e-12 * abs(new)


def _pint(unit: str) -> str:
    return {"reference frame": "reference_frame", "Å": "angstrom"}.get(unit, unit)


def loose_ends(ome: om.OME) -> set[str]:
    """Return the ids that are referred to and not there."""
    there: set[str] = set()
    wanted: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, list):
            for part in value:
                walk(part)
        elif isinstance(value, om.Reference):
            wanted.add(value.id)
        elif hasattr(type(value), "model_fields"):
            if getattr(value, "id", None):
                there.add(value.id)
            for name in type(value).model_fields:
                walk(getattr(value, name))

    walk(ome)
    return wanted - there
