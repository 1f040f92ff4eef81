"""A target is not what its own pixels are read from."""

from __future__ import annotations

from collections.abc import Iterable

from nbexport.dataarray import PixelSource, zarr_arrays
from nbexport.errors import PlanError
from nbexport.stores import ZarrTarget


def check_not_own(target: ZarrTarget, sources: Iterable[PixelSource]) -> None:
    """Raise PlanError where one of `sources` would be removed before it is read."""
    for source in sources:
        if any(map(target.loses, zarr_arrays(source.as_dataarray()))):
            raise PlanError(
                f"'{target}' is what the pixels are read from, and a URL can't be replaced while "
                "it is read; write to another target, or da.load() first"
            )
