"""The volume that is timed: what a camera gives, in the sizes the tables name.

``python3 tests tests/benchmarks --benchmark-enable`` times 400 MB; ``NBEXPORT_BENCH_Z=48`` makes
that 1.2 GB. Without ``--benchmark-enable`` a small one runs once, so that nothing here rots.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from statistics import median

import dask.array
import numpy as np
import pytest
import xarray as xr

CHUNKS = (1, 8, 512, 512)
N_LEVELS = 5


def scmos(n_channels: int, depth: int, edge: int) -> np.ndarray:
    """Return smooth structure with an offset of 100 and Poisson noise, uint16."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:edge, :edge]
    pixels = np.empty((n_channels, depth, edge, edge), "uint16")
    for c, z in np.ndindex(n_channels, depth):
        structure = 1 + np.sin(x / (40 + 7 * c) + z / 5) * np.cos(y / (55 - 5 * c))
        pixels[c, z] = 100 + rng.poisson(80 * structure)
    return pixels


@pytest.fixture(scope="session")
def volume(request) -> np.ndarray:
    if not request.config.getoption("benchmark_enable"):
        return scmos(1, 8, 1024)  # two chunks an edge: what is pooled has seams
    return scmos(3, int(os.environ.get("NBEXPORT_BENCH_Z", "16")), 2048)


@pytest.fixture(params=["numpy", "dask"])
def source(request, volume) -> xr.DataArray:
    pixels = volume if request.param == "numpy" else dask.array.from_array(volume, chunks=CHUNKS)
    return xr.DataArray(pixels, dims=tuple("czyx"), name="volume")


_RATIOS = pytest.StashKey[list[tuple[str, list[float]]]]()


@pytest.fixture
def timed(request, benchmark, tmp_path):
    """Time a function that writes to a fresh path, five times or as the options say.

    Before each time `against` runs on a path of its own: a machine that is slow for a while is so
    for both, and the ratios of the pairs, printed below the table, are steadier than its times.
    Returns the last path, so that a test can look at what was timed.
    """

    def run(write, name, against=None) -> Path:
        targets: list[Path] = []
        bare: list[float] = []

        def setup():
            for target in targets:
                remove(target)
            if against is not None:
                begin = time.perf_counter()
                against(tmp_path / f"bare-{name}")
                bare.append(time.perf_counter() - begin)
                remove(tmp_path / f"bare-{name}")
            targets.append(tmp_path / f"{len(targets)}-{name}")
            return (targets[-1],), {}

        benchmark.pedantic(write, setup=setup, rounds=5, warmup_rounds=1)
        if bare and benchmark.stats is not None:
            own = benchmark.stats.stats.data
            ratios = [a / b for a, b in zip(own, bare[-len(own) :], strict=True)]
            request.config.stash.setdefault(_RATIOS, []).append((request.node.name, ratios))
        return targets[-1]

    return run


def remove(path: Path) -> None:
    """Remove what was timed: five rounds of 0.25 GB would stay for three sessions."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter, config):
    if _RATIOS not in config.stash:
        return
    terminalreporter.section("ratio to the bare floor: median (fastest to slowest pair)")
    for name, ratios in config.stash[_RATIOS]:
        line = f"{median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})  {name}"
        terminalreporter.write_line(line)
