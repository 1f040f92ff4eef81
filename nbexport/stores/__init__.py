"""The only room with effects: targets, files, stores, threads.

Inside, too, imports go down: _interrupts, _progress, _report · targets, engine · _verify ·
ome_zarr, ome_tiff, media. These last are imported where they are used: zarr, tifffile and
ome-types take their time.
"""

from nbexport.stores._progress import Progress, ProgressOption
from nbexport.stores._report import WriteReport
from nbexport.stores._verify import VerifyOption
from nbexport.stores.engine import Cluster, Source, find_cluster
from nbexport.stores.media import Quality
from nbexport.stores.targets import FileTarget, Format, TargetPath, ZarrTarget, check_target

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
