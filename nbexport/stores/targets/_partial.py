"""What lies beside a local target while it is made: one lock, one folder; and how it is published.

``.cells.ome.zarr.partial-lock`` is held by the one export that may write ``cells.ome.zarr``, so
each ``.cells.ome.zarr.partial-1a2b3c4d`` that its holder finds was left by one that was killed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from nbexport.errors import TargetError
from nbexport.stores.targets._owner import Owner

_OWNER: Final = "owner"
_REPLACED: Final = "replaced"
SERIES: Final = "series"
"""What an image is put into, as its group 0, when it becomes the first of a series."""
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
_ORPHAN_S: Final = 2.0
# Virus scanners and indexers hold a new file for a moment.
_WINDOWS_BUSY: Final = (5, 32)
_RENAME_PAUSES_S: Final = (0.01, 0.05, 0.2, 0.5, 1.0)
# Windows ends at 260 characters without the prefix; Zarr's keys and names of its own come behind.
_LONG: Final = 150
# Linux: linux/fs.h and fcntl.h; macOS: sys/stdio.h.
_RENAME_EXCHANGE: Final = 2
_AT_FDCWD: Final = -100
_RENAME_SWAP: Final = 2


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only export, of all processes and threads, that writes `path`.

    Raises
    ------
    TargetError
        If there is another one, or the folder can't be written.
    """
    lock = path.with_name(f".{path.name}.partial-lock")
    descriptor = _acquired(lock, path)
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, Owner.this().text().encode())
        yield
    finally:
        if os.name != "nt":  # where an open file can't be removed
            with suppress(OSError):  # a folder that became read-only: whoever comes next takes it
                lock.unlink()
        os.close(descriptor)
        if os.name == "nt":
            with suppress(OSError):
                lock.unlink()


def _acquired(lock: Path, path: Path) -> int:
    until = time.monotonic() + _ORPHAN_S
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise TargetError(f"'{path.parent}' can't be written: {error.strerror}") from error
        owner = Owner.read(os.read(descriptor, 4096))
        held = try_lock(descriptor)
        if held is None:  # a disk without locks
            held = owner is None or owner.runs is False
        if not held and owner is not None and owner.runs is False and time.monotonic() < until:
            # A process that it was about to start holds the lock until it is another program.
            os.close(descriptor)
            time.sleep(_ORPHAN_S / 100)
            continue
        if not held:
            os.close(descriptor)
            raise TargetError(
                f"another export is writing '{path}' right now ({owner or 'it just began'}); wait "
                "until it is done, or choose another target"
            )
        # The last holder may have removed the file between our opening and locking it.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        os.close(descriptor)


def try_lock(descriptor: int) -> bool | None:
    """Return whether the file is locked by us now; None where the disk knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 2**30, os.SEEK_SET)  # beyond what others read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in _NO_LOCKS else False
    return True


def new_folder(path: Path) -> Path:
    """Return a new hidden folder beside `path`, which this process owns."""
    name = f".{path.name}.partial-{secrets.token_hex(4)}"
    folder = Path(long_path(str(path.parent / name)))
    try:
        folder.mkdir(mode=0o700)
        own(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise TargetError(f"'{path.parent}' can't be written: {error.strerror}") from error
    return folder


def remove(folder: Path) -> None:
    """Remove `folder` as far as the system lets us, the name of its owner last.

    Killed on the way, it leaves what the next export knows to be ours.
    """
    with suppress(OSError):
        for entry in [*folder.iterdir()]:
            if entry.name == _OWNER:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                with suppress(OSError):
                    entry.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def own(folder: Path) -> None:
    """Note in `folder` that it is this process's."""
    (folder / _OWNER).write_text(Owner.this().text(), encoding="utf-8")


def is_owned(folder: Path) -> bool:
    """Return whether `folder` is still the one that :func:`own` was called for."""
    return (folder / _OWNER).exists()


def left_folders(path: Path) -> Iterator[tuple[Path, Owner]]:
    """Yield what other exports to `path` left, and whose it was; for the holder of the lock."""
    for folder in sorted(path.parent.glob(f".{_escaped(path.name)}.partial-*")):
        with suppress(OSError):
            if [entry.name for entry in folder.iterdir()] in ([], [_OWNER]):
                # Nothing was made in it yet, perhaps not even the name of its owner.
                shutil.rmtree(folder, ignore_errors=True)
                continue
            owner = Owner.read((folder / _OWNER).read_text(encoding="utf-8"))
            if owner is not None:
                yield folder, owner


