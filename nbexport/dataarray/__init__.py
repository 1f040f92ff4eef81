"""xarray to model: the only room that knows dims, coords and attrs."""

from nbexport.dataarray._channels import ChannelWish
from nbexport.dataarray._color import parse_color
from nbexport.dataarray._describe import Described, Numbers, Units, describe, read
from nbexport.dataarray._label_colors import label_colors
from nbexport.dataarray._missing import with_axes
from nbexport.dataarray._origin import zarr_arrays
from nbexport.dataarray._samples import channels_from_samples
from nbexport.dataarray._source import PixelSource
from nbexport.dataarray.readers import UnusableOmeError, parse_ome

__all__ = [
    "ChannelWish",
    "Described",
    "Numbers",
    "PixelSource",
    "Units",
    "UnusableOmeError",
    "channels_from_samples",
    "describe",
    "label_colors",
    "parse_color",
    "parse_ome",
    "read",
    "with_axes",
    "zarr_arrays",
]
