# SPDX-License-Identifier: Apache-2.0
"""FuSe operators against a direct loop, against scipy, and at the ends of the number ranges."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from sysmt.base.errors import UserError
from sysmt.sim.golden.fuseconv import conv1d, fuse


def by_loop(x, w, axis, stride, padding, fill):
    """One sum at a time, from the definition; positions outside the image hold `fill`."""
    height, width, channels = x.shape
    taps = len(w)
    down, across = (taps, 1) if axis == "col" else (1, taps)
    above, left = (padding[0], 0) if axis == "col" else (0, padding[0])
    total_h, total_w = (height + sum(padding), width) if axis == "col" else (height, width + sum(padding))
    out = np.zeros(((total_h - down) // stride[0] + 1, (total_w - across) // stride[1] + 1, channels), np.int64)
    for i, j, c in np.ndindex(out.shape):
        for k in range(taps):
            r = i * stride[0] - above + (k if axis == "col" else 0)
            s = j * stride[1] - left + (k if axis == "row" else 0)
            value = int(x[r, s, c]) if 0 <= r < height and 0 <= s < width else fill
            out[i, j, c] += value * int(w[k, c])
    return out


@st.composite
def stages(draw):
    """Image, filters and geometry, with a filter that fits."""
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    channels = draw(st.integers(1, 3))
    axis = draw(st.sampled_from(("row", "col")))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    taps = draw(st.integers(1, sum(padding) + (width if axis == "row" else height)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(0, 256, (height, width, channels), np.uint8)
    w = rng.integers(-128, 128, (taps, channels), np.int8)
    return x, w, axis, stride, padding, draw(st.sampled_from((0, 1, 128, 255)))


@given(stages())
@settings(max_examples=150, deadline=None)
def test_equals_a_direct_loop(stage):
    x, w, axis, stride, padding, fill = stage
    sums = conv1d(x, w, axis=axis, stride=stride, padding=padding, fill=fill)
    assert sums.dtype == np.int32
    np.testing.assert_array_equal(sums, by_loop(x, w, axis, stride, padding, fill))


@given(stages())
@settings(max_examples=100, deadline=None)
def test_equals_scipy(stage):
    x, w, axis, stride, padding, _ = stage
    sums = conv1d(x, w, axis=axis, stride=stride, padding=padding)
    around = (padding, (0, 0)) if axis == "col" else ((0, 0), padding)
    for c in range(x.shape[2]):
        image = np.pad(x[:, :, c].astype(np.int64), around)
        kernel = w[:, c].astype(np.int64).reshape((-1, 1) if axis == "col" else (1, -1))
        full = correlate(image, kernel, mode="valid", method="direct")
        np.testing.assert_array_equal(sums[:, :, c], full[:: stride[0], :: stride[1]])


@pytest.mark.parametrize("taps", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 2), (2, 1)])
def test_full_is_both_filters_on_every_channel(taps, stride):
    x, w_row, w_col = _operands(taps, 3, 3)
    padding = (taps // 2, taps - 1 - taps // 2)
    both = fuse(x, w_row, w_col, mode="full", stride=stride, padding=padding)
    assert both.shape == (-(-9 // stride[0]), -(-12 // stride[1]), 6)
    np.testing.assert_array_equal(both[:, :, :3], by_loop(x, w_row, "row", stride, padding, 0))
    np.testing.assert_array_equal(both[:, :, 3:], by_loop(x, w_col, "col", stride, padding, 0))


@pytest.mark.parametrize("taps", [1, 3, 5])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_half_filters_the_first_channels_along_rows_and_the_others_along_columns(taps, stride):
    x, w_row, w_col = _operands(taps, 4, 2)
    sums = fuse(x, w_row, w_col, mode="half", stride=stride)
    assert sums.shape == (-(-9 // stride[0]), -(-12 // stride[1]), 4)
    padding = (taps // 2, taps // 2)
    np.testing.assert_array_equal(sums[:, :, :2], by_loop(x[:, :, :2], w_row, "row", stride, padding, 0))
    np.testing.assert_array_equal(sums[:, :, 2:], by_loop(x[:, :, 2:], w_col, "col", stride, padding, 0))


def test_largest_operands_do_not_wrap():
    x = np.full((1, 300, 1), 255, np.uint8)
    w = np.full((300, 1), -128, np.int8)
    assert conv1d(x, w).tolist() == [[[300 * 255 * -128]]]


def _operands(taps, channels, filters):
    rng = np.random.default_rng(taps)
    return (
        rng.integers(0, 256, (9, 12, channels), np.uint8),
        rng.integers(-128, 128, (taps, filters), np.int8),
        rng.integers(-128, 128, (taps, filters), np.int8),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": (0, 1)}, "stride must be two whole numbers from 1 on, not (0, 1)"),
        ({"stride": 2}, "stride must be two whole numbers from 1 on, not 2"),
        ({"padding": (1, -1)}, "padding must be two whole numbers from 0 on, not (1, -1)"),
        ({"axis": "both"}, "axis must be one of row, col, not 'both'"),
        ({"fill": 256}, "fill must be an integer from 0 to 255, not 256"),
        (
            {"w": np.zeros((13, 2), np.int8)},
            "kernel must fit into the padded image: 13 taps, 12 pixels along them",
        ),
        (
            {"w": np.zeros((10, 2), np.int8), "axis": "col"},
            "kernel must fit into the padded image: 10 taps, 9 pixels along them",
        ),
        ({"w": np.zeros((3, 3), np.int8)}, "w must be an int8 array [taps, 2] for 2 channels, not int8 [3, 3]"),
        ({"w": np.zeros((3, 2))}, "w must be an int8 array [taps, 2] for 2 channels, not float64 [3, 2]"),
        ({"w": np.zeros((0, 2), np.int8)}, "w must be an int8 array [taps, 2] for 2 channels, not int8 [0, 2]"),
        ({"x": np.zeros((9, 12), np.uint8)}, "x must be a uint8 array [height, width, channels], not uint8 [9, 12]"),
        ({"x": [1]}, "x must be a uint8 array [height, width, channels], not 'list'"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    good = {"x": np.zeros((9, 12, 2), np.uint8), "w": np.zeros((3, 2), np.int8)}
    conv1d(**good)
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        conv1d(**good | change)


def test_a_filter_that_could_overflow_is_refused():
    with pytest.raises(UserError, match=r"^K = 65794 could overflow acc_width = 32"):
        conv1d(np.zeros((1, 70000, 1), np.uint8), np.zeros((65794, 1), np.int8))


@pytest.mark.parametrize(
    ("channels", "taps", "mode", "message"),
    [
        (3, 3, "half", "channels must be even in mode half, not 3; mode full takes any number"),
        (2, 3, "both", "mode must be one of full, half, not 'both'"),
        (2, 3, "full", "w_row must be an int8 array [taps, 2] for 2 channels, not int8 [3, 1]"),
        (2, 2, "half", "padding must give row and column results of the same size, not 9x13 and 10x12; "),
    ],
)
def test_stages_that_do_not_fit_together_are_refused(channels, taps, mode, message):
    x, w_row, w_col = _operands(taps, channels, 1)
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        fuse(x, w_row, w_col, mode=mode)
