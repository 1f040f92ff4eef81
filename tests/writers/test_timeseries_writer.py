"""TimeseriesWriter: every frame is in the movie, at its size and brightness."""

import inspect
import itertools
import logging
from pathlib import Path

import dask.array as da
import fsspec
import imageio.v3 as iio
import numpy as np
import pytest
from bioio import BioImage
from movies import psnr, read_animation, read_movie, smooth
from PIL import Image
from s3 import AWS, Bucket, moto_server

from nbexport import (
    AxisError,
    ConflictingArgumentsError,
    DtypeError,
    InvalidDimensionOrderingError,
    PlanError,
    SourceError,
    TargetError,
    TargetExistsError,
    UnexpectedShapeError,
)
from nbexport.writers import OmeTiffWriter, TimeseriesWriter, Writer

SIZES = {"T": 4, "Y": 17, "X": 22, "S": 3}


def pixels(*shape, dtype="uint8"):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


@pytest.fixture
def save(tmp_path):
    """Save as a file of this name, and return its frames as they were before encoding."""

    def saved(data, *args, name="a.apng", **options):
        path = tmp_path / name
        TimeseriesWriter.save(data, path, *args, progress=False, **options)
        return np.stack(read_animation(path)[0])

    return saved


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    for key, value in AWS.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)
    with moto_server(tmp_path) as endpoint:
        yield Bucket(endpoint)


# -- the examples of the document


def test_dim_orders_and_parameters():
    assert TimeseriesWriter.DIM_ORDERS == {3: "TYX", 4: "TYXS"}
    parameters = inspect.signature(TimeseriesWriter.save).parameters
    assert list(parameters)[:5] == ["data", "uri", "dim_order", "fps", "fs_kwargs"]
    assert parameters["fps"].default == 24
    assert issubclass(TimeseriesWriter, Writer)


def test_dask_to_gif(tmp_path):
    image = da.random.default_rng(0).random((50, 100, 100))
    TimeseriesWriter.save(image, tmp_path / "file.gif", progress=False)
    frames, _ = read_animation(tmp_path / "file.gif")
    assert len(frames) == 50
    # A GIF has up to 256 colours, and all greys are 256: nothing is lost.
    expected = np.rint(image.compute() * 255).astype("uint8")
    np.testing.assert_array_equal(np.stack(frames)[..., 0], expected)


def test_numpy_with_its_order_to_mkv(tmp_path):
    image = np.stack(smooth(10, 64, 128)).transpose(0, 3, 1, 2) / 255
    TimeseriesWriter.save(image, tmp_path / "file.mkv", "TSYX", progress=False)
    movie = read_movie(tmp_path / "file.mkv")
    assert (movie.size, len(movie.frames)) == ((128, 64), 10)
    assert psnr(smooth(10, 64, 128), movie.frames) > 30


def test_to_a_bucket(bucket, tmp_path):
    image = np.random.default_rng(0).random((300, 20, 30, 3))
    url = f"s3://{bucket.name}/file.png"
    TimeseriesWriter.save(image, url, fs_kwargs=bucket.options, progress=False)
    assert list(bucket.objects()) == ["file.png"]
    fs = fsspec.filesystem("s3", skip_instance_cache=True, **bucket.options)
    fs.get(url, str(tmp_path / "file.png"))
    frames, _ = read_animation(tmp_path / "file.png")
    np.testing.assert_array_equal(np.stack(frames), np.rint(image * 255).astype("uint8"))


@pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument")
def test_planes_of_a_stack_as_frames(tmp_path):
    stack = np.stack(smooth(8, 64, 80))[..., 0]
    OmeTiffWriter.save(stack, tmp_path / "some_z_stack.ome.tiff", "ZYX", progress=False)
    image = BioImage(tmp_path / "some_z_stack.ome.tiff")
    TimeseriesWriter.save(
        data=image.get_image_data("ZYX", T=0, C=0),
        uri=tmp_path / "some_z_stack.mp4",
        dim_order="TYX",
        progress=False,
    )
    movie = read_movie(tmp_path / "some_z_stack.mp4")
    assert psnr([np.repeat(f[..., None], 3, -1) for f in stack], movie.frames) > 30


