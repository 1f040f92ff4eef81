"""The only room with effects: targets, files, stores, threads.

The writers, :mod:`nbexport.stores.ome_tiff` and :mod:`nbexport.stores.ome_zarr`, are imported
where they are used: tifffile, ome-types and zarr take their time.
"""

from nbexport.stores._check import check_target
from nbexport.stores._cluster import Cluster, find_cluster
from nbexport.stores._file import FileTarget
from nbexport.stores._format import Format
from nbexport.stores._job import Source
from nbexport.stores._movie_encoding import Quality
from nbexport.stores._progress import Progress, ProgressOption
from nbexport.stores._report import WriteReport
from nbexport.stores._target import TargetPath, ZarrTarget
from nbexport.stores._verify import VerifyOption

__all__ = [
    "Cluster",
    "FileTarget",
    "Format",
    "Progress",
    "ProgressOption",
    "Quality",
    "Source",
    "TargetPath",
    "VerifyOption",
    "WriteReport",
    "ZarrTarget",
    "check_target",
    "find_cluster",
]
