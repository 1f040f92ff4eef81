"""OmeTiffWriter: what was asked for is in the file, as other people's programs read it."""

import inspect
import itertools
from types import SimpleNamespace

import dask.array as da
import numpy as np
import ome_types
import pytest
import tifffile
import xarray as xr
from bioio import BioImage
from ome_types.model import Pixels_DimensionOrder

import nbexport
from nbexport import (
    ConflictingArgumentsError,
    ExportError,
    InvalidDimensionOrderingError,
    PlanError,
    TargetError,
    TargetExistsError,
)
from nbexport.writers import OmeTiffWriter, PhysicalPixelSizes, Writer, ome_tiff_writer

THEIR_WARNING = pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument")
SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 17, "X": 21}


def pixels(*shape, dtype="uint16", seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 200, shape).astype(dtype)


@pytest.fixture
def save(tmp_path):
    """Save as ``a.ome.tif``, and return what tifffile and ome-types find there."""

    def saved(data, **options):
        path = tmp_path / "a.ome.tif"
        OmeTiffWriter.save(data, path, progress=False, **options)
        return read(path)

    return saved


def read(path):
    with tifffile.TiffFile(path) as file:
        return SimpleNamespace(
            path=path,
            arrays=[series.asarray() for series in file.series],
            axes=[series.axes for series in file.series],
            ome=ome_types.from_xml(file.ome_metadata),
            pages=[page.asarray() for page in file.pages],
            page=file.pages.first,
            tags={tag.name: tag.value for tag in file.pages.first.tags},
            n_levels=[len(series.levels) for series in file.series],
            is_bigtiff=file.is_bigtiff,
        )


# -- the examples of the document


def test_writer_is_abstract_and_takes_one_more():
    with pytest.raises(TypeError, match="abstract"):
        Writer()
    parameters = inspect.signature(Writer.save).parameters
    assert list(parameters) == ["data", "uri", "dim_order", "kwargs"]
    assert parameters["dim_order"].default == "TCZYX"

    class Mine(Writer):
        @staticmethod
        def save(data, uri, dim_order="CYX", **kwargs):
            return data.shape, dim_order

    assert Mine().save(np.zeros((4, 10, 10)), "file.png") == ((4, 10, 10), "CYX")
    assert issubclass(OmeTiffWriter, Writer)


def test_signatures_are_the_documented_ones():
    names = list(inspect.signature(OmeTiffWriter.save).parameters)
    assert names[:10] == [
        "data", "uri", "dim_order", "ome_xml", "channel_names", "image_name",
        "physical_pixel_sizes", "channel_colors", "fs_kwargs", "tifffile_kwargs",
    ]  # fmt: skip
    assert list(inspect.signature(OmeTiffWriter.build_ome).parameters) == [
        "data_shapes", "data_types", "dimension_order", "channel_names", "image_name",
        "physical_pixel_sizes", "channel_colors",
    ]  # fmt: skip


def test_a_tczyx_array(save):
    image = pixels(1, 10, 3, 102, 204)
    found = save(image)
    np.testing.assert_array_equal(found.arrays[0].reshape(image.shape), image)
    (one,) = found.ome.images
    assert (one.id, one.pixels.id, one.name) == ("Image:0", "Pixels:0:0", None)
    assert one.pixels.dimension_order is Pixels_DimensionOrder.XYZCT
    assert [c.id for c in one.pixels.channels] == [f"Channel:0:{i}" for i in range(10)]
    assert [c.name for c in one.pixels.channels] == [f"C:{i}" for i in range(10)]
    assert [(t.ifd, t.plane_count) for t in one.pixels.tiff_data_blocks] == [(0, 30)]
    assert one.pixels.physical_size_x is None
    assert one.pixels.interleaved is None
    assert found.ome.creator == f"nbexport {nbexport.__version__}"
    assert found.page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    assert found.n_levels == [1]
    assert not found.is_bigtiff


