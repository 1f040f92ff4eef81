"""Bad input: one clear sentence, or a stated loss, and nothing left at the target.

Each case is (what the user does, the error class, words of the sentence). The sentence says what is
wrong with its value, what would be right, and what to do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import dask.array as dask_array
import numpy as np
import pytest
import xarray as xr

import nbexport
from nbexport import (
    AxisError,
    ChannelError,
    DescribeError,
    DtypeError,
    LossWarning,
    PlanError,
    SourceError,
    TargetError,
    TargetExistsError,
)

WRITERS = {"ome-zarr": nbexport.write_ome_zarr, "ome-tiff": nbexport.write_ome_tiff}
NAMES = {"ome-zarr": "cells.ome.zarr", "ome-tiff": "cells.ome.tif"}


def image(*dims, size=8, dtype="uint8", **coords) -> xr.DataArray:
    dims = dims or ("y", "x")
    return xr.DataArray(np.zeros((size,) * len(dims), dtype), dims=dims, coords=coords)


def with_x(values, dims=("y", "x"), **attrs) -> xr.DataArray:
    values = np.asarray(values)
    pixels = np.zeros((4, len(values)), "uint8")
    return xr.DataArray(pixels, dims=dims, coords={dims[1]: (dims[1], values, attrs)})


def huge() -> xr.DataArray:
    return image("c", "y", "x").isel(c=slice(0, 2))


def unknown_length() -> xr.DataArray:
    zeros = dask_array.zeros((6, 4), chunks=3)
    return xr.DataArray(zeros[zeros[:, 0] < 1], dims=("y", "x"))


DESCRIPTION = {
    "unknown dim": (
        lambda: (image("foo", "y", "x"), {}),
        AxisError,
        r"dim 'foo' of size 8 is not known \(take one entry with da\.isel\(foo=0\).*Known words",
    ),
    "several unknown dims": (
        lambda: (image("foo", "bar", "y", "x", size=2), {}),
        AxisError,
        r"'foo'.*'bar'",
    ),
    "repeated dims": (
        lambda: (image("y", "row", "x"), {}),
        AxisError,
        r"dims 'y' and 'row' both mean 'y'",
    ),
    "1-D": (
        lambda: (image("x"), {}),
        AxisError,
        r"an image needs the dims y and x, this array has 'x'",
    ),
    "0-D": (lambda: (xr.DataArray(3), {}), AxisError, r"this array has none"),
    "6-D": (
        lambda: (image("t", "c", "z", "y", "x", "view", size=2), {}),
        AxisError,
        r"dim 'view' of size 2 is not known",
    ),
    "two samples": (
        lambda: (image("y", "x", "S", size=2), {}),
        AxisError,
        r"dim 'S' has 2 samples; RGB has 3 and RGBA 4; .*dims=\{'S': 'c'\}",
    ),
    "zero size": (
        lambda: (xr.DataArray(np.zeros((0, 5)), dims=("y", "x")), {}),
        AxisError,
        r"axis 'y' has size 0; an image needs at least one pixel",
    ),
    "length that dask does not know": (
        lambda: (unknown_length(), {}),
        AxisError,
        r"dim 'y' has a length that dask does not know yet; call da\.data\.compute_chunk_sizes",
    ),
    "dims of a missing dim": (
        lambda: (image(), {"dims": {"depth": "z"}}),
        AxisError,
        r"dims names 'depth', which is not a dim",
    ),
    "dims to no axis": (
        lambda: (image("a", "y", "x"), {"dims": {"a": "q"}}),
        AxisError,
        r"maps 'a' to 'q', which is no axis",
    ),
    "NaN coords": (
        lambda: (with_x([np.nan] * 5), {}),
        AxisError,
        r"coordinate 'x' is not a number at 5 of 5 pixels; drop it with da\.drop_vars\('x'\)",
    ),
    "one NaN": (lambda: (with_x([0, 1, np.nan]), {}), AxisError, r"at 1 of 3 pixels"),
    "infinite coords": (lambda: (with_x([0, 1, np.inf]), {}), AxisError, r"not a number at 1 of 3"),
    "NaT": (
        lambda: (
            with_x(np.array(["2020-01-01", "NaT"], "datetime64[ns]"), dims=("y", "t")).expand_dims(
                x=2
            ),
            {},
        ),
        AxisError,
        r"coordinate 't' is not a number at 1 of 2",
    ),
    "coords up and down": (
        lambda: (with_x([0, 2, 1]), {}),
        AxisError,
        r"goes up and down, or repeats a value; sort it with da\.sortby\('x'\)",
    ),
    "repeated coords": (lambda: (with_x([0, 1, 1]), {}), AxisError, r"repeats a value"),
    "time unit on x": (
        lambda: (with_x([0, 1], units="ms"), {}),
        AxisError,
        r"unit 'ms' of 'x' is a time; axis x needs a length",
    ),
    "length unit on t": (
        lambda: (image("t", "y", "x"), {"scale": {"t": 2}, "units": {"t": "um"}}),
        AxisError,
        r"unit 'um' of 't' is a length; axis t needs a time",
    ),
    "unknown unit asked for": (
        lambda: (image(), {"units": {"x": "furlongish"}}),
        AxisError,
        r"units\['x'\]='furlongish' is no unit of length; use one such as 'um'",
    ),
    "negative scale": (
        lambda: (image(), {"scale": {"x": -0.65}}),
        AxisError,
        r"axis 'x' has scale -0\.65; it must be a positive number",
    ),
    "scale is text": (
        lambda: (image(), {"scale": {"x": "small"}}),
        AxisError,
        r"scale\['x'\]='small' is not a number",
    ),
    "scale of a missing axis": (
        lambda: (image(), {"scale": {"z": 2.0}}),
        AxisError,
        r"scale names 'z'; this array has the axes y, x",
    ),
    "infinite translation": (
        lambda: (image(), {"translation": {"x": np.inf}}),
        AxisError,
        r"axis 'x' has translation inf",
    ),
    "object dtype": (
        lambda: (image(dtype=object), {}),
        DtypeError,
        r"pixels are of type 'object', which no image format holds; cast them",
    ),
    "text pixels": (lambda: (image(dtype="U3"), {}), DtypeError, r"type 'str"),
    "date pixels": (lambda: (image(dtype="datetime64[ns]"), {}), DtypeError, r"datetime64"),
    "long double": (
        lambda: (image(dtype=np.longdouble), {}),
        DtypeError,
        r"da\.astype\('float32'\)",
    ),
    "too few channel names": (
        lambda: (huge(), {"channels": ["a"]}),
        ChannelError,
        r"channels has 1 entries, the data have 2 channels",
    ),
    "channels is text": (
        lambda: (huge(), {"channels": "ab"}),
        ChannelError,
        r"channels='ab' is not a list",
    ),
    "unknown channel key": (
        lambda: (image(), {"channels": [{"colour": "red"}]}),
        ChannelError,
        r"channels has the key 'colour'; known keys are label, color",
    ),
    "no colour": (
        lambda: (image(), {"channels": [{"color": "greenish"}]}),
        ChannelError,
        r"color 'greenish' of channel 0 is not a colour; give '#00FF00'",
    ),
    "colour of wrong length": (
        lambda: (image(), {"channels": [{"color": (1, 2)}]}),
        ChannelError,
        r"color \(1, 2\) of channel 0",
    ),
    "colour out of range": (
        lambda: (image(), {"channels": [{"color": (0, 300, 0)}]}),
        ChannelError,
        r"color \(0, 300, 0\)",
    ),
    "window upside down": (
        lambda: (image(), {"channels": [{"label": "a", "window": (9, 3)}]}),
        ChannelError,
        r"window \(9\.0, 3\.0\); its start must be smaller than its end",
    ),
    "window is one number": (
        lambda: (image(), {"channels": [{"window": 5}]}),
        ChannelError,
        r"window 5 of channel 'channel 0' is not \(start, end\)",
    ),
    "unknown kind": (
        lambda: (image(), {"kind": "mask"}),
        AxisError,
        r"kind='mask' is not known; use one of intensity, labels, rgb",
    ),
    "float labels": (
        lambda: (image(dtype="float32"), {"kind": "labels"}),
        DtypeError,
        r"kind='labels' needs integer pixels, these are float32",
    ),
    "rgb without samples": (
        lambda: (image(), {"kind": "rgb"}),
        AxisError,
        r"kind='rgb' needs a dim of samples",
    ),
    "rgb as labels": (
        lambda: (image("y", "x", "s", size=3), {"kind": "labels"}),
        AxisError,
        r"kind='labels' does not fit an array with RGB samples",
    ),
    "not a DataArray": (
        lambda: (np.zeros((3, 4)), {}),
        TypeError,
        r"an xarray\.DataArray is needed, got ndarray; wrap it",
    ),
    "several problems at once": (
        lambda: (with_x([0, np.nan], units="ms"), {"scale": {"q": 1}, "channels": ["a", "b"]}),
        DescribeError,
        r"(?s)has 3 problems:.*1\. scale names 'q'.*2\. coordinate 'x'.*3\. channels has 2 entries",
    ),
}

OPTIONS = {
    "no levels": (None, {"levels": 0}, PlanError, r"levels=0 would write nothing"),
    "half a level": (None, {"levels": 1.5}, PlanError, r"levels=1\.5 is not a whole number"),
    "too many levels": (
        None,
        {"levels": 9},
        PlanError,
        r"levels=9 is too many: level 3 has shape 1 x 1 and can't be coarsened; use levels=4",
    ),
    "unknown method": (None, {"method": "average"}, PlanError, r"'average' is not known; use one"),
    "averaged labels": (
        None,
        {"method": "mean", "kind": "labels"},
        PlanError,
        r"method='mean' would invent labels",
    ),
    "factor of a missing axis": (
        None,
        {"factors": {"z": 2}},
        PlanError,
        r"factors names axis 'z'; this image can be coarsened along y, x",
    ),
    "factor below one": (None, {"factors": {"x": 0}}, PlanError, r"factors\['x'\]=0"),
    "factors is a number": (None, {"factors": 2}, PlanError, r"factors=2 is not understood"),
    "no budget": (None, {"memory_budget": "much"}, PlanError, r"memory_budget='much' is no size"),
    "no workers": (None, {"workers": 0}, PlanError, r"workers=0 is not a whole number above 0"),
    "unknown compression": (
        None,
        {"compression": "rar"},
        PlanError,
        r"compression='rar' is not known; use one of",
    ),
    "unknown version": (
        "ome-zarr",
        {"version": "0.3"},
        PlanError,
        r"version='0\.3' of OME-NGFF can't be written; use one of 0\.4, 0\.5, 0\.6",
    ),
    "too few chunks": (
        "ome-zarr",
        {"chunks": (4,)},
        PlanError,
        r"chunks=\(4,\) has 1 lengths; the axes y x need 2",
    ),
    "chunk of nothing": ("ome-zarr", {"chunks": (0, 4)}, PlanError, r"chunks has 0 along y"),
    "chunk of a missing axis": (
        "ome-zarr",
        {"chunks": {"z": 1}},
        PlanError,
        r"chunks names axis 'z'; this image has y, x",
    ),
    "ome_xml of another type": (
        "ome-tiff",
        {"ome_xml": {"Image": 1}},
        PlanError,
        r"ome_xml is dict; give OME-XML as text, or an ome_types\.OME",
    ),
    "ome_xml that is no XML": (
        "ome-tiff",
        {"ome_xml": "cells.xml"},
        PlanError,
        r"ome_xml can't be used: this is not XML \(.*\); pass a whole <OME> document",
    ),
    "ome_xml with a DTD": (
        "ome-tiff",
        {"ome_xml": "<!DOCTYPE OME [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><OME>&a;</OME>"},
        PlanError,
        r"ome_xml can't be used: this OME-XML has a DTD \(<!DOCTYPE OME>\), .*; remove it",
    ),
    "ome_xml of no image": (
        "ome-tiff",
        {"ome_xml": '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"/>'},
        PlanError,
        r"ome_xml describes 0 images, 1 are written; give one Image for each",
    ),
    "a name beside ome_xml": (
        "ome-tiff",
        {"ome_xml": "<OME/>", "name": "cells"},
        PlanError,
        r"name= is given beside ome_xml=, which is written as it is; change the OME-XML",
    ),
    "tile not of 16": (
        "ome-tiff",
        {"tile": (100, 100)},
        PlanError,
        r"tile=\(100, 100\) is not a TIFF tile; .* multiples of 16",
    ),
    "impossible level": (
        None,
        {"compression_level": 99},
        PlanError,
        r"compression_level=99 is not possible with '(zlib|blosc-zstd)'; use [01] to ",
    ),
    "unknown keyword": (
        None,
        {"level": 2},
        TypeError,
        r"has no keyword 'level'; did you mean 'levels'\?",
    ),
}


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("case", DESCRIPTION)
def test_what_cannot_be_described(case, format, tmp_path):
    make, error, text = DESCRIPTION[case]
    da, options = make()
    with pytest.raises(error, match=text):
        WRITERS[format](da, tmp_path / NAMES[format], **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("case", "format"),
    [(c, f) for c in OPTIONS for f in WRITERS if OPTIONS[c][0] in (None, f)],
)
def test_options_that_make_no_sense(case, format, tmp_path):
    _, options, error, text = OPTIONS[case]
    with pytest.raises(error, match=text):
        WRITERS[format](image(), tmp_path / NAMES[format], **options)
    assert list(tmp_path.iterdir()) == []


def test_every_problem_stands_in_the_error_as_itself():
    with pytest.raises(DescribeError) as caught:
        nbexport.describe(image(dtype=object), scale={"q": 1})
    assert [type(p) for p in caught.value.problems] == [DtypeError, AxisError]


# -- targets


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cells.png", r"target 'cells\.png' does not end in \.ome\."),
        ("cells", r"for example to 'cells\.ome\."),
        (".zarr", r"does not end in"),
        (".tif", r"does not end in"),
        ("sub/cells.tif", r"folder '.*sub' does not exist; create it first"),
        ("sub/cells.zarr", r"folder '.*sub' does not exist; create it first"),
    ],
)
def test_names_and_folders_that_do_not_fit(name, text, format, tmp_path):
    if "sub/" in name and name.endswith(".zarr") != (format == "ome-zarr"):
        text = "does not end in"
    with pytest.raises(TargetError, match=text):
        WRITERS[format](image(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("target", [None, 3, b"cells", ""])
def test_targets_that_are_no_path(target, format):
    with pytest.raises(PlanError, match=r"is not a path; give a file name such as"):
        WRITERS[format](image(), target)


@pytest.mark.parametrize("format", WRITERS)
def test_a_file_url_is_a_path(format, tmp_path):
    target = tmp_path / f"a b {NAMES[format]}"
    report = WRITERS[format](image(), target.as_uri(), progress=False)
    assert report.target == str(target)
    assert target.exists()


@pytest.mark.parametrize("format", WRITERS)
def test_the_folder_is_a_file(format, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TargetError, match=r"is a file, so nothing can be written into it"):
        WRITERS[format](image(), tmp_path / "file" / NAMES[format])


@pytest.mark.parametrize("format", WRITERS)
def test_an_existing_target_is_kept_unless_asked(format, tmp_path):
    target = tmp_path / NAMES[format]
    WRITERS[format](image(size=8), target, progress=False)
    before = tree(target)
    with pytest.raises(TargetExistsError, match=r"exists; pass overwrite=True to replace it"):
        WRITERS[format](image(size=9), target)
    assert tree(target) == before
    report = WRITERS[format](image(size=9), target, overwrite=True, progress=False)
    assert report.plan.image.shape == (9, 9)
    assert tree(target) != before
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("format", WRITERS)
def test_overwrite_spares_what_is_no_export(format, tmp_path):
    target = tmp_path / NAMES[format]
    target.mkdir()
    (target / "thesis.txt").write_text("mine")
    with pytest.raises(TargetError, match=r"is a folder that does not look like an OME-"):
        WRITERS[format](image(), target, overwrite=True)
    assert (target / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("format", WRITERS)
def test_overwrite_spares_a_foreign_file(format, tmp_path):
    target = tmp_path / NAMES[format]
    target.write_text("mine")
    with pytest.raises(TargetError, match=r"is a file that does not look like an OME-"):
        WRITERS[format](image(), target, overwrite=True)
    assert target.read_text() == "mine"


@pytest.fixture
def mount(tmp_path):
    """Mount a small tmpfs; only root may, and `.ci/run` is root."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
            if os.environ.get("NBEXPORT_CI"):
                pytest.fail("tmpfs can't be mounted here")
            pytest.skip("mounting a tmpfs needs root on Linux")
        return folder

    yield mounted
    subprocess.run(["umount", str(folder)], capture_output=True)


