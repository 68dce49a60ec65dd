# SPDX-License-Identifier: Apache-2.0
"""Cycles and silicon of PEs that count on 2:4 weights: per layer what its weights allow, wherever that is said."""

import json
import re
from itertools import product

import numpy as np
import pytest

import sysmt
from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.cosim import rtl
from sysmt.sim.cost import evaluate
from sysmt.sim.cost.array import matmul_cycles, sequence_cycles
from sysmt.sim.cost.batch import batch_cycles
from sysmt.sim.cost.silicon import predict
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.networks import network

from . import pysim
from .int8_networks import small_content, small_images
from .test_stc import operands

SPARSE = ["--preset", "sparq_8", "--set", "stc=true"]


def cycles(capsys, *words):
    assert main(["cycles", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("pairs", "threads"), [(1, 1), (2, 2), (4, 4)])
def test_dense_weights_take_the_exact_half_of_the_threads(pairs, threads, capsys):
    config = preset("sparq_8", ArrayConfig, stc=True, pairs=pairs)
    words = ["--gemm", "40,100,33", *SPARSE, "--set", f"pairs={pairs}", "--sparsity"]
    assert cycles(capsys, *words, "1:1")["total"] == matmul_cycles(40, 100, 33, config, threads)
    assert cycles(capsys, *words, "2:4")["total"] == matmul_cycles(40, 100, 33, config)
    assert config.pe.steps(100, threads) == 100 // threads
    assert config.pe.steps(100) == -(-100 // (4 * pairs))


def test_layers_take_the_cycles_of_the_gates(monkeypatch):
    """A tile of 2:4 weights, then one of dense ones."""
    monkeypatch.setattr(rtl, "run", pysim.run)
    config, (x, w) = (
        ArrayConfig(rows=1, cols=1, counters=False).with_fields(kind="sparq", stc=True),
        operands(1, 1, 24, 1),
    )
    given, steps = [], []
    for sparsity, weights in (((2, 4), w), ((4, 4), np.ones_like(w))):
        given.append((x, weights, golden_of(config.pe).most_threads(weights, config.pe)))
        layer = Layer.gemm("g", 1, 24, 1, sparsity=sparsity)
        steps.append((1, evaluate([layer], config).total - config.latency))
    found = rtl.products(given, config, design=object())
    assert steps == [(1, 6), (1, 24)]
    assert found.cycles == sequence_cycles(steps, config)


def test_a_models_weights_say_it(tmp_path, capsys):
    """Those layers that `infer` runs on all threads take its cycles, the others those of half."""
    (tmp_path / "m.tflite").write_bytes(small_content(pruned=True))
    np.savez(tmp_path / "in.npz", images=small_images(2))
    found = cycles(capsys, str(tmp_path / "m.tflite"), *SPARSE)["layers"]
    assert main(["infer", str(tmp_path / "m.tflite"), str(tmp_path / "in.npz"), *SPARSE, "--json"]) == 0
    inferred = json.loads(capsys.readouterr().out)["layers"]
    assert [row["cycles"] for row in found] == [row["cycles"] for row in inferred]
    threads = [row["threads"] for row in inferred]
    assert threads.count(2) == 1
    model = read_model(tmp_path / "m.tflite").optimised()
    of_model = sysmt.cycles(tmp_path / "m.tflite", preset("sparq_8", ArrayConfig, stc=True))
    assert [row.layer.sparsity[0] for row in of_model.layers] == [2 if t == 2 else 4 for t in threads]
    assert all(layer.sparsity == (1, 1) for layer in model.layers)


def test_topologies_say_it_of_each_layer(tmp_path, capsys):
    path = tmp_path / "net.csv"
    path.write_text("Layer, M, N, K, Sparsity\nA, 40, 33, 100, 2:4\nB, 40, 33, 100,\nC, 40, 33, 100, 3:4\n")
    config = preset("sparq_8", ArrayConfig, stc=True)
    fast, slow = (matmul_cycles(40, 100, 33, config, threads) for threads in (2, 1))
    found = cycles(capsys, "--topology", str(path), *SPARSE)["layers"]
    assert [row["cycles"] for row in found] == [fast, slow, slow]
    assert found[0]["utilisation"] <= 1


def test_groups_of_any_size_are_seen_as_groups_of_four():
    for n, m in ((kept, size) for size in range(1, 13) for kept in range(1, size + 1)):
        worst = max(
            sum(min(n, sum(place // m == block for place in range(first, first + 4))) for block in range(first + 4))
            for first in range(0, 4 * m, 4)
        )
        assert Layer.gemm("g", 1, 4, 1, sparsity=(n, m)).kept_of(4) == worst, (n, m)


def test_many_arrays_at_once_count_the_same():
    layers = [
        *(Layer.gemm("g", 9, k, 11, sparsity=s) for k, s in product((3, 40, 65), ((1, 1), (2, 4), (1, 2), (2, 3)))),
        *(layer for layer in network("mobilenet_v2")[:6]),
    ]
    pes = [SparqConfig(pairs=pairs, stc=stc, pipeline=pairs % 2) for pairs in (1, 2, 4) for stc in (True, False)]
    configs = [ArrayConfig(rows=4, cols=3, pe=pe) for pe in pes]
    for config, row in zip(configs, batch_cycles(layers, configs), strict=True):
        if config.pe.stc:
            assert row.tolist() == [found.cycles for found in evaluate(layers, config).layers]
        else:
            dense = [Layer.gemm("g", *(getattr(layer.products, n) for n in "mkn")) for layer in layers[:12]]
            assert row.tolist()[:12] == [found.cycles for found in evaluate(dense, config).layers]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["mobilenet_v1", *SPARSE],
            "stc = True needs 2:4 weights, which shapes do not tell: say sparsity 2:4 (--sparsity 2:4), or 1:1 where "
            "all are dense",
        ),
        (
            ["mobilenet_v1", "--preset", "sparq_8", "--sparsity", "2:4"],
            "sparsity 2:4 needs PEs that count on it (kind = sparq with stc = true), not sparq",
        ),
        (["mobilenet_v1", *SPARSE, "--sparsity", "2"], "sparsity must be N:M, such as 2:4, not '2'"),
        (["mobilenet_v1", *SPARSE, "--sparsity", "5:4"], "sparsity must be N:M with 1 <= N <= M, not '5:4'"),
        (
            ["model.tflite", *SPARSE, "--sparsity", "2:4"],
            "sparsity 2:4 must be left out: layer tensor_3 says its own, 4:4",
        ),
    ],
)
def test_refusals(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(small_content())
    assert main(["cycles", *words]) == 2
    assert re.sub(r"layer \S+ says", "layer tensor_3 says", capsys.readouterr().err) == (
        f"sysmt cycles: error: {message}\n"
    )


def test_python_refuses_the_same():
    with pytest.raises(UserError, match=r"^stc = True needs 2:4 weights, which shapes do not tell: say sparsity 2:4"):
        sysmt.cycles("mobilenet_v1", preset("sparq_8", ArrayConfig, stc=True))
    with pytest.raises(UserError, match=r"^sparsity must be N:M, such as 2:4, not 24$"):
        sysmt.cycles("mobilenet_v1", preset("sparq_8", ArrayConfig, stc=True), sparsity=24)


def test_exploration_counts_them(tmp_path):
    """The same store for both: what weights are like is part of what is looked up."""
    values = {"kind": ["sparq"], "stc": [False, True], "rows": [4], "cols": [4], "pairs": [1, 2], "cluster": [1]}
    values |= {"drain": ["overlap"], "pipeline": [0], "threads": [2]}
    for sparsity in ("2:4", "1:1"):
        found = sysmt.explore("mobilenet_v1", values=values, sparsity=sparsity, store=tmp_path / "results.sqlite")
        assert {point.config.pe.stc for point in found.points} == {False, True}
        for point in found.points:
            given = sparsity if point.config.pe.stc else None
            assert point.cycles == (sysmt.cycles("mobilenet_v1", point.config, sparsity=given).total,)
    with pytest.raises(UserError, match="^stc = True needs 2:4 weights"):
        sysmt.explore("mobilenet_v1", values=values, store=tmp_path / "results.sqlite")
    with pytest.raises(UserError, match="^sparsity 2:4 must be left out of models that run: their weights say it$"):
        sysmt.explore("digits", values=values, sparsity="2:4", inputs=["in.npz"], store=tmp_path / "results.sqlite")


def test_their_silicon_is_predicted():
    """More than two lanes of weights alone, less than twice as much: and the option shows in the interval."""
    plain, sparse = (
        predict(preset("sparq_8", ArrayConfig, counters=False, stc=stc), "sky130hd") for stc in (False, True)
    )
    assert 1.3 < sparse.area.value / plain.area.value < 1.6
    assert sparse.area.low < sparse.area.value < sparse.area.high
    assert main(["estimate", *SPARSE[1:], "--json"]) == 0
