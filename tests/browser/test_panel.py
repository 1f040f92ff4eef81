"""The panel in a real JupyterLab: what the user does, seen in the picture or in the file."""

from __future__ import annotations

import json

import imageio.v3
import imageio_ffmpeg
import numpy as np
import pytest
import tifffile
import zarr

import nbexport.testing
from browser.conftest import Notebook, Shown, picture, write_notebook
from nbexport.pixels import coarsen, label_colors
from nbexport.pixels._composite import Look, render_planes

pytestmark = pytest.mark.xdist_group("browser")

SIZE = {"t": 2, "c": 3, "z": 4, "y": 96, "x": 128}
MAKE = f"""
import dask.array, numpy as np, time, nbexport, nbexport.testing, xarray as xr
da = nbexport.testing.cells(**{SIZE})
def slow(seconds, n=40):
    def compute(block):
        time.sleep(seconds)
        return block + 7
    source = dask.array.zeros((n, 64, 64), chunks=(1, 64, 64), dtype="uint8")
    lazy = dask.array.map_blocks(compute, source, dtype="uint8", meta=np.zeros((0, 0, 0), "u1"))
    return xr.DataArray(lazy, dims=("z", "y", "x"), name="slow")
"""


@pytest.fixture(scope="module")
def cells():
    return nbexport.testing.cells(**SIZE)


@pytest.fixture(scope="module")
def notebook(browser, lab):
    """One notebook for all tests of this module: each shows a panel of its own in it."""
    write_notebook(lab["root"] / "panel.ipynb", MAKE, "p = da.bioexport.panel('first.zarr')\np")
    notebook = Notebook(browser, lab, "panel.ipynb")
    notebook.run_all()
    Shown(notebook.page).wait_picture()
    yield notebook
    assert notebook.errors == []
    assert notebook.outside == []
    notebook.page.close()


