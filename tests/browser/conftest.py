"""One real Jupyter server, one Chromium, one page with a notebook; all on this machine.

Selectors are the panel's own classes: JupyterLab's change from version to version.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

CHROMIUM = os.environ.get("NBEXPORT_CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PICTURES = os.environ.get("NBEXPORT_SCREENSHOTS")


def refuse(reason):
    """Skip, or fail where everything must be there."""
    if os.environ.get("NBEXPORT_CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def need_browser():
    """Refuse unless there are playwright and a chromium."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        refuse("playwright is not installed: pip install 'nbexport[test]'")
    if CHROMIUM is None:
        refuse("no chromium on the path: apt-get install chromium, or set NBEXPORT_CHROMIUM")


@pytest.fixture(scope="module")
def browser():
    """Open Chromium, and close it before the next module: playwright keeps an event loop running.

    Within one process a second playwright, or a test that starts a loop, would fail.
    """
    need_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def jupyter(home, *, subshells=None):
    """Run a Jupyter server with settings of its own; yield its URL and its folder."""
    for command in ("jupyterlab", "voila"):
        try:
            __import__(command)
        except ImportError:
            refuse(f"{command} is not installed: pip install 'nbexport[test]'")
    root = home / "root"
    root.mkdir(parents=True)
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "run",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    env = {**os.environ, **{key: str(home / name) for key, name in folders.items()}}
    env["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    # Else a question about news covers the panel.
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    if subshells is not None:
        (settings / "kernels-settings.jupyterlab-settings").write_text(
            json.dumps({"commsOverSubshells": subshells})
        )
    log = home / "server.log"
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--IdentityProvider.token="),
        *("--ServerApp.password=", f"--ServerApp.root_dir={root}"),
        *("--ServerApp.disable_check_xsrf=True", "--LabApp.expose_app_in_browser=True"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=env, cwd=root)
    try:
        yield {"url": _url_of(server, home / "run", log), "root": root, "log": log}
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _url_of(server, folder, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        for file in folder.glob("jpserver-*.json"):
            try:
                url = json.loads(file.read_text())["url"]
                urllib.request.urlopen(url + "api/status", timeout=2).close()
            except (OSError, ValueError, KeyError):
                continue
            return url.rstrip("/")
        time.sleep(0.1)
    raise AssertionError(f"no server after 60 s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    need_browser()
    with jupyter(tmp_path_factory.mktemp("lab")) as server:
        yield server


def write_notebook(path, *cells):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, path)


class Notebook:
    """One notebook in JupyterLab, and the panels in it."""

    def __init__(self, browser, server, name, *, width=1200, height=1000):
        self.root = server["root"]
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.errors = []
        self.outside = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "request",
            lambda r: (
                None
                if r.url.startswith((server["url"], "data:", "blob:"))
                else self.outside.append(r.url)
            ),
        )
        self.page.goto(f"{server['url']}/doc/tree/{name}", wait_until="domcontentloaded")
        self.page.wait_for_function(
            """() => {
              const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
              return context?.isReady && context.session?.kernel?.status === 'idle'
                && window.jupyterapp.commands.hasCommand('notebook:run-all-cells');
            }""",
            timeout=60_000,
        )

    def set_theme(self, name):
        """Choose JupyterLab's theme, ``"Light"`` or ``"Dark"``."""
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            f"JupyterLab {name}",
        )
        light = str(name == "Light").lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")

    def run_all(self):
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def run(self, code):
        """Run `code` in the notebook's kernel and return what it printed."""
        return self.page.evaluate(
            """async (code) => {
              const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
              const future = kernel.requestExecute({ code, store_history: false });
              let text = '';
              future.onIOPub = (m) => {
                if (m.header.msg_type === 'stream') text += m.content.text;
                if (m.header.msg_type === 'error') text += m.content.traceback.join('\\n');
              };
              await future.done;
              return text;
            }""",
            code,
        ).strip()


class Shown:
    """One panel in a page."""

    def __init__(self, page, number=0):
        self.page = page
        self.root = page.locator(".nbx-panel").nth(number)
        self.canvas = self.root.locator("canvas.nbx-canvas")

    def find(self, selector):
        return self.root.locator(selector)

    def pictures(self):
        return int(self.canvas.get_attribute("data-pictures") or 0)

    def wait_picture(self, after=0):
        """Wait until more than `after` complete pictures have come."""
        self.page.wait_for_function(
            "([canvas, n]) => Number(canvas.dataset.pictures || 0) > n",
            arg=[self.canvas.element_handle(timeout=60_000), after],
            timeout=90_000,
        )

    def tab(self, name):
        self.find(f".nbx-tab-{name}").click()

    def colour_at(self, y, x):
        """Return the (r, g, b) that is drawn for pixel (y, x) of the image."""
        return tuple(
            self.canvas.evaluate(
                """(canvas, [y, x]) => {
                  const v = JSON.parse(canvas.dataset.view);
                  const px = Math.floor((x + 0.5 - v.x) * v.scale);
                  const py = Math.floor((y + 0.5 - v.y) * v.high);
                  return [...canvas.getContext('2d').getImageData(px, py, 1, 1).data].slice(0, 3);
                }""",
                [y, x],
            )
        )

    def until(self, condition, timeout=90.0):
        """Wait until `condition` of no arguments is true, and return what it gave.

        How long that takes is not what is tested, on whatever machine: `timeout` only ends what
        will never be.
        """
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"did not come true in {timeout:g} s; the panel says:\n"
                    + self.root.inner_text(timeout=1000)
                )
            self.page.wait_for_timeout(30)
        return value

    def code(self):
        return self.find(".nbx-code").text_content()

    def status(self):
        return self.find(".nbx-status").text_content()

    def type(self, selector, text):
        field = self.find(selector)
        field.fill(text)
        field.press("Enter")


def picture(target, name):
    """Save a screenshot where the environment asks for it."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        target.screenshot(path=str(Path(PICTURES) / f"{name}.png"))
