"""Pyramids that are there already, several images, plates: valid, equal, all or nothing."""

from __future__ import annotations

import inspect
import threading

import dask.array
import distributed
import fsspec
import multiscale_spatial_image
import ngff_zarr
import numpy as np
import ome_types
import pytest
import xarray as xr
import zarr
from bioio import BioImage
from reference import assert_valid_ome_xml, assert_valid_ome_zarr

import nbexport
from nbexport import PlanError, SourceError
from nbexport.accessor import DatasetBioExport, DataTreeBioExport
from nbexport.metadata import ZARR_FORMATS
from nbexport.testing import cells

VERSIONS = [*ZARR_FORMATS]


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


def about(group) -> dict:
    attributes = group.attrs.asdict()
    return attributes.get("ome", attributes)


def failing(da: xr.DataArray) -> xr.DataArray:
    """Return `da` with pixels that can't be computed."""

    def fail(block):
        raise OSError("the microscope is gone")

    lazy = dask.array.from_array(da.values, chunks=-1)
    return da.copy(data=lazy.map_blocks(fail, dtype=da.dtype, meta=np.empty(0, da.dtype)))


# -- levels that are there already


def pyramid(**sizes) -> xr.DataTree:
    """Return a tree as multiscale-spatial-image makes it: levels of 203, 101 and 25 rows."""
    da = cells(c=2, y=203, x=170, **sizes)
    image = da.drop_vars(["emission", "color"]).chunk({"y": 64, "x": 64})
    method = multiscale_spatial_image.Methods.XARRAY_COARSEN
    return multiscale_spatial_image.to_multiscale(image, [2, 4], method=method)


def tree_of(*levels: xr.DataArray) -> xr.DataTree:
    return xr.DataTree.from_dict(
        {f"scale{i}": da.to_dataset(name="cell") for i, da in enumerate(levels)}
    )


@pytest.mark.parametrize("door", ["accessor", "function"])
def test_given_levels_are_written_as_they_are(door, version, tmp_path):
    tree = pyramid(z=17)
    path = tmp_path / "a.ome.zarr"
    options = {"version": version, "progress": False, "chunks": {"y": 64, "x": 50}}
    if door == "accessor":
        report = tree.bioexport.ome_zarr(path, **options)
    else:
        report = nbexport.write_multiscales(tree, path, **options)
    assert_valid_ome_zarr(path, version)
    assert report.plan.method is None
    assert "3 levels as given" in repr(report.plan)
    assert (report.plan.reread, report.notes) == (0.0, ())
    group = zarr.open_group(path, mode="r")
    (multiscale,) = about(group)["multiscales"]
    assert multiscale["type"] == "given"
    assert "kwargs" not in multiscale["metadata"]
    ngff = ngff_zarr.from_ngff_zarr(path)
    assert len(ngff.images) == 3
    for i, read in enumerate(ngff.images):
        level = tree[f"scale{i}"]["cells"]
        np.testing.assert_array_equal(group[str(i)][:], level.values)
        np.testing.assert_array_equal(np.asarray(read.data), level.values)
        for name in "zyx":
            values = level.coords[name].values
            assert read.scale[name] == pytest.approx(values[1] - values[0])
            assert read.translation[name] == pytest.approx(values[0])
    assert ngff.images[0].axes_units["x"] == "micrometer"
    if version != "0.6":
        assert BioImage(path).channel_names == ["DAPI", "GFP"]


def test_levels_need_not_be_what_we_would_make(tmp_path):
    """Each level has pixels of its own, so nothing can have been pooled, and any step is legal."""
    rng = np.random.default_rng(0)
    levels = [
        xr.DataArray(rng.integers(1, 255, shape, dtype="uint8"), dims=("y", "x"))
        for shape in ((90, 91), (30, 30), (18, 17))
    ]
    path = tmp_path / "a.ome.zarr"
    report = nbexport.write_multiscales(
        tree_of(*levels), path, scale=0.5, units="um", shards=(16, 16), chunks=(8, 8)
    )
    assert_valid_ome_zarr(path)
    for i, level in enumerate(levels):
        np.testing.assert_array_equal(zarr.open_array(path / str(i))[:], level.values)
    y = [level.axes[0] for level in report.plan.levels]
    assert [axis.scale for axis in y] == [0.5, 1.5, 2.5]
    assert [axis.translation for axis in y] == pytest.approx([0, 0.5, 1.0])
    assert {axis.unit for axis in y} == {"micrometer"}
    assert "level 1 does not say where its pixels lie along y and x" in report.notes[0]


