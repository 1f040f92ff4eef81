"""The widget without a browser: messages in, messages out, threads, exports."""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from dataclasses import replace

import dask.array
import fsspec.implementations.memory
import imageio.v3
import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr

import nbexport
import nbexport.testing
from nbexport.errors import ExportCancelled, PlanError, TargetExistsError
from nbexport.panels import Panel, PanelState
from nbexport.panels._planes import (
    MAX_NBYTES,
    MAX_PIXELS,
    Request,
    encode_plane,
    fetch_planes,
    look_at,
)
from nbexport.panels._reduce import reduce
from nbexport.panels._subject import understood
from nbexport.panels._view import PATIENCE_S, Fetcher
from nbexport.pixels import coarsen


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def cells():
    return nbexport.testing.cells(t=2, c=3, z=5, y=130, x=150)


class Browser:
    """What a page would send and get."""

    def __init__(self, panel):
        self.panel = panel
        self.got = []
        self.number = 0
        self.planes = 0
        panel.send = lambda content, buffers=None: self.got.append((content, buffers or []))

    def send(self, **content):
        self.panel._handle_custom_msg(content, [])

    def act(self, *actions):
        self.number += 1
        self.send(type="act", view="v", number=self.number, actions=list(actions))

    def view(self, region, **more):
        self.planes += 1
        self.send(type="view", view="v", number=self.planes, region=region, **more)
        until(lambda: any(self._is_answer(content) for content, _ in self.got))
        return next((c, b) for c, b in self.got if self._is_answer(c))

    def _is_answer(self, content):
        assert content["type"] != "trouble", content["text"]
        return content["number"] == self.planes and content["fraction"] == 1


def until(condition, timeout=20):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def plane_of(header, buffers, i):
    one = header["channels"][i]
    y0, y1, x0, x1 = header["box"]
    raw = np.frombuffer(buffers[i], f"u{one['bits'] // 8}").reshape(y1 - y0, x1 - x0)
    return one["low"] + one["step"] * raw


# Pictures ---------------------------------------------------------------------------------------


def test_planes_are_the_array_s(cells):
    browser = Browser(cells.bioexport.panel())
    header, buffers = browser.view([0, 130, 0, 150], index={"t": 1, "z": 2}, channels=[0, 2])
    assert (header["factors"], header["box"], header["exact"]) == ([1, 1], [0, 130, 0, 150], True)
    for i, c in enumerate((0, 2)):
        wanted = cells.isel(t=1, z=2, c=c).values
        np.testing.assert_array_equal(plane_of(header, buffers, i), wanted)
        one = header["channels"][i]
        assert one["range"] == [wanted.min(), wanted.max()]
        assert sum(one["histogram"]) == wanted.size
    header, buffers = browser.view([20, 30, 40.5, 60.2], index={"t": 0, "z": 0}, channels=[1])
    assert header["box"] == [20, 30, 40, 61]
    wanted = cells.isel(t=0, z=0, c=1).values[20:30, 40:61]
    np.testing.assert_array_equal(plane_of(header, buffers, 0), wanted)


def test_first_windows_stay_while_planes_are_stepped_through(cells):
    browser = Browser(cells.bioexport.panel())
    headers = [browser.view([0, 130, 0, 150], index={"z": z}, channels=[0])[0] for z in (0, 3)]
    one, other = (header["channels"][0] for header in headers)
    assert one["auto"] != other["auto"]
    assert one["first"] == other["first"] == one["auto"]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("method", ["mean", "max", "nearest"])
