"""Describe, plan, write, report: what all doors call."""

from nbexport.api._plan import Factors, Shards, plan_export
from nbexport.api._write import write_ome_tiff, write_ome_zarr

__all__ = ["Factors", "Shards", "plan_export", "write_ome_tiff", "write_ome_zarr"]
