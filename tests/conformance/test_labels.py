"""Labels added to an OME-Zarr that is there, ours or another program's, and single-file .ozx."""

from __future__ import annotations

import json
import zipfile

import dask.array
import ngff_zarr
import numpy as np
import ome_zarr_models
import pytest
import xarray as xr
import zarr
from reference import assert_valid_ome_zarr, pyramid

import nbexport
from nbexport import ChannelError, PlanError, SourceError, TargetError, TargetExistsError
from nbexport.testing import cells


def image(**sizes) -> xr.DataArray:
    return cells(**({"t": 2, "c": 2, "z": 4, "y": 150, "x": 101} | sizes))


def nuclei(da: xr.DataArray) -> xr.DataArray:
    """Return labels as a segmentation gives them: bare pixels, no coords."""
    pixels = (da.isel(c=0).values > 300) * np.arange(1, da.sizes["x"] + 1)
    return xr.DataArray(pixels.astype("uint16"), dims=da.isel(c=0).dims)


def content(group: zarr.Group) -> dict:
    attributes = group.attrs.asdict()
    return attributes.get("ome", attributes)


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_labels_join_an_image(tmp_path, version):
    da = image()
    target = tmp_path / "a.ome.zarr"
    nbexport.write_ome_zarr(da, target, version=version, levels=3, progress=False)
    before = {p: p.read_bytes() for p in target.rglob("*") if p.is_file()}
    first = nbexport.write_labels({"nuclei": nuclei(da)}, target, progress=False)
    nbexport.write_labels({"late": nuclei(da).isel(t=0)}, target, progress=False)
    assert_valid_ome_zarr(target, version)
    assert all(p.read_bytes() == old for p, old in before.items())
    group = zarr.open_group(target, mode="r")
    assert content(group["labels"])["labels"] == ["nuclei", "late"]
    steps = [level.factors for level in first.plan.levels[1:]]
    for i, level in enumerate(pyramid(nuclei(da).values, steps, "mode")):
        np.testing.assert_array_equal(group[f"labels/nuclei/{i}"][:], level)
    assert len(first.plan.levels) == 3
    # Nothing was said of where these pixels lie: where the image's do.
    there = {a.name: (a.scale, a.translation, a.unit) for a in first.plan.levels[2].axes}
    coarse = nbexport.plan_export(da, "ome-zarr", levels=3).levels[2].axes
    assert there == {a.name: (a.scale, a.translation, a.unit) for a in coarse if a.name != "c"}


@pytest.mark.parametrize("shards", [(1, 1, 4, 64, 64), {"y": 64, "x": 64, "c": 2}, "auto"])
def test_labels_are_stored_as_their_image(tmp_path, shards):
    da = image()
    options = {"chunks": (1, 1, 2, 32, 32), "shards": shards, "levels": 2, "progress": False}
    nbexport.write_ome_zarr(da, tmp_path / "a.zarr", labels={"n": nuclei(da)}, **options)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group["labels/n/0"].chunks == (1, 2, 32, 32)
    assert (group["labels/n/0"].shards is None) == (group["0"].shards is None)
    if isinstance(shards, tuple):
        assert group["labels/n/0"].shards == (1, 4, 64, 64)
    added = {"chunks": (1, 2, 16, 16), "shards": {"z": 4}, "progress": False}
    nbexport.write_labels({"m": nuclei(da)}, tmp_path / "a.zarr", **added)
    assert zarr.open_array(tmp_path / "a.zarr/labels/m/0", mode="r").shards == (1, 4, 16, 16)


