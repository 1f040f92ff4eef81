"""What attrs say, whoever wrote them, in one form; and the list of what was found wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nbexport.dataarray._unit import unit_text
from nbexport.errors import DescribeError, ExportError
from nbexport.model import SourceOme


@dataclass(slots=True)
class Hints:
    """Metadata of the pixels that stand in attrs instead of coords.

    Attributes
    ----------
    name
        Name of the image.
    scale, translation
        By axis name, in `units`.
    units
        Unit text by axis name; for coords too, where they have none of their own.
    times
        Time of every frame, in ``units["t"]``.
    channels
        One dict a channel: `label`, `color`, `emission_nm`, … as far as known.
    acquired
        ISO 8601 date.
    uncalibrated
        Axes whose coords only number the pixels.
    used
        Keys of attrs that are understood, or are the raw form of what is.
    source_ome
        OME metadata of the file.
    notes
        Assumptions, a sentence each.
    losses
        What could not be understood, a sentence each.
    """

    name: str | None = None
    scale: dict[str, float] = field(default_factory=dict)
    translation: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    times: tuple[float, ...] | None = None
    channels: list[dict[str, Any]] = field(default_factory=list)
    acquired: str | None = None
    uncalibrated: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    source_ome: SourceOme | None = None
    notes: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


class Findings:
    """Problems, notes and losses, gathered while a DataArray is read."""

    def __init__(self) -> None:
        self.problems: list[ExportError] = []
        self.notes: list[str] = []
        self.losses: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an ExportError of the block for later, so that others are found too."""
        try:
            yield
        except DescribeError as error:
            self.problems += error.problems
        except ExportError as error:
            self.problems.append(error)

    def raise_all(self, subject: str) -> None:
        """Raise what was found wrong: the one error itself, or all of them together."""
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            raise DescribeError(subject, self.problems)


def bare_numbers(da: xr.DataArray, dim: str) -> npt.NDArray[np.float64] | None:
    """Return the coordinate of `dim` where it is numbers without a unit, else None."""
    if dim not in da.coords:
        return None
    coord = da.coords[dim]
    if hasattr(coord.variable._data, "magnitude") or coord.dtype.kind not in "iuf":
        return None
    if unit_text(coord):
        return None
    return np.asarray(coord.values, dtype=np.float64)


def steps_by(da: xr.DataArray, dim: str, step: float) -> bool:
    """Return whether the coordinate of `dim` is a reader's own: even steps of `step`, no unit.

    Readers number the pixels where they know nothing. What the caller assigned has other steps or
    a unit, and counts.
    """
    values = bare_numbers(da, dim)
    return values is not None and bool(np.allclose(np.diff(values), step, rtol=1e-4))
