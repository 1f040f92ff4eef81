"""HTML for notebook reprs: everything is escaped unless it was made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """Text that is HTML already; all other text is escaped on its way in."""

    __slots__ = ()


def markup(value: object) -> Markup:
    """Return `value` as HTML: escaped, unless it is :class:`Markup`."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def swatch(color: str) -> Markup:
    """Return a small square filled with `color` (``"RRGGBB"``) and the code beside it."""
    code = escape(color)
    box = "display:inline-block;width:0.9em;height:0.9em;border:1px solid #888;vertical-align:-1px"
    return Markup(f'<span style="{box};background:#{code}" title="#{code}"></span> {code}')


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """Return an HTML table; cells are left-aligned, as names and numbers with units read best."""
    style = ' style="text-align:left"'
    top = "".join(f"<th{style}>{markup(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td{style}>{markup(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return Markup(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")


def bullets(title: str, items: Iterable[object]) -> Markup:
    """Return a titled list, or nothing where there are no items."""
    lines = "".join(f"<li>{markup(item)}</li>" for item in items)
    return Markup(f"<div><b>{markup(title)}</b><ul>{lines}</ul></div>") if lines else Markup("")


def page(title: object, *parts: Markup) -> Markup:
    """Return a block with `title` above `parts`."""
    return Markup(f'<div class="nbexport"><div>{markup(title)}</div>{"".join(parts)}</div>')


def strong(value: object) -> Markup:
    """Return `value` in bold."""
    return Markup(f"<b>{markup(value)}</b>")


def human_nbytes(nbytes: float) -> str:
    """Return a byte count as people read it, in powers of 1024.

    Examples
    --------
    >>> human_nbytes(512), human_nbytes(1536), human_nbytes(3 * 1024**3)
    ('512 B', '1.5 KiB', '3.0 GiB')
    """
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    power = 0
    while nbytes >= 1024 and power < len(units) - 1:
        nbytes /= 1024
        power += 1
    return f"{nbytes:.0f} {units[0]}" if power == 0 else f"{nbytes:.1f} {units[power]}"