def test_every_source_chunk_is_computed_once_at_every_level(tmp_path):
    seen = []
    lock = threading.Lock()

    def see(block, block_info):
        with lock:
            seen.append((block_info[0]["shape"], tuple(block_info[0]["chunk-location"])))
        return block

    def counted(n: int) -> xr.DataArray:
        pixels = dask.array.from_array(np.arange(n * n, dtype="uint16").reshape(n, n), chunks=40)
        pixels = pixels.map_blocks(see, dtype="uint16", meta=np.empty((0, 0), "uint16"))
        return xr.DataArray(pixels, dims=("y", "x"))

    tree = tree_of(counted(200), counted(100))
    path = tmp_path / "a.ome.zarr"
    options = {"chunks": (16, 16), "workers": 4, "progress": False}
    plan = nbexport.write_multiscales(tree, path, **options).plan
    assert plan.n_recomputed == 0
    assert len(seen) == len(set(seen)) == 25 + 9
    np.testing.assert_array_equal(
        zarr.open_array(path / "1")[:], np.arange(100 * 100, dtype="uint16").reshape(100, 100)
    )
    small = nbexport.write_multiscales(
        tree, path, **options, memory_budget="20 kB", overwrite=True
    ).plan
    assert small.peak_nbytes < plan.peak_nbytes


def test_attributes_of_level_0_are_not_those_of_the_others(tmp_path):
    """Pixel sizes in attrs survive coarsen(keep_attrs) and would be wrong there."""
    da = xr.DataArray(np.zeros((8, 8), "uint8"), dims=("y", "x"), name="cell")
    da.attrs["unprocessed"] = {}
    ys = {n: (n, 0.5 * np.arange(8), {"units": "um"}) for n in "yx"}
    half = da[::2, ::2]
    tree = tree_of(da.assign_coords(ys), half)
    plan = nbexport.write_multiscales(tree, tmp_path / "a.ome.zarr", progress=False).plan
    assert [level.axes[1].scale for level in plan.levels] == [0.5, 1.0]


def test_descending_coords_turn_every_level(tmp_path):
    values = np.arange(16, dtype="uint8").reshape(4, 4)
    coords = {"y": [6.0, 4.0, 2.0, 0.0], "x": np.arange(4.0)}
    da = xr.DataArray(values, dims=("y", "x"), coords=coords)
    half = da.coarsen(y=2, x=2).max()
    path = tmp_path / "a.ome.zarr"
    nbexport.write_multiscales(tree_of(da, half), path, progress=False)
    np.testing.assert_array_equal(zarr.open_array(path / "1")[:], half.values[::-1])
    bare = half.drop_vars("y")
    with pytest.raises(PlanError, match=r"level 'scale1' has no coordinate 'y', which descends"):
        nbexport.write_multiscales(tree_of(da, bare), path, overwrite=True)


def yx(*shape, dtype="uint8", **coords) -> xr.DataArray:
    return xr.DataArray(np.zeros(shape, dtype), dims=("c", "y", "x")[-len(shape) :], coords=coords)