def test_a_dimension_order(save):
    image = pixels(10, 3, 24, 48)
    found = save(image, dim_order="ZCYX")
    np.testing.assert_array_equal(found.arrays[0], image)
    assert found.axes == ["ZCYX"]
    pixels_ = found.ome.images[0].pixels
    assert (pixels_.size_z, pixels_.size_c) == (10, 3)
    np.testing.assert_array_equal(found.pages[1], image[0, 1])  # stored in this order


def test_several_images_with_channel_names(save):
    image0, image1 = pixels(3, 10, 24, 48), pixels(3, 10, 12, 12, seed=1)
    found = save(
        [image0, image1],
        dim_order="CZYX",
        channel_names=[["C00", "C01", "C02"], ["C10", "C11", "C12"]],
    )
    for image, array in zip((image0, image1), found.arrays, strict=True):
        np.testing.assert_array_equal(image, array)
    assert [[c.name for c in i.pixels.channels] for i in found.ome.images] == [
        ["C00", "C01", "C02"],
        ["C10", "C11", "C12"],
    ]
    assert [i.pixels.tiff_data_blocks[0].ifd for i in found.ome.images] == [0, 30]
    assert found.ome.images[1].pixels.channels[0].id == "Channel:1:0"


def test_a_compression_of_ones_own(save, tmp_path):
    image = np.repeat(pixels(1, 10, 3, 102, 17), 12, axis=-1)
    kwargs = {"compression": "zlib", "compressionargs": {"level": 8}}
    found = save(image, tifffile_kwargs=kwargs)
    np.testing.assert_array_equal(found.arrays[0].reshape(image.shape), image)
    assert found.page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    kwargs["compressionargs"] = {"level": 1}
    OmeTiffWriter.save(image, tmp_path / "1.ome.tif", tifffile_kwargs=kwargs, progress=False)
    assert found.path.stat().st_size < (tmp_path / "1.ome.tif").stat().st_size


# -- dimensions

FRONTS = ["".join(p) for n in range(4) for p in itertools.permutations("TCZ", n)]


