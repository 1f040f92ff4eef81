"""TwoDWriter: the plane is in the file with its values, or as bright as was said."""

import inspect
import itertools
import logging

import dask.array as da
import fsspec
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from bioio import BioImage
from movies import psnr, read_animation, read_movie, smooth
from s3 import AWS, Bucket, moto_server

from nbexport import (
    AxisError,
    ConflictingArgumentsError,
    DtypeError,
    InvalidDimensionOrderingError,
    PlanError,
    TargetError,
    TargetExistsError,
    UnexpectedShapeError,
)
from nbexport.writers import TwoDWriter, Writer

SIZES = {"Y": 17, "X": 22, "S": 3}
LOSSLESS = ("png", "tif", "tiff", "bmp", "webp")


def pixels(*shape, dtype="uint8"):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


@pytest.fixture
def save(tmp_path):
    """Save as a file of this name, and return what imageio reads."""

    def saved(data, *args, name="a.png", **options):
        TwoDWriter.save(data, tmp_path / name, *args, **options)
        return np.asarray(iio.imread(tmp_path / name))

    return saved


# -- the examples of the document


def test_constants_and_parameters():
    assert TwoDWriter.DIM_ORDERS == {2: "YX", 3: "YXS"}
    assert TwoDWriter.FFMPEG_FORMATS == ["mov", "avi", "mpg", "mpeg", "mp4", "mkv", "wmv", "ogg"]
    parameters = inspect.signature(TwoDWriter.save).parameters
    assert list(parameters)[:4] == ["data", "uri", "dim_order", "fs_kwargs"]
    assert list(inspect.signature(TwoDWriter.get_extension_and_mode).parameters) == ["path"]
    assert issubclass(TwoDWriter, Writer)


def test_dask_rgba(save):
    image = da.random.default_rng(0).random((100, 100, 4))
    np.testing.assert_array_equal(save(image), np.rint(image.compute() * 255))


def test_numpy_with_its_order(save):
    image = np.random.default_rng(0).random((3, 102, 204))
    np.testing.assert_array_equal(save(image, "SYX"), np.rint(image.transpose(1, 2, 0) * 255))


def test_to_a_bucket(tmp_path, monkeypatch):
    for key, value in AWS.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)
    image = np.random.default_rng(0).random((100, 100, 3))
    with moto_server(tmp_path) as endpoint:
        bucket = Bucket(endpoint)
        url = f"s3://{bucket.name}/file.png"
        TwoDWriter.save(image, url, fs_kwargs=bucket.options)
        with pytest.raises(TargetExistsError):
            TwoDWriter.save(image, url, fs_kwargs=bucket.options)
        fs = fsspec.filesystem("s3", skip_instance_cache=True, **bucket.options)
        fs.get(url, str(tmp_path / "file.png"))
    np.testing.assert_array_equal(iio.imread(tmp_path / "file.png"), np.rint(image * 255))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.png", ("png", "?")),
        ("s3://bucket/a.b.tiff", ("tiff", "?")),
        ("a.mp4", ("mp4", "I")),
        ("a.ogg", ("ogg", "I")),
        ("a.gif", ("gif", "?")),
        ("a.MKV", ("mkv", "I")),  # the original takes this for something else
    ],
)
def test_extension_and_mode(path, found):
    assert TwoDWriter.get_extension_and_mode(path) == found


# -- values


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("samples", [(), (3,)], ids=["grey", "rgb"])
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_bytes_are_kept(suffix, samples, lazy, save):
    image = pixels(17, 22, *samples)
    found = save(da.from_array(image, chunks=8) if lazy else image, name=f"a.{suffix}")
    if found.ndim > image.ndim:  # grey as colours
        assert suffix in ("bmp", "webp")
        image = np.repeat(image[..., None], 3, -1)
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_transparency_is_kept(suffix, save):
    image = pixels(17, 22, 4)
    np.testing.assert_array_equal(save(image, name=f"a.{suffix}"), image)