def test_a_level_is_shown_as_it_is_written(cells, method, lazy):
    da = cells.chunk({"y": 47, "x": 64, "z": 1}) if lazy else cells
    panel = da.bioexport.panel("a.zarr")
    options = {"levels": 3, "method": method, "factors": (("x", 2), ("y", 3), ("z", 2))}
    for name, value in options.items():
        panel.state = panel.state.with_option(name, value)
    panel.export()
    written = zarr.open_group("a.zarr", mode="r")
    browser = Browser(panel)
    for level in range(3):
        header, buffers = browser.view(
            [0, 130, 0, 150], index={"t": 1, "z": 4}, channels=[0, 1, 2], level=level
        )
        assert header["exact"]
        z = min(4 // 2**level, written[str(level)].shape[2] - 1)
        for c in range(3):
            np.testing.assert_array_equal(
                plane_of(header, buffers, c), written[str(level)][1, c, z]
            )


def test_a_large_plane_is_coarse_first_and_fine_where_looked_at():
    pixels = np.random.default_rng(0).integers(0, 60000, (3000, 5000), "uint16")
    da = xr.DataArray(
        dask.array.from_array(pixels, chunks=(700, 900)), dims=("y", "x"), name="large"
    )
    browser = Browser(da.bioexport.panel())
    header, buffers = browser.view([0, 3000, 0, 5000], max_pixels=10**9)
    assert header["factors"] == [4, 4]
    wanted = coarsen(coarsen(pixels, (2, 2), "mean"), (2, 2), "mean")
    assert wanted.size <= MAX_PIXELS
    np.testing.assert_array_equal(plane_of(header, buffers, 0), wanted)
    header, buffers = browser.view([1000, 1500, 3000, 3600])
    assert header["factors"] == [1, 1]
    np.testing.assert_array_equal(plane_of(header, buffers, 0), pixels[1000:1500, 3000:3600])
    header, _ = browser.view([0, 3000, 0, 5000], level=0)
    assert not header["exact"]  # more than a megapixel: thinned out, and said so


@pytest.mark.parametrize(
    ("n_channels", "dtype", "factor"),
    [(1, "uint16", 2), (3, "uint16", 2), (4, "uint16", 4), (6, "uint8", 2), (10, "uint16", 4)],
)
def test_all_channels_together_have_a_budget(n_channels, dtype, factor):
    """Ten channels are coarser than one, and as fine as they get where they are looked at."""
    pixels = np.random.default_rng(0).integers(0, 250, (n_channels, 1800, 2000)).astype(dtype)
    da = xr.DataArray(pixels, dims=("c", "y", "x"), name="many")
    browser = Browser(da.bioexport.panel())
    every = list(range(n_channels))
    header, buffers = browser.view([0, 1800, 0, 2000], channels=every, max_pixels=10**9)
    assert header["factors"] == [factor, factor]
    sent = sum(memoryview(buffer).nbytes for buffer in buffers)
    assert MAX_NBYTES / 8 < sent <= MAX_NBYTES
    header, buffers = browser.view([0, 1800, 0, 2000], channels=[0], max_pixels=10**9)
    assert header["factors"] == [2, 2]  # one alone
    header, buffers = browser.view([100, 500, 300, 700], channels=every, max_pixels=10**9)
    assert header["factors"] == [1, 1]
    np.testing.assert_array_equal(plane_of(header, buffers, 0), pixels[0, 100:500, 300:700])


def test_the_samples_of_rgb_have_a_budget():
    rgb = np.zeros((1900, 2000, 4), "uint16")
    browser = Browser(xr.DataArray(rgb, dims=("y", "x", "s"), name="photo").bioexport.panel())
    _, buffers = browser.view([0, 1900, 0, 2000], max_pixels=10**9)
    assert sum(memoryview(buffer).nbytes for buffer in buffers) <= MAX_NBYTES


def test_a_picture_without_channels_is_empty(cells):
    """All of them are hidden."""
    header, buffers = Browser(cells.bioexport.panel()).view([0, 130, 0, 150], channels=[])
    assert (header["channels"], buffers) == ([], [])


def test_first_picture_comes_before_the_last_chunk():
    """A picture that takes long is shown as far as it is."""
    gate, n_computed = threading.Event(), []

    def compute(block, block_info=None):
        n_computed.append(1)
        if len(n_computed) > 3:
            gate.wait(20)
            time.sleep(0.1)
        else:
            time.sleep(0.2)
        return np.full(block.shape, len(n_computed), "uint16")

    source = dask.array.zeros((2048, 2048), chunks=(512, 512), dtype="uint16")
    da = xr.DataArray(
        dask.array.map_blocks(compute, source, dtype="uint16", meta=np.zeros((0, 0), "uint16")),
        dims=("y", "x"),
        name="slow",
    )
    n_computed.clear()
    browser = Browser(da.bioexport.panel())
    browser.send(type="view", view="v", number=1, region=[0, 2048, 0, 2048])
    until(lambda: browser.got)
    assert browser.got[0][0]["fraction"] < 1
    gate.set()
    until(lambda: browser.got[-1][0]["fraction"] == 1)
    assert len(n_computed) == 16  # each chunk once


def test_two_hundred_gigabytes_are_looked_at_plane_by_plane():
    n_computed = []

    def compute(block):
        n_computed.append(1)
        return block

    source = dask.array.zeros(
        (200, 2, 60, 2048, 2048), chunks=(1, 1, 10, 2048, 2048), dtype="uint16"
    )
    lazy = dask.array.map_blocks(compute, source, dtype="uint16", meta=np.zeros((0,) * 5, "uint16"))
    browser = Browser(xr.DataArray(lazy, dims=tuple("tczyx"), name="huge").bioexport.panel())
    assert n_computed == []
    header, buffers = browser.view([0, 2048, 0, 2048], index={"t": 150, "z": 33}, channels=[0, 1])
    assert len(n_computed) == 2
    assert all(len(buffer) <= 2 * MAX_PIXELS for buffer in buffers)
    assert header["factors"] == [4, 4]


def test_newest_request_wins_and_stale_ones_are_dropped():
    answered, busy, go = [], threading.Event(), threading.Event()

    def answer(request, stale):
        busy.set()
        go.wait(10)
        answered.append((request.view, request.number, stale()))

    fetcher = Fetcher(answer)
    region = (0.0, 1.0, 0.0, 1.0)
    fetcher.ask(Request(view="a", number=0, region=region))
    busy.wait(10)
    for number in range(1, 50):
        fetcher.ask(Request(view="a", number=number, region=region))
    fetcher.ask(Request(view="b", number=1, region=region))
    go.set()
    until(lambda: len(answered) == 3)
    time.sleep(0.05)
    assert answered == [("a", 0, True), ("a", 49, False), ("b", 1, False)]
    fetcher.ask(Request(view="a", number=50, region=region))  # the thread had ended
    until(lambda: len(answered) == 4)


def test_a_chunk_that_hangs_does_not_hold_the_next_request():
    began, answered, go = [], [], threading.Event()

    def answer(request, stale):
        began.append(request.number)
        if request.number in hang:
            go.wait(30)
        answered.append((request.number, stale()))

    hang = {0}
    region = (0.0, 1.0, 0.0, 1.0)
    fetcher = Fetcher(answer)
    for number in range(3):
        fetcher.ask(Request(view="a", number=number, region=region))
        until(lambda: began)
    until(lambda: answered)
    assert answered == [(2, False)]
    hang.update(range(3, 10_000))
    numbers = iter(range(3, 10_000))

    def all_hang():
        fetcher.ask(Request(view="a", number=next(numbers), region=region))
        return fetcher._n_running == len(PATIENCE_S) and not fetcher._wanted

    until(lambda: all_hang() or len(began) == 2 + len(PATIENCE_S) - 1)
    last = 10_000
    fetcher.ask(Request(view="a", number=last, region=region))
    time.sleep(0.05)
    assert len(answered) == 1  # all threads hang: bounded
    go.set()
    until(lambda: (last, False) in answered)
    assert [one for one in answered if not one[1]] == [(2, False), (last, False)]
    until(lambda: fetcher._n_running == 0)


def test_quick_answers_need_one_thread():
    names, region = set(), (0.0, 1.0, 0.0, 1.0)

    def answer(request, stale):
        names.add(threading.get_ident())
        time.sleep(0.001)

    fetcher = Fetcher(answer)
    fetcher.ask(Request(view="a", number=0, region=region))
    most = 0
    for number in range(1, 100):
        fetcher.ask(Request(view="a", number=number, region=region))
        most = max(most, fetcher._n_running)
        time.sleep(0.0005)
    until(lambda: fetcher._n_running == 0)
    assert most == 1


def hanging(gate):
    """Return an array whose plane 0 waits for `gate`."""

    def compute(block, block_info=None):
        z = block_info[0]["chunk-location"][0]
        if z == 0:
            gate.wait(30)
        return np.full(block.shape, z, "uint8")

    source = dask.array.zeros((6, 64, 64), chunks=(1, 64, 64), dtype="uint8")
    lazy = dask.array.map_blocks(compute, source, dtype="uint8", meta=np.zeros((0, 0, 0), "u1"))
    return xr.DataArray(lazy, dims=("z", "y", "x"), name="hanging")


def test_next_plane_comes_while_a_chunk_hangs_and_the_late_one_is_not_sent():
    gate = threading.Event()
    browser = Browser(hanging(gate).bioexport.panel())
    browser.planes += 1
    browser.send(type="view", view="v", number=1, region=[0, 64, 0, 64], index={"z": 0})
    header, buffers = browser.view([0, 64, 0, 64], index={"z": 3})
    assert (plane_of(header, buffers, 0) == 3).all()
    gate.set()
    until(lambda: browser.panel._fetcher._n_running == 0)
    assert {content["number"] for content, _ in browser.got} == {2}


def test_stale_picture_computes_no_further_tile():
    n_computed = []

    def compute(block):
        n_computed.append(1)
        time.sleep(0.01)
        return block

    source = dask.array.zeros((4096, 4096), chunks=(256, 256), dtype="uint8")
    lazy = dask.array.map_blocks(compute, source, dtype="uint8", meta=np.zeros((0, 0), "uint8"))
    da = xr.DataArray(lazy, dims=("y", "x"), name="slow")
    n_computed.clear()
    subject = understood(da, PanelState())
    plan = nbexport.plan_export(da, "ome-zarr")
    request = Request(view="v", number=1, region=(0, 4096, 0, 4096))
    look = look_at(request, subject.image, plan.levels)
    pictures = fetch_planes(subject, look, (0,), "mean", lambda: len(n_computed) > 10)
    shown = [done for _, done in pictures]  # on a slow machine a coarse one before it is stale
    assert all(done < 11 / 256 for done in shown)
    assert len(n_computed) < 30


@pytest.mark.parametrize(
    "plane",
    [
        np.array([[0, 255]], "uint8"),
        np.array([[-128, 127]], "int8"),
        np.array([[-32768, 32767]], "int16"),
        np.array([[0, 65535]], "uint16"),
        np.array([[10**9, 10**9 + 65535]], "uint32"),
        np.array([[-(2**62), -(2**62) + 7]], "int64"),
    ],
    ids=lambda plane: plane.dtype.name,
)
def test_integers_arrive_exactly(plane):
    encoded = encode_plane(plane)
    values = [int(encoded.low) + int(encoded.step) * int(raw) for raw in encoded.raw.flat]
    assert values == plane.ravel().tolist()
    assert encoded.raw.dtype in ("uint8", "uint16")


def test_other_numbers_are_spread_over_their_range():
    plane = np.linspace(-3, 5, 1000).reshape(10, 100)
    plane[0, :3] = np.nan, np.inf, -np.inf
    encoded = encode_plane(plane)
    values = encoded.low + encoded.step * encoded.raw
    finite = np.isfinite(plane)
    np.testing.assert_allclose(values[finite], plane[finite], atol=8 / 65535)
    assert values[0, :3] == pytest.approx([encoded.low, 5, encoded.low])
    assert sum(encoded.histogram) == 997
    empty = encode_plane(np.full((2, 2), np.nan))
    assert empty.raw.max() == 0
    assert empty.range == (0, 0)


def test_label_keys_are_those_of_rendered_pictures():
    from nbexport.pixels import label_colors, look_table
    from nbexport.pixels._composite import Look, _label_keys

    labels = np.array([[0, 1, 65535, 65536, 2**31 - 1, -5]], "int32")
    raw = encode_plane(labels, labels=True).raw
    np.testing.assert_array_equal(raw, _label_keys(labels))
    assert raw.dtype == "uint16"
    assert label_colors(raw).shape == (1, 6, 3)
    assert look_table("uint8", Look(labels=True))[0].tolist() == [0, 0, 0]


def test_rgb_and_labels_have_pictures_and_no_channels():
    rgb = np.random.default_rng(0).integers(0, 255, (40, 50, 3), "uint8")
    panel = xr.DataArray(rgb, dims=("y", "x", "s"), name="photo").bioexport.panel("a.zarr")
    assert panel.snapshot["image"]["channels"] == []
    header, buffers = Browser(panel).view([0, 40, 0, 50], level=0)
    for i in range(3):
        np.testing.assert_array_equal(plane_of(header, buffers, i), rgb[..., i])
    labels = nbexport.testing.labels(y=64, x=64)
    panel = labels.bioexport.panel()
    assert (panel.snapshot["image"]["kind"], panel.snapshot["plan"]["method"]) == ("labels", "mode")
    header, buffers = Browser(panel).view([0, 64, 0, 64])
    np.testing.assert_array_equal(plane_of(header, buffers, 0), labels.values)


def test_broken_source_is_said(cells):
    def compute(block):
        raise ValueError("disk on fire")

    source = dask.array.zeros((64, 64), dtype="uint8")
    lazy = dask.array.map_blocks(compute, source, dtype="uint8", meta=np.zeros((0, 0), "uint8"))
    browser = Browser(xr.DataArray(lazy, dims=("y", "x"), name="broken").bioexport.panel())
    browser.send(type="view", view="v", number=1, region=[0, 64, 0, 64])
    until(lambda: browser.got)
    about = {"view": "v", "number": 1}  # one picture's trouble, not that of all
    assert browser.got == [({"type": "trouble", "text": "ValueError: disk on fire", **about}, [])]


# State ------------------------------------------------------------------------------------------


def test_what_the_browser_does_is_the_state_and_comes_back(cells):
    panel = cells.bioexport.panel("a.ome.zarr")
    browser = Browser(panel)
    browser.act(
        {"type": "channel", "channel": 1, "field": "window", "value": [10, 99]},
        {"type": "index", "axis": "z", "value": 2},
    )
    assert panel.state.channels[1].window == (10, 99)
    assert panel.snapshot["image"]["channels"][1]["window"] == [10, 99]
    assert panel.snapshot["image"]["index"] == {"t": 0, "z": 2}
    assert panel.snapshot["ack"] == {"v": 1}
    assert panel.snapshot["code"] == panel.code
    assert '{"window": (10, 99)}' in panel.code
    copy = cells.bioexport.panel(state=panel.state.to_json())
    assert (copy.state, copy.code) == (panel.state, panel.code)


def test_wrong_action_is_said_and_changes_nothing(cells):
    panel = cells.bioexport.panel()
    browser = Browser(panel)
    browser.act({"type": "crop", "axis": "y", "value": [9, 3]})
    assert panel.snapshot["said"].startswith("crop of 'y' is 9 to 3")
    assert panel.snapshot["ack"] == {"v": 1}
    assert panel.state == PanelState()
    browser.act({"type": "option", "name": "levels", "value": 99})
    assert "levels=99 is too many" in panel.snapshot["trouble"]
    assert panel.snapshot["plan"]["levels"] == []
    browser.act({"type": "option", "name": "levels", "value": None})
    assert (panel.snapshot["said"], panel.snapshot["trouble"]) == ("", "")


def test_problems_keep_the_picture_and_stop_the_export(cells):
    panel = cells.bioexport.panel()
    Browser(panel).act({"type": "units", "axis": "z", "value": "bananas"})
    assert "bananas" in panel.snapshot["problems"]["units.z"][0]
    assert panel.snapshot["image"]["title"] == "cells"
    assert panel.snapshot["code"] == ""
    with pytest.raises(nbexport.AxisError, match="bananas"):
        panel.export()
    panel.state = PanelState()
    assert panel.snapshot["problems"] == {}


def test_array_that_is_not_understood_is_mended_in_the_table(cells):
    panel = cells.rename(z="slab").bioexport.panel("a.zarr")
    assert panel.snapshot["image"] is None
    assert list(panel.snapshot["problems"]) == ["dims.slab"]
    Browser(panel).act({"type": "dims", "dim": "slab", "value": "z"})
    assert panel.snapshot["problems"] == {}
    assert panel.code == 'da.bioexport.ome_zarr("a.zarr", dims={"slab": "z"})'
    panel.export()
    np.testing.assert_array_equal(zarr.open_group("a.zarr")["0"][:], cells)


def test_two_panels_on_one_array_do_not_interfere(cells):
    one, other = cells.bioexport.panel("a.zarr"), cells.bioexport.panel("a.zarr")
    Browser(one).act({"type": "level", "value": 1}, {"type": "name", "value": "mine"})
    assert (other.state, other.code) == (cells.bioexport.panel("a.zarr").state, other.code)
    assert one.code != other.code


def test_actions_from_many_threads_are_all_kept(cells, monkeypatch):
    """JupyterLab sends comm messages on threads of their own, while cells run on the main one."""

    def slowly(*arguments):
        state = reduce(*arguments)
        time.sleep(0.001)  # long enough for another thread to come between
        return state

    monkeypatch.setattr("nbexport.panels._panel.reduce", slowly)
    panel = cells.bioexport.panel()
    browsers = [Browser(panel) for _ in range(2)]
    errors = []

    def work(channel, field):
        try:
            for i in range(20):
                value = [i, i + 1] if field == "window" else f"{channel} {i}"
                browsers[0].act(
                    {"type": "channel", "channel": channel, "field": field, "value": value}
                )
                assert panel.code
        except Exception as error:
            errors.append(error)

    jobs = [(c, f) for c in range(3) for f in ("window", "label")]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [c.window for c in panel.state.channels] == [(19, 20)] * 3
    assert [c.label for c in panel.state.channels] == ["0 19", "1 19", "2 19"]


def test_no_pixels_in_what_a_notebook_saves(cells):
    panel = cells.bioexport.panel()
    Browser(panel).view([0, 130, 0, 150], channels=[0, 1, 2])
    state = panel.get_state()
    assert not any(isinstance(value, bytes | memoryview) for value in state.values())
    assert len(json.dumps(state, default=str)) < 120_000


@pytest.mark.parametrize("small", ["preview", "levels"])
def test_small_pieces(cells, small):
    piece = getattr(cells.bioexport, small)()
    assert isinstance(piece, Panel)
    assert piece.setup["parts"][0] == "picture"
    assert "export" not in piece.setup["parts"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("cells.docx",), PlanError, "target 'cells.docx' ends as no format does"),
        ((), PlanError, "state has no field 'colour'"),
    ],
)
def test_wrong_arguments_say_why(cells, arguments, error, text):
    options = {} if arguments else {"state": {"colour": 1}}
    with pytest.raises(error, match=text):
        cells.bioexport.panel(*arguments, **options)