# -- frames


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("letters", ["TYX", "TYXS"])
def test_every_order(letters, lower, tmp_path):
    usual = pixels(*(SIZES[letter] for letter in letters))
    for i, order in enumerate(map("".join, itertools.permutations(letters))):
        image = usual.transpose([letters.index(letter) for letter in order])
        path = tmp_path / f"{i}.apng"
        TimeseriesWriter.save(image, path, order.lower() if lower else order, progress=False)
        frames = np.stack(read_animation(path)[0])
        expected = usual if "S" in letters else np.repeat(usual[..., None], 3, -1)
        np.testing.assert_array_equal(frames, expected, err_msg=order)


@pytest.mark.parametrize("shape", [(1, 9, 8), (3, 1, 8), (3, 9, 1), (1, 1, 1), (2, 1, 5, 3)])
def test_lengths_of_one_stay(shape, save):
    """The original squeezes them away."""
    image = pixels(*shape)
    frames = save(image)
    assert frames.shape[:3] == shape[:3]
    np.testing.assert_array_equal(frames[..., 0], image if image.ndim == 3 else image[..., 0])


def test_samples_without_time_are_one_colour_frame(save):
    """The original writes the first sample, in grey."""
    image = pixels(3, 17, 22)
    np.testing.assert_array_equal(save(image, "SYX"), image.transpose(1, 2, 0)[None])


def test_transparency_is_told(tmp_path):
    report = TimeseriesWriter.save(pixels(2, 8, 8, 4), tmp_path / "a.gif", progress=False)
    assert "transparency, is not shown" in " ".join((*report.notes, *report.losses))


@pytest.mark.parametrize("size", [(253, 217), (64, 80), (101, 64), (33, 49)], ids=str)
@pytest.mark.parametrize("name", ["a.mp4", "a.MP4", "a.mov", "a.mkv"])
def test_movies_keep_their_size(name, size, tmp_path):
    """The original resamples to multiples of 16."""
    frames = smooth(6, *size)
    TimeseriesWriter.save(np.stack(frames), tmp_path / name, progress=False, quality="high")
    movie = read_movie(tmp_path / name)
    height, width = size
    assert movie.size == (width + width % 2, height + height % 2)
    assert psnr(frames, [f[:height, :width] for f in movie.frames]) > 33
    assert (movie.codec, movie.pix_fmt, movie.tags) == ("h264", "yuv420p", (1, 1, 1, 1))
    assert movie.fps == 24


@pytest.mark.parametrize(("fps", "seconds"), [(12, 0.5), (2, 3.0)])
def test_fps(fps, seconds, tmp_path):
    TimeseriesWriter.save(np.stack(smooth(6, 64, 80)), tmp_path / "a.mp4", fps=fps, progress=False)
    movie = read_movie(tmp_path / "a.mp4")
    assert movie.fps == fps
    assert movie.times[-1] + 1 / fps == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("name", ["a.mpg", "a.mpeg", "a.wmv", "a.ogg", "a.avi", "a.webm"])
def test_other_formats_of_the_original(name, tmp_path):
    frames = smooth(6, 64, 80)
    TimeseriesWriter.save(np.stack(frames), tmp_path / name, progress=False, quality="high")
    assert psnr(frames, read_movie(tmp_path / name).frames) > 28


def test_bioio_and_imageio_read_it(tmp_path):
    frames = np.stack(smooth(5, 64, 80))
    for name in ("a.mp4", "a.gif"):
        TimeseriesWriter.save(frames, tmp_path / name, progress=False)
    np.testing.assert_allclose(iio.imread(tmp_path / "a.gif").mean(), frames.mean(), atol=3)
    theirs = BioImage(tmp_path / "a.gif")
    assert type(theirs.reader).__module__ == "bioio_imageio.reader"
    assert (theirs.dims.T, theirs.dims.Y, theirs.dims.X, theirs.dims.S) == (5, 64, 80, 3)
    np.testing.assert_allclose(theirs.get_image_data("TYXS").mean(), frames.mean(), atol=3)


def test_dask_is_computed_once(save):
    image = pixels(6, 9, 8)
    computed = []

    def note(block):
        computed.append(block.shape)
        return block

    lazy = da.from_array(image, chunks=(2, 9, 8)).map_blocks(note, dtype="uint8", meta=image[:0])
    np.testing.assert_array_equal(save(lazy)[..., 0], image)
    assert computed == [(2, 9, 8)] * 3


