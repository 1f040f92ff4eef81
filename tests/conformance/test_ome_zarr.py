"""Every version and layout of OME-Zarr, judged by the validators and read by other libraries."""

from __future__ import annotations

import signal
import subprocess
import sys

import dask.array
import ngff_zarr
import numpy as np
import pytest
import tensorstore
import xarray as xr
import zarr
from bioio import BioImage
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from reference import assert_valid_ome_zarr, pyramid
from test_collections import assert_valid_plate

import nbexport
from nbexport import PlanError
from nbexport.metadata import ZARR_FORMATS
from nbexport.testing import cells, labels

VERSIONS = [*ZARR_FORMATS]
LAYOUTS = {
    "plain": {},
    "chunks": {"chunks": {"y": 64, "x": 50}},
    "shards": {"chunks": (1, 1, 1, 64, 64), "shards": (1, 1, 3, 128, 128)},
    "whole shards": {"chunks": {"y": 64, "x": 64}, "shards": {"z": 5, "y": 640, "x": 640}},
}


def image() -> xr.DataArray:
    return cells(t=2, c=2, z=5, y=203, x=170, time_step=2.5)


def write(da, path, **options):
    return nbexport.write_ome_zarr(da, path, levels=3, progress=False, **options)


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture(params=LAYOUTS)
def layout(request, version):
    options = LAYOUTS[request.param]
    if "shards" in options and version == "0.4":
        pytest.skip("Zarr 2 has no shards")
    return options


def test_every_version_and_layout_is_valid_and_read_by_all(version, layout, tmp_path):
    da = image()
    path = tmp_path / "a.ome.zarr"
    report = write(da, path, version=version, **layout)
    assert_valid_ome_zarr(path, version)
    levels = [zarr.open_array(path / str(i), mode="r") for i in range(3)]
    assert [a.shape for a in levels] == [level.shape for level in report.plan.levels]
    if "shards" in layout:
        assert [a.shards for a in levels] == [level.shards for level in report.plan.levels]
    np.testing.assert_array_equal(levels[0][:], da.values)
    for i, level in enumerate(levels):
        driver = "zarr" if version == "0.4" else "zarr3"
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/{i}"}}
        other = tensorstore.open(spec, read=True).result()
        np.testing.assert_array_equal(other.read().result(), level[:])

    ngff = ngff_zarr.from_ngff_zarr(path)
    for i, read in enumerate(ngff.images):
        axes = {a.name: a for a in report.plan.levels[i].axes}
        np.testing.assert_array_equal(np.asarray(read.data), levels[i][:])
        for name, scale in read.scale.items():
            assert scale == axes[name].scale
            assert read.translation[name] == axes[name].translation
    assert ngff.images[0].axes_units["x"] == "micrometer"

    if version == "0.6":
        return  # bioio-ome-zarr 3.8 and ome-zarr 0.21's reader end at 0.5
    (node, *_) = Reader(parse_url(path))()
    for i, data in enumerate(node.data):
        np.testing.assert_array_equal(np.asarray(data), levels[i][:])
    assert node.metadata["channel_names"] == ["DAPI", "GFP"]
    bio = BioImage(path)
    np.testing.assert_array_equal(bio.data, da.values)
    assert bio.channel_names == ["DAPI", "GFP"]
    assert (bio.physical_pixel_sizes.Z, bio.physical_pixel_sizes.X) == (2.0, 0.65)
    assert nbexport.describe(bio.xarray_dask_data).axes == report.plan.image.axes