@pytest.fixture
def show(notebook):
    """Show what `code` gives in the last cell of the notebook."""

    def shown(code, wait=True):
        notebook.page.evaluate(
            """async (code) => {
              const panel = window.jupyterapp.shell.currentWidget;
              const notebook = panel.content;
              notebook.activeCellIndex = 1;
              notebook.activeCell.model.sharedModel.setSource(code);
              await window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            f"p = {code}\np",
        )
        notebook.page.wait_for_function(
            "() => document.querySelectorAll('.nbx-panel').length === 1"
            " && document.querySelector('.nbx-panel canvas').isConnected"
        )
        panel = Shown(notebook.page)
        if wait:
            panel.wait_picture()
        return panel

    return shown


def windows(panel):
    """Return the windows that the fields show."""
    lows = panel.find(".nbx-from").evaluate_all("all => all.map(e => Number(e.value))")
    highs = panel.find(".nbx-to").evaluate_all("all => all.map(e => Number(e.value))")
    return list(zip(lows, highs, strict=True))


def rendered(da, panel, colors=("0080FF", "00FF00", "FF8000"), windows_=None):
    """Return the picture that nbexport itself renders of the planes `da`."""
    looks = [
        Look(window=window, color=color)
        for window, color in zip(windows_ or windows(panel), colors, strict=True)
    ]
    return render_planes(np.asarray(da), looks)


def assert_shows(panel, frame, n=40):
    """Compare pixels all over the picture with a rendered frame."""
    rng = np.random.default_rng(1)
    places = zip(
        rng.integers(0, frame.shape[0], n), rng.integers(0, frame.shape[1], n), strict=True
    )
    places = [(int(y), int(x)) for y, x in places]

    def same():
        return all(panel.colour_at(y, x) == tuple(map(int, frame[y, x])) for y, x in places)

    panel.until(same)


# Looking ----------------------------------------------------------------------------------------


def test_picture_is_what_is_rendered(show, cells):
    panel = show("da.bioexport.panel('a.zarr')")
    assert windows(panel)[0][1] > 1000
    assert_shows(panel, rendered(cells[0, :, 0], panel))


def test_sliders_by_keyboard_change_the_plane(show, cells, notebook):
    panel = show("da.bioexport.panel('a.zarr')")
    first = windows(panel)
    panel.find("input.nbx-z").focus()
    for _ in range(3):
        notebook.page.keyboard.press("ArrowRight")
    assert_shows(panel, rendered(cells[0, :, 3], panel, windows_=first))
    panel.find("input.nbx-t").focus()
    notebook.page.keyboard.press("ArrowRight")
    assert_shows(panel, rendered(cells[1, :, 3], panel, windows_=first))
    panel.until(lambda: notebook.run("print(p.state.index)") == "(('t', 1), ('z', 3))")


def test_play_steps_through_depth(show):
    panel = show("da.bioexport.panel('a.zarr')")
    panel.find(".nbx-axis button").last.click()
    seen = set()
    panel.until(lambda: seen.add(panel.find("input.nbx-z").input_value()) or len(seen) == 4)
    panel.find(".nbx-axis button").last.click()


def test_contrast_is_drawn_without_the_kernel_and_then_known_to_it(show, cells, notebook):
    panel = show("da.bioexport.panel('a.zarr')")
    before = panel.pictures()
    notebook.run("import threading; p._lock.acquire()")  # the kernel can't answer now
    try:
        panel.type(".nbx-channel:nth-child(2) .nbx-to", "500")
        panel.find(".nbx-channel:nth-child(1) .nbx-low").fill("100")
        shown = windows(panel)
        assert (shown[0][0], shown[1][1]) == (100, 500)
        assert_shows(panel, rendered(cells[0, :, 0], panel))
    finally:
        notebook.run("p._lock.release()")
    panel.until(lambda: "500)" in panel.code())
    assert panel.pictures() == before  # nothing was fetched for it
    assert notebook.run("print(p.state.channels[1].window)").endswith("500.0)")


def test_auto_and_full_windows(show, cells):
    panel = show("da.bioexport.panel('a.zarr')")
    plane = cells[0, 0, 0].values
    panel.find(".nbx-full").first.click()
    assert windows(panel)[0] == (plane.min(), plane.max())
    assert_shows(panel, rendered(cells[0, :, 0], panel))
    panel.find(".nbx-auto").first.click()
    low, high = np.percentile(plane, (0.1, 99.9))
    assert windows(panel)[0] == (round(low), round(high))


def test_colour_name_and_visibility(show, cells, notebook):
    panel = show("da.bioexport.panel('a.zarr')")
    panel.find(".nbx-color").first.fill("#ff00ff")
    assert_shows(panel, rendered(cells[0, :, 0], panel, ("FF00FF", "00FF00", "FF8000")))
    panel.find(".nbx-eye").nth(1).click()
    part = cells[0, [0, 2], 0]
    both = [windows(panel)[0], windows(panel)[2]]
    assert_shows(panel, rendered(part, panel, ("FF00FF", "FF8000"), both))
    panel.type(".nbx-channel:nth-child(3) .nbx-label", "actin")
    panel.until(lambda: '"label": "actin"' in panel.code() or '"actin"' in panel.code())
    assert '"color": "FF00FF"' in panel.code()
    assert '"active": False' in panel.code()
    panel.find(".nbx-eye").nth(1).click()
    assert_shows(panel, rendered(cells[0, :, 0], panel, ("FF00FF", "00FF00", "FF8000")))


def test_level_is_shown_as_it_will_be_written(show, cells, notebook):
    panel = show("da.bioexport.panel('levels.zarr')")
    first = windows(panel)
    panel.tab("levels")
    panel.type(".nbx-option-levels", "3")
    panel.find(".nbx-option-method").select_option("max")
    panel.find(".nbx-level-2").click(timeout=10_000)
    coarse = coarsen(coarsen(cells[0, :, 0].values, (1, 2, 2), "max"), (1, 2, 2), "max")
    frame = rendered(coarse, panel, windows_=first).repeat(4, axis=0).repeat(4, axis=1)
    assert_shows(panel, frame)
    panel.find(".nbx-export").click()
    panel.until(lambda: panel.status().startswith("Written"))
    written = zarr.open_group(notebook.root / "levels.zarr", mode="r")
    np.testing.assert_array_equal(written["2"][0, :, 0], coarse)


def test_zoom_fetches_what_is_finer(show, notebook):
    """Of a large plane the whole comes coarsely, the region that is looked at finely."""
    notebook.run(
        "big = xr.DataArray(np.random.default_rng(0).integers(0, 60000, (3000, 4000), 'uint16'),"
        " dims=('y', 'x'), name='big')"
    )
    pixels = np.random.default_rng(0).integers(0, 60000, (3000, 4000), "uint16")
    panel = show("big.bioexport.panel('a.zarr', state={'channels': [{'window': [0, 60000]}]})")
    panel.canvas.click()
    box = panel.canvas.bounding_box()
    notebook.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(6):
        notebook.page.mouse.wheel(0, -600)

    def fine():
        view = json.loads(panel.canvas.get_attribute("data-view"))
        y, x = int(view["y"]) + 10, int(view["x"]) + 10
        levels = np.floor(pixels[y, x] / 60000 * 255 + 0.5)
        return view["scale"] > 1 and panel.colour_at(y, x) == (levels,) * 3

    panel.until(fine)
    before = json.loads(panel.canvas.get_attribute("data-view"))["x"]
    panel.canvas.focus()
    notebook.page.keyboard.press("ArrowRight")
    assert json.loads(panel.canvas.get_attribute("data-view"))["x"] > before
    panel.until(fine)
    notebook.page.keyboard.press("0")
    panel.until(lambda: json.loads(panel.canvas.get_attribute("data-view"))["scale"] < 0.5)


def test_cursor_reads_position_and_values(show, cells, notebook):
    panel = show("da.bioexport.panel('a.zarr')")
    y, x = 40, 60
    place = panel.canvas.evaluate(
        """(canvas, [y, x]) => {
          const v = JSON.parse(canvas.dataset.view), box = canvas.getBoundingClientRect();
          const ratio = box.width / canvas.width;
          return [box.left + (x + 0.5 - v.x) * v.scale * ratio,
            box.top + (y + 0.5 - v.y) * v.high * ratio];
        }""",
        [y, x],
    )
    notebook.page.mouse.move(*place)
    values = cells[0, :, 0, y, x].values
    assert panel.find(".nbx-readout").text_content() == (
        f"x {0.65 * x:g} µm · y {0.65 * y:g} µm · "
        f"DAPI {values[0]} · GFP {values[1]} · mCherry {values[2]}"
    )


def test_labels_have_the_colours_of_rendered_pictures(show, notebook):
    notebook.run("segmented = nbexport.testing.labels(y=90, x=120)")
    panel = show("segmented.bioexport.panel('a.zarr')")
    assert_shows(panel, label_colors(nbexport.testing.labels(y=90, x=120).values))


def test_rgb_is_shown_as_it_is(show, notebook):
    notebook.run(
        "photo = xr.DataArray(np.random.default_rng(3).integers(0, 255, (60, 80, 3), 'uint8'),"
        " dims=('y', 'x', 's'), name='photo')"
    )
    panel = show("photo.bioexport.panel('a.ome.tif')")
    assert_shows(panel, np.random.default_rng(3).integers(0, 255, (60, 80, 3), "uint8"))


# Writing ----------------------------------------------------------------------------------------


def export(panel):
    panel.find(".nbx-export").click()
    panel.until(lambda: panel.status().startswith("Written"))


def test_export_writes_what_is_shown_and_the_code_line_the_same(show, cells, notebook):
    panel = show("da.bioexport.panel('out.ome.zarr')")
    panel.tab("channels")
    panel.type(".nbx-channel:nth-child(1) .nbx-label", "nuclei")
    panel.type(".nbx-channel:nth-child(1) .nbx-to", "1234")
    panel.tab("output")
    panel.type(".nbx-crop-y-from", "16")
    panel.type(".nbx-crop-y-to", "80")
    panel.type(".nbx-crop-z-from", "1")
    panel.find(".nbx-keep-1").uncheck()
    panel.find(".nbx-option-version").select_option("0.4 (Zarr 2)")
    panel.until(lambda: 'version="0.4"' in panel.code())
    code = panel.code()
    assert code.startswith("da.isel(c=[0, 2], z=slice(1, 4), y=slice(16, 80)).bioexport.ome_zarr(")
    export(panel)
    written = zarr.open_group(notebook.root / "out.ome.zarr", mode="r")
    np.testing.assert_array_equal(written["0"][:], cells[:, [0, 2], 1:, 16:80])
    channel = written.attrs["omero"]["channels"][0]
    assert (channel["label"], channel["window"]["end"]) == ("nuclei", 1234)
    notebook.run("import os; os.rename('out.ome.zarr', 'button.ome.zarr')")
    assert notebook.run(code + "; None") == "" or (notebook.root / "out.ome.zarr").exists()
    folders = [notebook.root / name for name in ("button.ome.zarr", "out.ome.zarr")]
    files = [
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders
    ]
    assert files[0]
    assert files[0] == files[1]
    report = panel.find(".nbx-report")
    panel.until(lambda: "on disk for" in report.text_content())


def test_export_takes_the_last_change_along(show, notebook):
    """A window that is still being dragged when the button is pressed."""
    panel = show("da.bioexport.panel('last.zarr')")
    panel.root.evaluate(
        """root => {
          const slider = root.querySelector('.nbx-high');
          slider.value = 1500;
          slider.dispatchEvent(new Event('input', { bubbles: true }));
          root.querySelector('.nbx-export').click();
        }"""
    )
    panel.until(lambda: panel.status().startswith("Written"))
    written = zarr.open_group(notebook.root / "last.zarr", mode="r")
    assert written.attrs["ome"]["omero"]["channels"][0]["window"]["end"] == 1500


def test_code_is_copied_and_channels_are_put_back(show, notebook):
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel = show("da.bioexport.panel('a.zarr')")
    panel.type(".nbx-channel:nth-child(2) .nbx-label", 'quick "brown" fox')
    panel.until(lambda: "fox" in panel.code())
    panel.find(".nbx-copy").click()
    copied = panel.until(lambda: notebook.page.evaluate("() => navigator.clipboard.readText()"))
    assert copied == panel.code() == notebook.run("print(p.code)")
    panel.find(".nbx-channel:nth-child(2) [title='As the array says']").click()
    panel.until(lambda: panel.code() == 'da.bioexport.ome_zarr("a.zarr")')
    assert panel.find(".nbx-label").nth(1).input_value() == "GFP"


def test_format_changes_the_target_and_its_options(show, cells, notebook):
    panel = show("da.bioexport.panel('formats.ome.zarr')")
    panel.find(".nbx-format").select_option("OME-TIFF")
    target = panel.find(".nbx-target")
    panel.until(lambda: target.input_value() == "formats.ome.tif")
    panel.tab("output")
    panel.until(lambda: panel.find(".nbx-option-bigtiff").is_visible())
    assert panel.find(".nbx-option-version").count() == 0
    panel.find(".nbx-option-compression").select_option("zstd")
    panel.until(
        lambda: panel.code() == 'da.bioexport.ome_tiff("formats.ome.tif", compression="zstd")'
    )
    export(panel)
    np.testing.assert_array_equal(tifffile.imread(notebook.root / "formats.ome.tif"), cells)


def test_picture_is_written_as_it_is_seen(show, cells, notebook):
    panel = show("da.bioexport.panel('seen.png')")
    assert panel.find(".nbx-tab-levels").is_hidden()
    panel.find("input.nbx-z").focus()
    notebook.page.keyboard.press("ArrowRight")
    panel.find(".nbx-color").first.fill("#ff00ff")
    panel.type(".nbx-channel:nth-child(2) .nbx-to", "900")
    frame = rendered(cells[0, :, 1], panel, ("FF00FF", "00FF00", "FF8000"))
    assert_shows(panel, frame)
    panel.until(lambda: 'sel={"t": 0, "z": 1}' in panel.code() and "900" in panel.code())
    export(panel)
    np.testing.assert_array_equal(imageio.v3.imread(notebook.root / "seen.png"), frame)
    panel.until(lambda: panel.find(".nbx-report img").count() == 1)


def test_movie_is_written_and_played(show, notebook):
    panel = show("da.bioexport.panel('seen.zarr')")
    panel.find(".nbx-format").select_option("Movie")
    panel.until(lambda: "bioexport.movie(" in panel.code())
    panel.type(".nbx-target", "seen.webm")
    panel.tab("output")
    panel.find(".nbx-option-along").select_option("z")
    panel.type(".nbx-option-fps", "5")
    panel.until(lambda: 'along="z", fps=5' in panel.code())
    export(panel)
    assert imageio_ffmpeg.count_frames_and_secs(notebook.root / "seen.webm")[0] == 4
    video = panel.find(".nbx-report video")
    video.wait_for()
    size = "video => [video.videoWidth, video.videoHeight, video.duration]"
    assert panel.until(lambda: any(found := video.evaluate(size)) and found) == [128, 96, 0.8]


def test_rectangle_is_drawn(show, cells, notebook):
    panel = show("da.bioexport.panel('drawn.zarr')")
    panel.find(".nbx-draw").click()
    ends = panel.canvas.evaluate(
        """(canvas) => {
          const v = JSON.parse(canvas.dataset.view), box = canvas.getBoundingClientRect();
          const ratio = box.width / canvas.width;
          return [[10, 20], [50, 90]].map(([y, x]) =>
            [box.left + (x - v.x) * v.scale * ratio, box.top + (y - v.y) * v.high * ratio]);
        }"""
    )
    notebook.page.mouse.move(*ends[0])
    notebook.page.mouse.down()
    notebook.page.mouse.move(*ends[1], steps=4)
    notebook.page.mouse.up()
    panel.until(lambda: "isel(y=slice(10, 50), x=slice(20, 90))" in panel.code())
    inside, outside = panel.colour_at(30, 50), panel.colour_at(80, 110)
    assert sum(outside) < sum(inside)
    export(panel)
    written = zarr.open_group(notebook.root / "drawn.zarr", mode="r")["0"]
    np.testing.assert_array_equal(written[:], cells[..., 10:50, 20:90])


def test_existing_target_is_warned_of_and_an_error(show, notebook):
    (notebook.root / "there.zarr").mkdir(exist_ok=True)
    (notebook.root / "there.zarr" / "zarr.json").write_text("{}")
    panel = show("da.bioexport.panel('there.zarr')")
    assert panel.find(".nbx-warning").is_visible()
    panel.find(".nbx-export").click()
    panel.until(lambda: "exists; pass overwrite=True to replace it" in panel.status())
    panel.find(".nbx-overwrite").check()
    panel.until(lambda: "overwrite=True" in panel.code())
    export(panel)
    panel.type(".nbx-target", "/no/such/folder/a.zarr")
    panel.until(lambda: "/no/such" in panel.code() and "overwrite" not in panel.code())
    panel.find(".nbx-export").click()
    panel.until(lambda: "folder '/no/such/folder' does not exist" in panel.status())


def test_progress_moves_and_cancel_leaves_nothing(show, notebook):
    panel = show("slow(0.05).bioexport.panel('cancelled.zarr')")
    panel.tab("levels")
    panel.type(".nbx-option-chunks", "1, 64, 64")
    panel.find(".nbx-export").click()
    seen = set()
    panel.until(
        lambda: seen.add(panel.find(".nbx-progress div").get_attribute("style")) or len(seen) > 3
    )
    assert "left" in panel.until(lambda: "left" in panel.status() and panel.status())
    panel.find(".nbx-tab-metadata").click()  # the panel stays usable
    panel.find(".nbx-cancel").click()
    panel.until(lambda: "Cancelled" in panel.status())
    assert not (notebook.root / "cancelled.zarr").exists()
    assert panel.find(".nbx-export").is_enabled()


def test_export_runs_while_a_cell_is_busy(show, notebook):
    """Comm messages come on subshells here, beside the main thread."""
    panel = show("da.bioexport.panel('busy.zarr')")
    notebook.run(
        "import threading\nthreads = set()\n"
        "p.on_msg(lambda *_: threads.add(threading.current_thread().name))"
    )
    notebook.page.evaluate(
        """() => { window.busy = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
          .requestExecute({ code: 'time.sleep(3)' }).done.then(() => { window.busy = null; }); }"""
    )
    panel.find("input.nbx-z").focus()
    notebook.page.keyboard.press("ArrowRight")
    panel.find(".nbx-export").click()
    panel.until(lambda: panel.status().startswith("Written"))
    assert notebook.page.evaluate("() => window.busy !== null")
    notebook.page.evaluate("() => window.busy")
    assert notebook.run("print(*threads)").startswith("subshell-")


# Metadata ---------------------------------------------------------------------------------------


def test_missing_metadata_is_asked_for_and_wrong_one_said_beside_its_field(show, notebook):
    notebook.run("bare = xr.DataArray(np.zeros((3, 32, 32), 'u1'), dims=('z', 'y', 'x'), name='b')")
    panel = show("bare.bioexport.panel('meta.ome.zarr')")
    panel.tab("metadata")
    assert panel.find(".nbx-missing").all_text_contents()[0] == "no step is known"
    panel.type(".nbx-scale-z", "0.5")
    panel.type(".nbx-unit-z", "bananas")
    panel.until(lambda: any("bananas" in t for t in panel.find(".nbx-problem").all_text_contents()))
    assert panel.find(".nbx-export").is_disabled()
    panel.type(".nbx-unit-z", "um")
    panel.until(lambda: panel.find(".nbx-problem").count() == 0)
    panel.type(".nbx-image-name", "my image")
    panel.until(lambda: 'name="my image"' in panel.code())
    export(panel)
    ome = zarr.open_group(notebook.root / "meta.ome.zarr", mode="r").attrs["ome"]["multiscales"][0]
    assert (ome["name"], ome["axes"][0]["unit"]) == ("my image", "micrometer")
    assert ome["datasets"][0]["coordinateTransformations"][0]["scale"][0] == 0.5


def test_unknown_dim_is_mapped_in_the_table(show, notebook):
    panel = show("da.rename(z='slab').bioexport.panel('mapped.zarr')", wait=False)
    panel.until(lambda: "slab" in "".join(panel.find(".nbx-problem").all_text_contents()))
    panel.find("[aria-label='Axis of dim slab']").select_option("z")
    panel.wait_picture()
    assert panel.code() == 'da.bioexport.ome_zarr("mapped.zarr", dims={"slab": "z"})'


# Safety and form --------------------------------------------------------------------------------


def test_markup_from_files_never_runs(show, notebook):
    evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    notebook.run(
        f"evil = {evil!r}\n"
        "bad = xr.DataArray(np.ones((2, 16, 16), 'u1'), dims=('c', 'y', 'x'), name=evil,"
        " coords={'c': [evil, evil + '2']}, attrs={evil: evil, 'description': evil})"
    )
    panel = show("bad.bioexport.panel('evil<b>.zarr')")
    for tab in ("levels", "output", "metadata", "channels"):
        panel.tab(tab)
    panel.type(".nbx-label >> nth=0", evil + "3")
    panel.until(lambda: "onerror" in panel.code())
    export(panel)
    panel.until(lambda: "on disk for" in panel.find(".nbx-report").text_content())
    panel.type(".nbx-target", f"/{evil}/a.zarr")
    panel.until(lambda: "<script>" in panel.code())
    panel.find(".nbx-export").click()
    panel.until(lambda: "does not exist" in panel.status())
    notebook.page.wait_for_timeout(200)
    assert notebook.page.evaluate("() => window.hacked") is None
    assert panel.find("img, script").count() == 0


def test_everything_is_reached_by_keyboard_and_has_a_name(show, notebook):
    panel = show("da.bioexport.panel('a.zarr')")
    for tab in ("levels", "output", "metadata", "channels"):
        panel.tab(tab)
        unnamed = panel.root.evaluate(
            """root => [...root.querySelectorAll('button, input, select, canvas[tabindex]')]
              .filter(e => e.offsetParent && !(e.getAttribute('aria-label') || e.textContent.trim()
                || e.labels?.length)).map(e => e.outerHTML)"""
        )
        assert unnamed == []
    panel.canvas.focus()
    stops = set()
    for _ in range(60):
        notebook.page.keyboard.press("Tab")
        stops.add(notebook.page.evaluate("() => document.activeElement.className"))
    for wanted in (
        "nbx-tool",
        "nbx-range nbx-z",
        "nbx-low",
        "nbx-target",
        "nbx-export",
        "nbx-code",
    ):
        assert any(wanted in stop for stop in stops), wanted


def test_saved_notebook_holds_no_pixels(show, notebook):
    """With the state of all widgets, which JupyterLab saves when it is told to."""
    panel = show("da.bioexport.panel('saved.png')")
    export(panel)
    panel.until(lambda: panel.find(".nbx-report img").count() == 1)
    notebook.run(  # the panels of the tests before this one
        "from ipywidgets.widgets import widget\n"
        "for w in list(widget._instances.values()):\n"
        "    if w not in (p, p.layout): w.close()"
    )
    toggle = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"
    for _ in range(2):  # on, and off again
        notebook.page.evaluate("name => window.jupyterapp.commands.execute(name)", toggle)
        notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        text = (notebook.root / "panel.ipynb").read_text()
        if "widgets" in json.loads(text)["metadata"]:
            break
    states = json.loads(text)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
    assert any("snapshot" in one["state"] for one in states["state"].values())
    assert len(text) < 200_000


@pytest.mark.parametrize("piece", ["preview", "levels"])
def test_small_pieces_are_drawn(show, cells, piece):
    panel = show(f"da.bioexport.{piece}()")
    assert panel.find(".nbx-export").count() == 0
    panel.until(lambda: sum(panel.colour_at(48, 64)) > 0)
    picture(panel.root, piece)


def test_pictures_of_the_panel(browser, lab):
    """Nothing sticks out of the panel, whatever its width; what it looks like is saved."""
    write_notebook(
        lab["root"] / "look.ipynb",
        "import nbexport.testing\n"
        "da = nbexport.testing.cells(t=3, c=3, z=7, y=700, x=900)\n"
        "p = da.bioexport.panel('look.ome.zarr')\np",
    )
    notebook = Notebook(browser, lab, "look.ipynb", height=1150)
    notebook.run_all()
    panel = Shown(notebook.page)
    panel.wait_picture()
    panel.tab("levels")
    panel.type(".nbx-option-levels", "4")
    for width, theme in ((1200, "Light"), (500, "Light"), (1200, "Dark")):
        notebook.page.set_viewport_size({"width": width, "height": 1150})
        notebook.set_theme(theme)
        for tab in ("levels", "output", "metadata", "channels"):
            panel.tab(tab)
            notebook.page.wait_for_timeout(100)
            picture(notebook.page, f"{width}-{theme.lower()}-{tab}")
            outside = panel.root.evaluate(
                """root => { const limit = root.getBoundingClientRect().right + 1;
                  return [...root.querySelectorAll('button, input, select, label')]
                    .filter(e => e.offsetParent && !e.closest('.nbx-scroll')
                      && e.getBoundingClientRect().right > limit).map(e => e.className); }"""
            )
            assert outside == []
        colour = panel.root.evaluate("root => getComputedStyle(root).backgroundColor")
        brightness = sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(",")))
        assert (brightness < 200) == (theme == "Dark")
    notebook.set_theme("Light")
    assert (notebook.errors, notebook.outside) == ([], [])
    notebook.page.close()
