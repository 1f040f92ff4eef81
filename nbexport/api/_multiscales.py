"""A pyramid that is there already, written as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.api._collection import Collection, Member, ZarrWishes, write_collection
from nbexport.api._plan import Shards, chunks_and_shards, n_workers, parse_nbytes
from nbexport.dataarray import ChannelWish, Described, Numbers, Units, channels_from_samples, read
from nbexport.errors import PlanError
from nbexport.metadata import ngff_losses
from nbexport.model import Axis, Kind
from nbexport.plan import PyramidPlan, coarser_axis, plan_levels
from nbexport.stores import ProgressOption, TargetPath, VerifyOption, WriteReport

_NUMBER: Final = re.compile("[0-9]+$")


@names_nearest
def write_multiscales(
    tree: xr.DataTree,
    target: TargetPath,
    *,
    version: str = "0.5",
    chunks: Sequence[int] | Mapping[str, int] | None = None,
    shards: Shards = None,
    compression: Any = "blosc-zstd",
    compression_level: int | None = None,
    skip_empty: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    verify: VerifyOption = False,
    retries: int = 0,
    progress: ProgressOption = None,
    workers: int | None = None,
    client: Any = None,
    memory_budget: str | int = "1 GiB",
    storage_options: Mapping[str, Any] | None = None,
    name: str | None = None,
    dims: Mapping[str, str] | None = None,
    scale: Numbers = None,
    translation: Numbers = None,
    units: Units = None,
    channels: Sequence[ChannelWish] | None = None,
    kind: Kind | None = None,
) -> WriteReport:
    """Write the levels of `tree` as one OME-Zarr image, each as it is: nothing is resampled.

    Parameters
    ----------
    tree
        Nodes ``scale0``, ``scale1``, … (or ``0``, ``1``, …) with one data variable each, finest
        first, as multiscale-spatial-image makes them.
    target
        See :func:`write_ome_zarr`.
    version, chunks, shards, compression, compression_level, skip_empty
        See :func:`write_ome_zarr`.
    overwrite, resume, verify, retries
        See :func:`write_ome_zarr`.
    progress, workers, client, memory_budget, storage_options
        See :func:`write_ome_zarr`.
    name, dims, units, channels, kind
        See :func:`describe`.
    scale, translation
        Of level 0; the coarser levels then follow from their shapes and not from their coords.

    Returns
    -------
    WriteReport
        What was done; the `method` of its plan is None.

    Raises
    ------
    PlanError
        If the nodes are no levels of one image, or the options make no sense together.
    TargetError, TargetExistsError, SourceError
        See :func:`write_ome_zarr`.

    Warns
    -----
    LossWarning
        For each thing that OME-Zarr could not keep.

    Notes
    -----
    Level 0 says what the image is; each coarser level's scale and translation come from its own
    coords. Where it has none they follow from the shapes, as those of block means, and a note
    says so. Cost: every pixel of every level is read once.

    Examples
    --------
    >>> import nbexport.testing
    >>> cell = nbexport.testing.cells(y=64, x=64)
    >>> half = cell.coarsen(y=2, x=2).max().astype("uint16")
    >>> tree = xr.DataTree.from_dict({n: da.to_dataset() for n, da in (("0", cell), ("1", half))})
    >>> write_multiscales(tree, folder / "cell.ome.zarr").plan.levels[1].axes[-1].translation
    0.325
    """
    wishes = ZarrWishes.among(locals())
    about = {
        "dims": dims,
        "scale": scale,
        "translation": translation,
        "units": units,
        "channels": channels,
        "kind": kind,
    }

    def plan(wishes: ZarrWishes) -> Collection:
        levels = _described(_levels(tree), name, about)
        planned = _planned(levels, wishes)
        coarser = tuple(level.source for level in levels[1:])
        first = levels[0]
        return Collection(
            members=(
                Member(
                    path="",
                    described=first,
                    plan=planned,
                    notes=first.image.notes,
                    coarser=coarser,
                ),
            )
        )

    return write_collection(plan, target, wishes)


def _planned(levels: Sequence[Described], wishes: ZarrWishes) -> PyramidPlan:
    """Return the plan that writes `levels`, finest first, as they are."""
    image = levels[0].image
    inner, outer = chunks_and_shards(image, wishes.version, wishes.chunks, wishes.shards)
    return plan_levels(
        image,
        [level.image.axes for level in levels[1:]],
        chunks=inner,
        shards=outer,
        source_chunks=[level.source.chunks for level in levels],
        memory_budget=parse_nbytes(wishes.memory_budget),
        workers=n_workers(wishes.workers),
        losses=image.losses + ngff_losses(image),
    )


def _levels(tree: xr.DataTree) -> list[tuple[str, xr.DataArray]]:
    """Return (node, image), finest first."""
    if not isinstance(tree, xr.DataTree):
        raise TypeError(
            f"an xarray.DataTree of levels is needed, got {type(tree).__name__}; "
            "one image is written with write_ome_zarr, several with write_images"
        )
    numbered = {}
    for name, node in tree.children.items():
        number = _NUMBER.search(name)
        if number is None or node.children or int(number[0]) in numbered:
            raise PlanError(
                f"node {name!r} is no level; a tree of levels has the nodes scale0, scale1, … and "
                "nothing else (wells are written with write_plate, images with write_images)"
            )
        if len(node.data_vars) != 1:
            found = ", ".join(map(str, node.data_vars)) or "none"
            raise PlanError(
                f"node {name!r} has {len(node.data_vars)} data variables ({found}); "
                "a level holds one image"
            )
        (da,) = node.to_dataset().data_vars.values()
        numbered[int(number[0])] = name, da
    if tree.data_vars or sorted(numbered) != [*range(len(numbered))] or not numbered:
        found = ", ".join(tree.children) or "none"
        raise PlanError(
            f"this tree has the nodes {found}{' and images at its root' * bool(tree.data_vars)}; "
            "levels are scale0, scale1, … without a gap"
        )
    return [numbered[i] for i in range(len(numbered))]


def _described(
    levels: Sequence[tuple[str, xr.DataArray]], name: str | None, about: Mapping[str, Any]
) -> list[Described]:
    first = read(levels[0][1], name=name, **about)
    # What else the caller said is said of level 0; kind and name hold for all.
    wishes = {"dims": about["dims"], "units": about["units"], "kind": first.image.kind}
    by_shape = about["scale"] is not None or about["translation"] is not None
    out = [first]
    notes: list[str] = []
    for i, (node, da) in enumerate(levels[1:], 1):
        bare = da.copy(deep=False)
        bare.attrs = {}  # often level 0's, pixel sizes included
        if by_shape:
            bare = bare.drop_vars([dim for dim in bare.dims if dim in bare.coords])
        _check_direction(node, bare, levels[0][1], by_shape)
        level = read(bare, name=first.image.name, **wishes)
        if level.image.dtype != first.image.dtype:
            raise PlanError(
                f"level {node!r} has {level.image.dtype} pixels and level 0 {first.image.dtype}; "
                f"cast them, for example da.astype({first.image.dtype!r})"
            )
        finer = {axis.name: axis for axis in out[-1].image.axes}
        axes = [_placed(axis, finer.get(axis.name), node, bare) for axis in level.image.axes]
        guessed = [a.name for a in level.image.axes if not a.calibrated and a.name not in "cs"]
        guessed = [n for n in guessed if n in finer and finer[n].size != level.image.sizes[n]]
        if guessed:
            notes.append(
                f"level {i} does not say where its pixels lie along {' and '.join(guessed)}; "
                "this follows from its shape, as for block means"
            )
        out.append(replace(level, image=replace(level.image, axes=tuple(axes))))
    if first.image.kind == "rgb":
        out = [channels_from_samples(level) for level in out]
    told = replace(out[0].image, notes=(*out[0].image.notes, *notes))
    return [replace(out[0], image=told), *out[1:]]


def _placed(axis: Axis, finer: Axis | None, node: str, da: xr.DataArray) -> Axis:
    """Return where the pixels of a coarser level lie: what it says, else what its size says."""
    if finer is None or axis.name in "cs":
        return axis
    if not axis.calibrated:
        moved = coarser_axis(finer, axis.size)
        # One pixel has a place but no step.
        return replace(moved, translation=axis.translation) if axis.translation else moved
    if axis.unit is None:
        return replace(axis, unit=finer.unit)
    if axis.unit != finer.unit:
        raise PlanError(
            f"level {node!r} gives {axis.name} in {axis.unit} and the finer one in "
            f"{finer.unit or 'no unit'}; all levels need the same"
        )
    return axis


def _check_direction(node: str, da: xr.DataArray, first: xr.DataArray, by_shape: bool) -> None:
    """Raise PlanError where level 0 will be reversed, and the level can't be known to need it."""
    for dim in da.dims:
        coord = first.coords.get(dim)
        if by_shape or dim in da.coords or coord is None or coord.size < 2 or da.sizes[dim] < 2:
            continue
        if coord.dtype.kind in "iufmM" and coord.values[0] > coord.values[-1]:
            raise PlanError(
                f"level {node!r} has no coordinate {str(dim)!r}, which descends at level 0; "
                "give it one, so that both are turned alike"
            )
