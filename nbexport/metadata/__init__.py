"""Image and plan to text: OME-XML and OME-NGFF metadata. Pure; no file is touched.

:mod:`nbexport.metadata.ome_xml` is imported where it is used: ome-types takes 0.5 s.
"""

from nbexport.metadata._ngff import (
    ZARR_FORMATS,
    image_label,
    ngff_attributes,
    ngff_group,
    ngff_losses,
)
from nbexport.metadata._ome_limits import OME_PIXEL_TYPES, ome_losses

__all__ = [
    "OME_PIXEL_TYPES",
    "ZARR_FORMATS",
    "image_label",
    "ngff_attributes",
    "ngff_group",
    "ngff_losses",
    "ome_losses",
]
