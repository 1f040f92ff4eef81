"""Exports that are killed: nothing lost, nothing half there, nothing left after the next one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import zarr
from killing import ZARR, Nursery, export, slow, volume
from kills import KINDS, content, kill_locally, kill_remotely

import nbexport
from nbexport import TargetError
from nbexport.stores.targets import _partial
from nbexport.stores.targets._owner import Owner

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are POSIX"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
]


@pytest.fixture(scope="module")
def nursery(s3):
    nursery = Nursery()  # with the environment that the servers need
    yield nursery
    nursery.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_local_kills(nursery, kind, tmp_path):
    tally = kill_locally(nursery, kind, 3, tmp_path, seed=1)
    assert tally.killed > 0


@pytest.mark.parametrize("kind", ["new", "replaced"])
def test_a_few_remote_kills(nursery, bucket, kind, tmp_path):
    tally = kill_remotely(nursery, bucket, kind, 3, tmp_path, seed=2)
    assert tally.killed > 0


def killed_midway(nursery, path, **options):
    """Leave what an export leaves that was killed after some of its blocks."""
    pid = nursery.begin(kind="ome-zarr", target=str(path), seconds=0.05, **options)
    for _ in range(1000):
        time.sleep(0.01)
        (journal,) = [*path.parent.glob(f".{path.name}.partial-*/journal")] or [None]
        if journal is not None and journal.read_bytes().count(b"\n") > 3:
            break
    os.kill(pid, signal.SIGKILL)
    assert nursery.end() == "killed"
    (folder,) = path.parent.glob(f".{path.name}.partial-????????")
    return folder


def test_the_next_export_removes_what_was_left_and_says_so(nursery, tmp_path):
    path = tmp_path / "a.ome.zarr"
    folder = killed_midway(nursery, path)
    assert (tmp_path / ".a.ome.zarr.partial-lock").exists()
    neighbour = tmp_path / ".b.ome.zarr.partial-00000000"
    neighbour.mkdir()
    unknown = tmp_path / ".a.ome.zarr.partial-mine"
    unknown.mkdir()
    (unknown / "mine").touch()
    begun = tmp_path / ".a.ome.zarr.partial-11111111"  # killed before it knew its owner
    begun.mkdir()
    report = export("ome-zarr", path)
    (note,) = report.notes
    assert note.startswith(f"'{folder.name}', left by a killed export (process ")
    assert note.endswith(", was removed")
    assert {p.name for p in tmp_path.iterdir()} == {"a.ome.zarr", neighbour.name, unknown.name}


def killed_while_it_removes(kind: str, path: str, n_removed: int) -> None:
    unlink, seen = os.unlink, []

    def counted(name, *args, **kwargs):
        if any(Path(path).parent.glob(".*.partial-????????")):
            seen.append(name)
            if len(seen) == n_removed:
                os.kill(os.getpid(), signal.SIGKILL)
        unlink(name, *args, **kwargs)

    os.unlink = counted
    export(kind, path, seed=0, overwrite=True, workers=1)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("n_removed", [1, 2, 3, 10, 30])
@pytest.mark.parametrize("kind", ["ome-zarr", "ome-tiff"])
def test_killed_while_it_removes_what_it_needs_no_more(kind, n_removed, tmp_path):
    """Half of a folder is still known to be ours: the name of its owner goes last."""
    path = tmp_path / {"ome-zarr": "a.ome.zarr", "ome-tiff": "a.ome.tif"}[kind]
    export(kind, path, seed=1)
    fork = multiprocessing.get_context("fork")
    child = fork.Process(target=killed_while_it_removes, args=(kind, str(path), n_removed))
    child.start()
    child.join(60)
    assert child.exitcode in ((0, -signal.SIGKILL) if kind == "ome-tiff" else (-signal.SIGKILL,))
    export(kind, path, seed=2, overwrite=True)
    if kind == "ome-zarr":
        np.testing.assert_array_equal(zarr.open_array(path / "0")[:], volume(2).values)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_another_machine_left_stays(tmp_path, monkeypatch):
    """Its disk may be shared, and locks of it need not be."""
    path = tmp_path / "a.ome.zarr"
    folder = tmp_path / ".a.ome.zarr.partial-00000000"
    folder.mkdir()
    (folder / "owner").write_text(Owner(host="elsewhere", pid=1, started=None).text())
    (folder / "a.ome.zarr").mkdir()
    (note,) = export("ome-zarr", path).notes
    assert note == (
        f"'{folder}' was left by process 1 on elsewhere; remove it if no export runs there any "
        "longer"
    )
    assert folder.exists()


@pytest.mark.parametrize("kind", ["ome-zarr", "ome-tiff", "movie"])
def test_of_two_processes_one_wins_and_one_is_told(nursery, kind, tmp_path):
    name = {"ome-zarr": "a.ome.zarr", "ome-tiff": "a.ome.tif", "movie": "a.mp4"}[kind]
    path = tmp_path / name
    pid = nursery.begin(kind=kind, target=str(path), seconds=1.0)
    lock = tmp_path / f".{name}.partial-lock"
    while not lock.exists() or not lock.read_bytes():
        time.sleep(0.005)
    with pytest.raises(TargetError) as caught:
        export(kind, path, overwrite=True)
    owner = Owner(host=Owner.this().host, pid=pid, started=None)
    assert str(caught.value) == (
        f"another export is writing '{path}' right now ({owner}); wait until it is done, or "
        "choose another target"
    )
    assert nursery.end() == "done"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def run_two(first, second):
    """Run both exports, the second once the first has computed a block; return their errors."""
    errors = []
    begun = threading.Event()

    def run(function, *args):
        try:
            function(*args)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, args=(first, begun))
    thread.start()
    assert begun.wait(30)
    run(second)
    thread.join()
    return errors


def test_of_two_threads_one_wins_and_one_is_told(tmp_path):
    path = tmp_path / "a.ome.zarr"
    options = {"progress": False, "client": False, **ZARR}

    def first(begun):
        da = slow(volume(), 0.05)
        nbexport.write_ome_zarr(da, path, **{**options, "progress": lambda p: begun.set()})

    (error,) = run_two(first, lambda: nbexport.write_ome_zarr(volume(1), path, **options))
    assert isinstance(error, TargetError)
    assert f"another export is writing '{path}' right now (process {os.getpid()}" in str(error)
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], volume().values)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_of_two_exports_to_one_url_the_second_is_told(bucket, memory):
    for url, how in ((bucket.url, bucket.options), ("memory://a.ome.zarr", {})):
        options = {"progress": False, "client": False, "storage_options": how, **ZARR}

        def first(begun, url=url, options=options):
            da = slow(volume(), 0.05)
            nbexport.write_ome_zarr(da, url, **{**options, "progress": lambda p: begun.set()})

        (error,) = run_two(
            first,
            lambda: nbexport.write_ome_zarr(volume(1), url, **options),  # noqa: B023
        )
        assert isinstance(error, TargetError)
        assert f"another export is writing '{url}' right now (process {os.getpid()}" in str(error)
        array = zarr.open_array(f"{url}/0", mode="r", storage_options=how or None)
        np.testing.assert_array_equal(array[:], volume().values)


def test_the_export_of_another_machine_takes_a_url_over_and_the_first_is_told(bucket):
    """From there nobody can say whether this one still runs; it must not spoil the other's."""
    key = "sub/cells.ome.zarr/nbexport.partial/header"
    theirs = b'{"owner": {"host": "elsewhere", "pid": 1, "started": null}, "token": "theirs"}'

    def taken_over(progress):
        if progress.done == 2:
            bucket.put(key, theirs)

    with pytest.raises(TargetError) as caught:
        nbexport.write_ome_zarr(
            volume(),
            bucket.url,
            storage_options=bucket.options,
            progress=taken_over,
            client=False,
            **ZARR,
        )
    assert str(caught.value) == (
        f"another export to '{bucket.url}' began while this one was writing, so this one stopped "
        "and published nothing; look at what the other one writes"
    )
    found = bucket.objects()
    assert bucket.content(key) == theirs
    assert "sub/cells.ome.zarr/zarr.json" not in found
    assert any("/0/c/" in name for name in found)  # what may be the other's by now