def in_nm(n):
    return ("y", 2.0 * np.arange(n), {"units": "nm"})


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (xr.DataTree(), r"has the nodes none; levels are scale0, scale1, … without a gap"),
        (
            xr.DataTree.from_dict({"scale0": yx(8, 8).to_dataset(name="a"), "scale2": None}),
            r"node 'scale2' has 0 data variables \(none\); a level holds one image",
        ),
        (
            xr.DataTree.from_dict({f"scale{i}": yx(8, 8).to_dataset(name="a") for i in (0, 2)}),
            r"has the nodes scale0, scale2; .*without a gap",
        ),
        (
            xr.DataTree.from_dict({"/": yx(8, 8).to_dataset(name="a")}),
            r"has the nodes none and images at its root",
        ),
        (
            xr.DataTree.from_dict({"A/1/0": yx(8, 8).to_dataset(name="a")}),
            r"node 'A' is no level; .* \(wells are written with write_plate",
        ),
        (
            xr.DataTree.from_dict({"scale0": xr.Dataset({"a": yx(8, 8), "b": yx(8, 8)})}),
            r"node 'scale0' has 2 data variables \(a, b\); a level holds one image",
        ),
        (tree_of(yx(8, 8), yx(2, 4, 4)), r"level 1 has the axes c y x and level 0 y x; all levels"),
        (tree_of(yx(8, 8), yx(4, 9)), r"level 1 has x=9 and level 0 x=8; levels go from fine to"),
        (tree_of(yx(2, 8, 8), yx(1, 4, 4)), r"level 1 has c=1 and level 0 c=2; .*same channels"),
        (
            tree_of(yx(8, 8), yx(4, 4, dtype="float32")),
            r"level 'scale1' has float32 pixels and level 0 uint8; cast them, .*'uint8'",
        ),
        (
            tree_of(yx(8, 8), yx(4, 8, y=in_nm(4))),
            r"level 'scale1' gives y in nanometer and the finer one in no unit; all levels need",
        ),
    ],
)
def test_what_is_no_pyramid_is_refused_first(tree, text, tmp_path):
    with pytest.raises(PlanError, match=text):
        nbexport.write_multiscales(tree, tmp_path / "a.ome.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_level_that_fails_leaves_nothing(tmp_path):
    tree = tree_of(yx(8, 8), failing(yx(4, 4)))
    with pytest.raises(SourceError, match=r"y 0:4, x 0:4 failed with OSError: the microscope"):
        nbexport.write_multiscales(tree, tmp_path / "a.ome.zarr", progress=False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match=r"a(n)? xarray\.DataTree of levels is needed, got DataArr"):
        nbexport.write_multiscales(yx(8, 8), tmp_path / "a.ome.zarr")


# -- several images


def three() -> dict[str, xr.DataArray]:
    """Return images of different axes, shape and type."""
    return {
        "before": cells(t=2, c=2, y=203, x=170),
        "after": cells(c=1, z=3, y=90, x=64, dtype="uint8", pixel_size=0.2, chunks={"y": 50}),
        "field β <&>": cells(c=2, y=40, x=50, dtype="float32"),
    }


def assert_valid_series(path, version):
    """Assert that those who know the layout accept the store and each of its images."""
    import ome_zarr_models
    import yaozarrs

    group = zarr.open_group(path, mode="r")
    ngff_zarr.validate(group.attrs.asdict(), version=version, model="bf2raw")
    ngff_zarr.validate(group["OME"].attrs.asdict(), version=version, model="ome")
    models = getattr(ome_zarr_models, f"v{version.replace('.', '')}", None)
    if hasattr(models, "BioFormats2Raw"):
        models.BioFormats2Raw.from_zarr(group)
    if version == "0.5":
        yaozarrs.validate_zarr_store(path)
    for name in about(group["OME"])["series"]:
        assert_valid_ome_zarr(path / name, version)


def test_several_images_of_any_shape_and_type(version, tmp_path):
    path = tmp_path / "a.ome.zarr"
    images = three()
    seen = []
    report = nbexport.write_images(images, path, version=version, progress=seen.append, workers=3)
    assert_valid_series(path, version)
    group = zarr.open_group(path, mode="r")
    assert about(group["OME"])["series"] == ["0", "1", "2"]
    assert about(group)["bioformats2raw.layout"] == 3
    plans = (report.plan, *report.others)
    for i, ((name, da), plan) in enumerate(zip(images.items(), plans, strict=True)):
        np.testing.assert_array_equal(group[f"{i}/0"][:], da.values)
        (multiscale,) = about(group[str(i)])["multiscales"]
        assert multiscale["name"] == name == plan.image.name
        assert plan.image.axes == nbexport.describe(da).axes
        assert len(list(group[str(i)].array_keys())) == len(plan.levels)
    assert seen[-1].done == seen[-1].total == sum(plan.n_blocks for plan in plans)
    assert "in 3 images, the first with" in repr(report)
    xml = (path / "OME" / "METADATA.ome.xml").read_text(encoding="utf-8")
    assert_valid_ome_xml(xml)
    ome = ome_types.from_xml(xml)
    assert [image.id for image in ome.images] == ["Image:0", "Image:1", "Image:2"]
    assert [image.name for image in ome.images] == [*images]
    for image, da in zip(ome.images, images.values(), strict=True):
        pixels = image.pixels
        sizes = {n: getattr(pixels, f"size_{n}") for n in "tczyx"}
        assert sizes == dict.fromkeys("tczyx", 1) | dict(da.sizes)
        assert (pixels.metadata_only is not None, pixels.planes) == (True, [])
        assert pixels.physical_size_x == pytest.approx(float(da.x[1] - da.x[0]))
        assert [c.name for c in pixels.channels] == [*da.c.values]
    ids = [c.id for image in ome.images for c in image.pixels.channels]
    assert ids == ["Channel:0:0", "Channel:0:1", "Channel:1:0", "Channel:2:0", "Channel:2:1"]


def test_a_dataset_is_several_images(tmp_path):
    ds = xr.Dataset(
        {
            "a": (("y", "x"), np.arange(12, dtype="uint16").reshape(3, 4)),
            "b": (("row", "col"), np.arange(30, dtype="int8").reshape(5, 6)),
            "c": (("y", "x"), np.ones((3, 4))),
        },
        coords={"x": ("x", 0.5 * np.arange(4), {"units": "um"})},
    )
    paths = [tmp_path / name for name in ("a.zarr", "b.zarr")]
    ds.bioexport.ome_zarr(paths[0], progress=False, compression="none")
    nbexport.write_images(ds, paths[1], progress=False, compression="none")
    assert_valid_series(paths[0], "0.5")
    for i, da in enumerate(ds.data_vars.values()):
        np.testing.assert_array_equal(zarr.open_array(paths[0] / str(i) / "0")[:], da.values)
    ours, theirs = (
        {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}
        for path in paths
    )
    assert ours == theirs


def test_annotations_of_all_images_have_ids_of_their_own(tmp_path):
    windowed = cells(y=8, x=8).assign_attrs(microscope="Zeiss")
    path = tmp_path / "a.ome.zarr"
    nbexport.write_images({"a": windowed, "b": windowed}, path, progress=False)
    xml = (path / "OME" / "METADATA.ome.xml").read_text(encoding="utf-8")
    assert_valid_ome_xml(xml)
    ome = ome_types.from_xml(xml)
    assert [n.id for n in ome.structured_annotations] == ["Annotation:0", "Annotation:1"]
    assert [image.annotation_refs[0].id for image in ome.images] == ["Annotation:0", "Annotation:1"]


def test_a_type_that_ome_xml_lacks_is_a_loss(tmp_path):
    path = tmp_path / "a.ome.zarr"
    with pytest.warns(nbexport.LossWarning, match=r"no pixel type int64, which image 'b' has"):
        nbexport.write_images({"a": yx(8, 8), "b": yx(4, 4, dtype="int64")}, path, progress=False)
    assert_valid_series(path, "0.5")
    assert not (path / "OME" / "METADATA.ome.xml").exists()


@pytest.mark.parametrize(
    ("images", "options", "error", "text"),
    [
        ({}, {}, PlanError, r"there are no images here; give at least one DataArray by its name"),
        (
            [yx(8, 8)],
            {},
            TypeError,
            r"DataArrays by name or an xarray\.Dataset are needed, got lis",
        ),
        ({"a": np.zeros((3, 3))}, {}, TypeError, r"an xarray\.DataArray is needed, got ndarray"),
        (
            {"a": yx(64, 64), "b": yx(2, 2)},
            {"levels": 3},
            PlanError,
            r"image 'b': levels=3 is too many",
        ),
        ({"a": yx(8, 8)}, {"version": "0.3"}, PlanError, r"version='0\.3' of OME-NGFF can't be"),
        ({"a": yx(8, 8), "b": yx(8)}, {}, nbexport.AxisError, r"needs the dims y and x, this arra"),
    ],
)
def test_what_are_no_images_is_refused_first(images, options, error, text, tmp_path):
    with pytest.raises(error, match=text):
        nbexport.write_images(images, tmp_path / "a.ome.zarr", **options)
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_fails_leaves_nothing_and_the_old_target(tmp_path):
    path = tmp_path / "a.ome.zarr"
    nbexport.write_images({"a": yx(8, 8)}, path, progress=False)
    before = sorted(path.rglob("*"))
    broken = {"a": yx(8, 8), "b": failing(yx(9, 9))}
    with pytest.raises(SourceError, match=r"the microscope is gone"):
        nbexport.write_images(broken, path, progress=False, overwrite=True)
    assert sorted(path.rglob("*")) == before
    assert [*tmp_path.iterdir()] == [path]


# -- plates


def wells() -> dict[tuple[str, int, int], xr.DataArray]:
    """Return three wells of two fields."""
    places = [("A", 1), ("B", 10), ("B", 2)]
    return {
        (row, column, field): cells(c=2, y=70, x=60 + field, seed=10 * i + field)
        for i, (row, column) in enumerate(places)
        for field in (0, 1)
    }


def assert_valid_plate(path, version):
    import ome_zarr_models
    import yaozarrs

    group = zarr.open_group(path, mode="r")
    ngff_zarr.validate(group.attrs.asdict(), version=version, model="plate", strict=True)
    plate = ngff_zarr.from_hcs_zarr(path)
    ngff_zarr.validate_plate(plate.metadata)
    for well in about(group)["plate"]["wells"]:
        attributes = group[well["path"]].attrs.asdict()
        ngff_zarr.validate(attributes, version=version, model="well", strict=True)
        ngff_zarr.validate_well(
            plate.metadata,
            plate.get_well(*well["path"].split("/")).metadata,
        )
        for image in about(group[well["path"]])["well"]["images"]:
            assert_valid_ome_zarr(path / well["path"] / image["path"], version)
    models = getattr(ome_zarr_models, f"v{version.replace('.', '')}", None)
    if hasattr(models, "HCS"):
        models.HCS.from_zarr(group)
    if version != "0.6":
        yaozarrs.validate_zarr_store(path)


@pytest.mark.parametrize("form", ["mapping", "tree"])
def test_a_plate_of_wells_and_fields(form, version, tmp_path):
    path = tmp_path / "plate.ome.zarr"
    fields = wells()
    given = fields
    if form == "tree":
        given = xr.DataTree.from_dict(
            {f"{r}/{c}/{f}": da.to_dataset() for (r, c, f), da in fields.items()}
        )
    report = nbexport.write_plate(
        given,
        path,
        version=version,
        plate_name="drug screen",
        field_names=["centre", "edge"],
        levels=2,
        progress=False,
    )
    assert_valid_plate(path, version)
    group = zarr.open_group(path, mode="r")
    plate = about(group)["plate"]
    assert plate["name"] == "drug screen"
    assert plate["field_count"] == 2
    assert [row["name"] for row in plate["rows"]] == ["A", "B"]
    assert [column["name"] for column in plate["columns"]] == [str(i) for i in range(1, 11)]
    assert [(w["path"], w["rowIndex"], w["columnIndex"]) for w in plate["wells"]] == [
        ("A/1", 0, 0),
        ("B/2", 1, 1),
        ("B/10", 1, 9),
    ]
    for (row, column, field), da in fields.items():
        image = group[f"{row}/{column}/{field}"]
        np.testing.assert_array_equal(image["0"][:], da.values)
        assert about(image)["multiscales"][0]["name"] == ["centre", "edge"][field]
        assert [c["label"] for c in about(image)["omero"]["channels"]] == ["DAPI", "GFP"]
    assert len(report.others) == 5


def test_rows_and_columns_are_named_as_the_field_does(tmp_path):
    path = tmp_path / "screen 7.ome.zarr"
    keys = [("AB", "01", 3), ("B", "12", 0), ("Z", np.int64(2), 0)]
    nbexport.write_plate({k: yx(8, 8) for k in keys}, path, plate_shape=(32, 12), progress=False)
    assert_valid_plate(path, "0.5")
    plate = about(zarr.open_group(path, mode="r"))["plate"]
    names = [row["name"] for row in plate["rows"]]
    assert (names[:2], names[25:28], names[-1]) == (["A", "B"], ["Z", "AA", "AB"], "AF")
    assert [c["name"] for c in plate["columns"]][:3] == ["01", "2", "03"]
    assert [well["path"] for well in plate["wells"]] == ["B/12", "Z/2", "AB/01"]
    assert (plate["name"], plate["field_count"]) == ("screen 7", 1)
    assert about(zarr.open_group(path, mode="r")["AB/01/3"])["multiscales"][0]["name"] == "AB/01/3"


@pytest.mark.parametrize(
    "key", ["A1", ("A", 1), ("a", 1, 0), ("A", 0, 0), ("A", 1, -1), (1, 1, 0), ("A", "x", 0),
            ("A", 1.5, 0), ("A", True, 0), ("ABC", 1, 0), ("../A", 1, 0), ("A", "\u0661", 0)],
)  # fmt: skip
def test_a_bad_key_is_refused_in_one_sentence(key, tmp_path):
    with pytest.raises(PlanError, match=r"is no place on a plate; give \(row, column, field\) suc"):
        nbexport.write_plate({("B", 1, 0): yx(8, 8), key: yx(8, 8)}, tmp_path / "a.ome.zarr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "options", "error", "text"),
    [
        ({}, {}, PlanError, r"there are no fields here; give DataArrays by place"),
        (
            yx(8, 8),
            {},
            TypeError,
            r"by \(row, column, field\) or an xarray\.DataTree are needed, go",
        ),
        (
            {("A", 1, 0): yx(8, 8), ("A", "1", 0): yx(8, 8)},
            {},
            PlanError,
            r"field A/1/0 is there twice, once as \('A', '1', 0\)",
        ),
        (
            {("A", 1, 0): yx(8, 8), ("B", "01", 0): yx(8, 8)},
            {},
            PlanError,
            r"columns '1' and '01' are the same one; use one spelling",
        ),
        (
            {("C", 1, 0): yx(8, 8)},
            {"plate_shape": (2, 3)},
            PlanError,
            r"well C/1 lies outside of plate_shape=\(2, 3\), which ends at B/3",
        ),
        (
            {("C", 1, 0): yx(8, 8)},
            {"plate_shape": 96},
            PlanError,
            r"plate_shape=96 is not \(rows, columns\); give two numbers",
        ),
        (
            {("C", 1, 1): yx(8, 8)},
            {"field_names": 18},
            PlanError,
            r"field_names=18 is no list of names; give one for each field, such as \['left', ",
        ),
        (
            7,
            {},
            TypeError,
            r"or an xarray\.DataTree are needed, got int; give for example \{\('A', 1, 0\): da\}",
        ),
        (
            {("C", 1, 1): yx(8, 8)},
            {"field_names": ["centre"]},
            PlanError,
            r"field_names has 1 names, and C/1/1 is field 1, counted from 0",
        ),
        (
            {("C", 1, 1): yx(8, 8)},
            {"levels": 9},
            PlanError,
            r"image 'C/1/1': levels=9 is too many",
        ),
        (
            xr.DataTree.from_dict({"A/1/0": xr.Dataset({"a": yx(8, 8), "b": yx(8, 8)})}),
            {},
            PlanError,
            r"node '/A/1/0' has 2 data variables, 'a' among them; a field holds one image",
        ),
        (
            xr.DataTree.from_dict({"A/1": yx(8, 8).to_dataset(name="a")}),
            {},
            PlanError,
            r"\('A', '1'\) is no place on a plate",
        ),
    ],
)
def test_what_is_no_plate_is_refused_first(fields, options, error, text, tmp_path):
    with pytest.raises(error, match=text):
        nbexport.write_plate(fields, tmp_path / "a.ome.zarr", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_field_that_fails_leaves_nothing(tmp_path):
    fields = {("A", 1, 0): yx(8, 8), ("H", 12, 3): failing(yx(8, 8))}
    with pytest.raises(SourceError, match=r"the microscope is gone"):
        nbexport.write_plate(fields, tmp_path / "a.ome.zarr", progress=False)
    assert list(tmp_path.iterdir()) == []


# -- the doors


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_all_three_run_on_a_dask_cluster(tmp_path):
    """The same bytes as from threads."""
    lazy = cells(c=2, y=203, x=170, chunks={"y": 64})
    half = lazy.coarsen(y=2, x=2, boundary="trim").max().astype("uint16")
    writes = {
        "levels": (nbexport.write_multiscales, tree_of(lazy, half)),
        "images": (nbexport.write_images, {"a": lazy, "b": cells(y=40, x=50)}),
        "plate": (nbexport.write_plate, {("A", 1, 0): lazy, ("B", 1, 0): lazy + 1}),
    }
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        for label, where in (("threads", False), ("cluster", client)):
            (tmp_path / label).mkdir()
            for name, (write, given) in writes.items():
                path = tmp_path / label / f"{name}.ome.zarr"
                write(given, path, client=where, progress=False)
    ours, theirs = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (tmp_path / "threads", tmp_path / "cluster")
    )
    assert ours == theirs


def test_memory_is_a_target_too(tmp_path):
    """Files beside the arrays go where the arrays go."""
    url = f"memory://{tmp_path.name}/a.ome.zarr"
    nbexport.write_images(three(), url, progress=False)
    store = fsspec.filesystem("memory")
    xml = store.cat(f"/{tmp_path.name}/a.ome.zarr/OME/METADATA.ome.xml").decode()
    assert_valid_ome_xml(xml)


@pytest.mark.parametrize(
    ("function", "accessor"),
    [
        (nbexport.write_multiscales, DataTreeBioExport),
        (nbexport.write_images, DatasetBioExport),
    ],
)
def test_accessors_repeat_the_signature(function, accessor):
    ours, theirs = (inspect.signature(f) for f in (accessor.ome_zarr, function))
    assert [*ours.parameters.values()][1:] == [*theirs.parameters.values()][1:]
    assert ours.return_annotation == theirs.return_annotation


@pytest.mark.parametrize(
    "function", [nbexport.write_multiscales, nbexport.write_images, nbexport.write_plate]
)
def test_shared_options_have_the_same_defaults(function):
    single = inspect.signature(nbexport.write_ome_zarr).parameters
    own = ("plate_name", "plate_shape", "field_names")
    for name, parameter in [*inspect.signature(function).parameters.items()][2:]:
        assert name in own or parameter == single[name]


@pytest.mark.parametrize("labels", [0, np.zeros((8, 8), "uint8")])
def test_labels_that_are_no_dataarray(labels, tmp_path):
    path = tmp_path / "a.ome.zarr"
    nbexport.write_ome_zarr(yx(8, 8), path, progress=False)
    before = sorted(tmp_path.rglob("*"))
    words = rf"labels\['nuclei'\] is a {type(labels).__name__}, and an xarray\.DataArray is needed"
    with pytest.raises(PlanError, match=words):
        nbexport.write_labels({"nuclei": labels}, path, progress=False)
    assert sorted(tmp_path.rglob("*")) == before
