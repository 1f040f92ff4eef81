"""OME-TIFF: tiles of all levels in one pass, with all the metadata OME can hold."""

from nbexport.stores.ome_tiff._write import Compression, TiffImage, write_tiff

__all__ = ["Compression", "TiffImage", "write_tiff"]