def test_only_a_state_can_be_set(cells):
    with pytest.raises(TypeError, match="state is a PanelState, got dict"):
        cells.bioexport.panel().state = {}


def test_only_a_dataarray_has_a_panel():
    from nbexport.panels import panel

    with pytest.raises(TypeError, match=r"an xarray.DataArray is needed, got ndarray"):
        panel(np.zeros((4, 4)))


# Export -----------------------------------------------------------------------------------------


def test_export_writes_what_is_shown(cells):
    panel = cells.bioexport.panel("a.ome.tif")
    panel.state = panel.state.with_pair("crop", "y", (10, 110)).with_channel(0, label="nuclei")
    report = panel.export()
    assert panel.report is report
    assert panel.job["phase"] == "done"
    assert report.target in panel.job["text"]
    np.testing.assert_array_equal(tifffile.imread("a.ome.tif"), cells[..., 10:110, :])
    assert nbexport.describe(cells, channels=["nuclei", "b", "c"]).channels[0].label == "nuclei"
    assert panel.snapshot["exists"]


def test_button_writes_as_the_method(cells):
    panel = cells.bioexport.panel("a.zarr")
    browser = Browser(panel)
    browser.send(type="export")
    until(lambda: panel.job["phase"] == "done")
    np.testing.assert_array_equal(zarr.open_group("a.zarr")["0"][:], cells)
    browser.send(type="report", view="v")
    (answer,) = [c for c, _ in browser.got if c["type"] == "report"]
    assert answer["html"] == panel.report._repr_html_()


