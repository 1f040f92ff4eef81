"""Every option of every door, given what it was not made for: an error of ours, and nothing left.

The campaign draws such values at random; here each option meets each of them.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

import nbexport
import nbexport.testing
from nbexport import ExportError, LossWarning


class Unwilling:
    """Compares with nothing, and is neither true nor false, as arrays are."""

    __hash__ = None

    def __eq__(self, other):
        raise RuntimeError("compared")

    def __bool__(self):
        raise RuntimeError("asked for its truth")


def endless(kind: type) -> Any:
    """Return a list or a dict that holds itself."""
    whole = kind()
    if isinstance(whole, list):
        whole.append(whole)
    else:
        whole["self"] = whole
    return whole


VALUES: dict[str, Callable[[], Any]] = {
    "empty array": lambda: np.array([]),
    "array": lambda: np.array([1, 2]),
    "words": lambda: np.array(["y", "x"]),
    "NaN": lambda: float("nan"),
    "infinity": lambda: np.float64("inf"),
    "True": lambda: True,
    "minus one": lambda: -1,
    "huge": lambda: 10**30,
    "complex": lambda: 1 + 2j,
    "word": lambda: "nonsense",
    "no word": lambda: "",
    "surrogate": lambda: "\ud800",
    "bytes": lambda: b"mean",
    "other keys": lambda: {1: 2, "a": "b"},
    "array for y": lambda: {"y": np.array([])},
    "list of None": lambda: [None],
    "endless list": lambda: endless(list),
    "endless dict": lambda: endless(dict),
    "iterator": lambda: iter([1, 2]),
    "set": lambda: {"y", "x"},
    "object": object,
    "unwilling": Unwilling,
    "DataArray": lambda: xr.DataArray([1, 2]),
    "function": lambda: len,
    "slice": lambda: {"c": slice(None)},
}
# Shown to the user, not understood by us: other tests have what belongs there.
NOT_OURS = {"progress", "storage_options", "client"}


def cells() -> xr.DataArray:
    return nbexport.testing.cells(t=2, c=2, z=2, y=32, x=32)


def mask() -> xr.DataArray:
    return nbexport.testing.cells(c=1, y=32, x=32).isel(c=0) > 500


DOORS: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]]]] = {
    "describe": (nbexport.describe, lambda: (cells(),)),
    "figure": (nbexport.render_figure, lambda: (cells(),)),
    "write_image": (nbexport.write_image, lambda: (cells(), "a.png")),
    "write_images": (nbexport.write_images, lambda: ({"a": cells()}, "s.ome.zarr")),
    "write_labels": (nbexport.write_labels, lambda: ({"n": mask().astype("u1")}, "b.ome.zarr")),
    "write_movie": (nbexport.write_movie, lambda: (cells(), "a.gif")),
    "write_ome_tiff": (nbexport.write_ome_tiff, lambda: (cells(), "a.ome.tif")),
    "write_ome_zarr": (nbexport.write_ome_zarr, lambda: (cells(), "a.ome.zarr")),
    "write_plate": (nbexport.write_plate, lambda: ({("A", 1, 0): cells()}, "p.ome.zarr")),
    "prepare_ome_zarr": (nbexport.prepare_ome_zarr, lambda: (cells(), "q.ome.zarr")),
}


def options(door: Callable[..., Any]) -> list[str]:
    by_name = inspect.signature(door).parameters.values()
    return [p.name for p in by_name if p.kind is p.KEYWORD_ONLY and p.name not in NOT_OURS]


@pytest.mark.parametrize("name", DOORS)
def test_every_option_refuses_what_it_was_not_made_for(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    door, arguments = DOORS[name]
    known = options(door)
    assert len(known) > 4
    quiet = {"progress": False} if "progress" in inspect.signature(door).parameters else {}
    if name == "write_labels":
        nbexport.write_ome_zarr(nbexport.testing.cells(c=1, y=32, x=32), "b.ome.zarr", **quiet)
    refused, foreign = [], []
    for option in known:
        for kind, value in VALUES.items():
            given = {option: value(), **quiet}
            if option != "overwrite" and "overwrite" in known:
                given["overwrite"] = True
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LossWarning)
                try:
                    door(*arguments(), **given)
                except ExportError as error:
                    refused.append(str(error).strip())
                except Exception as error:
                    foreign.append(f"{option}={kind}: {type(error).__name__}: {error}")
    assert foreign == []
    assert all(refused)
    assert len(refused) > 10 * len(known)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
