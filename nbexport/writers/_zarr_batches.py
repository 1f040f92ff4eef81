"""A store that is filled by batches of time points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import lcm, prod
from typing import TYPE_CHECKING, Any, Final

import dask.array as dask_array
import numpy as np
import numpy.typing as npt
import xarray as xr

from nbexport.api._region import write_part
from nbexport.errors import PlanError
from nbexport.pixels import pick
from nbexport.plan import PyramidPlan
from nbexport.writers._zarr_levels import DIMS, DimTuple

if TYPE_CHECKING:
    from nbexport.stores.ome_zarr import StoredPyramid

# As many pixels a channel are kept to find display windows from.
_MAX_SAMPLE: Final = 2**20


@dataclass
class OpenBatches:
    """A store that is filled by batches of time points.

    Attributes
    ----------
    plan
        Of all levels.
    shapes, chunks
        Of the levels, as they were wished for.
    pyramids
        See :func:`nbexport.api._stated.prepare_stated`.
    version
        Of OME-NGFF.
    samples
        (channel, pixels) of the coarsest level, as far as it was written.
    """

    plan: PyramidPlan
    shapes: list[DimTuple]
    chunks: list[DimTuple]
    pyramids: Sequence[StoredPyramid]
    version: str
    samples: list[tuple[int, npt.NDArray[Any]]] = field(default_factory=list)

    @property
    def _step(self) -> int:
        """Time points that are written at once, by all levels together."""
        return lcm(*(level.chunks[0] for level in self.plan.levels))

    def batches(self, start: int, stop: int, tbatch: int) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of batches that end where chunks do."""
        length = -(-tbatch // self._step) * self._step
        while start < stop:
            end = min(start // self._step * self._step + length, stop)
            yield start, end
            start = end

    def write(self, pixels: Any, start: int) -> None:
        """Write TCZYX `pixels` from time point `start` on, on all levels."""
        if pixels.shape[1:] != self.shapes[0][1:]:
            raise PlanError(
                f"the pixels have shape {tuple(pixels.shape)} and the store {self.shapes[0]}, "
                "TCZYX; only T may differ"
            )
        pixels, start = self._with_whole_chunks(pixels, start)
        samples: list[tuple[int, npt.NDArray[Any]]] = []
        for i, pyramid in enumerate(self.pyramids):
            if i > 0:
                finer = self.pyramids[i - 1]
                total = [prod(f) for f in zip(*(lv.factors for lv in finer.levels), strict=True)]
                # The last level of the finer pyramid, which picks pixels too.
                last = finer.levels[-1].shape[1:]
                pixels = pixels[tuple(slice(None, None, f) for f in total)]
                pixels = pixels[(slice(None), *map(slice, last))]
                pixels = pick(pixels, (pixels.shape[0], *pyramid.levels[0].shape[1:]))
            write_part(
                xr.DataArray(pixels, dims=DIMS),
                pyramid,
                {"t": slice(start, start + pixels.shape[0])},
                progress=False,
                workers=None,
                client=None,
                memory_budget="1 GiB",
                about={"kind": "intensity"},
                samples=samples if i == len(self.pyramids) - 1 else None,
            )
        self._keep(samples)

    def _with_whole_chunks(self, pixels: Any, start: int) -> tuple[Any, int]:
        """Return `pixels` with those time points of the store that share a chunk with them."""
        step, n_there = self._step, self.shapes[0][0]
        stop = start + pixels.shape[0]
        first = start // step * step
        end = min(-(-stop // step) * step, n_there)
        if (first, end) == (start, stop):
            return pixels, start
        there = self.pyramids[0].arrays[0]
        before, after = there[first:start], there[stop:end]
        join = np.concatenate if isinstance(pixels, np.ndarray) else dask_array.concatenate
        return join([before, pixels, after]), first

    def _keep(self, samples: list[tuple[int, npt.NDArray[Any]]]) -> None:
        """Add to the samples, and thin them where they become many."""
        self.samples += [(channel, values.ravel()) for channel, values in samples]
        while sum(values.size for _, values in self.samples) > _MAX_SAMPLE * self.shapes[0][1]:
            self.samples = [(c, values[::2].copy()) for c, values in self.samples]
