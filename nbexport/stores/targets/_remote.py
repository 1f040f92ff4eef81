"""An OME-Zarr on an object store, or wherever fsspec writes: in place, its root metadata last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from nbexport.errors import (
    MissingPackageError,
    PlanError,
    TargetError,
    TargetExistsError,
    VerifyError,
)
from nbexport.stores.targets._format import SUFFIXES, ZARR_FILES, Format
from nbexport.stores.targets._journal import Journal, JournalWish
from nbexport.stores.targets._remote_journal import MARK, RemoteMark
from nbexport.stores.targets._target import check_suffix
from nbexport.stores.targets._trouble import shown, told

if TYPE_CHECKING:
    from nbexport.stores.targets.held import HeldStore

# Where fsspec reads but can't write objects, or wraps another file system.
_READ_ONLY: Final = ("data", "git", "github", "http", "https", "reference", "tar", "zip")
_PIP: Final = {
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "gcs": "gcsfs",
    "gs": "gcsfs",
    "s3": "'nbexport[s3]'",
    "s3a": "'nbexport[s3]'",
}
# Blocks that still write when an export fails get this long before their objects are removed.
_GRACE_S: Final = 10.0
# Objects removed at the same time where a server takes them one by one only.
_N_REMOVALS: Final = 16


def check_remote(url: str, *, overwrite: bool, storage_options: Mapping[str, Any]) -> RemoteZarr:
    """Return `url` as a target that may be written, or say why it may not.

    Raises
    ------
    PlanError
        If fsspec can't write to such a URL.
    MissingPackageError
        If it could, with a package that is not installed.
    TargetExistsError
        If something is there and `overwrite` is False.
    TargetError
        If the suffix is wrong, the server refuses or can't be reached, or `overwrite` would
        replace something that doesn't look like a Zarr.
    """
    fs, path, found = looked_at(url, "ome-zarr", storage_options)
    url = url.rstrip("/")
    name = shown(url)
    names = {entry.rsplit("/", 1)[-1] for entry in found}
    is_zarr = not names.isdisjoint(ZARR_FILES)
    if MARK in names and not is_zarr:  # what a killed export left is nobody's
        found = []
    if found and not overwrite:
        raise TargetExistsError(f"'{name}' exists; pass overwrite=True to replace it")
    if found and not is_zarr:
        raise TargetError(
            f"'{name}' holds something that does not look like an OME-Zarr, so overwrite=True "
            "does not replace it; remove it yourself or choose another name"
        )
    return RemoteZarr(url=url, options=dict(storage_options), fs=fs, path=path, exists=bool(found))


def looked_at(url: str, format: Format, options: Mapping[str, Any]) -> tuple[Any, str, list[str]]:
    """Return the file system of `url`, its place in it, and what is there, as `listed` does."""
    url = url.rstrip("/")
    parts = urlsplit(url)
    check_suffix(url.rsplit("/", 1)[-1], format)
    if parts.scheme != "memory" and not parts.path.strip("/"):
        raise TargetError(
            f"target '{shown(url)}' names a bucket and nothing in it; add a name, as in "
            f"'{parts.scheme}://bucket/cells{SUFFIXES[format][0]}'"
        )
    fs, path = _file_system(url, parts.scheme.lower(), options)
    with told("looking at", shown(url)):
        return fs, path, _listed(fs, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteZarr:
    """A checked URL.

    Attributes
    ----------
    url, options
        What fsspec opens it with.
    fs, path
        The file system, and the URL's place in it.
    exists
        A Zarr is there, and is to be replaced.
    """

    url: str
    options: Mapping[str, Any]
    fs: Any
    path: str
    exists: bool

    def __str__(self) -> str:
        return shown(self.url)

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def is_shared(self) -> bool:
        """Whether other processes write to the same place."""
        return not self.url.lower().startswith("memory:")

    @property
    def is_one_file(self) -> bool:
        """False: many objects."""
        return False

    def loses(self, array: Any) -> bool:
        """Return whether `array`, a zarr.Array, lies here."""
        store = array.store
        store = getattr(store, "_store", store)
        fs, root = getattr(store, "fs", None), getattr(store, "path", "")
        place = f"{root}/{array.path}".strip("/") + "/"
        return (
            self.exists
            and fs is not None
            and _protocols(fs) == _protocols(self.fs)
            and place.startswith(self.path.strip("/") + "/")
        )

    @contextmanager
    def opened(self, wish: JournalWish | None = None) -> Iterator[OpenRemote]:
        """Remove the old Zarr and give a store to write into; it is published where the block ends.

        Where it ends by an exception, what was written is removed.
        """
        from zarr.storage import FsspecStore

        from nbexport.stores.targets.held import HeldStore

        try:
            inner = FsspecStore.from_url(self.url, storage_options=dict(self.options))
        except ImportError as error:
            raise MissingPackageError(
                f"'{self}' needs a newer fsspec; install it with: pip install 'fsspec>=2024.12'"
            ) from error
        mark = RemoteMark(self.fs, self.path, str(self))
        try:
            with told("writing to", str(self)):
                journal = mark.open(wish, exists=self.exists)
            if not journal.finished:
                with told("removing the old", str(self)):
                    self._remove(but=mark.folder)
            opened = OpenRemote(self, HeldStore(inner, str(self)), inner, mark, journal)
            try:
                yield opened
                opened.publish()
            except BaseException as error:
                opened.store.stop(_GRACE_S)
                if not mark.is_lost:
                    self._end(error, journal, resume=wish is not None and wish.resume)
                raise
        finally:
            mark.close()

    def _end(self, error: BaseException, journal: Journal, *, resume: bool) -> None:
        """Keep what can be continued after `error`, or remove all."""
        if resume and journal.n_noted and not isinstance(error, VerifyError):
            with suppress(Exception):  # what could not be noted is written again
                journal.close()
            error.add_note(
                f"{journal.n_noted} finished blocks lie in '{self}'; run the same export with "
                "resume=True to continue."
            )
        else:
            self._clean_up_after(error)

    def listing(self) -> dict[str, dict[str, Any]]:
        """Return all objects below the target, by path."""
        self.fs.invalidate_cache()
        found: dict[str, dict[str, Any]] = self.fs.find(self.path, detail=True)
        return found

    def _remove(self, but: str | None = None) -> None:
        """Remove all objects below the target, those that make it a Zarr first, but for `but`."""
        found = _listed(self.fs, self.path)
        for entry in found:
            if entry.rsplit("/", 1)[-1] in ZARR_FILES:
                self.fs.rm_file(entry)
        self.fs.invalidate_cache()
        old = [entry for entry in _listed(self.fs, self.path) if not _same(entry, but)]
        if old:
            try:
                # The mark goes last: without it, nobody would know what the rest is.
                for entry in sorted(old, key=lambda entry: entry.rsplit("/", 1)[-1] == MARK):
                    self.fs.rm(entry, recursive=True)
            except OSError:
                # Not every S3 server removes many objects at once (DeleteObjects).
                with ThreadPoolExecutor(_N_REMOVALS) as threads:
                    list(threads.map(self.fs.rm_file, self._objects(but)))
        # s3fs does not say which objects a server refused to remove.
        if remaining := len(self._objects(but)):
            raise TargetError(f"{remaining} objects below '{self}' could not be removed")

    def _objects(self, but: str | None) -> list[str]:
        """Return all objects below the target, the mark last, without those below `but`."""
        all_of_them = sorted(self.listing(), key=lambda key: f"/{MARK}/" in key)
        return [key for key in all_of_them if but is None or not _below(key, but)]

    def _clean_up_after(self, error: BaseException) -> None:
        try:
            with told("removing objects below", str(self)):
                self._remove()
        except TargetError as failed:
            after = f"what was written could not be removed ({failed}); remove it yourself"
        else:
            after = "nothing was left there"
        if isinstance(error, TargetError):
            raise type(error)(f"{error}; {after}") from error
        if not after.startswith("nothing"):
            error.add_note(f"Of '{self}', {after}.")


@dataclass(frozen=True, slots=True)
class OpenRemote:
    """An OME-Zarr that is being written to a URL.

    Attributes
    ----------
    target
        Where.
    store
        What zarr writes into.
    reread
        The same, around all that holds anything back.
    mark, kept
        Whose it is, and the journal; None where only metadata are written.
    """

    target: RemoteZarr
    store: HeldStore
    reread: Any = None
    mark: RemoteMark | None = None
    kept: Journal | None = None

    @property
    def journal(self) -> Journal | None:
        """What takes note of finished blocks."""
        return self.kept

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found of other exports."""
        return self.mark.notes if self.mark is not None else ()

    def finish(self) -> int:
        """Return the bytes of all objects, and of the root metadata that is still to come."""
        with told("listing", str(self.target)):
            found = self.target.listing()
        mark = self.mark.folder if self.mark is not None else None
        stored = sum(
            int(entry["size"] or 0)
            for key, entry in found.items()
            if mark is None or not _below(key, mark)
        )
        return stored + sum(len(value) for value in self.store.held.values())

    def publish(self) -> None:
        """Write the root metadata, and remove the mark."""
        from nbexport.stores.targets.held import ROOT_KEYS

        if self.mark is not None:
            with told("writing to", str(self.target)):
                self.mark.check()
        for key in ROOT_KEYS:
            if key in self.store.held:
                with told("writing to", str(self.target)):
                    content = self.store.held[key].to_bytes()
                    self.target.fs.pipe_file(f"{self.target.path}/{key}", content)
        self.target.fs.invalidate_cache()
        if self.mark is not None:
            self.mark.remove()


