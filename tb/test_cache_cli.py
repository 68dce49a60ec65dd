# SPDX-License-Identifier: Apache-2.0
"""Traces of layers and the verbs `trace` and `cache`: what they compute, and what they refuse in which words."""

import json
import re

import numpy as np
import pytest

from hdl.config_cache import CacheConfig, NullCacheConfig
from hdl.errors import ConfigError, UserError
from sim.nullcache.layers import LayerData, layer_trace
from sim.nullcache.model import simulate
from sim.nullcache.networks import layers
from sim.nullcache.trace import Trace
from sysmt.main import main
from tb.test_cache_model import GEOMETRIES, random_trace


@pytest.mark.parametrize("loops", ["im2col", "direct"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_trace_of_a_layer_loads_its_operands_and_stores_its_result(loops, dtype):
    rng = np.random.default_rng(1)
    x = (rng.integers(0, 5, (3, 6, 5)) * (rng.random((3, 6, 5)) < 0.5)).astype(dtype)
    w = rng.integers(0, 3, (4, 3, 3, 3)).astype(np.float32 if dtype == np.float32 else np.int8)
    layer = LayerData(name="conv", x=x, w=w, stride=2, pad=1)
    trace = layer_trace(layer, loops)
    outcome = simulate(trace, CacheConfig())
    loads, at = outcome.loads, iter(range(len(outcome.loads)))
    values = loads.view(np.float32) if dtype == np.float32 else loads.astype(np.float64)
    sums, total = [], 0.0
    # Multiply what was loaded, pair by pair, until the next store: the stored sums must be the convolution.
    skip = int((trace.op == 0).sum()) - 2 * int(_pairs(layer, loops))
    for _ in range(skip):
        next(at)
    first = len(trace.op) - _tail(layer, trace, loops)
    for op in trace.op[first:]:
        if op == 1:
            sums.append(total)
            total = 0.0
            continue
        i = next(at)
        if (i - skip) % 2:
            total += float(values[i - 1]) * float(values[i])
    np.testing.assert_array_equal(np.array(sums, np.float32).reshape(4, *layer.out_shape), layer.output())
    stored = trace.data[trace.op == 1][-len(sums) :]
    stored = stored.view(np.float32) if dtype == np.float32 else stored.astype(np.float32)
    np.testing.assert_array_equal(stored, np.minimum(layer.output().reshape(-1), 255 if dtype == np.uint8 else np.inf))


def _pairs(layer: LayerData, loops: str) -> int:
    """Multiplications of a layer; the direct loops leave those with padding out."""
    inside = LayerData(name="", x=np.ones_like(layer.x), w=layer.w, stride=layer.stride, pad=layer.pad).lowered()
    return len(layer.w) * (inside.size if loops == "im2col" else int(inside.sum()))


def _tail(layer: LayerData, trace: Trace, loops: str) -> int:
    """Accesses of a trace behind the laying out of the matrix."""
    return 2 * _pairs(layer, loops) + len(layer.w) * int(np.prod(layer.out_shape))


def test_limit_keeps_about_that_many_accesses():
    layer = next(layers("lenet5"))
    full, cut = layer_trace(layer, "direct"), layer_trace(layer, "direct", 50_000)
    assert len(full) == 20 * 24 * 24 * (2 * 25 + 1)
    assert 25_000 < len(cut) <= 60_000


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
