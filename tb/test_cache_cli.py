# SPDX-License-Identifier: Apache-2.0
"""Traces of layers and the commands `trace` and `cache`: what they compute, and what they refuse in which words."""

import json
import re

import numpy as np
import pytest

from sysmt.base.errors import ConfigError, UserError
from sysmt.cli.main import main
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.traces.kernels import KERNELS
from sysmt.sim.nullcache.traces.layers import LayerOperands, zero_lines
from sysmt.sim.nullcache.traces.lenet import DENSITY, GROUPS, Network, kept_groups, lenet5, trained
from sysmt.sim.nullcache.traces.loops import LOOPS, cut, layer_trace
from sysmt.sim.nullcache.traces.networks import layers
from sysmt.sim.nullcache.traces.trace import Trace

from .test_cache_model import GEOMETRIES, random_trace


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


def test_lenet_learns_and_stays_pruned(tmp_path, monkeypatch):
    # Without other data: the digits of scikit-learn, enlarged.
    monkeypatch.setenv("SYSMT_DATA", str(tmp_path))
    monkeypatch.setenv("SYSMT_BUILD", str(tmp_path))
    network = trained(8, steps={"dense": 80, "pruned": 80})
    assert min(network.dense, network.pruned) > 0.85
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


def test_command_line_goes_from_network_to_figures(tmp_path, capsys):
    trace, loads = tmp_path / "t.npz", tmp_path / "loads.npy"
    assert main(["trace", "digits", "--layer", "dense", "-o", str(trace)]) == 0
    assert main(["cache", str(trace), "--null-cache", "off", "--size", "1K", "--json", "-o", str(loads)]) == 0
    facts = json.loads(capsys.readouterr().out.split("\n", 2)[2])
    config = CacheConfig(size=1024, null=None)
    outcome = simulate(Trace.load(trace), config)
    np.testing.assert_array_equal(np.load(loads), outcome.loads)
    assert facts["cycles"] == outcome.cycles
    assert facts["config"] == config.as_dict()
    wanted = {"accesses", "misses", "null_hits", "miss_rate", "cycles", "merges", "splits", "covered_lines"}
    assert wanted <= set(facts)


