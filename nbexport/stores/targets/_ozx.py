"""An OME-Zarr in one zip file: written as a folder, then packed.

Source: RFC-9, https://ngff.openmicroscopy.org/rfc/9 : suffix ``.ozx``, members stored and not
compressed, the root's ``zarr.json`` first, then those of all groups and arrays, breadth first.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nbexport.errors import PlanError
from nbexport.stores.targets._file import FileTarget, LocalFile
from nbexport.stores.targets._journal import JournalWish
from nbexport.stores.targets._target import OpenZarr

_METADATA: Final = "zarr.json"
_COPIED_NBYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class OzxFile:
    """A checked place for one ``.ozx``.

    Attributes
    ----------
    file
        The place.
    """

    file: FileTarget

    def __str__(self) -> str:
        return str(self.file)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.file.name

    @property
    def is_shared(self) -> bool:
        """Whether other processes write to the same place: to a folder beside a local file."""
        return isinstance(self.file, LocalFile)

    @property
    def is_one_file(self) -> bool:
        """True: a zip file."""
        return True

    def loses(self, array: Any) -> bool:
        """Return False: the old file stays until the new one is complete."""
        return False

    @contextmanager
    def opened(self, wish: JournalWish | None = None) -> Iterator[OpenZarr]:
        """Give a folder; what is in it is packed and published where the block ends."""
        if wish is not None and wish.resume:
            raise PlanError(
                f"resume=True can't continue '{self}', which is one file, written once; leave it "
                "out, or choose a target that ends in .ome.zarr"
            )
        with self.file.opened() as path:
            yield _OpenOzx(path.parent / "zarr", path)


@dataclass(frozen=True, slots=True)
class _OpenOzx:
    store: Path
    path: Path
    journal: None = None
    notes: tuple[str, ...] = ()

    @property
    def reread(self) -> Any:
        from zarr.storage import ZipStore

        return ZipStore(self.path, mode="r")

    def finish(self) -> int:
        """Pack the folder, remove it, and return the bytes of the file."""
        pack(self.store, self.path)
        shutil.rmtree(self.store)
        return self.path.stat().st_size


def pack(folder: Path, path: Path) -> None:
    """Write the OME-Zarr in `folder` into the zip file `path`."""
    root = json.loads((folder / _METADATA).read_text(encoding="utf-8"))
    about = {
        "version": root["attributes"]["ome"]["version"],
        "zipFile": {"centralDirectory": {"jsonFirst": True}},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.comment = json.dumps({"ome": about}).encode()
        for member in _members(folder):
            # No time of its own: the same pixels give the same bytes.
            entry = zipfile.ZipInfo(member.relative_to(folder).as_posix())
            entry.file_size = member.stat().st_size
            with member.open("rb") as content, archive.open(entry, "w") as packed:
                shutil.copyfileobj(content, packed, _COPIED_NBYTES)


def _members(folder: Path) -> Iterator[Path]:
    """Yield all files, metadata first and from the root on, all else in the order of its names."""
    level = [folder]
    others: list[Path] = []
    while level:
        deeper: list[Path] = []
        for place in level:
            for entry in sorted(place.iterdir()):
                if entry.is_dir():
                    deeper.append(entry)
                elif entry.name == _METADATA:
                    yield entry
                else:
                    others.append(entry)
        level = deeper
    yield from sorted(others)
