"""A target that is one file: written to the local disk, then renamed or uploaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from nbexport.errors import ExportCancelled, TargetError, TargetExistsError
from nbexport.stores._interrupts import some_done
from nbexport.stores._progress import Progress
from nbexport.stores.targets._format import HEAD_NBYTES, LABELS, Format, begins_as
from nbexport.stores.targets._remote import looked_at
from nbexport.stores.targets._scratch import scratch
from nbexport.stores.targets._target import full_disk_told, staged
from nbexport.stores.targets._trouble import shown, told

Announce = Callable[[Progress], object]

# In place of an entry that the server did not tell.
_UNKNOWN: Final = object()
# How long an upload that is stopped may take to end.
_GRACE_S: Final = 10.0
# The progress of an upload counts these.
_PART_NBYTES: Final = 2**20


class FileTarget(Protocol):
    """A checked place for one file; it reads as the user's name for it."""

    @property
    def name(self) -> str:
        """Its last part."""

    def opened(self, announce: Announce | None = None) -> AbstractContextManager[Path]:
        """Give a local path to write; where the block ends it is published.

        Nothing is at the target before that, and what was there stays if the block ends by an
        exception. The folder of the path is the writer's own, for what it needs on the way, and is
        removed at the end.

        Parameters
        ----------
        announce
            Called with a Progress while the file is uploaded, on the calling thread; counted in
            parts of 1 MiB, and `what` says so.
        """


@dataclass(frozen=True, slots=True)
class LocalFile:
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
        """The name of the file."""
        return self.path.name

    @contextmanager
    def opened(self, announce: Announce | None = None) -> Iterator[Path]:
        """Give a path in a hidden folder beside the target, and rename it where the block ends."""
        with staged(self.path, is_new=self.is_new) as folder:
            yield folder / self.path.name


def check_remote_file(
    url: str, format: Format, *, overwrite: bool, storage_options: Mapping[str, Any]
) -> RemoteFile:
    """Return `url` as a file that may be written, or say why it may not.

    Raises
    ------
    TargetExistsError
        If it exists and `overwrite` is False.
    TargetError
        If the suffix is wrong, the server refuses or can't be reached, or `overwrite` would
        replace something that doesn't look like a `format`.
    PlanError, MissingPackageError
        See :func:`check_remote`.
    """
    url = url.rstrip("/")
    name = shown(url)
    fs, path, found = looked_at(url, format, storage_options)
    if found and not overwrite:
        raise TargetExistsError(f"'{name}' exists; pass overwrite=True to replace it")
    if found:
        with told("looking at", name):
            own = fs.isfile(path) and begins_as(fs.cat_file(path, start=0, end=HEAD_NBYTES), format)
        if not own:
            raise TargetError(
                f"'{name}' holds something that does not look like {LABELS[format]}, so "
                "overwrite=True does not replace it; remove it yourself or choose another name"
            )
    return RemoteFile(url=url, fs=fs, path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A checked URL.

    Attributes
    ----------
    url
        As the user gave it.
    fs, path
        The file system, and the URL's place in it.
    """

    url: str
    fs: Any
    path: str

    def __str__(self) -> str:
        return shown(self.url)

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rsplit("/", 1)[-1]

    @contextmanager
    def opened(self, announce: Announce | None = None) -> Iterator[Path]:
        """Give a path in a temporary folder, and upload it where the block ends."""
        with scratch() as folder:
            with full_disk_told(
                folder, folder.parents[1], "set TMPDIR to a folder of a larger disk"
            ):
                yield folder / self.name
            self._upload(folder / self.name, announce or (lambda progress: None))

    def _upload(self, made: Path, announce: Announce) -> None:
        before = self._entry()
        upload = _Upload(self, made, made.stat().st_size)
        try:
            upload.run(announce)
        except BaseException as error:
            self._clean_up_after(error, before)
            raise

    def _entry(self) -> Any:
        """Return what the server says of the file, None where there is none, or _UNKNOWN."""
        self.fs.invalidate_cache()
        try:
            return self.fs.info(self.path)
        except FileNotFoundError:
            return None
        except Exception:  # the network, or no right to look: that is no "nothing there"
            return _UNKNOWN

    def _clean_up_after(self, error: BaseException, before: Any) -> None:
        """Remove a part of the file, where a server keeps such."""
        there = self._entry()
        if there is _UNKNOWN or before is _UNKNOWN:
            after = "what is there now could not be asked, look yourself"
        elif there == before:
            after = "nothing was changed there"
        else:
            try:
                with told("removing", str(self)):
                    self.fs.rm_file(self.path)
            except TargetError as failed:
                after = f"a part of the file could not be removed ({failed}); remove it yourself"
            else:
                after = "nothing was left there"
        if isinstance(error, TargetError):
            raise TargetError(f"{error}; {after}") from error
        if not after.startswith("nothing"):
            error.add_note(f"Of '{self}', {after}.")


class _Upload:
    """One upload on a thread of its own, so that this one can say how far it is, and stop it."""

    def __init__(self, target: RemoteFile, made: Path, nbytes: int) -> None:
        self._target = target
        self._made = made
        self._nbytes = nbytes
        self._sent = 0
        self._stopped = False

    def run(self, announce: Announce) -> None:
        """Upload, and call `announce` on this thread."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="nbexport-upload")
        future = thread.submit(self._put)
        try:
            while not some_done((future,)):
                announce(self._progress())
            with told("writing to", str(self._target)):
                future.result()
            announce(self._progress())
        except BaseException:
            self._stopped = True
            some_done((future,), _GRACE_S)
            raise
        finally:
            thread.shutdown(wait=False)

    def _put(self) -> None:
        from fsspec.callbacks import Callback

        upload = self

        class Listening(Callback):  # type: ignore[misc]
            def call(self, *args: Any, **kwargs: Any) -> None:
                upload._sent = self.value
                if upload._stopped:
                    raise ExportCancelled("the export was stopped")

        self._target.fs.put_file(str(self._made), self._target.path, callback=Listening())

    def _progress(self) -> Progress:
        done, total = (-(-n // _PART_NBYTES) for n in (self._sent, self._nbytes))
        what = f"uploading {self._target.name}"
        return Progress(done=done, total=total, nbytes=self._sent, what=what)
