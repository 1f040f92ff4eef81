"""Image and plan to text: OME-XML and OME-NGFF metadata. Pure; no file is touched.

:mod:`nbexport.metadata.ome_xml` is imported where it is used: ome-types takes 0.5 s.
"""

from nbexport.metadata._ngff import NGFF_VERSIONS, ngff_attributes, ngff_losses
from nbexport.metadata._ome_limits import OME_PIXEL_TYPES, ome_losses

__all__ = [
    "NGFF_VERSIONS",
    "OME_PIXEL_TYPES",
    "ngff_attributes",
    "ngff_losses",
    "ome_losses",
]
