# SPDX-License-Identifier: Apache-2.0
"""SPARQ on 2:4 weights: four operands of K per pair and step, golden model, slow reference and gates."""

import json
import re
from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmt.base.errors import ConfigError, UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.sparq import PAIRS, TRIMS, SparqConfig
from sysmt.hdl.pe.kind import gates_of
from sysmt.sim.cosim import rtl
from sysmt.sim.cost.array import matmul_cycles
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.sparq import SparqCounters
from sysmt.sim.golden.sparq_stc import check_weights
from sysmt.sim.quant.adapt import adapt

from . import pysim
from .mutants import one_bug_per_component, seeded_bug
from .references import product as reference

WINDOWS = ("2opt", "3opt", "5opt")
PES = [SparqConfig(window=w, trim=t, pairs=p, stc=True) for w, t, p in product(WINDOWS, TRIMS, PAIRS)]
RUNS = [(pe, t) for pe in PES for t in pe.throttles]


def operands(seed, m, k, n, kept=2, idle=0.35):
    """At most `kept` weights of each group of four are not zero."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (m, k)) * (random.random((m, k)) >= idle)
    w = random.integers(-128, 128, (k + -k % 4, n)).reshape(-1, 4, n)
    order = random.permuted(np.broadcast_to(np.arange(4)[:, None], w.shape), axis=1)
    w[order >= random.integers(0, kept + 1, (len(w), 1, n))] = 0
    return x.astype(np.uint8), w.reshape(-1, n)[:k].astype(np.int8)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 23), st.integers(1, 4)),
    run=st.sampled_from(RUNS),
)
def test_fast_model_equals_reference(seed, shape, run):
    pe, threads = run
    x, w = operands(seed, *shape, 2 if threads == pe.threads else 4)
    fast, slow = matmul(x, w, pe, threads), reference.matmul(x, w, pe, threads)
    np.testing.assert_array_equal(fast.sums, slow.sums)
    assert fast.counters == slow.counters
    if threads < pe.threads:
        np.testing.assert_array_equal(fast.sums, x.astype(np.int32) @ w)


def test_the_pair_is_that_of_the_weights():
    """Two operands with a weight are trimmed if both live; what has no weight does not matter."""
    x = np.array([[255, 255, 255, 255], [255, 255, 0, 255], [0, 255, 255, 0]], np.uint8)
    w = np.array([[1, 1], [0, 0], [2, 0], [0, 0]], np.int8)
    sums = matmul(x, w, SparqConfig(stc=True)).sums
    np.testing.assert_array_equal(sums, [[240 + 2 * 240, 255], [255, 255], [2 * 255, 0]])


@pytest.mark.parametrize("window", WINDOWS)
def test_there_are_as_many_counters_as_without_two_to_four_weights(window):
    with_it, without = (SparqConfig(window=window, stc=stc) for stc in (True, False))
    assert list(gates_of(with_it).events(with_it)) == list(gates_of(without).events(without))


@pytest.mark.parametrize("pairs", PAIRS)
@pytest.mark.parametrize("k", [1, 4, 7, 16, 33])
def test_four_neighbours_are_a_pairs(pairs, k):
    pe = SparqConfig(pairs=pairs, stc=True)
    order = golden_of(pe).k_order(k, pe, pe.threads)
    assert order.shape == (4 * pairs, pe.steps(k)) == (pe.products, -(-k // (4 * pairs)))
    for pair in range(pairs):
        lanes = [2 * t + i for t in (pair, pair + pairs) for i in (0, 1)]
        np.testing.assert_array_equal(order[lanes], order[lanes[0]] + np.arange(4)[:, None])
        assert (order[lanes[0]] % 4 == 0).all()
    assert SparqConfig(pairs=pairs).steps(k, 1) == pe.steps(k, 1) == k


def jobs(pe):
    for k in range(1, 6):
        threads = pe.throttles[-1 - k % len(pe.throttles)]
        yield (*operands(k, 2, 3 * k, 2, 2 if threads == pe.threads else 4), threads)
    yield (*operands(9, 3, 22, 3, idle=0.1), None)


def compare(config, stalls=(0.2, 0.1, 0.3), design=None):
    pe, given = config.pe, list(jobs(config.pe))
    found = rtl.products(given, config, stalls=stalls, design=design)
    counted = SparqCounters()
    for (x, w, threads), sums in zip(given, found.sums, strict=True):
        golden = matmul(x, w, pe, threads)
        np.testing.assert_array_equal(sums, golden.sums)
        counted += golden.counters
    assert {name: found.counters[name] for name in pe.EVENTS} == asdict(counted)
    assert counted.reduced
    assert counted.alone
    assert counted.collisions


def test_weights_of_threads_that_do_not_run_are_ignored(monkeypatch):
    """Whatever lies in their place: tiles on fewer threads say so, not their operands."""

    def run(_, __, vectors, *___, **____):
        w = vectors["w"].copy()
        w[:, :, 2:] = np.random.default_rng(1).integers(-128, 128, w[:, :, 2:].shape)
        return pysim.run(_, __, vectors | {"w": w})

    monkeypatch.setattr(rtl, "run", run)
    config, (x, w) = array(counters=False), operands(4, 1, 9, 1, 4)
    found = rtl.products([(x, w, 1)], config, design=object())
    np.testing.assert_array_equal(found.sums[0], x.astype(np.int32) @ w)


def array(rows=1, cols=1, **fields):
    return ArrayConfig(rows=rows, cols=cols).with_fields(kind="sparq", stc=True, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        pytest.param({"pairs": 2, "target": "fpga", "pipeline": 2, "window": "5opt"}, marks=pytest.mark.regress),
        pytest.param({"trim": "raw", "cluster": 2, "clock_gating": True}, marks=pytest.mark.regress),
    ],
    ids=lambda f: "-".join(map(str, f.values())) or "default",
)
def test_arrays_equal_golden_in_sums_and_counters(fields, monkeypatch):
    monkeypatch.setattr(rtl, "run", pysim.run)
    compare(array(**fields), design=object())


@pytest.mark.regress
@pytest.mark.parametrize("fields", [{"window": w, "target": t} for w in WINDOWS for t in ("asic", "fpga")])
def test_emitted_arrays_equal_golden(fields):
    compare(array(2, 3, **fields))


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("picked[1].x.any() & differ", "picked[1].x.any()"),
        ("Mux(alone[other], self.w[lanes[other]].w, self.w[t].w)", "self.w[t].w"),
    ],
)
def test_a_seeded_bug_is_caught(right, wrong, monkeypatch):
    monkeypatch.setattr(rtl, "run", pysim.run)
    with seeded_bug("sysmt.hdl.pe.sparq_stc", "Selecting", right, wrong), pytest.raises(AssertionError, match="equal"):
        compare(array(counters=False), design=object())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: SparqConfig(stc=True, window="6opt"),
            "stc = True needs a window of 4 bits (2opt, 3opt, 5opt), not window = 6opt",
        ),
        (lambda: SparqConfig(stc=True, vsparq=False), "stc = True needs vsparq = True, not vsparq = False"),
        (
            lambda: SparqConfig(stc=True, signed_window=True),
            "stc = True needs signed_window = False, not signed_window = True",
        ),
        (
            lambda: check_weights(np.array([[1, 1], [0, 1], [0, 1], [1, 0], [0, 1]], np.int8)),
            "w must have at most 2 non-zero weights in each group of 4 along K with stc = True, not 3 from row 0 on in "
            "column 1; prune it to 2:4, or run fewer threads",
        ),
        (
            lambda: adapt(*operands(1, 4, 8, 2), np.zeros((4, 2)), SparqConfig(stc=True), 2),
            "stc must be False to adapt weights, not True: they choose the pairs; keep the weights",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises((ConfigError, UserError), match=f"^{re.escape(message)}$"):
        call()


def test_dense_weights_are_refused_by_golden_and_gates():
    x, w = operands(2, 3, 8, 2, 4)
    w[:4] = 1
    for call in (lambda: matmul(x, w, SparqConfig(stc=True)), lambda: rtl.products([(x, w, None)], array())):
        with pytest.raises(UserError, match=r"^w must have at most 2 non-zero weights in each group of 4 along K"):
            call()


def test_the_command_line_counts_four_operands_per_step(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x, w = operands(3, 8, 64, 8)
    np.save("X.npy", x)
    np.save("W.npy", w)
    assert main(["matmul", "X.npy", "W.npy", "--preset", "sparq_8", "--set", "stc=true", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"] == 16
    assert found["cycles"] == matmul_cycles(8, 64, 8, ArrayConfig(pe=SparqConfig(stc=True)))
