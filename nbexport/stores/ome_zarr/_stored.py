"""An OME-Zarr image that is there already: what it is, and what may be written into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import zarr

from nbexport.errors import TargetError
from nbexport.metadata import ZARR_FORMATS, StoredImage, ngff_group, read_ngff
from nbexport.model import ImageSpec
from nbexport.plan import Level, Method, PyramidPlan
from nbexport.stores.ome_zarr._levels import encoded_in_one_go
from nbexport.stores.targets import (
    LocalZarr,
    RemoteZarr,
    TargetPath,
    ZarrTarget,
    is_ozx,
    local_path,
    looked_at,
    remote_scheme,
    shown,
    target_text,
    told,
)

__all__ = ["StoredPyramid", "open_levels", "open_pyramid"]

_LABELS: Final = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPyramid:
    """An image of an OME-Zarr that is there.

    Attributes
    ----------
    place
        Where.
    version, image, levels
        What it is, as its metadata and arrays say.
    method
        How the levels were made; None where the metadata don't say.
    arrays
        One a level.
    """

    place: Place
    version: str
    image: ImageSpec
    levels: tuple[Level, ...]
    method: Method | None
    arrays: tuple[zarr.Array[Any], ...]

    def __str__(self) -> str:
        return str(self.place)

    def holds(self, array: Any) -> bool:
        """Return whether `array`, a zarr.Array, is one of the levels."""
        return _where(array) in map(_where, self.arrays)

    def label_names(self) -> list[str]:
        """Return the names of the label images that are listed."""
        try:
            attributes = zarr.open_group(self.place.store, path=_LABELS, mode="r").attrs
        except (FileNotFoundError, zarr.errors.NodeNotFoundError):
            return []
        listed: Any = attributes.get("ome", attributes)
        return [str(name) for name in listed.get(_LABELS, ())]

    def root(self) -> zarr.Group:
        """Return the group of the image, as zarr gives it."""
        return zarr.open_group(self.place.bare_store, mode="r+")

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Give the group of the image these attributes, beside those it has."""
        with told("writing to", str(self)):
            self.root().update_attributes(dict(attributes))

    @contextmanager
    def labels_at(self, name: str) -> Iterator[ZarrTarget]:
        """Give a target for the labels `name`, which are listed where the block ends."""
        there = self.label_names()
        with self.place.below(_LABELS, name, exists=name in there) as target:
            yield target
        group = zarr.open_group(
            self.place.store, path=_LABELS, mode="a", zarr_format=ZARR_FORMATS[self.version]
        )
        content = {_LABELS: [*there, name] if name not in there else there}
        group.update_attributes(ngff_group(content, self.version))


class Place(Protocol):
    """Where an OME-Zarr lies; it reads as the user's name for it."""

    @property
    def store(self) -> Any:
        """What zarr opens."""

    @property
    def bare_store(self) -> Any:
        """What zarr opens, where the root's metadata are to be changed."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes can write to it."""

    @contextmanager
    def below(self, group: str, name: str, *, exists: bool) -> Iterator[ZarrTarget]:
        """Give a target for what becomes or replaces the group `name` in `group`."""


@dataclass(frozen=True, slots=True)
class _LocalPlace:
    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def store(self) -> Any:
        return self.path

    @property
    def bare_store(self) -> Any:
        return self.path

    @property
    def is_shared(self) -> bool:
        return True

    @contextmanager
    def below(self, group: str, name: str, *, exists: bool) -> Iterator[ZarrTarget]:
        folder = self.path / group
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise TargetError(f"'{self.path}' can't be written: {error.strerror}") from error
        try:
            yield LocalZarr(folder / name)
        except BaseException:
            with suppress(OSError):  # not empty: others are in it
                folder.rmdir()
            raise


@dataclass(frozen=True, slots=True)
class _RemotePlace:
    url: str
    options: Mapping[str, Any]
    fs: Any
    path: str

    def __str__(self) -> str:
        return shown(self.url)

    @property
    def store(self) -> Any:
        from nbexport.stores.targets.held import HeldStore

        return HeldStore(self.bare_store, str(self))

    @property
    def bare_store(self) -> Any:
        from zarr.storage import FsspecStore

        return FsspecStore.from_url(self.url, storage_options=dict(self.options))

    @property
    def is_shared(self) -> bool:
        return not self.url.lower().startswith("memory:")

    @contextmanager
    def below(self, group: str, name: str, *, exists: bool) -> Iterator[ZarrTarget]:
        yield RemoteZarr(
            url=f"{self.url}/{group}/{name}",
            options=self.options,
            fs=self.fs,
            path=f"{self.path}/{group}/{name}",
            exists=exists,
        )


