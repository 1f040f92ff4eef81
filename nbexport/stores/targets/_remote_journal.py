"""The mark of an OME-Zarr in the making on an object store: whose it is, and its journal.

It lies below the target in ``nbexport.partial/``, which no reader of OME-Zarr looks at: first a
header, then objects of finished blocks. It is there before the first object of the export and goes
after the root metadata came.
"""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import suppress
from typing import Any, Final

from nbexport.errors import TargetError
from nbexport.stores.targets._journal import (
    Entry,
    Journal,
    JournalWish,
    ObjectLines,
    Place,
    check_same,
    header,
    read_journal,
)
from nbexport.stores.targets._owner import Owner

MARK: Final = "nbexport.partial"
_HEADER: Final = "header"

# Tokens of the exports of this process: its number says nothing of one that has ended.
_LIVE: Final[set[str]] = set()
_LIVE_LOCK: Final = threading.Lock()


class RemoteMark:
    """The mark of one export; the one that wrote it last may write.

    Parameters
    ----------
    fs, path, name
        The file system, the target's place in it, and the target as it may be printed.
    """

    def __init__(self, fs: Any, path: str, name: str) -> None:
        self._fs = fs
        self.folder = f"{path.rstrip('/')}/{MARK}"
        self._name = name
        self._token = secrets.token_hex(8)
        self.is_lost = False
        self.notes: tuple[str, ...] = ()

    def open(self, wish: JournalWish | None, *, exists: bool) -> Journal:
        """Take the target over and return the journal, of a killed export if `wish` says so.

        Parameters
        ----------
        wish
            What is exported.
        exists
            There is a whole OME-Zarr, so that a mark beside it says nothing.

        Raises
        ------
        TargetError
            If the export that wrote the mark runs on this machine.
        PlanError
            If it was another export than `wish` describes; nothing was touched.
        """
        there = self._read()
        finished: dict[Place, Entry] = {}
        n_there = 0
        about = wish.about if wish is not None else {}
        if there is not None:
            owner = Owner.read(json.dumps(there.get("owner")))
            if self._runs(owner, there.get("token")):
                raise TargetError(
                    f"another export is writing '{self._name}' right now ({owner}); wait until it "
                    "is done, or choose another target"
                )
            whose = owner or "a process that is not known"
            if wish is not None and wish.resume and not exists:
                finished, n_there = self._finished(wish)
            elif not exists:
                self.notes = (f"what a killed export ({whose}) left at the target was removed",)
        self._fs.pipe_file(
            f"{self.folder}/{_HEADER}",
            json.dumps({"owner": json.loads(Owner.this().text()), "token": self._token}).encode(),
        )
        with _LIVE_LOCK:
            _LIVE.add(self._token)
        if there is not None and not n_there:
            # Before the objects that they speak of are.
            for key in self._lines():
                self._fs.rm_file(key)
            self._fs.invalidate_cache()
        lines = ObjectLines(self._fs, self.folder, self._name, n_there, self.check)
        if not n_there:
            lines.append(header(about))
        return Journal(lines, finished)

    def check(self) -> None:
        """Raise TargetError where another export has begun to write the same target."""
        there = self._read()
        if there is None or there.get("token") != self._token:
            self.is_lost = True
            raise TargetError(
                f"another export to '{self._name}' began while this one was writing, so this one "
                "stopped and published nothing; look at what the other one writes"
            )

    def remove(self) -> None:
        """Remove the mark; what it marks is complete, so that it may also stay."""
        with suppress(Exception):
            for key in self._fs.find(self.folder):
                self._fs.rm_file(key)
            self._fs.invalidate_cache()
            if self._fs.exists(self.folder):  # where folders are there without files
                self._fs.rm(self.folder, recursive=True)

    def close(self) -> None:
        """Let go of the mark, which stays there."""
        with _LIVE_LOCK:
            _LIVE.discard(self._token)

    def _read(self) -> dict[str, Any] | None:
        self._fs.invalidate_cache()
        try:
            there = json.loads(self._fs.cat_file(f"{self.folder}/{_HEADER}"))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return there if isinstance(there, dict) else {}

    def _finished(self, wish: JournalWish) -> tuple[dict[Place, Entry], int]:
        names = self._lines()
        read = read_journal(b"".join(map(self._fs.cat_file, names)))
        if read is None or not read[1]:
            return {}, 0
        check_same(self._name, read[0], wish.about)
        return read[1], len(names)

    def _lines(self) -> list[str]:
        found = self._fs.find(self.folder)
        return sorted(key for key in found if key.rsplit("/", 1)[-1].startswith("lines-"))

    @staticmethod
    def _runs(owner: Owner | None, token: object) -> bool:
        if owner is None or not owner.runs:
            return False
        if owner == Owner.this():
            with _LIVE_LOCK:
                return token in _LIVE
        return True
