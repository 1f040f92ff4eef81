"""OME-Zarr: images, series, plates and labels, written whole or region by region."""

from nbexport.stores.ome_zarr._region import prepare_zarr, write_region
from nbexport.stores.ome_zarr._series import begin_series, list_series, reads_from, series_place
from nbexport.stores.ome_zarr._stored import StoredPyramid, open_levels, open_pyramid
from nbexport.stores.ome_zarr._write import ZarrImage, ZarrOptions, check_codec, write_zarr

__all__ = [
    "StoredPyramid",
    "ZarrImage",
    "ZarrOptions",
    "begin_series",
    "check_codec",
    "list_series",
    "open_levels",
    "open_pyramid",
    "prepare_zarr",
    "reads_from",
    "series_place",
    "write_region",
    "write_zarr",
]
