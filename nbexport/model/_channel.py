"""How one channel is named and shown."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nbexport.errors import ChannelError

_HEX = re.compile(r"[0-9A-F]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How one channel is named and shown, in OMERO's words.

    Attributes
    ----------
    label
        Any text; duplicates are allowed.
    color
        ``"RRGGBB"``, upper-case hexadecimal without ``#``.
    window
        Displayed range as (start, end) in pixel values; None: computed while writing.
    active
        Whether viewers show the channel at first.
    emission_nm, excitation_nm
        Wavelengths in nanometres.
    exposure_s
        Exposure time in seconds.
    fluor
        Name of the fluorophore.
    """

    label: str
    color: str = "FFFFFF"
    window: tuple[float, float] | None = None
    active: bool = True
    emission_nm: float | None = None
    excitation_nm: float | None = None
    exposure_s: float | None = None
    fluor: str | None = None

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.color):
            raise ChannelError(
                f"channel {self.label!r} has color {self.color!r}; "
                "six upper-case hexadecimal digits such as '00FF00' are needed"
            )
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ChannelError(
                f"channel {self.label!r} has window {self.window}; "
                "its start must be smaller than its end"
            )
