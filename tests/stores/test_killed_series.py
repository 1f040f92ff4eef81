"""A series whose making is killed, and two processes that write one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import zarr
from kills import content

from nbexport import PlanError, TargetError, TargetExistsError
from nbexport.stores.ome_zarr import _series as zarr_series
from nbexport.stores.targets._owner import Owner
from nbexport.writers import OmeZarrWriter

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are POSIX"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
FIRST = np.arange(64, dtype="uint16").reshape(8, 8)
SECOND = FIRST + 100


def pixels(path: Path, image: str) -> np.ndarray:
    return zarr.open_array(path / image / "0", mode="r")[...].reshape(8, 8)


def killed_at(rename_number: int, path: Path) -> None:
    """Be killed right before the rename of this number that makes the image a series."""
    writer = OmeZarrWriter(path)
    writer.write_image(FIRST)
    rename, seen = Path.rename, []

    def counted(self, target):
        if "series" in (self.name, Path(target).parent.name):
            seen.append(self)
            if len(seen) == rename_number:
                os.kill(os.getpid(), signal.SIGKILL)
        return rename(self, target)

    Path.rename = counted
    writer.write_image(SECOND)


def in_a_child(function, *args) -> int:
    child = multiprocessing.get_context("fork").Process(target=function, args=args)
    child.start()
    child.join(60)
    assert child.exitcode is not None
    return child.exitcode


def test_killed_before_the_image_moved(tmp_path):
    path = tmp_path / "a.ome.zarr"
    assert in_a_child(killed_at, 1, path) == -signal.SIGKILL
    np.testing.assert_array_equal(pixels(path, "."), FIRST)
    writer = OmeZarrWriter(path, overwrite=True)
    writer.write_image(SECOND)
    writer.write_image(FIRST)
    np.testing.assert_array_equal(pixels(path, "0"), SECOND)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_killed_while_nothing_is_there_the_image_comes_back(tmp_path):
    path = tmp_path / "a.ome.zarr"
    assert in_a_child(killed_at, 2, path) == -signal.SIGKILL
    assert not path.exists()
    with pytest.raises(TargetError) as caught:
        OmeZarrWriter(path).write_image(SECOND)
    assert str(caught.value) == (
        f"an export to '{path}' was killed while its first image became part of a series; the "
        "image is back there now, look at it, or write the series with overwrite=True"
    )
    np.testing.assert_array_equal(pixels(path, "."), FIRST)
    OmeZarrWriter(path, overwrite=True).write_image(SECOND)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def held_while(path: Path, ready, go) -> None:
    writer = OmeZarrWriter(path)
    writer.write_image(FIRST)
    create = zarr_series._create

    def slowly(*args):
        ready.set()
        assert go.wait(60)
        create(*args)

    zarr_series._create = slowly
    writer.write_image(SECOND)


def test_while_one_process_makes_a_series_another_is_told(tmp_path):
    path = tmp_path / "a.ome.zarr"
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    child = context.Process(target=held_while, args=(path, ready, go))
    child.start()
    try:
        assert ready.wait(60)
        with pytest.raises(TargetError) as caught:
            OmeZarrWriter(path, overwrite=True).write_image(FIRST)
        owner = Owner(host=Owner.this().host, pid=child.pid, started=None)
        assert str(caught.value) == (
            f"another export is writing '{path}' right now ({owner}); wait until it is done, or "
            "choose another target"
        )
    finally:
        go.set()
        child.join(60)
    assert child.exitcode == 0
    for image, wanted in (("0", FIRST), ("1", SECOND)):
        np.testing.assert_array_equal(pixels(path, image), wanted)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_an_image_that_another_process_added_stays(tmp_path):
    path = tmp_path / "a.ome.zarr"
    one = OmeZarrWriter(path)
    one.write_image(FIRST)
    one.write_image(FIRST)
    zarr.create_array(path / "2" / "0", data=SECOND)
    with pytest.raises(TargetExistsError) as caught:
        one.write_image(FIRST)
    assert str(caught.value) == (
        f"'{path / '2'}' exists, and was not there when this series began; another export adds to "
        "it, choose another target"
    )
    np.testing.assert_array_equal(pixels(path, "2"), SECOND)


def test_an_image_that_another_process_made_a_series_is_left_as_it_is(tmp_path):
    path = tmp_path / "a.ome.zarr"
    one = OmeZarrWriter(path)
    one.write_image(FIRST)
    other = OmeZarrWriter(path, overwrite=True)
    for _ in range(3):
        other.write_image(SECOND)
    before = content(path)
    with pytest.raises((TargetError, PlanError)) as caught:
        one.write_image(FIRST)
    assert str(caught.value) == (
        f"'{path}' is no longer the image that was written there, so it was not made a series; "
        "another program has changed it, choose another target"
    )
    assert content(path) == before