@pytest.mark.parametrize("samples", [0, 3, 4])
@pytest.mark.parametrize("front", FRONTS)
def test_every_order(front, samples, save):
    order = f"{front}YX" + "S" * bool(samples)
    image = pixels(*(SIZES[letter] for letter in f"{front}YX"), dtype="uint8")
    if samples:
        image = np.stack([image // (i + 1) for i in range(samples)], axis=-1)
    found = save(image, dim_order=order)
    assert found.axes == [order]
    np.testing.assert_array_equal(found.arrays[0], image)
    said = found.ome.images[0].pixels
    assert said.dimension_order.value[::-1].endswith(f"{front}YX")
    sizes = {letter: SIZES[letter] if letter in front else 1 for letter in "TCZ"}
    assert [said.size_t, said.size_c, said.size_z] == [
        sizes["T"], sizes["C"] * (samples or 1), sizes["Z"],
    ]  # fmt: skip
    assert [c.samples_per_pixel for c in said.channels] == [samples or 1] * sizes["C"]
    assert said.interleaved is (True if samples else None)
    # Planes one after the other, slowest letter first: what readers without OME-XML see.
    shape = image.shape[len(front) :]
    np.testing.assert_array_equal(np.stack(found.pages), image.reshape(-1, *shape))


@pytest.mark.parametrize(
    ("front", "whole"),
    [("T", "CZT"), ("C", "TZC"), ("Z", "TCZ"), ("ZC", "TZC"), ("TZ", "CTZ"), ("CT", "ZCT")],
)
def test_missing_letters_come_first(front, whole):
    shape = tuple(SIZES[letter] for letter in f"{front}YX")
    ome = OmeTiffWriter.build_ome([shape], [np.dtype("uint8")], [f"{front}YX"])
    assert ome.images[0].pixels.dimension_order.value == f"XY{whole[::-1]}"


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_without_an_order(n, save):
    image = pixels(*list(SIZES.values())[-n:])
    found = save(image)
    assert found.axes == ["TCZYX"[-n:]]
    np.testing.assert_array_equal(found.arrays[0], image)


def test_without_an_order_three_columns_are_no_colours(save):
    said = save(pixels(5, 16, 16, 3)).ome.images[0].pixels
    assert (said.size_c, said.size_z, said.size_y, said.size_x) == (5, 16, 16, 3)


def test_without_an_order_six_dimensions_are_rgb(save):
    image = pixels(2, 3, 2, 9, 8, 3, dtype="uint8")
    found = save(image)
    assert found.axes == ["TCZYXS"]
    np.testing.assert_array_equal(found.arrays[0], image)


@pytest.mark.parametrize(
    ("shape", "order", "error", "text"),
    [
        ((17, 21), "CYX", InvalidDimensionOrderingError, "names 3 dimensions, and the array has 2"),
        ((4, 17, 21), "", InvalidDimensionOrderingError, "names 0 dimensions, and the array has 3"),
        ((4, 17, 21), "QYX", InvalidDimensionOrderingError, "has the letter 'Q'; use T, C, Z, Y"),
        ((4, 17, 21), "cyx", InvalidDimensionOrderingError, "has the letter 'c'; .*upper case"),
        ((4, 17, 21, 5), "CYXS", InvalidDimensionOrderingError, "S must come last, and have 3 or"),
        ((3, 17, 21), "SYX", InvalidDimensionOrderingError, "S must come last"),
        ((3, 17, 21), "CXY", InvalidDimensionOrderingError, "end in YX or YXS; transpose"),
        ((17, 21, 3), "YXC", InvalidDimensionOrderingError, "end in YX or YXS; transpose"),
        ((2, 2, 3, 17, 21), "CCZYX", InvalidDimensionOrderingError, "names 'C' twice; use each"),
        ((9,), None, PlanError, "an array of 1 dimensions, .* is no image; use 2 to 6"),
        ((2, 2, 2, 2, 9, 8, 3), None, PlanError, "an array of 7 dimensions"),
        ((2, 2, 2, 2, 9, 8), None, PlanError, "must end in S, 3 or 4 samples of RGB"),
        ((2, 2, 2, 2, 9, 8), "TCZCYX", PlanError, "must end in S, 3 or 4 samples of RGB"),
        ((17, 21), 5, TypeError, "dim_order=5 is not text|object of type 'int'"),
    ],
)
def test_wrong_dimensions(shape, order, error, text, tmp_path):
    with pytest.raises(error, match=text):
        OmeTiffWriter.save(np.zeros(shape, "uint8"), tmp_path / "a.ome.tif", dim_order=order)
    assert list(tmp_path.iterdir()) == []


# -- pixels


@pytest.mark.parametrize(
    "dtype",
    ["int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64", "complex64",
     "complex128", ">u2", ">f4"],
)  # fmt: skip
def test_every_pixel_type(dtype, save):
    image = pixels(2, 9, 11, dtype=dtype)
    found = save(image)
    assert found.arrays[0].dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found.arrays[0], image)


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint64", "float16"])
def test_pixel_types_that_ome_lacks(dtype, tmp_path):
    with pytest.raises(ValueError, match=f"OME has no pixel type for {dtype}; cast the array"):
        OmeTiffWriter.save(np.zeros((9, 9), dtype), tmp_path / "a.ome.tif")


@pytest.mark.parametrize("chunks", [(1, 1, 1, 9, 21), (2, 3, 4, 17, 21), (1, 3, 2, 5, 6)])
def test_dask_is_computed_by_parts(chunks, save):
    image = pixels(*SIZES.values())
    computed = []

    def note(block):
        computed.append(block.shape)
        return block

    lazy = da.from_array(image, chunks=chunks).map_blocks(note, dtype="uint16", meta=image[:0])
    found = save(lazy)
    np.testing.assert_array_equal(found.arrays[0], image)
    assert len(computed) == lazy.npartitions  # each once


def test_what_else_is_an_array(save, tmp_path):
    image = pixels(4, 9, 8)
    named = xr.DataArray(image, dims=("a", "b", "c"))  # its dims say nothing here
    np.testing.assert_array_equal(save(named, dim_order="CYX").arrays[0], image)
    with pytest.raises(TypeError, match="data is str; pass a numpy or a dask array"):
        OmeTiffWriter.save("image", tmp_path / "b.ome.tif")
    with pytest.raises(ValueError, match="OME has no images"):
        OmeTiffWriter.save([], tmp_path / "b.ome.tif")


def test_levels_where_they_are_wanted(save):
    image = pixels(2, 700, 600)
    found = save(image, levels=2)
    assert found.n_levels == [2]
    np.testing.assert_array_equal(found.arrays[0], image)


# -- metadata


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (PhysicalPixelSizes(Z=0.3, Y=0.1, X=0.2), (0.3, 0.1, 0.2)),
        ((0.3, 0.1, 0.2), (0.3, 0.1, 0.2)),
        (SimpleNamespace(Z=0.3, Y=0.1, X=0.2), (0.3, 0.1, 0.2)),
        (PhysicalPixelSizes(None, 0.1, 0.1), (None, 0.1, 0.1)),
        (PhysicalPixelSizes(0, 0.1, 0.1), (None, 0.1, 0.1)),
        (PhysicalPixelSizes(None, None, None), (None, None, None)),
    ],
)
def test_pixel_sizes(given, said, save):
    found = save(pixels(*SIZES.values()), physical_pixel_sizes=given).ome.images[0].pixels
    assert (found.physical_size_z, found.physical_size_y, found.physical_size_x) == said
    assert found.physical_size_x_unit.value == "µm"