def test_existing_target_is_an_error_with_its_text(cells):
    (old := nbexport.write_ome_zarr(cells, "a.zarr", progress=False))
    panel = cells.bioexport.panel("a.zarr")
    assert panel.snapshot["exists"]
    with pytest.raises(TargetExistsError, match="exists; pass overwrite=True"):
        panel.export()
    Browser(panel).send(type="export")
    until(lambda: panel.job["phase"] == "failed")
    assert panel.job["text"] == f"'{old.target}' exists; pass overwrite=True to replace it"
    panel.state = replace(panel.state, overwrite=True)
    assert panel.export().target == old.target


def slow(seconds):
    def compute(block):
        time.sleep(seconds)
        return block + 1

    source = dask.array.zeros((40, 64, 64), chunks=(1, 64, 64), dtype="uint8")
    lazy = dask.array.map_blocks(compute, source, dtype="uint8", meta=np.zeros((0, 0, 0), "u1"))
    return xr.DataArray(lazy, dims=("z", "y", "x"), name="slow")


def test_progress_has_rate_and_time_left_and_the_panel_stays_usable():
    panel = slow(0.05).bioexport.panel("a.zarr")
    browser = Browser(panel)
    seen = []
    panel.observe(lambda change: seen.append(change["new"]), "job")
    browser.act({"type": "option", "name": "chunks", "value": "1, 64, 64"})
    browser.send(type="export")
    browser.act({"type": "level", "value": 0})
    assert panel.state.level == 0
    assert panel.job["phase"] == "running"
    browser.send(type="export")
    assert "is running" in panel.job["text"]
    until(lambda: panel.job["phase"] == "done")
    told = [job for job in seen if job.get("done")]
    assert len(told) > 2
    assert all(job["nbytes_per_second"] > 0 for job in told)
    assert told[0]["seconds_left"] > told[-1]["seconds_left"] >= 0


