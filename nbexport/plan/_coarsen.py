"""Where the pixels of a coarser level lie, and which axes become coarser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Literal, get_args

from nbexport.errors import PlanError
from nbexport.model import Axis, ImageSpec

Step = Mapping[str, int] | Literal["isotropic"] | None
"""By how much the axes are coarsened to make the next level."""

Factors = Step | Sequence[Mapping[str, int]]
"""The same for each step, or one mapping a step."""

Method = Literal["mean", "nearest", "mode", "median", "max", "min"]
METHODS: tuple[str, ...] = get_args(Method)


def coarsen_axis(axis: Axis, factor: int, method: Method) -> Axis:
    """Return `axis` after every `factor` pixels became one.

    Parameters
    ----------
    axis
        The finer axis.
    factor
        Pixels merged into one, at least 1.
    method
        ``"nearest"`` keeps the first pixel of each block; all others stand for the whole block.

    Returns
    -------
    Axis
        ``axis.size // factor`` pixels, each ``factor * scale`` apart, in the same unit. A trailing
        partial block is dropped, so that every pixel stands for a whole block and its position is
        exact. An axis shorter than `factor` comes back as it is.

    Notes
    -----
    The centre of a block of ``f`` pixels lies ``(f - 1) / 2`` fine pixels after its first one, so
    a mean moves the origin; a pick does not. Source: OME-NGFF 0.6, "coordinate convention": the
    centre of a pixel, not its corner, is at its index.

    Examples
    --------
    >>> x = Axis(name="x", size=9, scale=0.5, translation=10.0, unit="micrometer")
    >>> half = coarsen_axis(x, 2, "mean")
    >>> half.size, half.scale, half.translation
    (4, 1.0, 10.25)
    >>> coarsen_axis(x, 2, "nearest").translation
    10.0
    """
    if factor == 1 or axis.size < factor:
        return axis
    size = axis.size // factor
    shift = 0.0 if method == "nearest" else (factor - 1) / 2 * axis.scale
    positions = None
    if axis.positions is not None:
        blocks = (axis.positions[i * factor : (i + 1) * factor] for i in range(size))
        positions = tuple(b[0] if method == "nearest" else sum(b) / factor for b in blocks)
    return replace(
        axis,
        size=size,
        scale=axis.scale * factor,
        translation=axis.translation + shift,
        positions=positions,
    )


def step_factors(axes: tuple[Axis, ...], factors: Step) -> tuple[int, ...]:
    """Return by how much each of `axes` is coarsened to make the next level.

    Parameters
    ----------
    axes
        The axes of the finer level.
    factors
        Axis name to factor; ``"isotropic"``: 2 along the space axes that
        are sampled finest, until all are alike; None: 2 along y and x, and along z only while it
        is sampled at least as finely as both.

    Returns
    -------
    tuple of int
        One factor an axis; 1 where the axis stays, also where it is shorter than its factor.
    """
    by_name = {axis.name: axis for axis in axes}
    if factors is None:
        wanted = {"y": 2, "x": 2}
        z, y, x = by_name.get("z"), by_name["y"], by_name["x"]
        comparable = z is not None and all(a.calibrated and a.unit == z.unit for a in (z, y, x))
        if z is not None and comparable and z.scale <= min(y.scale, x.scale) * (1 + 1e-6):
            wanted["z"] = 2
    elif factors == "isotropic":
        space = [a for a in axes if a.type == "space" and a.size > 1]
        finest = min((a.scale for a in space), default=1.0)
        # Within a factor of sqrt(2) of the finest: one more step would not bring it closer.
        wanted = {a.name: 2 for a in space if a.scale <= finest * sqrt(2)}
    else:
        wanted = dict(factors)
    result = []
    for axis in axes:
        factor = wanted.get(axis.name, 1)
        result.append(factor if axis.size >= factor else 1)
    return tuple(result)


def check_factors(image: ImageSpec, factors: object) -> None:
    """Raise PlanError unless `factors` is None, ``"isotropic"`` or fits the axes of `image`."""
    if factors is None or (isinstance(factors, str) and factors == "isotropic"):
        return
    if isinstance(factors, Sequence) and not isinstance(factors, str):
        for step in factors:
            if not isinstance(step, Mapping):
                raise PlanError(
                    f"factors has the step {step!r}; give a mapping a step, such as "
                    "factors=[{'y': 2, 'x': 2}, {'z': 2, 'y': 2, 'x': 2}]"
                )
            check_factors(image, step)
        return
    if not isinstance(factors, Mapping):
        raise PlanError(
            f"factors={factors!r} is not understood; give a factor by axis such as "
            "factors={'y': 2, 'x': 2}, or 'isotropic'"
        )
    for name, factor in factors.items():
        if name not in image.dims or name in "cs":
            known = ", ".join(d for d in image.dims if d not in "cs")
            raise PlanError(
                f"factors names axis {name!r}; this image can be coarsened along {known}"
            )
        if not isinstance(factor, int) or isinstance(factor, bool) or factor < 1:
            raise PlanError(
                f"factors[{name!r}]={factor!r} is not a whole number of at least 1; 2 is usual"
            )
