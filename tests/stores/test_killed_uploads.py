"""Temporary folders of uploads: those of killed exports go, those of others stay."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from killing import Nursery, export, volume
from movies import read_movie

from nbexport.stores.targets import _scratch
from nbexport.stores.targets._owner import Owner
from nbexport.stores.targets._scratch import remove_left, scratch

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are POSIX"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    tempfile.tempdir = None


@pytest.mark.parametrize("name", ["a.ome.tif", "a.mp4"])
def test_the_next_upload_removes_what_a_killed_one_left(name, s3, bucket, temporary, tmp_path):
    kind = "movie" if name == "a.mp4" else "ome-tiff"
    url = f"s3://{bucket.name}/{name}"
    nursery = Nursery()
    try:
        order = {"storage_options": bucket.options, "seconds": 0.3}
        pid = nursery.begin(kind=kind, target=url, **order)
        until = time.monotonic() + 30
        while not any(p.name == "owner" and p.stat().st_size for p in temporary.glob("*/*")):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.3)
        # What runs is left alone, by another process's exports.
        remove_left()
        (left,) = temporary.glob("nbexport-*")
        os.kill(pid, signal.SIGKILL)
        assert nursery.end() == "killed"
    finally:
        nursery.close()
    assert left.exists()
    assert bucket.objects() == {}
    # Any upload, to anywhere.
    export("ome-tiff", "memory://other.ome.tif", overwrite=True)
    assert [*temporary.glob("nbexport-*")] == []
    export(kind, url, storage_options=bucket.options)
    made = tmp_path / name
    made.write_bytes(bucket.content(name))
    if kind == "movie":
        assert len(read_movie(made).frames) == 6
    else:
        np.testing.assert_array_equal(tifffile.imread(made), volume().values)
    assert [*temporary.glob("nbexport-*")] == []


def left(temporary: Path, name: str, owner: Owner) -> Path:
    folder = temporary / f"nbexport-{name}"
    folder.mkdir()
    (folder / "owner").write_text(owner.text())
    (folder / "a.ome.tif").write_bytes(b"half")
    return folder


def test_folders_of_others_stay(temporary, monkeypatch):
    this = Owner.this()
    dead = Owner(host=this.host, pid=2**22 + 1, started=None)
    gone = [
        left(temporary, "dead", dead),
        left(temporary, "again", Owner(host=this.host, pid=this.pid, started=0)),
        left(temporary, "before", Owner(host=this.host, pid=1, started=None, boot="earlier")),
    ]
    stay = [
        left(temporary, "mine", this),
        left(temporary, "elsewhere", Owner(host="elsewhere", pid=2**22 + 1, started=None)),
        temporary / "nbexport-begun",
        temporary / "nbexport-user",
        temporary / "nbexport-link",
        temporary / "else-dead",
    ]
    stay[2].mkdir()
    stay[3].mkdir()
    (stay[3] / "notes").write_text("the user's own")
    outside = left(temporary.parent, "outside", dead)
    stay[4].symlink_to(outside)
    left(temporary, "x", dead).rename(stay[5])
    # Alive, in another container that shares this folder.
    held = left(temporary, "held", dead)
    with (held / "owner").open("r+") as file:
        assert _scratch.try_lock(file.fileno())
        remove_left()
        assert held.exists()
    assert not any(folder.exists() for folder in gone)
    assert all(folder.exists() for folder in stay)
    assert (outside / "a.ome.tif").exists()
    remove_left()
    assert not held.exists()
    for folder in stay[2:4]:
        os.utime(folder, (0, 0))
    remove_left()  # never came to naming its owner
    assert not stay[2].exists()
    assert (stay[3] / "notes").exists()
    monkeypatch.setattr(_scratch, "_user", lambda otherwise: otherwise + 1)
    other = left(temporary, "of-another-user", dead)
    remove_left()
    assert other.exists()


def test_threads_leave_each_other_alone(temporary):
    with scratch() as one, scratch() as other:
        assert one != other
        assert one.stat().st_mode & 0o777 == 0o700
        assert (one.parent / "owner").exists()
    assert [*temporary.iterdir()] == []