@THEIR_WARNING
def test_bioios_pixel_sizes_and_reader(save):
    from bioio_base.types import PhysicalPixelSizes as Theirs

    image = pixels(*SIZES.values())
    found = save(
        image,
        physical_pixel_sizes=Theirs(0.3, 0.1, 0.2),
        channel_names=["a", "b", "c"],
        image_name="cell",
    )
    theirs = BioImage(found.path)
    assert type(theirs.reader).__module__ == "bioio_ome_tiff.reader"
    np.testing.assert_array_equal(theirs.get_image_data("TCZYX"), image)
    assert theirs.channel_names == ["a", "b", "c"]
    sizes = theirs.physical_pixel_sizes
    assert (sizes.Z, sizes.Y, sizes.X) == (0.3, 0.1, 0.2)


@THEIR_WARNING
def test_what_bioio_reads_can_be_saved_again(save, tmp_path):
    image = pixels(*SIZES.values())
    first = BioImage(save(image, channel_names=["a", "b", "c"]).path)
    OmeTiffWriter.save(
        first.get_image_dask_data("TCZYX"),
        tmp_path / "again.ome.tif",
        dim_order="TCZYX",
        channel_names=first.channel_names,
        physical_pixel_sizes=first.physical_pixel_sizes,
        progress=False,
    )
    again = BioImage(tmp_path / "again.ome.tif")
    np.testing.assert_array_equal(again.get_image_data("TCZYX"), image)
    assert again.channel_names == ["a", "b", "c"]


def test_channel_colours(save):
    colors = [[255, 0, 0], [0, 255, 0], [1, 2, 3]]
    found = save(pixels(3, 9, 9), dim_order="CYX", channel_colors=colors)
    channels = found.ome.images[0].pixels.channels
    assert [list(c.color.as_rgb_tuple()) for c in channels] == colors


def test_one_colour_for_an_rgb_image(save):
    found = save(pixels(9, 9, 3, dtype="uint8"), dim_order="YXS", channel_colors=[[255, 0, 0]])
    (channel,) = found.ome.images[0].pixels.channels
    assert channel.color.as_rgb_tuple() == (255, 0, 0)


