"""Whatever stops an export stops it within two seconds, and nothing of it is left.

What ends ffmpeg and a hanging source is in `stores/test_movie.py` and `test_refusals.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nbexport
import nbexport.testing
from nbexport.stores._interrupts import interrupts_held

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
FORMATS = [".ome.zarr", ".ozx", ".ome.tif", ".mp4", ".apng"]

# A child that exports something long, and then tells what is left of it in the process.
CHILD = """
import faulthandler, json, os, sys, tempfile, threading, time
from pathlib import Path
import dask.array as da_, numpy as np, xarray as xr
import nbexport
target, how = Path(sys.argv[1]), sys.argv[2]
tempfile.tempdir = sys.argv[3]
faulthandler.dump_traceback_later(40, exit=True)  # where it hangs, if it does
WRITERS = {".ome.zarr": nbexport.write_ome_zarr, ".ozx": nbexport.write_ome_zarr,
           ".ome.tif": nbexport.write_ome_tiff, ".mp4": nbexport.write_movie,
           ".apng": nbexport.write_movie}
suffix = "." + target.name.partition(".")[2]

def slow(block_info=None):
    time.sleep(0.05)
    return np.random.default_rng(0).integers(0, 2**16, (1, 256, 256), dtype="uint16")

def image(n):
    pixels = da_.map_blocks(slow, chunks=((1,) * n, (256,), (256,)), dtype="uint16",
                            meta=np.zeros((0, 0, 0), "u2"))
    return xr.DataArray(pixels, dims=("t", "y", "x"))

def left():
    fds = len(os.listdir("/proc/self/fd"))
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    threads = [t.name for t in threading.enumerate() if t.name.startswith("nbexport")]
    return {"fds": fds, "children": len(children), "threads": threads}

options = {"window": (0, 65535)} if suffix in (".mp4", ".apng") else {}
WRITERS[suffix](image(2), target.with_name("warm" + suffix), progress=False, **options)
before = left()
stopped = []

def progress(p):
    if p.done == 4:
        stopped.append(time.monotonic())
        print("working", flush=True)
        if how == "raise":
            raise LookupError("enough")

try:
    WRITERS[suffix](image(2000), target, progress=progress, **options)
except (KeyboardInterrupt, LookupError) as error:
    seconds = time.monotonic() - stopped[0]
    time.sleep(1)  # what still computed when it was stopped ends by itself
    print(json.dumps({"error": type(error).__name__, "seconds": seconds,
                      "before": before, "after": left()}), flush=True)
"""


@POSIX
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counted in /proc")
@pytest.mark.parametrize("how", ["interrupt", "raise"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_stopped_export_leaves_nothing(suffix, how, tmp_path):
    folder, scratch = tmp_path / "folder", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    target = folder / f"a{suffix}"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(target), how, str(scratch)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        first = child.stdout.readline()
        assert first == "working\n", child.stderr.read()
        if how == "interrupt":
            # As a terminal does it: to all processes of the group.
            os.killpg(child.pid, signal.SIGINT)
        out, words = child.communicate(timeout=60)
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    assert words == ""
    told = json.loads(out.splitlines()[-1])
    assert told["error"] == {"interrupt": "KeyboardInterrupt", "raise": "LookupError"}[how]
    assert told["seconds"] < 2
    assert told["after"]["children"] == 0
    assert told["after"]["threads"] == []
    assert told["after"]["fds"] <= told["before"]["fds"]
    assert [path.name for path in folder.iterdir()] == [f"warm{suffix}"]
    assert [*scratch.iterdir()] == []


@pytest.fixture
def plain_interrupts():
    """Give Python's own handler, as in a script and in a cell; processes of a test run ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@POSIX
def test_an_interrupt_waits_for_the_end_of_what_must_not_be_cut(plain_interrupts):
    reached = []

    def interrupted(then: Callable[[], object]) -> None:
        with interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            then()

    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: reached.append("the end"))
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # An error inside is what led to the interrupt, as far as anyone can tell.
    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted(lambda: {}["something"])
    assert isinstance(caught.value.__context__, KeyError)


@POSIX
def test_a_handler_of_the_user_is_left_alone(plain_interrupts):
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append("now"))
    with interrupts_held():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert heard == ["now"]


def test_other_threads_hold_nothing(plain_interrupts):
    def inside() -> object:
        with interrupts_held():
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(inside).result() is signal.getsignal(signal.SIGINT)
    assert inside() is not signal.getsignal(signal.SIGINT)  # here it would


def test_a_cluster_that_is_closed_in_the_middle(tmp_path):
    """The client goes while its workers write."""
    distributed = pytest.importorskip("distributed")
    da = nbexport.testing.cells(t=40, c=1, y=64, x=64, chunks={"t": 1})
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        closed = []

        def progress(p):
            if p.done == 3:
                closed.append(time.monotonic())
                client.close()

        with pytest.raises(nbexport.ExportError) as caught:
            nbexport.write_ome_zarr(
                da,
                tmp_path / "a.ome.zarr",
                chunks={"t": 1},
                client=client,
                progress=progress,
            )
        assert time.monotonic() - closed[0] < 2
    assert str(caught.value)
    assert [*tmp_path.iterdir()] == []
