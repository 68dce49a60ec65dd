# SPDX-License-Identifier: Apache-2.0
"""The commands `trace` and `cache`: what they compute, and what they refuse in which words."""

import json
import re

import numpy as np
import pytest

from sysmt.base.errors import ConfigError, UserError
from sysmt.cli.main import main
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.traces.trace import Trace

from .test_cache_model import GEOMETRIES, random_trace


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
        (["trace", "digits", "--activations", "0.5"],
         "activations must be left out for digits: it is for lenet5, alexnet, vgg16"),
        (["trace", "lenet5", "--weights", "w.net"], "weights must be left out for lenet5: it is for squeezenet"),
        (["trace", "squeezenet", "--weights", "w.net", "--image", "x.bmp", "--seed", "2"],
         "seed must be left out for squeezenet: it is for digits, lenet5, alexnet, vgg16"),
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
