"""Exports beside each other: in threads, in event loops, in children, and two to one target."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask.array
import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr
from PIL import Image

import nbexport
from nbexport import ExportError

WRITERS = {
    ".ome.zarr": nbexport.write_ome_zarr,
    ".ozx": nbexport.write_ome_zarr,
    ".ome.tif": nbexport.write_ome_tiff,
    ".gif": nbexport.write_movie,
    ".mp4": nbexport.write_movie,
    ".png": nbexport.write_image,
}


def image(value: int, size: int = 64) -> xr.DataArray:
    pixels = np.full((3, size, size), value, "uint8")
    coords = {"t": ("t", np.arange(3.0), {"units": "s"})}
    return xr.DataArray(pixels, dims=("t", "y", "x"), coords=coords).chunk({"t": 1})


def write(folder: Path, suffix: str, value: int) -> Path:
    quiet = {} if suffix == ".png" else {"progress": False}
    if suffix in (".gif", ".mp4", ".png"):
        quiet["window"] = (0, 255)
    return Path(WRITERS[suffix](image(value), folder / f"a{value}{suffix}", **quiet).target)


def assert_holds(path: Path, value: int) -> None:
    """Assert that all pixels are `value`, by other people's readers."""
    suffix = path.name.partition(".")[2]
    if suffix == "ome.zarr":
        pixels = zarr.open_group(path, mode="r")["0"][:]
    elif suffix == "ozx":
        with zarr.storage.ZipStore(path, mode="r") as store:
            pixels = zarr.open_group(store, mode="r")["0"][:]
    elif suffix == "ome.tif":
        pixels = tifffile.imread(path)
    elif suffix == "mp4":
        import av

        with av.open(str(path)) as movie:
            pixels = np.stack([f.to_ndarray(format="rgb24") for f in movie.decode(video=0)])
        assert len(pixels) == 3
        np.testing.assert_allclose(pixels.astype(int), value, atol=3)
        return
    else:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    assert pixels.size
    assert set(np.unique(pixels)) == {value}


def test_all_formats_at_once_in_one_process(tmp_path):
    """Each export has its own pixels, whatever runs beside it."""
    jobs = [(suffix, 10 * i + j) for i, suffix in enumerate(WRITERS) for j in range(3)]
    together = threading.Barrier(6)

    def one(job):
        if together.n_waiting < together.parties and job[1] % 10 == 0:
            together.wait(30)
        return write(tmp_path, *job)

    with ThreadPoolExecutor(len(jobs)) as pool:
        paths = list(pool.map(one, jobs))
    for (_, value), path in zip(jobs, paths, strict=True):
        assert_holds(path, value)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_inside_a_running_event_loop(tmp_path):
    """Jupyter runs every cell inside one."""

    async def cell():
        paths = [write(tmp_path, suffix, 7) for suffix in WRITERS]
        assert asyncio.get_running_loop().is_running()
        return paths

    for path in asyncio.run(cell()):
        assert_holds(path, 7)


def test_beside_a_running_event_loop(tmp_path):
    """Exports in an executor leave the loop free."""

    async def cells():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        paths = await asyncio.gather(
            *(asyncio.to_thread(write, tmp_path, suffix, 8) for suffix in WRITERS)
        )
        ticking.cancel()
        return paths, ticks

    paths, ticks = asyncio.run(cells())
    for path in paths:
        assert_holds(path, 8)
    assert ticks > 5


def exported_in_a_child(folder: str, queue) -> None:
    try:
        queue.put([str(write(Path(folder), suffix, 9)) for suffix in WRITERS])
    except BaseException as error:  # what the parent asserts on
        queue.put(repr(error))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_in_a_child_process(how, tmp_path):
    """The parent exported before, so its threads, locks and loops are there to be inherited."""
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {how}")
    (tmp_path / "parent").mkdir()
    for suffix in WRITERS:
        write(tmp_path / "parent", suffix, 5)
    (tmp_path / "child").mkdir()
    context = multiprocessing.get_context(how)
    queue = context.Queue()
    child = context.Process(target=exported_in_a_child, args=(str(tmp_path / "child"), queue))
    child.start()
    try:
        answer = queue.get(timeout=60)
    finally:
        child.join(10)
        if child.is_alive():
            child.kill()
            child.join()
    assert isinstance(answer, list), answer
    assert child.exitcode == 0
    for path in answer:
        assert_holds(Path(path), 9)


TWO = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_concurrency import image, WRITERS
import nbexport
target, value, go = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
suffix = "." + target.name.partition(".")[2]
quiet = {{}} if suffix == ".png" else {{"progress": False}}
if suffix in (".gif", ".mp4", ".png"):
    quiet["window"] = (0, 255)
try:
    WRITERS[suffix](image(value, 512), target, overwrite={overwrite}, **quiet)
    print("written", flush=True)