# -- brightness


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_from_0_to_1(dtype, lazy, save):
    image = (np.arange(256).reshape(1, 16, 16) / 255).astype(dtype)
    image[0, 0, 3] = np.nan
    frames = save(da.from_array(image, chunks=(1, 8, 16)) if lazy else image)
    expected = np.arange(256).reshape(16, 16)
    expected[0, 3] = 0
    np.testing.assert_array_equal(frames[0, ..., 0], expected)


@pytest.mark.parametrize("value", [1.5, -0.5, np.inf])
@pytest.mark.parametrize("lazy", [False, True])
def test_other_floats_are_refused(lazy, value, tmp_path):
    image = np.zeros((3, 9, 8))
    image[2, 4, 4] = value
    text = f"from 0 .black. to 1 .white., and one is {value:g}; pass window=.* or autoscale=True"
    with pytest.raises(DtypeError, match=text):
        TimeseriesWriter.save(
            da.from_array(image, chunks=(1, 9, 8)) if lazy else image,
            tmp_path / "a.mp4",
            progress=False,
        )
    assert list(tmp_path.iterdir()) == []


def test_bools_are_black_and_white(save):
    image = pixels(3, 9, 8) > 127
    np.testing.assert_array_equal(save(image)[..., 0], image * 255)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int8", "uint32", "int64", "complex64"])
def test_other_types_are_refused(dtype, tmp_path):
    """The original turns them black."""
    text = f"{dtype} pixels can't be shown in .*a.mp4' before it is clear .*pass window=.*autoscale"
    with pytest.raises(DtypeError, match=text) as caught:
        TimeseriesWriter.save(pixels(3, 9, 8, dtype=dtype), tmp_path / "a.mp4")
    assert isinstance(caught.value, TypeError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("samples", [(), (3,)], ids=["grey", "rgb"])
def test_window(samples, save):
    image = np.linspace(0, 4000, 2 * 9 * 8 * (3 if samples else 1)).astype("uint16")
    image = image.reshape(2, 9, 8, *samples)
    frames = save(image, window=(1000, 3000))
    expected = np.clip((image.astype(float) - 1000) / 2000, 0, 1) * 255
    shown = frames if samples else frames[..., 0]
    np.testing.assert_allclose(shown, expected, atol=1)
    assert shown.min() == 0
    assert shown.max() == 255


@pytest.mark.parametrize("samples", [(), (3,)], ids=["grey", "rgb"])
def test_autoscale_is_the_same_for_every_frame(samples, save):
    image = np.full((3, 40, 50, *samples), 100, "uint16")
    image[1], image[2] = 200, 300
    frames = save(image, autoscale=True)
    assert [int(frame.min()) for frame in frames] == [0, 128, 255]


def test_uint8_is_stretched_only_if_asked(tmp_path, save):
    image = np.full((2, 9, 8), 40, "uint8")
    image[:, :4] = 80
    assert set(save(image).ravel()) == {40, 80}
    assert set(save(image, name="b.apng", window="minmax").ravel()) == {0, 255}


# -- what can't be


@pytest.mark.parametrize(
    ("shape", "order", "error", "text"),
    [
        ((9, 8), None, UnexpectedShapeError, r"takes arrays of 3 or 4 .*TYX or TYXS.* one has 2"),
        ((1, 2, 3, 9, 8), None, UnexpectedShapeError, r"has 5, shape \(1, 2, 3, 9, 8\); take one"),
        ((2, 9, 8), "ZYX", InvalidDimensionOrderingError, "letter 'Z'; .*Writer knows T, Y, X, S"),
        ((2, 9, 8), "TTX", InvalidDimensionOrderingError, "use the letters TYX or YXS, each once"),
        ((2, 9, 3), "TXS", InvalidDimensionOrderingError, "use the letters TYX or YXS, each once"),
        ((2, 2, 9, 8), "TTYX", InvalidDimensionOrderingError, "use the letters TYXS, each once"),
        ((2, 9, 8), "TSYX", ConflictingArgumentsError, "names 4 dimensions, and the array has 3"),
        ((2, 9, 8, 3), "TYX", ConflictingArgumentsError, "names 3 dimensions, and the array has 4"),
        ((2, 9, 8), 5, TypeError, "dim_order=5 is not text; pass 'TYX', for example"),
        ((2, 9, 8, 5), None, AxisError, "has 5 samples; RGB has 3 and RGBA 4"),
    ],
)
def test_wrong_dimensions(shape, order, error, text, tmp_path):
    with pytest.raises(error, match=text):
        TimeseriesWriter.save(pixels(*shape), tmp_path / "a.mp4", order)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fps": 0}, "fps=0 is not a positive number"),
        ({"window": (5, 2)}, "ends before it starts"),
        ({"window": "all"}, "window='all' is not known"),
        (
            {"autoscale": True, "window": (0, 9)},
            r"autoscale=True and window=\(0, 9\) both say what",
        ),
        ({"autoscale": "yes"}, "autoscale='yes' is neither True nor False"),
        ({"codec": "h265"}, "codec='h265' is not possible in .mp4"),
        ({"quality": "best"}, "quality='best' is not known"),
        ({"fs_kwargs": {"key": 1}}, "fs_kwargs with 'key' belong to a URL, and uri=.*leave them"),
    ],
)
def test_wrong_options(options, text, tmp_path):
    with pytest.raises(PlanError, match=text):
        TimeseriesWriter.save(pixels(2, 9, 8), tmp_path / "a.mp4", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("dim_orders", "dim_order"), ("framerate", "fps"), ("windows", "window"), ("format", "fps")],
)
def test_unknown_keywords_name_the_nearest(wrong, right, tmp_path):
    text = f"has no keyword '{wrong}'; (did you mean '{right}'|known: .*{right})"
    with pytest.raises(TypeError, match=text):
        TimeseriesWriter.save(pixels(2, 9, 8), tmp_path / "a.mp4", **{wrong: None})
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_comes_first(tmp_path):
    with pytest.raises(TargetError, match=r"does not end in \.mp4"):
        TimeseriesWriter.save(pixels(2, 9, 8, dtype="uint16"), tmp_path / "a.xyz")