def test_names_with_what_xml_escapes(save):
    found = save(pixels(2, 9, 9), dim_order="CYX", channel_names=["<&>", 'µ "'], image_name="ä")
    (image,) = found.ome.images
    assert ([c.name for c in image.pixels.channels], image.name) == (["<&>", 'µ "'], "ä")


ONE = {
    "image_name": ("cell", lambda i: i.name, "cell"),
    "channel_names": (["a", "b"], lambda i: [c.name for c in i.pixels.channels], ["a", "b"]),
    "channel_colors": (
        [[255, 0, 0], [0, 0, 255]],
        lambda i: [c.color.as_rgb_tuple() for c in i.pixels.channels],
        [(255, 0, 0), (0, 0, 255)],
    ),
    "physical_pixel_sizes": (
        PhysicalPixelSizes(None, 1, 2),
        lambda i: (i.pixels.physical_size_y, i.pixels.physical_size_x),
        (1, 2),
    ),
}


@pytest.mark.parametrize("word", ONE)
def test_one_argument_serves_all_images(word, save):
    given, look, said = ONE[word]
    images = [pixels(2, 9, 9), pixels(2, 5, 7)]
    found = save(images, dim_order="CYX", **{word: given})
    assert [look(image) for image in found.ome.images] == [said, said]


@pytest.mark.parametrize("word", ONE)
def test_one_argument_an_image(word, save):
    given, look, said = ONE[word]
    images = [pixels(2, 9, 9), pixels(2, 5, 7)]
    found = save(images, dim_order="CYX", **{word: [None, given]})
    first, second = map(look, found.ome.images)
    assert second == said
    assert first != said


def test_orders_of_images_may_differ(save):
    images = [pixels(2, 9, 8, 3, dtype="uint8"), pixels(2, 3, 5, 7)]
    found = save(images, dim_order=["CYXS", "TZYX"])
    assert found.axes == ["CYXS", "TZYX"]
    for image, array in zip(images, found.arrays, strict=True):
        np.testing.assert_array_equal(array, image)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("word", [*ONE, "dim_order"])
def test_lists_of_other_lengths(word, n, tmp_path):
    given = "CYX" if word == "dim_order" else ONE[word][0]
    images = [pixels(2, 9, 9), pixels(2, 5, 7)]
    text = f"{word} has {n} entries, one an image, and there are 2 images; give as many, or one"
    with pytest.raises(ConflictingArgumentsError, match=text):
        OmeTiffWriter.save(images, tmp_path / "a.ome.tif", **{word: [given] * n})
    assert list(tmp_path.iterdir()) == []


def test_nested_lists_that_begin_with_none(tmp_path):
    """The original looks at the first entry only."""
    images = [pixels(2, 9, 9), pixels(2, 5, 7)]
    for word in ("channel_names", "channel_colors"):
        with pytest.raises(ConflictingArgumentsError, match=f"{word} has 3 entries"):
            OmeTiffWriter.save(images, tmp_path / "a.ome.tif", **{word: [None, ONE[word][0], None]})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"channel_names": ["a"]}, r"channel_names has 1 entries \(a\), and the image has 2 chan"),
        ({"channel_colors": [[1, 2, 3]]}, "channel_colors has 1 entries .* has 2 channels; give"),
        ({"channel_colors": [[1, 2, 3, 4]] * 2}, r"has \[1, 2, 3, 4\]; a colour is red, green"),
        ({"channel_colors": [[1, 2, 300]] * 2}, r"has \[1, 2, 300\]; a colour is red, green and"),
        ({"channel_colors": ["red", "red"]}, "has 'red'; a colour is red, green and blue from 0"),
        ({"channel_names": ["a", "b\0"]}, r"the name 'b\\x00' can't stand in XML"),
        ({"image_name": "b\1"}, r"the name 'b\\x01' can't stand in XML"),
        ({"physical_pixel_sizes": (1, 2)}, r"physical_pixel_sizes=\(1, 2\) is not understood; pas"),
        ({"physical_pixel_sizes": (-1, 2, 3)}, "pixel size Z=-1 is no positive number; pass micro"),
        ({"physical_pixel_sizes": (1, "2", 3)}, "the pixel size Y='2' is no positive number"),
        ({"physical_pixel_sizes": (1, 2, np.inf)}, "the pixel size X=inf is no positive number"),
    ],
)
def test_wrong_metadata(options, text, tmp_path):
    with pytest.raises(PlanError, match=text):
        OmeTiffWriter.save(pixels(2, 9, 9), tmp_path / "a.ome.tif", "CYX", **options)
    assert list(tmp_path.iterdir()) == []


