"""What the user does, as pure functions from state to state."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final

from nbexport.errors import ExportError, PlanError
from nbexport.panels._options import FIELDS, parse_option
from nbexport.panels._state import FORMATS, SUFFIXES, PanelState, format_of, renamed

Action = Mapping[str, Any]
_COLOR: Final = re.compile(r"#?([0-9A-Fa-f]{6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What an action must fit: axis lengths and the number of channels."""

    sizes: tuple[tuple[str, int], ...] = ()
    n_channels: int = 0


def reduce(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    """Return `state` after `action`: a mapping with the action's name as ``type`` and its values.

    Raises
    ------
    PlanError
        If the action makes no sense; the text says why.

    Examples
    --------
    >>> reduce(PanelState(), {"type": "level", "value": 2}, Bounds()).level
    2
    """
    kind = action.get("type")
    function = _ACTIONS.get(str(kind))
    if function is None:
        raise PlanError(f"action {kind!r} is not known; known: {', '.join(_ACTIONS)}")
    try:
        return function(state, action, bounds)
    except ExportError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise PlanError(f"action {kind!r} with {dict(action)!r} makes no sense: {error}") from error


def _index(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    axis = str(action["axis"])
    size = _size(axis, bounds)
    value = min(max(int(action["value"]), 0), size - 1)
    return state.with_pair("index", axis, value or None)


def _level(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    value = action["value"]
    return replace(state, level=None if value is None else max(int(value), 0))


def _channel(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    number = int(action["channel"])
    if not 0 <= number < bounds.n_channels:
        raise PlanError(f"channel {number} does not exist; there are {bounds.n_channels}")
    field, value = str(action["field"]), action["value"]
    if field == "color" and value is not None:
        match = _COLOR.fullmatch(str(value))
        if match is None:
            raise PlanError(f"color {value!r} is not a colour; give six digits such as '00FF00'")
        value = match[1].upper()
    if field == "window" and value is not None:
        value = tuple(float(v) for v in value)
    if field == "active" and value is not None:
        value = bool(value)
    if field == "label" and value is not None:
        value = str(value)
    return state.with_channel(number, **{field: value})


def _format(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    value = action["value"]
    if value not in FORMATS:
        raise PlanError(f"format={value!r} is not known; use one of {', '.join(FORMATS)}")
    target = None if state.target is None else renamed(state.target, value)
    return replace(state, format=value, target=target, overwrite=False)


def _target(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    target = str(action["value"]).strip() or None
    ends = format_of(target) if target else None
    if target is None or ends is None or target.lower().endswith(SUFFIXES[state.format]):
        ends = state.format
    return replace(state, target=target, format=ends, overwrite=False)


def _overwrite(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    return replace(state, overwrite=bool(action["value"]))


def _option(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    name = str(action["name"])
    field = next((f for f in FIELDS[state.format] if f.name == name), None)
    if field is None:
        raise PlanError(f"{state.format} has no option {name!r}")
    return state.with_option(name, parse_option(field, action["value"]))


def _crop(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    axis, value = str(action["axis"]), action["value"]
    if value is None:
        return state.with_pair("crop", axis, None)
    size = _size(axis, bounds)
    start, stop = (min(max(int(v), 0), size) for v in value)
    if start >= stop:
        raise PlanError(f"crop of {axis!r} is {start} to {stop}; it must hold at least one pixel")
    return state.with_pair("crop", axis, None if (start, stop) == (0, size) else (start, stop))


def _keep(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    value = action["value"]
    kept = tuple(range(bounds.n_channels)) if value is None else tuple(sorted(map(int, value)))
    if not kept:
        raise PlanError("no channel is left to write; keep at least one")
    if kept[0] < 0 or kept[-1] >= bounds.n_channels:
        raise PlanError(f"channels {kept} are not all there; there are {bounds.n_channels}")
    return replace(state, kept=None if len(kept) == bounds.n_channels else kept)


def _name(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    return replace(state, name=str(action["value"] or "").strip() or None)


def _scale(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    value = action["value"]
    if value is not None:
        value = float(value)
        if not (isfinite(value) and value > 0):
            raise PlanError(f"scale {value} of {action['axis']!r} must be a positive number")
    return state.with_pair("scale", str(action["axis"]), value)


def _units(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    return state.with_pair("units", str(action["axis"]), str(action["value"] or "").strip() or None)


def _dims(state: PanelState, action: Action, bounds: Bounds) -> PanelState:
    return state.with_pair("dims", str(action["dim"]), str(action["value"] or "") or None)


def _size(axis: str, bounds: Bounds) -> int:
    size = dict(bounds.sizes).get(axis)
    if size is None or axis in "cs":
        raise PlanError(f"there is no axis {axis!r} to choose from")
    return size


_ACTIONS: Final[dict[str, Callable[[PanelState, Action, Bounds], PanelState]]] = {
    "index": _index,
    "level": _level,
    "channel": _channel,
    "format": _format,
    "target": _target,
    "overwrite": _overwrite,
    "option": _option,
    "crop": _crop,
    "keep": _keep,
    "name": _name,
    "scale": _scale,
    "units": _units,
    "dims": _dims,
}