except nbexport.ExportError as error:
    print("refused", type(error).__name__, error, flush=True)
"""


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif", ".gif", ".png"])
def test_two_processes_to_one_target(suffix, overwrite, tmp_path):
    """At least one wins; what is there is all of one, and nothing else is left."""
    target, go = tmp_path / "out" / f"a{suffix}", tmp_path / "go"
    target.parent.mkdir()
    code = TWO.format(tests=str(Path(__file__).parent), overwrite=overwrite)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(target), str(value), str(go)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for value in (40, 200)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    go.write_text("")
    answers = [child.communicate(timeout=120) for child in children]
    assert [words for _, words in answers] == ["", ""]
    said = [text.split()[0] for text, _ in answers]
    assert "written" in said
    assert set(said) <= {"written", "refused"}
    winners = [value for value, one in zip((40, 200), said, strict=True) if one == "written"]
    found = []
    for value in winners:
        try:
            assert_holds(target, value)
            found.append(value)
        except AssertionError:
            continue
    assert len(found) == 1
    assert list(target.parent.iterdir()) == [target]


def test_two_threads_to_one_target(tmp_path):
    """In one process too: one of both is there, whole."""

    def one(value):
        try:
            nbexport.write_ome_zarr(image(value, 256), tmp_path / "a.ome.zarr", progress=False)
        except ExportError:
            return None
        return value

    with ThreadPoolExecutor(2) as pool:
        winners = [value for value in pool.map(one, (40, 200)) if value is not None]
    assert winners
    assert_holds(
        tmp_path / "a.ome.zarr", int(zarr.open_group(tmp_path / "a.ome.zarr")["0"][0, 0, 0])
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]


class Browser:
    """What a page would get from a panel."""

    def __init__(self, panel):
        self.panel = panel
        self.number = 0
        self._got = []
        self._come = threading.Condition()
        panel.send = self._take

    def _take(self, content, buffers=None):
        with self._come:
            self._got.append((content, buffers or []))
            self._come.notify_all()

    def plane(self, z: int) -> np.ndarray:
        """Ask for a plane of all pixels, and return it as it was sent."""
        self.number += 1
        order = {"type": "view", "view": "v", "number": self.number, "index": {"z": z}}
        self.panel._handle_custom_msg({**order, "region": [0, 64, 0, 64], "channels": [0]}, [])

        def last():
            assert [content for content, _ in self._got if content["type"] == "trouble"] == []
            wanted = (self.number, 1.0)
            found = [m for m in self._got if (m[0].get("number"), m[0].get("fraction")) == wanted]
            return found[0] if found else None

        with self._come:
            header, (raw,) = self._come.wait_for(last, 30)
        (channel,) = header["channels"]
        assert header["exact"]
        pixels = np.frombuffer(raw, f"u{channel['bits'] // 8}").reshape(64, 64)
        return channel["low"] + channel["step"] * pixels


def test_export_while_the_panel_previews(tmp_path):
    """One lazy array is looked at, changed in the panel, and exported twice, all at once."""
    pixels = np.random.default_rng(0).integers(0, 60000, (12, 64, 64), "uint16")
    exporting, together, seen = threading.Event(), threading.Event(), threading.Event()
    busy = []

    def compute(block):
        busy.append(1)
        if len(busy) > 1:
            together.set()
        time.sleep(0.02)
        busy.pop()
        return block

    lazy = dask.array.from_array(pixels, chunks=(1, 64, 64))
    lazy = lazy.map_blocks(compute, dtype="uint16", meta=np.zeros((0, 0, 0), "uint16"))
    da = xr.DataArray(lazy, dims=("z", "y", "x"), name="seen")
    panel = da.bioexport.panel(str(tmp_path / "panel.ome.zarr"))
    browser = Browser(panel)

    def export() -> Path:
        path = tmp_path / "call.ome.zarr"

        def hold(progress):  # until a plane has been seen, however busy the machine is
            exporting.set()
            assert seen.wait(30)

        nbexport.write_ome_zarr(da, path, workers=1, memory_budget=1, progress=hold, client=False)
        return path

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(export), pool.submit(lambda: Path(panel.export().target))]
        assert exporting.wait(30)
        n_seen = n_meanwhile = 0
        while not all(one.done() for one in both) or n_seen < 12:
            z = n_seen % 12
            np.testing.assert_array_equal(browser.plane(z), pixels[z])
            n_meanwhile += any(not one.done() for one in both)
            seen.set()
            # The panel's export is that of the state when it began.
            panel.state = panel.state.with_option("method", ("max", "min")[z % 2])
            assert ("max", "min")[z % 2] in panel.code
            n_seen += 1
        paths = [one.result(60) for one in both]
    assert n_meanwhile > 0
    assert together.is_set()
    for path in paths:
        np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[...], pixels)
    panel.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["call.ome.zarr", "panel.ome.zarr"]
