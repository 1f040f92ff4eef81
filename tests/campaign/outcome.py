"""Runs one case and says how it ended; what was written is read by other people's programs."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from hostile import SCRIPT, Case
from PIL import Image
from reference import assert_valid_ome_xml, coarser
from several import SEVERAL, Several

import nbexport
from nbexport import ExportError, LossWarning

# A case takes some 0.1 s; where one takes this long, it hangs.
DEADLINE_S = 30


class Hangs(BaseException):
    """A case did not end."""


@contextmanager
def deadline(seconds: int):
    def ring(number, frame):
        raise Hangs(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def sandbox():
    """Give an empty folder; it is the working folder, and holds the temporary one."""
    with tempfile.TemporaryDirectory() as top:
        here = Path(top, "here")
        scratch = Path(top, "tmp")
        here.mkdir()
        scratch.mkdir()
        before, old = Path.cwd(), tempfile.tempdir
        os.chdir(here)
        tempfile.tempdir = str(scratch)
        try:
            yield here
            assert [p.name for p in scratch.iterdir()] == [], "left in the temporary folder"
            assert {p.name for p in Path(top).iterdir()} == {"here", "tmp"}, "written elsewhere"
        finally:
            tempfile.tempdir = old
            os.chdir(before)


def outcome(verb: str, case: Case | Several) -> str:
    """Run `case`; return ``"written"`` or the name of its error.

    Raises
    ------
    AssertionError
        If what it wrote is wrong, or it left anything else.
    Exception
        If it failed otherwise than a user is told.
    """
    with sandbox() as folder, deadline(DEADLINE_S), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", LossWarning)
        if verb == "write_labels":
            nbexport.write_ome_zarr(case.on, case.target, levels=1, progress=False)
        before = files(folder)
        try:
            result = call(verb, case, folder)
        except ExportError as error:
            told = error
        except TypeError as error:
            called = callable(case.options.get("progress"))  # a function of the caller's own
            no_images = verb in SEVERAL and re.search(r"(is|are) needed, got \w+; ", str(error))
            if not called and not no_images and not _is_unknown_keyword(str(error), verb, case):
                raise
            told = error
        else:
            told = None
        if told is not None:
            assert str(told).strip(), "an error without a sentence"
            assert files(folder) == before, f"left after {told!r}"
            return type(told).__name__
        check_shown(result)
        if verb == "write_ome_zarr":
            check_zarr(result, case, folder)
        elif verb == "write_ome_tiff":
            check_tiff(result, case, folder)
        elif verb == "write_image":
            check_image(result, case, folder)
        elif verb == "write_movie":
            check_movie(result, folder)
        elif verb in SEVERAL:
            check_several(verb, result, case, folder)
        return "written"


def call(verb: str, case: Case, folder: Path) -> Any:
    function = getattr(nbexport, verb)
    if verb == "describe":
        return function(case.da, **case.options)
    if verb == "plan_export":
        return function(case.da, "ome-zarr", **case.options)
    quiet = {} if verb == "write_image" else {"progress": False}
    if verb in SEVERAL:
        return function(case.images, case.target, **(quiet | case.options))
    return function(case.da, case.target, **(quiet | case.options))


def _is_unknown_keyword(text: str, verb: str, case: Case) -> bool:
    from hostile import DESCRIBE, OPTIONS

    unknown = case.options.keys() - OPTIONS[verb].keys() - DESCRIBE.keys()
    return bool(unknown) and ("has no keyword" in text or "multiple values" in text)


def check_shown(result: Any) -> None:
    """Nothing of the user's is code in a notebook, and all of it is text."""
    html = result._repr_html_()
    assert SCRIPT not in html
    assert "<img src=x" not in html
    html.encode("utf-8", "surrogatepass")
    assert repr(result)


def expected(image: Any, case: Case, *, samples_first: bool) -> np.ndarray | None:
    """Return the pixels in the order of `image`, by plain numpy; None where nobody can say."""
    if case.meaning is None or "dims" in case.options:
        return None
    data = case.da.data
    data = np.asarray(data.magnitude if hasattr(data, "magnitude") else data)
    scale = case.options.get("scale")
    given = set("yx") if scale is not None and not isinstance(scale, dict) else set(scale or ())
    axes = []
    for i, dim in reversed([*enumerate(case.da.dims)]):
        axis = case.meaning.get(dim)
        if axis is None:
            data = data.take(0, axis=i)
            continue
        axes.insert(0, axis)
    for i, dim in enumerate(d for d in case.da.dims if d in case.meaning):
        axis = case.meaning[dim]
        if dim in case.reversed_dims and axis not in "cs" and not {axis, dim} & given:
            data = np.flip(data, i)
    if samples_first and "s" in axes:
        axes[axes.index("s")] = "c"
    return data.transpose([axes.index(axis) for axis in image.dims])


def check_pixels(found: np.ndarray, image: Any, case: Case, *, samples_first: bool) -> None:
    wanted = expected(image, case, samples_first=samples_first)
    if wanted is None:
        data = case.da.data
        data = np.asarray(data.magnitude if hasattr(data, "magnitude") else data)
        found, wanted = np.sort(found, axis=None), np.sort(data, axis=None)
    assert found.dtype == image.dtype
    if wanted.dtype.kind in "iub":
        wanted, found = wanted.astype(object), found.astype(object)
    np.testing.assert_array_equal(found.reshape(wanted.shape), wanted)


