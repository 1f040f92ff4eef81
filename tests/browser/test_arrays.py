"""The panel on arrays of every kind, on slow ones, and when the kernel goes away."""

from __future__ import annotations

import ast
import hashlib

import numpy as np
import pytest
import tifffile
import zarr

from browser.conftest import Notebook, Shown, write_notebook
from nbexport.pixels._composite import Look, render_planes

pytestmark = pytest.mark.xdist_group("browser")

MAKE = """
import dask.array, numpy as np, time, nbexport, nbexport.testing, xarray as xr
noise = np.random.default_rng(0)
def array(pixels, dims, name, **more):
    return xr.DataArray(pixels, dims=tuple(dims), name=name, **more)
ten = array(noise.integers(0, 60000, (10, 96, 128), 'u2'), 'cyx', 'ten')
hole = noise.normal(0, 1, (60, 80)).astype('f4')
hole[5:50, 5:70] = np.nan
def late(block):
    time.sleep(2)
    return block + np.arange(64, dtype='u1') + 190
def slow(n=2):
    source = dask.array.zeros((n, 64, 64), chunks=(1, 64, 64), dtype='u1')
    lazy = dask.array.map_blocks(late, source, dtype='u1', meta=np.zeros((0, 0, 0), 'u1'))
    return array(lazy, 'zyx', 'slow')
kinds = {
    'rgb': array(noise.integers(100, 255, (60, 80, 3), 'u1'), 'yxs', 'rgb'),
    'labels': nbexport.testing.labels(y=90, x=120),
    'float32 with NaN': array(hole, 'yx', 'hole'),
    'int16': array(noise.integers(-3000, 3000, (60, 80), 'i2'), 'yx', 'signed'),
    'bool': array(noise.random((60, 80)) > 0.5, 'yx', 'mask'),
    '10 channels': ten,
    'strip': array(noise.integers(0, 60000, (16, 4000), 'u2'), 'yx', 'strip'),
    'one pixel': array(np.array([[7]], 'u1'), 'yx', 'pixel'),
    'one plane': array(noise.integers(0, 255, (70, 90), 'u1'), 'yx', 'plane'),
    'extra axis': array(
        noise.integers(0, 255, (2, 2, 3, 40, 50), 'u1'), ('tile', 'c', 'z', 'y', 'x'), 'five'),
    'slow chunks': slow(),
}
"""


