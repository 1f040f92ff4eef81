"""The panel's pictures in the README: ``python tests/browser/pictures.py``, by hand.

Needs the ``test`` extra and a chromium; writes ``notebooks/pictures/panel.png`` and
``panel.webp``. The animation is made by nbexport's own movie writer, of screenshots.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import nbexport
from browser.conftest import CHROMIUM, FLAGS, Notebook, Shown, jupyter, write_notebook

FOLDER = Path(__file__).parents[2] / "notebooks" / "pictures"
WIDTH = 1310
SLIDE = "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }"
MAX_PNG, MAX_WEBP = 120_000, 600_000


def tissue(*, t=1, z=7, y=620, x=800, n_cells=120, seed=4):
    """Return packed cells: round nuclei, walls where two are equally near, bright granules."""
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(y, dtype="f4")[:, None], np.arange(x, dtype="f4")[None, :]
    place = np.empty((0, 3))
    size = np.array([y, x, 6 * z])
    while len(place) < n_cells:  # no two nearer than a nucleus
        point = rng.uniform(-0.04, 1.04, 3) * size
        apart = np.hypot(*(place - point).T[:2]).min(initial=np.inf)
        if apart > 0.8 * (y * x / n_cells) ** 0.5:
            place = np.vstack([place, point])
    radius = rng.uniform(0.30, 0.40, n_cells) * (y * x / n_cells) ** 0.5
    tilt, squeeze = rng.uniform(0, np.pi, n_cells), rng.uniform(0.7, 1, n_cells)
    light = rng.uniform(0.35, 1, n_cells)
    n_granules = 9 * n_cells
    whose = rng.integers(0, n_cells, n_granules)
    spread = rng.normal(0, 0.42, (n_granules, 3)) * radius[whose, None] * (1, 1, 0.5)
    granules = place[whose] + spread + np.sign(spread) * radius[whose, None] * (0.5, 0.5, 0)
    pixels = np.zeros((t, 3, z, y, x), "f4")
    for i, k in np.ndindex(t, z):
        nearest = np.full((2, y, x), np.inf, "f4")
        nuclei, dots = np.zeros((y, x), "f4"), np.zeros((y, x), "f4")
        for n, (cy, cx, cz) in enumerate(place):
            depth = 6 * k - cz
            dy, dx = rows - cy, columns - cx
            far = np.sqrt(dy**2 + dx**2 + (0.6 * depth) ** 2)
            nearest[1] = np.minimum(nearest[1], np.maximum(nearest[0], far))
            nearest[0] = np.minimum(nearest[0], far)
            u = dy * np.cos(tilt[n]) + dx * np.sin(tilt[n])
            v = (dx * np.cos(tilt[n]) - dy * np.sin(tilt[n])) / squeeze[n]
            inside = np.sqrt(u**2 + v**2 + (0.4 * depth) ** 2) / radius[n]
            grain = 1 + 0.22 * np.sin(u / 2.6 + n) * np.sin(v / 3.1 + 2 * n)
            nuclei += light[n] * grain / (1 + np.exp((inside - 1) * 14))
        for cy, cx, cz in granules:
            a, b = max(int(cy) - 9, 0), max(int(cx) - 9, 0)
            part = dots[a : int(cy) + 10, b : int(cx) + 10]
            if part.size and (focus := np.exp(-(((6 * k - cz) / 7) ** 2))) > 0.05:
                near = (rows[a : a + part.shape[0]] - cy) ** 2
                part += focus * np.exp(-(near + (columns[:, b : b + part.shape[1]] - cx) ** 2) / 5)
        wall = np.exp(-(((nearest[1] - nearest[0]) / 4.5) ** 2)) + 0.10
        pixels[i, :, k] = nuclei, 0.85 * wall, dots
    noisy = 110 + 3000 * pixels + rng.normal(0, 4, pixels.shape)
    da = xr.DataArray(
        noisy.clip(0, 65535).astype("uint16"),
        dims=("t", "c", "z", "y", "x"),
        name="tissue",
        coords={
            "c": ["DAPI", "membrane", "granules"],
            "color": ("c", ["#2F7BFF", "#FF3DA5", "#FFE04A"]),
            "z": ("z", np.arange(z) * 0.8, {"units": "um"}),
            "y": ("y", np.arange(y) * 0.18, {"units": "um"}),
            "x": ("x", np.arange(x) * 0.18, {"units": "um"}),
        },
    )
    return da if t > 1 else da.isel(t=0)


class Reel:
    """Screenshots of the panel, and how long each is seen."""

    def __init__(self, panel):
        self.panel = panel
        self.frames = []

    def take(self, n=1):
        shot = self.panel.root.screenshot(animations="disabled")
        frame = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
        self.frames += [frame] * n

    def glide(self, selector, values, each=1):
        for value in values:
            painted = self.panel.canvas.get_attribute("data-painted")
            self.panel.find(selector).evaluate(
                SLIDE,
                value,
            )
            self.panel.until(lambda p=painted: self.panel.canvas.get_attribute("data-painted") != p)
            self.panel.page.wait_for_timeout(60)
            self.take(each)


def film(panel):
    """Contrast, depth, a coarse level, export."""
    reel = Reel(panel)
    reel.take(6)
    high = panel.find(".nbx-high").nth(1)
    top = float(high.input_value())
    low_to_high = [*np.linspace(top, top * 0.35, 6), *np.linspace(top * 0.35, top * 0.8, 4)]
    reel.glide(".nbx-channel:nth-child(2) .nbx-high", [round(v) for v in low_to_high])
    reel.take(3)
    for k in (4, 5, 6, 5, 4, 3):
        before = panel.pictures()
        panel.find("input.nbx-z").evaluate(SLIDE, k)
        panel.wait_picture(before)
        panel.page.wait_for_timeout(60)
        reel.take(2)
    panel.tab("levels")
    reel.take(5)
    for level in (2, 3):
        before = panel.pictures()
        panel.find(f".nbx-level-{level}").check()
        panel.wait_picture(before)
        panel.page.wait_for_timeout(150)
        reel.take(6)
    before = panel.pictures()
    panel.find(".nbx-level-auto").check()
    panel.wait_picture(before)
    panel.page.wait_for_timeout(150)
    reel.take(4)
    panel.find(".nbx-export").hover()
    panel.find(".nbx-export").click()
    shown = set()
    while panel.root.get_attribute("data-phase") != "done":
        text = panel.status()
        if text not in shown:
            shown.add(text)
            reel.take()
    panel.page.wait_for_timeout(300)
    panel.root.evaluate(  # the folder of this run is nobody's business, the report is long
        """root => {
          const status = root.querySelector('.nbx-status');
          status.textContent = status.textContent.replace(/: .*[/]/, ': ');
          root.querySelector('.nbx-report').remove();
        }"""
    )
    reel.take(14)
    return reel.frames


def save(frames, target):
    """Write the animation: all frames as large as the largest, the panel's own ground below."""
    high = max(frame.shape[0] for frame in frames)
    frames = [
        np.pad(f, ((0, high - f.shape[0]), (0, 0), (0, 0)), constant_values=255) for f in frames
    ]
    size = (frames[0].shape[1] * 4 // 5, high * 4 // 5)
    small = [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.LANCZOS)) for f in frames]
    movie = xr.DataArray(np.stack(small), dims=("t", "y", "x", "s"), name="panel")
    nbexport.write_movie(movie, target, fps=6, quality="low", overwrite=True)