def test_cancel_leaves_nothing(tmp_path):
    panel = slow(0.05).bioexport.panel("a.zarr")
    panel.state = panel.state.with_option("chunks", (1, 64, 64))
    browser = Browser(panel)
    browser.send(type="export")
    until(lambda: panel.job.get("done", 0) > 0)
    browser.send(type="cancel")
    assert panel.job["phase"] == "cancelling"
    until(lambda: panel.job["phase"] == "cancelled")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ExportCancelled):
        panel._last.wait()
    panel.state = PanelState(target="b.zarr")
    panel.export()
    assert [path.name for path in tmp_path.iterdir()] == ["b.zarr"]


def test_a_single_picture_cannot_be_stopped_and_says_so(cells, monkeypatch):
    from nbexport import api

    gate, write = threading.Event(), api.write_image

    def wait(*arguments, **options):
        gate.wait(20)
        return write(*arguments, **options)

    monkeypatch.setattr(api, "write_image", wait)
    panel = cells.bioexport.panel("a.png")
    browser = Browser(panel)
    browser.send(type="export")
    assert (panel.job["phase"], panel.job["can_stop"]) == ("running", False)
    browser.send(type="cancel")
    assert panel.snapshot["said"] == (
        "a single picture is made in one go and can't be stopped; wait for it"
    )
    assert panel.job["phase"] == "running"
    gate.set()
    until(lambda: panel.job["phase"] == "done")


