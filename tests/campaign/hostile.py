"""DataArrays and options as nobody should write them, and as many people do.

Each part of a case (pixels, dims, coords, attrs, name, one option) is either sound or hostile.
Sound ones vary in everything that is allowed; a few hostile ones among them reach deeper than
many, which all end at the first check.
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pint
import xarray as xr
from hypothesis import strategies as st

# -- values of every type

SCRIPT = "<script>alert('nbexport')</script>"
TEXTS = (
    *("", " ", "\x00", "\ud800", "\u202egnp.exe", "\n", "../../x", "/etc/passwd", "~/x", ".", ".."),
    *("]]>", "&lol;", '"><img src=x onerror=alert(1)>', SCRIPT, "{0!r}", "%s%n", "${HOME}", "a/b"),
    *("é", "e\u0301", "🧫", "μm", "\ufffe", "\x1b[31m", "a" * 5000, "None", "nan", "-1", "1e999"),
)
texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=12), st.text(st.characters()))


class Opaque:
    """What no format knows."""

    def __repr__(self):
        return f"Opaque({SCRIPT!r})"


def endless() -> dict:
    """Return a dict that holds itself."""
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return loop


def deep() -> list:
    """Return a list of lists of lists."""
    inner: list = []
    for _ in range(300):
        inner = [inner]
    return inner


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 20),
    st.integers(-(2**70), 2**70),
    st.floats(),
    texts,
    st.binary(max_size=8),
    st.complex_numbers(),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.sampled_from(
        [
            *(
                np.float32(0.5),
                np.int64(3),
                np.bool_(True),
                np.datetime64("NaT", "s"),
                np.str_("x"),
            ),
            *(Decimal("0.1"), Fraction(1, 3), Path("a"), uuid.UUID(int=0), Opaque(), Opaque, len),
            *(Ellipsis, NotImplemented, slice(None), range(3), pint.Quantity(2, "um"), 10**400),
            *(np.timedelta64(3, "s"), datetime.UTC, math.nan, float("inf")),
        ]
    ),
)
arrays = st.sampled_from(
    [
        np.zeros(0),
        np.arange(3),
        np.array([np.nan, 1]),
        np.zeros((2, 2), "M8[ns]"),
        np.array([None, "x"], object),
        np.zeros(2, [("a", "i4")]),
        np.array(5),
        dask.array.zeros(3),
        xr.DataArray(np.zeros((4, 4)), dims=("y", "x")),
        xr.Dataset(),
    ]
)
keys = st.one_of(texts, st.integers(), st.none(), st.tuples(st.integers(), texts), st.booleans())
strange = st.builds(lambda make: make(), st.sampled_from([endless, deep, object, set]))
anything = st.one_of(
    scalars,
    scalars,
    arrays,
    strange,
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.tuples(inner, inner),
            st.dictionaries(keys, inner, max_size=3),
        ),
        max_leaves=8,
    ),
)

# -- pixels

SOUND = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8")
ODD = ("?", "f2", ">u2", ">f4", ">i8", "c8", "c16")
WRONG = ("O", "U4", "S3", "M8[ns]", "m8[s]", "g", "G", [("a", "u1"), ("b", "f4")], "V4")


def pixels(shape: tuple[int, ...], dtype: Any, seed: int, special: bool) -> np.ndarray:
    """Return noise; where `special`, with the values that break sums and casts."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        low, high = (info.min, info.max) if special else (0, min(info.max, 4000))
        return rng.integers(low, high, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)
    if dtype.kind in "fc":
        values = rng.normal(0, 100, shape)
        if special and values.size:
            chosen = rng.random(shape) < 0.3
            values[chosen] = rng.choice([np.nan, np.inf, -np.inf, 6e4, -0.0], int(chosen.sum()))
        return values.astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    return np.zeros(shape, dtype)


# -- dims and coords

SPELLED = {
    "t": ("t", "T", "time", "Frames", "timepoint"),
    "c": ("c", "C", "channel", "Wavelength", "λ", "band"),
    "z": ("z", "Z", "depth", "slice", "Plane"),
    "y": ("y", "Y", "row", "Height"),
    "x": ("x", "X", "col", "WIDTH"),
    "s": ("s", "S", "rgb", "samples", "_s"),
}
LENGTHS = ("um", "µm", "nm", "mm", "micron", "inch", "Angstrom", "pixel", "", "a.u.")
TIMES = ("s", "ms", "min", "hour", "seconds", "")
SPACINGS = ("none", "even", "even", "offset", "down", "uneven", "one", "text", "dates", "single")
BROKEN = ("nan", "inf", "repeated", "zigzag", "nat", "objects", "complex", "bool", "tiny", "huge")


