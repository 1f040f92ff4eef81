"""Describe, plan, write, report: what all doors call."""

from nbexport.api._images import write_images
from nbexport.api._multiscales import write_multiscales
from nbexport.api._ome_tiff import write_ome_tiff
from nbexport.api._ome_zarr import write_ome_zarr
from nbexport.api._plan import Factors, Shards, plan_export
from nbexport.api._plate import write_plate

__all__ = [
    "Factors",
    "Shards",
    "plan_export",
    "write_images",
    "write_multiscales",
    "write_ome_tiff",
    "write_ome_zarr",
    "write_plate",
]