def test_close_lets_go_of_everything(tmp_path):
    gate = threading.Event()
    da = hanging(gate)
    panel = da.bioexport.panel("a.zarr", storage_options={"key": "k"})
    panel.state = panel.state.with_pair("crop", "z", (1, 6))
    browser = Browser(panel)
    browser.view([0, 64, 0, 64], index={"z": 2})
    report = panel.export()
    browser.send(type="view", view="v", number=2, region=[0, 64, 0, 64], index={"z": 0})
    until(lambda: panel._fetcher._n_running == 1)
    browser.send(type="view", view="v", number=3, region=[0, 64, 0, 64], index={"z": 1})
    n_got, alive = len(browser.got), weakref.ref(da)
    panel.close()
    panel.close()
    gate.set()
    until(lambda: panel._fetcher._n_running == 0)
    assert panel._fetcher._timer is None
    assert len(browser.got) == n_got
    assert panel.comm is None
    del da
    gc.collect()
    assert alive() is None
    assert panel.report is report
    assert panel.state.crop == (("z", (1, 6)),)
    browser.send(type="view", view="v", number=4, region=[0, 64, 0, 64])
    browser.act({"type": "level", "value": 1})
    assert panel.state.level is None
    closed = r"this panel is closed; make another one with da.bioexport.panel\(\)"
    for use in (panel.export, lambda: panel.code, lambda: setattr(panel, "state", PanelState())):
        with pytest.raises(PlanError, match=closed):
            use()


