"""OME-Zarr that grows region by region: in the end the bytes of one export."""

from __future__ import annotations

import re
from itertools import pairwise, product
from pathlib import Path

import dask.array
import numpy as np
import pytest
import tensorstore
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import assert_valid_ome_zarr

import nbexport
from nbexport import DtypeError, PlanError, TargetError
from nbexport.testing import cells

WINDOWS = [{"label": "DAPI", "window": (0, 900)}, {"label": "GFP", "window": (100, 4000)}]


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below `folder`, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def movie(t=6, z=4, y=150, x=101) -> xr.DataArray:
    return cells(t=t, c=2, z=z, y=y, x=x)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"version": "0.4"},
        {"version": "0.6", "chunks": (1, 1, 1, 64, 64), "levels": 3},
        {"chunks": (2, 1, 2, 32, 32), "levels": 4, "method": "max"},
        {"chunks": (1, 1, 1, 32, 32), "shards": (2, 1, 4, 64, 64), "levels": 3},
        {"chunks": (1, 1, 2, 64, 64), "factors": [{"z": 2, "y": 2, "x": 2}, {"y": 3, "x": 2}]},
    ],
)
def test_regions_in_time_give_the_bytes_of_one_export(tmp_path, options):
    da = movie()
    whole, grown = tmp_path / "whole.ome.zarr", tmp_path / "grown.ome.zarr"
    nbexport.write_ome_zarr(da, whole, channels=WINDOWS, progress=False, **options)
    nbexport.prepare_ome_zarr(da, grown, channels=WINDOWS, **options)
    for t in (4, 0, 2):
        part = da.isel(t=slice(t, t + 2)).chunk({"t": 1, "y": 70})
        region = {"t": slice(t, t + 2)}
        nbexport.write_ome_zarr(part, grown, region=region, progress=False)
    assert files(grown) == files(whole)
    assert_valid_ome_zarr(grown, options.get("version", "0.5"))


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 6), st.integers(5, 70), st.integers(5, 70)),
    chunk=st.tuples(st.integers(1, 3), st.sampled_from([4, 8]), st.sampled_from([4, 8])),
    n_levels=st.integers(1, 3),
    data=st.data(),
)
def test_any_legal_regions_in_any_order_make_the_image(
    tmp_path_factory, sizes, chunk, n_levels, data
):
    """The grid of whole units at all levels, written in any order, is one export."""
    folder = tmp_path_factory.mktemp("regions")
    pixels = np.random.default_rng(1).integers(0, 60000, sizes, dtype="uint16")
    da = xr.DataArray(pixels, dims=tuple("tyx"), name="m")
    whole = nbexport.plan_export(da, "ome-zarr", chunks=chunk)
    options = {"chunks": chunk, "levels": min(n_levels, len(whole.levels)), "progress": False}
    one = {"label": "m", "window": (0, 1)}
    nbexport.write_ome_zarr(da, folder / "whole.zarr", channels=[one], **options)
    del options["progress"]
    nbexport.prepare_ome_zarr(da, folder / "grown.zarr", channels=[one], **options)
    coarsest = 2 ** (options["levels"] - 1)
    parts = []
    for name, size, length in zip("tyx", sizes, chunk, strict=True):
        factor = 1 if name == "t" else coarsest
        starts = [*range(0, size, length * factor)]
        if len(starts) > 1 and size - starts[-1] < factor:
            del starts[-1]  # no pixel of the coarsest level is in there: the one before takes it
        parts.append([slice(a, b) for a, b in pairwise([*starts, size])])
    for place in data.draw(st.permutations([*product(*parts)])):
        region = dict(zip("tyx", place, strict=True))
        nbexport.write_ome_zarr(
            da.isel(region), folder / "grown.zarr", region=region, progress=False
        )
    assert files(folder / "grown.zarr") == files(folder / "whole.zarr")


def test_frames_without_time_and_an_index(tmp_path):
    da = movie(t=3, z=1)
    nbexport.prepare_ome_zarr(nbexport.describe(da), tmp_path / "live.ome.zarr")
    empty = zarr.open_array(tmp_path / "live.ome.zarr/0", mode="r")
    assert not empty[:].any()
    for t in range(3):
        report = nbexport.write_ome_zarr(
            da.isel(t=t, drop=True), tmp_path / "live.ome.zarr", region={"t": t}, progress=False
        )
        assert report.nbytes is None
        assert "on disk" not in repr(report)
    read = tensorstore.open(
        {"driver": "zarr3", "kvstore": f"file://{tmp_path}/live.ome.zarr/0"}, open=True
    ).result()
    np.testing.assert_array_equal(read.read().result(), da.values)
    assert report.plan.levels[0].axes[0].translation == da.t.values[2]


