"""Describe, plan, write, report: what all doors call."""

from nbexport.api._figure import render_figure
from nbexport.api._image import Montage, write_image
from nbexport.api._images import write_images
from nbexport.api._labels import write_labels
from nbexport.api._looks import PerChannel, VisibleWish, WindowWish
from nbexport.api._movie import write_movie
from nbexport.api._multiscales import write_multiscales
from nbexport.api._ome_tiff import write_ome_tiff
from nbexport.api._ome_zarr import write_ome_zarr
from nbexport.api._overlays import Corners
from nbexport.api._plan import Shards, plan_export
from nbexport.api._plate import write_plate
from nbexport.api._region import Region, prepare_ome_zarr
from nbexport.plan import Factors

__all__ = [
    "Corners",
    "Factors",
    "Montage",
    "PerChannel",
    "Region",
    "Shards",
    "VisibleWish",
    "WindowWish",
    "plan_export",
    "prepare_ome_zarr",
    "render_figure",
    "write_image",
    "write_images",
    "write_labels",
    "write_movie",
    "write_multiscales",
    "write_ome_tiff",
    "write_ome_zarr",
    "write_plate",
]
