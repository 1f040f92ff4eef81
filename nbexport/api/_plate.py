"""A multi-well plate as one OME-Zarr."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import xarray as xr

from nbexport._keywords import names_nearest
from nbexport.api._collection import Collection, ZarrWishes, plan_member, write_collection
from nbexport.api._plan import Shards
from nbexport.errors import PlanError
from nbexport.metadata import ngff_group
from nbexport.plan import Factors, Method
from nbexport.stores import ProgressOption, TargetPath, VerifyOption, WriteReport

FieldKey = tuple[str, int | str, int]
"""(row, column, field)"""

_ROW: Final = re.compile("[A-Z]{1,2}")
_COLUMN: Final = re.compile("[0-9]{1,3}")
_DEPTH: Final = 3  # row, column, field


@names_nearest
def write_plate(
    fields: Mapping[FieldKey, xr.DataArray] | xr.DataTree,
    target: TargetPath,
    *,
    plate_name: str | None = None,
    plate_shape: tuple[int, int] | None = None,
    field_names: Sequence[str] | None = None,
    version: str = "0.5",
    levels: int | None = None,
    factors: Factors = None,
    method: Method | None = None,
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
) -> WriteReport:
    """Write the fields of a multi-well plate into one OME-Zarr, each with all its levels.

    Parameters
    ----------
    fields
        DataArrays by (row, column, field), such as ``("A", 1, 0)``; or a DataTree with nodes
        ``A/1/0`` of one data variable each. Rows are A to Z, then AA to ZZ; columns count from 1
        and fields from 0; a column as text, such as ``"01"``, is kept as it is written.
    target
        See :func:`write_ome_zarr`.
    plate_name
        Name of the plate; None: that of the target.
    plate_shape
        Rows and columns of the whole plate, such as ``(8, 12)``, which OME-NGFF wants to know;
        None: as far as the wells reach.
    field_names
        Names of fields 0, 1, …; None: each image's own, or its path.
    version, levels, factors, method, chunks, shards
        See :func:`write_ome_zarr`; they hold for every image.
    compression, compression_level, skip_empty
        See :func:`write_ome_zarr`.
    overwrite, resume, verify, retries
        See :func:`write_ome_zarr`.
    progress, workers, client, memory_budget, storage_options
        See :func:`write_ome_zarr`.

    Returns
    -------
    WriteReport
        What was done; its plan is the first field's, `others` are the plans of the rest.

    Raises
    ------
    PlanError
        If a key is no place on a plate, or the options make no sense for one of the fields.
    TargetError, TargetExistsError, SourceError
        See :func:`write_ome_zarr`.

    Warns
    -----
    LossWarning
        For each thing that OME-Zarr could not keep.

    Notes
    -----
    Blocks of all wells go through the same workers. Source: OME-NGFF 0.5, "plate" and "well".

    Examples
    --------
    >>> from nbexport.testing import cells
    >>> wells = {("A", 1, 0): cells(y=64, x=64), ("B", 2, 0): cells(y=64, x=64, seed=1)}
    >>> report = write_plate(wells, folder / "plate.ome.zarr", plate_shape=(8, 12))
    >>> sorted(path.name for path in (folder / "plate.ome.zarr").iterdir())
    ['A', 'B', 'zarr.json']
    """
    wishes = ZarrWishes.among(locals())

    def plan(wishes: ZarrWishes) -> Collection:
        _check_names(field_names)
        plate = _Plate.of(_placed(fields), plate_shape)
        if plate_name is not None and not isinstance(plate_name, str):
            raise PlanError(f"plate_name={plate_name!r} is no text; give a word for the plate")
        title = plate_name if plate_name is not None else _stem(target)
        members = []
        for place, da in plate.fields.items():
            name = str(da.name) if getattr(da, "name", None) is not None else place.path
            if field_names is not None:
                if place.field >= len(field_names):
                    raise PlanError(
                        f"field_names has {len(field_names)} names, and {place.path} is field "
                        f"{place.field}, counted from 0; give a name for each"
                    )
                name = field_names[place.field]
            members.append(plan_member(place.path, name, da, wishes, title=place.path))
        return Collection(members=tuple(members), groups=plate.groups(title, wishes.version))

    return write_collection(plan, target, wishes)


def _check_names(names: Any) -> None:
    if names is None:
        return
    several = isinstance(names, Sequence) and not isinstance(names, str | bytes)
    if not several or any(not isinstance(name, str) for name in names):
        raise PlanError(
            f"field_names={names!r} is no list of names; give one for each field, such as "
            "['left', 'right']"
        )


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a field lies; sorted as plates are read: A before B before AA, 2 before 10."""

    row_index: int
    column_index: int
    field: int
    row: str
    column: str

    @property
    def well(self) -> str:
        return f"{self.row}/{self.column}"

    @property
    def path(self) -> str:
        return f"{self.well}/{self.field}"


