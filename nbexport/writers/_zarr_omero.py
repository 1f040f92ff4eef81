"""The omero block that both Zarr writers of the array door build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbexport.dataarray import parse_color
from nbexport.errors import ChannelError


def build_ome(
    size_z: int,
    image_name: str,
    channel_names: Sequence[str],
    channel_colors: Sequence[Any],
    channel_minmax: Sequence[tuple[float, float]],
) -> dict[str, Any]:
    """Return the ``omero`` metadata of an OME-Zarr image of version 0.4.

    Parameters
    ----------
    size_z
        Number of planes along z.
    image_name
        Name of the image.
    channel_names
        One a channel.
    channel_colors
        One a channel: ``0xRRGGBB``, or any other way to write a colour that :func:`describe` takes.
    channel_minmax
        One (min, max) a channel.

    Raises
    ------
    ChannelError
        If these are not as many colours and ranges as names, or a colour is none.

    Examples
    --------
    >>> omero = build_ome(8, "cell", ["DAPI"], [0x0000FF], [(0, 4095)])
    >>> omero["channels"][0]["color"], omero["channels"][0]["window"]
    ('0000ff', {'start': 0.0, 'end': 4095.0, 'min': 0.0, 'max': 4095.0})
    """
    n = len(channel_names)
    for word, given in (("channel_colors", channel_colors), ("channel_minmax", channel_minmax)):
        if len(given) != n:
            raise ChannelError(
                f"{word} has {len(given)} entries and there are {n} channel names; give one each"
            )
    channels = [
        {
            "active": True,
            "coefficient": 1,
            "color": _hex(color, name),
            "family": "linear",
            "inverted": False,
            "label": name,
            "window": {
                "start": float(low),
                "end": float(high),
                "min": float(low),
                "max": float(high),
            },
        }
        for name, color, (low, high) in zip(
            channel_names, channel_colors, channel_minmax, strict=True
        )
    ]
    return {
        "id": 1,
        "name": image_name,
        "version": "0.4",
        "channels": channels,
        "rdefs": {"defaultT": 0, "defaultZ": size_z // 2, "model": "color"},
    }


def _hex(color: Any, name: str) -> str:
    try:
        return parse_color(color).lower()
    except ValueError as error:
        raise ChannelError(
            f"channel {name!r} has color {color!r}, which is none; use one such as 0x00FF00"
        ) from error
