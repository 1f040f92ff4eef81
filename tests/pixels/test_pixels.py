"""Rounding, windows and casts, where plain numbers say it best; the rest are properties."""

from __future__ import annotations

import numpy as np
import pytest

from nbexport.errors import DtypeError
from nbexport.pixels import cast_block, coarsen, display_windows, sample_pixels, sample_strides


@pytest.mark.parametrize(
    ("pair", "mean"),
    [((0, 1), 1), ((1, 2), 2), ((-1, 0), 0), ((-2, -1), -1), ((-3, -2), -2), ((254, 255), 255)],
)
def test_integer_means_are_rounded_half_up(pair, mean):
    dtype = "int16"
    assert coarsen(np.array(pair, dtype), (2,), "mean") == mean


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int64", "uint64"])
def test_extremes_do_not_overflow(dtype):
    info = np.iinfo(dtype)
    for value in (info.min, info.max):
        full = np.full((6, 6), value, dtype)
        for method in ("mean", "median", "mode", "max", "min"):
            assert (coarsen(full, (3, 2), method) == value).all()
    mixed = np.array([info.min, info.max], dtype)
    assert coarsen(mixed, (2,), "mean") == (int(info.min) + int(info.max) + 1) // 2
    assert coarsen(mixed, (2,), "median") == (int(info.min) + int(info.max) + 1) // 2


def test_nan_is_left_out_and_infinity_is_not():
    a = np.array([[np.nan, 2.0, np.nan, np.nan, np.inf, 1.0, np.inf, -np.inf]], "float32")
    mean = coarsen(a, (1, 2), "mean")
    np.testing.assert_array_equal(mean, np.array([[2.0, np.nan, np.inf, np.nan]], "float32"))
    np.testing.assert_array_equal(coarsen(a, (1, 2), "max")[0, :2], np.float32([2.0, np.nan]))


def test_the_first_of_equally_frequent_labels_wins():
    labels = np.array([[5, 0], [0, 5]], "uint32")
    assert coarsen(labels, (2, 2), "mode") == 5
    assert coarsen(np.array([[5, 0], [0, 0]], "uint32"), (2, 2), "mode") == 0


def test_casts():
    assert cast_block(np.array([1, 2], ">u2"), "uint16").dtype.isnative
    assert cast_block(np.array([0.5], "float16"), "float32").dtype == "float32"
    same = np.array([1], "uint8")
    assert cast_block(same, "uint8") is same
    with pytest.raises(DtypeError, match="pixel value -1 does not fit uint32"):
        cast_block(np.array([3, -1]), "uint32")


@pytest.mark.parametrize(
    ("values", "window"),
    [
        (np.arange(1000, dtype="uint16"), (0, 65535, 0.999, 998.001)),
        (np.zeros(10, "uint8"), (0, 255, 0, 1)),
        (np.full(10, 255, "uint8"), (0, 255, 254, 255)),
        (np.array([np.nan, np.inf, 1.0, 3.0]), (1.0, 3.0, 1.002, 2.998)),
        (np.array([np.nan, -np.inf]), (0, 1, 0, 1)),
        (np.full(4, 1e30), (1e30, np.nextafter(1e30, np.inf), 1e30, np.nextafter(1e30, np.inf))),
        (np.array([3 + 4j, 0j]), (0, 5, 0.005, 4.995)),
    ],
)
def test_windows_are_finite_and_open(values, window):
    (got,) = display_windows([(0, values)], 1)
    assert got == pytest.approx(window)
    low, high, start, end = got
    assert low <= start < end <= high
    assert np.isfinite(got).all()


def test_the_sample_does_not_depend_on_the_blocks():
    sizes = {"t": 40, "y": 700, "x": 900}
    strides = sample_strides(sizes)
    rng = np.random.default_rng(0)
    level = rng.integers(0, 99, tuple(sizes.values()))
    whole = sample_pixels(level, dict.fromkeys(sizes, 0), strides)
    assert whole.size <= 2**18
    parts = []
    for t in range(0, 40, 7):
        for y in range(0, 700, 130):
            part = level[t : t + 7, y : y + 130]
            parts.append(sample_pixels(part, {"t": t, "y": y, "x": 0}, strides).ravel())
    assert sorted(np.concatenate(parts)) == sorted(whole.ravel())


@pytest.mark.parametrize(
    ("came", "announced"), [("float64", "uint8"), ("complex64", "int16"), ("complex128", "float32")]
)
def test_numbers_are_never_cut(came, announced):
    """Blocks of a dask array whose dtype was announced wrongly."""
    with pytest.raises(DtypeError, match=f"came as {came}, and {announced} was announced"):
        cast_block(np.array([300.7], came), announced)
    assert cast_block(np.array([True]), "float32").dtype == "float32"