def test_what_no_pixel_says_is_shown_in_the_full_range(tmp_path):
    da = cells(t=2, c=1, y=32, x=32)
    nbexport.prepare_ome_zarr(da, tmp_path / "a.ome.zarr")
    omero = zarr.open_group(tmp_path / "a.ome.zarr", mode="r").attrs["ome"]["omero"]
    assert omero["channels"][0]["window"] == {"min": 0, "max": 65535, "start": 0, "end": 65535}


def test_every_source_chunk_is_computed_once(tmp_path):
    counts: dict[tuple, int] = {}

    def load(block_info=None):
        place = tuple(block_info[None]["chunk-location"])
        counts[place] = counts.get(place, 0) + 1
        return np.ones(block_info[None]["chunk-shape"], "uint8")

    pixels = dask.array.map_blocks(
        load, chunks=((1, 1), (40, 24), (64,)), dtype="uint8", meta=np.zeros((0,) * 3, "uint8")
    )
    whole = xr.DataArray(dask.array.zeros((4, 64, 64), dtype="uint8"), dims=tuple("tyx"))
    nbexport.prepare_ome_zarr(whole, tmp_path / "a.zarr", chunks=(1, 32, 32), levels=2)
    part = xr.DataArray(pixels, dims=tuple("tyx"))
    nbexport.write_ome_zarr(part, tmp_path / "a.zarr", region={"t": slice(1, 3)}, progress=False)
    assert len(counts) == 4
    assert set(counts.values()) == {1}
    for level in "01":
        there = zarr.open_array(tmp_path / "a.zarr" / level, mode="r")[:]
        assert there[1:3].all()
        assert not there[0].any()
        assert not there[3].any()


def prepared(tmp_path, **options):
    da = movie()
    target = tmp_path / "a.ome.zarr"
    nbexport.prepare_ome_zarr(da, target, **options)
    return da, target


@pytest.mark.parametrize(
    ("region", "text"),
    [
        ({}, "region={} names no axis; give for example {'t': slice(10, 20)}"),
        ({"q": 1}, "region names axis 'q'; the target has t, c, z, y, x"),
        ({"t": 6}, "region t 6:7 does not lie within the target's t 0:6"),
        ({"t": -1}, "region t -1:0 does not lie within the target's t 0:6"),
        ({"t": slice(3, 3)}, "region t 3:3 does not lie within the target's t 0:6"),
        (
            {"t": slice(0, 4, 2)},
            "region has slice(0, 4, 2) along t; give an index, or a slice without a step",
        ),
        ({"t": slice(0.5, 2)}, "region has 0.5 along t; whole numbers are needed"),
        (
            {"t": slice(1, 3)},
            (
                "region t 1:3 cuts what is written at once, 2 pixels along t (of all levels "
                "together); use t 0:4, or prepare the target with smaller chunks or shards"
            ),
        ),
        (
            {"y": slice(0, 64)},
            (
                "region y 0:64 cuts what is written at once, 128 pixels along y (of all levels "
                "together); use y 0:128, or prepare the target with smaller chunks or shards"
            ),
        ),
        (
            {"t": slice(0, 4)},
            "the pixels have t=6 and the region t 0:4 has 4; give as many as the region",
        ),
    ],
)
def test_a_region_that_can_not_be_written(tmp_path, region, text):
    da, target = prepared(tmp_path, chunks=(2, 1, 1, 64, 64), levels=2)
    before = files(target)
    cut = {"t": slice(1, 3)}, {"y": slice(0, 64)}
    part = da.isel(region) if region in cut else da
    with pytest.raises(PlanError) as caught:
        nbexport.write_ome_zarr(part, target, region=region)
    assert str(caught.value) == text
    assert files(target) == before


def test_pixels_that_do_not_belong_there(tmp_path):
    da, target = prepared(tmp_path)
    frame, region = da.isel(t=[0]), {"t": 0}
    with pytest.raises(DtypeError, match=re.escape("cast them with da.astype('uint16')")):
        nbexport.write_ome_zarr(frame.astype("float32"), target, region=region)
    with pytest.raises(PlanError, match=r"lie 0.5 micrometer apart along x and those of"):
        nbexport.write_ome_zarr(frame, target, region=region, scale={"x": 0.5})
    nbexport.prepare_ome_zarr(da.isel(t=0, drop=True), tmp_path / "b.ome.zarr")
    with pytest.raises(nbexport.AxisError, match=r"choose one t with da.isel"):
        nbexport.write_ome_zarr(da, tmp_path / "b.ome.zarr", region={"z": slice(0, 4)})