def cleaned(path: Path, keep: Path | None = None) -> tuple[str, ...]:
    """Remove what killed exports left of `path`, but for `keep`; return a sentence for each.

    Raises
    ------
    TargetError
        If one was killed while it replaced a folder; the old one is back at its place then.
    """
    notes = []
    for folder, owner in left_folders(path):
        restore(path, folder)
        if folder == keep:
            continue
        if owner.is_here:
            remove(folder)
            notes.append(f"'{folder.name}', left by a killed export ({owner}), was removed")
        else:
            notes.append(
                f"'{folder}' was left by {owner}; remove it if no export runs there any longer"
            )
    return tuple(notes)


def restore(path: Path, folder: Path) -> None:
    """Put what was at `path` back if an export was killed after it had stepped aside.

    Raises
    ------
    TargetError
        If so: the user is told before it is replaced again.
    """
    if os.path.lexists(path):
        return
    if (folder / _REPLACED).exists():
        (folder / _REPLACED).rename(path)
        raise TargetError(
            f"an export to '{path}' was killed while it took the place of the old one, which is "
            "back there now; run it again, with overwrite=True to replace it"
        )
    if (folder / SERIES / "0").exists():
        (folder / SERIES / "0").rename(path)
        raise TargetError(
            f"an export to '{path}' was killed while its first image became part of a series; the "
            "image is back there now, look at it, or write the series with overwrite=True"
        )


def publish(made: Path, path: Path, folder: Path) -> None:
    """Rename `made` to `path`; what stood there goes into `folder`, which is removed next."""
    if not path.is_dir() or path.is_symlink():
        _patiently(lambda: made.replace(path))
    elif not exchanged(made, path):
        # Without an exchange in one go, the old folder steps aside first and steps back if the
        # new one can't take its place.
        aside = folder / _REPLACED
        try:
            _patiently(lambda: path.rename(aside))
            _patiently(lambda: made.rename(path))
        except BaseException:
            if _is_only_copy(aside, path):
                _step_back(aside, path)
            raise


def discard(folder: Path, path: Path) -> None:
    """Remove `folder`, unless what stood at `path` lies in it and could not go back there."""
    if not _is_only_copy(folder / _REPLACED, path):
        remove(folder)


def _is_only_copy(aside: Path, path: Path) -> bool:
    return os.path.lexists(aside) and not os.path.lexists(path)


def _step_back(aside: Path, path: Path) -> None:
    try:
        _patiently(lambda: aside.rename(path))
    except OSError as error:
        raise TargetError(
            f"'{path}' could not be replaced ({error}), and the old one could not go back: it lies "
            f"in '{aside}', and the next export to this target puts it there again"
        ) from error


def exchanged(made: Path, path: Path) -> bool:
    """Let two folders change places at one moment, where the system and the disk can."""
    one, other = os.fsencode(made), os.fsencode(path)
    try:
        if sys.platform == "linux":
            rename = ctypes.CDLL(None, use_errno=True).renameat2
            return bool(rename(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE) == 0)
        if sys.platform == "darwin":
            rename = ctypes.CDLL(None, use_errno=True).renamex_np
            return bool(rename(one, other, _RENAME_SWAP) == 0)
    except (AttributeError, OSError):  # an older C library
        pass
    return False


def long_path(text: str, *, windows: bool = os.name == "nt") -> str:
    r"""Return an absolute path as Windows takes it beyond 260 characters.

    Examples
    --------
    >>> long_path("C:\\" + "a" * 200, windows=True)[:8]
    '\\\\?\\C:\\a'
    """
    if not windows or len(text) < _LONG or text.startswith("\\\\?\\"):
        return text
    if text.startswith("\\\\"):  # a share
        return "\\\\?\\UNC" + text[1:]
    return "\\\\?\\" + text


def _patiently(rename: Callable[[], object]) -> None:
    for pause in _RENAME_PAUSES_S:
        try:
            rename()
        except OSError as error:
            if getattr(error, "winerror", None) not in _WINDOWS_BUSY:
                raise
            time.sleep(pause)
        else:
            return
    rename()


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