def main():
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        jupyter(Path(home)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        write_notebook(
            server["root"] / "panel.ipynb",
            f"import sys; sys.path[:0] = [{str(Path(__file__).parents[1])!r}]\n"
            "import nbexport\nfrom browser.pictures import tissue\n"
            "da = tissue()\n"
            "da.bioexport.panel('tissue.ome.zarr', state={'options': {'ome-zarr': {'levels': 4}},"
            " 'index': {'z': 3}})",
        )
        notebook = Notebook(browser, server, "panel.ipynb", width=WIDTH, height=1150)
        notebook.page.evaluate(
            "() => window.jupyterapp.commands.execute('application:toggle-left-area')"
        )
        notebook.run_all()
        panel = Shown(notebook.page)
        panel.wait_picture()
        notebook.page.wait_for_timeout(500)
        shot = Image.open(io.BytesIO(panel.root.screenshot())).convert("RGB")
        for n_colors in (256, 128, 64):  # as many as the size allows
            few = shot.quantize(n_colors, dither=Image.Dither.NONE)
            few.save(FOLDER / "panel.png", optimize=True)
            if (FOLDER / "panel.png").stat().st_size <= MAX_PNG:
                break
        frames = film(panel)
        assert notebook.errors == []
        browser.close()
    save(frames, FOLDER / "panel.webp")
    for name, most in (("panel.png", MAX_PNG), ("panel.webp", MAX_WEBP)):
        n = (FOLDER / name).stat().st_size
        print(f"{name}: {n / 1000:.0f} kB, {len(frames)} frames")
        assert n <= most, f"{name} has {n} bytes; at most {most} are wanted"


if __name__ == "__main__":
    main()
