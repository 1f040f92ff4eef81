"""What must hold after an export was killed: the old target whole, or the new one; and a next run.

Each fault is (what is exported, onto what), as a name of KINDS. All of them end by an export that
is not killed, after which nothing but the target is left.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from killing import Nursery, export, volume
from movies import read_movie

OLD, NEW = 1, 0  # seeds of the pixels
SECONDS = 0.01  # that a plane takes to compute
KINDS = {
    "zarr": ("ome-zarr", "a.ome.zarr", False),
    "zarr replaced": ("ome-zarr", "a.ome.zarr", True),
    "tiff": ("ome-tiff", "a.ome.tif", False),
    "tiff replaced": ("ome-tiff", "a.ome.tif", True),
    "movie": ("movie", "a.mp4", False),
    "movie replaced": ("movie", "a.mp4", True),
}
RESUMED = "ome-zarr"


@dataclass
class Tally:
    """What happened in all tries of one kind."""

    tries: int = 0
    killed: int = 0
    new: int = 0
    old: int = 0
    left: int = 0
    resumed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.tries} tries, {self.killed} killed before their end: old or nothing there "
            f"{self.old}, new whole {self.new}, lost 0; partial left {self.left}, continued "
            f"{self.resumed}, left after the next run 0"
        )


def content(path: Path) -> dict[str, bytes] | bytes | None:
    """Return all that is at `path`."""
    if path.is_dir():
        return {
            p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()
        }
    return path.read_bytes() if path.exists() else None


def is_whole(path: Path, seed: int) -> bool:
    """Return whether another program reads all of a file, and these pixels."""
    if path.suffix == ".mp4":
        return len(read_movie(path).frames) == 6
    return bool(np.array_equal(tifffile.imread(path), volume(seed).values))


def kill_locally(nursery: Nursery, kind: str, n: int, folder: Path, seed: int) -> Tally:
    """Kill `n` exports at random moments and look at what is there after each."""
    what, name, replaced = KINDS[kind]
    rng = random.Random(seed)
    tally = Tally()
    order = {"kind": what, "seconds": SECONDS, "overwrite": replaced}
    references = {}
    for which in (OLD, NEW):
        whole = folder / f"reference-{which}" / name
        whole.parent.mkdir()
        export(what, str(whole), seed=which)
        references[which] = content(whole)
    first = folder / "first" / name
    first.parent.mkdir()
    duration = nursery.duration(target=str(first), **order)
    for i in range(n):
        path = folder / f"{i}" / name
        path.parent.mkdir()
        if replaced:
            export(what, str(path), seed=OLD)
        old = content(path)
        ended = nursery.killed_after(rng.uniform(0, 1.1 * duration), target=str(path), **order)
        assert ended in ("killed", "done")
        tally.tries += 1
        tally.killed += ended == "killed"
        found = content(path)
        if what == "ome-zarr":
            assert found in (old, references[NEW])
            is_new = found == references[NEW]
        else:  # two encodings of one movie need not be of the same bytes
            is_new = found != old
            assert not is_new or is_whole(path, NEW)
        tally.new += is_new
        tally.old += not is_new
        beside = [p.name for p in path.parent.iterdir() if p != path]
        assert all(other.startswith(f".{name}.partial-") for other in beside)
        if ended == "done":
            assert beside == []
        tally.left += bool(beside)
        again = {"resume": True} if what == RESUMED and i % 2 else {}
        report = export(what, str(path), overwrite=path.exists(), **again)
        tally.resumed += any("earlier export" in note for note in report.notes)
        if what == "ome-zarr":
            assert content(path) == references[NEW]
        else:
            assert is_whole(path, NEW)
        assert [p.name for p in path.parent.iterdir()] == [name]
    return tally


def kill_remotely(nursery: Nursery, bucket, kind: str, n: int, folder: Path, seed: int) -> Tally:
    """Kill `n` exports to an S3 server; kinds are "new" and "replaced"."""
    rng = random.Random(seed)
    tally = Tally()
    options = {"storage_options": bucket.options}
    export("ome-zarr", str(folder / "new.ome.zarr"))
    sizes = {key: len(value) for key, value in content(folder / "new.ome.zarr").items()}
    order = {"kind": "ome-zarr", "seconds": SECONDS, **options}
    duration = nursery.duration(target=f"s3://{bucket.name}/first.ome.zarr", **order)
    for i in range(n):
        prefix = f"{i}.ome.zarr/"
        url = f"s3://{bucket.name}/{i}.ome.zarr"
        if kind == "replaced":
            export("ome-zarr", url, seed=OLD, **options)
        ended = nursery.killed_after(
            rng.uniform(0, 1.1 * duration), target=url, overwrite=kind == "replaced", **order
        )
        assert ended in ("killed", "done")
        tally.tries += 1
        tally.killed += ended == "killed"
        found = below(bucket, prefix)
        there = "zarr.json" in found
        own = {key: size for key, size in found.items() if not key.startswith("nbexport.partial/")}
        if there and own != sizes:  # not begun yet
            assert kind == "replaced"
            assert fetched(bucket, prefix, "0/c/0/0/0") != written(folder, "0/c/0/0/0")
        tally.new += own == sizes and there
        tally.old += not (own == sizes and there)
        if found and not there:
            assert any(key.startswith("nbexport.partial/") for key in found)
            tally.left += 1
        again = {"resume": True} if i % 2 else {}
        report = export("ome-zarr", url, overwrite=there, **again, **options)
        tally.resumed += any("earlier export" in note for note in report.notes)
        assert below(bucket, prefix) == sizes
        for key in sizes:
            assert fetched(bucket, prefix, key) == written(folder, key)
    return tally


def below(bucket, prefix: str) -> dict[str, int]:
    return {
        key.removeprefix(prefix): size
        for key, size in bucket.objects().items()
        if key.startswith(prefix)
    }


def fetched(bucket, prefix: str, key: str) -> bytes:
    return bucket.content(prefix + key)


def written(folder: Path, key: str) -> bytes:
    return (folder / "new.ome.zarr" / key).read_bytes()
