"""The panel for everybody: contrast of its texts, the Tab key, names that are read out."""

from __future__ import annotations

import pytest

from browser.conftest import Notebook, Shown, write_notebook

pytestmark = pytest.mark.xdist_group("browser")

MAKE = """
import nbexport.testing, numpy as np, xarray as xr
da = nbexport.testing.cells(t=2, c=3, z=4, y=96, x=128)
bare = xr.DataArray(np.zeros((3, 32, 32), 'u1'), dims=('z', 'y', 'x'), name='bare')
bare.bioexport.ome_zarr('there.ome.zarr', overwrite=True, progress=False)
p = %s
p
"""

# Every element that has text of its own, or shows a value or placeholder: its colour against what
# is behind it. Over the picture that is white, the worst there is for the light text there.
# Disabled controls are exempt (WCAG 2.2, 1.4.3).
CONTRAST = """root => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (text) => {
    pen.canvas.width = pen.canvas.height = 1;
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (e) => {
    if (e.classList.contains('nbx-stage')) return [255, 255, 255];
    const below = e.parentElement ? behind(e.parentElement) : [255, 255, 255];
    return over(rgba(getComputedStyle(e).backgroundColor), below);
  };
  const faded = (e) => (e === root ? 1
    : Number(getComputedStyle(e).opacity) * faded(e.parentElement));
  const found = [];
  let n = 0;
  const look = (e, color, opacity, what) => {
    const ground = behind(e), ink = rgba(color);
    ink[3] *= opacity;
    const [a, b] = [light(over(ink, ground)), light(ground)].sort((p, q) => q - p);
    const ratio = (a + 0.05) / (b + 0.05);
    n++;
    if (ratio < 4.5) found.push(`${e.className || e.tagName} ${what} ${ratio.toFixed(2)}`);
  };
  for (const e of [root, ...root.querySelectorAll('*')]) {
    if (!e.getClientRects().length || e.matches(':disabled') || e.closest('svg')) continue;
    const style = getComputedStyle(e);
    const own = [...e.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
    const shows = e.matches('input[type=text], input[type=number], select') && e.value;
    if (own || shows) look(e, style.color, faded(e), 'text');
    if (e.placeholder && !e.value) {
      const faint = getComputedStyle(e, '::placeholder');
      look(e, faint.color, faded(e) * Number(faint.opacity), 'placeholder');
    }
    for (const part of ['::before', '::after']) {
      const inside = getComputedStyle(e, part);
      const text = inside.content.replace(/none|normal/, '');
      if (/[a-zA-Z]/.test(text)) look(e, inside.color, faded(e), part);
    }
  }
  return [n, [...new Set(found)]];
}"""

# As a screen reader finds it: aria, a label, text, or the title.
UNNAMED = """root => [...root.querySelectorAll(
    'button, input, select, textarea, a[href], video, [tabindex="0"], [role=group]')]
  .filter((e) => e.getClientRects().length && !(e.getAttribute('aria-label')?.trim()
    || [...(e.labels ?? [])].some((l) => l.textContent.trim())
    || document.getElementById(e.getAttribute('aria-labelledby') ?? '')?.textContent.trim()
    || (e.matches('button, a, summary') && e.textContent.trim()) || e.title?.trim()))
  .map((e) => e.outerHTML.slice(0, 200))"""

# All that can be worked with: one of a group of tabs or of radio buttons stands for the group.
CONTROLS = """root => {
  const all = [...root.querySelectorAll(
      'button, input, select, textarea, a[href], [tabindex="0"]')]
    .filter((e) => e.getClientRects().length && !e.disabled
      && getComputedStyle(e).visibility === 'visible'
      && !(e.getAttribute('role') === 'tab' && e.getAttribute('aria-selected') !== 'true')
      && !(e.type === 'radio' && !e.checked));
  all.forEach((e, i) => { e.dataset.stop = i; });
  return all.map((e) => e.outerHTML.slice(0, 120));
}"""
TABS = ("channels", "levels", "output", "metadata")


