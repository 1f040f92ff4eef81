"""Exports that are continued: the bytes of one that was never interrupted, each block made once."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress

import dask.array
import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster
from killing import Nursery
from kills import content

import nbexport
from nbexport import PlanError, SourceError, TargetError, VerifyError
from nbexport.stores.targets import _journal, _resume
from nbexport.stores.targets._owner import restarted_since
from nbexport.stores.targets._remote import RemoteZarr

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
]
OPTIONS = {"chunks": (1, 32, 32), "levels": 4, "progress": False, "client": False, "workers": 2}
SHARDED = {"chunks": (1, 16, 16), "shards": (2, 32, 32)}
# Blocks of one plane each, so that the coarser levels are made in later passes.
SMALL = {"memory_budget": "20 kB"}


def volume(n: int = 6, dtype: str = "uint16") -> xr.DataArray:
    rng = np.random.default_rng(0)
    # No zero block and no two alike; windows are percentiles of all planes.
    pixels = rng.gamma(2, 300, (n, 96, 80)).astype(dtype) + np.arange(1, n + 1)[:, None, None]
    return xr.DataArray(pixels.astype(dtype), dims=("z", "y", "x"), name="volume")


class Source:
    """Lazy planes that count their computations, and fail where they are told to."""

    def __init__(self, da: xr.DataArray | None = None, n_together: int = 1) -> None:
        self.da = volume() if da is None else da
        self.counts: Counter[int] = Counter()
        self.fails_at: dict[int, int] = {}
        self._lock = threading.Lock()
        self._n_together = n_together

    def array(self) -> xr.DataArray:
        def compute(block, block_info=None):
            z = block_info[0]["chunk-location"][0]
            with self._lock:
                self.counts[z] += 1
                if self.fails_at.get(z, 0) > 0:
                    self.fails_at[z] -= 1
                    raise ZeroDivisionError("the camera melted")
            return block

        chunks = (self._n_together, *self.da.shape[1:])
        pixels = dask.array.from_array(self.da.values, chunks=chunks)
        meta = np.zeros((0, 0, 0), self.da.dtype)
        return self.da.copy(data=pixels.map_blocks(compute, dtype=self.da.dtype, meta=meta))


def write(da, target, **options):
    return nbexport.write_ome_zarr(da, target, **{**OPTIONS, **options})


def interrupted(target, source=None, at=4, **options):
    """Leave what an export leaves whose source fails, and return the source."""
    source = source or Source()
    source.fails_at = {at: 10**6}
    with pytest.raises(SourceError, match="the camera melted") as caught:
        write(source.array(), target, resume=True, **options)
    source.fails_at = {}
    return source, caught.value


def partial_of(path):
    (folder,) = path.parent.glob(f".{path.name}.partial-????????")
    return folder


@pytest.mark.parametrize("more", [{}, SMALL, SHARDED, {"version": "0.4"}, {"verify": True}])
def test_a_continued_export_is_byte_for_byte_a_whole_one(more, tmp_path):
    whole = write(volume(), tmp_path / "whole.ome.zarr", **more)
    path = tmp_path / "a.ome.zarr"
    n_together = 2 if "shards" in more else 1
    source, error = interrupted(path, Source(n_together=n_together), at=2, **more)
    (note,) = error.__notes__
    folder = partial_of(path)
    done = dict(source.counts)
    assert note.endswith(
        f" finished blocks lie in '{folder}'; run the same export with resume=True to continue."
    )
    heard = []
    report = write(source.array(), path, resume=True, **{**more, "progress": heard.append})
    n_blocks = report.plan.n_blocks
    assert content(path) == content(tmp_path / "whole.ome.zarr")
    assert report.nbytes == whole.nbytes
    n = int(note.split()[0])
    assert f"{n} of {n_blocks} blocks were there from an earlier export that ended early" in (
        report.notes
    )
    assert [p.done for p in heard if p.what == path.name] == [*range(n + 1, n_blocks + 1)]
    assert max(p.nbytes for p in heard if p.what == path.name) == volume().nbytes
    assert n > 0
    assert sum(done.values()) > 0
    assert {p.name for p in tmp_path.iterdir()} == {"a.ome.zarr", "whole.ome.zarr"}


def test_no_finished_block_is_computed_again(tmp_path):
    """A plane is a block: those before the failing one are computed once, in all runs together.

    Other workers may finish planes behind the failing one: the next that fails is far from it.
    """
    path = tmp_path / "a.ome.zarr"
    options = {"chunks": (1, 96, 80), "levels": 2}
    source, error = interrupted(path, Source(volume(40)), at=4, **options)
    n = int(error.__notes__[0].split()[0])
    assert n >= 4
    interrupted(path, source, at=30, **options)  # and fails again, elsewhere
    write(source.array(), path, resume=True, **options)
    again = {z for z, count in source.counts.items() if count > 1}
    assert {4, 30} <= again
    assert not again & (set(range(4)) | set(range(16, 30)))


def test_later_passes_are_continued_too(tmp_path):
    """Stopped while level 1 is read back: the source is not asked at all any more."""
    path = tmp_path / "a.ome.zarr"
    source = Source()
    plan = nbexport.plan_export(
        source.array(), "ome-zarr", chunks=OPTIONS["chunks"], levels=4, workers=2, **SMALL
    )
    assert len(plan.passes) > 1

    def stop(progress):
        if progress.done == plan.passes[0].n_blocks + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        write(source.array(), path, resume=True, **{**SMALL, "progress": stop})
    assert "resume=True to continue" in caught.value.__notes__[0]
    source.counts.clear()
    write(source.array(), path, resume=True, **SMALL)
    assert source.counts == {}
    write(volume(), tmp_path / "whole.ome.zarr", **SMALL)
    assert content(path) == content(tmp_path / "whole.ome.zarr")


@pytest.mark.parametrize("more", [{}, SHARDED])
def test_what_the_journal_does_not_name_is_never_trusted(more, tmp_path):
    """Torn shards, chunks of other pixels, names that zarr had not given yet."""
    path = tmp_path / "a.ome.zarr"
    source, _ = interrupted(path, Source(n_together=2 if more else 1), at=2, **more)
    folder = partial_of(path)
    journal = folder / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    # One block is known; the line of the next was cut off by the kill.
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    known = {tuple(_journal._from_json(json.loads(line))[0]) for line in lines[1:2]}
    plan = nbexport.plan_export(
        source.array(), "ome-zarr", levels=4, workers=2, **({"chunks": (1, 32, 32)} | more)
    )
    blocks = [b for b in plan.passes[0].blocks() if (0, 0, b.index) not in known]
    torn = 0
    for level, grid in enumerate(plan.levels):
        unit = grid.write_unit
        for block in blocks:
            for at, box in block.writes:
                if at != level:
                    continue
                key = "/".join(str(a // u) for (a, _), u in zip(box, unit, strict=True))
                chunk = folder / path.name / str(level) / "c" / key
                chunk.parent.mkdir(parents=True, exist_ok=True)
                chunk.write_bytes(chunk.read_bytes()[:40] if chunk.exists() else b"torn")
                torn += 1
    assert torn >= 8
    (folder / path.name / "0" / f"zarr.{'0a' * 16}.partial").write_bytes(b"half")
    report = write(source.array(), path, resume=True, **more)
    assert report.notes[0].startswith("1 of ")
    write(volume(), tmp_path / "whole.ome.zarr", **more)
    assert content(path) == content(tmp_path / "whole.ome.zarr")


CHANGED = {
    "shape": (lambda: volume(5), {}, "shape 'z 6', 'y 96', 'x 80', and this one has 'z 5', "),
    "dtype": (lambda: volume(dtype="uint32"), {}, "dtype 'uint16', and this one has 'uint32'; "),
    "levels": (volume, {"levels": 3}, "levels 6, 96, 80, 6, 48, 40, 6, 24, 20, 6, 12, 10, and t"),
    "chunks": (volume, {"chunks": (1, 48, 32)}, "chunks 1, 32, 32, 1, 32, 32, 1, 24, 20, 1, 12"),
    "shards": (volume, {"shards": (2, 32, 32)}, "shards None, None, None, None, and this one has"),
    "method": (volume, {"method": "max"}, "method 'mean', and this one has 'max'; give the same"),
    "version": (volume, {"version": "0.6"}, "version '0.5', and this one has '0.6'; give the sam"),
    "compression": (volume, {"compression": "zstd"}, "compression 'blosc-zstd', and this one has"),
    "level": (volume, {"compression_level": 9}, "compression_level None, and this one has 9; gi"),
    "empty": (volume, {"skip_empty": True}, "skip_empty False, and this one has True; give the s"),
    "scale": (volume, {"scale": {"x": 2.0}}, "axes "),
    "name": (volume, {"name": "other"}, "name 'volume', and this one has 'other'; give the same"),
    "blocks": (volume, SMALL, "(they follow from memory_budget, workers and the chunks of the s"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_another_export_is_not_continued(what, tmp_path):
    path = tmp_path / "a.ome.zarr"
    source, _ = interrupted(path)
    before = content(partial_of(path))
    make, options, text = CHANGED[what]
    with pytest.raises(PlanError) as caught:
        write(Source(make()).array(), path, resume=True, **options)
    sentence = str(caught.value)
    assert sentence.startswith(
        f"resume=True can't continue the partial export of '{path}': it was begun with "
    )
    assert text in sentence
    assert sentence.endswith("give the same as then, or leave out resume to begin anew")
    after = content(partial_of(path))
    assert after == before
    write(source.array(), path)  # anew
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_where_there_is_nothing_to_continue_it_is_an_export(tmp_path):
    path = tmp_path / "a.ome.zarr"
    report = write(volume(), path, resume=True)
    assert report.notes == ()
    write(volume(), tmp_path / "whole.ome.zarr")
    assert content(path) == content(tmp_path / "whole.ome.zarr")


def test_nothing_stays_without_resume_or_before_the_first_block(tmp_path):
    source = Source()
    source.fails_at = {0: 100}
    for at, resume in ((0, True), (4, False)):
        source.fails_at = {at: 100}
        with pytest.raises(SourceError) as caught:
            write(source.array(), tmp_path / "a.ome.zarr", resume=resume, workers=1)
        assert not hasattr(caught.value, "__notes__")
        assert list(tmp_path.iterdir()) == []


def test_an_export_that_replaces_is_continued(tmp_path):
    path = tmp_path / "a.ome.zarr"
    write(volume(3), path)
    old = content(path)
    source, _ = interrupted(path, overwrite=True)
    assert content(path) == old
    write(source.array(), path, overwrite=True, resume=True)
    write(volume(), tmp_path / "whole.ome.zarr")
    assert content(path) == content(tmp_path / "whole.ome.zarr")


def test_an_old_image_is_never_taken_for_what_was_made(tmp_path, monkeypatch):
    """Killed after both changed places: the old one lies where the new one was made."""
    path = tmp_path / "a.ome.zarr"
    write(volume(3), path)
    with monkeypatch.context() as patch:
        patch.setattr("nbexport.stores.targets._local.discard", lambda folder, path: None)
        write(volume(), path, overwrite=True)
    assert (partial_of(path) / path.name / "0").is_dir()
    write(volume(), path, overwrite=True, resume=True)
    write(volume(), tmp_path / "whole.ome.zarr")
    assert content(path) == content(tmp_path / "whole.ome.zarr")
    assert not list(tmp_path.glob(".*"))


def test_a_journal_at_a_url_goes_before_what_it_speaks_of(bucket, monkeypatch, tmp_path):
    """Killed while it removed what another had left: no block of that is finished any more."""
    source, _ = interrupted(bucket.url, storage_options=bucket.options)
    remove = RemoteZarr._remove

    def killed(self, but=None):
        remove(self, but)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(RemoteZarr, "_remove", killed)
        with pytest.raises(SystemExit):
            write(source.array(), bucket.url, storage_options=bucket.options)
    source.counts.clear()
    report = write(source.array(), bucket.url, resume=True, storage_options=bucket.options)
    assert not any("earlier export" in note for note in report.notes)
    write(volume(), tmp_path / "whole.ome.zarr")
    keys = {key.removeprefix("sub/cells.ome.zarr/"): key for key in bucket.objects()}
    found = {key: bucket.content(full) for key, full in keys.items()}
    assert found == content(tmp_path / "whole.ome.zarr")


def test_one_file_can_not_be_continued(tmp_path):
    with pytest.raises(PlanError, match=r"resume=True can't continue '.*a\.ozx', which is one fi"):
        write(volume(), tmp_path / "a.ozx", resume=True)
    assert list(tmp_path.iterdir()) == []


def test_images_and_labels_are_continued_together(tmp_path):
    """Blocks are known across all parts: which image, which pass, which block."""
    images = {"one": volume(3), "two": volume(6)}
    options = {key: OPTIONS[key] for key in ("chunks", "levels", "progress", "client", "workers")}
    nbexport.write_images(images, tmp_path / "whole.ome.zarr", **options)
    source = Source(images["two"])
    source.fails_at = {3: 1}
    lazy = {"one": Source(images["one"]).array(), "two": source.array()}
    path = tmp_path / "a.ome.zarr"
    with pytest.raises(SourceError) as caught:
        nbexport.write_images(lazy, path, resume=True, **options)
    assert caught.value.__notes__
    report = nbexport.write_images(lazy, path, resume=True, **options)
    assert any("earlier export" in note for note in report.notes)
    assert content(path) == content(tmp_path / "whole.ome.zarr")
    labels = {"nuclei": (volume() // 400).astype("uint8")}
    write(volume(), tmp_path / "labelled.ome.zarr", labels=labels)
    source, _ = interrupted(tmp_path / "b.ome.zarr", labels=labels)
    write(source.array(), tmp_path / "b.ome.zarr", labels=labels, resume=True)
    assert content(tmp_path / "b.ome.zarr") == content(tmp_path / "labelled.ome.zarr")


@pytest.mark.parametrize("where", ["s3", "memory"])
def test_an_export_to_a_url_is_continued(where, bucket, memory, tmp_path):
    url = bucket.url if where == "s3" else "memory://a.ome.zarr"
    how = {"storage_options": bucket.options} if where == "s3" else {}
    source, error = interrupted(url, at=5, **how)
    assert error.__notes__[0].endswith(
        f"finished blocks lie in '{url}'; run the same export with resume=True to continue."
    )
    keys = bucket.objects() if where == "s3" else memory.find("/")
    assert any("nbexport.partial/lines-" in key for key in keys)
    assert not any(key.endswith("a.ome.zarr/zarr.json") for key in keys)
    with pytest.raises(PlanError, match=r"begun with method 'mean', and this one has 'max'"):
        write(source.array(), url, resume=True, method="max", **how)
    computed = sum(source.counts.values())
    report = write(source.array(), url, resume=True, **how)
    n = int(report.notes[0].split()[0])
    assert n > 0
    assert sum(source.counts.values()) - computed < computed
    write(volume(), tmp_path / "a.ome.zarr")
    expected = {f"/{key}": value for key, value in content(tmp_path / "a.ome.zarr").items()}
    if where == "s3":
        prefix = "sub/cells.ome.zarr"
        keys = [key for key in bucket.objects() if key.startswith(prefix)]
        found = {key.removeprefix(prefix): bucket.content(key) for key in keys}
    else:
        found = {k.removeprefix("/a.ome.zarr"): memory.cat_file(k) for k in memory.find("/")}
    assert found == expected


def test_what_a_failed_export_left_at_a_url_is_removed_by_the_next(bucket, tmp_path):
    interrupted(bucket.url, storage_options=bucket.options)
    report = write(volume(3), bucket.url, storage_options=bucket.options)
    (note,) = report.notes
    assert note.startswith("what a killed export (process ")
    write(volume(3), tmp_path / "a.ome.zarr")
    keys = {key.removeprefix("sub/cells.ome.zarr/") for key in bucket.objects()}
    assert keys == content(tmp_path / "a.ome.zarr").keys()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cluster_continues_what_threads_began(tmp_path):
    path = tmp_path / "a.ome.zarr"
    _, error = interrupted(path)
    n = int(error.__notes__[0].split()[0])
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, host="127.0.0.1",
            dashboard_address=":0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        pixels = dask.array.from_array(volume().values, chunks=(1, 96, 80))
        report = write(volume().copy(data=pixels), path, resume=True, client=client)
    assert report.notes[0].startswith(f"{n} of ")
    write(volume(), tmp_path / "whole.ome.zarr")
    assert content(path) == content(tmp_path / "whole.ome.zarr")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are POSIX")
def test_a_killed_export_is_continued_though_nobody_asked_before(tmp_path):
    """Every export keeps its journal: the first one ran without resume."""
    nursery = Nursery()
    from killing import ZARR, slow
    from killing import volume as theirs

    path = tmp_path / "a.ome.zarr"
    pid = nursery.begin(kind="ome-zarr", target=str(path), seconds=0.1)
    for _ in range(2000):
        time.sleep(0.005)
        with suppress(ValueError, OSError):  # no partial yet, or no journal in it
            if (partial_of(path) / "journal").read_bytes().count(b"\n") > 3:
                break
    os.kill(pid, signal.SIGKILL)
    assert nursery.end() == "killed"
    nursery.close()
    notes = tmp_path / "notes"
    notes.mkdir()
    options = {"progress": False, "client": False, **ZARR}
    report = nbexport.write_ome_zarr(slow(theirs(), 0, notes), path, resume=True, **options)
    assert int(report.notes[0].split()[0]) >= 3
    nbexport.write_ome_zarr(theirs(), tmp_path / "whole.ome.zarr", **options)
    assert content(path) == content(tmp_path / "whole.ome.zarr")
    assert not list(tmp_path.glob(".*"))


def test_after_a_restart_of_the_machine_nothing_is_trusted(tmp_path, monkeypatch):
    path = tmp_path / "a.ome.zarr"
    source, _ = interrupted(path)
    name = partial_of(path).name
    monkeypatch.setattr(_resume, "restarted_since", lambda moment: True)
    report = write(source.array(), path, resume=True)
    assert report.notes[0] == (
        f"this machine was restarted after '{name}' was left, so nothing of it was trusted"
    )
    write(volume(), tmp_path / "whole.ome.zarr")
    assert content(path) == content(tmp_path / "whole.ome.zarr")
    assert not restarted_since(time.time() - 1)
    assert restarted_since(0)


@pytest.mark.parametrize("torn", ["", "short", "zeros", "gone"])
def test_after_a_power_failure_no_block_is_trusted_whatever_the_journal_says(torn, tmp_path):
    """The journal came to the disk and its blocks did not; and its clock may have run ahead."""
    path = tmp_path / "a.ome.zarr"
    source, _ = interrupted(path)
    folder = partial_of(path)
    owner = json.loads((folder / "owner").read_text())
    assert len(owner["boot"]) == 36
    (folder / "owner").write_text(json.dumps({**owner, "boot": "that-before"}))
    for chunk in (folder / path.name / "0" / "c").rglob("*"):
        if chunk.is_file():
            whole = chunk.read_bytes()
            if torn == "gone":
                chunk.unlink()
            elif torn:
                chunk.write_bytes(whole[:40] if torn == "short" else bytes(len(whole)))
    before = dict(source.counts)
    report = write(source.array(), path, resume=True)
    assert report.notes[0] == (
        f"this machine was restarted after '{folder.name}' was left, so nothing of it was trusted"
    )
    assert all(source.counts[z] > n for z, n in before.items())
    write(volume(), tmp_path / "whole.ome.zarr")
    assert content(path) == content(tmp_path / "whole.ome.zarr")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("torn", ["short", "zeros", "gone"])
def test_verify_finds_a_torn_chunk_of_a_finished_block(torn, tmp_path):
    """Of the export that was continued too: its checksums are in the journal."""
    path = tmp_path / "a.ome.zarr"
    source, _ = interrupted(path, verify=True)
    folder = partial_of(path)
    entry = json.loads((folder / "journal").read_bytes().splitlines()[1])
    (z, _), (y, _), (x, _) = entry["sums"][0][1]
    chunk = folder / path.name / "0" / "c" / f"{z}/{y // 32}/{x // 32}"
    whole = chunk.read_bytes()
    if torn == "gone":
        chunk.unlink()
    else:
        chunk.write_bytes(whole[:40] if torn == "short" else bytes(len(whole)))
    with pytest.raises(VerifyError):
        write(source.array(), path, resume=True, verify=True)
    assert list(tmp_path.iterdir()) == []


def test_credentials_are_in_no_journal(bucket):
    secret = {"key": "AKIAEXAMPLE", "secret": "hush-hush"}
    interrupted(bucket.url, storage_options={**bucket.options, **secret})
    for key in bucket.objects():
        if "nbexport.partial" in key:
            text = bucket.content(key)
            assert b"hush-hush" not in text
            assert b"AKIAEXAMPLE" not in text


# -- retries


@pytest.mark.parametrize("format", ["ome-zarr", "ome-tiff"])
def test_a_source_that_fails_once_is_asked_again(format, tmp_path, monkeypatch):
    monkeypatch.setattr("nbexport.stores.engine._job._RETRY_S", 0.01)
    source = Source()
    source.fails_at = {3: 2}
    if format == "ome-zarr":
        write(source.array(), tmp_path / "a.ome.zarr", retries=2)
        write(volume(), tmp_path / "whole.ome.zarr")
        assert content(tmp_path / "a.ome.zarr") == content(tmp_path / "whole.ome.zarr")
    else:
        options = {"tile": (32, 32), "levels": 3, "progress": False, "verify": True}
        nbexport.write_ome_tiff(source.array(), tmp_path / "a.ome.tif", retries=2, **options)
        nbexport.write_ome_tiff(volume(), tmp_path / "b.ome.tif", **options)
        import tifffile

        with (
            tifffile.TiffFile(tmp_path / "a.ome.tif") as a,
            tifffile.TiffFile(tmp_path / "b.ome.tif") as b,
        ):
            for ours, theirs in zip(a.series[0].levels, b.series[0].levels, strict=True):
                np.testing.assert_array_equal(ours.asarray(), theirs.asarray())


def test_a_source_that_always_fails_says_how_often(tmp_path, monkeypatch):
    monkeypatch.setattr("nbexport.stores.engine._job._RETRY_S", 0.01)
    source = Source()
    source.fails_at = {3: 10**6}
    with pytest.raises(SourceError, match=r"failed 3 times, at last with ZeroDivisionError: the "):
        write(source.array(), tmp_path / "a.ome.zarr", retries=2, workers=1)
    assert 10**6 - source.fails_at[3] == 3
    assert list(tmp_path.iterdir()) == []


def test_a_progress_that_stops_does_not_wait_for_retries(tmp_path, monkeypatch):
    monkeypatch.setattr("nbexport.stores.engine._job._RETRY_S", 60.0)
    source = Source()
    source.fails_at = {5: 10**6}

    def stop(progress):
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        write(source.array(), tmp_path / "a.ome.zarr", retries=5, progress=stop)
    assert time.monotonic() - begin < 20
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("resume", "yes", r"resume='yes' is neither True nor False; use one of these"),
        ("verify", "all", r"verify='all' is not True, False or 'sample'; use one of these"),
        ("verify", 1, r"verify=1 is not True, False or 'sample'"),
        ("retries", -1, r"retries=-1 is no number of times to try a failed block again; give 0 or"),
        ("retries", True, r"retries=True is no number of times"),
        ("retries", 1.5, r"retries=1\.5 is no number of times"),
    ],
)
def test_options_are_checked_first(option, value, text, tmp_path):
    with pytest.raises(PlanError, match=text):
        write(volume(), tmp_path / "a.ome.zarr", **{option: value})
    if option != "resume":
        with pytest.raises(PlanError, match=text):
            nbexport.write_ome_tiff(volume(), tmp_path / "a.ome.tif", **{option: value})
    assert list(tmp_path.iterdir()) == []


def test_a_region_is_written_without_them(tmp_path):
    path = tmp_path / "a.ome.zarr"
    nbexport.prepare_ome_zarr(volume(), path, chunks=(1, 32, 32))
    for option in ({"resume": True}, {"verify": True}, {"retries": 1}):
        with pytest.raises(PlanError, match=next(iter(option))):
            nbexport.write_ome_zarr(volume(), path, region={"z": slice(0, 2)}, **option)


def test_only_one_of_two_continues(tmp_path):
    path = tmp_path / "a.ome.zarr"
    source, _ = interrupted(path)
    from nbexport.stores.targets._partial import locked

    with locked(path), pytest.raises(TargetError, match="another export is writing"):
        write(source.array(), path, resume=True)
    write(source.array(), path, resume=True)