@pytest.mark.parametrize("layout", ["chunks", "shards"], indirect=True)
def test_labels_lie_below_their_image_with_as_many_levels(version, layout, tmp_path):
    da = image()
    nuclei = labels(y=203, x=170)
    lazy = xr.DataArray(
        dask.array.from_array(np.tile(nuclei.values, (5, 1, 1)), chunks=(2, 64, 64)),
        dims=("z", "y", "x"),
        coords={n: da.coords[n] for n in "zyx"},
    )
    path = tmp_path / "a.ome.zarr"
    write(da, path, version=version, labels={"nuclei": nuclei, "in 3-D": lazy}, **layout)
    assert_valid_ome_zarr(path, version)
    group = zarr.open_group(path, mode="r")
    assert (group["0"].shards is None) == ("shards" not in layout)
    named = group["labels"].attrs.asdict()
    named = named.get("ome", named)
    assert named["labels"] == ["nuclei", "in 3-D"]
    for name, pixels in (("nuclei", nuclei.values), ("in 3-D", lazy.values)):
        label = group["labels"][name]
        assert len(list(label.array_keys())) == 3
        np.testing.assert_array_equal(label["0"][:], pixels)
        assert set(np.unique(label["2"][:])) <= set(np.unique(pixels))
        about = label.attrs.asdict()
        about = about.get("ome", about)
        assert about["image-label"]["source"] == {"image": "../../"}
        assert "omero" not in about
    if version != "0.6":
        nodes = list(Reader(parse_url(path))())
        assert [n.zarr.basename() for n in nodes][-2:] == ["nuclei", "in 3-D"]


# -- ngio, whose 1.1 ends at version 0.5

KNOWN_TO_NGIO = pytest.mark.parametrize("version", ["0.4", "0.5"], indirect=True)


def assert_read_by_ngio(container, images: dict, labels: dict) -> None:
    """Assert that ngio gives the pixels and pixel sizes of `images`, by path, and `labels`."""
    assert container.level_paths == [*images]
    for path, (pixels, axes) in images.items():
        read = container.get_image(path=path)
        np.testing.assert_array_equal(read.get_as_numpy(), pixels)
        assert read.axes == tuple(axis.name for axis in axes)
        scales = {axis.name: axis.scale for axis in axes}
        assert {name: getattr(read.pixel_size, name) for name in "zyx"} == {
            name: scales.get(name, 1.0) for name in "zyx"
        }
    assert container.list_labels() == [*labels]
    for name, pixels in labels.items():
        np.testing.assert_array_equal(container.get_label(name).get_as_numpy(), pixels)


@KNOWN_TO_NGIO
def test_ngio_reads_every_layout_and_its_labels(version, layout, tmp_path):
    ngio = pytest.importorskip("ngio")
    nuclei = labels(y=203, x=170)
    path = tmp_path / "a.ome.zarr"
    report = write(image(), path, version=version, labels={"nuclei": nuclei}, **layout)
    container = ngio.open_ome_zarr_container(path, mode="r", validate_arrays=True)
    written = zarr.open_group(path, mode="r")
    images = {
        str(i): (written[str(i)][:], level.axes) for i, level in enumerate(report.plan.levels)
    }
    np.testing.assert_array_equal(images["0"][0], image().values)
    assert_read_by_ngio(container, images, {"nuclei": nuclei.values})
    assert container.channel_labels == ["DAPI", "GFP"]
    assert (container.space_unit, container.time_unit) == ("micrometer", "second")
    assert container.get_image(path="0").pixel_size.t == 2.5


