"""Dims and coords to axes: names, spacing, direction, units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from nbexport.dataarray._hints import Findings, Hints
from nbexport.dataarray._unit import UnknownUnitError, parse_unit, unit_text
from nbexport.dataarray._vocabulary import AXIS_WORDS
from nbexport.errors import AxisError
from nbexport.model import AXIS_NAMES, Axis, convert, is_length, is_time

_WORD_TO_AXIS: Final = {word: axis for axis, words in AXIS_WORDS.items() for word in words}

# Positions that lie this close to an even grid, as a fraction of its step, are even.
_EVEN: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller said about the axes; it overrides what is found.

    Keys are axis names after :meth:`by_axis`.
    """

    dims: Mapping[str, str]
    scale: Mapping[str, float]
    translation: Mapping[str, float]
    units: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Where the pixels of one dim lie, as its coordinate says.

    Attributes
    ----------
    values
        One float a pixel, ascending; None where the coordinate says nothing.
    step
        From one pixel to the next; None where that is uneven, or there is one pixel.
    flipped
        The coordinate was descending.
    unit
        Unit text, None where there is none.
    start
        ISO date of the first pixel, for dates.
    """

    values: npt.NDArray[np.float64] | None = None
    step: float | None = None
    flipped: bool = False
    unit: str | None = None
    start: str | None = None


def match_dims(da: xr.DataArray, wanted: Mapping[str, str], findings: Findings) -> dict[str, str]:
    """Return the axis name of each dim that becomes an axis, in the order of the dims.

    Unknown and repeated dims are one problem that names them all and lists the known words.
    """
    matched: dict[str, str] = {}
    wrong: list[str] = []
    for key, axis in wanted.items():
        if key not in da.dims:
            wrong.append(f"dims names {key!r}, which is not a dim of this array")
        elif str(axis).lower() not in AXIS_NAMES:
            wrong.append(f"dims maps {key!r} to {axis!r}, which is no axis")
    for dim in da.dims:
        axis_name = str(wanted.get(str(dim), _WORD_TO_AXIS.get(str(dim).lower(), ""))).lower()
        chosen = any(str(a).lower() == axis_name for k, a in wanted.items() if k != dim)
        if not isinstance(dim, str):
            wrong.append(f"dim {dim!r} is no text, rename it with da.rename({{{dim!r}: 'z'}})")
        elif da.sizes[dim] == 1 and (axis_name not in AXIS_NAMES or axis_name == "s" or chosen):
            findings.notes.append(f"dim {dim!r} has one entry and was dropped")
        elif axis_name not in AXIS_NAMES:
            if str(dim) not in wanted:
                wrong.append(
                    f"dim {dim!r} of size {da.sizes[dim]} is not known (take one entry with "
                    f"da.isel({dim}=0), or say what it is with dims={{{str(dim)!r}: 'z'}})"
                )
        elif axis_name in matched.values():
            twin = next(d for d, a in matched.items() if a == axis_name)
            wrong.append(f"dims {twin!r} and {dim!r} both mean {axis_name!r}")
        else:
            matched[str(dim)] = axis_name
    if not wrong and not {"y", "x"} <= set(matched.values()):
        shown = ", ".join(repr(str(d)) for d in da.dims) or "none"
        wrong.append(f"an image needs the dims y and x, this array has {shown}")
    if wrong:
        words = "; ".join(f"{axis}: {', '.join(words)}" for axis, words in AXIS_WORDS.items())
        findings.problems.append(AxisError(f"{'; '.join(wrong)}. Known words are {words}"))
    for dim, axis_name in matched.items():
        if da.sizes[dim] != da.sizes[dim]:  # NaN
            findings.problems.append(
                AxisError(
                    f"dim {dim!r} has a length that dask does not know yet; "
                    "call da.data.compute_chunk_sizes() first"
                )
            )
        if axis_name == "s" and da.sizes[dim] not in (3, 4):
            findings.problems.append(
                AxisError(
                    f"dim {dim!r} has {da.sizes[dim]} samples; RGB has 3 and RGBA 4; "
                    f"if these are channels pass dims={{{dim!r}: 'c'}}"
                )
            )
    return matched


def read_positions(coord: xr.DataArray, dim: str, findings: Findings) -> Positions:
    """Return what the coordinate `coord` says about where the pixels of `dim` lie.

    Raises
    ------
    AxisError
        If it holds NaN, or goes up and down.
    """
    data = coord.variable.data
    values = np.asarray(getattr(data, "magnitude", data))
    if not values.size:  # the axis itself is the problem, and says so
        return Positions()
    unit = unit_text(coord)
    start = None
    if values.dtype.kind in "mM":
        bad = np.isnat(values)
        if values.dtype.kind == "M":
            start = None if bad[0] else str(np.datetime_as_string(values[0], unit="ms"))
            values = values - values[0]
        values = np.where(bad, np.nan, values / np.timedelta64(1, "ns") / 1e9)
        unit = "second"
    if values.dtype.kind not in "iuf":
        if values.dtype.kind != "O" or any(v is not None for v in values):
            findings.losses.append(
                f"coordinate {dim!r} holds no numbers (first is {values[0]!r}) and was left out; "
                f"pass scale={{{dim!r}: …}} for an even spacing"
            )
        return Positions()
    epsilon = np.finfo(values.dtype).eps if values.dtype.kind == "f" else 0.0
    values = values.astype(np.float64)
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise AxisError(
            f"coordinate {dim!r} is not a number at {n_bad} of {len(values)} pixels; drop it with "
            f"da.drop_vars({dim!r}), or pass scale={{{dim!r}: …}} to override it"
        )
    if len(values) == 1:
        return Positions(values=values, unit=unit, start=start)
    steps = np.diff(values)
    if not steps.any():
        findings.losses.append(
            f"coordinate {dim!r} is {values[0]:g} at every pixel, which says nothing about spacing"
        )
        return Positions(unit=unit, start=start)
    flipped = bool(steps[0] < 0)
    if flipped:
        values = values[::-1]
        findings.notes.append(
            f"coordinate {dim!r} descends, so pixels and coordinate were reversed along it"
        )
    if (np.diff(values) <= 0).any():
        raise AxisError(
            f"coordinate {dim!r} goes up and down, or repeats a value; sort it with "
            f"da.sortby({dim!r}), or pass scale={{{dim!r}: …}} to override it"
        )
    step = _even_step(values, float(epsilon))
    return Positions(values=values, step=step, flipped=flipped, unit=unit, start=start)


def _even_step(values: npt.NDArray[np.float64], epsilon: float = 0.0) -> float | None:
    """Return the step of `values` where they are even but for float noise, else None."""
    n = len(values)
    mean = (values[-1] - values[0]) / (n - 1)
    # 0.1 * 3 / 3 is 0.10000000000000002: the first step is what was meant where it starts at 0.
    step = float(values[1] if values[0] == 0 else f"{mean:.15g}")
    grid = values[0] + np.arange(n) * step
    # Single precision coords (tifffile's) are off by their own rounding, which grows with position.
    noise = max(_EVEN * step, 4 * epsilon * float(np.abs(values).max()))
    return step if np.abs(values - grid).max() <= noise else None


def build_axis(
    name: str,
    dim: str,
    size: int,
    found: Positions,
    hints: Hints,
    wishes: Wishes,
    findings: Findings,
) -> Axis:
    """Return the axis `name`: what the caller said, else the coordinate, else the attrs.

    Raises
    ------
    AxisError
        If the spacing or the unit is impossible.
    """
    if name in "cs":
        return Axis(name=name, size=size, calibrated=False)
    unit = _axis_unit(name, dim, found, hints, wishes, findings)
    values, step = found.values, found.step
    if name == "t" and values is None and hints.times is not None and len(hints.times) == size:
        values = np.asarray(hints.times, dtype=np.float64)
        step = _even_step(values) if size > 1 else None
    unit = unit or _own_unit(wishes.scale.get(name), name, f"scale[{name!r}]")
    if name in wishes.scale:
        scale = _number(wishes.scale[name], name, f"scale[{name!r}]", unit)
        start = _number(wishes.translation.get(name, 0.0), name, f"translation[{name!r}]", unit)
        return Axis(name=name, size=size, scale=scale, translation=start, unit=unit)
    positions = None
    scale = hints.scale.get(name, 1.0)
    start = hints.translation.get(name, 0.0)
    calibrated = name in hints.scale
    if values is not None:
        start = float(values[0])
        if size > 1:
            calibrated = True
            scale = step if step is not None else float(values[-1] - values[0]) / (size - 1)
            positions = tuple(float(v) for v in values) if step is None else None
    if name in wishes.translation:
        moved = _number(wishes.translation[name], name, f"translation[{name!r}]", unit)
        if positions is not None:
            positions = tuple(p - start + moved for p in positions)
        start = moved
    return Axis(
        name=name,
        size=size,
        scale=scale,
        translation=start,
        # A unit without a step or a position would turn "unknown" into "1 micrometer".
        unit=unit if calibrated or start else None,
        positions=positions,
        calibrated=calibrated,
    )


def _axis_unit(
    name: str, dim: str, found: Positions, hints: Hints, wishes: Wishes, findings: Findings
) -> str | None:
    wish = wishes.units.get(name)
    text = ("" if wish is None else str(wish)) or found.unit or hints.units.get(name)
    if text is None:
        return None
    try:
        unit = parse_unit(str(text))
    except UnknownUnitError:
        if name in wishes.units:
            raise AxisError(
                f"units[{name!r}]={text!r} is no unit of {'time' if name == 't' else 'length'}; "
                f"use one such as {'s' if name == 't' else 'um'!r}"
            ) from None
        findings.losses.append(
            f"unit {str(text)!r} of {dim!r} is not known and was left out, its numbers were kept; "
            f"pass units={{{name!r}: …}}"
        )
        return None
    fits = unit is None or (is_time(unit) if name == "t" else is_length(unit))
    if not fits:
        raise AxisError(
            f"unit {str(text)!r} of {dim!r} is a {'length' if name == 't' else 'time'}; axis "
            f"{name} needs a {'time' if name == 't' else 'length'}, pass units={{{name!r}: …}}"
        )
    return unit


def _own_unit(value: Any, name: str, what: str) -> str | None:
    """Return the unit that a pint quantity brings along."""
    if not hasattr(value, "magnitude"):
        return None
    kind = "time" if name == "t" else "length"
    try:
        unit = parse_unit(str(value.units))
        fits = unit is None or (is_time(unit) if name == "t" else is_length(unit))
    except UnknownUnitError:
        fits = False
    if not fits:
        raise AxisError(f"{what}={value} is no {kind}; axis {name} needs one")
    return unit


def _number(value: Any, name: str, what: str, unit: str | None) -> float:
    own = _own_unit(value, name, what)
    try:
        number = float(getattr(value, "magnitude", value))
    except (TypeError, ValueError, OverflowError):
        raise AxisError(f"{what}={value!r} is not a number; give one such as 0.65") from None
    if own is None:
        return number
    if unit is None:
        raise AxisError(f"{what}={value} has a unit, and the pixels have none; pass units={own!r}")
    return convert(number, own, unit)