def test_close_stops_a_running_export(tmp_path):
    panel = slow(0.05).bioexport.panel("a.zarr")
    panel.state = panel.state.with_option("chunks", (1, 64, 64))
    Browser(panel).send(type="export")
    until(lambda: panel.job.get("done", 0) > 0)
    panel.close()
    assert list(tmp_path.iterdir()) == []
    assert not [t for t in threading.enumerate() if t.name == "nbexport-panel-export"]


class Guarded(fsspec.implementations.memory.MemoryFileSystem):
    """Files that need a password."""

    protocol = "guarded"
    cachable = False

    def __init__(self, *arguments, secret=None, **options):
        if secret != "s3same":
            raise PermissionError("wrong secret")
        super().__init__(*arguments, **options)


@pytest.mark.parametrize("kind", ["ome.zarr", "ome.tif", "gif", "png"])
def test_storage_options_open_the_target_and_are_shown_nowhere(cells, kind):
    fsspec.register_implementation("guarded", Guarded, clobber=True)
    url, secrets = f"guarded://panel/{kind}/a.{kind}", {"secret": "s3same"}
    panel = cells.bioexport.panel(url, storage_options=secrets)
    secrets.clear()  # the panel has its own
    assert panel.code.endswith(", storage_options=storage_options)")
    report = panel.export()
    assert report.target.startswith("guarded://")
    assert Guarded(secret="s3same").exists(url)
    shown = [
        panel.code,
        panel.state.to_json(),
        json.dumps(panel.get_state(), default=str),
        repr(panel),
        repr(panel._call()),
        repr(panel._last.call),
        report._repr_html_(),
    ]
    assert not [text for text in shown if "s3same" in text or '"secret"' in text]
    options = {"storage_options": {"secret": "s3same"}}
    panel.state = replace(panel.state, overwrite=True)
    eval(panel.code, {"da": cells, **options})
    panel.state = replace(panel.state, target=f"here.{kind}", overwrite=False)
    assert "storage_options" not in panel.code  # a local path has none
    panel.export()
    with pytest.raises(PlanError, match="state has no field 'storage_options'"):
        cells.bioexport.panel(state={"storage_options": {}})


def test_wrong_storage_options_are_not_repeated(cells):
    text = "storage_options is of type 'str', which is no mapping; write it as {name: value, …}"
    with pytest.raises(PlanError) as caught:
        cells.bioexport.panel("s3://a/b.zarr", storage_options="hunter2")
    assert str(caught.value) == text


def test_gamma_is_that_of_the_picture(cells):
    panel = cells.bioexport.panel("a.png")
    Browser(panel).act({"type": "option", "name": "gamma", "value": "0.5"})
    assert "gamma=0.5" in panel.code
    bright = imageio.v3.imread(panel.export().target)
    nbexport.write_image(cells, "b.png", sel={"t": 0, "z": 0}, gamma=0.5)
    np.testing.assert_array_equal(bright, imageio.v3.imread("b.png"))
    panel.state = replace(panel.state, target="c.png").with_option("gamma", None)
    assert imageio.v3.imread(panel.export().target).sum() < bright.sum()


def test_codec_is_of_the_movie_and_refused_where_it_cannot_be(cells):
    panel = cells.bioexport.panel("a.mkv")
    browser = Browser(panel)
    browser.act({"type": "option", "name": "codec", "value": "ffv1"})
    assert 'codec="ffv1"' in panel.code
    assert panel.snapshot["trouble"] == ""
    report = panel.export()
    import imageio_ffmpeg

    reader = imageio_ffmpeg.read_frames(report.target)
    assert next(reader)["codec"].strip(",") == "ffv1"
    reader.close()
    browser.act({"type": "target", "value": "a.webm"})
    assert panel.snapshot["trouble"].startswith("codec='ffv1' is not possible in .webm; use 'vp9'")


