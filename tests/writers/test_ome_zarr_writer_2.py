"""Batches of time points: the seed's second Zarr writer, read back by other people's programs."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import bioio
import bioio_ome_zarr
import dask.array
import numcodecs
import numpy as np
import pytest
import tensorstore
import tifffile
import xarray as xr
import zarr
import zarr.codecs
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from reference import assert_valid_ome_zarr, pyramid

import nbexport
from nbexport import (
    ChannelError,
    DtypeError,
    MissingPackageError,
    PlanError,
    SourceError,
    TargetError,
    TargetExistsError,
)
from nbexport.pixels import pick
from nbexport.writers import OmeZarrWriter2
from nbexport.writers.ome_zarr_writer_2 import (
    DimTuple,
    OmeZarrWriter,
    ZarrLevel,
    build_ome,
    chunk_size_from_memory_target,
    compute_level_chunk_sizes_zslice,
    compute_level_shapes,
    dim_tuple_to_dict,
    get_scale_ratio,
    resize,
)

HALF = (1, 1, 1, 2, 2)


def pixels(*shape, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(dtype)


def attributes(path):
    found = zarr.open_group(path, mode="r").attrs.asdict()
    return found.get("ome", found)


def level(path, i):
    return zarr.open_array(path / str(i), mode="r")


def initialised(path, shape, *, scaling=HALF, n_levels=2, dtype="uint16", chunks=None, **options):
    shapes = compute_level_shapes(shape, scaling, n_levels)
    writer = OmeZarrWriter()
    chunks = chunks or compute_level_chunk_sizes_zslice(shapes)
    writer.init_store(str(path), shapes, chunks, np.dtype(dtype), **options)
    return writer


def described(writer, n_channels, **changes):
    options = {
        "image_name": "movie",
        "channel_names": [f"c{i}" for i in range(n_channels)],
        "physical_dims": {"x": 0.1, "y": 0.1, "z": 0.3, "t": 5.0},
        "physical_units": {
            "x": "micrometer",
            "y": "micrometer",
            "z": "micrometer",
            "t": "minute",
        },
        "channel_colors": [0xFF0000 + i for i in range(n_channels)],
    }
    meta = writer.generate_metadata(**options | changes)
    writer.write_metadata(meta)
    return meta


def assert_levels(path, image, factors, n_levels, method="nearest"):
    for i, expected in enumerate(pyramid(image, [factors] * (n_levels - 1), method)):
        np.testing.assert_array_equal(level(path, i)[:], expected)


# -- the functions


def test_the_documents_numbers():
    assert compute_level_shapes((1, 1, 1, 13, 23), HALF, 3) == [
        (1, 1, 1, 13, 23),
        (1, 1, 1, 6, 11),
        (1, 1, 1, 3, 5),
    ]
    assert [s[3:] for s in compute_level_shapes((1, 1, 1, 4, 4), HALF, 5)] == [
        (4, 4),
        (2, 2),
        (1, 1),
        (1, 1),
        (1, 1),
    ]
    for size, edge in ((128, 16), (127, 15), (129, 16)):
        found = chunk_size_from_memory_target((1, 1, 1, size, size), "uint16", 1024)
        assert found == (1, 1, 1, edge, edge)
    assert chunk_size_from_memory_target((7, 11, 128, 128, 128), np.uint16, 1024) == (1, 1, 8, 8, 8)
    assert compute_level_chunk_sizes_zslice(
        compute_level_shapes((1, 1, 1, 1000, 1000), HALF, 3)
    ) == [(1, 1, 1, 1000, 1000), (1, 1, 4, 500, 500), (1, 1, 16, 250, 250)]
    assert get_scale_ratio((1, 2, 3, 100, 90), (1, 2, 3, 50, 30)) == (1, 1, 1, 2, 3)
    assert dim_tuple_to_dict((5, 4, 3, 2, 1)) == {"t": 5, "c": 4, "z": 3, "y": 2, "x": 1}
    assert build_ome(9, "n", ["a"], ["00FF00"], [(0, 1)])["channels"][0]["color"] == "00ff00"
    assert DimTuple == tuple[int, int, int, int, int]


def test_functions_refuse_what_is_not_tczyx():
    for call in (
        lambda: chunk_size_from_memory_target((1, 2, 3), "uint8", 9),
        lambda: dim_tuple_to_dict((1, 2, 3)),
        lambda: get_scale_ratio((1, 2), (1, 2)),
        lambda: compute_level_shapes((1, 2), HALF, 2),
    ):
        with pytest.raises(ValueError, match=r"must be a 5-tuple in TCZYX order, not \(1, 2"):
            call()
    with pytest.raises(PlanError, match=r"memory_target=1 is less than one pixel of 2 bytes"):
        chunk_size_from_memory_target((1, 1, 1, 8, 8), "uint16", 1)
    with pytest.raises(PlanError, match=r"scaling=\(1, 1, 1, 0, 2\) is not five numbers above 0"):
        compute_level_shapes((1, 1, 1, 8, 8), (1, 1, 1, 0, 2), 2)


# -- resize


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    m=st.integers(1, 60),
    chunk=st.integers(1, 60),
    dtype=st.sampled_from(["uint8", "float32", "bool"]),
)
def test_order_0_picks_the_same_pixels_for_any_chunks(n, m, chunk, dtype):
    image = pixels(n, 3, dtype=dtype)
    found = resize(dask.array.from_array(image, chunks=(chunk, 2)), (m, 3), order=0)
    f = n // (m + 1) + 1
    index = np.arange(m) * f if n // f == m else np.arange(m) * n // m
    np.testing.assert_array_equal(found.compute(), image[index])
    assert (found.dtype, found.shape) == (image.dtype, (m, 3))
    assert found.chunksize[0] == min(chunk, n, m)


def test_order_0_does_not_smear_floats_or_spread_nan():
    image = np.arange(64, dtype="float32").reshape(8, 8)
    image[3, 3] = np.nan
    found = resize(dask.array.from_array(image, chunks=4), (4, 4), order=0).compute()
    np.testing.assert_array_equal(found, image[::2, ::2])


def test_other_orders_are_scikit_images_and_show_no_seams():
    from skimage.transform import resize as skimage_resize

    image = pixels(40, 60)
    expected = skimage_resize(image, (20, 30), order=1, preserve_range=True)
    for chunk in (40, 7):
        found = resize(dask.array.from_array(image, chunks=chunk), (20, 30), 1)
        np.testing.assert_array_equal(found.compute(), np.rint(expected).astype("uint16"))
    # None is 1, but for bool; what the seed gave was 0 and 1: fractions cut to integers.
    assert resize(image, (20, 30)).compute().max() > 1000
    mask = image > 2000
    np.testing.assert_array_equal(resize(mask, (20, 30)).compute(), mask[::2, ::2])
    stack = dask.array.from_array(pixels(3, 40, 60), chunks=(1, 20, 20))
    assert resize(stack, (3, 20, 30), order=3, anti_aliasing=False).compute().shape == (3, 20, 30)


def test_resize_refuses(monkeypatch):
    image = dask.array.zeros((8, 8), dtype="uint8")
    with pytest.raises(PlanError, match=r"output_shape=\(4,\) does not fit an image of shape \(8"):
        resize(image, (4,))
    with pytest.raises(PlanError, match=r"output_shape=\(4, 0\).*give 2 whole numbers above 0"):
        resize(image, (4, 0))
    with pytest.raises(PlanError, match=r"preserve_range=False would turn pixels into fractions"):
        resize(image, (4, 4), preserve_range=False)
    with pytest.raises(PlanError, match=r"order=9 is no order of a spline; use 0 to 5"):
        resize(image, (4, 4), order=9)
    with pytest.raises(TypeError, match=r"no keyword 'antialiasing'; did you mean 'anti_aliasing"):
        resize(image, (4, 4), antialiasing=True)
    monkeypatch.setitem(sys.modules, "skimage.transform", None)
    with pytest.raises(MissingPackageError, match=r"order=1 needs scikit-image; install it with"):
        resize(image, (4, 4))
    assert resize(image, (4, 4), order=0).shape == (4, 4)


# -- the example of the class


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_the_example_of_the_document(tmp_path, version):
    im = pixels(5, 2, 3, 65, 51)
    path = tmp_path / "movie.ome.zarr"
    writer = initialised(path, im.shape, n_levels=3, version=version)
    assert [lv.shape for lv in writer.levels] == compute_level_shapes(im.shape, HALF, 3)
    assert isinstance(writer.levels[0], ZarrLevel)
    assert writer.levels[0].dtype == np.dtype("uint16")
    writer.write_t_batches_array(im, tbatch=4)
    meta = writer.generate_metadata(
        image_name="my_image_name",
        channel_names=["DAPI", "GFP"],
        physical_dims={"x": 0.1, "y": 0.1, "z": 0.3, "t": 5.0},
        physical_units={"x": "micrometer", "y": "micrometer", "z": "micrometer", "t": "minute"},
        channel_colors=[0x0000FF, "00FF00"],
    )
    assert sorted(meta) == ["multiscales", "omero"]
    writer.write_metadata(meta)
    assert_valid_ome_zarr(path, version)
    assert_levels(path, im, HALF, 3)
    omero = attributes(path)["omero"]
    assert (omero["id"], omero["name"]) == (1, "my_image_name")
    assert [(c["label"], c["color"]) for c in omero["channels"]] == [
        ("DAPI", "0000ff"),
        ("GFP", "00ff00"),
    ]
    assert omero["rdefs"] == {"defaultT": 0, "defaultZ": 1, "model": "color"}
    low, high = np.percentile(level(path, 2)[:][:, 0], (0.1, 99.9))
    assert omero["channels"][0]["window"] == pytest.approx(
        {"min": 0, "max": 65535, "start": low, "end": high}
    )
    driver = "zarr" if version == "0.4" else "zarr3"
    read = tensorstore.open({"driver": driver, "kvstore": f"file://{path}/0"}, open=True).result()
    np.testing.assert_array_equal(read.read().result(), im)
    if version == "0.6":
        return
    (node,) = Reader(parse_url(path))()
    np.testing.assert_array_equal(node.data[1].compute(), im[..., :64:2, :50:2])
    reader = bioio_ome_zarr.Reader(path)
    assert (reader.dims.order, reader.channel_names) == ("TCZYX", ["DAPI", "GFP"])
    assert reader.physical_pixel_sizes == (0.3, 0.1, 0.1)
    np.testing.assert_array_equal(reader.data, im)


def test_scales_are_exact_and_units_are_those_given(tmp_path):
    writer = initialised(tmp_path / "a.zarr", (2, 1, 4, 65, 51), n_levels=3)
    meta = described(writer, 1, physical_dims={"x": 0.1, "t": 2.0}, physical_units={"x": "um"})
    (multiscale,) = meta["multiscales"]
    assert multiscale["name"] == "movie"
    assert multiscale["axes"] == [
        {"name": "t", "type": "time"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space"},
        {"name": "y", "type": "space"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    steps = [dataset["coordinateTransformations"] for dataset in multiscale["datasets"]]
    assert [scale["scale"] for scale, _ in steps] == [
        [2.0, 1.0, 1.0, 2.0**i, 0.1 * 2**i]
        for i in range(3)  # and not 65 / 32
    ]
    assert [move["translation"] for _, move in steps] == [[0.0] * 5] * 3


def test_the_stores_before_it_is_described_are_no_image(tmp_path):
    path = tmp_path / "a.zarr"
    writer = initialised(path, (2, 1, 1, 8, 8))
    assert attributes(path) == {}
    assert [*Reader(parse_url(path))()] == []
    writer.write_t_batches_array(pixels(2, 1, 1, 8, 8))
    assert attributes(path) == {}
    described(writer, 1)
    assert_valid_ome_zarr(path, "0.4")
    assert writer.root.attrs["omero"]["name"] == "movie"
    assert writer.store is writer.root.store


def test_it_is_importable_from_the_package():
    assert OmeZarrWriter2 is OmeZarrWriter


# -- batches


@pytest.mark.parametrize("tbatch", [1, 3, 4, 100])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("scaling", [HALF, (1, 1, 2, 2, 2), (1, 1, 1, 3, 3), (1, 1, 1, 4, 2)])
def test_any_batches_give_the_same_levels(tmp_path, tbatch, lazy, scaling):
    image = pixels(5, 2, 4, 41, 50, dtype="float32")
    data = dask.array.from_array(image, chunks=(2, 1, 1, 30, 30)) if lazy else image
    before = image.copy()
    writer = initialised(
        tmp_path / "a.zarr", image.shape, scaling=scaling, n_levels=3, dtype="float32"
    )
    writer.write_t_batches_array(data, tbatch=tbatch)
    described(writer, 2)
    assert_levels(tmp_path / "a.zarr", image, scaling, 3)
    assert_valid_ome_zarr(tmp_path / "a.zarr", "0.4")
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("method", ["mean", "mode", "median", "max", "min"])
def test_other_methods(tmp_path, method):
    image = pixels(3, 1, 2, 20, 22)
    writer = initialised(tmp_path / "a.zarr", image.shape, method=method)
    writer.write_t_batches_array(image)
    meta = described(writer, 1)
    assert_levels(tmp_path / "a.zarr", image, HALF, 2, method)
    move = meta["multiscales"][0]["datasets"][1]["coordinateTransformations"][1]
    assert move["translation"] == [0, 0, 0, 0.05, 0.05]
    assert meta["multiscales"][0]["type"] == method


@pytest.mark.parametrize("scaling", [(1, 1, 1, 1.5, 1.5), (1, 1, 1, 2, 1.5)])
def test_levels_that_are_no_whole_fraction_are_picked(tmp_path, scaling):
    image = pixels(3, 1, 2, 64, 51)
    writer = initialised(tmp_path / "a.zarr", image.shape, scaling=scaling, n_levels=4)
    writer.write_t_batches_array(image, tbatch=2)
    meta = described(writer, 1)
    expected, shapes = image, compute_level_shapes(image.shape, scaling, 4)
    for i, shape in enumerate(shapes):
        expected = pick(expected, shape)
        np.testing.assert_array_equal(level(tmp_path / "a.zarr", i)[:], expected)
    datasets = meta["multiscales"][0]["datasets"]
    for dataset, shape in zip(datasets, shapes, strict=True):
        scale = dataset["coordinateTransformations"][0]["scale"]
        assert scale[4] == pytest.approx(0.1 * 51 / shape[4])
    assert_valid_ome_zarr(tmp_path / "a.zarr", "0.4")
    with pytest.raises(PlanError, match=r"method='mean' merges whole pixels.*use method='nearest'"):
        initialised(tmp_path / "b.zarr", image.shape, scaling=scaling, method="mean")
    # Whoever adds a region later has to know how the levels are made, and can't.
    with pytest.raises(TargetError, match=r"does not say how its levels are made"):
        nbexport.write_ome_zarr(
            xr.DataArray(image[:1], dims=tuple("tczyx")),
            tmp_path / "a.zarr",
            region={"t": 0},
            progress=False,
        )


def test_whole_levels_after_picked_ones_and_repeated_ones(tmp_path):
    shapes = [(2, 1, 1, 60, 60), (2, 1, 1, 40, 40), (2, 1, 1, 20, 20), (2, 1, 1, 20, 20)]
    image = pixels(*shapes[0])
    writer = OmeZarrWriter()
    writer.init_store(tmp_path / "a.zarr", shapes, [(1, 1, 1, 16, 16)] * 4, "uint16")
    writer.write_t_batches_array(image)
    picked = pick(image, shapes[1])
    for i, expected in enumerate([image, picked, picked[..., ::2, ::2], picked[..., ::2, ::2]]):
        np.testing.assert_array_equal(level(tmp_path / "a.zarr", i)[:], expected)


def test_levels_picked_from_one_that_lost_its_odd_edge(tmp_path):
    shapes = [(2, 1, 1, 61, 63), (2, 1, 1, 30, 31), (2, 1, 1, 20, 23)]
    image = pixels(*shapes[0])
    writer = OmeZarrWriter()
    writer.init_store(tmp_path / "a.zarr", shapes, [(1, 1, 1, 16, 16)] * 3, "uint16")
    writer.write_t_batches_array(image)
    half = image[..., :60:2, :62:2]
    np.testing.assert_array_equal(level(tmp_path / "a.zarr", 1)[:], half)
    np.testing.assert_array_equal(level(tmp_path / "a.zarr", 2)[:], pick(half, shapes[2]))


def test_toffset_and_a_store_that_fills_piece_by_piece(tmp_path):
    image = pixels(7, 1, 2, 30, 30)
    writer = initialised(tmp_path / "a.zarr", image.shape)
    writer.write_t_batches_array(image[4:], toffset=4)
    assert not level(tmp_path / "a.zarr", 0)[:4].any()
    writer.write_t_batches_array(image[:4])
    assert_levels(tmp_path / "a.zarr", image, HALF, 2)
    with pytest.raises(PlanError, match=r"3 time points from 5 on don't fit a store of 7; give in"):
        writer.write_t_batches_array(image[4:], toffset=5)


@pytest.mark.parametrize("lazy", [False, True])
def test_chunks_of_several_time_points_keep_their_neighbours(tmp_path, lazy):
    image = pixels(10, 1, 1, 30, 30)
    chunks = [(4, 1, 1, 16, 16), (2, 1, 1, 15, 15)]
    writer = initialised(tmp_path / "a.zarr", image.shape, chunks=chunks)
    for start, stop in ((1, 3), (9, 10), (3, 7), (0, 1), (7, 9)):
        part = image[start:stop]
        data = dask.array.from_array(part, chunks=(1, 1, 1, 20, 20)) if lazy else part
        writer.write_t_batches_array(data, toffset=start, tbatch=3)
    assert_levels(tmp_path / "a.zarr", image, HALF, 2)


def test_channels_choose_and_the_array_stays(tmp_path):
    image = pixels(3, 4, 1, 20, 20)
    before = image.copy()
    for i, data in enumerate((image, dask.array.from_array(image, chunks=10))):
        path = tmp_path / f"{i}.zarr"
        writer = initialised(path, (3, 2, 1, 20, 20))
        writer.write_t_batches_array(data, channels=[3, 1])
        np.testing.assert_array_equal(level(path, 0)[:], before[:, [3, 1]])
    np.testing.assert_array_equal(image, before)
    with pytest.raises(PlanError, match=r"channels names 4; this array has 4 channels"):
        writer.write_t_batches_array(image, channels=[4, 1])


def test_debug_writes_five_time_points(tmp_path):
    image = pixels(7, 1, 1, 20, 20) + 1
    writer = initialised(tmp_path / "a.zarr", image.shape)
    writer.write_t_batches_array(image, debug=True)
    np.testing.assert_array_equal(level(tmp_path / "a.zarr", 0)[:5], image[:5])
    assert not level(tmp_path / "a.zarr", 0)[5:].any()


def test_every_pixel_is_computed_once_for_all_levels(tmp_path):
    seen = []

    def load(block_info=None):
        seen.append(tuple(block_info[None]["chunk-location"]))
        return np.ones(block_info[None]["chunk-shape"], "uint16")

    data = dask.array.map_blocks(
        load,
        chunks=((1,) * 6, (1,), (1,), (64,), (64,)),
        dtype="uint16",
        meta=np.zeros((0,) * 5, "uint16"),
    )
    writer = initialised(tmp_path / "a.zarr", data.shape, n_levels=4)
    writer.write_t_batches_array(data, tbatch=4)
    assert sorted(seen) == sorted(set(seen))
    assert len(seen) == 6


def test_a_batch_that_fails_leaves_the_others(tmp_path):
    def fail(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 5:
            raise ZeroDivisionError("the camera melted")
        return block

    image = pixels(6, 1, 1, 20, 20) + 1
    bad = dask.array.from_array(image, chunks=(1, 1, 1, 20, 20)).map_blocks(fail, dtype="uint16")
    writer = initialised(tmp_path / "a.zarr", image.shape)
    with pytest.raises(SourceError, match="the camera melted"):
        writer.write_t_batches_array(bad, tbatch=2)
    np.testing.assert_array_equal(level(tmp_path / "a.zarr", 0)[:4], image[:4])
    writer.write_t_batches_array(image[4:], toffset=4)
    assert_levels(tmp_path / "a.zarr", image, HALF, 2)


# -- bioio's images


def movie_file(path, image):
    tifffile.imwrite(path, image, metadata={"axes": "TCZYX"}, ome=True)
    return str(path)


def test_an_image_of_bioio(tmp_path):
    image = pixels(6, 3, 2, 40, 30)
    source = bioio.BioImage(movie_file(tmp_path / "a.ome.tif", image))
    assert (source.shape, source.dims.order) == (image.shape, "TCZYX")
    writer = initialised(tmp_path / "a.zarr", image.shape)
    writer.write_t_batches(source, tbatch=4)
    described(writer, 3)
    assert_levels(tmp_path / "a.zarr", image, HALF, 2)
    again = bioio.BioImage(tmp_path / "a.zarr")
    np.testing.assert_array_equal(again.data, image)
    some = initialised(tmp_path / "b.zarr", (6, 2, 2, 40, 30))
    some.write_t_batches(source, channels=[2, 0], debug=True)
    np.testing.assert_array_equal(level(tmp_path / "b.zarr", 0)[:5], image[:5][:, [2, 0]])
    assert not level(tmp_path / "b.zarr", 0)[5:].any()


def test_what_only_looks_like_an_image_of_bioio(tmp_path):
    image = dask.array.from_array(pixels(3, 1, 1, 20, 20))
    asked = []

    def get(order, **selection):
        asked.append((order, selection))
        return image[selection["T"]]

    writer = initialised(tmp_path / "a.zarr", image.shape)
    source = SimpleNamespace(dims=SimpleNamespace(T=3), get_image_dask_data=get)
    writer.write_t_batches(source, tbatch=2)
    assert asked == [("TCZYX", {"T": slice(0, 2)}), ("TCZYX", {"T": slice(2, 3)})]
    assert_levels(tmp_path / "a.zarr", image.compute(), HALF, 2)
    with pytest.raises(TypeError, match=r"a bioio\.BioImage is needed, got ndarray; an array is"):
        writer.write_t_batches(np.zeros((3, 1, 1, 20, 20)))


def test_a_sequence_of_files(tmp_path, monkeypatch):
    image = pixels(5, 2, 2, 40, 30)
    paths = [movie_file(tmp_path / f"{t}.ome.tif", image[t : t + 1]) for t in range(5)]
    writer = initialised(tmp_path / "a.zarr", image.shape)
    writer.write_t_batches_image_sequence(paths, tbatch=2)
    assert_levels(tmp_path / "a.zarr", image, HALF, 2)
    one = initialised(tmp_path / "b.zarr", (5, 1, 2, 40, 30))
    one.write_t_batches_image_sequence(paths, channels=[1])
    np.testing.assert_array_equal(level(tmp_path / "b.zarr", 0)[:], image[:, [1]])
    monkeypatch.setitem(sys.modules, "bioio", None)
    with pytest.raises(
        MissingPackageError, match=r"read by bioio, which is not installed; install"
    ):
        one.write_t_batches_image_sequence(paths)


# -- compressors


@pytest.mark.parametrize(
    ("compressor", "in_zarr_2", "in_zarr_3"),
    [
        (
            numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
            numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
            ("zstd", 3, "bitshuffle"),
        ),
        (
            zarr.codecs.BloscCodec(cname="lz4", clevel=7, shuffle="shuffle", typesize=2),
            numcodecs.Blosc("lz4", 7, numcodecs.Blosc.SHUFFLE),
            ("lz4", 7, "shuffle"),
        ),
        (numcodecs.Zstd(4), numcodecs.Zstd(4), zarr.codecs.ZstdCodec(level=4)),
        (zarr.codecs.ZstdCodec(level=4), numcodecs.Zstd(4), zarr.codecs.ZstdCodec(level=4)),
        (numcodecs.GZip(4), numcodecs.GZip(4), zarr.codecs.GzipCodec(level=4)),
        (zarr.codecs.GzipCodec(level=4), numcodecs.GZip(4), zarr.codecs.GzipCodec(level=4)),
        ("zstd", numcodecs.Zstd(3), zarr.codecs.ZstdCodec(level=3)),
        (None, None, None),
    ],
)
def test_compressors_of_either_format(tmp_path, compressor, in_zarr_2, in_zarr_3):
    image = pixels(2, 1, 1, 20, 20)
    for version, expected in (("0.4", in_zarr_2), ("0.5", in_zarr_3)):
        path = tmp_path / f"{version}.zarr"
        writer = initialised(path, image.shape, version=version, compressor=compressor)
        writer.write_t_batches_array(image)
        assert_levels(path, image, HALF, 2)
        found = level(path, 0).compressors
        if isinstance(expected, tuple):
            (blosc,) = found
            words = [getattr(word, "value", word) for word in (blosc.cname, blosc.shuffle)]
            assert (words[0], blosc.clevel, words[1]) == expected
        else:
            assert found == ((expected,) if expected is not None else ())


def test_the_default_compressor_is_the_seeds(tmp_path):
    initialised(tmp_path / "a.zarr", (1, 1, 1, 8, 8))
    (blosc,) = level(tmp_path / "a.zarr", 0).compressors
    assert blosc == numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)


def test_compressors_without_a_counterpart(tmp_path):
    with pytest.raises(PlanError, match=r"no counterpart in this version.*use one of zarr\.codecs"):
        initialised(
            tmp_path / "a.zarr", (1, 1, 1, 8, 8), version="0.5", compressor=numcodecs.LZMA()
        )
    with pytest.raises(PlanError, match=r"no counterpart.*use one of numcodecs, or version='0\.5'"):
        initialised(tmp_path / "a.zarr", (1, 1, 1, 8, 8), compressor=zarr.codecs.Crc32cCodec())
    with pytest.raises(PlanError, match=r"compression=7 is no codec of Zarr format 2"):
        initialised(tmp_path / "a.zarr", (1, 1, 1, 8, 8), compressor=7)
    assert list(tmp_path.iterdir()) == []


# -- what is refused


@pytest.mark.parametrize(
    ("shapes", "chunks", "text"),
    [
        ([], [], r"must have the same length, the number of levels, and have 0 and 0"),
        ([(1, 1, 1, 8, 8)], [], r"shapes and chunk_sizes must have the same length.* 1 and 0"),
        ([(8, 8)], [(8, 8)], r"shapes\[0\] must be a 5-tuple in TCZYX order, not \(8, 8\)"),
        ([(1, 1, 1, 8, 8)], [(1, 1, 1, 0, 8)], r"chunk_sizes\[0\] is .*whole numbers above 0"),
        ([(1, 1, 1, 8, 8), (1, 1, 1, 16, 8)], [(1, 1, 1, 8, 8)] * 2, r"levels go from fine to co"),
        (
            [(2, 2, 1, 8, 8), (1, 2, 1, 4, 4)],
            [(1, 1, 1, 8, 8)] * 2,
            r"shapes\[1\] has T and C \(1, 2\) and level 0 \(2, 2\); all levels keep them, so",
        ),
    ],
)
def test_levels_that_make_no_image(tmp_path, shapes, chunks, text):
    with pytest.raises(ValueError, match=text):
        OmeZarrWriter().init_store(tmp_path / "a.zarr", shapes, chunks, "uint8")
    assert list(tmp_path.iterdir()) == []


def test_stores_that_can_not_be_made(tmp_path):
    shape = (1, 1, 1, 8, 8)
    with pytest.raises(TargetError, match=r"'cells\.png' does not end in \.ome\.zarr"):
        initialised(tmp_path / "cells.png", shape)
    with pytest.raises(PlanError, match=r"version='0\.3' of OME-NGFF can't be written; use one of"):
        initialised(tmp_path / "a.zarr", shape, version="0.3")
    with pytest.raises(PlanError, match=r"method='best' is not known"):
        initialised(tmp_path / "a.zarr", shape, method="best")
    with pytest.raises(PlanError, match=r"is one file, written once; prepare one that ends in"):
        initialised(tmp_path / "a.ozx", shape, version="0.5")
    with pytest.raises(DtypeError, match=r"pixels are of type 'complex256'"):
        initialised(tmp_path / "a.zarr", shape, dtype="complex256")
    initialised(tmp_path / "a.zarr", shape)
    with pytest.raises(TargetExistsError, match=r"exists; pass overwrite=True to replace it"):
        initialised(tmp_path / "a.zarr", shape)
    initialised(tmp_path / "a.zarr", (1, 1, 1, 9, 9), overwrite=True)
    assert level(tmp_path / "a.zarr", 0).shape == (1, 1, 1, 9, 9)


def test_pixels_that_do_not_fit_the_store(tmp_path):
    writer = OmeZarrWriter()
    with pytest.raises(PlanError, match=r"there is no store yet; call init_store first"):
        writer.write_t_batches_array(np.zeros((1, 1, 1, 8, 8)))
    with pytest.raises(PlanError, match=r"there is no store yet"):
        writer.write_metadata({"multiscales": [], "omero": {}})
    with pytest.raises(PlanError, match=r"there is no store yet"):
        described(writer, 1)
    writer = initialised(tmp_path / "a.zarr", (2, 1, 1, 8, 8))
    for array, options, error, text in [
        (np.zeros((8, 8), "u2"), {}, ValueError, r"has shape \(8, 8\) and must be 5D, TCZYX"),
        (pixels(2, 1, 1, 8, 9), {}, ValueError, r"\(2, 1, 1, 8, 9\) and the store \(2, 1, 1, 8, 8"),
        (pixels(2, 2, 1, 8, 8), {}, ValueError, r"TCZYX; only T may differ"),
        (pixels(3, 1, 1, 8, 8), {}, ValueError, r"3 time points from 0 on don't fit a store of 2"),
        (pixels(2, 1, 1, 8, 8, dtype="float32"), {}, DtypeError, r"cast them with da\.astype\('ui"),
        (pixels(2, 1, 1, 8, 8), {"tbatch": 0}, PlanError, r"tbatch=0 is no whole number of at le"),
        (pixels(1, 1, 1, 8, 8), {"toffset": -1}, PlanError, r"toffset=-1 is no whole number of a"),
        ("a.tif", {}, TypeError, r"data is str; pass a numpy or a dask array"),
        (pixels(2, 1, 1, 8, 8), {"batch": 1}, TypeError, r"no keyword 'batch'; did you mean 'tbat"),
    ]:
        with pytest.raises(error, match=text):
            writer.write_t_batches_array(array, **options)
    assert not level(tmp_path / "a.zarr", 0)[:].any()


def test_metadata_that_do_not_fit(tmp_path):
    writer = initialised(tmp_path / "a.zarr", (2, 2, 1, 8, 8))
    with pytest.raises(ChannelError, match=r"channel_names=\['a'\] does not fit 2 channels"):
        described(writer, 2, channel_names=["a"])
    with pytest.raises(ChannelError, match=r"channel_colors=\[1\] does not fit 2 channels"):
        described(writer, 2, channel_colors=[1])
    with pytest.raises(ChannelError, match=r"'no'"):
        described(writer, 2, channel_colors=["no", "red"])
    with pytest.raises(ValueError, match=r"units\['x'\]='parsnip' is no unit of length"):
        described(writer, 2, physical_units={"x": "parsnip"})
    with pytest.raises(ValueError, match=r"axis 'x' has scale 0\.0; it must be a positive number"):
        described(writer, 2, physical_dims={"x": 0})
    with pytest.raises(PlanError, match=r"the metadata have no 'omero'; pass what generate_metad"):
        writer.write_metadata({"multiscales": []})
    with pytest.raises(TypeError, match=r"no keyword 'colors'; did you mean 'channel_colors'"):
        writer.generate_metadata(image_name="a", colors=[])
    assert attributes(tmp_path / "a.zarr") == {}
    meta = described(writer, 2, channel_colors=None)
    assert [c["color"] for c in meta["omero"]["channels"]] == ["00ff00", "ff00ff"]
    # Nothing was written: the range of the type.
    assert meta["omero"]["channels"][0]["window"] == {
        "min": 0,
        "max": 65535,
        "start": 0,
        "end": 65535,
    }


def test_metadata_may_be_changed_between(tmp_path):
    writer = initialised(tmp_path / "a.zarr", (2, 1, 1, 8, 8))
    meta = described(writer, 1)
    meta["omero"]["channels"][0]["window"] |= {"start": 5, "end": 9}
    writer.write_metadata(meta)
    assert attributes(tmp_path / "a.zarr")["omero"]["channels"][0]["window"]["end"] == 9
    assert_valid_ome_zarr(tmp_path / "a.zarr", "0.4")


def test_many_samples_are_thinned(tmp_path):
    image = np.zeros((40, 1, 1, 300, 300), "uint16")
    image[:, :, :, :, 150:] = 1000
    writer = initialised(tmp_path / "a.zarr", image.shape, n_levels=1)
    writer.write_t_batches_array(image, tbatch=1)
    kept = sum(values.size for _, values in writer._opened.samples)
    assert 2**19 < kept <= 2**20
    window = described(writer, 1)["omero"]["channels"][0]["window"]
    assert (window["start"], window["end"]) == (0, 1000)


def test_a_store_of_whole_factors_takes_regions_later(tmp_path):
    image = pixels(4, 1, 1, 20, 20)
    writer = initialised(tmp_path / "a.zarr", image.shape, version="0.5")
    writer.write_t_batches_array(image[:2])
    described(writer, 1)
    nbexport.write_ome_zarr(
        xr.DataArray(image[2:], dims=tuple("tczyx")),
        tmp_path / "a.zarr",
        region={"t": slice(2, 4)},
        progress=False,
    )
    assert_levels(tmp_path / "a.zarr", image, HALF, 2)