def test_a_mark_beside_a_whole_zarr_does_no_harm(bucket, tmp_path):
    """Killed after the root metadata came, before the mark went."""
    options = {"storage_options": bucket.options}
    export("ome-zarr", bucket.url, **options)
    before = bucket.objects()
    dead = Owner(host=Owner.this().host, pid=2**22 + 1, started=None)
    bucket.put(
        "sub/cells.ome.zarr/nbexport.partial/header",
        f'{{"owner": {dead.text()}, "token": "gone"}}'.encode(),
    )
    with pytest.raises(nbexport.TargetExistsError):
        export("ome-zarr", bucket.url, **options)
    with pytest.raises(nbexport.TargetExistsError):
        export("ome-zarr", bucket.url, resume=True, **options)
    for resume in (False, True):
        export("ome-zarr", bucket.url, overwrite=True, resume=resume, **options)
        assert bucket.objects() == before


def test_an_old_folder_comes_back_where_folders_cant_change_places(tmp_path, monkeypatch):
    """Killed between two renames, on a system or a disk that can't exchange names in one go."""
    path = tmp_path / "a.ome.zarr"
    export("ome-zarr", path, seed=1)
    old = content(path)
    folder = tmp_path / ".a.ome.zarr.partial-00000000"
    folder.mkdir()
    (folder / "owner").write_text(Owner(host=Owner.this().host, pid=1, started=None).text())
    path.rename(folder / "replaced")
    with pytest.raises(TargetError) as caught:
        export("ome-zarr", path)
    assert str(caught.value) == (
        f"an export to '{path}' was killed while it took the place of the old one, which is back "
        "there now; run it again, with overwrite=True to replace it"
    )
    assert content(path) == old
    monkeypatch.setattr(_partial, "exchanged", lambda made, path: False)
    export("ome-zarr", path, overwrite=True)
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], volume().values)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_folders_change_places_at_one_moment_here(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / folder.name).touch()
    assert _partial.exchanged(one, other)
    assert [p.name for p in one.iterdir()] == ["other"]
    assert not _partial.exchanged(one, tmp_path / "nothing")


