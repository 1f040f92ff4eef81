"""Which frames are shown, how large, how fast, and in which blocks they are made."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nbexport.api._render import plan_frames
from nbexport.errors import PlanError
from nbexport.model import Axis, Channel, ImageSpec
from nbexport.plan import plan_series
from nbexport.testing import cells, labels


def spec(kind="intensity", dtype="uint16", step=30.0, **sizes) -> ImageSpec:
    sizes = {"y": 20, "x": 30, **sizes}
    axes = tuple(
        Axis(
            name=n,
            size=sizes[n],
            unit="second" if n == "t" else None,
            scale=step if n == "t" else 1,
        )
        for n in "tczyxs"
        if n in sizes
    )
    channels = tuple(Channel(label=f"ch{i}") for i in range(sizes.get("c", 1)))
    return ImageSpec(
        name="a", axes=axes, dtype=dtype, kind=kind, channels=() if kind == "labels" else channels
    )


def planned(image, **options):
    options.setdefault("channels", tuple(range(len(image.channels))))
    return plan_series(image, **options)


# sizes, options -> along, sel, project
SHOWN = {
    "time first": ({"t": 5, "c": 2, "z": 4}, {}, ("t", {}, {"z": "max"})),
    "else depth": ({"c": 2, "z": 4}, {}, ("z", {}, {})),
    "a time of one entry is no movie": ({"t": 1, "z": 4}, {}, ("z", {"t": 0}, {})),
    "else a single frame": ({"c": 2}, {}, (None, {}, {})),
    "asked for depth": ({"t": 5, "z": 4}, {"along": "z"}, ("z", {"t": 0}, {})),
    "asked for channels": ({"t": 5, "c": 2}, {"along": "c"}, ("c", {"t": 0}, {})),
    "a plane": ({"t": 5, "z": 4}, {"sel": {"z": -1}}, ("t", {"z": 3}, {})),
    "time is chosen": ({"t": 5, "z": 4}, {"sel": {"t": 2}}, ("z", {"t": 2}, {})),
    "a mean": ({"t": 5, "z": 4}, {"project": {"z": "mean"}}, ("t", {}, {"z": "mean"})),
    "of time": ({"t": 5, "z": 4}, {"project": {"t": "mean"}}, ("z", {}, {"t": "mean"})),
    "a still": ({"t": 5, "z": 4}, {"still": True}, (None, {"t": 0}, {"z": "max"})),
    "a still sum": (
        {"t": 5, "z": 4},
        {"still": True, "project": {"t": "sum", "z": "sum"}},
        (None, {}, {"t": "sum", "z": "sum"}),
    ),
}


@pytest.mark.parametrize(("sizes", "options", "shown"), SHOWN.values(), ids=SHOWN)
def test_what_is_shown(sizes, options, shown):
    plan = planned(spec(**sizes), **options)
    assert (plan.along, dict(plan.sel), dict(plan.project)) == shown
    assert plan.n_frames == (1 if plan.along is None else sizes[plan.along])
    assert (plan.fps is None) == bool(options.get("still"))
    assert hash(plan) == hash(planned(spec(**sizes), **options))


def test_defaults_are_said():
    plan = planned(spec(t=5, z=4), still=True)
    assert plan.notes == (
        "of the 5 entries of t, 0 is shown; pass sel={'t': …} for another",
        "z is shown by its maximum over 4 planes; pass sel={'z': 2} for one",
    )
    assert planned(spec(t=5, z=4), sel={"z": 1}).notes == ()
    (note,) = planned(spec("labels", z=5, t=3)).notes
    assert note == "of the 5 entries of z, 2 is shown; pass sel={'z': …} for another"
    (note,) = planned(spec("rgb", dtype="uint8", s=4)).notes
    assert note == "the fourth sample, transparency, is not shown"
    (note,) = planned(spec(dtype="complex64")).notes
    assert note == "complex64 pixels are shown by their magnitude"


@pytest.mark.parametrize(
    ("dtype", "method", "wanted"),
    [
        ("uint8", None, "uint8"),
        ("uint8", "max", "uint8"),
        ("int16", "mean", "int16"),
        ("uint8", "sum", "uint64"),
        ("int32", "sum", "int64"),
        ("uint64", "max", "uint64"),
        ("uint64", "sum", "float64"),
        ("int64", "mean", "float64"),
        ("float32", "mean", "float32"),
        ("float32", "sum", "float64"),
        ("complex64", "max", "float32"),
        ("complex128", None, "float64"),
    ],
)
def test_types_of_projections(dtype, method, wanted):
    project = {"z": method} if method else {}
    assert (
        planned(
            spec(z=3, dtype=dtype), still=True, project=project, sel={} if method else {"z": 0}
        ).dtype
        == wanted
    )


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (30, 20)),
        ({"zoom": 2}, (60, 40)),
        ({"zoom": 0.5}, (15, 10)),
        ({"zoom": 0.55}, (17, 11)),
        ({"zoom": 1e-9}, (1, 1)),
        ({"size": (64, 48)}, (64, 48)),
        ({"size": [64, 48]}, (64, 48)),
        ({"size": 45}, (45, 30)),
        ({"size": np.int64(45)}, (45, 30)),
    ],
)
def test_sizes(options, size):
    plan = planned(spec(), **options)
    assert plan.size == size
    assert plan.nbytes == size[0] * size[1] * 3


def test_pixels_of_frames_have_their_length():
    plan = plan_frames(cells(c=1, y=64, x=96), still=True, size=(48, 128)).plan
    assert plan.pixel_size == (pytest.approx(1.3), pytest.approx(0.325), "micrometer")
    assert planned(spec()).pixel_size is None


@pytest.mark.parametrize(
    ("options", "fps"),
    [({}, 10), ({"fps": 24}, 24), ({"speed": 300}, 10), ({"speed": 1}, 1 / 30)],
)
def test_speeds(options, fps):
    plan = planned(spec(t=20), **options)
    assert plan.fps == pytest.approx(fps)
    assert plan.seconds == pytest.approx(20 / fps)


def test_uneven_time_is_said():
    da = cells(t=3, c=1, y=8, x=8).assign_coords(t=("t", [0.0, 10.0, 90.0], {"units": "s"}))
    plan = plan_frames(da, speed=450).plan
    assert plan.fps == pytest.approx(10)
    assert "time steps are uneven; every frame is shown equally long" in plan.notes


def test_names_of_frames():
    assert planned(spec(t=2)).frame_names == ("t 0", "t 1")
    assert planned(spec(c=2), along="c").frame_names == ("ch0", "ch1")
    assert planned(spec()).frame_names == ("a",)


def test_repr_and_html_say_it_all():
    rendering = plan_frames(
        cells(t=4, c=2, z=3, y=40, x=50), speed=300, scale_bar=True, timestamp=True
    )
    assert repr(rendering.plan).splitlines() == [
        "<FramePlan 'cells' 50 x 40, 4 frames, 10 a second, 0.4 s>",
        "  along t, max over z, DAPI, GFP",
        "  overlay: timestamp '00:00 to 01:30', top left",
        "  overlay: scale bar '5 µm', bottom right",
        "  1 blocks of up to 4 frames, 1 at a time, 23.4 KiB of frames in all",
        "  note: z is shown by its maximum over 3 planes; pass sel={'z': 1} for one",
    ]
    html = rendering.plan._repr_html_()
    for words in ("cells", "50 x 40", "4 frames", "max over z", "DAPI, GFP", "5 µm", "sel={"):
        assert words in html
    markup = plan_frames(cells(c=1, y=8, x=8, t=2).rename("<b>")).plan._repr_html_()
    assert "<b><b>" not in markup
    assert "&lt;b&gt;" in markup


# -- blocks


def read_of(plan) -> np.ndarray:
    """Return how often each pixel of the image is read."""
    counts = np.zeros(plan.image.shape, int)
    for block in plan.blocks():
        for read in block.reads:
            counts[tuple(slice(*edges) for edges in read.box)] += 1
    return counts


@st.composite
def chunked(draw):
    sizes = {
        "t": draw(st.integers(1, 30)),
        "c": draw(st.integers(1, 4)),
        "z": draw(st.integers(1, 9)),
    }
    chunks = []
    for n in (*sizes.values(), 20, 30):
        left, lengths = n, []
        while left:
            lengths.append(draw(st.integers(1, left)))
            left -= lengths[-1]
        chunks.append(tuple(lengths))
    return spec(**sizes), tuple(chunks)


@settings(deadline=None, max_examples=150)
@given(
    image_and_chunks=chunked(),
    lazy=st.booleans(),
    along=st.sampled_from(["t", "z", "c"]),
    method=st.sampled_from([None, "max"]),
    budget=st.sampled_from([1, 20_000, 200_000, 2**28]),
    workers=st.integers(1, 5),
)
def test_blocks_read_every_pixel_once(image_and_chunks, lazy, along, method, budget, workers):
    image, chunks = image_and_chunks
    other = "z" if along == "t" else "t"
    plan = planned(
        image,
        along=along,
        project={other: method} if method else {},
        sel={} if method else {other: 0},
        source_chunks=chunks if lazy else None,
        memory_budget=budget,
        workers=workers,
    )
    blocks = list(plan.blocks())
    assert [b.start for b in blocks] == [0, *(b.stop for b in blocks[:-1])]
    assert blocks[-1].stop == plan.n_frames == sum(plan.spans)
    shown = np.zeros(image.shape, int)
    index = [dict(plan.sel).get(n, slice(None)) for n in image.dims]
    shown[tuple(index)] = 1
    np.testing.assert_array_equal(read_of(plan), shown)
    frame = 20 * 30 * (plan.n_planes * 2 + 3)
    assert max(plan.spans) <= max(1, budget // 2 // frame)
    held = plan.in_flight * max(plan.spans) * frame
    assert plan.in_flight == 1 or held <= budget
    if lazy:
        assert plan.n_recomputed == recomputed(plan, chunks)


def recomputed(plan, chunks) -> int:
    """Return how often chunks are touched by more blocks than one."""
    edges = [np.cumsum([0, *lengths]) for lengths in chunks]
    touched: dict[tuple[int, ...], int] = {}
    for block in plan.blocks():
        here = set()
        for read in block.reads:
            ranges = [
                [i for i in range(len(e) - 1) if e[i] < stop and e[i + 1] > start]
                for e, (start, stop) in zip(edges, read.box, strict=True)
            ]
            here |= {tuple(p) for p in np.stack(np.meshgrid(*ranges), -1).reshape(-1, len(edges))}
        for place in here:
            touched[place] = touched.get(place, 0) + 1
    return sum(n - 1 for n in touched.values())


def test_a_hidden_channel_is_neither_read_nor_counted():
    image = spec(t=40, c=3)
    chunks = ((40,), (1, 1, 1), (20,), (30,))
    plan = plan_series(image, channels=(2, 0), source_chunks=chunks, memory_budget=50_000)
    assert plan.n_recomputed == recomputed(plan, chunks) > 0
    assert read_of(plan)[:, 1].sum() == 0
    assert [read.plane for read in next(plan.blocks()).reads] == [0, 1]
    assert next(plan.blocks()).reads[0].box[1] == (2, 3)


def test_a_million_frames_are_planned_at_once():
    plan = planned(spec(t=1_000_000))
    assert plan.n_frames == 1_000_000
    assert next(plan.blocks()).start == 0


# -- what can't be

REFUSED = {
    "unknown axis": ({"along": "q"}, r"along names 'q', and this image has the axes t, c, z, y, x"),
    "unknown axis to select": ({"sel": {"q": 1}}, r"sel names 'q', and this image has"),
    "unknown axis to project": ({"project": {"q": "max"}}, r"project names 'q', and this image"),
    "along an axis of the frame": (
        {"along": "x"},
        r"along names 'x', which every frame shows whole; cut with da\.isel\(x=…\)",
    ),
    "beyond": ({"sel": {"z": 4}}, r"sel=\{'z': 4\} is beyond the 4 entries of z, 0 to 3"),
    "far below": ({"sel": {"z": -5}}, r"sel=\{'z': -5\} is beyond the 4 entries"),
    "by position": ({"sel": {"z": 1.5}}, r"sel=\{'z': 1\.5\} is not a whole number.*da\.sel"),
    "by truth": ({"sel": {"z": True}}, r"sel=\{'z': True\} is not a whole number"),
    "channels by sel": ({"sel": {"c": 0}}, r"sel names 'c'; channels are chosen with visible="),
    "channels projected": ({"project": {"c": "max"}}, r"project names 'c'; channels are chosen"),
    "along and selected": (
        {"along": "z", "sel": {"z": 1}},
        r"along='z' makes a frame of every entry of z, .*leave one of both out",
    ),
    "selected and projected": (
        {"sel": {"z": 1}, "project": {"z": "max"}},
        r"sel and project both name 'z'",
    ),
    "no such method": (
        {"project": {"z": "min"}},
        r"project=\{'z': 'min'\} is not known; use one of max, mean, sum",
    ),
    "methods mixed": (
        {"still": True, "project": {"z": "max", "t": "mean"}},
        r"project mixes max and mean, whose result would depend on their order",
    ),
    "both speeds": ({"fps": 5, "speed": 2}, r"fps=5 and speed=2 say the same twice"),
    "no speed": ({"fps": 0}, r"fps=0 is not a positive number"),
    "speed is a word": ({"speed": "fast"}, r"speed='fast' is not a positive number"),
    "no end": ({"fps": float("inf")}, r"fps=inf is not a positive number"),
    "speed of depth": ({"along": "z", "speed": 2}, r"speed=2 needs a time coordinate with a unit"),
    "speed of a still": ({"still": True, "fps": 5}, r"fps=5 is for movies, this is a single pict"),
    "along of a still": ({"still": True, "along": "t"}, r"along='t' is for movies.*sel=\{'t': 0\}"),
    "both sizes": ({"zoom": 2, "size": 100}, r"zoom=2 and size=100 say the same twice"),
    "no zoom": ({"zoom": 0}, r"zoom=0 is not a positive number"),
    "nan": ({"zoom": float("nan")}, r"zoom=nan is not a positive number"),
    "no size": ({"size": (0, 5)}, r"size=\(0, 5\) is not known; use \(width, height\) in pixels"),
    "half a pixel": ({"size": 5.5}, r"size=5\.5 is not known"),
    "three sizes": ({"size": (1, 2, 3)}, r"size=\(1, 2, 3\) is not known"),
    "a worded size": ({"size": "big"}, r"size='big' is not known"),
    "too large": ({"zoom": 2000}, r"frames of 60000 x 40000 are larger than .*pass zoom=9\.8e"),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED)
def test_options_that_make_no_sense(options, words):
    with pytest.raises(PlanError, match=words):
        planned(spec(t=5, c=2, z=4), **options)


IMAGE = {
    "unknown channel": ({"visible": ["GPF"]}, r"visible names 'GPF'.*did you mean 'GFP'\?"),
    "no channel": ({"visible": []}, r"visible=\[\] would show nothing"),
    "twice": ({"visible": ["GFP", 1]}, r"names a channel twice"),
    "visible of each": ({"visible": 0, "along": "c"}, r"visible=0 chooses channels, and along='c'"),
    "colormap of two": (
        {"cmap": "viridis"},
        r"cmap='viridis' needs a single channel, and 'DAPI', 'GFP' are visible",
    ),
    "no colormap": (
        {"cmap": "virids", "visible": 0},
        r"cmap='virids' is no colormap of matplotlib; did you mean 'viridis'\?",
    ),
    "gamma": ({"gamma": 0}, r"gamma=0 is not a positive number"),
    "gamma of one": ({"gamma": {"GFP": "x"}}, r"gamma='x' is not a positive number"),
    "gamma of three": ({"gamma": [1, 1, 1]}, r"does not fit 2 channels"),
    "window of nobody": ({"window": {"Cy5": "full"}}, r"window names 'Cy5'"),
    "window": ({"window": {"GFP": "ful"}}, r"window='ful' is not known"),
    "bar of no length": ({"scale_bar": "10 s"}, r"scale_bar='10 s' is no length; write .*'10 um'"),
    "bar of nothing": ({"scale_bar": "0 um"}, r"scale_bar='0 um' is no length"),
    "bar too long": (
        {"scale_bar": "1 mm"},
        r"scale_bar='1 mm' would be 1\.54e\+03 pixels long in a frame 50 pixels wide",
    ),
    "bar too short": ({"scale_bar": "1 nm"}, r"would be 0\.00154 pixels long"),
    "bar of a number": ({"scale_bar": 10}, r"scale_bar=10 is no length"),
    "time of no time": ({"timestamp": True}, r"timestamp=True needs .* has no time axis"),
    "time is a word": ({"timestamp": "min"}, r"timestamp='min' is neither True nor False"),
    "legend is a word": ({"legend": "a"}, r"legend='a' is neither True nor False"),
    "text": ({"text": ""}, r"text='' is no text"),
    "corner": (
        {"text": "a", "corner": "middle"},
        r"corner='middle' is not known; use one of top l",
    ),
    "corner of": ({"corner": {"bar": "top left"}}, r"corner names 'bar'; it can name timestamp"),
    "ink": ({"overlay_color": "whit"}, r"overlay_color='whit' is no colour"),
}


@pytest.mark.parametrize(("options", "words"), IMAGE.values(), ids=IMAGE)
def test_looks_that_make_no_sense(options, words):
    with pytest.raises(PlanError, match=words):
        plan_frames(cells(y=40, x=50), **options)


def test_labels_and_rgb_have_looks_of_their_own():
    rgb = xr.DataArray(np.zeros((4, 5, 3), "uint8"), dims=("y", "x", "s"))
    for da, kind in ((labels(y=8, x=8), "labels"), (rgb, "rgb")):
        for options, words in (
            ({"visible": 0}, f"{kind} has no channels"),
            ({"cmap": "gray"}, f"no meaning for {kind}"),
            ({"legend": True}, f"needs channels, which {kind} has not"),
        ):
            with pytest.raises(PlanError, match=words):
                plan_frames(da, still=True, **options)
    for options in ({"window": "full"}, {"gamma": 2}):
        with pytest.raises(PlanError, match="has no meaning for labels, whose colours are fixed"):
            plan_frames(labels(y=8, x=8), still=True, **options)
    with pytest.raises(PlanError, match="would invent labels; use 'max', or sel"):
        planned(spec("labels", z=3), still=True, project={"z": "mean"})


def test_bars_and_times_need_units():
    bare = xr.DataArray(np.zeros((3, 8, 9), "uint8"), dims=("t", "y", "x"))
    with pytest.raises(PlanError, match=r"a scale bar needs the pixel size, .* has no scale; pass"):
        plan_frames(bare, scale_bar=True)
    with pytest.raises(PlanError, match="timestamp=True needs the time of every frame, and axis"):
        plan_frames(bare, timestamp=True)
    with pytest.raises(PlanError, match=r"speed=2 needs a time coordinate"):
        plan_frames(bare, speed=2)
    with pytest.raises(PlanError, match="t is projected"):
        plan_frames(cells(t=3, y=8, x=8), still=True, project={"t": "max"}, timestamp=True)


def test_unknown_keyword():
    with pytest.raises(TypeError, match="has no keyword 'scalebar'; did you mean 'scale_bar'"):
        plan_frames(cells(y=8, x=8), scalebar=True)