def test_a_region_without_a_pixel_of_some_level(tmp_path):
    da = xr.DataArray(np.ones((9, 8), "uint8"), dims=tuple("yx"))
    nbexport.prepare_ome_zarr(da, tmp_path / "a.zarr", chunks=(2, 2), levels=3)
    with pytest.raises(PlanError, match="region leaves no pixel of level 1 along y; begin it"):
        nbexport.write_ome_zarr(da[8:], tmp_path / "a.zarr", region={"y": 8})


def test_what_the_target_has_settled(tmp_path):
    da, target = prepared(tmp_path)
    for option, value in {"levels": 2, "version": "0.4", "overwrite": True}.items():
        with pytest.raises(PlanError, match=f"{option}={value!r} can't be changed by a region"):
            nbexport.write_ome_zarr(da, target, region={"t": slice(0, 6)}, **{option: value})


def test_no_target_to_write_into(tmp_path):
    da = movie(t=1)
    with pytest.raises(TargetError, match=r"there is no OME-Zarr at '.*none.ome.zarr'; make it"):
        nbexport.write_ome_zarr(da, tmp_path / "none.ome.zarr", region={"t": 0})
    zarr.create_group(tmp_path / "bare.ome.zarr")
    with pytest.raises(TargetError, match="has no image in its root"):
        nbexport.write_ome_zarr(da, tmp_path / "bare.ome.zarr", region={"t": 0})
    with pytest.raises(TargetError, match="is one file, written once"):
        nbexport.write_ome_zarr(da, tmp_path / "a.ozx", region={"t": 0})
    with pytest.raises(PlanError, match="is one file, written once"):
        nbexport.prepare_ome_zarr(da, tmp_path / "a.ozx")
    with pytest.raises(PlanError, match="an ImageSpec says it itself"):
        nbexport.prepare_ome_zarr(nbexport.describe(da), tmp_path / "c.zarr", name="new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.ome.zarr"]


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")  # ome-zarr 0.16
def test_another_program_s_pyramid_says_nothing_of_its_levels(tmp_path):
    from ome_zarr.writer import write_image

    group = zarr.open_group(tmp_path / "theirs.ome.zarr", mode="w")
    write_image(np.zeros((64, 64), "uint8"), group, axes="yx")
    da = xr.DataArray(np.zeros((64, 64), "uint8"), dims=tuple("yx"))
    with pytest.raises(TargetError, match="does not say how its levels are made"):
        nbexport.write_ome_zarr(da, tmp_path / "theirs.ome.zarr", region={"y": slice(0, 64)})


def test_a_region_is_not_read_while_it_is_replaced(tmp_path):
    da, target = prepared(tmp_path)
    pixels = dask.array.from_zarr(str(target / "0"), inline_array=False)
    own = xr.DataArray(pixels, dims=da.dims).isel(t=[0])
    with pytest.raises(PlanError, match="is what the pixels are read from"):
        nbexport.write_ome_zarr(own, target, region={"t": 0})


def test_a_failing_source_leaves_other_regions_alone(tmp_path):
    da, target = prepared(tmp_path)
    nbexport.write_ome_zarr(da.isel(t=[1]), target, region={"t": 1}, progress=False)
    before = files(target)

    def fail(block):
        raise RuntimeError("no such plane")

    lazy = da.isel(t=[0]).chunk()
    lazy = lazy.copy(data=lazy.data.map_blocks(fail, dtype="uint16", meta=lazy.data._meta))
    with pytest.raises(nbexport.SourceError, match="no such plane"):
        nbexport.write_ome_zarr(lazy, target, region={"t": 0}, progress=False)
    assert files(target) == before


def test_regions_at_a_url():
    da = movie(t=2)
    url = "memory://grown/a.ome.zarr"
    nbexport.prepare_ome_zarr(da, url, overwrite=True)
    for t in range(2):
        nbexport.write_ome_zarr(da.isel(t=[t]), url, region={"t": t}, progress=False)
    group = zarr.open_group(url, mode="r")
    np.testing.assert_array_equal(group["0"][:], da.values)
