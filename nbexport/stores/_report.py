"""What was done."""

from __future__ import annotations

from dataclasses import dataclass

from nbexport._markup import bullets, human_nbytes, page, strong
from nbexport.plan import PyramidPlan


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WriteReport:
    """What **was** done, and each thing the format could not keep.

    Attributes
    ----------
    target
        Absolute path of what was written.
    format
        ``"ome-zarr"`` or ``"ome-tiff"``.
    plan
        What was planned and is now there.
    others
        The plans of further images at the same target: labels, the rest of a series or a plate.
    nbytes
        Bytes at the target.
    seconds
        Wall time of the export.
    notes
        What was changed or assumed on the way, a sentence each.
    losses
        What the format could not keep, a sentence each.
    """

    target: str
    format: str
    plan: PyramidPlan
    nbytes: int
    seconds: float
    others: tuple[PyramidPlan, ...] = ()
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()

    @property
    def megabytes_per_second(self) -> float:
        """Megabytes (10**6) of source pixels written a second."""
        nbytes = sum(plan.image.nbytes for plan in self._plans)
        return nbytes / 1e6 / max(self.seconds, 1e-9)

    @property
    def _plans(self) -> tuple[PyramidPlan, ...]:
        return (self.plan, *self.others)

    @property
    def _summary(self) -> str:
        nbytes = sum(plan.nbytes for plan in self._plans)
        images = f"{len(self._plans)} images, the first with " if self.others else ""
        return (
            f"{human_nbytes(self.nbytes)} on disk for {human_nbytes(nbytes)} of pixels "
            f"in {images}{len(self.plan.levels)} levels, {self.seconds:.2f} s, "
            f"{self.megabytes_per_second:.0f} MB/s"
        )

    def __repr__(self) -> str:
        lines = [f"<WriteReport {self.format} {self.target!r}: {self._summary}>"]
        lines += [f"  note: {text}" for text in self.notes]
        lines += [f"  not kept: {text}" for text in self.losses]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return page(
            strong(f"{self.format}: {self.target}"),
            page(self._summary),
            self.plan.levels_table(),
            bullets("Notes", self.notes),
            bullets("Not kept", self.losses),
        )
