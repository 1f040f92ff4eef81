"""Many exports in one process: memory, file descriptors and threads stay what they were.

``NBEXPORT_LEAK_EXPORTS=200`` makes it as many, with the figures on stdout (``-s``).
"""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

import nbexport
import nbexport.testing

PROC = Path("/proc/self")
N_EXPORTS = int(os.environ.get("NBEXPORT_LEAK_EXPORTS", "30"))
WRITERS = {
    ".ome.zarr": nbexport.write_ome_zarr,
    ".ome.tif": nbexport.write_ome_tiff,
    ".ozx": nbexport.write_ome_zarr,
    ".mp4": nbexport.write_movie,
    ".gif": nbexport.write_movie,
    ".png": nbexport.write_image,
}


def export(folder: Path, i: int, fail: bool = False) -> None:
    suffix = [*WRITERS][i % len(WRITERS)]
    da = nbexport.testing.cells(t=3, c=2, y=128, x=128, chunks={"t": 1})
    quiet = {} if suffix == ".png" else {"progress": False}
    if fail and quiet:

        def stop(progress):
            raise LookupError

        quiet["progress"] = stop
    # Always the same pixels: tables of the last windows are kept, a fixed number of them.
    # The same name over and over: an overwrite takes the longest way.
    report = WRITERS[suffix](da, folder / f"a{suffix}", overwrite=True, **quiet)
    repr(report), report._repr_html_()


def resident() -> int:
    words = (PROC / "status").read_text().split()
    return int(words[words.index("VmRSS:") + 1]) * 1024


def held() -> dict[str, int]:
    gc.collect()
    children = (PROC / "task" / str(os.getpid()) / "children").read_text().split()
    return {
        "descriptors": len([*(PROC / "fd").iterdir()]),
        # zarr's event loop fills its pool of threads one by one, up to a fixed number.
        "threads": sum(not t.name.startswith("asyncio_") for t in threading.enumerate()),
        "children": len(children),
        "traced": tracemalloc.get_traced_memory()[0],
        "resident": resident(),
    }


@pytest.mark.skipif(not (PROC / "fd").exists(), reason="counted in /proc")
@pytest.mark.parametrize("fail", [False, True], ids=["finished", "stopped"])
def test_nothing_grows(fail, tmp_path):
    def run(n):
        for i in range(n):
            if not fail:
                export(tmp_path, i)
            elif i % len(WRITERS) != 5:  # a picture has no progress to stop it by
                with pytest.raises(LookupError):
                    export(tmp_path, i, fail=True)

    run(2 * len(WRITERS))  # what is imported, started and kept on first use
    tracemalloc.start()
    try:
        run(len(WRITERS))
        before = held()
        run(N_EXPORTS)
        after = held()
    finally:
        tracemalloc.stop()
    print(f"\n{N_EXPORTS} exports ({'stopped' if fail else 'finished'}): {before} -> {after}")
    assert after["descriptors"] <= before["descriptors"]
    assert after["threads"] <= before["threads"]
    assert after["children"] == before["children"]
    # A plan kept of each export would be 20 KiB, the pixels 200 KiB.
    assert after["traced"] - before["traced"] < 10_000 * N_EXPORTS
    assert after["resident"] - before["resident"] < 64 * 2**20
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
