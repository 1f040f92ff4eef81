"""Figures: matplotlib's own axes say where the pixels lie, in the picture that would be written."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from nbexport import PlanError
from nbexport.testing import cells, labels

CHANNELS = [
    {"label": "DAPI", "color": "0080FF", "window": (0, 3000)},
    {"label": "GFP", "color": "00FF00", "window": (0, 3000)},
]


def bars(axes) -> list:
    return [artist for artist in axes.artists if hasattr(artist, "size_bar")]


def test_the_picture_is_the_one_that_is_written(tmp_path):
    da = cells(t=2, c=2, z=3, y=60, x=80)
    figure = da.bioexport.figure(sel={"t": 1}, channels=CHANNELS)
    (axes,) = figure.axes
    (shown,) = axes.images
    da.bioexport.image(tmp_path / "a.png", sel={"t": 1}, channels=CHANNELS)
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(shown.get_array(), np.asarray(picture.convert("RGB")))
    assert axes.get_title() == "cells"


def test_axes_run_from_edge_to_edge_in_units():
    coords = {
        "y": ("y", 5 + 0.5 * np.arange(40), {"units": "um"}),
        "x": ("x", -3 + 0.25 * np.arange(80), {"units": "um"}),
    }
    da = xr.DataArray(np.zeros((40, 80), "uint8"), dims=("y", "x"), coords=coords, name="a")
    (axes,) = da.bioexport.figure().axes
    np.testing.assert_allclose(axes.get_xlim(), (-3.125, 16.875))
    np.testing.assert_allclose(axes.get_ylim(), (24.75, 4.75))  # y runs down, as in every viewer
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (µm)", "y (µm)")
    assert axes.get_aspect() == 1


def test_pixels_without_a_size_are_counted():
    da = xr.DataArray(np.zeros((40, 80), "uint8"), dims=("y", "x"), name="a")
    (axes,) = da.bioexport.figure().axes
    assert axes.get_xlim() == (-0.5, 79.5)
    assert axes.get_xlabel() == "x (pixels)"
    assert bars(axes) == []
    with pytest.raises(PlanError, match="a scale bar needs the pixel size, and axis 'x' has no"):
        da.bioexport.figure(scale_bar="10 um")
    with pytest.raises(PlanError, match="scale_bar='long' is no length; write it as '10 um'"):
        cells(y=32, x=32).bioexport.figure(scale_bar="long")


def test_scale_bar_in_units():
    da = cells(c=1, y=64, x=256, pixel_size=0.5)
    (axes,) = da.bioexport.figure(scale_bar="20 um", color="red").axes
    (bar,) = bars(axes)
    (rectangle,) = bar.size_bar.get_children()
    assert rectangle.get_width() == pytest.approx(20)  # the axes are in micrometres
    assert bar.txt_label.get_text() == "20 µm"
    (axes,) = da.bioexport.figure().axes
    assert bars(axes)[0].txt_label.get_text() == "20 µm"  # a fifth of 128 µm
    (axes,) = da.bioexport.figure(scale_bar=False).axes
    assert bars(axes) == []


def test_channels_apart():
    da = cells(c=2, y=48, x=64)
    figure = da.bioexport.figure(apart=True, channels=CHANNELS)
    assert [axes.get_title() for axes in figure.axes] == ["DAPI", "GFP", "merge"]
    grey, green, merge = (axes.images[0].get_array() for axes in figure.axes)
    expected = np.floor(np.clip(da.values[0] / 3000, 0, 1) * 255 + 0.5)
    np.testing.assert_array_equal(grey[..., 0], expected)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    blue = np.floor(np.clip(da.values[0] / 3000, 0, 1) * 0x80 + 0.5)
    np.testing.assert_array_equal(merge[..., 1], np.minimum(255, blue + green[..., 1]))
    with pytest.raises(PlanError, match="has no channels to show side by side"):
        labels(y=32, x=32).bioexport.figure(apart=True)


def test_a_colormap_has_a_colour_bar_of_values():
    da = cells(c=1, y=48, x=64).isel(c=0)
    figure = da.bioexport.figure(cmap="viridis", window=(100, 900))
    _, bar = figure.axes
    np.testing.assert_allclose(bar.get_ylim(), (100, 900))


def test_saved_by_matplotlib(tmp_path):
    figure = cells(c=2, y=48, x=64).bioexport.figure()
    figure.savefig(tmp_path / "a.pdf")
    figure.savefig(tmp_path / "a.png", dpi=50)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.height == 200


def test_only_what_is_shown_is_computed():
    counts = []

    def load(block_info=None):
        counts.append(block_info[None]["chunk-location"])
        return np.ones(block_info[None]["chunk-shape"], "uint8")

    import dask.array

    pixels = dask.array.map_blocks(
        load, chunks=((1,) * 50, (32,), (32,)), dtype="uint8", meta=np.zeros((0,) * 3, "uint8")
    )
    da = xr.DataArray(pixels, dims=tuple("tyx"), name="a")
    da.bioexport.figure(sel={"t": 7}, window=(0, 2))
    assert counts == [(7, 0, 0)]


def test_a_notebook_shows_it(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.delenv("MPLBACKEND")  # a kernel brings its own
    code = "import nbexport.testing\nnbexport.testing.cells(y=32, x=32).bioexport.figure()"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(
        book, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    kinds = [kind for out in book.cells[0].outputs for kind in out.get("data", {})]
    assert kinds.count("image/png") == 1
