"""xarray to model: the only room that knows dims, coords and attrs."""

from nbexport.dataarray._channels import ChannelWish
from nbexport.dataarray._describe import Described, Numbers, Units, describe, read
from nbexport.dataarray._origin import zarr_arrays
from nbexport.dataarray._samples import channels_from_samples
from nbexport.dataarray._source import PixelSource

__all__ = [
    "ChannelWish",
    "Described",
    "Numbers",
    "PixelSource",
    "Units",
    "channels_from_samples",
    "describe",
    "read",
    "zarr_arrays",
]