def test_build_ome_by_itself():
    ome = OmeTiffWriter.build_ome(
        data_shapes=[(2, 3, 9, 8), (9, 8, 4)],
        data_types=[np.dtype("float32"), np.uint8],
        dimension_order=["TCYX", "YXS"],
        channel_names=[["a", "b", "c"], None],
        image_name=["first", None],
        physical_pixel_sizes=[PhysicalPixelSizes(1, 2, 3), (None, 5, 5)],
        channel_colors=[None, [[1, 2, 3]]],
    )
    assert ome_types.from_xml(ome.to_xml()) == ome
    assert [i.pixels.type.value for i in ome.images] == ["float", "uint8"]
    assert [i.pixels.size_c for i in ome.images] == [3, 4]
    assert [i.pixels.interleaved for i in ome.images] == [None, True]
    assert [i.pixels.tiff_data_blocks[0].ifd for i in ome.images] == [0, 6]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (([(9, 9)], []), ConflictingArgumentsError, "data_types has 0 entries"),
        (([(9, 9)], ["u1"], ["YX", "YX"]), ConflictingArgumentsError, "dimension_order has 2 ent"),
        (([(9,)], ["u1"]), PlanError, "an array of 1 dimensions"),
        (([(9, 9)], ["u1"], ["XY"]), InvalidDimensionOrderingError, "does not end in YX"),
        (([(9, 9)], ["u8"]), ValueError, "OME has no pixel type for uint64"),
    ],
)
def test_build_ome_refuses(arguments, error, text):
    with pytest.raises(error, match=text):
        OmeTiffWriter.build_ome(*arguments)


# -- OME-XML of the caller's

GIVEN = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" Creator="me">
<Instrument ID="Instrument:7"><Objective ID="Objective:7" NominalMagnification="40"/></Instrument>
<Image ID="Image:5" Name="given"><InstrumentRef ID="Instrument:7"/>
<Pixels ID="Pixels:5" DimensionOrder="ORDER" Type="TYPE" SizeX="21" SizeY="17" SizeZ="4" SizeC="3"
 SizeT="2" PhysicalSizeX="0.5"><Channel ID="Channel:5:0" SamplesPerPixel="1" Name="q" Color="-1"/>
