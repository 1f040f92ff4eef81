"""Where the user points, checked: a path of this machine, or a URL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal, overload

from nbexport.errors import PlanError
from nbexport.stores.targets._file import FileTarget, LocalFile, check_remote_file
from nbexport.stores.targets._format import Format, is_ozx
from nbexport.stores.targets._local import LocalZarr
from nbexport.stores.targets._ozx import OzxFile
from nbexport.stores.targets._remote import check_remote
from nbexport.stores.targets._target import (
    TargetPath,
    ZarrTarget,
    check_local,
    remote_scheme,
    target_text,
)


@overload
def check_target(
    target: TargetPath,
    format: Literal["ome-tiff", "movie", "image"],
    *,
    overwrite: bool,
    storage_options: Mapping[str, Any] | None = None,
) -> FileTarget: ...


@overload
def check_target(
    target: TargetPath,
    format: Literal["ome-zarr"],
    *,
    overwrite: bool,
    storage_options: Mapping[str, Any] | None = None,
) -> ZarrTarget: ...


def check_target(
    target: TargetPath,
    format: Format,
    *,
    overwrite: bool,
    storage_options: Mapping[str, Any] | None = None,
) -> FileTarget | ZarrTarget:
    """Return `target` as what may be written, or say why it may not.

    Raises
    ------
    TargetExistsError
        If it exists and `overwrite` is False.
    TargetError
        If the suffix, the folder, the server or the permission is wrong, or `overwrite` would
        replace something that doesn't look like an export of the same format.
    PlanError
        If it is neither a path nor a URL that can be written.
    MissingPackageError
        If such a URL needs a package that is not installed.
    """
    text = target_text(target)
    scheme = remote_scheme(text)
    if scheme is None:
        if storage_options:
            raise PlanError(
                f"storage_options belong to a URL, and target {text!r} is a local path; "
                "leave them out"
            )
        path = check_local(text, format, overwrite=overwrite)
        is_new = not os.path.lexists(path)
        if format != "ome-zarr":
            return LocalFile(path, is_new)
        return OzxFile(LocalFile(path, is_new)) if is_ozx(path.name) else LocalZarr(path, is_new)
    options = storage_options or {}
    if format == "ome-zarr" and not is_ozx(text.rstrip("/")):
        return check_remote(text, overwrite=overwrite, storage_options=options)
    file = check_remote_file(text, format, overwrite=overwrite, storage_options=options)
    return OzxFile(file) if format == "ome-zarr" else file