@pytest.mark.parametrize("format", WRITERS)
def test_a_read_only_folder(format, mount):
    folder = mount("ro,size=1m")
    with pytest.raises(TargetError, match=r"folder '.*disk' is not writable; choose another"):
        WRITERS[format](image(), folder / NAMES[format])


@pytest.mark.parametrize("format", WRITERS)
def test_a_full_disk(format, mount):
    folder = mount("size=1m")
    noise = np.random.default_rng(0).integers(0, 2**16, (4, 1024, 1024), dtype="uint16")
    da = xr.DataArray(noise, dims=("z", "y", "x"))
    with pytest.raises(TargetError, match=r"the disk of '.*disk' is full after .*nothing was left"):
        WRITERS[format](da, folder / NAMES[format], progress=False)
    assert list(folder.iterdir()) == []


# -- sources


def failing(message="the camera melted") -> xr.DataArray:
    def compute(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 3:
            raise ZeroDivisionError(message)
        return block

    pixels = dask_array.zeros((6, 64, 64), chunks=(1, 64, 64), dtype="uint8")
    return xr.DataArray(pixels.map_blocks(compute, dtype="uint8"), dims=("t", "y", "x"))


@pytest.mark.parametrize("format", WRITERS)
def test_a_source_that_fails_in_the_middle(format, tmp_path):
    target = tmp_path / NAMES[format]
    with pytest.raises(
        SourceError, match=r"pixels at t 3:4, y 0:64, x 0:64 failed with Zero.*melted"
    ) as caught:
        WRITERS[format](failing(), target, progress=False)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", WRITERS)
def test_a_failed_overwrite_leaves_the_old_target_whole(format, tmp_path):
    target = tmp_path / NAMES[format]
    WRITERS[format](image(), target, progress=False)
    before = tree(target)
    with pytest.raises(SourceError):
        WRITERS[format](failing(), target, overwrite=True, progress=False)
    assert tree(target) == before
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


def test_an_old_folder_steps_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    target = tmp_path / "cells.ome.zarr"
    nbexport.write_ome_zarr(image(), target, progress=False)
    before = tree(target)
    rename = Path.rename

    def held_by_another_program(self, to):
        if ".partial-" in self.parent.name and self.name == target.name:
            raise PermissionError(13, "in use")
        return rename(self, to)

    monkeypatch.setattr("nbexport.stores.targets._partial.exchanged", lambda made, path: False)
    monkeypatch.setattr(Path, "rename", held_by_another_program)
    with pytest.raises(TargetError, match="in use"):
        nbexport.write_ome_zarr(image(size=9), target, overwrite=True, progress=False)
    assert tree(target) == before
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


def test_the_old_image_is_kept_where_it_can_not_go_back(tmp_path, monkeypatch):
    """Neither rename works for a while: the only copy is not removed, the next export has it."""
    target = tmp_path / "a.ome.zarr"
    nbexport.write_ome_zarr(image(size=8), target, progress=False)
    before = tree(target)
    rename = Path.rename

    def held(self, to):
        if Path(to) == target:
            raise PermissionError(13, "in use")
        return rename(self, to)

    monkeypatch.setattr("nbexport.stores.targets._partial.exchanged", lambda made, path: False)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", held)
        with pytest.raises(TargetError, match=r"could not go back: it lies in '.*', and the next"):
            nbexport.write_ome_zarr(image(size=9), target, overwrite=True, progress=False)
    assert not target.exists()
    with pytest.raises(TargetError, match="which is back there now"):
        nbexport.write_ome_zarr(image(size=9), target, progress=False)
    assert tree(target) == before
    nbexport.write_ome_zarr(image(size=9), target, overwrite=True, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("format", WRITERS)
def test_a_progress_function_that_raises_stops_the_export(format, tmp_path):
    def stop(progress):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        WRITERS[format](image(), tmp_path / NAMES[format], progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", WRITERS)
def test_an_interrupt_does_not_wait_for_the_source(format, tmp_path):
    """Ctrl-C arrives while a chunk computes that never ends; nothing is left, then or later."""
    release, started = threading.Event(), threading.Event()

    def stuck(block):
        started.set()
        release.wait(60)
        return block

    pixels = dask_array.zeros((4, 64, 64), chunks=(1, 64, 64), dtype="uint8")
    lazy = pixels.map_blocks(stuck, dtype="uint8", meta=np.zeros((0, 0, 0), "uint8"))
    da = xr.DataArray(lazy, dims=("t", "y", "x"))

    def interrupt():
        started.wait(60)
        import _thread

        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            WRITERS[format](da, tmp_path / NAMES[format], progress=False)
        assert not release.is_set()
        assert list(tmp_path.iterdir()) == []
    finally:
        release.set()
        thread.join()
    for worker in [t for t in threading.enumerate() if t.name.startswith("nbexport")]:
        worker.join(30)
    assert list(tmp_path.iterdir()) == []


# -- values


def test_a_value_too_large_for_ome_tiff_is_named(tmp_path):
    da = image(dtype="int64")
    da[0, 0] = 2**40
    with pytest.raises(DtypeError, match=rf"pixel value {2**40} does not fit uint32"):
        nbexport.write_ome_tiff(da, tmp_path / "a.ome.tif")
    da[0, 0] = -(2**40)
    with pytest.raises(DtypeError, match=rf"pixel value -{2**40} does not fit int32"):
        nbexport.write_ome_tiff(da, tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []


def test_a_lazy_value_too_large_is_found_while_writing(tmp_path):
    da = image("t", "y", "x", dtype="uint64")
    da[5, 1, 2] = 2**33
    lazy = da.chunk({"t": 1})
    with pytest.raises(DtypeError, match=rf"pixel value {2**33} does not fit uint32"):
        nbexport.write_ome_tiff(lazy, tmp_path / "a.ome.tif", progress=False)
    assert list(tmp_path.iterdir()) == []
    nbexport.write_ome_zarr(lazy, tmp_path / "a.ome.zarr", progress=False)  # Zarr keeps 64 bits


# -- losses: written, and said


LOSSES = {
    "unknown unit": (
        None,
        lambda: with_x([0.0, 2.0], units="furlongish"),
        r"unit 'furlongish' of 'x' is not known and was left out, its numbers were kept",
    ),
    "text along t": (
        None,
        lambda: image("t", "y", "x", size=2, t=["a", "b"]),
        r"coordinate 't' holds no numbers \(first is .*'a'",
    ),
    "constant coords": (None, lambda: with_x([5.0, 5.0]), r"coordinate 'x' is 5 at every pixel"),
    "attribute that is no JSON": (
        None,
        lambda: image().assign_attrs(handle=object()),
        r"attribute 'handle' is a object that JSON can't hold",
    ),
    "colours of wrong length": (
        None,
        lambda: huge().assign_attrs(channel_colors=["red", "green", "blue"]),
        r"attrs\['channel_colors'\] has 3 entries for 2 channels and was not used; give one each",
    ),
    "NaN attribute": (
        None,
        lambda: image().assign_attrs(gain=float("nan")),
        r"attribute 'gain' is a float that JSON can't hold",
    ),
    "uneven z in Zarr": (
        "ome-zarr",
        lambda: image("z", "y", "x", size=3, z=[0.0, 1.0, 5.0]),
        r"positions along z are uneven \(steps 1 to 4\); OME-Zarr says one step, 2\.5",
    ),
    "uneven x in TIFF": (
        "ome-tiff",
        lambda: with_x([0.0, 1.0, 5.0]),
        r"positions along x are uneven; OME-XML says one step, 2\.5",
    ),
    "time step without unit": (
        "ome-tiff",
        lambda: image("t", "y", "x", size=2, t=[0.0, 2.5]),
        r"the time step 2\.5 has no unit and OME-XML needs one; pass units=\{'t': 's'\}",
    ),
    "control characters": (
        "ome-tiff",
        lambda: image().rename("a\x00b"),
        r"control characters in names or attributes were replaced",
    ),
}


@pytest.mark.parametrize(
    ("case", "format"),
    [(c, f) for c in LOSSES for f in WRITERS if LOSSES[c][0] in (None, f)],
)
def test_what_is_lost_is_said(case, format, tmp_path):
    _, make, text = LOSSES[case]
    with pytest.warns(LossWarning, match=text) as caught:
        report = WRITERS[format](make(), tmp_path / NAMES[format], progress=False)
    assert [str(w.message) for w in caught] == list(report.losses)
    assert {w.filename for w in caught} == {__file__}  # it points at the caller's line
    assert Path(report.target).exists()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert (
            report.losses[0]
            in WRITERS[format](make(), report.target, overwrite=True, progress=False).losses
        )


def test_the_accessor_warns_at_the_callers_line_too(tmp_path):
    da = with_x([0.0, 2.0], units="furlongish")
    with pytest.warns(LossWarning) as described:
        da.bioexport.describe()
    with pytest.warns(LossWarning) as written:
        da.bioexport.ome_tiff(tmp_path / "a.ome.tif", progress=False)
    assert [w.filename for w in (*described, *written)] == [__file__] * 2


# -- movies and pictures


def movie_of(t=3, **options) -> xr.DataArray:
    return image("t", "y", "x").isel(t=slice(0, t)).assign_attrs(options)


MOVIE = {
    "no such suffix": ("a.mp5", {}, TargetError, r"'a\.mp5' does not end in \.mp4, .*rename it"),
    "no such codec": (
        "a.mp4",
        {"codec": "h265"},
        PlanError,
        r"codec='h265' is not possible in \.mp4; use 'h264' or 'av1'$",
    ),
    "a codec of other files": (
        "a.mp4",
        {"codec": "ffv1"},
        PlanError,
        r"codec='ffv1' is not possible in \.mp4; use .*, or a file name .* \.mkv or \.avi",
    ),
    "no such quality": (
        "a.mp4",
        {"quality": "best"},
        PlanError,
        r"quality='best' is not known; use one of low, medium, high, lossless",
    ),
    "lossless H.264": (
        "a.mp4",
        {"codec": "h264", "quality": "lossless"},
        PlanError,
        r"'lossless' is not possible with H\.264 in \.mp4; use \.mkv \(FFV1\), \.webm \(VP9\)",
    ),
    "lossless mov": (
        "a.mov",
        {"quality": "lossless"},
        PlanError,
        r"not possible with H\.264 in \.mov",
    ),
    "lossless gif": (
        "a.gif",
        {"quality": "lossless"},
        PlanError,
        r"not possible with GIF in \.gif",
    ),
    "crf too high": (
        "a.mp4",
        {"crf": 52},
        PlanError,
        r"crf=52 is not possible with H\.264; use a whole number from 0 \(best\) to 51 ",
    ),
    "crf is no number": ("a.webm", {"crf": 2.5}, PlanError, r"crf=2\.5 .* VP9; use a whole number"),
    "crf where there is none": (
        "a.gif",
        {"crf": 20},
        PlanError,
        r"crf=20 is not known to GIF in \.gif; pass quality='low', 'medium' or 'high'",
    ),
    "crf and quality": (
        "a.mp4",
        {"crf": 20, "quality": "high"},
        PlanError,
        r"crf=20 and quality='high' both say how good; pass one of them",
    ),
    "too fast for gif": (
        "a.gif",
        {"fps": 60},
        PlanError,
        r"fps=60 is more than \.gif holds; use 50 at most, or take every n-th frame",
    ),
    "too large for webp": (
        "a.webp",
        {"size": (16384, 8)},
        PlanError,
        r"frames of 16384 x 8 are larger than WebP holds, 16383 x 16383; pass zoom=0\.5 or less",
    ),
    "too large for H.264": ("a.mp4", {"size": (8, 16386)}, PlanError, r"larger than H\.264 holds"),
    "too small for Theora": (
        "a.ogg",
        {},
        PlanError,
        r"frames of 8 x 8 are smaller than Theora players take, 18 x 18; pass a zoom, or use \.mp4",
    ),
    "storage_options of a path": (
        "a.mp4",
        {"storage_options": {"key": "x"}},
        PlanError,
        r"storage_options belong to a URL, and target '.*a\.mp4' is a local path; leave them out",
    ),
}


@pytest.mark.parametrize(("name", "options", "error", "words"), MOVIE.values(), ids=MOVIE)
def test_a_movie_that_can_not_be(name, options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        nbexport.write_movie(movie_of(), tmp_path / name, progress=False, **options)
    assert list(tmp_path.iterdir()) == []


PICTURE = {
    "no such suffix": ("a.jp2", {}, TargetError, r"'a\.jp2' does not end in \.png, .*rename it"),
    "no such montage": (
        "a.png",
        {"montage": "x"},
        PlanError,
        r"montage='x' is not known; use 'c', 't' or 'z'",
    ),
    "montage of no channels": (
        "a.png",
        {"montage": "c"},
        PlanError,
        r"montage='c' shows channels side by side, and 'image' \(intensity\) has none; leave",
    ),
    "columns of no montage": (
        "a.png",
        {"columns": 3},
        PlanError,
        r"columns=3 is for montages; pass montage='c', 't' or 'z' too",
    ),
    "half a column": (
        "a.png",
        {"montage": "t", "columns": 1.5},
        PlanError,
        r"columns=1\.5 is not a whole number above 0",
    ),
    "a huge sheet": (
        "a.png",
        {"montage": "t", "zoom": 2000},
        PlanError,
        r"a sheet of 3 cells of 16000 x 16000 would be 48320 x 16000 pixels, more than 1 GiB; pass",
    ),
    "no resolution": (
        "a.png",
        {"dpi": 0},
        PlanError,
        r"dpi=0 is no resolution; give the pixels an inch, from 1 to 65535, such as 300",
    ),
    "text as resolution": ("a.png", {"dpi": "300"}, PlanError, r"dpi='300' is no resolution"),
    "raw and rendered": (
        "a.tif",
        {"raw": True, "scale_bar": True},
        PlanError,
        r"raw=True writes pixel values as they are, and scale_bar=True is for rendered pictures",
    ),
    "raw and zoom": ("a.tif", {"raw": True, "zoom": 2}, PlanError, r"and zoom=2 is for rendered"),
    "raw webp": (
        "a.webp",
        {"raw": True},
        PlanError,
        r"raw=True keeps pixel values and \.webp does not; use \.tif, or \.png for integers",
    ),
    "too large for webp": (
        "a.webp",
        {"size": (16384, 8)},
        PlanError,
        r"a picture of 16384 x 8 is larger than \.webp holds, 16383 pixels; pass zoom= or size=",
    ),
    "a sheet too large for jpg": (
        "a.jpg",
        {"montage": "t", "size": (30000, 8)},
        PlanError,
        r"a picture of 90600 x 8 is larger than \.jpg holds, 65500 pixels; pass zoom=",
    ),
}


@pytest.mark.parametrize(("name", "options", "error", "words"), PICTURE.values(), ids=PICTURE)
def test_a_picture_that_can_not_be(name, options, error, words, tmp_path):
    da = movie_of() if options.get("montage") != "c" else movie_of().astype(int).isel(t=0)
    with pytest.raises(error, match=words):
        nbexport.write_image(da.rename("image"), tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("write", "name"), [(nbexport.write_movie, "a.mp4"), (nbexport.write_image, "a.png")]
)
def test_movies_and_pictures_replace_only_their_kind(write, name, tmp_path):
    write(movie_of(), tmp_path / name)
    made = (tmp_path / name).read_bytes()
    with pytest.raises(TargetExistsError, match=r"exists; pass overwrite=True to replace it"):
        write(movie_of(), tmp_path / name)
    assert (tmp_path / name).read_bytes() == made
    write(movie_of(), tmp_path / name, overwrite=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(
        TargetError, match=r"does not look like an? (movie|image), so overwrite=True"
    ):
        write(movie_of(), tmp_path / name, overwrite=True)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["a.apng", "a.gif", "a.mkv", "a.png", "a.tif"])
def test_a_disk_that_movies_and_pictures_fill(name, mount):
    folder = mount("size=512k")
    noise = np.random.default_rng(0).integers(0, 256, (6, 512, 512, 3), dtype="uint8")
    da = xr.DataArray(noise, dims=("t", "y", "x", "s"))
    write = nbexport.write_image if name in ("a.png", "a.tif") else nbexport.write_movie
    with pytest.raises(TargetError, match=r"the disk of '.*disk' is full after .*nothing was left"):
        write(da, folder / name, **({} if write is nbexport.write_image else {"progress": False}))
    assert list(folder.iterdir()) == []


def test_pixels_that_fail_leave_no_movie_and_no_picture(tmp_path):
    with pytest.raises(SourceError, match="the camera melted"):
        nbexport.write_movie(failing(), tmp_path / "a.mp4", progress=False)
    with pytest.raises(SourceError, match="the camera melted"):
        nbexport.write_image(failing(), tmp_path / "a.png", sel={"t": 3})
    assert list(tmp_path.iterdir()) == []


def tree(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}
