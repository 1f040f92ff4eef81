"""Channels of an image, on the base of those of its source."""

from __future__ import annotations

import re
from math import isclose
from typing import Any, Final

from ome_types import model as om

from nbexport.metadata._ome_base import OmeBase
from nbexport.metadata._ome_limits import SYMBOL_UNITS, legal_text
from nbexport.model import Channel, ImageSpec, convert, is_length

_NUMBERED: Final = re.compile(r"channel \d+")


def ome_channels(image: ImageSpec, base: OmeBase | None, index: int) -> list[om.Channel]:
    """Return the Channel elements of `image`, the `index`-th of its document.

    What a source says of a channel stays as it is where `image` means the same.
    """
    n_channels, samples = image.sizes.get("c", 1), image.sizes.get("s", 1)
    theirs = base.image.pixels.channels if base is not None else []
    out = []
    for c in range(n_channels):
        source = theirs[c] if c < len(theirs) else None
        fields: dict[str, Any] = {}
        if source is not None:
            fields = {name: getattr(source, name) for name in source.model_fields_set}
        if image.channels:
            fields |= _said(image.channels[c], source, shown=samples == 1)
        fields |= {"id": f"Channel:{index}:{c}", "samples_per_pixel": samples}
        out.append(om.Channel(**fields))
    return out


def _said(channel: Channel, source: Any, *, shown: bool) -> dict[str, Any]:
    """Return the fields of `channel` that `source` doesn't have alike."""
    fields: dict[str, Any] = {}
    # Readers number channels without a name, or call them by their ids.
    numbered = _NUMBERED.fullmatch(channel.label) or channel.label in (
        "RGB",
        getattr(source, "id", ""),
    )
    if source is None or (channel.label != source.name and not (numbered and not source.name)):
        fields["name"] = legal_text(channel.label)
    for kind in ("emission", "excitation"):
        value = getattr(channel, f"{kind}_nm")
        if value is None or value <= 0:
            continue
        name = f"{kind}_wavelength"
        if source is None or not _same_length(source, name, value):
            fields[name] = value
            fields[f"{name}_unit"] = om.UnitsLength.NANOMETER
    if channel.fluor is not None and (source is None or source.fluor != channel.fluor):
        fields["fluor"] = legal_text(channel.fluor)
    if shown and not _same_color(source, channel.color):
        fields["color"] = om.Color(f"#{channel.color}")
    return fields


def _same_length(source: Any, name: str, value: float) -> bool:
    theirs = getattr(source, name)
    unit = SYMBOL_UNITS.get(getattr(source, f"{name}_unit").value, "")
    return (
        theirs is not None
        and is_length(unit)
        and isclose(convert(float(theirs), unit, "nanometer"), value, rel_tol=1e-9)
    )


def _same_color(source: Any, color: str) -> bool:
    if source is None or "color" not in source.model_fields_set:
        return False
    red, green, blue = source.color.as_rgb_tuple(alpha=False)
    return f"{red:02X}{green:02X}{blue:02X}" == color