@pytest.mark.parametrize("order", ["YXS", "SYX"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.jpg", {}), ("a.webp", {}), ("a.bmp", {}), ("a.png", {"window": (10, 90)})],
)
def test_transparency_is_not_lost(name, options, order, tmp_path):
    image = pixels(17, 22, 4) if order == "YXS" else pixels(4, 17, 22)
    text = f"RGBA, and its transparency would be lost in .*{name}'; use .png or .tif and no window"
    with pytest.raises(PlanError, match=text):
        TwoDWriter.save(image, tmp_path / name, order, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("letters", ["YX", "YXS"])
def test_every_order(letters, tmp_path):
    usual = pixels(*(SIZES[letter] for letter in letters))
    for i, order in enumerate(map("".join, itertools.permutations(letters))):
        image = usual.transpose([letters.index(letter) for letter in order])
        TwoDWriter.save(image, tmp_path / f"{i}.png", order)
        TwoDWriter.save(image, tmp_path / f"{i}.tif", order.lower())
        for suffix in ("png", "tif"):
            found = iio.imread(tmp_path / f"{i}.{suffix}")
            np.testing.assert_array_equal(found, usual, err_msg=order)


@pytest.mark.parametrize("shape", [(1, 8), (9, 1), (1, 1), (1, 8, 3)])
def test_lengths_of_one_stay(shape, save):
    image = pixels(*shape)
    np.testing.assert_array_equal(save(image), image)


def test_sixteen_bits_stay_sixteen_bits(save):
    image = np.arange(17 * 22, dtype="uint16").reshape(17, 22) * 150
    for name in ("a.png", "a.PNG", "a.tif"):
        found = save(image, name=name)
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "float32", "float64"])
def test_tiff_keeps_every_value(dtype, save, tmp_path):
    image = (pixels(17, 22) - 99.5).astype(dtype)
    found = save(image, name="a.tif")
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp"])
def test_floats_from_0_to_1(name, save):
    image = np.arange(256, dtype="float32").reshape(16, 16) / 255
    found = save(image, name=name)
    found = found if found.ndim == 2 else found[..., 0]
    np.testing.assert_array_equal(found, np.arange(256).reshape(16, 16))


def test_bools_are_black_and_white(save):
    image = pixels(9, 8) > 127
    np.testing.assert_array_equal(save(image), image * 255)


