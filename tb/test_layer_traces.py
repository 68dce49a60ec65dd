# SPDX-License-Identifier: Apache-2.0
"""Traces of layers: what their accesses load and store, and what is left of them at a limit."""

import numpy as np
import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.cache import CacheConfig
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.traces.kernels import KERNELS
from sysmt.sim.nullcache.traces.layers import LayerOperands, zero_lines
from sysmt.sim.nullcache.traces.lenet import DENSITY, GROUPS, Network, kept_groups, lenet5, trained
from sysmt.sim.nullcache.traces.loops import LOOPS, cut, layer_trace
from sysmt.sim.nullcache.traces.networks import layers
from sysmt.sim.nullcache.traces.trace import Trace


def small_layer(dtype: type, kernel: int = 3) -> LayerOperands:
    """Numbers so small that float32 is exact, in any order of addition."""
    rng = np.random.default_rng(1)
    x = (rng.integers(0, 5, (3, 6, 5)) * (rng.random((3, 6, 5)) < 0.5)).astype(dtype)
    w = rng.integers(-2, 3, (4, 3, kernel, kernel)).astype(np.float32 if dtype == np.float32 else np.int8)
    stride, pad = (1, 0) if kernel == 1 else (2, 1)
    return LayerOperands.conv("conv", x, w, stride=stride, pad=pad, bias=np.array([1, -3, 0, 2], np.float32))


def played(layer: LayerOperands, loops: str) -> tuple[Trace, np.ndarray]:
    """A trace, and what its accesses load or store, from the cache that plays it."""
    trace = layer_trace(layer, loops)
    moved = trace.data.copy()
    moved[trace.op == 0] = simulate(trace, CacheConfig()).loads
    return trace, moved


def stored_last(trace: Trace, moved: np.ndarray, layer: LayerOperands) -> np.ndarray:
    """What the last store to each output left there, in the order of addresses."""
    width, count = layer.x.itemsize, len(layer.w) * layer.pixels
    stores = trace.op == 1
    last = dict(zip(trace.addr[stores].tolist(), moved[stores].tolist(), strict=True))
    final = int(trace.addr[stores][-1])
    words = np.array([last[final - width * i] for i in reversed(range(count))], np.uint32)
    return words.view(np.float32) if width == 4 else words.astype(np.float32)


@pytest.mark.parametrize("loops", LOOPS)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("kernel", [1, 3])
def test_trace_of_a_layer_stores_its_result(loops, dtype, kernel):
    layer = small_layer(dtype, kernel)
    if loops == "cmsis" and dtype == np.float32:
        wanted = r"^loops = 'cmsis' are of 8-bit layers, not float32: take dtype = int8 or other loops$"
        with pytest.raises(ConfigError, match=wanted):
            layer_trace(layer, loops)
        return
    trace, moved = played(layer, loops)
    wanted = np.minimum(layer.output(), 255 if dtype == np.uint8 else np.inf)
    wanted = wanted.transpose(1, 2, 0).reshape(-1) if loops in ("nhwc", "cmsis") else wanted.reshape(-1)
    np.testing.assert_array_equal(stored_last(trace, moved, layer), wanted)
    assert (wanted == 0).any()


@pytest.mark.parametrize("loops", ["dot", "direct"])
def test_dot_products_multiply_what_they_load(loops):
    layer = small_layer(np.float32)
    trace, moved = played(layer, loops)
    products = np.array([layer.depth, int((layer.sources()[0] >= 0).sum())])[int(loops == "direct")]
    # Behind the matrix: pairs of a weight and an operand, then the store of their sum.
    first = {"dot": int((layer.sources() >= 0).sum()) + layer.sources().size, "direct": 0}[loops]
    pairs = moved[first : first + 2 * products].view(np.float32)
    assert trace.op[first + 2 * products] == 1
    sums = np.maximum(pairs[0::2] @ pairs[1::2] + layer.bias[0], 0)
    assert moved[first + 2 * products].view(np.float32) == sums == layer.output().reshape(-1)[0]


