"""The colours of labels, where a DataArray says them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import xarray as xr

from nbexport.dataarray._color import parse_color
from nbexport.errors import ChannelError

_ATTR: Final = "colors"


def label_colors(da: xr.DataArray) -> tuple[xr.DataArray, dict[int, str]]:
    """Return `da` without its attribute ``colors``, and the colours by label as ``"RRGGBB"``.

    Raises
    ------
    ChannelError
        If it is no mapping of labels to colours.

    Examples
    --------
    >>> nuclei = xr.DataArray([[0, 1]], dims=("y", "x"), attrs={"colors": {1: "lime"}})
    >>> label_colors(nuclei)[1]
    {1: '00FF00'}
    """
    # What is no DataArray is refused where it is read.
    wanted = da.attrs.get(_ATTR) if isinstance(da, xr.DataArray) else None
    if not isinstance(wanted, Mapping):
        return da, {}
    found = {}
    for label, color in wanted.items():
        try:
            found[int(label)] = parse_color(color)
        except (TypeError, ValueError, OverflowError):
            raise ChannelError(
                f"attrs['colors'] has {label!r}: {color!r}, which is no label and its colour; "
                "give for example {1: '#00FF00', 2: 'magenta'}"
            ) from None
    rest = da.copy(deep=False)
    rest.attrs = {key: value for key, value in da.attrs.items() if key != _ATTR}
    return rest, found
