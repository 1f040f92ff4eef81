"""Every version and layout of OME-Zarr, judged by the validators and read by other libraries."""

from __future__ import annotations

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
from reference import assert_valid_ome_zarr

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


def test_labels_lie_below_their_image_with_as_many_levels(version, tmp_path):
    da = image()
    nuclei = labels(y=203, x=170)
    lazy = xr.DataArray(
        dask.array.from_array(np.tile(nuclei.values, (5, 1, 1)), chunks=(2, 64, 64)),
        dims=("z", "y", "x"),
        coords={n: da.coords[n] for n in "zyx"},
    )
    path = tmp_path / "a.ome.zarr"
    write(da, path, version=version, labels={"nuclei": nuclei, "in 3-D": lazy})
    assert_valid_ome_zarr(path, version)
    group = zarr.open_group(path, mode="r")
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
    write(lazy, path, chunks=(4, 32, 32), shards=shards, memory_budget=budget, workers=3)
    group = zarr.open_group(path, mode="r")
    np.testing.assert_array_equal(group["0"][:], pixels)
    for i in (1, 2):
        assert group[str(i)][:].min() > 0


def test_a_target_that_is_its_own_lazy_source_survives(tmp_path):
    """Written beside and renamed, so even this is safe: the old pixels are read to the end."""
    path = tmp_path / "a.ome.zarr"
    pixels = np.random.default_rng(0).integers(1, 99, (4, 64, 64), dtype="uint8")
    da = xr.DataArray(pixels, dims=("t", "y", "x"))
    nbexport.write_ome_zarr(da, path, progress=False)
    lazy = xr.DataArray(dask.array.from_zarr(path / "0") + 1, dims=("t", "y", "x"))
    nbexport.write_ome_zarr(lazy, path, overwrite=True, progress=False)
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], pixels + 1)