@pytest.fixture
def opened(browser, lab):
    books = []

    def opened(code):
        name = f"access-{len(books)}.ipynb"
        write_notebook(lab["root"] / name, MAKE % code)
        books.append(Notebook(browser, lab, name, height=1400))
        books[-1].run_all()
        panel = Shown(books[-1].page)
        panel.wait_picture()
        return books[-1], panel

    yield opened
    for book in books:
        book.set_theme("Light")
        assert book.errors == []
        book.page.close()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize(
    "code", ["da.bioexport.panel('%s.ome.zarr')", "bare.bioexport.panel('there.ome.zarr')"]
)
def test_texts_can_be_read(opened, theme, code):
    notebook, panel = opened(code.replace("%s", theme))
    notebook.set_theme(theme)
    panel.canvas.hover()
    panel.find(".nbx-eye").first.click()  # a hidden channel is still to be read
    states = []
    for tab in TABS:
        panel.tab(tab)
        states.append((tab, panel.root.evaluate(CONTRAST)))
    if "there" in code:
        panel.type(".nbx-unit-z", "bananas")
        panel.until(lambda: panel.find(".nbx-problem").count())
        states.append(("problem", panel.root.evaluate(CONTRAST)))
        panel.type(".nbx-unit-z", "um")
        panel.until(lambda: panel.find(".nbx-problem").count() == 0)
        panel.find(".nbx-export").click()
        panel.until(lambda: "exists" in panel.status())
        states.append(("failed", panel.root.evaluate(CONTRAST)))
        panel.tab("channels")
        panel.type(".nbx-channel .nbx-from", "1e9")  # nothing: it is beyond the end
        panel.tab("output")
        panel.type(".nbx-crop-y-from", "500")
        panel.until(lambda: panel.find(".nbx-said").is_visible())
        states.append(("said", panel.root.evaluate(CONTRAST)))
    else:
        panel.find(".nbx-export").click()
        panel.until(lambda: panel.status().startswith("Written"))
        states.append(("done", panel.root.evaluate(CONTRAST)))
        panel.find(".nbx-draw").click()
        states.append(("drawing", panel.root.evaluate(CONTRAST)))
    low = {state: texts for state, (_, texts) in states if texts}
    assert not low, low
    assert sum(n for _, (n, _) in states) > 100


def test_tab_reaches_every_control_and_each_has_a_name(opened):
    notebook, panel = opened("da.bioexport.panel('tabbed.ome.zarr')")
    for tab in TABS:
        panel.tab(tab)
        assert panel.root.evaluate(UNNAMED) == []
        wanted = panel.root.evaluate(CONTROLS)
        assert len(wanted) > 12
        reached = []
        panel.find("[data-stop='0']").focus()
        for _ in range(len(wanted)):
            reached.append(
                notebook.page.evaluate(
                    """() => { const e = document.activeElement;
                      return e.closest('.nbx-panel') ? Number(e.dataset.stop) : -1; }"""
                )
            )
            notebook.page.keyboard.press("Tab")
        assert [wanted[i] for i in sorted(set(range(len(wanted))) - set(reached))] == []
        assert reached == sorted(reached)  # in the order in which they stand


def test_tabs_and_levels_are_chosen_by_arrows(opened):
    notebook, panel = opened(
        "da.bioexport.panel('arrows.ome.zarr', state={'options': {'ome-zarr': {'levels': 3}}})"
    )
    panel.find(".nbx-tab-channels").focus()
    notebook.page.keyboard.press("ArrowRight")
    assert panel.find(".nbx-tab-levels").get_attribute("aria-selected") == "true"
    assert panel.find(".nbx-levels").is_visible()
    panel.find(".nbx-level-auto").focus()
    notebook.page.keyboard.press("ArrowDown")
    panel.until(lambda: notebook.run("print(p.state.level)") == "0")
    assert panel.find(".nbx-level-0").evaluate("e => e === document.activeElement")