def test_codecs_are_all_that_leave_a_choice():
    from nbexport.panels._options import FIELDS
    from nbexport.stores.media._codec import CONTAINERS

    (field,) = (field for field in FIELDS["movie"] if field.name == "codec")
    offered = {value: text for value, text in field.choices if value is not None}
    several = {name for c in CONTAINERS.values() if len(c.codecs) > 1 for name in c.codecs}
    assert set(offered) == several
    for name, text in offered.items():
        suffixes = {suffix for suffix, c in CONTAINERS.items() if name in c.codecs}
        assert {part.strip("(),") for part in text.split() if part.strip("(")[0] == "."} == suffixes


def test_losses_are_in_the_report_and_no_warning():
    """A warning on the export's thread would end in a log that nobody sees, or stop the export."""
    pixels = np.zeros((2, 3, 3, 8, 8), "uint8")
    uneven = ("t", [0.0, 1.0, 5.0], {"units": "s"})
    da = xr.DataArray(pixels, dims=("c", "t", "z", "y", "x"), coords={"t": uneven}, name="uneven")
    report = da.bioexport.panel("a.zarr").export()
    assert report.losses


def test_pictures_and_movies_take_the_plane_and_the_windows_that_are_seen(cells):
    panel = cells.bioexport.panel("a.png")
    browser = Browser(panel)
    assert "window" not in panel.code  # nothing was seen yet
    header, _ = browser.view([0, 130, 0, 150], index={"z": 2}, channels=[0, 1, 2])
    browser.act(
        {"type": "index", "axis": "z", "value": 2}, {"type": "crop", "axis": "z", "value": [1, 4]}
    )
    windows = [tuple(map(round, one["auto"])) for one in header["channels"]]
    assert [c.window for c in panel.state.channels] == windows
    assert "isel(z=slice(1, 4))" in panel.code
    assert 'sel={"t": 0, "z": 1}' in panel.code
    assert panel.snapshot["frames"] == {"count": 1, "width": 150, "height": 130}
    from nbexport.pixels._composite import Look, render_planes

    report = panel.export()
    colors = [c.color for c in nbexport.describe(cells).channels]
    looks = [Look(window=w, color=c) for w, c in zip(windows, colors, strict=True)]
    wanted = render_planes(cells[0, :, 2].values, looks)
    np.testing.assert_array_equal(imageio.v3.imread(report.target), wanted)
    # Coming to another plane keeps the windows.
    browser.view([0, 130, 0, 150], index={"z": 4}, channels=[0, 1, 2])
    assert [c.window for c in panel.state.channels] == windows
    browser.act(
        {"type": "format", "value": "movie"}, {"type": "option", "name": "project", "value": "max"}
    )
    assert 'project={"z": "max"}' in panel.code
    assert "sel=" not in panel.code
    assert panel.snapshot["frames"]["count"] == 2
    assert panel.export().plan.n_frames == 2


def test_files_of_pixels_keep_their_own_windows(cells):
    panel = cells.bioexport.panel("a.zarr")
    Browser(panel).view([0, 130, 0, 150], channels=[0, 1, 2])
    assert "window" not in panel.code


def test_suffixes_are_those_the_writers_take():
    from nbexport.panels._state import SUFFIXES
    from nbexport.stores.targets._target import SUFFIXES as WRITTEN

    assert {kind: set(ends) for kind, ends in SUFFIXES.items()} == {
        kind: set(ends) for kind, ends in WRITTEN.items()
    }


def test_options_are_keywords_of_their_writer():
    import inspect

    from nbexport import api
    from nbexport.panels._code import METHODS
    from nbexport.panels._options import FIELDS

    for kind, fields in FIELDS.items():
        known = inspect.signature(getattr(api, f"write_{METHODS[kind]}")).parameters
        assert {field.name for field in fields} <= set(known)


def test_markup_in_names_stays_text():
    name = "<img src=x onerror=alert(1)>"
    da = xr.DataArray(
        np.zeros((1, 8, 8), "u1"), dims=("c", "y", "x"), coords={"c": [name]}, name=name
    )
    panel = da.bioexport.panel("a.zarr")
    panel.export()
    html = panel.report._repr_html_()
    assert "<img" not in html
    assert panel.snapshot["image"]["title"] == name  # set as text in the page


def test_a_url_that_turns_out_to_exist_may_be_replaced(cells):
    url = "memory://panel/there.ome.zarr"
    nbexport.write_ome_zarr(cells, url, overwrite=True, progress=False)
    panel = cells.bioexport.panel(url)
    assert panel.snapshot["exists"] is False  # a server is not asked at every key
    with pytest.raises(TargetExistsError):
        panel.export()
    assert panel.snapshot["exists"] is True
    panel.state = replace(panel.state, overwrite=True)
    assert panel.export().target == url
    panel.state = replace(panel.state, target="memory://panel/other.ome.zarr")
    assert panel.snapshot["exists"] is False