def _file_system(url: str, scheme: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    import fsspec

    try:
        if scheme in _READ_ONLY:
            raise ValueError(scheme)  # noqa: TRY301
        fsspec.get_filesystem_class(scheme)
    except ValueError as error:
        raise PlanError(
            f"target '{shown(url)}' is a {scheme} URL, where nothing can be written; "
            "use a local path or the URL of an object store, such as 's3://bucket/cells.ome.zarr'"
        ) from error
    except ImportError as error:
        package = _PIP.get(scheme)
        line = f"install it with: pip install {package}" if package else str(error)
        raise MissingPackageError(
            f"writing to a {scheme} URL needs a package that is not installed; {line}"
        ) from error
    with told("opening", shown(url)):
        try:
            fs, path = fsspec.url_to_fs(url, **options)
        except TypeError as error:
            raise PlanError(
                f"storage_options with {', '.join(map(repr, options))} don't suit a {scheme} URL: "
                f"{error}; look at what fsspec's {scheme} file system takes"
            ) from error
    return fs, path


def _below(key: str, folder: str) -> bool:
    return key.strip("/").startswith(folder.strip("/") + "/")


def _same(key: str, other: str | None) -> bool:
    return other is not None and key.strip("/") == other.strip("/")


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _listed(fs: Any, path: str) -> list[str]:
    """Return what stands directly below `path`, or `path` itself where it is a file."""
    fs.invalidate_cache()
    try:
        entries = fs.ls(path, detail=True)
    except FileNotFoundError as error:
        if getattr(error.__cause__, "response", None):  # the bucket itself, says the server
            raise
        return []
    # Some programs mark folders by an empty object of their name.
    return [
        entry["name"]
        for entry in entries
        if entry["size"] or entry["name"].strip("/") != path.strip("/")
    ]
