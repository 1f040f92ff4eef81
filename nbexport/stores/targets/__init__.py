"""Where an export goes: checked before the first byte, visible only when complete.

:mod:`nbexport.stores.targets.held` is imported where it is used: it needs zarr.
"""

from nbexport.stores.targets._check import check_target
from nbexport.stores.targets._file import FileTarget
from nbexport.stores.targets._format import ZARR_FILES, Format, is_ozx
from nbexport.stores.targets._journal import Entry, Journal, JournalWish, UnitSums, about_export
from nbexport.stores.targets._local import LocalZarr
from nbexport.stores.targets._partial import SERIES, cleaned, locked, new_folder, remove
from nbexport.stores.targets._remote import OpenRemote, RemoteZarr, looked_at
from nbexport.stores.targets._target import (
    TargetPath,
    ZarrTarget,
    local_path,
    remote_scheme,
    target_text,
)
from nbexport.stores.targets._trouble import shown, told

__all__ = [
    "SERIES",
    "ZARR_FILES",
    "Entry",
    "FileTarget",
    "Format",
    "Journal",
    "JournalWish",
    "LocalZarr",
    "OpenRemote",
    "RemoteZarr",
    "TargetPath",
    "UnitSums",
    "ZarrTarget",
    "about_export",
    "check_target",
    "cleaned",
    "is_ozx",
    "local_path",
    "locked",
    "looked_at",
    "new_folder",
    "remote_scheme",
    "remove",
    "shown",
    "target_text",
    "told",
]
