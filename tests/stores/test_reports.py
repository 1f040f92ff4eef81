"""Progress while it works, and the report of what was done."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import xarray as xr

import nbexport
from nbexport import Progress
from nbexport.testing import cells

WRITERS = [(nbexport.write_ome_zarr, "a.ome.zarr"), (nbexport.write_ome_tiff, "a.ome.tif")]


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_progress_counts_every_block_up_to_the_end(write, name, tmp_path):
    da = cells(t=3, c=2, y=64, x=64)
    heard: list[Progress] = []
    report = write(da, tmp_path / name, progress=heard.append)
    assert [p.done for p in heard] == list(range(1, report.plan.n_blocks + 1))
    assert {p.total for p in heard} == {report.plan.n_blocks}
    assert heard[-1].nbytes == da.nbytes
    assert [p.nbytes for p in heard] == sorted(p.nbytes for p in heard)
    assert {p.what for p in heard} == {name}


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_a_bar_is_drawn_when_asked_and_not_into_a_pipe(write, name, tmp_path, capsys):
    write(cells(t=3, y=64, x=64), tmp_path / name)
    assert capsys.readouterr().err == ""
    write(cells(t=3, y=64, x=64), tmp_path / name, progress=True, overwrite=True)
    assert name in capsys.readouterr().err


def test_a_terminal_gets_a_bar(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    nbexport.write_ome_tiff(cells(t=2, y=64, x=64), tmp_path / "a.ome.tif")
    assert "a.ome.tif" in terminal.getvalue()


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_the_report_says_what_was_done(write, name, tmp_path):
    da = cells(c=2, y=600, x=1400).rename("<b>cells</b>")
    report = write(da, tmp_path / name, levels=2, progress=False)
    target = tmp_path / name
    files = [target] if target.is_file() else [p for p in target.rglob("*") if p.is_file()]
    assert report.nbytes == sum(p.stat().st_size for p in files)
    assert report.target == str(target)
    assert report.losses == ()
    assert report.seconds > 0
    for text in (repr(report), report._repr_html_()):
        assert str(target) in text
        assert "MB/s" in text
        assert "2 levels" in text
    html = report._repr_html_()
    assert "2 x 300 x 700" in html
    assert "1.3 x 1.3 micrometer" in html
    assert "<b>cells" not in html


def test_notes_reach_the_report(tmp_path):
    da = xr.DataArray(
        np.zeros((3, 4), bool), dims=("y", "x"), coords={"x": ("x", [3.0, 2.0, 1.0, 0.0])}
    )
    report = nbexport.write_ome_tiff(da, tmp_path / "a.ome.tif", progress=False)
    assert "bool pixels are written as uint8" in report.notes
    assert any("descends" in note for note in report.notes)
    assert "note: bool pixels" in repr(report)


def test_paths_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for target in ("a.ome.tif", "b c.TIF", "%41é.ome.tiff", tmp_path / "d.tif", "./-e.ome.tif"):
        report = nbexport.write_ome_tiff(cells(y=32, x=32), target, progress=False)
        assert (tmp_path / target).is_file()
        assert report.target == str(tmp_path / target)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    nbexport.write_ome_zarr(cells(y=32, x=32), "~/home.ome.zarr", progress=False)
    assert (tmp_path / "home.ome.zarr" / "zarr.json").is_file()