<Channel ID="Channel:5:1" SamplesPerPixel="1"/><Channel ID="Channel:5:2" SamplesPerPixel="1"/>
<TiffData IFD="0" PlaneCount="24"/></Pixels></Image></OME>"""


def given(order="XYZCT", dtype="uint16"):
    return GIVEN.replace("ORDER", order).replace("TYPE", dtype)


@pytest.mark.parametrize("form", [str, ome_types.from_xml], ids=["text", "object"])
def test_given_ome_xml_is_written(form, save):
    image = pixels(*SIZES.values())
    found = save(image, ome_xml=form(given()), channel_names=["not", "this"], dim_order="nor this")
    np.testing.assert_array_equal(found.arrays[0], image)
    assert found.ome == ome_types.from_xml(given())


def test_given_ome_xml_says_the_order(save):
    image = pixels(2, 4, 3, 17, 21)
    found = save(image, ome_xml=given("XYCZT"))
    assert found.axes == ["TZCYX"]
    np.testing.assert_array_equal(found.arrays[0], image)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (
            given("XYCZT"),
            PlanError,
            r"OME shape \(2, 4, 3, 17, 21\) \(TZCYX\) of image 0 is not th",
        ),
        (
            given(dtype="uint8"),
            PlanError,
            "OME pixel type uint8 of image 0 is not the array's, ui",
        ),
        (given("XYZZT"), PlanError, "ome_xml can't be used: this OME-XML can't be read"),
        ("hello", PlanError, "ome_xml can't be used: this is not XML"),
        ("<a/>", PlanError, "ome_xml can't be used: this OME-XML can't be read"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', PlanError, "has a DTD"),
        (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"/>',
            PlanError,
            "OME has no images, and 1 are written",
        ),
        (5, TypeError, "ome_xml is int; pass OME-XML as text, an ome_types.OME, or None"),
    ],
)
def test_given_ome_xml_that_does_not_fit(text, error, words, tmp_path):
    with pytest.raises(error, match=words):
        OmeTiffWriter.save(pixels(*SIZES.values()), tmp_path / "a.ome.tif", ome_xml=text)
    assert list(tmp_path.iterdir()) == []


def test_given_ome_xml_of_too_few_images(tmp_path):
    images = [pixels(*SIZES.values())] * 2
    with pytest.raises(ValueError, match="OME has 1 images, and 2 are written; give one of each"):
        OmeTiffWriter.save(images, tmp_path / "a.ome.tif", ome_xml=given())


# -- tifffile's keywords


@pytest.mark.parametrize(
    ("kwargs", "compression", "predictor"),
    [
        ({}, 1, 1),
        ({"compression": None}, 1, 1),
        ({"compression": 0}, 1, 1),
        ({"compression": "none"}, 1, 1),
        ({"compression": tifffile.COMPRESSION.ADOBE_DEFLATE}, 8, 2),
        ({"compression": 32946}, 8, 2),
        ({"compression": "deflate", "predictor": False}, 8, 1),
        ({"compression": "zlib", "predictor": 1}, 8, 1),
        ({"compression": "zlib", "predictor": tifffile.PREDICTOR.HORIZONTAL}, 8, 2),
        ({"compression": "LZW", "predictor": "horizontal"}, 5, 2),
        ({"compression": "zstd"}, 50000, 2),
        ({"compression": "jpeg2000"}, 33005, 1),
        ({"compression": "jpegxl"}, 50002, 1),
    ],
)
def test_compressions_by_tifffiles_names(kwargs, compression, predictor, save):
    image = pixels(3, 40, 50)
    found = save(image, dim_order="CYX", tifffile_kwargs=kwargs)
    assert (found.page.compression, found.page.predictor) == (compression, predictor)
    np.testing.assert_array_equal(found.arrays[0], image)


def test_tile_bigtiff_and_workers(save):
    image = pixels(3, 40, 50)
    kwargs = {"tile": (16, 32), "bigtiff": True, "maxworkers": 1}
    found = save(image, tifffile_kwargs=kwargs)
    assert (found.page.tilelength, found.page.tilewidth) == (16, 32)
    assert found.is_bigtiff
    np.testing.assert_array_equal(found.arrays[0], image)


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"description": "mine"}, TypeError, "names 'description', which follows from the image"),
        ({"photometric": "rgb"}, TypeError, "names 'photometric', which follows from the image"),
        ({"planarconfig": 1}, TypeError, "names 'planarconfig', which follows from the image"),
        ({"compresion": "zlib"}, PlanError, "can't be honoured; did you mean 'compression'"),
        ({"software": "mine"}, PlanError, "'software', which can't be honoured; known: compress"),
        ({"rowsperstrip": 8}, PlanError, "'rowsperstrip', which can't be honoured; known: "),
        ({"compression": "packbits"}, PlanError, "'packbits'}.*can't be honoured; use one of none"),
        (
            {"compression": 32773},
            PlanError,
            "32773}.*can't be honoured; use one of none, zlib, ",
        ),
        ({"compression": 9.5}, PlanError, "9.5}.*can't be honoured; use one of none, zlib, lzw"),
        ({"compressionargs": {"lvl": 3}}, PlanError, "'lvl': 3.*can't be honoured; 'level' is kno"),
        ({"compression": "zlib", "compressionargs": {"level": 13}}, PlanError, "use 1 to 12"),
        ({"compression": "zlib", "predictor": 3}, PlanError, "'predictor': 3}.*can't be honoured"),
        ({"tile": (17, 16)}, PlanError, "tile"),
        ({"maxworkers": -2}, PlanError, "workers=-2 is not a whole number above 0"),
        ("zlib", TypeError, "tifffile_kwargs='zlib' is no dict"),
    ],
)
def test_tifffile_kwargs_that_cant_be_honoured(kwargs, error, text, tmp_path):
    with pytest.raises(error, match=text):
        OmeTiffWriter.save(pixels(9, 9), tmp_path / "a.ome.tif", tifffile_kwargs=kwargs)
    assert list(tmp_path.iterdir()) == []


def test_default_is_what_the_document_says():
    assert dict(ome_tiff_writer.DEFAULT_TIFF_WRITE_KWARGS) == {"compression": "zlib"}


# -- the target


@pytest.mark.parametrize("url", ["memory://a.ome.tif", "s3://bucket/a.ome.tif"])
def test_other_machines_are_refused(url):
    text = "is no path of this machine.*nbexport.write_ome_tiff takes URLs"
    with pytest.raises(ValueError, match=text):
        OmeTiffWriter.save(pixels(9, 9), url)


def test_file_urls_and_text_are_taken(tmp_path):
    for i, uri in enumerate((f"file://{tmp_path}/0.ome.tif", str(tmp_path / "1.ome.tif"))):
        report = OmeTiffWriter.save(pixels(9, 9), uri, progress=False)
        assert report.target == str(tmp_path / f"{i}.ome.tif")
        assert read(tmp_path / f"{i}.ome.tif").axes == ["YX"]


def test_an_existing_file_stays(tmp_path):
    path = tmp_path / "a.ome.tif"
    OmeTiffWriter.save(pixels(9, 9), path, progress=False)
    before = path.read_bytes()
    with pytest.raises(TargetExistsError, match="pass overwrite=True to replace it"):
        OmeTiffWriter.save(pixels(8, 8), path, progress=False)
    assert path.read_bytes() == before
    OmeTiffWriter.save(pixels(8, 8), path, overwrite=True, progress=False)
    assert read(path).arrays[0].shape == (8, 8)


def test_fs_kwargs_belong_to_urls(tmp_path):
    path = tmp_path / "a.ome.tif"
    with pytest.raises(PlanError, match="fs_kwargs with 'auto_mkdir' belong to a URL, and uri="):
        OmeTiffWriter.save(pixels(9, 9), path, fs_kwargs={"auto_mkdir": True})
    OmeTiffWriter.save(pixels(9, 9), path, fs_kwargs={}, progress=False)
    with pytest.raises(TargetError, match="does not end in"):
        OmeTiffWriter.save(pixels(9, 9), tmp_path / "a.png")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("image_names", "image_name"),
        ("dimension_order", "dim_order"),
        ("channel_name", "channel_names"),
        ("pixel_sizes", "physical_pixel_sizes"),
    ],
)
def test_unknown_keywords_name_the_nearest(wrong, right, tmp_path):
    with pytest.raises(TypeError, match=f"has no keyword '{wrong}'; did you mean '{right}'"):
        OmeTiffWriter.save(pixels(9, 9), tmp_path / "a.ome.tif", **{wrong: None})
    assert list(tmp_path.iterdir()) == []


def test_errors_are_in_one_tree():
    for error in (ConflictingArgumentsError, InvalidDimensionOrderingError, PlanError):
        assert issubclass(error, ExportError)
        assert issubclass(error, ValueError)
