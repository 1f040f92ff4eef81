"""Describe, plan, write, report: what all doors call."""

from nbexport.api._images import write_images
from nbexport.api._multiscales import write_multiscales
from nbexport.api._plan import Factors, Shards, plan_export
from nbexport.api._plate import write_plate
from nbexport.api._write import write_ome_tiff, write_ome_zarr

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
