"""One call an image: the seed's first Zarr writer, read back by other people's programs."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import bioio_ome_zarr
import dask.array
import numpy as np
import pytest
import tensorstore
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from reference import SHARED, assert_valid_ome_xml, assert_valid_ome_zarr, pyramid

from nbexport import (
    ChannelError,
    InvalidDimensionOrderingError,
    PlanError,
    SourceError,
    TargetError,
    TargetExistsError,
    UnexpectedShapeError,
)
from nbexport.writers import OmeZarrWriter as exported
from nbexport.writers import PhysicalPixelSizes
from nbexport.writers.ome_zarr_writer import OmeZarrWriter


def pixels(*shape, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def attributes(path):
    found = zarr.open_group(path, mode="r").attrs.asdict()
    return found.get("ome", found)


def scales(path):
    """Return scale and translation of each level, by the metadata of 0.4."""
    (multiscale,) = attributes(path)["multiscales"]
    steps = [dataset["coordinateTransformations"] for dataset in multiscale["datasets"]]
    return [(scale["scale"], move["translation"]) for scale, move in steps]


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# -- the examples of the document


def test_the_first_example(tmp_path):
    image = pixels(1, 10, 3, 102, 204)
    writer = OmeZarrWriter(tmp_path / "file.ome.zarr")
    writer.write_image(image)
    assert_valid_ome_zarr(tmp_path / "file.ome.zarr", "0.4")
    (node,) = Reader(parse_url(tmp_path / "file.ome.zarr"))()
    np.testing.assert_array_equal(node.data[0].compute(), image)
    read = tensorstore.open(
        {"driver": "zarr", "kvstore": f"file://{tmp_path}/file.ome.zarr/0"}, open=True
    ).result()
    np.testing.assert_array_equal(read.read().result(), image)
    assert [
        channel["label"] for channel in attributes(tmp_path / "file.ome.zarr")["omero"]["channels"]
    ] == [f"Channel:0:{i}" for i in range(10)]


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_the_second_example(tmp_path, version):
    image0, image1 = pixels(3, 10, 102, 204), pixels(3, 10, 51, 51, seed=1)
    path = tmp_path / "file.ome.zarr"
    writer = OmeZarrWriter(path, version=version)
    writer.write_image(image0, "Image:0", ["C00", "C01", "C02"])
    assert_valid_ome_zarr(path, version)
    alone = files(path)
    assert "0/0/.zarray" not in alone
    writer.write_image(image1, "Image:1", ["C10", "C11", "C12"])
    for i, (image, names) in enumerate(
        [(image0, ["C00", "C01", "C02"]), (image1, ["C10", "C11", "C12"])]
    ):
        assert_valid_ome_zarr(path / str(i), version)
        np.testing.assert_array_equal(zarr.open_array(path / f"{i}/0", mode="r")[:], image)
        found = attributes(path / str(i))
        assert [channel["label"] for channel in found["omero"]["channels"]] == names
        assert found["multiscales"][0]["name"] == f"Image:{i}"
    assert attributes(path)["bioformats2raw.layout"] == 3
    assert "multiscales" not in attributes(path)
    assert attributes(path / "OME")["series"] == ["0", "1"]
    assert_valid_ome_xml((path / "OME/METADATA.ome.xml").read_text())
    # The first image moved as it was, byte for byte.
    assert alone == files(path / "0")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.ome.zarr"]


def test_a_series_is_what_bioio_takes_for_scenes(tmp_path):
    writer = OmeZarrWriter(tmp_path / "file.ome.zarr", version="0.5")
    images = [pixels(2, 30, 40, seed=i) for i in range(3)]
    for image in images:
        writer.write_image(image, channel_names=["a", "b"], dimension_order="CYX")
    for i, image in enumerate(images):
        reader = bioio_ome_zarr.Reader(tmp_path / f"file.ome.zarr/{i}")
        assert reader.channel_names == ["a", "b"]
        np.testing.assert_array_equal(np.squeeze(reader.data), image)
    assert attributes(tmp_path / "file.ome.zarr/OME")["series"] == ["0", "1", "2"]


def test_it_is_importable_from_the_package():
    assert exported is OmeZarrWriter


# -- what is written


@pytest.mark.parametrize(
    ("shape", "order", "stored"),
    [
        ((64, 51), None, "yx"),
        ((3, 64, 51), None, "zyx"),
        ((3, 64, 51), "CYX", "cyx"),
        ((2, 3, 64, 51), None, "czyx"),
        ((2, 3, 64, 51), "TCYX", "tcyx"),
        ((2, 4, 3, 64, 51), None, "tczyx"),
        ((2, 3, 4, 65, 51), "CTZYX", "tczyx"),
        ((64, 51, 5), "YXZ", "zyx"),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_orders_levels_and_positions(tmp_path, shape, order, stored, lazy):
    image = pixels(*shape)
    data = dask.array.from_array(image, chunks=-1 if len(shape) == 2 else 20) if lazy else image
    path = tmp_path / "a.zarr"
    OmeZarrWriter(path).write_image(
        data,
        "cell",
        PhysicalPixelSizes(Z=0.3, Y=None, X=0.1),
        scale_num_levels=3,
        dimension_order=order,
    )
    assert_valid_ome_zarr(path, "0.4")
    letters = (order or "TCZYX"[-len(shape) :]).lower()
    expected = image.transpose([letters.index(name) for name in stored])
    steps = [tuple(2 if name in "yx" else 1 for name in stored)] * 2
    for i, level in enumerate(pyramid(expected, steps, "nearest")):
        np.testing.assert_array_equal(zarr.open_array(path / str(i), mode="r")[:], level)
    known = {"t": 1.0, "c": 1.0, "z": 0.3, "y": 1.0, "x": 0.1}
    for i, (scale, translation) in enumerate(scales(path)):
        assert scale == [known[n] * (2**i if n in "yx" else 1) for n in stored]
        assert translation == [0.0] * len(stored)
    units = {"t": "millisecond", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    assert attributes(path)["multiscales"][0]["axes"] == [
        {"name": n, "type": {"t": "time", "c": "channel"}.get(n, "space")}
        | ({"unit": units[n]} if n in units else {})
        for n in stored
    ]


def test_means_move_the_origin_by_half_a_pixel(tmp_path):
    image = pixels(2, 64, 50, dtype="float32")
    OmeZarrWriter(tmp_path / "a.zarr").write_image(
        image, "m", (None, 0.5, 0.5), scale_num_levels=2, method="mean"
    )
    (_, expected) = pyramid(image, [(1, 2, 2)], "mean")
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr/1", mode="r")[:], expected)
    assert scales(tmp_path / "a.zarr")[1] == ([1.0, 1.0, 1.0], [0.0, 0.25, 0.25])


def test_a_factor_that_is_not_whole_picks_pixels(tmp_path):
    image = pixels(2, 64, 51, dtype="float32")
    path = tmp_path / "a.zarr"
    OmeZarrWriter(path).write_image(image, "m", scale_num_levels=2, scale_factor=1.5)
    assert_valid_ome_zarr(path, "0.4")
    level = zarr.open_array(path / "1", mode="r")[:]
    y, x = np.arange(42) * 64 // 42, np.arange(34) * 51 // 34
    np.testing.assert_array_equal(level, image[:, y][:, :, x])
    assert scales(path)[1] == ([1.0, 64 / 42, 1.5], [0.0, 0.0, 0.0])
    metadata = attributes(path)["multiscales"][0]["metadata"]
    assert metadata["description"].startswith("pixel i * n // m")
    with pytest.raises(PlanError, match=r"method='mean' merges whole pixels.*or use method='near"):
        OmeZarrWriter(tmp_path / "b.zarr").write_image(
            image, scale_num_levels=2, scale_factor=1.5, method="mean"
        )
    assert not (tmp_path / "b.zarr").exists()


@pytest.mark.parametrize(("size", "factor", "coarse"), [(11, 5, 2), (11, 4, 2), (3, 2, 1)])
def test_the_factor_that_was_meant_where_several_explain_the_shape(tmp_path, size, factor, coarse):
    image = pixels(size, size)
    OmeZarrWriter(tmp_path / "a.zarr").write_image(image, scale_num_levels=2, scale_factor=factor)
    level = zarr.open_array(tmp_path / "a.zarr/1", mode="r")[:]
    np.testing.assert_array_equal(level, image[::factor, ::factor][:coarse, :coarse])
    assert scales(tmp_path / "a.zarr")[1][0] == [factor, factor]


def test_chunks_are_planes_or_what_is_given(tmp_path):
    image = np.zeros((2, 2, 30, 1500, 1000), "uint16")
    OmeZarrWriter(tmp_path / "a.zarr").write_image(
        dask.array.zeros(image.shape, chunks=(1, 1, 30, 500, 1000), dtype="uint16"),
        scale_num_levels=3,
    )
    arrays = [zarr.open_array(tmp_path / f"a.zarr/{i}", mode="r") for i in range(3)]
    # 16 MiB / (1500 * 1000 * 2) = 5.6, then 22.4 and 89 planes
    assert [array.chunks for array in arrays] == [
        (1, 1, 6, 1500, 1000),
        (1, 1, 23, 750, 500),
        (1, 1, 30, 375, 250),
    ]
    (blosc,) = arrays[0].compressors
    assert (blosc.cname, blosc.clevel, blosc.shuffle) == ("lz4", 5, 1)
    OmeZarrWriter(tmp_path / "b.zarr").write_image(
        image[:, :, :4, :150, :100], chunk_dims=(1, 2, 3, 65, 50), scale_num_levels=3
    )
    arrays = [zarr.open_array(tmp_path / f"b.zarr/{i}", mode="r") for i in range(3)]
    assert [array.chunks for array in arrays] == [
        (1, 2, 3, 65, 50),
        (1, 2, 3, 33, 25),
        (1, 2, 3, 17, 13),
    ]


def test_colours_windows_and_names(tmp_path):
    image = np.stack([np.full((40, 40), 7), np.arange(1600).reshape(40, 40)]).astype("uint16")
    OmeZarrWriter(tmp_path / "a.zarr").write_image(
        image, "cell", None, ["DAPI", "GFP"], [0x0000FF, (0, 255, 0)], dimension_order="CYX"
    )
    one, two = attributes(tmp_path / "a.zarr")["omero"]["channels"]
    assert (one["label"], one["color"], two["color"]) == ("DAPI", "0000FF", "00FF00")
    assert one["window"] == {"min": 0, "max": 65535, "start": 7, "end": 8}
    assert two["window"]["start"] == pytest.approx(np.percentile(np.arange(1600), 0.1))
    OmeZarrWriter(tmp_path / "b.zarr").write_image(image, dimension_order="CYX")
    colors = {c["color"] for c in attributes(tmp_path / "b.zarr")["omero"]["channels"]}
    assert colors == {"00FF00", "FF00FF"}  # and not 000000 and 000001


def test_build_ome_is_the_seeds():
    assert OmeZarrWriter.build_ome(9, "n", ["a"], [0xFFAA01], [(3, 4.5)]) == {
        "id": 1,
        "name": "n",
        "version": "0.4",
        "channels": [
            {
                "active": True,
                "coefficient": 1,
                "color": "ffaa01",
                "family": "linear",
                "inverted": False,
                "label": "a",
                "window": {"end": 4.5, "max": 4.5, "min": 3.0, "start": 3.0},
            }
        ],
        "rdefs": {"defaultT": 0, "defaultZ": 4, "model": "color"},
    }
    with pytest.raises(ChannelError, match=r"channel_colors has 0 entries and there are 1 channel"):
        OmeZarrWriter.build_ome(9, "n", ["a"], [], [(3, 4.5)])
    with pytest.raises(ChannelError, match=r"channel 'a' has color 'no', which is none; use one"):
        OmeZarrWriter.build_ome(9, "n", ["a"], ["no"], [(3, 4.5)])


# -- what is refused, before the first byte


@pytest.mark.parametrize(
    ("shape", "options", "error", "text"),
    [
        ((4,), {}, InvalidDimensionOrderingError, r"have 2, 3, 4 or 5 dimensions, these have sha"),
        ((1,) * 6, {}, InvalidDimensionOrderingError, r"2, 3, 4 or 5 dimensions, these have shap"),
        (
            (2, 8, 8),
            {"dimension_order": "YX"},
            InvalidDimensionOrderingError,
            r"dimension order 'YX' does not match data of shape \(2, 8, 8\); give 3 letters",
        ),
        (
            (2, 8, 8),
            {"dimension_order": "SYX"},
            InvalidDimensionOrderingError,
            r"'SYX' has letters that are unknown or repeated; use each of TCZYX once",
        ),
        ((2, 8, 8), {"dimension_order": "zyx"}, InvalidDimensionOrderingError, r"'zyx' has letter"),
        ((2, 8, 8), {"dimension_order": "YYX"}, InvalidDimensionOrderingError, r"'YYX' has letter"),
        (
            (2, 2, 8, 8),
            {"dimension_order": "ZCYX"},
            InvalidDimensionOrderingError,
            r"'ZCYX' is invalid, the channel dimension must be before X, Y and Z; transpose",
        ),
        ((2, 8), {"dimension_order": "TC"}, InvalidDimensionOrderingError, r"'TC' lacks Y or X"),
        (
            (2, 8, 8),
            {"chunk_dims": (8, 8)},
            UnexpectedShapeError,
            r"chunk dimensions \(8, 8\) do not match the data, whose order is ZYX; give 3 lengths",
        ),
        ((8, 8), {"chunk_dims": (8, 0)}, PlanError, r"chunk_dims has 0 along X; a whole number"),
        ((8, 8), {"scale_num_levels": 0}, PlanError, r"scale_num_levels=0 is no whole number"),
        ((8, 8), {"scale_num_levels": 5}, PlanError, r"is too many: level 3 has 1 x 1 .*; use 4"),
        (
            (8, 8),
            {"scale_num_levels": 2, "scale_factor": 1},
            PlanError,
            r"scale_factor=1 makes no coarser level; give a number above 1, such as 2",
        ),
        ((8, 8), {"method": "best"}, PlanError, r"method='best' is not known; use one of mean, n"),
        ((8, 8), {"channel_names": ["a", "b"]}, ChannelError, r"does not fit 1 channels; give a l"),
        ((8, 8), {"channel_colors": [1, 2]}, ChannelError, r"channel_colors=\[1, 2\] does not fit"),
        ((8, 8), {"physical_pixel_sizes": 3}, PlanError, r"physical_pixel_sizes=3 is not under"),
    ],
)
def test_refusals(tmp_path, shape, options, error, text):
    with pytest.raises(error, match=text) as caught:
        OmeZarrWriter(tmp_path / "a.zarr").write_image(np.zeros(shape, "uint8"), **options)
    assert isinstance(caught.value, ValueError)
    assert list(tmp_path.iterdir()) == []


def test_unknown_keywords_name_the_nearest(tmp_path):
    writer = OmeZarrWriter(tmp_path / "a.zarr")
    for wrong, right in [
        ("dim_order", "dimension_order"),
        ("chanel_names", "channel_names"),
        ("scale_levels", "scale_num_levels"),
    ]:
        with pytest.raises(TypeError, match=f"no keyword '{wrong}'; did you mean '{right}'"):
            writer.write_image(np.zeros((8, 8)), **{wrong: 1})
    with pytest.raises(TypeError, match=r"OmeZarrWriter\(\) has no keyword 'versoin'; did you m"):
        OmeZarrWriter(tmp_path / "a.zarr", versoin="0.5")
    with pytest.raises(TypeError, match=r"data is str; pass a numpy or a dask array"):
        writer.write_image("cells.png")
    assert list(tmp_path.iterdir()) == []


def test_targets(tmp_path):
    with pytest.raises(TargetError, match=r"'cells\.png' does not end in \.ome\.zarr"):
        OmeZarrWriter(tmp_path / "cells.png")
    with pytest.raises(PlanError, match=r"version='0\.3' of OME-NGFF can't be written"):
        OmeZarrWriter(tmp_path / "a.zarr", version="0.3")
    OmeZarrWriter(tmp_path / "a.zarr").write_image(pixels(8, 8))
    with pytest.raises(TargetExistsError, match=r"exists; pass overwrite=True to replace it"):
        OmeZarrWriter(tmp_path / "a.zarr")
    again = OmeZarrWriter(tmp_path / "a.zarr", overwrite=True)
    again.write_image(pixels(9, 9))
    again.write_image(pixels(7, 7))
    shapes = [zarr.open_array(tmp_path / f"a.zarr/{i}/0", mode="r").shape for i in range(2)]
    assert shapes == [(9, 9), (7, 7)]


# -- what goes wrong on the way


def failing():
    def fail(block):
        raise ZeroDivisionError("the camera melted")

    return dask.array.zeros((8, 8), dtype="uint16").map_blocks(fail, dtype="uint16")


def test_a_first_image_that_fails_leaves_nothing(tmp_path):
    writer = OmeZarrWriter(tmp_path / "a.zarr")
    with pytest.raises(SourceError, match="the camera melted"):
        writer.write_image(failing())
    assert list(tmp_path.iterdir()) == []
    writer.write_image(pixels(8, 8))  # tried again
    assert_valid_ome_zarr(tmp_path / "a.zarr", "0.4")
    assert attributes(tmp_path / "a.zarr")["multiscales"][0]["name"] == "Image:0"


def test_a_later_image_that_fails_leaves_those_before_it(tmp_path):
    writer = OmeZarrWriter(tmp_path / "a.zarr")
    writer.write_image(pixels(8, 8))
    before = files(tmp_path)
    with pytest.raises(PlanError, match="method='best' is not known"):
        writer.write_image(pixels(8, 8), method="best")
    assert files(tmp_path) == before  # nothing moved yet
    with pytest.raises(SourceError, match="the camera melted"):
        writer.write_image(failing())
    assert attributes(tmp_path / "a.zarr/OME")["series"] == ["0"]
    assert_valid_ome_zarr(tmp_path / "a.zarr/0", "0.4")
    assert sorted(path.name for path in (tmp_path / "a.zarr").iterdir()) == [
        ".zattrs",
        ".zgroup",
        "0",
        "OME",
    ]
    writer.write_image(pixels(7, 7))
    assert attributes(tmp_path / "a.zarr/OME")["series"] == ["0", "1"]
    assert zarr.open_array(tmp_path / "a.zarr/1/0", mode="r").shape == (7, 7)
    assert zarr.open_array(tmp_path / "a.zarr/0/0", mode="r").shape == (8, 8)


def test_the_image_steps_back_where_the_series_can_not_take_its_place(tmp_path, monkeypatch):
    writer = OmeZarrWriter(tmp_path / "a.zarr")
    writer.write_image(pixels(8, 8))
    before = files(tmp_path)
    rename = Path.rename

    def refuse(self, target):
        if self.parent.name.startswith(".a.zarr.partial") and self.name == "series":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(TargetError, match=r"a\.zarr' can't be made a series: Permission denied"):
        writer.write_image(pixels(8, 8))
    assert files(tmp_path) == before


def test_pixels_read_from_the_store_that_would_move(tmp_path):
    writer = OmeZarrWriter(tmp_path / "a.zarr")
    writer.write_image(pixels(8, 8))
    lazy = dask.array.from_zarr(str(tmp_path / "a.zarr"), component="0")
    with pytest.raises(PlanError, match=r"is what the pixels are read from, and its images move"):
        writer.write_image(lazy)
    assert_valid_ome_zarr(tmp_path / "a.zarr", "0.4")


def test_pixels_ome_xml_has_no_type_for_leave_it_out(tmp_path):
    writer = OmeZarrWriter(tmp_path / "a.zarr")
    writer.write_image(pixels(8, 8))
    writer.write_image(pixels(8, 8))
    assert (tmp_path / "a.zarr/OME/METADATA.ome.xml").exists()
    writer.write_image(pixels(8, 8, dtype="int64"))
    assert not (tmp_path / "a.zarr/OME/METADATA.ome.xml").exists()
    assert json.loads((tmp_path / "a.zarr/OME/.zattrs").read_text())["series"] == ["0", "1", "2"]


def test_every_parameter_of_the_document_is_there():
    spec = SHARED / "spec/000_fb1e385c3f83af7a.txt"
    names = [
        *("image_data", "image_name", "physical_pixel_sizes", "channel_names", "channel_colors"),
        *("chunk_dims", "scale_num_levels", "scale_factor", "dimension_order"),
    ]
    found = inspect.signature(OmeZarrWriter.write_image).parameters
    assert [*found][1:10] == names
    if spec.exists():
        text = re.search(r"write_image\((.*?)\) None\[", spec.read_text(), re.DOTALL)[1]
        assert re.findall(r"(\w+): ", text) == names