class Book:
    """A notebook whose last cell shows one panel after the other."""

    def __init__(self, browser, lab, name):
        write_notebook(lab["root"] / name, MAKE, "")
        self.notebook = Notebook(browser, lab, name)
        self.console = []
        self.notebook.page.on(
            "console", lambda m: self.console.append(m.text) if m.type == "error" else None
        )
        self.notebook.run_all()

    def show(self, code):
        self.notebook.page.evaluate(
            """async (code) => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.activeCellIndex = 1;
              notebook.activeCell.model.sharedModel.setSource(code);
              await window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            f"p = {code}\np",
        )
        self.notebook.page.wait_for_function(
            "() => document.querySelectorAll('.nbx-panel').length === 1"
            " && document.querySelector('.nbx-panel canvas').isConnected"
        )
        return Shown(self.notebook.page)


@pytest.fixture(scope="module")
def book(browser, lab):
    book = Book(browser, lab, "arrays.ipynb")
    yield book
    assert book.notebook.errors == []
    assert book.notebook.outside == []
    book.notebook.page.close()


DRAWN = """canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) n += Math.max(...data.slice(i, i + 3)) > 60;
  return n;
}"""


@pytest.mark.parametrize(
    ("kind", "setup", "target"),
    [
        ("rgb", "", "rgb.ome.tif"),
        ("labels", "", "labels.ome.zarr"),
        ("float32 with NaN", "", "hole.ome.tif"),
        ("int16", "", "signed.ome.zarr"),
        ("bool", "", "mask.ome.tif"),
        ("10 channels", "", "ten.ome.zarr"),
        ("strip", "", "strip.ome.tif"),
        ("one pixel", "", "pixel.ome.zarr"),
        ("one plane", "", "plane.ome.zarr"),
        ("extra axis", "t", "five.ome.zarr"),
        ("slow chunks", "", "slow.ome.zarr"),
    ],
)
def test_every_kind_is_shown_and_written(book, kind, setup, target):
    del book.console[:]
    # A single value is its own darkest: without a window it is black, as in every picture.
    state = "state={'channels': [{'window': [0, 10]}]}" if kind == "one pixel" else ""
    panel = book.show(f"kinds[{kind!r}].bioexport.panel({target!r}, {state})")
    if setup:  # an axis that no dim is called by
        panel.until(lambda: panel.find(".nbx-problem").count())
        panel.find("[aria-label='Axis of dim tile']").select_option(setup)
        panel.until(lambda: panel.find(".nbx-problem").count() == 0)
    panel.wait_picture()
    panel.until(lambda: panel.canvas.evaluate(DRAWN) > 20)
    assert panel.find(".nbx-said").is_hidden()
    assert panel.status() == ""
    panel.find(".nbx-export").click()
    panel.until(lambda: panel.status() not in ("", "Starting…") and "left" not in panel.status())
    panel.until(lambda: panel.status().startswith("Written"))
    path = book.notebook.root / target
    written = (
        zarr.open_group(path, mode="r")["0"][:]
        if target.endswith("zarr")
        else tifffile.imread(path)
    )
    wanted = book.notebook.run(
        "import hashlib\n"
        f"a = np.ascontiguousarray(kinds[{kind!r}].values)\n"
        "a = a.astype('u1') if a.dtype == bool else a\n"
        "print(a.shape, a.dtype, hashlib.sha256(a).hexdigest())"
    )
    pixels = np.ascontiguousarray(written)
    assert f"{pixels.shape} {pixels.dtype} {hashlib.sha256(pixels).hexdigest()}" == wanted
    assert book.console == []
    assert panel.find(".nbx-said").is_hidden()


def assert_draws(panel, frame):
    """Compare forty pixels all over the picture."""
    places = np.random.default_rng(1).integers(0, frame.shape[:2], (40, 2)).tolist()
    panel.until(lambda: all(panel.colour_at(y, x) == tuple(frame[y, x]) for y, x in places))


def test_many_bright_channels_are_cut_off_and_not_carried_over(book):
    """Sums of red, green and blue beyond 255, of more channels than are added at once."""
    colors = ["FF0000", "FF4000", "FF0080", "40FF00", "0000FF", "FFFFFF", "80FF80", "FF8080"]
    channels = [{"color": c, "window": [0, 20000 + 3000 * i]} for i, c in enumerate(colors)]
    noise = np.random.default_rng(0).integers(0, 60000, (10, 96, 128), "u2")
    looks = [Look(window=tuple(c["window"]), color=c["color"]) for c in channels]
    for n in (2, 3, 5, 8):
        panel = book.show(
            f"ten[:{n}].bioexport.panel('clip.zarr', state={{'channels': {channels[:n]!r}}})"
        )
        panel.wait_picture()
        frame = render_planes(noise[:n], looks[:n])
        assert (frame[..., 0] == 255).mean() > 0.2
        assert_draws(panel, frame)


def test_gamma_is_drawn_as_it_is_written(book):
    window = "state={'channels': [{'window': [0, 60000]}], 'crop': {}}"
    panel = book.show(f"ten[0].bioexport.panel('gamma.png', {window})")
    panel.wait_picture()
    panel.tab("output")
    panel.type(".nbx-option-gamma", "0.4")
    panel.until(lambda: "gamma=0.4" in panel.code())
    noise = np.random.default_rng(0).integers(0, 60000, (10, 96, 128), "u2")
    frame = render_planes(noise[:1], [Look(window=(0, 60000), gamma=0.4)])
    assert_draws(panel, frame)


def test_late_answers_change_nothing(book):
    """What comes after a newer picture was asked for: another thread's planes, its trouble."""
    panel = book.show(
        "array(np.stack([np.full((64, 64), v, 'u1') for v in (50, 100, 200)]), 'zyx', 'steps')"
        ".bioexport.panel('a.zarr', state={'channels': [{'window': [0, 255]}]})"
    )
    panel.wait_picture()
    book.notebook.run(
        "sent, send = [], p.send\n"
        "def listen(content, buffers=None):\n"
        "    sent.append((content, buffers))\n"
        "    send(content, buffers)\n"
        "p.send = listen"
    )
    slider = panel.find("input.nbx-z")
    slider.focus()
    for value in (100, 200):
        slider.press("ArrowRight")
        panel.until(lambda v=value: panel.colour_at(32, 32) == (v,) * 3)
    painted = panel.canvas.get_attribute("data-pictures")
    book.notebook.run(
        "old = next(s for s in sent if s[0]['index'] == {'z': 1})\n"
        "send(*old)\n"
        "send({**old[0], 'type': 'trouble', 'text': 'old trouble'})\n"
        "send({**sent[-1][0], 'view': 'nbx-another', 'number': 1}, old[1])\n"
        "p.send_state()"
    )
    book.notebook.page.wait_for_timeout(300)
    assert panel.colour_at(32, 32) == (200,) * 3
    assert panel.canvas.get_attribute("data-pictures") == painted
    assert panel.find(".nbx-said").is_hidden()