def open_pyramid(
    target: TargetPath, storage_options: Mapping[str, Any] | None, *, otherwise: str
) -> StoredPyramid:
    """Return the image at the root of the OME-Zarr at `target`.

    Parameters
    ----------
    target, storage_options
        See :func:`nbexport.write_ome_zarr`.
    otherwise
        What to do where there is none, for the message.

    Raises
    ------
    TargetError
        If there is none.
    PlanError, MissingPackageError
        See :func:`nbexport.stores.check_target`.
    """
    place = _place(target_text(target), storage_options or {}, otherwise)
    store = place.store
    try:
        group = zarr.open_group(store, mode="r")
    except (FileNotFoundError, zarr.errors.ContainsArrayError, zarr.errors.NodeNotFoundError):
        raise TargetError(f"there is no OME-Zarr at '{place}'; {otherwise}") from None
    stored = read_ngff(dict(group.attrs))
    if stored is None or stored.version not in ZARR_FORMATS:
        raise TargetError(
            f"'{place}' has no image in its root that OME-NGFF {', '.join(ZARR_FORMATS)} "
            f"describe; {otherwise}"
        )
    try:
        with encoded_in_one_go():
            arrays = tuple(zarr.open_array(store, path=path, mode="r+") for path in stored.paths)
    except (KeyError, FileNotFoundError, zarr.errors.NodeNotFoundError):
        raise TargetError(
            f"'{place}' lacks an array of {', '.join(stored.paths)}, which its metadata name; "
            "export the image again"
        ) from None
    return _pyramid(place, stored, arrays)


def open_levels(
    target: TargetPath,
    storage_options: Mapping[str, Any] | None,
    plan: PyramidPlan,
    runs: Sequence[tuple[int, int]],
    version: str,
) -> tuple[StoredPyramid, ...]:
    """Return the arrays of `plan`, which were prepared at `target` and are not described yet.

    Parameters
    ----------
    target, storage_options
        Where they were prepared.
    plan
        With which.
    runs
        (first, stop) of the levels that are made from each other: each run is one pyramid.
    version
        Of OME-NGFF.
    """
    place = _place(target_text(target), storage_options or {}, "prepare it first")
    store = place.store
    arrays = tuple(zarr.open_array(store, path=str(i), mode="r+") for i in range(len(plan.levels)))
    return tuple(
        StoredPyramid(
            place=place,
            version=version,
            image=replace(plan.image, axes=plan.levels[first].axes),
            levels=plan.levels[first:stop],
            method=plan.method,
            arrays=arrays[first:stop],
        )
        for first, stop in runs
    )


def _place(text: str, options: Mapping[str, Any], otherwise: str) -> Place:
    if remote_scheme(text) is None:
        path = local_path(text)
        if is_ozx(path.name):
            raise TargetError(f"'{path}' is one file, written once; {otherwise}")
        return _LocalPlace(path)
    url = text.rstrip("/")
    fs, path_there, _ = looked_at(url, "ome-zarr", options)
    return _RemotePlace(url, options, fs, path_there)


def _where(array: Any) -> str:
    """Return the path of a zarr.Array, by whatever kind of store it was opened."""
    store = getattr(array.store, "_store", array.store)
    root = getattr(store, "root", None) or getattr(store, "path", "")
    return f"{root}/{array.path}".strip("/")


def _pyramid(
    place: Place, stored: StoredImage, arrays: tuple[zarr.Array[Any], ...]
) -> StoredPyramid:
    shapes = [array.shape for array in arrays]
    # Where nothing says them, the factors that explain the shapes, whatever was done at the edges.
    factors = stored.factors or [
        (1,) * arrays[0].ndim,
        *(
            tuple(round(a / b) for a, b in zip(finer, coarser, strict=True))
            for finer, coarser in pairwise(shapes)
        ),
    ]
    levels = tuple(
        Level(
            axes=tuple(replace(axis, size=n) for axis, n in zip(axes, array.shape, strict=True)),
            chunks=array.chunks,
            shards=array.shards,
            factors=steps,
        )
        for axes, array, steps in zip(stored.axes, arrays, factors, strict=True)
    )
    image = ImageSpec(
        name=stored.name,
        axes=levels[0].axes,
        dtype=np.dtype(arrays[0].dtype).name,
        channels=stored.channels,
        kind="intensity" if stored.channels else "labels",
    )
    return StoredPyramid(
        place=place,
        version=stored.version,
        image=image,
        levels=levels,
        method=stored.method if stored.factors is not None else None,
        arrays=arrays,
    )
