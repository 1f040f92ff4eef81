"""The laws of the pyramid: what holds for every image, searched by hypothesis."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import dask.array as dask_array
import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference import coarser, pyramid

import nbexport
from nbexport.model import Axis, Channel, ImageSpec
from nbexport.pixels import coarsen
from nbexport.plan import METHODS, coarsen_axis, n_recomputed, plan_pyramid

quick = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
methods = st.sampled_from(METHODS)
finite = st.floats(-1e6, 1e6)


ANY_SIZE = st.integers(1, 400)


@st.composite
def axes(draw, size=ANY_SIZE):
    return Axis(
        name=draw(st.sampled_from("tzyx")),
        size=draw(size),
        scale=draw(st.floats(1e-3, 1e3)),
        translation=draw(finite),
    )


def approx(axis: Axis) -> tuple:
    return axis.size, pytest.approx(axis.scale), pytest.approx(axis.translation, abs=1e-6)


@quick
@given(axes(), st.integers(1, 6), st.integers(1, 6), methods)
def test_coarsening_twice_is_coarsening_once(axis, f, g, method):
    assume(axis.size >= f * g)
    twice = coarsen_axis(coarsen_axis(axis, f, method), g, method)
    once = coarsen_axis(axis, f * g, method)
    assert (twice.size, twice.scale, twice.translation) == approx(once)


@quick
@given(axes(st.integers(2, 400)), st.integers(2, 6))
def test_a_mean_moves_the_origin_and_a_pick_does_not(axis, f):
    assume(axis.size >= f)
    moved = coarsen_axis(axis, f, "mean").translation - axis.translation
    assert moved == pytest.approx((f - 1) / 2 * axis.scale, abs=1e-6)
    assert coarsen_axis(axis, f, "nearest").translation == axis.translation


@quick
@given(axes(), st.integers(2, 9), methods)
def test_an_axis_shorter_than_the_factor_stays(axis, f, method):
    coarse = coarsen_axis(axis, f, method)
    if axis.size < f:
        assert coarse == axis
    else:
        assert coarse.size == axis.size // f


@quick
@given(st.integers(2, 60), st.integers(2, 5))
def test_the_centre_of_a_blob_stays_where_it_is(size, f):
    """The laws on positions and on pixels agree: a centroid does not move."""
    assume(size >= f)
    rng = np.random.default_rng(size * 7 + f)
    signal = rng.uniform(0, 1, size // f * f)
    axis = Axis(name="x", size=len(signal), scale=0.25, translation=3.0)
    coarse_axis = coarsen_axis(axis, f, "mean")
    coarse = coarsen(signal, (f,), "mean")

    def total(a, values):
        return sum(v * a.position(i) for i, v in enumerate(values))

    def flat(a, values):
        return total(a, values) / sum(values)

    # Exact for every block's first moment under a constant block.
    steps = np.repeat(coarse, f)
    assert flat(coarse_axis, coarse) == pytest.approx(flat(axis, steps))


dtypes = st.sampled_from(
    ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64", "float32", "float64"]
)


@st.composite
def arrays(draw, max_rank=3):
    shape = tuple(draw(st.lists(st.integers(1, 13), min_size=1, max_size=max_rank)))
    dtype = np.dtype(draw(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    few = draw(st.booleans())
    if dtype.kind == "f":
        array = rng.normal(0, 1e3, shape).astype(dtype)
        if draw(st.booleans()):
            array[rng.random(shape) < 0.3] = np.nan
        return array
    if few:
        return rng.integers(0, 4, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


@settings(quick, max_examples=300)
@given(arrays(), st.data(), methods)
def test_pixels_are_what_plain_numpy_says(array, data, method):
    factors = tuple(data.draw(st.integers(1, 4)) for _ in array.shape)
    # The plan never asks for a factor longer than the axis.
    factors = tuple(f if n >= f else 1 for n, f in zip(array.shape, factors, strict=True))
    if method == "median" and array.dtype.itemsize == 8 and array.dtype.kind in "iu":
        array = array // 4096  # the reference goes through float64
    ours = coarsen(array, factors, method)
    assert ours.dtype == array.dtype
    theirs = coarser(array, factors, method)
    if array.dtype == "float32" and method == "mean":
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    elif array.dtype == "float64" and method == "mean":
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-9)
    else:
        np.testing.assert_array_equal(ours, theirs)


leaf_sizes = st.sampled_from([1, 2**9, 2**12, 2**24])


def leaves_of(nbytes):
    """Make leaves small: images of a test would be one leaf else."""
    return patch("nbexport.plan._passes._LEAF_NBYTES", nbytes)


@st.composite
def images(draw):
    dims = draw(st.sampled_from(["yx", "cyx", "zyx", "tyx", "czyx", "tcyx", "tczyx"]))
    small, large = st.integers(1, 5), st.integers(1, 90)
    made = tuple(
        Axis(
            name=d,
            size=draw(large if d in "yxz" else small),
            scale=draw(st.sampled_from([0.5, 1.0, 2.0])),
        )
        for d in dims
    )
    n = next((a.size for a in made if a.name == "c"), 1)
    channels = tuple(Channel(label=str(i)) for i in range(n))
    return ImageSpec(name="h", axes=made, dtype="uint16", channels=channels)


@st.composite
def plans(draw):
    image = draw(images())
    tiled = draw(st.booleans())
    edge = st.sampled_from([16, 32]) if tiled else st.integers(1, 40)
    chunks = tuple(
        draw(edge) if name in "yx" else (1 if tiled else draw(st.integers(1, 7)))
        for name in image.dims
    )
    factors = draw(st.sampled_from([None, "isotropic", {"y": 3, "x": 2}, {"x": 2}]))
    if tiled and not isinstance(factors, dict):
        factors = {"y": 2, "x": 2}
    source = None
    if draw(st.booleans()):
        source = tuple(
            tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=1)) * 1) for _ in image.dims
        )
        source = tuple(
            tuple([c[0]] * (n // c[0]) + ([n % c[0]] if n % c[0] else []))
            for c, n in zip(source, image.shape, strict=True)
        )
    with leaves_of(draw(leaf_sizes)):
        return plan_pyramid(
            image,
            format="ome-tiff" if tiled else "ome-zarr",
            chunks=chunks,
            row_of_tiles=tiled,
            factors=factors,
            memory_budget=draw(st.sampled_from([64, 4096, 2**16, 2**20, 2**30])),
            workers=draw(st.integers(1, 3)),
            source_chunks=source,
        )


@settings(quick, max_examples=300)
@given(plans())
def test_blocks_cover_every_pixel_of_every_level_exactly_once(plan):
    seen = [np.zeros(level.shape, dtype=np.uint8) for level in plan.levels]
    units: list[set] = [set() for _ in plan.levels]
    source = np.zeros(plan.image.shape, dtype=np.uint8)
    for walk in plan.passes:
        n_blocks = 0
        for block in walk.blocks():
            n_blocks += 1
            if walk.reads == 0 and walk is plan.passes[0]:
                source[tuple(slice(*edges) for edges in block.reads)] += 1
            for level, box in block.writes:
                seen[level][tuple(slice(*edges) for edges in box)] += 1
                unit = plan.levels[level].write_unit
                touched = set(
                    product(
                        *(range(a // u, -(-b // u)) for (a, b), u in zip(box, unit, strict=True))
                    )
                )
                # No two blocks touch one write unit: nothing to lock, nothing to lose.
                assert not touched & units[level]
                units[level] |= touched
            leaves = list(walk.leaves(block))
            first = block.writes[0][0] if block.writes else None
            unit = plan.levels[first].write_unit if block.writes else ()
            cut = set()
            for leaf in leaves:
                assert all(
                    a <= c < d <= b for (a, b), (c, d) in zip(block.reads, leaf.reads, strict=True)
                )
                if leaf.writes:
                    # Leaves are whole write units as well: each is written by one put.
                    cells = set(
                        product(
                            *(
                                range(a // u, -(-b // u))
                                for (a, b), u in zip(leaf.writes[0][1], unit, strict=True)
                            )
                        )
                    )
                    assert not cells & cut
                    cut |= cells
            for i in (0, 1):
                boxes = [leaf.writes[i][1] for leaf in leaves if len(leaf.writes) > i]
                n_pixels = sum(prod(b - a for a, b in box) for box in boxes)
                wanted = block.writes[i][1] if len(block.writes) > i else ((0, 0),)
                assert n_pixels == prod(b - a for a, b in wanted)
        assert n_blocks == walk.n_blocks
    assert (source == 1).all()
    for level in seen:
        assert (level == 1).all()
    assert sum(len(u) for u in units) == plan.n_writes


@quick
@given(plans())
def test_levels_follow_the_rule_for_odd_edges(plan):
    for finer, coarse in pairwise(plan.levels):
        assert any(f > 1 for f in coarse.factors)
        for a, b, f in zip(finer.axes, coarse.axes, coarse.factors, strict=True):
            assert b == coarsen_axis(a, f, plan.method)
            assert b.size == a.size // f
    z_factor = [
        level.factors[plan.image.dims.index("z")] for level in plan.levels if "z" in plan.image.dims
    ]
    if plan.image.axis("z") and plan.image.axis("z").scale > plan.image.axis("x").scale:
        assert set(z_factor) <= {1, 2}


@quick
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(1, 20),
)
def test_recomputed_chunks_are_counted(lengths, block):
    size = sum(lengths)
    edges = np.cumsum([0, *lengths])
    counted = 0
    for start in range(0, size, block):
        stop = min(start + block, size)
        counted += sum(a < stop and b > start for a, b in pairwise(edges))
    assert n_recomputed((size,), (block,), (tuple(lengths),)) == counted - len(lengths)


@st.composite
def exports(draw):
    dims = draw(st.sampled_from(["yx", "cyx", "zyx", "tczyx"]))
    shape = tuple(draw(st.integers(1, 70 if d in "yx" else 4)) for d in dims)
    dtype = draw(st.sampled_from(["uint8", "uint16", "int16", "float32"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pixels = (rng.normal(100, 30, shape)).astype(dtype)
    chunks = tuple(draw(st.integers(1, n)) for n in shape)
    return xr.DataArray(pixels, dims=tuple(dims)), chunks


@settings(quick, max_examples=40)
@given(
    exports(),
    st.integers(1, 3),
    st.sampled_from(["1 kB", "64 kB", "1 GiB"]),
    methods,
    st.booleans(),
    leaf_sizes,
)
def test_any_chunking_and_any_number_of_workers_give_the_same_bytes(
    export, workers, budget, method, tiff, leaf_nbytes
):
    da, chunks = export
    lazy = da.copy(data=dask_array.from_array(da.data, chunks=chunks))
    with TemporaryDirectory() as folder:
        files = []
        for i, (pixels, n, b) in enumerate([(da, 1, "1 GiB"), (lazy, workers, budget)]):
            options = {"workers": n, "memory_budget": b, "method": method, "progress": False}
            with leaves_of(leaf_nbytes if i else 2**24):
                if tiff:
                    path = Path(folder, f"{i}.ome.tif")
                    nbexport.write_ome_tiff(pixels, path, tile=(16, 32), name="i", **options)
                else:
                    path = Path(folder, f"{i}.ome.zarr")
                    nbexport.write_ome_zarr(
                        pixels, path, chunks={"y": 15, "x": 24}, name="i", **options
                    )
            files.append(path)
        assert contents(files[0]) == contents(files[1])
        check_levels(files[1], da.data, method)


def contents(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def check_levels(path: Path, pixels: np.ndarray, method: str) -> None:
    """Every level equals the one made with plain numpy from the one above."""
    if path.is_file():
        with tifffile.TiffFile(path) as tiff:
            levels = [level.asarray() for level in tiff.series[0].levels]
        levels = [a.reshape(*pixels.shape[:-2], *_yx(a, pixels)) for a in levels]
    else:
        group = zarr.open_group(path, mode="r")
        levels = [group[str(i)][:] for i in range(len(list(group.array_keys())))]
    steps = [
        tuple(2 if n > m else 1 for n, m in zip(a.shape, b.shape, strict=True))
        for a, b in pairwise(levels)
    ]
    for got, wanted in zip(levels, pyramid(pixels, steps, method), strict=True):
        if pixels.dtype.kind == "f":
            np.testing.assert_allclose(got, wanted, rtol=1e-6)
        else:
            np.testing.assert_array_equal(got, wanted)


def _yx(level: np.ndarray, pixels: np.ndarray) -> tuple[int, int]:
    """Return (height, width) of a level whose axes of one pixel tifffile dropped."""
    n = level.size // max(1, prod(pixels.shape[:-2]))
    height, width = pixels.shape[-2:]
    while height * width != n:
        height, width = max(height // 2, 1), max(width // 2, 1)
    return height, width


def test_a_spec_with_another_type_is_another_plan():
    """Plans are values: equal where equal, hashable, changed by replace."""
    axes_yx = (Axis(name="y", size=64), Axis(name="x", size=64))
    image = ImageSpec(name="a", axes=axes_yx, dtype="uint8", channels=(Channel(label="c"),))
    plan = plan_pyramid(image, format="ome-zarr", chunks=(16, 16))
    again = plan_pyramid(replace(image), format="ome-zarr", chunks=(16, 16))
    assert plan == again
    assert hash(plan) == hash(again)
    assert replace(image, dtype="uint16") != image
