"""An OME-Zarr on this machine: a hidden folder until it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbexport.errors import VerifyError
from nbexport.stores.targets._journal import Journal, JournalWish
from nbexport.stores.targets._partial import discard, locked, publish
from nbexport.stores.targets._resume import open_partial
from nbexport.stores.targets._target import (
    OpenZarr,
    check_untouched,
    full_disk_told,
    nbytes_on_disk,
)


@dataclass(frozen=True, slots=True)
class LocalZarr:
    """A checked path of this machine.

    Attributes
    ----------
    path
        Absolute.
    is_new
        Nothing was there when it was checked.
    """

    path: Path
    is_new: bool = False

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def is_shared(self) -> bool:
        """True: that workers see this machine's disk is the user's promise."""
        return True

    @property
    def is_one_file(self) -> bool:
        """False: a folder."""
        return False

    def loses(self, array: Any) -> bool:
        """Return False: the old folder stays until the new one is complete."""
        return False

    @contextmanager
    def opened(self, wish: JournalWish | None = None) -> Iterator[OpenZarr]:
        """Give a hidden folder beside the path, which is renamed where the block ends."""
        resume = wish is not None and wish.resume
        left = "what is finished was kept for resume=True" if resume else "nothing was left there"
        with locked(self.path):
            partial = open_partial(self.path, wish)
            kept = False
            try:
                with full_disk_told(
                    partial.folder, self.path.parent, "choose another target", left
                ):
                    yield _OpenFolder(partial.store, partial.journal, partial.notes)
                    check_untouched(self.path, partial.folder, is_new=self.is_new)
                    partial.forget()
                    publish(partial.store, self.path, partial.folder)
            except BaseException as error:
                # What can't be read back is not continued.
                kept = resume and not isinstance(error, VerifyError) and partial.is_worth_keeping()
                if kept:
                    error.add_note(
                        f"{partial.journal.n_noted} finished blocks lie in '{partial.folder}'; "
                        "run the same export with resume=True to continue."
                    )
                raise
            finally:
                partial.journal.close()
                if not kept:
                    discard(partial.folder, self.path)


@dataclass(frozen=True, slots=True)
class _OpenFolder:
    store: Path
    journal: Journal
    notes: tuple[str, ...]

    @property
    def reread(self) -> Path:
        return self.store

    def finish(self) -> int:
        return nbytes_on_disk(self.store)