@pytest.mark.parametrize("layout", ["chunks", "shards"], indirect=True)
def test_plates_of_every_version_and_layout_are_valid(version, layout, tmp_path):
    """Two fields that differ; the second is the smaller."""
    fields = {("A", 1, 0): image(), ("B", 3, 0): image()[..., :150, :160] + np.uint16(1)}
    path = tmp_path / "plate.ome.zarr"
    options = {"version": version, "levels": 3, "progress": False, **layout}
    report = nbexport.write_plate(fields, path, **options)
    assert_valid_plate(path, version)
    group = zarr.open_group(path, mode="r")
    for (row, column, field), da in fields.items():
        array = group[f"{row}/{column}/{field}/0"]
        assert (array.shards is None) == ("shards" not in layout)
        np.testing.assert_array_equal(array[:], da.values)
    if version == "0.6":
        return
    ngio = pytest.importorskip("ngio")
    plate = ngio.open_ome_zarr_plate(path, mode="r")
    assert plate.wells_paths() == ["A/1", "B/3"]
    plans = dict(zip(["A/1/0", "B/3/0"], [report.plan, *report.others], strict=True))
    for name, container in plate.get_images(max_workers=1).items():
        images = {
            str(i): (group[f"{name}/{i}"][:], level.axes)
            for i, level in enumerate(plans.pop(name).levels)
        }
        assert_read_by_ngio(container, images, {})
    assert not plans


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"version": "0.4", "shards": "auto"}, r"shards='auto' are not possible in OME-Zarr 0\.4"),
        ({"shards": (1, 2)}, r"shards=\(1, 2\) does not fit the axes t c z y x; give 5 lengths"),
        ({"shards": "many"}, r"shards='many' does not fit"),
        ({"shards": {"q": 2}}, r"shards names axis 'q'"),
        (
            {"chunks": {"y": 64}, "shards": {"y": 100}},
            r"shards has 100 along y; a multiple of the chunk's 64 is needed",
        ),
        ({"compression_level": 99}, r"compression_level=99 is not possible with 'blosc-zstd'; use"),
        ({"compression": 7}, r"compression=7 is no codec of Zarr format 3; use zarr's codecs"),
        (
            {"compression": zarr.codecs.GzipCodec(), "compression_level": 3},
            r"compression_level=3 belongs to a compression by name",
        ),
        (
            {"compression": zarr.codecs.GzipCodec(), "version": "0.4"},
            r"is no codec of Zarr format 2; use numcodecs's codecs",
        ),
        ({"client": "here"}, r"client='here' is no dask\.distributed\.Client"),
        ({"labels": {"a/b": labels(y=203, x=170)}}, r"labels has the name 'a/b'"),
        (
            {"labels": {"a": labels(y=100, x=170)}},
            r"labels\['a'\] has y=100 and the image y=203; labels lie on the pixels",
        ),
    ],
)
def test_what_cannot_be_stored_is_refused_first(options, text, tmp_path):
    with pytest.raises(PlanError, match=text):
        write(image(), tmp_path / "a.ome.zarr", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", ["blosc-zstd", "blosc-lz4", "zstd", "gzip", "none"])
def test_compressions_by_name_and_level(compression, version, tmp_path):
    da = cells(y=70, x=90)
    sizes = []
    for level in (None, 1, 9) if compression != "none" else (None,):
        path = tmp_path / f"{level}.ome.zarr"
        report = nbexport.write_ome_zarr(
            da,
            path,
            compression=compression,
            compression_level=level,
            version=version,
            progress=False,
        )
        sizes.append(report.nbytes)
        np.testing.assert_array_equal(zarr.open_array(path / "0")[:], da.values)
    if compression in ("zstd", "gzip"):
        assert sizes[1] != sizes[2]


def test_codecs_of_ones_own(tmp_path):
    import numcodecs

    da = cells(y=70, x=90)
    for name, codec, version in [
        ("3", zarr.codecs.BloscCodec(cname="lz4hc", clevel=9), "0.5"),
        ("2", numcodecs.LZMA(), "0.4"),
    ]:
        path = tmp_path / f"{name}.ome.zarr"
        nbexport.write_ome_zarr(da, path, compression=codec, version=version, progress=False)
        np.testing.assert_array_equal(zarr.open_array(path / "0")[:], da.values)


def test_empty_chunks_are_left_out_when_asked(tmp_path):
    pixels = np.zeros((4, 64, 64), "uint8")
    pixels[2] = 7
    da = xr.DataArray(pixels, dims=("t", "y", "x"))
    for skip, n_files in ((False, 4), (True, 1)):
        path = tmp_path / f"{skip}.ome.zarr"
        nbexport.write_ome_zarr(da, path, skip_empty=skip, progress=False)
        assert sum(p.is_file() for p in (path / "0" / "c").rglob("*")) == n_files
        np.testing.assert_array_equal(zarr.open_array(path / "0")[:], pixels)


# -- the ways in which others lose data: dask blocks that do not fit what is written at once


@pytest.mark.parametrize(
    ("source", "shards"),
    [
        ((8, 64, 64), (16, 128, 128)),  # smaller than a shard
        ((5, 50, 70), (16, 128, 128)),  # misaligned with everything
        (((3, 20, 9), (1, 150, 49), (111, 59)), (8, 64, 64)),  # ragged
        ((32, 200, 170), None),  # one block
    ],
)
@pytest.mark.parametrize("budget", ["1 GiB", "2 MB"])
def test_no_pixel_is_lost(source, shards, budget, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 2**16, (32, 200, 170), dtype="uint16")  # no zero: a lost one shows
    lazy = xr.DataArray(dask.array.from_array(pixels, chunks=source), dims=("z", "y", "x"))
    path = tmp_path / "a.ome.zarr"
    options = {"chunks": (4, 32, 32), "shards": shards, "memory_budget": budget, "workers": 3}
    assert_whole(path, pixels, write(lazy, path, **options))


def assert_whole(path, pixels, report) -> None:
    """Assert that every level holds what plain numpy makes of `pixels`."""
    steps = [level.factors for level in report.plan.levels[1:]]
    for i, wanted in enumerate(pyramid(pixels, steps, "mean")):
        np.testing.assert_array_equal(zarr.open_array(path / str(i), mode="r")[:], wanted)


@pytest.mark.parametrize("shards", [None, (6, 64, 64)])
@pytest.mark.parametrize("source", [(2, 50, 70), ((3, 1, 3), (1, 126, 128), (254, 1))])
def test_sizes_that_are_odd_at_every_level(source, shards, tmp_path):
    """255, 127, 63, 31, 15: a last row is left over each time, and shards hang over the edge."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 2**16, (7, 255, 255), dtype="uint16")
    lazy = xr.DataArray(dask.array.from_array(pixels, chunks=source), dims=("z", "y", "x"))
    path = tmp_path / "a.ome.zarr"
    options = {"chunks": (2, 32, 32), "shards": shards, "memory_budget": "1 MB", "workers": 3}
    report = nbexport.write_ome_zarr(lazy, path, levels=5, progress=False, **options)
    sizes = [level.shape[1:] for level in report.plan.levels]
    assert sizes == [(n, n) for n in (255, 127, 63, 31, 15)]
    assert_whole(path, pixels, report)


KILLED = """
import os, signal, sys
import dask.array, numpy as np, xarray as xr
import nbexport

def die(block, block_info=None):
    if block_info[0]["chunk-location"][0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return block

pixels = dask.array.ones((8, 128, 128), dtype="uint16", chunks=(1, 128, 128))
lazy = pixels.map_blocks(die, dtype="uint16", meta=np.empty((0, 0, 0), "uint16"))
da = xr.DataArray(lazy, dims=("z", "y", "x"))
options = {"chunks": (1, 64, 64), "shards": (2, 64, 64), "workers": 1, "progress": False}
nbexport.write_ome_zarr(da, sys.argv[1], overwrite=True, **options)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is killed by a signal there")
@pytest.mark.parametrize("there", [False, True])
def test_a_process_that_is_killed_leaves_no_torn_shard(there, tmp_path):
    """Nothing can be tidied up then; but the target is absent or the old one, and can be tried."""
    path = tmp_path / "a.ome.zarr"
    da = xr.DataArray(np.full((8, 128, 128), 7, "uint16"), dims=("z", "y", "x"))
    if there:
        nbexport.write_ome_zarr(da, path, progress=False)
    run = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert run.returncode == -signal.SIGKILL
    assert path.exists() == there
    if there:
        np.testing.assert_array_equal(zarr.open_array(path / "0")[:], da.values)
    options = {"chunks": (1, 64, 64), "shards": (2, 64, 64), "progress": False}
    nbexport.write_ome_zarr(da, path, overwrite=there, **options)
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], da.values)


def test_a_target_that_is_its_own_lazy_source_survives(tmp_path):
    """Written beside and renamed, so even this is safe: the old pixels are read to the end."""
    path = tmp_path / "a.ome.zarr"
    pixels = np.random.default_rng(0).integers(1, 99, (4, 64, 64), dtype="uint8")
    da = xr.DataArray(pixels, dims=("t", "y", "x"))
    nbexport.write_ome_zarr(da, path, progress=False)
    lazy = xr.DataArray(dask.array.from_zarr(path / "0") + 1, dims=("t", "y", "x"))
    nbexport.write_ome_zarr(lazy, path, overwrite=True, progress=False)
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], pixels + 1)