def test_an_existing_movie_stays(tmp_path):
    path = tmp_path / "a.gif"
    TimeseriesWriter.save(pixels(2, 9, 8), path, progress=False)
    before = path.read_bytes()
    with pytest.raises(TargetExistsError, match="pass overwrite=True to replace it"):
        TimeseriesWriter.save(pixels(3, 9, 8), path)
    assert path.read_bytes() == before
    TimeseriesWriter.save(pixels(3, 9, 8), path, overwrite=True, progress=False)
    with Image.open(path) as file:
        assert file.n_frames == 3


def test_pixels_that_fail_say_so(tmp_path):
    def fail(block):
        raise RuntimeError("the camera melted")

    lazy = da.zeros((3, 9, 8), chunks=(1, 9, 8), dtype="uint8")
    lazy = lazy.map_blocks(fail, dtype="uint8", meta=np.zeros((0, 0, 0), "uint8"))
    with pytest.raises(SourceError, match="the camera melted"):
        TimeseriesWriter.save(lazy, tmp_path / "a.mp4", progress=False)
    assert list(tmp_path.iterdir()) == []


# -- other machines


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.gif"])
def test_movies_in_memory_file_systems(name, tmp_path):
    """The original refuses those that ffmpeg writes."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    frames = smooth(4, 64, 80)
    TimeseriesWriter.save(np.stack(frames), f"memory://{name}", progress=False)
    Path(tmp_path / name).write_bytes(fs.cat(f"/{name}"))
    read = read_animation if name == "a.gif" else read_movie
    found = read(tmp_path / name)
    # A GIF has 256 colours for all frames.
    assert psnr(frames, found[0] if name == "a.gif" else found.frames) > 25


def test_movies_in_buckets(bucket, tmp_path):
    frames = smooth(4, 64, 80)
    url = f"s3://{bucket.name}/a.mp4"
    TimeseriesWriter.save(np.stack(frames), url, fs_kwargs=bucket.options, progress=False)
    with pytest.raises(TargetExistsError):
        TimeseriesWriter.save(np.stack(frames), url, fs_kwargs=bucket.options)
    fs = fsspec.filesystem("s3", skip_instance_cache=True, **bucket.options)
    fs.get(url, str(tmp_path / "a.mp4"))
    assert psnr(frames, read_movie(tmp_path / "a.mp4").frames) > 30