def files(folder: Path) -> dict[str, bytes | None]:
    """Return all that lies in `folder`."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@contextmanager
def opened(folder: Path) -> Iterator[zarr.Group]:
    (path,) = folder.iterdir()
    store: Any = path
    if path.suffix.lower() == ".ozx":
        store = zarr.storage.ZipStore(path, mode="r")
    try:
        yield zarr.open_group(store, mode="r")
    finally:
        if store is not path:
            store.close()


def said_by(group: zarr.Group) -> dict[str, Any]:
    attributes = group.attrs.asdict()
    attributes = attributes.get("ome", attributes)
    json.dumps(attributes, allow_nan=False).encode()
    return attributes


def check_several(verb: str, report: Any, case: Several, folder: Path) -> None:
    plans = (report.plan, *report.others)
    assert Path(report.target).is_relative_to(next(iter(folder.iterdir())))
    with opened(folder) as root:
        assert len(plans) == len(case.images)
        members = [*(case.members or dict.fromkeys(case.images)).items()]
        if verb == "write_images":
            paths = [str(i) for i in range(len(plans))]
            assert said_by(root["OME"])["series"] == paths
        elif verb == "write_plate":
            members.sort(key=lambda m: (len(m[0][0]), m[0][0], int(m[0][1]), int(m[0][2])))
            paths = [f"{row}/{column}/{int(field)}" for (row, column, field), _ in members]
            wells = [well["path"] for well in said_by(root)["plate"]["wells"]]
            assert sorted(wells) == sorted({path.rpartition("/")[0] for path in paths})
        else:
            paths = [f"labels/{key}" for key, _ in members]
            assert sorted(said_by(root["labels"])["labels"]) == sorted(key for key, _ in members)
            np.testing.assert_array_equal(root["0"][...].ravel(), case.on.values.ravel())
        for path, plan, (_, member) in zip(paths, plans, members, strict=True):
            check_group(root[path], plan, member)


def check_zarr(report: Any, case: Case, folder: Path) -> None:
    (path,) = folder.iterdir()
    assert Path(report.target) == path
    with opened(folder) as group:
        check_group(group, report.plan, case)


def check_group(group: zarr.Group, plan: Any, case: Case | None) -> None:
    (multiscale,) = said_by(group)["multiscales"]
    assert len(multiscale["datasets"]) == len(plan.levels)
    levels = [group[entry["path"]][...] for entry in multiscale["datasets"]]
    assert [level.shape for level in levels] == [level.shape for level in plan.levels]
    if case is not None:
        check_pixels(levels[0], plan.image, case, samples_first=True)
    for fine, coarse, level in zip(levels, levels[1:], plan.levels[1:], strict=False):
        assert coarse.shape == level.shape
        if fine.dtype.kind in "iu" and fine.dtype.itemsize < 8:
            np.testing.assert_array_equal(coarse, coarser(fine, level.factors, plan.method))


LOSSY = ("jpeg", "jpeg2000", "jpegxl")


def check_tiff(report: Any, case: Case, folder: Path) -> None:
    (path,) = folder.iterdir()
    assert Path(report.target) == path
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert_valid_ome_xml(file.ome_metadata)
        assert SCRIPT not in file.ome_metadata
        (series,) = file.series
        assert len(series.levels) == len(report.plan.levels)
        found = series.asarray()
        coarse = [level.asarray() for level in series.levels[1:]]
    options = case.options
    if options.get("compression") in LOSSY and options.get("compression_level") is not None:
        return
    check_pixels(found, report.plan.image, case, samples_first=False)
    for pixels, level in zip(coarse, report.plan.levels[1:], strict=True):
        assert pixels.size == np.prod(level.shape)


def check_image(report: Any, case: Case, folder: Path) -> None:
    (path,) = folder.iterdir()
    assert Path(report.target) == path
    if path.suffix.lower() in (".tif", ".tiff"):
        found = tifffile.imread(path)
    else:
        with Image.open(path) as picture:
            found = np.asarray(picture)
    assert found.shape[:2] == report.plan.size[::-1]
    if not case.options.get("raw"):
        assert found.dtype == np.uint8


def check_movie(report: Any, folder: Path) -> None:
    import av

    (path,) = folder.iterdir()
    assert Path(report.target) == path
    width, height = report.plan.size
    if path.suffix.lower() in (".gif", ".webp", ".apng", ".png"):
        with Image.open(path) as movie:
            assert movie.size == (width, height)
            assert movie.n_frames <= report.plan.n_frames
        return
    with av.open(os.fsencode(path).decode("utf-8", "surrogateescape")) as movie:
        frames = list(movie.decode(video=0))
    assert len(frames) == report.plan.n_frames
    assert (frames[0].width - width, frames[0].height - height) in {(0, 0), (0, 1), (1, 0), (1, 1)}


def timed(verb: str, case: Case) -> tuple[str, float]:
    """Return the outcome and its seconds."""
    start = time.perf_counter()
    return outcome(verb, case), time.perf_counter() - start
