"""A disk or a folder that gives way in the middle: one clear error, and the old target whole.

A full disk, a read-only one and a failing source are in `test_refusals.py`, servers in
`stores/test_remote.py` and `stores/test_server_faults.py`.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import shutil
import threading
from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr

import nbexport
from nbexport import ExportError, SourceError, TargetError

WRITERS = {
    ".ome.zarr": nbexport.write_ome_zarr,
    ".ozx": nbexport.write_ome_zarr,
    ".ome.tif": nbexport.write_ome_tiff,
    ".mp4": nbexport.write_movie,
    ".apng": nbexport.write_movie,
    ".png": nbexport.write_image,
}
EVERY = pytest.mark.parametrize("suffix", WRITERS)
# What runs while frames or blocks are still to come; a picture is one write at the end.
SEVERAL = pytest.mark.parametrize("suffix", [s for s in WRITERS if s != ".png"])


def noise(n: int = 6, size: int = 256, hook=None) -> xr.DataArray:
    """Return lazy noise; `hook` is called with the number of the frame that is computed."""

    def frame(block_info=None):
        i = block_info[None]["chunk-location"][0]
        if hook is not None:
            hook(i)
        return np.random.default_rng(i).integers(0, 2**16, (1, size, size), dtype="uint16")

    pixels = dask.array.map_blocks(
        frame, chunks=((1,) * n, (size,), (size,)), dtype="uint16", meta=np.zeros((0, 0, 0), "u2")
    )
    return xr.DataArray(pixels, dims=("t", "y", "x"))


def write(suffix: str, folder: Path, hook=None, **options):
    quiet = {} if suffix == ".png" else {"progress": False}
    if suffix in (".mp4", ".apng", ".png"):
        quiet["window"] = (0, 65535)
    quiet["workers"] = 1
    return WRITERS[suffix](noise(hook=hook), folder / f"a{suffix}", **(quiet | options))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def limited():
    """Limit how large a file may become, as a quota does; a process may, with no rights."""
    resource = pytest.importorskip("resource", reason="limits are POSIX's")

    @contextlib.contextmanager
    def limit(nbytes):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@EVERY
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_may_not_become_so_large(suffix, overwrite, limited, tmp_path):
    """EFBIG, of a file system or a limit, comes from within a worker, a zip, or ffmpeg."""
    if overwrite:
        write(suffix, tmp_path)
    before = tree(tmp_path)
    with limited(20_000), pytest.raises(TargetError, match=r"(?i)too large|could not be encoded"):
        write(suffix, tmp_path, overwrite=overwrite)
    assert tree(tmp_path) == before
    assert len([*tmp_path.iterdir()]) == overwrite


@pytest.mark.parametrize("code", [errno.EDQUOT, errno.ENOSPC, errno.EIO, errno.EROFS, errno.ESTALE])
@pytest.mark.parametrize("level", [0, 1])
def test_one_level_can_not_be_written(code, level, tmp_path, monkeypatch):
    """As by a quota that is reached on some level."""
    from zarr.storage import LocalStore

    def failing(put):
        def refused(self, key, value, *args):
            if f"{level}/c/" in key:
                raise OSError(code, os.strerror(code))
            return put(self, key, value, *args)

        return refused

    # Chunks are put by the one or by the other; zarr 3.1 has only the first.
    for name in {"set", "set_sync"} & set(dir(LocalStore)):
        monkeypatch.setattr(LocalStore, name, failing(getattr(LocalStore, name)))
    with pytest.raises(TargetError) as caught:
        nbexport.write_ome_zarr(noise(), tmp_path / "a.ome.zarr", levels=2, progress=False)
    full = code in (errno.EDQUOT, errno.ENOSPC)
    assert ("is full after" if full else os.strerror(code)) in str(caught.value)
    assert "nothing was left there" in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert [*tmp_path.iterdir()] == []


@SEVERAL
def test_the_folder_is_removed_in_the_middle(suffix, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    def hook(i):
        if i == 3:
            shutil.rmtree(folder, ignore_errors=True)

    with pytest.raises(TargetError) as caught:
        write(suffix, folder, hook)
    assert str(folder) in str(caught.value) or f"a{suffix}" in str(caught.value)
    left = [p for p in tmp_path.rglob("*") if p != folder and not p.is_dir()]
    assert left == []


@SEVERAL
def test_the_partial_export_is_removed_in_the_middle(suffix, tmp_path):
    """As somebody does who cleans up hidden folders; nothing incomplete is published."""

    def hook(i):
        if i == 3:
            for partial in tmp_path.glob(".*partial*"):
                shutil.rmtree(partial, ignore_errors=True)

    with pytest.raises(TargetError):
        write(suffix, tmp_path, hook)
    assert not (tmp_path / f"a{suffix}").exists()


@SEVERAL
def test_the_target_appears_in_the_middle(suffix, tmp_path):
    """What somebody else put there meanwhile is not replaced without being asked."""
    target = tmp_path / f"a{suffix}"

    def hook(i):
        if i == 3 and not target.exists():
            target.mkdir()
            (target / "thesis.txt").write_text("mine")

    with pytest.raises(ExportError):
        write(suffix, tmp_path, hook)
    assert tree(tmp_path) == {f"a{suffix}/thesis.txt": b"mine"}


@EVERY
@pytest.mark.parametrize("error", [OSError(errno.EIO, "the share is gone"), MemoryError("no")])
def test_a_source_on_a_disk_that_fails(suffix, error, tmp_path):
    """An OSError of the source is no trouble of the target."""

    def hook(i):
        if i == 0:
            raise error

    with pytest.raises(SourceError, match=type(error).__name__) as caught:
        write(suffix, tmp_path, hook)
    assert caught.value.__cause__ is error
    assert [*tmp_path.iterdir()] == []


@SEVERAL
def test_a_process_without_free_descriptors(suffix, tmp_path):
    resource = pytest.importorskip("resource", reason="limits are POSIX's")
    write(suffix, tmp_path)  # what is imported and opened on first use
    before, old = tree(tmp_path), resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()  # what other tests left open must not be closed in the middle
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, old[1]))
    try:
        with pytest.raises(ExportError) as caught:
            write(suffix, tmp_path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
    assert str(caught.value)
    # Without a descriptor no folder can be emptied; the next export does that.
    assert (tree(tmp_path)).items() >= before.items()
    write(suffix, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


def test_threads_can_not_be_started(tmp_path, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises((ExportError, RuntimeError)):
            write(".ome.tif", tmp_path)
    assert [*tmp_path.iterdir()] == []