def coordinate(kind: str, n: int) -> Any:
    """Return `n` positions of a `kind`, or None."""
    steps = np.arange(n)
    return {
        "none": None,
        "even": steps * 0.325,
        "offset": steps * 2 - 7,
        "down": 10 - steps * 0.5,
        "uneven": steps**2 + 0.25 * steps,
        "one": np.full(n, 3.5),
        "text": [f"n{i}{SCRIPT}" for i in range(n)],
        "dates": np.datetime64("2024-05-01T12:00") + steps * np.timedelta64(1500, "ms"),
        "single": (steps * 0.1).astype("f4"),
        "nan": np.where(steps == n // 2, np.nan, steps),
        "inf": np.where(steps == n - 1, np.inf, steps),
        "repeated": steps // 2,
        "zigzag": steps * (-1.0) ** steps,
        "nat": np.where(steps == 0, np.datetime64("NaT", "ns"), np.datetime64("2024-01-01", "ns")),
        "objects": np.array([Opaque() for _ in range(n)], object),
        "complex": steps * 1j,
        "bool": steps > 0,
        "tiny": steps * 5e-324,
        "huge": np.minimum(steps, 1) * 1e308 + steps,
    }[kind]


@dataclass
class Case:
    """A DataArray, and what the strategy knows of it.

    Attributes
    ----------
    da
        What is exported.
    meaning
        Dim to axis, for dims that are one; None where nobody can say.
    reversed_dims
        Those whose coordinate descends.
    options
        Keyword arguments.
    target
        Name of the target; a hostile one is anything.
    hostile
        What is not sound.
    """

    da: xr.DataArray
    meaning: dict[Hashable, str] | None
    reversed_dims: tuple[Hashable, ...]
    hostile: frozenset[str]
    target: Any = None
    options: dict[str, Any] = field(default_factory=dict)


ATTR_KEYS = (
    *("units", "unit", "kind", "type", "long_name", "pixel_size", "scale", "resolution_um"),
    *("channel_names", "channel_colors", "colors", "contrast_limits", "window", "emission"),
    *("exposure", "fluor", "acquisition_date", "date", "ome", "ome_metadata", "processed"),
    *("unprocessed", "metadata", "multiscales", "omero", "spacing", "image-label", "transform"),
    *("physical_pixel_sizes", "experiment", "axes", "description", "tags", "ndim", "nd2"),
)
PARTS = ("pixels", "dims", "coords", "units", "attrs", "name", "target", *["option"] * 5)


@st.composite
def cases(draw, few_hostile: bool = True) -> Case:
    """Return a DataArray of up to some thousand pixels, without options."""
    hostile = frozenset(draw(st.lists(st.sampled_from(PARTS), max_size=2)))
    axes = [a for a in "tcz" if draw(st.booleans())] + ["y", "x"]
    if draw(st.integers(0, 7)) == 0:
        axes = [a for a in axes if a != "c"] + ["s"]
    longest = {"t": 3, "c": 4, "z": 4, "y": 37, "x": 41}
    sizes = {
        a: draw(st.integers(1, longest[a])) if a != "s" else draw(st.sampled_from([3, 4]))
        for a in axes
    }
    dims = {draw(st.sampled_from(SPELLED[a])): a for a in draw(st.permutations(axes))}
    meaning: dict[Hashable, str] | None = dict(dims)
    shape = {dim: sizes[axis] for dim, axis in dims.items()}
    if draw(st.integers(0, 5)) == 0:
        shape[draw(st.sampled_from(["view", "Scene", "0x", SCRIPT]))] = 1
    if "dims" in hostile:
        meaning = None
        change = draw(st.sampled_from(["rename", "drop", "zero", "more", "none", "number"]))
        victim = draw(st.sampled_from([*shape]))
        if change == "rename":
            shape = {draw(texts) if d == victim else d: n for d, n in shape.items()}
        elif change == "drop":
            del shape[victim]
        elif change == "zero":
            shape[victim] = 0
        elif change == "more":
            shape |= {draw(texts): draw(st.integers(0, 3)) for _ in range(2)}
        elif change == "none":
            shape = {}
        else:
            shape = {draw(keys) if d == victim else d: n for d, n in shape.items()}
    dtype = draw(st.sampled_from(SOUND * 2 + ODD))
    if "pixels" in hostile:
        dtype = draw(st.sampled_from(WRONG))
    values: Any = pixels(
        tuple(shape.values()), dtype, draw(st.integers(0, 2**16)), draw(st.booleans())
    )
    backing = draw(st.sampled_from(["numpy", "numpy", "dask", "dask", "pint"]))
    if backing == "dask" and values.size:
        lengths = tuple(draw(st.integers(1, max(n, 1))) for n in values.shape)
        values = dask.array.from_array(values, chunks=lengths)
    elif backing == "pint" and values.dtype.kind in "iuf":
        values = pint.Quantity(values, draw(st.sampled_from(["count", "volt", "um"])))
    coords: dict[Hashable, Any] = {}
    reversed_dims = []
    for dim, n in shape.items():
        kind = draw(st.sampled_from(SPACINGS))
        if "coords" in hostile and draw(st.booleans()):
            kind = draw(st.sampled_from(BROKEN))
        positions = coordinate(kind, n)
        if positions is None:
            continue
        axis = dims.get(dim)
        known = TIMES if axis == "t" else LENGTHS
        attrs: dict[Any, Any] = {}
        if draw(st.booleans()) and kind != "dates":
            attrs["units"] = draw(st.sampled_from(known))
        if "units" in hostile:
            attrs = {draw(st.sampled_from(["units", "unit", SCRIPT])): draw(anything)}
        coords[dim] = (dim, positions, attrs)
        if n > 1 and (kind == "down" or (kind == "zigzag" and n == 2)):
            reversed_dims.append(dim)
    if draw(st.integers(0, 3)) == 0:
        key = draw(st.sampled_from(["stage", "emission", "color", "date", "band_name", SCRIPT]))
        along = draw(st.sampled_from([None, *shape])) if shape else None
        if key not in shape:
            extra = draw(scalars if "coords" in hostile else st.sampled_from([1.5, "x", 488]))
            n = shape[along] if along is not None else 1
            if along is None:
                coords[key] = ((), extra) if not isinstance(extra, tuple) else 0
            else:
                column = np.empty(n, object)
                column[:] = [extra] * n
                plain = not isinstance(extra, str) and "coords" not in hostile
                coords[key] = (along, column.astype(float) if plain else column)
    attrs = draw(
        st.dictionaries(
            st.sampled_from(["operator", "note", "gain", "n", SCRIPT]),
            st.one_of(st.integers(-5, 5), st.sampled_from(["abc", SCRIPT, 0.5, [1, 2], {"a": 1}])),
            max_size=3,
        )
    )
    if "attrs" in hostile:
        more = st.one_of(st.sampled_from(ATTR_KEYS), st.sampled_from(ATTR_KEYS), keys)
        attrs |= draw(st.dictionaries(more, anything, min_size=1, max_size=4))
    name = draw(st.sampled_from([None, "cells", "Zelle 7", SCRIPT, "nuclei"]))
    if "name" in hostile:
        name = draw(keys)
    try:
        da = xr.DataArray(values, dims=list(shape), coords=coords, name=name, attrs=attrs)
    except Exception:  # what xarray itself refuses is no DataArray
        da = xr.DataArray(values, dims=list(shape))
        reversed_dims = []
    return Case(da=da, meaning=meaning, reversed_dims=tuple(reversed_dims), hostile=hostile)


# -- options

DESCRIBE: dict[str, Any] = {
    "name": st.sampled_from(["cell 3", SCRIPT, "é"]),
    "scale": st.sampled_from([0.65, {"y": 0.5, "x": 0.5}, {"x": 1e-9}]),
    "translation": st.sampled_from([0, {"x": -3.0}, 1e6]),
    "units": st.sampled_from(["um", {"x": "nm", "y": "nm"}]),
    "kind": st.sampled_from(["intensity", "labels", "rgb"]),
    "channels": st.sampled_from([["DAPI"], [{"label": SCRIPT, "color": "red"}], ["a", "b"]]),
    "dims": st.sampled_from([{}, {"y": "x", "x": "y"}, {"Scene": "t"}]),
}
SHARED: dict[str, Any] = {
    "levels": st.integers(1, 3),
    "factors": st.sampled_from([{"y": 2, "x": 2}, {"x": 3}, "isotropic", [{"y": 2}, {"x": 2}]]),
    "method": st.sampled_from(["mean", "nearest", "mode", "median", "max", "min"]),
    "workers": st.integers(1, 3),
    "memory_budget": st.sampled_from(["1 GiB", 1, 5000, "20 kB"]),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "write_ome_zarr": SHARED
    | {
        "version": st.sampled_from(["0.4", "0.5", "0.6"]),
        "chunks": st.sampled_from([{"y": 16, "x": 16}, {"x": 7}, {"y": 1000}]),
        "shards": st.sampled_from([None, "auto", {"y": 32, "x": 32}]),
        "compression": st.sampled_from(["blosc-zstd", "zstd", "gzip", "none", None]),
        "compression_level": st.sampled_from([None, 1, 5]),
        "skip_empty": st.booleans(),
        "overwrite": st.booleans(),
        "labels": st.none(),
        "region": st.none(),
        "client": st.just(False),
        "progress": st.just(False),
        "storage_options": st.none(),
    },
    "write_ome_tiff": SHARED
    | {
        "tile": st.sampled_from([(16, 16), (32, 64), (512, 512)]),
        "compression": st.sampled_from(["zlib", "zstd", "lzw", "jpeg2000", "jpegxl", "none"]),
        "compression_level": st.sampled_from([None, 1, 5]),
        "predictor": st.sampled_from([None, True, False]),
        "bigtiff": st.sampled_from([None, True, False]),
        "ome_xml": st.none(),
        "overwrite": st.booleans(),
        "progress": st.just(False),
        "storage_options": st.none(),
    },
}
LOOKS: dict[str, Any] = {
    "sel": st.sampled_from([{"z": 0}, {"t": -1}, {"z": 1}]),
    "project": st.sampled_from([{"z": "max"}, {"z": "mean"}, {"t": "sum"}]),
    "visible": st.sampled_from([0, [0, 1], "channel 0"]),
    "window": st.sampled_from(
        [(0, 100), ("1%", "99%"), "minmax", "full", (0, "99.9%"), {0: (1, 2)}]
    ),
    "cmap": st.sampled_from(["viridis", "gray"]),
    "gamma": st.sampled_from([1.0, 0.5, [1, 2], {0: 2}]),
    "size": st.sampled_from([64, (50, 31)]),
    "zoom": st.sampled_from([0.5, 2, 1]),
    "scale_bar": st.sampled_from([True, False, "10 um", "1 mm"]),
    "timestamp": st.booleans(),
    "legend": st.booleans(),
    "text": st.sampled_from(["hello", SCRIPT, "a\nb", "Ω🧫"]),
    "corner": st.sampled_from(["top left", {"legend": "top right"}]),
    "overlay_color": st.sampled_from(["white", "#FF0000", (255, 0, 0)]),
    "workers": st.integers(1, 2),
    "memory_budget": st.sampled_from(["1 GiB", 1, 5000]),
    "overwrite": st.booleans(),
    "storage_options": st.none(),
}
OPTIONS["write_image"] = LOOKS | {
    "dpi": st.sampled_from([72, 300, 1e-3]),
    "montage": st.sampled_from(["c", "t", "z"]),
    "columns": st.integers(1, 4),
    "raw": st.booleans(),
}
OPTIONS["write_movie"] = LOOKS | {
    "along": st.sampled_from(["t", "z", "c"]),
    "fps": st.sampled_from([1, 10, 0.1, 1000]),
    "speed": st.sampled_from([1, 100]),
    "codec": st.none(),
    "quality": st.sampled_from(["low", "medium", "high", "lossless"]),
    "crf": st.integers(0, 40),
    "progress": st.just(False),
}
OPTIONS["describe"] = {}
OPTIONS["plan_export"] = SHARED
SUFFIXES = {
    "write_ome_zarr": (".ome.zarr", ".zarr", ".ozx"),
    "write_ome_tiff": (".ome.tif", ".tiff", ".ome.btf"),
    "write_image": (".png", ".jpg", ".tif", ".webp", ".bmp"),
    "write_movie": (".mp4", ".gif", ".webm", ".avi", ".apng", ".webp", ".mkv"),
}
NAMED = st.text(
    st.characters(blacklist_characters="/", blacklist_categories=("Cs",)), min_size=1, max_size=20
)


@st.composite
def exports(draw, verb: str) -> Case:
    """Return a whole case for the function called `verb`."""
    case = draw(cases())
    known = OPTIONS[verb] | DESCRIBE
    # Each option often makes no sense beside the image, so few are given.
    chosen = draw(st.lists(st.sampled_from([*known]), max_size=3, unique=True))
    options = {key: draw(known[key]) for key in chosen}
    if "option" in case.hostile:
        key = draw(st.sampled_from([*known]))
        options[key] = draw(anything)
        if draw(st.integers(0, 9)) == 0:
            options[draw(texts)] = draw(scalars)
    case.options = options
    if verb in SUFFIXES:
        suffix = draw(st.sampled_from(SUFFIXES[verb]))
        case.target = "cells" + suffix
        if "target" in case.hostile:
            strange_name = st.one_of(NAMED, texts).map(lambda text: text + suffix)
            # A path elsewhere is the user's right, and not a test's.
            stays = st.one_of(strange_name, NAMED, anything).filter(
                lambda target: not str(target).startswith(("/", "~", "../.."))
            )
            case.target = draw(stays)
    return case