def test_gates_answer_the_command_line_as_the_model_does(tmp_path, capsys):
    path = tmp_path / "t.npz"
    trace = random_trace(GEOMETRIES["small"], 300, 5)
    path.write_bytes(trace.packed())
    options = ["--preset", "tiny", "--size", "64", "--ways", "2", "--line", "8", "--null-entries", "5"]
    options += ["--memory-cycles", "7", "--json"]
    facts = {}
    for on in ("golden", "rtl"):
        assert main(["cache", str(path), *options, "--on", on]) == 0
        facts[on] = json.loads(capsys.readouterr().out)
    del facts["golden"]["null_entries_used"]
    assert facts["rtl"] | {"on": ""} == facts["golden"] | {"on": ""}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"op": None}, "trace {} must hold op, addr, size and data; op missing: make one with sysmt trace"),
        ({"addr": np.zeros(3, np.int64)}, "trace addr must be of type uint32, not int64"),
        ({"addr": np.uint32([0, 2, 0])}, "trace addr must be a multiple of its size, not 2 (access 1, size 4)"),
        ({"size": np.array([4, 4, 3])}, "trace size must be 1, 2 or 4, not 3 (access 2, size 3)"),
        ({"op": np.array([0, 0, 2])}, "trace op must be 0 (load) or 1 (store), not 2 (access 2, size 4)"),
        ({"op": np.zeros(3)}, "trace op must be of an integer type, not float64"),
        ({"data": np.zeros(2, np.uint32)}, "trace data must be as long as op, 3, not 2"),
        ({"mem": np.zeros((2, 2), np.uint8)}, "trace mem must be an array of one dimension, not (2, 2)"),
    ],
)
def test_bad_traces_are_refused_in_one_line(tmp_path, capsys, change, message):
    path = tmp_path / "t.npz"
    zeros = np.zeros(3, np.uint32)
    arrays = {"op": np.zeros(3, np.uint8), "addr": zeros, "size": np.full(3, 4), "data": zeros} | change
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    assert main(["cache", str(path), "-o", str(tmp_path / "loads.npy")]) == 2
    assert capsys.readouterr().err == f"sysmt cache: error: {message.format(path)}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trace", "digits", "--seed", "-1"], "seed must be at least 0, not -1"),
        (["trace", "digits", "--seed", "9999"], "seed must be below 500, the number of test images, not 9999"),
        (["trace", "alexnot"],
         "network must be one of digits, lenet5, alexnet, vgg16, squeezenet, not 'alexnot' (did you mean alexnet?)"),
        (["trace", "lenet5", "--layer", "fc9"], "layer must be one of conv1, conv2, fc1, fc2, not 'fc9'"),
        (["trace", "lenet5", "--limit", "0"], "limit must be an integer from 1 to 10000000, not 0"),
        (["trace", "lenet5", "--activations", "0"], "activations must be over 0 and at most 1, not 0.0"),
        (["trace", "squeezenet", "--weights", "w.net", "--image", "x.bmp"],
         "weights w.net must be the file compressed_SqueezeNet.net, not 300 other bytes"),
        (["cache", "w.net"], "trace must be a readable .npz file, not 'w.net' (not a plain .npz archive)"),
        (["cache", "none.npz"], "trace must be a readable .npz file, not 'none.npz' (No such file or directory)"),
        (["cache", "w.net", "--size", "16X"], "size must be a number of bytes such as 16384, 16K or 1M, not '16X'"),
        (["cache", "w.net", "--null-cache", "off", "--approx", "1"], "null-cache must be on to set approx, not off"),
        (["cache", "w.net", "--preset", "galilei"],
         "preset must be one of galileo, tiny, not 'galilei' (did you mean galileo?)"),
    ],
)  # fmt: skip
def test_unusable_words_are_one_line_and_leave_nothing(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.net").write_bytes(b"\x01" * 300)
    assert main([*words, "-o", "out.npz"]) == 2
    assert capsys.readouterr().err == f"sysmt {words[0]}: error: {message}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["w.net"]


def test_output_folder_is_asked_for_before_the_work(tmp_path, capsys):
    missing = tmp_path / "none"
    assert main(["trace", "digits", "-o", str(missing / "t.npz")]) == 2
    wanted = f"output folder {str(missing)!r} must exist: create it first"
    assert capsys.readouterr().err == f"sysmt trace: error: {wanted}\n"


def test_access_beyond_the_address_range_is_refused():
    trace = random_trace(GEOMETRIES["drop"], 200, 1)
    with pytest.raises(UserError, match=r"^trace addr must be below 0x100 \(addr_width = 8\), not \d+ \(access "):
        simulate(trace, GEOMETRIES["small"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 1000}, "size must be a power of two from 16 to 1048576, not 1000"),
        ({"ways": 3}, "ways must be a power of two from 1 to 16, not 3"),
        ({"line": 128}, "line must be a power of two from 4 to 64, not 128"),
        ({"size": 128}, "size must hold at least 2 sets of ways = 4 lines of line = 32 bytes, 256 bytes, not 128"),
        ({"memory_cycles": 7}, "memory_cycles must be an integer from 8 to 10000, not 7"),
        ({"null": 5}, "null must be a NullCacheConfig or None, not 5"),
    ],
)
def test_bad_geometry_is_refused_by_name(fields, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        CacheConfig(**fields)
    with pytest.raises(ConfigError, match=r"^replacement must be one of cover, lru, not 'fifo'$"):
        NullCacheConfig(replacement="fifo")
    wanted = "approx must be 0 with on_store = 'move', not 3: use on_store = 'split'"
    with pytest.raises(ConfigError, match=f"^{re.escape(wanted)}$"):
        NullCacheConfig(on_store="move", approx=3)
    with pytest.raises(ConfigError, match=r"^admit must be an integer from 0 to 255, not 256$"):
        NullCacheConfig(admit=256)