def test_labels_are_replaced_when_asked(tmp_path):
    da = image()
    target = tmp_path / "a.ome.zarr"
    nbexport.write_ome_zarr(da, target, labels={"nuclei": nuclei(da)}, progress=False)
    with pytest.raises(TargetExistsError, match="has labels 'nuclei' already; pass overwrite=True"):
        nbexport.write_labels({"nuclei": nuclei(da)}, target, progress=False)
    ones = xr.ones_like(nuclei(da))
    nbexport.write_labels({"nuclei": ones}, target, overwrite=True, progress=False)
    group = zarr.open_group(target, mode="r")
    assert content(group["labels"])["labels"] == ["nuclei"]
    assert (group["labels/nuclei/0"][:] == 1).all()


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")  # ome-zarr 0.16
def test_labels_on_another_program_s_image(tmp_path):
    from ome_zarr.writer import write_image

    group = zarr.open_group(tmp_path / "theirs.ome.zarr", mode="w", zarr_format=3)
    write_image(np.zeros((2, 80, 64), "uint8"), group, axes="cyx", storage_options={"chunks": 32})
    levels = [a.shape[1:] for _, a in sorted(group.arrays())]
    labels = xr.DataArray(np.ones((80, 64), "uint8"), dims=tuple("yx"))
    report = nbexport.write_labels(
        {"cells": labels}, tmp_path / "theirs.ome.zarr", chunks=(32, 32), progress=False
    )
    assert [level.shape for level in report.plan.levels] == levels
    label = zarr.open_group(tmp_path / "theirs.ome.zarr/labels/cells", mode="r")
    ome_zarr_models.v05.ImageLabel.from_zarr(label)


