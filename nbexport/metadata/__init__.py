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
from nbexport.metadata._ngff_read import StoredImage, read_ngff
from nbexport.metadata._ome_given import ome_disagreements, plane_order
from nbexport.metadata._ome_limits import OME_PIXEL_TYPES
from nbexport.metadata._ome_losses import ome_losses

__all__ = [
    "OME_PIXEL_TYPES",
    "ZARR_FORMATS",
    "StoredImage",
    "image_label",
    "ngff_attributes",
    "ngff_group",
    "ngff_losses",
    "ome_disagreements",
    "ome_losses",
    "plane_order",
    "read_ngff",
]