@dataclass(frozen=True, slots=True)
class _Plate:
    fields: dict[_Place, xr.DataArray]
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    @classmethod
    def of(
        cls, found: Iterable[tuple[_Place, xr.DataArray]], shape: tuple[int, int] | None
    ) -> _Plate:
        fields = dict(sorted(found, key=lambda pair: pair[0]))
        if not fields:
            raise PlanError(
                "there are no fields here; give DataArrays by place, such as ('A', 1, 0)"
            )
        n_rows = 1 + max(place.row_index for place in fields)
        n_columns = 1 + max(place.column_index for place in fields)
        if shape is not None:
            try:
                rows, columns = map(operator.index, shape)
            except (TypeError, ValueError):
                raise PlanError(
                    f"plate_shape={shape!r} is not (rows, columns); give two numbers, as in (8, 12)"
                ) from None
            if n_rows > rows or n_columns > columns:
                last = max(fields, key=lambda p: (p.row_index >= rows, p.column_index >= columns))
                raise PlanError(
                    f"well {last.well} lies outside of plate_shape={shape!r}, which ends at "
                    f"{_row_name(rows - 1)}/{columns}; leave plate_shape out, or give a larger one"
                )
            n_rows, n_columns = rows, columns
        # What the caller calls a column is its name; those without wells are written alike.
        names: dict[int, str] = {}
        for place in fields:
            known = names.setdefault(place.column_index, place.column)
            if known != place.column:
                raise PlanError(
                    f"columns {known!r} and {place.column!r} are the same one; use one spelling"
                )
        width = max((len(name) for name in names.values() if name.startswith("0")), default=1)
        return cls(
            fields=fields,
            rows=tuple(map(_row_name, range(n_rows))),
            columns=tuple(names.get(i, f"{i + 1:0{width}}") for i in range(n_columns)),
        )

    def groups(self, title: str, version: str) -> dict[str, dict[str, Any]]:
        """Return the attributes of the plate, its rows and its wells, by path."""
        wells: dict[str, list[_Place]] = {}
        for place in self.fields:
            wells.setdefault(place.well, []).append(place)
        # The text of 0.5 wants the version here as well, its schema does not know it.
        plate = {
            **({"version": version} if version == "0.5" else {}),
            "name": title,
            "rows": [{"name": name} for name in self.rows],
            "columns": [{"name": name} for name in self.columns],
            "wells": [
                {
                    "path": path,
                    "rowIndex": places[0].row_index,
                    "columnIndex": places[0].column_index,
                }
                for path, places in wells.items()
            ],
            "field_count": max(map(len, wells.values())),
        }
        rows: dict[str, dict[str, Any]] = {place.row: {} for place in self.fields}
        images = {
            path: ngff_group(
                {"well": {"images": [{"path": str(place.field)} for place in places]}}, version
            )
            for path, places in wells.items()
        }
        return {"": ngff_group({"plate": plate}, version), **rows, **images}


def _placed(
    fields: Mapping[FieldKey, xr.DataArray] | xr.DataTree,
) -> list[tuple[_Place, xr.DataArray]]:
    pairs: list[tuple[Any, xr.DataArray]]
    if isinstance(fields, xr.DataTree):
        pairs = []
        for node in fields.subtree:
            for name, da in node.to_dataset().data_vars.items():
                if len(node.data_vars) > 1:
                    raise PlanError(
                        f"node {node.path!r} has {len(node.data_vars)} data variables, {name!r} "
                        "among them; a field holds one image"
                    )
                pairs.append((tuple(node.path.strip("/").split("/")), da))
    elif isinstance(fields, Mapping):
        by_key: Mapping[Any, Any] = fields
        pairs = list(by_key.items())
    else:
        raise TypeError(
            "DataArrays by (row, column, field) or an xarray.DataTree are needed, "
            f"got {type(fields).__name__}; give for example {{('A', 1, 0): da}}"
        )
    out: dict[_Place, xr.DataArray] = {}
    for key, da in pairs:
        place = _place(key)
        if place in out:
            raise PlanError(f"field {place.path} is there twice, once as {key!r}")
        out[place] = da
    return list(out.items())


def _place(key: Any) -> _Place:
    """Return the place on the plate that `key` names."""
    wrong = PlanError(
        f"{key!r} is no place on a plate; give (row, column, field) such as ('A', 1, 0): rows A "
        "to ZZ, columns from 1, fields from 0"
    )
    if not isinstance(key, tuple) or len(key) != _DEPTH:
        raise wrong
    row = key[0]
    column, field = (_text(part) for part in key[1:])
    if not isinstance(row, str) or not _ROW.fullmatch(row):
        raise wrong
    if not _COLUMN.fullmatch(column) or int(column) < 1 or not field.isdecimal():
        raise wrong
    return _Place(_row_index(row), int(column) - 1, int(field), row, column)


def _text(part: Any) -> str:
    if isinstance(part, str):
        return part if part.isascii() else ""
    try:
        return "" if isinstance(part, bool) else str(operator.index(part))
    except TypeError:
        return ""


def _row_index(name: str) -> int:
    index = 0
    for letter in name:
        index = 26 * index + ord(letter) - ord("A") + 1
    return index - 1


def _row_name(index: int) -> str:
    first, last = divmod(index, 26)
    return (chr(ord("A") + first - 1) if first else "") + chr(ord("A") + last)


def _stem(target: TargetPath) -> str:
    name = str(target).rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    return name.split(".")[0] or "plate"