def test_colours_of_labels(tmp_path):
    da = image(t=1)
    labels = nuclei(da).assign_attrs(colors={2: (0, 0, 255), 1: "lime"})
    for target in (tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr"):
        nbexport.write_ome_zarr(da, target, labels={"n": labels}, progress=False)
        if target.name == "b.ome.zarr":
            nbexport.write_labels({"n": labels}, target, overwrite=True, progress=False)
        about = content(zarr.open_group(target / "labels/n", mode="r"))["image-label"]
        assert about["colors"] == [
            {"label-value": 1, "rgba": [0, 255, 0, 255]},
            {"label-value": 2, "rgba": [0, 0, 255, 255]},
        ]
        assert_valid_ome_zarr(target)
    wrong = nuclei(da).assign_attrs(colors={"one": "lime"})
    with pytest.raises(ChannelError, match=r"attrs\['colors'\] has 'one': 'lime', which is no"):
        nbexport.write_labels({"w": wrong}, tmp_path / "a.ome.zarr")


def test_labels_that_can_not_be_added(tmp_path):
    da = image(t=1)
    target = tmp_path / "a.ome.zarr"
    with pytest.raises(TargetError, match=r"there is no OME-Zarr at .*; write it first"):
        nbexport.write_labels({"n": nuclei(da)}, target)
    nbexport.write_ome_zarr(da, target, progress=False)
    with pytest.raises(PlanError, match=r"labels\['n'\] has y=149 and the image y=150"):
        nbexport.write_labels({"n": nuclei(da).isel(y=slice(149))}, target)
    with pytest.raises(PlanError, match=r"labels={} names no label image"):
        nbexport.write_labels({}, target)
    for name in ("", "a/b", ".hidden", 3):
        with pytest.raises(PlanError, match="which can't be a folder; use letters and digits"):
            nbexport.write_labels({name: nuclei(da)}, target)
    with pytest.raises(nbexport.DtypeError):
        nbexport.write_labels({"n": nuclei(da).astype("float32")}, target)
    lazy = nuclei(da).chunk()

    def fail(block):
        raise RuntimeError("no")

    lazy = lazy.copy(data=lazy.data.map_blocks(fail, dtype="uint16", meta=lazy.data._meta))
    with pytest.raises(SourceError):
        nbexport.write_labels({"n": lazy}, target, progress=False)
    assert sorted(p.name for p in target.iterdir()) == ["0", "zarr.json"]


def test_labels_at_a_url():
    da = image(t=1)
    url = "memory://labelled/a.ome.zarr"
    nbexport.write_ome_zarr(da, url, overwrite=True, progress=False)
    nbexport.write_labels({"n": nuclei(da)}, url, progress=False)
    nbexport.write_labels({"n": nuclei(da)}, url, overwrite=True, progress=False)
    group = zarr.open_group(url, mode="r")
    np.testing.assert_array_equal(group["labels/n/0"][:], nuclei(da).values)
    assert content(group["labels"])["labels"] == ["n"]


@pytest.mark.parametrize("version", ["0.5", "0.6"])
def test_one_file(tmp_path, version):
    da = image()
    target = tmp_path / "a.ozx"
    options = {"version": version, "levels": 2, "chunks": (1, 1, 2, 64, 64), "progress": False}
    report = nbexport.write_ome_zarr(da, target, labels={"n": nuclei(da)}, **options)
    assert report.nbytes == target.stat().st_size
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        comment = json.loads(archive.comment)
    about = {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}
    assert comment == {"ome": about}
    metadata = [name for name in names if name.endswith("zarr.json")]
    assert names[: len(metadata)] == metadata
    assert metadata[0] == "zarr.json"
    assert [name.count("/") for name in metadata] == sorted(name.count("/") for name in metadata)
    assert len(set(names)) == len(names)
    read = ngff_zarr.from_ngff_zarr(target, version=version)
    np.testing.assert_array_equal(read.images[0].data.compute(), da.values)
    with zarr.storage.ZipStore(target, mode="r") as store:
        group = zarr.open_group(store, mode="r")
        np.testing.assert_array_equal(group["labels/n/0"][:], nuclei(da).values)
    nbexport.write_ome_zarr(da, tmp_path / "b.ome.zarr", labels={"n": nuclei(da)}, **options)
    folder = {
        path.relative_to(tmp_path / "b.ome.zarr").as_posix(): path.read_bytes()
        for path in (tmp_path / "b.ome.zarr").rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(target) as archive:
        assert {name: archive.read(name) for name in names} == folder


def test_one_file_has_the_same_bytes_again_and_replaces_its_kind_only(tmp_path):
    da = image(t=1)
    target = tmp_path / "a.ozx"
    nbexport.write_ome_zarr(da, target, progress=False)
    before = target.read_bytes()
    with pytest.raises(TargetExistsError):
        nbexport.write_ome_zarr(da, target)
    nbexport.write_ome_zarr(da.chunk({"y": 50}), target, overwrite=True, progress=False)
    assert target.read_bytes() == before
    target.write_text("notes of mine")
    with pytest.raises(TargetError, match="does not look like an OME-Zarr"):
        nbexport.write_ome_zarr(da, target, overwrite=True)
    assert target.read_text() == "notes of mine"
    with pytest.raises(PlanError, match=r"version='0.4' can't be one .ozx file"):
        nbexport.write_ome_zarr(da, tmp_path / "b.ozx", version="0.4")
    with pytest.raises(TargetError, match="is one file, written once"):
        nbexport.write_labels({"n": nuclei(da)}, target)
    lazy = da.copy(data=dask.array.from_array(da.values))

    def fail(block):
        raise RuntimeError("no")

    lazy = lazy.copy(data=lazy.data.map_blocks(fail, dtype="uint16", meta=lazy.data._meta))
    with pytest.raises(SourceError):
        nbexport.write_ome_zarr(lazy, tmp_path / "c.ozx", progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ozx"]


def test_one_file_at_a_url():
    import fsspec

    da = image(t=1)
    url = "memory://packed/a.ozx"
    report = nbexport.write_ome_zarr(da, url, overwrite=True, progress=False)
    fs = fsspec.filesystem("memory")
    assert fs.size("/packed/a.ozx") == report.nbytes
    with fs.open("/packed/a.ozx") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None


def test_factors_step_by_step(tmp_path):
    da = image(t=1)
    steps = [{"y": 2, "x": 2}, {"z": 2, "y": 3, "x": 2}]
    report = nbexport.write_ome_zarr(da, tmp_path / "a.ome.zarr", factors=steps, progress=False)
    assert [level.shape[1:] for level in report.plan.levels] == [
        (4, 150, 101),
        (4, 75, 50),
        (2, 25, 25),
    ]
    assert_valid_ome_zarr(tmp_path / "a.ome.zarr")
    with pytest.raises(PlanError, match="levels=2 and factors for 2 steps don't fit"):
        nbexport.plan_export(da, "ome-zarr", factors=steps, levels=2)
    with pytest.raises(PlanError, match="factors has the step 2; give a mapping a step"):
        nbexport.plan_export(da, "ome-zarr", factors=[2])
    with pytest.raises(PlanError, match=r"factors\['z'\]=2 is not possible in OME-TIFF"):
        nbexport.plan_export(da, "ome-tiff", factors=steps)
