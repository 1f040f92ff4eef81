"""An OME-Zarr image that becomes the first of a series.

At every moment the root is a whole image, a whole series or nothing that a program takes for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import zarr
from zarr.core.sync import sync

from nbexport.errors import TargetError, TargetExistsError
from nbexport.stores.ome_zarr._write import put_file
from nbexport.stores.targets import (
    SERIES,
    ZARR_FILES,
    LocalZarr,
    OpenRemote,
    RemoteZarr,
    ZarrTarget,
    cleaned,
    locked,
    new_folder,
    remove,
    told,
)
from nbexport.stores.targets.held import ROOT_KEYS, HeldStore

__all__ = ["begin_series", "list_series", "reads_from", "series_place"]

Groups = Mapping[str, Mapping[str, Any]]

_XML: Final = "OME/METADATA.ome.xml"
_ASIDE: Final = ".partial"
# Objects copied at the same time.
_N_COPIES: Final = 16


def begin_series(
    target: ZarrTarget, zarr_format: Literal[2, 3], groups: Groups, files: Mapping[str, bytes]
) -> None:
    """Make the image at the root of `target` the group ``0`` of a series of one.

    Parameters
    ----------
    target
        Where the image is.
    zarr_format
        Its Zarr format.
    groups, files
        See :func:`write_zarr`; of the series.

    Notes
    -----
    A folder is renamed. The objects of a URL are copied by its server and then removed, since
    object stores can't rename: while they are, there is nothing to be seen at the URL. Where the
    second image failed, and is tried again, the series of one is there already.
    """
    if _is_begun(target, groups):
        return
    if isinstance(target, LocalZarr):
        _begin_in_folder(target.path, zarr_format, groups, files)
    else:
        assert isinstance(target, RemoteZarr)
        with told("moving the first image of", str(target)):
            _begin_at_url(target, zarr_format, groups, files)


def list_series(target: ZarrTarget, groups: Groups, files: Mapping[str, bytes]) -> None:
    """Let ``OME/`` of the series at `target` say what `groups` and `files` say."""
    lock = locked(target.path) if isinstance(target, LocalZarr) else nullcontext()
    with lock, told("writing to", str(target)):
        root = zarr.open_group(_store(target), mode="r+")
        for path, content in files.items():
            put_file(root, path, content)
        if _XML not in files:  # of fewer images, it would be wrong
            sync((root.store_path / _XML).delete())
        zarr.open_group(root.store, path="OME", mode="r+").update_attributes(dict(groups["OME"]))


def series_place(target: ZarrTarget, name: str) -> ZarrTarget:
    """Return the place of the image `name` of the series at `target`."""
    if isinstance(target, LocalZarr):
        place = target.path / name
        if place.exists():
            raise TargetExistsError(
                f"'{place}' exists, and was not there when this series began; another export adds "
                "to it, choose another target"
            )
        return LocalZarr(place, is_new=True)
    assert isinstance(target, RemoteZarr)
    url, path = f"{target.url}/{name}", f"{target.path}/{name}"
    return replace(target, url=url, path=path, exists=False)


def reads_from(target: ZarrTarget, array: Any) -> bool:
    """Return whether `array`, a zarr.Array, lies in `target`."""
    if isinstance(target, RemoteZarr):
        return bool(replace(target, exists=True).loses(array))
    assert isinstance(target, LocalZarr)
    store = getattr(array.store, "_store", array.store)
    fs = getattr(store, "fs", None)  # dask reads local folders by fsspec
    fs = getattr(fs, "sync_fs", fs)
    if fs is not None and "file" not in _protocols(fs):
        return False
    place = Path(str(getattr(store, "root", None) or getattr(store, "path", ""))) / array.path
    return bool(place.is_relative_to(target.path))


def _is_begun(target: ZarrTarget, groups: Groups) -> bool:
    with suppress(FileNotFoundError):
        found = zarr.open_group(_store(target), path="OME", mode="r")
        return found.attrs.asdict() == groups["OME"]
    return False


def _begin_in_folder(
    path: Path, zarr_format: Literal[2, 3], groups: Groups, files: Mapping[str, bytes]
) -> None:
    with locked(path):
        cleaned(path)
        if not path.is_dir() or (path / "OME").exists():
            raise TargetError(
                f"'{path}' is no longer the image that was written there, so it was not made a "
                "series; another program has changed it, choose another target"
            )
        folder = new_folder(path)
        made = folder / SERIES
        _renamed(path, made, folder, zarr_format, groups, files)


def _renamed(
    path: Path,
    made: Path,
    folder: Path,
    zarr_format: Literal[2, 3],
    groups: Groups,
    files: Mapping[str, bytes],
) -> None:
    try:
        _create(made, zarr_format, groups, files)
        path.rename(made / "0")
        try:
            made.rename(path)
        except BaseException:
            (made / "0").rename(path)
            raise
    except OSError as error:
        raise TargetError(f"'{path}' can't be made a series: {error.strerror}") from error
    finally:
        if path.exists():  # else the image is in there
            remove(folder)


def _begin_at_url(
    target: RemoteZarr, zarr_format: Literal[2, 3], groups: Groups, files: Mapping[str, bytes]
) -> None:
    fs, root = target.fs, target.path.rstrip("/")
    keys = [path.removeprefix(f"{root}/") for path in target.listing()]
    inner = [key for key in keys if key not in ROOT_KEYS]
    own = {key: fs.cat_file(f"{root}/{key}") for key in keys if key in ROOT_KEYS}
    # Chunk 0/1/2 becomes 0/0/1/2, which is no old object's name, for it lies deeper. But where
    # objects are files, 0/0/1/2 can't be while 0/0/1 is: what that holds up goes by a side way.
    held_up = [key for key in inner if not _parents(f"0/{key}").isdisjoint(inner)]
    away = {key: f"{_ASIDE}/{key}" if key in held_up else f"0/{key}" for key in inner}
    # And what is group 0 in the end was array 0: Zarr 3 has one name for the metadata of both.
    with ThreadPoolExecutor(_N_COPIES) as threads:

        def copy(copies: Iterable[tuple[str, str]]) -> None:
            sources, copied = zip(*copies, strict=True)
            list(threads.map(fs.cp_file, _below(root, sources), _below(root, copied)))

        def remove(objects: Iterable[str]) -> None:
            list(threads.map(fs.rm_file, _below(root, objects)))

        try:
            copy(away.items())
        except BaseException:
            for path in _below(root, away.values()):
                with suppress(Exception):  # it may not be there
                    fs.rm_file(path)
            raise
        remove(key for key in own if key in ZARR_FILES)
        remove([*inner, *(key for key in own if key not in ZARR_FILES)])
        if held_up:
            copy((away[key], f"0/{key}") for key in held_up)
            remove(away[key] for key in held_up)
    for key, content in own.items():
        fs.pipe_file(f"{root}/0/{key}", content)
    fs.invalidate_cache()
    held = HeldStore(_store(target), str(target))
    _create(held, zarr_format, groups, files)
    OpenRemote(target, held).publish()


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _parents(key: str) -> set[str]:
    parts = key.split("/")
    return {"/".join(parts[:n]) for n in range(1, len(parts))}


def _below(root: str, keys: Iterable[str]) -> list[str]:
    return [f"{root}/{key}" for key in keys]


def _create(
    store: Any, zarr_format: Literal[2, 3], groups: Groups, files: Mapping[str, bytes]
) -> None:
    root = zarr.create_group(store, zarr_format=zarr_format)
    for path, attributes in groups.items():
        if path:
            root.create_group(path, attributes=dict(attributes))
    for path, content in files.items():
        put_file(root, path, content)
    root.update_attributes(dict(groups[""]))


def _store(target: ZarrTarget) -> Any:
    if isinstance(target, LocalZarr):
        return target.path
    from zarr.storage import FsspecStore

    assert isinstance(target, RemoteZarr)
    return FsspecStore.from_url(target.url, storage_options=dict(target.options))
