"""The panel where messages take other ways: no subshells, and voila instead of JupyterLab."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import nbexport.testing
from browser.conftest import Notebook, Shown, jupyter, picture, write_notebook

pytestmark = pytest.mark.xdist_group("browser")

MAKE = "import nbexport.testing, time\nda = nbexport.testing.cells(c=2, z=3, y=64, x=80)\n"


def test_without_subshells(browser, tmp_path_factory):
    """Messages then come on the main thread and wait for a busy cell; none is lost."""
    with jupyter(tmp_path_factory.mktemp("plain"), subshells="disabled") as server:
        write_notebook(server["root"] / "a.ipynb", MAKE + "p = da.bioexport.panel('a.zarr')\np")
        notebook = Notebook(browser, server, "a.ipynb")
        notebook.run_all()
        panel = Shown(notebook.page)
        panel.wait_picture()
        notebook.run(
            "import threading\nthreads = []\n"
            "p.on_msg(lambda *_: threads.append(threading.current_thread().name))"
        )
        notebook.page.evaluate(
            """() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
              .requestExecute({ code: 'time.sleep(1)' }); }"""
        )
        panel.type(".nbx-channel:nth-child(1) .nbx-to", "777")
        panel.find("input.nbx-z").focus()
        notebook.page.keyboard.press("ArrowRight")
        before = panel.pictures()
        panel.wait_picture(before)
        panel.until(lambda: "777" in panel.code())
        panel.find(".nbx-export").click()
        panel.until(lambda: panel.status().startswith("Written"))
        assert notebook.run("print(set(threads))") == "{'MainThread'}"
        written = zarr.open_group(server["root"] / "a.zarr", mode="r")
        da = nbexport.testing.cells(c=2, z=3, y=64, x=80)
        np.testing.assert_array_equal(written["0"][:], da)
        assert (notebook.errors, notebook.outside) == ([], [])
        notebook.page.close()


def test_voila_shows_and_exports(browser, lab):
    write_notebook(lab["root"] / "app.ipynb", MAKE + "da.bioexport.panel('voila.ome.zarr')")
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{lab['url']}/voila/render/app.ipynb", wait_until="domcontentloaded")
    panel = Shown(page)
    panel.wait_picture()
    assert sum(panel.colour_at(32, 40)) > 0
    panel.type(".nbx-channel:nth-child(1) .nbx-label", "nuclei")
    panel.until(lambda: "nuclei" in panel.code())
    panel.find(".nbx-export").click()
    panel.until(lambda: panel.status().startswith("Written"))
    written = zarr.open_group(lab["root"] / "voila.ome.zarr", mode="r")
    da = nbexport.testing.cells(c=2, z=3, y=64, x=80)
    np.testing.assert_array_equal(written["0"][:], da)
    assert written.attrs["ome"]["omero"]["channels"][0]["label"] == "nuclei"
    picture(page, "voila")
    assert errors == []
    page.close()


def test_notebook_7_shows_and_exports(browser, lab):
    """Its pages come from the same server, under another address."""
    pytest.importorskip("notebook", minversion="7")
    write_notebook(lab["root"] / "classic.ipynb", MAKE + "da.bioexport.panel('seven.ome.zarr')")
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{lab['url']}/notebooks/classic.ipynb", wait_until="domcontentloaded")
    page.locator(".jp-Notebook .cm-content").first.click(timeout=60_000)
    # A cell that is run before its kernel answers may be forgotten.
    page.wait_for_selector(
        ".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached", timeout=60_000
    )
    own = list(errors)  # Notebook's, about its own settings, before any panel is there
    page.keyboard.press("Shift+Enter")
    panel = Shown(page)
    panel.wait_picture()
    assert sum(panel.colour_at(32, 40)) > 0
    panel.type(".nbx-channel:nth-child(2) .nbx-to", "777")
    panel.until(lambda: "777" in panel.code())
    panel.find(".nbx-export").click()
    panel.until(lambda: panel.status().startswith("Written"))
    written = zarr.open_group(lab["root"] / "seven.ome.zarr", mode="r")
    da = nbexport.testing.cells(c=2, z=3, y=64, x=80)
    np.testing.assert_array_equal(written["0"][:], da)
    assert written.attrs["ome"]["omero"]["channels"][1]["window"]["end"] == 777
    picture(page, "notebook-7")
    assert errors == own
    page.close()