def test_a_disk_without_locks_is_told_by_the_process(tmp_path, monkeypatch):
    path = tmp_path / "a.ome.zarr"
    monkeypatch.setattr(_partial, "try_lock", lambda descriptor: None)
    lock = tmp_path / ".a.ome.zarr.partial-lock"
    lock.write_text(Owner.this().text())
    with pytest.raises(TargetError, match=r"another export is writing .* right now"):
        export("ome-zarr", path)
    dead = Owner(host=Owner.this().host, pid=os.getpid(), started=0)  # the number came again
    lock.write_text(dead.text())
    export("ome-zarr", path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


@pytest.mark.parametrize("n_busy", [2, 99])
def test_windows_is_asked_again_while_a_scanner_holds_a_file(tmp_path, monkeypatch, n_busy):
    monkeypatch.setattr(_partial, "_RENAME_PAUSES_S", (0.0,) * 5)
    asked = []

    def rename():
        asked.append(1)
        if len(asked) <= n_busy:
            error = PermissionError(13, "in use")
            error.winerror = 32
            raise error

    with suppress(PermissionError):
        _partial._patiently(rename)
    assert len(asked) == min(n_busy + 1, 6)


def test_windows_takes_long_paths():
    long = "\\" + "a" * 200
    assert _partial.long_path("C:" + long, windows=True) == "\\\\?\\C:" + long
    assert _partial.long_path("\\\\server" + long, windows=True) == "\\\\?\\UNC\\server" + long
    assert _partial.long_path("C:\\short", windows=True) == "C:\\short"
    assert _partial.long_path("/" + "a" * 200, windows=False) == "/" + "a" * 200
