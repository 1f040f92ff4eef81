"""OME metadata that came with the pixels, and which part of it they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Kept = Sequence[int] | None
"""Indices in the source of what remains along one axis, ascending; None: not known which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOme:
    """OME metadata of the file that the pixels come from, or that the caller gave.

    Attributes
    ----------
    document
        An ``ome_types.OME``; never changed.
    index
        Which of its images.
    kept
        (axis name, indices) of ``t c z y x``: what of the source remains, as far as known.
    given
        True where the caller gave it for exactly these pixels: it is then written as it is.
    """

    document: Any = field(hash=False, repr=False)
    index: int
    kept: tuple[tuple[str, range | tuple[int, ...] | None], ...] = ()
    given: bool = False

    @property
    def image(self) -> Any:
        """The ``ome_types.model.Image``."""
        return self.document.images[self.index]

    def along(self, axis: str) -> Kept:
        """Return which indices of the source remain along `axis`, None where it isn't known."""
        return dict(self.kept).get(axis)
