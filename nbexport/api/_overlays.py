"""What people want written onto frames, as overlays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from nbexport.dataarray._color import parse_color
from nbexport.dataarray._unit import UnknownUnitError, parse_unit
from nbexport.errors import PlanError
from nbexport.model import is_length
from nbexport.plan import (
    USUAL_CORNERS,
    FramePlan,
    Overlay,
    OverlayKind,
    pixel_length,
    seconds,
    time_texts,
)
from nbexport.plan import scale_bar as plan_scale_bar

Corners = str | Mapping[str, str] | None

_LENGTH: Final = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(\S+)\s*")


def parse_ink(option: str, color: object) -> str:
    """Return ``"RRGGBB"`` for the value of an option that is a colour."""
    try:
        return parse_color(color)
    except (TypeError, ValueError, OverflowError):
        raise PlanError(
            f"{option}={color!r} is no colour; use a name such as 'white', or '#RRGGBB'"
        ) from None


def wish_overlays(
    plan: FramePlan,
    *,
    scale_bar: bool | str,
    timestamp: bool,
    legend: bool,
    text: str | None,
    corner: Corners,
    color: str,
    named_in: Sequence[str | None],
) -> tuple[Overlay, ...]:
    """Return the overlays that are wished for; `named_in` are the colours of the channels."""
    for word, value in (("timestamp", timestamp), ("legend", legend)):
        if not isinstance(value, bool):
            raise PlanError(f"{word}={value!r} is neither True nor False")
    ink = parse_ink("overlay_color", color)
    corners = _corners(corner)

    def overlay(
        kind: OverlayKind,
        lines: Sequence[tuple[str, str]],
        texts: Sequence[str] = (),
        length: float = 0.0,
    ) -> Overlay:
        return Overlay(
            kind=kind,
            corner=corners[kind],
            color=ink,
            lines=tuple(lines),
            texts=tuple(texts),
            length=length,
        )

    found = []
    if timestamp:
        texts = times_shown(plan, "timestamp=True")
        moving = plan.along == "t"
        found.append(overlay("timestamp", () if moving else [(texts[0], ink)], texts * moving))
    if legend:
        if plan.image.kind != "intensity":
            raise PlanError(
                f"legend=True needs channels, which {plan.image.kind} has not; leave it out"
            )
        labels = [plan.image.channels[i].label for i in plan.channels]
        if plan.along == "c":
            found.append(overlay("legend", (), labels))
        else:
            inks = [ink if c is None else c for c in named_in]
            found.append(overlay("legend", list(zip(labels, inks, strict=True))))
    if text is not None:
        if not isinstance(text, str) or not text.strip():
            raise PlanError(f"text={text!r} is no text; leave it out")
        found.append(overlay("text", [(line, ink) for line in text.splitlines()]))
    if scale_bar is not False:
        axis = plan.image.axis("x")
        assert axis is not None
        scale, unit = pixel_length(axis)
        wish = None if scale_bar is True else parse_length(scale_bar)
        words, length = plan_scale_bar(plan.size[0], scale * axis.size / plan.size[0], unit, wish)
        found.append(overlay("scale_bar", [(words, ink)], length=length))
    return tuple(found)


def times_shown(plan: FramePlan, word: str) -> tuple[str, ...]:
    """Return the time of every frame (of the one entry of t, where that is shown), as text."""
    axis = plan.image.axis("t")
    if axis is None or "t" in dict(plan.project):
        raise PlanError(
            f"{word} needs the time of every frame, and "
            + ("this image has no time axis" if axis is None else "t is projected")
            + "; leave it out"
        )
    texts = time_texts(seconds(axis, word))
    return texts if plan.along == "t" else (texts[dict(plan.sel)["t"]],)


def _corners(wish: Corners) -> dict[str, str]:
    if wish is None:
        return dict(USUAL_CORNERS)
    if isinstance(wish, str):
        return dict.fromkeys(USUAL_CORNERS, wish)
    if not isinstance(wish, Mapping):
        raise PlanError(
            f"corner={wish!r} is not understood; use 'bottom right', or {{'legend': 'top left'}}"
        )
    for key in wish:
        if key not in USUAL_CORNERS:
            raise PlanError(f"corner names {key!r}; it can name {', '.join(USUAL_CORNERS)}")
    return USUAL_CORNERS | dict(wish)


def parse_length(wish: object) -> tuple[float, str]:
    """Return the number and the unit of a length as people write it, such as ``"10 um"``."""
    found = _LENGTH.fullmatch(wish) if isinstance(wish, str) else None
    unit = None
    if found:
        try:
            unit = parse_unit(found[2])
        except UnknownUnitError:
            unit = None
    if found is None or not is_length(unit) or float(found[1]) <= 0:
        raise PlanError(f"scale_bar={wish!r} is no length; write it as '10 um', or True")
    assert unit is not None
    return float(found[1]), unit
