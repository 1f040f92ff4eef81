"""Where the user points: checked before the first byte, visible only when complete."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nbexport._markup import human_nbytes
from nbexport.errors import PlanError, TargetError, TargetExistsError
from nbexport.stores.targets._format import (
    ALSO_TAKEN,
    HEAD_NBYTES,
    LABELS,
    SUFFIXES,
    ZARR_FILES,
    Format,
    begins_as,
    is_ozx,
)
from nbexport.stores.targets._journal import Journal, JournalWish
from nbexport.stores.targets._partial import cleaned, discard, is_owned, locked, new_folder, publish

TargetPath = str | os.PathLike[str]
# Two letters at least: C: is a drive. fsspec chains URLs by "::".
_URL: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+::)*([A-Za-z][A-Za-z0-9+.-]+)://")


class OpenZarr(Protocol):
    """An OME-Zarr that is being written, and visible to nobody."""

    @property
    def store(self) -> Any:
        """What zarr creates the root group in."""

    @property
    def reread(self) -> Any:
        """What zarr reads it from again, by another way, once it is finished."""

    @property
    def journal(self) -> Journal | None:
        """What takes note of finished blocks; None where nothing can be continued."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found of other exports, a sentence each."""

    def finish(self) -> int:
        """Return the bytes written."""


class ZarrTarget(Protocol):
    """A checked place for an OME-Zarr; it reads as the user's name for it."""

    @property
    def name(self) -> str:
        """Its last part."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes can write to it."""

    @property
    def is_one_file(self) -> bool:
        """Whether it is written once and can't grow."""

    def loses(self, array: Any) -> bool:
        """Return whether writing here would remove `array`, a zarr.Array, before it is read."""

    def opened(self, wish: JournalWish | None = None) -> AbstractContextManager[OpenZarr]:
        """Open it for writing; where the block ends it is published, or by an exception removed.

        Raises
        ------
        TargetError
            If another export is writing there right now.
        PlanError
            If `wish` is to continue an export that it doesn't fit, or none can be continued here.
        """


def target_text(target: TargetPath) -> str:
    """Return a path or URL as text."""
    try:
        text = os.fspath(target)
    except TypeError:
        text = ""
    # No system takes NUL, and neither a report nor a log takes half of a surrogate pair.
    sound = isinstance(text, str) and "\0" not in text
    if not (text and sound and text == text.encode(errors="replace").decode()):
        raise PlanError(
            f"target {target!r} is not a path; give a file name such as 'cells.ome.zarr'"
        )
    return text


def remote_scheme(text: str) -> str | None:
    """Return the scheme of a URL that is not a local path."""
    url = _URL.match(text)
    if url is None:
        return None
    if "::" in url[0]:
        raise PlanError(
            f"target {text!r} is a chain of URLs, where nothing can be written; "
            "use the last of them alone"
        )
    return None if url[1].lower() in ("file", "local") else url[1].lower()


def local_path(text: str) -> Path:
    """Return a path or file URL as an absolute path."""
    if _URL.match(text):
        text = url2pathname(urlsplit(text).path)
    # absolute(), not resolve(): a link to a folder is the user's name for it.
    return Path(text).expanduser().absolute()


def check_suffix(name: str, format: Format) -> None:
    """Raise TargetError unless `name` ends as a `format` does."""
    suffixes = SUFFIXES[format]
    taken = (*suffixes, *ALSO_TAKEN.get(format, ()))
    if not name.lower().endswith(taken) or name.lower() in taken:
        raise TargetError(
            f"target {name!r} does not end in {_either(suffixes)}; "
            f"rename it, for example to {_stem(name) + suffixes[0]!r}"
        )


def check_local(text: str, format: Format, *, overwrite: bool) -> Path:
    """Return a path or file URL as an absolute path that may be written, or say why it may not.

    Raises
    ------
    TargetExistsError
        If it exists and `overwrite` is False.
    TargetError
        If the suffix, the folder or the permission is wrong, or `overwrite` would replace
        something that doesn't look like an export of the same format.
    """
    path = local_path(text)
    check_suffix(path.name, format)
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
        try:
            own = _is_own_kind(path, format)
        except OSError as error:
            raise TargetError(
                f"'{path}' can't be looked at ({error.strerror}), so overwrite=True does not "
                "replace it; remove it yourself or choose another name"
            ) from error
        if not own:
            kind = "folder" if path.is_dir() else "file"
            raise TargetError(
                f"'{path}' is a {kind} that does not look like {LABELS[format]}, so "
                "overwrite=True does not replace it; remove it yourself or choose another name"
            )
    return path


def check_untouched(path: Path, folder: Path, *, is_new: bool) -> None:
    """Raise TargetError where somebody put something at `path`, or removed what is to go there.

    A folder that was removed is made anew by zarr, with the chunks that follow in it.
    """
    if not is_owned(folder):
        raise TargetError(
            f"'{folder}' was removed while it was written; nothing was left there, export again"
        )
    if is_new and os.path.lexists(path):
        raise TargetExistsError(
            f"'{path}' was not there when this export began, and is there now; it was left as it "
            "is, choose another name, or pass overwrite=True to replace it"
        )


@contextmanager
def staged(path: Path, *, is_new: bool = False) -> Iterator[Path]:
    """Give a hidden folder beside `path` to write into; what is then at ``path.name`` is published.

    Publishing is a rename on one file system. Where the block ends by an exception, the folder is
    removed and `path` stays as it was. What a killed export left is removed first.

    Parameters
    ----------
    path
        The target.
    is_new
        Nothing was there when it was checked: what appears meanwhile is not replaced.

    Yields
    ------
    Path
        An empty folder; write to ``folder / path.name``.
    """
    with locked(path):
        cleaned(path)
        folder = new_folder(path)
        try:
            with full_disk_told(folder, path.parent, "choose another target"):
                yield folder
                check_untouched(path, folder, is_new=is_new)
                publish(folder / path.name, path, folder)
        finally:
            discard(folder, path)


@contextmanager
def full_disk_told(
    folder: Path, disk: Path, otherwise: str, left: str = "nothing was left there"
) -> Iterator[None]:
    """Raise TargetError where writing into `folder` ends because its disk is full, or fails.

    Parameters
    ----------
    folder
        What is removed by the caller.
    disk
        A place on the disk, by a name that the user knows.
    otherwise
        What to do if no space can be freed.
    left
        What is there afterwards.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, TargetError) or error.errno is None:
            raise
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise TargetError(
                f"writing to '{disk}' failed ({error.strerror}); {left}, look whether the folder, "
                "its rights and its disk are as they were"
            ) from error
        done = human_nbytes(nbytes_on_disk(folder))
        raise TargetError(
            f"the disk of '{disk}' is full after {done}; {left}, free some space or {otherwise}"
        ) from error


def nbytes_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(
        Path(root, name).stat().st_size for root, _, names in os.walk(path) for name in names
    )


def _is_own_kind(path: Path, format: Format) -> bool:
    if format == "ome-zarr" and not is_ozx(path.name):
        # An empty folder holds nothing to lose.
        return path.is_dir() and (
            any((path / name).is_file() for name in ZARR_FILES) or not any(path.iterdir())
        )
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return begins_as(file.read(HEAD_NBYTES), format)


def _either(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + " or " + words[-1]


def _stem(name: str) -> str:
    return name.split(".")[0] or "image"
