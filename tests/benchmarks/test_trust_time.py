"""What the journal and the reading back cost: each against the same export without it.

Every export keeps a journal: the ratio of ``journal`` is to one whose journal takes no notes, those
of ``verify`` and ``sample`` are to one that reads nothing back.
"""

from __future__ import annotations

import pytest

import nbexport
from benchmarks.conftest import CHUNKS, N_LEVELS
from nbexport.stores.targets._journal import Journal

pytestmark = pytest.mark.benchmark(group="trust: journal and verify")
WAYS = {"journal": False, "verify": True, "sample": "sample"}


@pytest.fixture
def silent(monkeypatch):
    """Return a switch that lets journals take notes, or not."""
    note = Journal.note

    def switch(on):
        monkeypatch.setattr(Journal, "note", note if on else lambda self, place, entry: None)

    return switch


@pytest.mark.parametrize("way", WAYS)
def test_ome_zarr(way, source, timed, silent):
    def write(path, verify=False, noting=True):
        silent(noting)
        options = {"chunks": CHUNKS, "levels": N_LEVELS, "verify": verify, "progress": False}
        return nbexport.write_ome_zarr(source, path, **options)

    reports = []
    timed(
        lambda path: reports.append(write(path, WAYS[way])),
        "a.ome.zarr",
        against=lambda path: write(path, noting=way != "journal"),
    )
    assert ("verified" in str(reports[-1])) == (way != "journal")


@pytest.mark.parametrize("way", ["verify", "sample"])
def test_ome_tiff(way, source, timed):
    def write(path, verify=False):
        options = {"levels": N_LEVELS, "verify": verify, "progress": False}
        return nbexport.write_ome_tiff(source, path, **options)

    reports = []
    timed(lambda path: reports.append(write(path, WAYS[way])), "a.ome.tif", against=write)
    assert "verified" in str(reports[-1])