def test_im2col_adds_weighted_rows_to_partial_sums():
    layer = small_layer(np.float32)
    trace, moved = played(layer, "im2col")
    inside, cells = int((layer.sources() >= 0).sum()), layer.sources().size
    depth, pixels, filters = layer.depth, layer.pixels, len(layer.w)
    row, each = 1 + 3 * pixels, pixels + depth * (1 + 3 * pixels)
    assert len(trace) == inside + cells + filters * (each + 1 + 3 * pixels + 2 * pixels)
    begin = inside + cells
    np.testing.assert_array_equal(moved[begin : begin + pixels], 0)
    total = np.zeros(pixels, np.float32)
    values = moved[begin + pixels : begin + each].view(np.float32).reshape(depth, row)
    for k, (weight, *rest) in enumerate(values):
        column, before, after = np.array(rest).reshape(pixels, 3).T
        np.testing.assert_array_equal(column, layer.im2col()[:, k])
        np.testing.assert_array_equal(before, total)
        total = total + weight * column
        np.testing.assert_array_equal(after, total)
    # A product with a negative weight and a zero must leave no negative zero, which is no zero line.
    assert not (np.signbit(values) & (values == 0)).any()


def test_fully_connected_layers_are_not_copied_and_pointwise_ones_neither():
    x = np.ones((4, 3, 3), np.float32)
    full = LayerOperands.conv("fc", x, np.ones((5, 4, 3, 3), np.float32))
    assert len(layer_trace(full, "im2col")) == 5 * (2 * 36 + 1)
    point = LayerOperands.conv("1x1", x, np.ones((5, 4, 1, 1), np.float32))
    assert len(layer_trace(point, "im2col")) == 5 * (9 + 4 * (1 + 27) + 1 + 27 + 18)


def test_blocked_product_loads_each_pair_from_its_panels():
    layer = small_layer(np.float32)
    trace, moved = played(layer, "blocked")
    # A tile of four filters and four pixels: per row of the block eight operands, whose products are the sums stored.
    depth, pixels = layer.depth, layer.pixels
    first = int((layer.sources() >= 0).sum()) + layer.sources().size + 2 * depth * (pixels + len(layer.w))
    a, b = moved[first : first + 8 * depth].view(np.float32).reshape(depth, 2, 4).transpose(1, 2, 0)
    np.testing.assert_array_equal(a, layer.w.reshape(4, -1))
    np.testing.assert_array_equal(b, layer.im2col()[:4])
    np.testing.assert_array_equal(moved[first + 8 * depth :][:16].view(np.float32).reshape(4, 4), a @ b.T)


@pytest.mark.parametrize("loops", [loops for loops in LOOPS if loops not in KERNELS])
def test_limit_keeps_about_that_many_accesses_and_two_filters(loops):
    layer = next(layers("lenet5"))
    cut_trace = layer_trace(layer, loops, 200_000)
    assert 100_000 < len(cut_trace) <= 220_000
    tiny = list(layers("lenet5"))[1]
    filters, channels, pixels = cut(tiny, loops, 30_000)
    assert filters == 2
    assert channels * pixels < len(tiny.x) * tiny.pixels
    assert len(layer_trace(tiny, loops, 30_000)) <= 40_000
    assert len(layer_trace(tiny, loops, 30_000, fewer=1)) < len(layer_trace(tiny, loops, 30_000))


def test_synthetic_networks_have_the_published_densities_and_no_negative_zeros():
    found = list(layers("lenet5"))
    # The first and the last layer are small: chance moves them by some percent.
    assert [100 * float((layer.w != 0).mean()) for layer in found] == pytest.approx([66, 12, 8, 19], abs=7)
    assert [100 * float((layer.w != 0).mean()) for layer in found[1:3]] == pytest.approx([12, 8], abs=0.5)
    assert 100 * float((found[0].output() != 0).mean()) == pytest.approx(82, abs=1)
    assert all(not np.signbit(layer.w[layer.w == 0]).any() for layer in found)
    # Pruned weights lie anywhere: a line of eight is zero with the eighth power of the share of zeros.
    assert zero_lines(found[2].w) == pytest.approx(float((found[2].w == 0).mean()) ** 8, abs=0.02)


