# SPDX-License-Identifier: Apache-2.0
"""The geometry of layers: im2col against windows taken one by one, its transpose, output sizes, what is refused."""

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sysmt.base.errors import UserError
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.operators.window import window

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
edges = st.tuples(st.integers(0, 2), st.integers(0, 2))


@st.composite
def geometries(draw):
    fields = {name: draw(pairs) for name in ("kernel", "stride", "dilation")}
    size = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    fields |= {"size": size, "padding": draw(st.tuples(edges, edges)), "ceil_mode": draw(st.booleans())}
    reach = [(k - 1) * d + 1 for k, d in zip(fields["kernel"], fields["dilation"], strict=True)]
    assume(all(r <= n + sum(p) for r, n, p in zip(reach, size, fields["padding"], strict=True)))
    return Geometry(**fields)


def pixel(image, row, col, fill):
    inside = 0 <= row < image.shape[0] and 0 <= col < image.shape[1]
    return image[row, col] if inside else np.full(image.shape[2], fill)


@given(geometries())
def test_im2col_takes_every_window(geometry):
    x = np.random.default_rng(1).integers(0, 256, (2, *geometry.size, 3))
    found = geometry.im2col(x, 7).reshape(2, *geometry.out_size, geometry.taps, 3)
    (top, _), (left, _) = geometry.padding
    for b, row, col in np.ndindex(2, *geometry.out_size):
        for tap in range(geometry.taps):
            i, j = divmod(tap, geometry.kernel[1])
            y = row * geometry.stride[0] + i * geometry.dilation[0] - top
            z = col * geometry.stride[1] + j * geometry.dilation[1] - left
            np.testing.assert_array_equal(found[b, row, col, tap], pixel(x[b], y, z, 7))


@given(geometries())
def test_col2im_is_the_transpose_of_im2col(geometry):
    rng = np.random.default_rng(2)
    x = rng.integers(-9, 10, (2, *geometry.size, 3))
    rows = rng.integers(-9, 10, geometry.im2col(x).shape)
    assert geometry.col2im(rows).shape == x.shape
    assert (geometry.im2col(x) * rows).sum() == (x * geometry.col2im(rows)).sum()


@given(geometries())
def test_the_last_window_ends_within_a_stride_of_the_edge(geometry):
    for i in range(2):
        end = (geometry.out_size[i] - 1) * geometry.stride[i] + geometry.reach[i]
        over = end - geometry.padded[i]
        assert over >= 0 if geometry.ceil_mode else over <= 0
        assert abs(over) < geometry.stride[i]


def test_a_pointwise_image_is_its_own_matrix():
    x = np.zeros((2, 4, 5, 3), np.uint8)
    assert np.shares_memory(Geometry(size=(4, 5)).im2col(x), x)
    assert not np.shares_memory(Geometry(size=(4, 5), stride=(2, 1)).im2col(x), x)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": (0, 3)}, "height must be at least 1, not 0"),
        ({"dilation": (1, 0)}, "dilation must be at least 1 in both directions, not 1x0"),
        ({"padding": ((0, -1), (0, 0))}, "padding must be at least 0 on every side, not 0 and -1 top and bottom"),
        (
            {"kernel": (2, 2), "dilation": (4, 1)},
            "kernel must fit into the padded image: its height is 5, the image's 4",
        ),
    ],
)
def test_impossible_geometries_are_refused_by_field(fields, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        Geometry(**{"size": (4, 4)} | fields)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_windows_have_the_output_sizes_of_tflite(size, kernel, stride, dilation, same):
    options = {"stride_h": stride, "stride_w": stride, "dilation_h": dilation, "dilation_w": dilation}
    reach = (kernel - 1) * dilation + 1
    expected = -(-size // stride) if same else -(-(size - reach + 1) // stride)
    assume(expected > 0)
    found = window("x", (size, size), (kernel, kernel), options | {"padding": "SAME" if same else "VALID"})
    assert found.out_size == (expected, expected)
    before, after = found.padding[0]
    assert after - before in (0, 1)
