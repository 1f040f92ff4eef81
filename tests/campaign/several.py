"""Cases of the functions that write several images: by name, on a plate, or labels on an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import dask.array
import numpy as np
import xarray as xr
from hostile import OPTIONS, SCRIPT, Case, anything, cases, keys, scalars, texts
from hypothesis import strategies as st

SEVERAL = ("write_images", "write_plate", "write_labels")
_NOT_THESE = ("labels", "region")
_SHARED = {key: value for key, value in OPTIONS["write_ome_zarr"].items() if key not in _NOT_THESE}
_NOT_OF_LABELS = ("version", "levels", "factors", "method")
TRUST = {
    "verify": st.sampled_from([False, True, "sample"]),
    "retries": st.integers(0, 1),
}
KNOWN: dict[str, dict[str, Any]] = {
    "write_images": _SHARED | TRUST | {"resume": st.booleans()},
    "write_plate": _SHARED
    | TRUST
    | {
        "resume": st.booleans(),
        "plate_name": st.sampled_from([None, "plate 1", SCRIPT, ""]),
        "plate_shape": st.sampled_from([None, (8, 12), (1, 1), (26, 3)]),
        "field_names": st.sampled_from([None, ["a"], ["a", SCRIPT], []]),
    },
    "write_labels": {k: v for k, v in _SHARED.items() if k not in _NOT_OF_LABELS} | TRUST,
}
OPTIONS.update(KNOWN)


@dataclass
class Several:
    """Images of one export.

    Attributes
    ----------
    images
        What is exported: a mapping, or what is none.
    members
        The cases of the images, in the order of their groups; None where nobody can say.
    on
        What labels are added to.
    options, target, hostile
        See Case.
    """

    images: Any
    members: dict[Any, Case] | None
    on: xr.DataArray | None = None
    options: dict[str, Any] = field(default_factory=dict)
    target: Any = None
    hostile: frozenset[str] = frozenset()


names = st.sampled_from(["before", "after", "Zelle 7", "é", SCRIPT, "../x", "a/b"])
rows = st.sampled_from(["A", "B", "H", "AA", "ZZ"])
columns = st.sampled_from([1, 2, 12, 100, "1", "01", "3"])
numbers = st.sampled_from([0, 1, 7, "0"])
wells = st.tuples(rows, columns, numbers)
strange_wells = st.one_of(
    keys,
    st.tuples(st.one_of(texts, rows), st.one_of(scalars, columns), st.one_of(scalars, numbers)),
    st.tuples(rows, columns),
).filter(lambda key: key == key)


@st.composite
def label_cases(draw, image: xr.DataArray) -> Case:
    """Return labels that lie on the pixels of `image`."""
    dims = [d for d in image.dims if d in "yx" or draw(st.booleans())]
    dtype = draw(st.sampled_from(["u1", "u2", "i4", "i8", "u8", "?"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values: Any = rng.integers(0, 2 if dtype == "?" else 120, [image.sizes[d] for d in dims])
    values = values.astype(dtype)
    if draw(st.booleans()):
        values = dask.array.from_array(values, chunks=draw(st.integers(1, 30)))
    da = xr.DataArray(values, dims=dims)
    if draw(st.booleans()):
        colors = st.dictionaries(st.integers(-2, 200), st.sampled_from(["red", "#0F0", (1, 2, 3)]))
        da.attrs["colors"] = draw(st.one_of(colors, colors, anything))
    return Case(da=da, meaning={d: d for d in dims}, reversed_dims=(), hostile=frozenset())


@st.composite
def several(draw, verb: str) -> Several:
    """Return a whole case for one of SEVERAL."""
    hostile = frozenset(
        draw(st.lists(st.sampled_from(["names", "images", "all", *["option"] * 3]), max_size=1))
    )
    on = None
    if verb == "write_labels":
        shape = {d: draw(st.integers(1, n)) for d, n in zip("tzyx", (2, 3, 37, 41), strict=True)}
        dims = [d for d in "tz" if draw(st.booleans())] + ["y", "x"]
        pixels = np.arange(np.prod([shape[d] for d in dims]), dtype="uint16")
        on = xr.DataArray(pixels.reshape([shape[d] for d in dims]), dims=dims, name="cells")
        if draw(st.booleans()):
            on = on.assign_coords(x=("x", np.arange(on.sizes["x"]) * 0.5, {"units": "um"}))
    n = draw(st.integers(1, 3))
    known = {"write_images": names, "write_plate": wells, "write_labels": names}[verb]
    if "names" in hostile:
        known = strange_wells if verb == "write_plate" else st.one_of(texts, keys)
        known = known.filter(lambda key: key == key)
    chosen = draw(st.lists(known, min_size=n, max_size=n, unique_by=lambda key: (type(key), key)))
    members: dict[Any, Case] | None = {}
    for key in chosen:
        sound = verb == "write_labels" and "images" not in hostile
        members[key] = draw(label_cases(on) if sound else cases())
        if "images" not in hostile and not sound:
            # One that is refused ends them all.
            members[key] = draw(cases().filter(lambda case: not case.hostile))
    images: Any = {key: case.da for key, case in members.items()}
    if "images" in hostile and draw(st.booleans()):
        images[draw(st.sampled_from(chosen))] = draw(anything)
        members = None
    if "all" in hostile:
        images, members = draw(anything), None
    options = {}
    for key in draw(st.lists(st.sampled_from([*KNOWN[verb]]), max_size=3, unique=True)):
        options[key] = draw(KNOWN[verb][key])
    if "option" in hostile:
        options[draw(st.sampled_from([*KNOWN[verb]]))] = draw(anything)
        if draw(st.integers(0, 9)) == 0:
            options[draw(texts)] = draw(scalars)
    suffix = draw(st.sampled_from([".ome.zarr", ".zarr", ".ozx"]))
    if verb == "write_labels" and suffix == ".ozx":
        suffix = ".zarr"
    return Several(
        images=images,
        members=members,
        on=on,
        options=options,
        target="cells" + suffix,
        hostile=hostile,
    )
