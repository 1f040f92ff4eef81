"""Where the user points: checked before the first byte, visible only when complete."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nbexport._markup import human_nbytes
from nbexport.errors import PlanError, TargetError, TargetExistsError

TargetPath = str | os.PathLike[str]
Format = Literal["ome-zarr", "ome-tiff"]

SUFFIXES: Final[dict[Format, tuple[str, ...]]] = {
    "ome-zarr": (".ome.zarr", ".zarr"),
    "ome-tiff": (".ome.tif", ".ome.tiff", ".ome.btf", ".tif", ".tiff", ".btf"),
}
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C: is a drive
_ZARR_FILES: Final = ("zarr.json", ".zgroup", ".zarray")
_TIFF_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def check_target(target: TargetPath, format: Format, *, overwrite: bool) -> Path:
    """Return `target` as an absolute path that may be written, or say why it may not.

    Raises
    ------
    TargetExistsError
        If it exists and `overwrite` is False.
    TargetError
        If the suffix, the folder or the permission is wrong, or `overwrite` would replace
        something that doesn't look like an export of the same format.
    PlanError
        If it is not a path, or a URL that is not ``file://``.
    """
    path = _local_path(target)
    suffixes = SUFFIXES[format]
    if not path.name.lower().endswith(suffixes) or path.name.lower() in suffixes:
        raise TargetError(
            f"target {path.name!r} does not end in {_either(suffixes)}; "
            f"rename it, for example to {_stem(path.name) + suffixes[0]!r}"
        )
    folder = path.parent
    if not folder.exists():
        raise TargetError(f"folder '{folder}' does not exist; create it first")
    if not folder.is_dir():
        raise TargetError(f"'{folder}' is a file, so nothing can be written into it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TargetError(f"folder '{folder}' is not writable; choose another or change its rights")
    if os.path.lexists(path):
        if not overwrite:
            raise TargetExistsError(f"'{path}' exists; pass overwrite=True to replace it")
        if not _is_own_kind(path, format):
            kind = "folder" if path.is_dir() else "file"
            raise TargetError(
                f"'{path}' is a {kind} that does not look like an {_LABELS[format]}, so "
                "overwrite=True does not replace it; remove it yourself or choose another name"
            )
    return path


_LABELS: Final[dict[Format, str]] = {"ome-zarr": "OME-Zarr", "ome-tiff": "OME-TIFF"}


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give a hidden folder beside `path` to write into; what is then at ``path.name`` is published.

    Publishing is a rename on one file system. Where the block ends by an exception, the folder is
    removed and `path` stays as it was.

    Yields
    ------
    Path
        An empty folder; write to ``folder / path.name``.
    """
    folder = path.parent / f".{path.name}.partial-{secrets.token_hex(4)}"
    try:
        folder.mkdir()
    except OSError as error:
        raise TargetError(f"'{path.parent}' can't be written: {error.strerror}") from error
    try:
        yield folder
        _publish(folder / path.name, path, folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            done = human_nbytes(nbytes_on_disk(folder))
            raise TargetError(
                f"the disk of '{path.parent}' is full after {done}; nothing was left there, "
                "free some space or choose another target"
            ) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(made: Path, path: Path, folder: Path) -> None:
    """Rename `made` to `path`; what stood there is moved into `folder`, which is removed next."""
    if path.is_dir() and not path.is_symlink():
        # A folder can't be replaced by a rename, so the old one steps aside first and steps back
        # if the new one can't take its place.
        aside = folder / "replaced"
        path.rename(aside)
        try:
            made.rename(path)
        except OSError:
            aside.rename(path)
            raise
    else:
        made.replace(path)


def nbytes_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(
        Path(root, name).stat().st_size for root, _, names in os.walk(path) for name in names
    )


def _local_path(target: TargetPath) -> Path:
    try:
        text = os.fspath(target)
    except TypeError:
        text = b""  # type: ignore[assignment]
    if not isinstance(text, str) or not text:
        raise PlanError(
            f"target {target!r} is not a path; give a file name such as 'cells.ome.zarr'"
        )
    if _URL.match(text):
        parts = urlsplit(text)
        if parts.scheme.lower() != "file":
            raise PlanError(
                f"target {text!r} is a {parts.scheme} URL; this version writes to local paths only"
            )
        text = url2pathname(parts.path)
    # absolute(), not resolve(): a link to a folder is the user's name for it.
    return Path(text).expanduser().absolute()


def _is_own_kind(path: Path, format: Format) -> bool:
    if format == "ome-zarr":
        # An empty folder holds nothing to lose.
        return path.is_dir() and (
            any((path / name).is_file() for name in _ZARR_FILES) or not any(path.iterdir())
        )
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in (*_TIFF_MAGIC, b"")


def _either(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + " or " + words[-1]


def _stem(name: str) -> str:
    return name.split(".")[0] or "image"
