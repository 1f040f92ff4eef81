"""Temporary folders for files that are uploaded when they are complete.

The file ``owner`` in each is locked while its export runs, so the next one finds and removes what
a killed one left: the temporary folder of a machine may never be emptied.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from nbexport.stores.targets._owner import Owner
from nbexport.stores.targets._partial import remove, try_lock

_PREFIX: Final = "nbexport-"
_OWNER: Final = "owner"
# A folder without an owner is that of an export which has not come to writing it yet, or never
# will.
_NAMELESS_S: Final = 3600.0


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a new private folder, which is removed at the end; and remove those of the dead."""
    remove_left()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        descriptor = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Locked before it says whose it is: without a name nobody asks for the lock.
            try_lock(descriptor)
            with suppress(OSError):  # a full disk is told by who writes the file
                os.write(descriptor, Owner.this().text().encode())
            made = folder / "made"
            made.mkdir(mode=0o700)
            yield made
        finally:
            os.close(descriptor)  # Windows removes no open file
            remove(folder)


def remove_left() -> None:
    """Remove the folders of exports of this user and machine that were killed."""
    top = Path(tempfile.gettempdir())
    for folder in top.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = folder.lstat()
            # Others may write to the temporary folder, too, and a link leads anywhere.
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != _user(found.st_uid):
                continue
            if time.time() - found.st_mtime > _NAMELESS_S:
                with suppress(OSError):  # it is not empty
                    folder.rmdir()
                    continue
            if _is_left(folder / _OWNER):
                remove(folder)


def _is_left(file: Path) -> bool:
    descriptor = os.open(file, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        owner = Owner.read(os.read(descriptor, 4096))
        if owner is None or owner.runs is not False:
            return False
        # A container may share the folder and the name of the host, but not its processes.
        return try_lock(descriptor) is not False
    finally:
        os.close(descriptor)


def _user(otherwise: int) -> int:
    return os.getuid() if hasattr(os, "getuid") else otherwise
