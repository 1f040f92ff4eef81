"""A local OME-Zarr in the making: begun anew, or where an earlier export of the same ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nbexport.stores.targets._journal import (
    FileLines,
    Journal,
    JournalWish,
    check_same,
    header,
    read_journal,
)
from nbexport.stores.targets._owner import restarted_since
from nbexport.stores.targets._partial import cleaned, left_folders, new_folder, own, restore

_JOURNAL: Final = "journal"
# zarr renames what it has written; killed before, it leaves c/0/1.<32 hex digits>.partial.
_UNNAMED: Final = re.compile(r"\.[0-9a-f]{32}\.partial$")


@dataclass(frozen=True, slots=True)
class Partial:
    """A folder beside the target, and what is in it.

    Attributes
    ----------
    folder
        Hidden; removed in the end.
    store
        The OME-Zarr in it.
    journal
        Of the finished blocks.
    notes
        What was found, a sentence each.
    """

    folder: Path
    store: Path
    journal: Journal
    notes: tuple[str, ...]

    def is_worth_keeping(self) -> bool:
        """Return whether there is something to continue."""
        return self.journal.n_noted > 0 and (self.folder / _JOURNAL).exists()

    def forget(self) -> None:
        """Remove the journal: from now on another OME-Zarr may lie in the folder."""
        self.journal.close()
        (self.folder / _JOURNAL).unlink(missing_ok=True)


def open_partial(path: Path, wish: JournalWish | None) -> Partial:
    """Return the partial folder of `path`; for the holder of its lock.

    Raises
    ------
    PlanError
        If the export that is to be continued was another one; nothing was touched.
    TargetError
        If the folder can't be written.
    """
    notes: tuple[str, ...] = ()
    if wish is not None and wish.resume:
        found = _found(path)
        if isinstance(found, str):
            notes = (found,)
        elif found is not None:
            return _continued(path, *found, wish)
    notes += cleaned(path)
    folder = new_folder(path)
    file = folder / _JOURNAL
    lines = FileLines(file, 0)
    lines.append(header(wish.about if wish is not None else {}))
    return Partial(folder, folder / path.name, Journal(lines, {}), notes)


def _found(path: Path) -> tuple[Path, bytes] | str | None:
    """Return the folder in which most is finished and its journal; or why it is not trusted."""
    best, most = None, 0
    for folder, owner in left_folders(path):
        restore(path, folder)
        file = folder / _JOURNAL
        if not file.is_file() or not (folder / path.name).is_dir():
            continue
        content = file.read_bytes()
        restarted = owner.is_of_earlier_boot or restarted_since(file.stat().st_mtime)
        if owner.is_here and restarted:
            # The system had the last blocks in memory when it went down, and writes files in an
            # order of its own: nothing is synced, since that costs more than doing it again.
            return (
                f"this machine was restarted after '{folder.name}' was left, so nothing of it was "
                "trusted"
            )
        read = read_journal(content)
        if read is not None and len(read[1]) > most:
            best, most = (folder, content), len(read[1])
    return best


def _continued(path: Path, folder: Path, content: bytes, wish: JournalWish) -> Partial:
    read = read_journal(content)
    assert read is not None
    then, finished, nbytes = read
    check_same(str(path), then, wish.about)
    own(folder)
    notes = cleaned(path, keep=folder)
    store = folder / path.name
    for file in store.rglob("*.partial"):
        if _UNNAMED.search(file.name):
            file.unlink(missing_ok=True)
    journal = Journal(FileLines(folder / _JOURNAL, nbytes), finished)
    return Partial(folder, store, journal, notes)