def test_jpeg_is_close(save):
    (image,) = smooth(1, 64, 80)
    for name in ("a.jpg", "a.JPEG"):
        assert psnr([image], [save(image, name=name)]) > 35


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.webp", "a.mp4", "a.gif"])
@pytest.mark.parametrize("dtype", ["uint16", "int8", "int64"])
def test_other_types_are_refused(name, dtype, tmp_path):
    text = f"{dtype} pixels can't be shown in .*{name}' before it is clear .*pass window="
    with pytest.raises(DtypeError, match=text):
        TwoDWriter.save(pixels(9, 8, dtype=dtype), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lazy", [False, True])
def test_other_floats_are_refused(lazy, tmp_path):
    image = np.full((9, 8), 2.5)
    text = "float64 pixels are shown as they are from 0 .black. to 1 .white., and one is 2.5; pass"
    with pytest.raises(DtypeError, match=text):
        TwoDWriter.save(da.from_array(image) if lazy else image, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_what_png_can_not_hold(tmp_path):
    with pytest.raises(DtypeError, match=r"PNG holds integers .* goes from -1 to 7; use \.tif"):
        TwoDWriter.save(np.arange(-1, 8).reshape(3, 3), tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_window(name, save):
    image = np.linspace(0, 4000, 17 * 22).astype("uint16").reshape(17, 22)
    found = save(image, name=name, window=(1000, 3000))
    found = found if found.ndim == 2 else found[..., 0]
    assert found.dtype == np.uint8
    expected = np.clip((image.astype(float) - 1000) / 2000, 0, 1) * 255
    np.testing.assert_allclose(found, expected, atol=1)


def test_autoscale(save):
    image = np.linspace(100, 4100, 40 * 50).astype("uint16").reshape(40, 50)
    found = save(image, name="a.bmp", autoscale=True)
    assert (found.min(), found.max()) == (0, 255)
    middle = found if found.ndim == 2 else found[..., 0]
    assert abs(int(middle[20, 0]) - 128) <= 2


# -- movies of one frame


@pytest.mark.parametrize("suffix", [*TwoDWriter.FFMPEG_FORMATS, "webm"])
def test_ffmpeg_formats(suffix, tmp_path):
    frames = smooth(1, 63, 81)
    TwoDWriter.save(frames[0], tmp_path / f"a.{suffix}")
    (found,) = read_movie(tmp_path / f"a.{suffix}").frames
    assert found.shape in ((63, 81, 3), (64, 82, 3))
    assert psnr(frames, [found[:63, :81]]) > 26


@pytest.mark.parametrize("suffix", ["gif", "apng"])
def test_animations_of_one_frame(suffix, tmp_path):
    image = pixels(9, 8)
    TwoDWriter.save(image, tmp_path / f"a.{suffix}")
    (found,), _ = read_animation(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found[..., 0], image)


# -- other readers, other machines


def test_bioio_reads_it(save, tmp_path):
    image = pixels(17, 22, 3)
    save(image)
    theirs = BioImage(tmp_path / "a.png")
    assert type(theirs.reader).__module__ == "bioio_imageio.reader"
    np.testing.assert_array_equal(theirs.get_image_data("YXS"), image)


def test_memory_file_systems(tmp_path):
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    image = pixels(17, 22, 3)
    TwoDWriter.save(image, "memory://a.png")
    np.testing.assert_array_equal(iio.imread(fs.cat("/a.png")), image)


# -- what can't be


@pytest.mark.parametrize(
    ("shape", "order", "error", "text"),
    [
        (
            (8,),
            None,
            UnexpectedShapeError,
            r"TwoDWriter takes arrays of 2 or 3 .*YX or YXS.* has",
        ),
        ((2, 2, 9, 8), None, UnexpectedShapeError, r"has 4, shape \(2, 2, 9, 8\); take one entry"),
        ((2, 9, 8), "ZYX", InvalidDimensionOrderingError, "letter 'Z'; TwoDWriter knows Y, X, S"),
        ((9, 8), "SY", InvalidDimensionOrderingError, "use the letters YX, each once, in any"),
        ((9, 9), "YY", InvalidDimensionOrderingError, "use the letters YX, each once, in any"),
        ((9, 8), "YXS", ConflictingArgumentsError, "names 3 dimensions, and the array has 2"),
        ((9, 8, 5), None, AxisError, "has 5 samples; RGB has 3 and RGBA 4"),
    ],
)
def test_wrong_dimensions(shape, order, error, text, tmp_path):
    with pytest.raises(error, match=text):
        TwoDWriter.save(pixels(*shape), tmp_path / "a.png", order)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"window": (5, 2)}, "ends before it starts"),
        ({"autoscale": True, "window": (0, 9)}, "both say what is black and what is white; leave"),
        ({"autoscale": 3}, "autoscale=3 is neither True nor False"),
        ({"fs_kwargs": {"key": 1}}, "fs_kwargs with 'key' belong to a URL, and uri=.*leave them"),
    ],
)
def test_wrong_options(options, text, tmp_path):
    with pytest.raises(PlanError, match=text):
        TwoDWriter.save(pixels(9, 8), tmp_path / "a.png", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "right"), [("dimension_order", "dim_order"), ("fs_kwarg", "fs_kwargs")]
)
def test_unknown_keywords_name_the_nearest(wrong, right, tmp_path):
    with pytest.raises(TypeError, match=f"has no keyword '{wrong}'; did you mean '{right}'"):
        TwoDWriter.save(pixels(9, 8), tmp_path / "a.png", **{wrong: None})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.xyz", "a", "png"])
def test_unknown_suffixes(name, tmp_path):
    with pytest.raises(TargetError, match=r"does not end in \.png, .* or \.bmp; rename it"):
        TwoDWriter.save(pixels(9, 8), tmp_path / name)


def test_an_existing_picture_stays(save, tmp_path):
    image = pixels(9, 8)
    save(image)
    with pytest.raises(TargetExistsError, match="pass overwrite=True to replace it"):
        TwoDWriter.save(255 - image, tmp_path / "a.png")
    np.testing.assert_array_equal(iio.imread(tmp_path / "a.png"), image)
    np.testing.assert_array_equal(save(255 - image, overwrite=True), 255 - image)