def test_a_chunk_that_hangs_does_not_hold_the_next_plane(book):
    book.notebook.run(
        "import threading\n"
        "gate = threading.Event()\n"
        "def wait(block, block_info=None):\n"
        "    z = block_info[0]['chunk-location'][0]\n"
        "    if z == 0: gate.wait(300)\n"
        "    return np.full(block.shape, 40 * z + 10, 'u1')\n"
        "source = dask.array.zeros((4, 64, 64), chunks=(1, 64, 64), dtype='u1')\n"
        "hangs = array(dask.array.map_blocks(wait, source, dtype='u1',"
        " meta=np.zeros((0, 0, 0), 'u1')), 'zyx', 'hangs')"
    )
    panel = book.show(
        "hangs.bioexport.panel('a.zarr', state={'index': {'z': 3},"
        " 'channels': [{'window': [0, 255]}]})"
    )
    panel.wait_picture()
    go = "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }"
    slider = panel.find("input.nbx-z")
    try:
        slider.evaluate(go, 0)
        panel.until(lambda: book.notebook.run("print(p._fetcher._n_running)") == "1")
        slider.evaluate(go, 2)
        panel.until(lambda: panel.colour_at(32, 32) == (90,) * 3)
    finally:
        book.notebook.run("gate.set()")
    panel.until(lambda: book.notebook.run("print(p._fetcher._n_running)") == "0")
    assert panel.colour_at(32, 32) == (90,) * 3


def test_ten_large_channels_come_finer_where_they_are_looked_at(book):
    """All of them together never beyond the budget."""
    panel = book.show(
        "array(noise.integers(0, 60000, (10, 1500, 1500), 'u2'), 'cyx', 'large')"
        ".bioexport.panel('a.zarr')"
    )
    panel.wait_picture()
    book.notebook.run(
        "sent, send = [], p.send\n"
        "def listen(content, buffers=None):\n"
        "    sent.append((content['factors'], sum(len(b) for b in buffers or [])))\n"
        "    send(content, buffers)\n"
        "p.send = listen"
    )
    panel.canvas.focus()
    for _ in range(8):
        book.notebook.page.keyboard.press("+")
    panel.until(lambda: book.notebook.run("print(sent and sent[-1][0])") == "[1, 1]")
    sizes = ast.literal_eval(book.notebook.run("print([nbytes for _, nbytes in sent])"))
    assert 0 < min(sizes) <= max(sizes) <= 6_000_000


GONE = "The kernel has gone, and the array with it. Run the notebook again to go on."


@pytest.mark.parametrize("way", ["restart", "crash", "shutdown"])
def test_a_kernel_that_is_gone_is_said(browser, lab, way):
    book = Book(browser, lab, f"{way}.ipynb")
    notebook = book.notebook
    blocks = "state={'options': {'ome-zarr': {'chunks': [1, 64, 64]}}}"
    panel = book.show(f"slow(40).bioexport.panel('{way}.zarr', {blocks})")
    panel.wait_picture()
    panel.find(".nbx-export").click()
    panel.until(lambda: "left" in panel.status())
    panel.find(".nbx-axis button").first.click()  # it plays
    if way == "crash":
        notebook.page.evaluate(
            """() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
              .requestExecute({ code: 'import os; os._exit(1)' }); }"""
        )
    else:
        notebook.page.evaluate(
            f"() => window.jupyterapp.shell.currentWidget.sessionContext.{way}"
            + ("Kernel()" if way == "restart" else "()")
        )
    panel.until(lambda: panel.find(".nbx-said").text_content() == GONE, timeout=60)
    assert panel.find(".nbx-said").is_visible()
    assert panel.find(".nbx-export").is_disabled()
    # A kernel that is shut down in order may say first what became of the export.
    panel.until(lambda: panel.root.get_attribute("data-phase") == "failed")
    assert panel.find(".nbx-cancel").is_hidden()
    plane = panel.find("input.nbx-z").input_value()
    notebook.page.wait_for_timeout(400)
    assert panel.find("input.nbx-z").input_value() == plane  # play has stopped
    panel.find("input.nbx-z").focus()
    notebook.page.keyboard.press("ArrowRight")
    panel.type(".nbx-target", "other.zarr")
    assert panel.find(".nbx-said").text_content() == GONE
    assert notebook.errors == []
    notebook.page.close()


def test_a_closed_panel_leaves_the_page(book):
    """Its timers and listeners with it: nothing asks a kernel that doesn't know it any more."""
    panel = book.show("kinds['10 channels'].expand_dims(z=4).bioexport.panel('a.zarr')")
    panel.wait_picture()
    del book.console[:]
    panel.find(".nbx-axis button").first.click()
    before = panel.pictures()
    panel.wait_picture(before)
    book.notebook.run("p.close()")
    panel.until(lambda: panel.page.locator(".nbx-panel").count() == 0)
    book.notebook.page.wait_for_timeout(400)
    assert book.console == []
    assert book.notebook.errors == []