@pytest.mark.parametrize("loops", KERNELS)
def test_limit_of_kernels_keeps_all_filters(loops):
    layer = next(layers("lenet5")).of_type("int8" if loops == "cmsis" else "float32")
    filters, channels, pixels = cut(layer, loops, 60_000)
    assert (filters, channels) == (20, 1)
    assert 0 < pixels < layer.pixels
    assert len(layer_trace(layer, loops, 60_000)) <= 80_000


@pytest.mark.parametrize("loops", LOOPS)
def test_the_least_limit_leaves_a_layer_of_few_pixels(loops):
    dense = next(layer for layer in layers("digits") if layer.pixels == 1)
    assert cut(dense, loops, 1)[2] == 1
    assert len(layer_trace(dense, loops, 1)) > 0


@pytest.mark.parametrize("group", GROUPS)
def test_groups_are_removed_as_a_whole_and_aligned(group):
    w = np.random.default_rng(1).standard_normal((6, 3, 5, 5)).astype(np.float32)
    kept = kept_groups(w, 0.25, group)
    whole = kept.reshape(-1)[: w.size // group * group].reshape(-1, group)
    assert (whole.all(axis=1) == whole.any(axis=1)).all()
    assert kept.mean() == pytest.approx(0.25, abs=0.02)
    # The strongest group stays, the weakest goes.
    strength = (w.reshape(-1)[: w.size // group * group].reshape(-1, group) ** 2).sum(axis=1)
    assert whole[strength.argmax()].all()
    assert not whole[strength.argmin()].any()


@pytest.mark.parametrize(
    ("dense", "pruned", "right"), [(20, 20, 0.3), pytest.param(60, 80, 0.85, marks=pytest.mark.regress)]
)
def test_lenet_learns_and_stays_pruned(dense, pruned, right, tmp_path, monkeypatch):
    # Without other data: the digits of scikit-learn, enlarged.
    monkeypatch.setenv("SYSMT_DATA", str(tmp_path))
    monkeypatch.setenv("SYSMT_BUILD", str(tmp_path))
    network = trained(8, steps={"dense": dense, "pruned": pruned})
    assert min(network.dense, network.pruned) > right
    for name, share in DENSITY.items():
        assert network.density(name) <= share + 0.02
    found = list(lenet5(network, 3))
    assert [layer.name for layer in found] == list(DENSITY)
    assert zero_lines(found[2].w) == pytest.approx(1 - DENSITY["fc1"], abs=0.01)
    # The layers compute what the network was trained to compute.
    whole = Network()
    whole.weights = network.weights
    scores = whole.scores(found[0].x)
    np.testing.assert_allclose(found[-1].sums().reshape(-1), scores[0], rtol=1e-3, atol=1e-3)
    with pytest.raises(ConfigError, match=r"^group must be one of 1, 4, 8, not 3$"):
        trained(3)


def test_element_type_changes_the_width_and_keeps_zeros():
    layer = list(layers("lenet5"))[1]
    small = layer.of_type("int8")
    assert small.x.itemsize == small.w.itemsize == 1
    assert (small.w[layer.w == 0] == 0).all()
    assert set(layer_trace(small, "direct", 20_000).size) == {1}
    assert small.of_type("float32").x.dtype == np.float32
    with pytest.raises(ConfigError, match=r"^dtype must be one of float32, int8, not 'bf16'$"):
        layer.of_type("bf16")


def test_digits_network_brings_its_own_activations():
    found = list(layers("digits"))
    assert [layer.name for layer in found] == ["conv1", "conv2", "conv3", "dense"]
    assert all(layer.x.dtype == np.uint8 and layer.w.dtype == np.int8 for layer in found)
    assert [layer.x.shape[0] for layer in found[1:]] == [len(layer.w) for layer in found[:-1]]
    assert all((layer.x == 0).mean() > 0.2 for layer in found)
