# SPDX-License-Identifier: Apache-2.0
"""SPARQ on activations around a zero point: distances trimmed with a sign, golden model, gates and whole networks."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sysmt
from sysmt.base.errors import ConfigError, UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.sparq import WINDOWS, SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cosim import rtl
from sysmt.sim.cosim.engine import RtlEngine
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.sparq import SparqCounters, trimmed
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan, threaded_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse
from sysmt.sim.quant.infer import silent
from sysmt.sim.quant.layer_stats import relative_errors
from sysmt.sim.quant.options import Options
from sysmt.sim.quant.search import Planner

from . import pysim
from .int8_networks import CONV
from .mutants import one_bug_per_component, seeded_bug
from .references import product as reference
from .tflite_models import ModelBuilder

ZEROS = (0, 1, 100, 128, 255)
PES = [
    SparqConfig(window=window, trim=trim, pairs=pairs, vsparq=vsparq, signed_window=True)
    for window, trim, pairs, vsparq in [
        *((window, trim, 1, True) for window in WINDOWS for trim in ("round", "raw")),
        ("3opt", "round", 2, True),
        ("6opt", "round", 4, False),
    ]
]
RUNS = [(pe, t) for pe in PES for t in pe.throttles]


def operands(seed, m, k, n, zero, idle=0.3):
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (m, k))
    x[random.random((m, k)) < idle] = zero
    return x.astype(np.uint8), random.integers(-128, 128, (k, n), np.int8)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 19), st.integers(1, 4)),
    zero=st.integers(0, 255),
    run=st.sampled_from(RUNS),
)
def test_fast_model_equals_reference(seed, shape, zero, run):
    pe, threads = run
    x, w = operands(seed, *shape, zero)
    fast, slow = matmul(x, w, pe, threads, zero=zero), reference.matmul(x, w, pe, threads, zero)
    np.testing.assert_array_equal(fast.sums, slow.sums)
    assert fast.counters == slow.counters
    if threads < pe.threads:
        np.testing.assert_array_equal(fast.sums, x.astype(np.int32) @ w)


@pytest.mark.parametrize("zero", ZEROS)
def test_every_pair_of_activations(zero):
    """Exhaustive: neighbours that are not at the zero point are trimmed by their distance, the others whole."""
    pe = SparqConfig(signed_window=True)
    a, b = (values.ravel() for values in np.meshgrid(np.arange(256), np.arange(256)))
    w = np.array([[-128, 127, 3], [127, -77, 1]], np.int8)
    narrow = trimmed(pe.narrow, pe.trim).astype(int)
    far = [v - zero for v in (a, b)]
    kept = [np.where(u == 0, v, np.sign(v) * narrow[abs(v)]) for v, u in (far, far[::-1])]
    expected = np.outer(kept[0], w[0]) + np.outer(kept[1], w[1]) + zero * w.sum(axis=0, dtype=int)
    x = np.stack([a, b], axis=1).astype(np.uint8)
    np.testing.assert_array_equal(matmul(x, w, pe, zero=zero).sums, expected)


def test_without_a_zero_point_nothing_changes():
    for pe in (SparqConfig(), SparqConfig(window="7opt", pairs=2)):
        x, w = operands(1, 5, 23, 4, 0)
        plain, signed = matmul(x, w, pe), matmul(x, w, pe.with_fields(signed_window=True))
        np.testing.assert_array_equal(plain.sums, signed.sums)
        assert plain.counters == signed.counters


def jobs(pe, count):
    for k in range(1, count):
        zero = ZEROS[k % len(ZEROS)]
        yield (*operands(k, 3, 3 * k - 2, 3, zero), pe.throttles[k % len(pe.throttles)]), zero
    for zero in (77, 200):
        yield (*operands(zero, 2, 13, 2, zero), None), zero


def compare(config, count=8, stalls=((0.0, 0.0, 0.0),), design=None):
    pe = config.pe
    pairs, zeros = zip(*jobs(pe, count), strict=True)
    for share in stalls:
        found = rtl.products(pairs, config, stalls=share, zeros=zeros, design=design)
        counted = SparqCounters()
        for (x, w, threads), zero, sums in zip(pairs, zeros, found.sums, strict=True):
            golden = matmul(x, w, pe, threads, zero=zero)
            np.testing.assert_array_equal(sums, golden.sums)
            counted += golden.counters
        assert {name: found.counters[name] for name in pe.EVENTS} == asdict(counted)
    assert counted.alone
    assert counted.collisions
    assert counted.reduced


def array(rows=2, cols=2, **fields):
    return ArrayConfig(rows=rows, cols=cols).with_fields(kind="sparq", signed_window=True, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"cols": 1},
        {"window": "7opt", "pairs": 2, "vsparq": False, "target": "fpga", "pipeline": 2},
        pytest.param({"window": "6opt", "trim": "raw", "cluster": 2, "clock_gating": True}, marks=pytest.mark.regress),
    ],
    ids=lambda f: "-".join(map(str, f.values())) or "default",
)
def test_arrays_equal_golden_in_sums_and_counters(fields, monkeypatch):
    monkeypatch.setattr(rtl, "run", pysim.run)
    compare(array(**fields), 5, ((0.2, 0.1, 0.3),), object())


@pytest.mark.regress
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("target", ["asic", "fpga"])
def test_emitted_arrays_equal_golden(window, target):
    compare(array(cols=3, window=window, target=target), 12, ((0.0, 0.0, 0.0), (0.3, 0.2, 0.4)))


BUGS = [
    ("sysmt.hdl.pe.centre", "Centre", "Mux(negative, below, above)", "Mux(negative, ~above, above)"),
    ("sysmt.hdl.pe.sparq", "Sparq", "heap.add(q & negative.replicate(len(q)))", "heap.add(q[1:] & negative, 1)"),
    (
        "sysmt.hdl.pe.sparq_edge",
        "SparqEdge",
        "self.negative[neighbour], self.negative[t]",
        "self.negative[t], self.negative[t]",
    ),
]


@one_bug_per_component(("right", "wrong"), [bug[2:] for bug in BUGS])
def test_a_seeded_bug_is_caught(right, wrong, monkeypatch):
    monkeypatch.setattr(rtl, "run", pysim.run)
    module, component = next(bug[:2] for bug in BUGS if bug[2] == right)
    with seeded_bug(module, component, right, wrong), pytest.raises(AssertionError, match="Arrays are not equal"):
        compare(array(1, 1), 3, design=object())


def centred_content(side=3):
    """A small network whose activations lie around zero points: no activation functions."""
    rng = np.random.default_rng(5)
    model = ModelBuilder()
    x = model.tensor((1, side, side, 3), scale=0.05, zero=7)
    channels = 3
    for kind, n, kernel, zero in (
        ("CONV_2D", 4, 1, -20),
        ("CONV_2D", 4, 3, 5),
        ("DEPTHWISE_CONV_2D", 4, 3, -3),
        ("CONV_2D", 5, 1, 30),
    ):
        depthwise = kind == "DEPTHWISE_CONV_2D"
        shape = (1, kernel, kernel, n) if depthwise else (n, kernel, kernel, channels)
        w = model.constant(
            rng.integers(-127, 128, shape).astype(np.int8), np.full(n, 0.004), axis=3 if depthwise else 0
        )
        y = model.tensor((1, side, side, n), scale=0.1, zero=zero)
        model.node(kind, [x, w], y, **CONV, **({"DepthMultiplier": 1} if depthwise else {}))
        x, channels = y, n
    return model.content([0], [x])


def centred_network():
    return build(parse(centred_content()))


def centred_images(count, side=3, seed=3):
    return np.random.default_rng(seed).integers(-128, 128, (count, side, side, 3), np.int8)


@pytest.mark.regress
def test_a_whole_network_equals_the_simulated_array():
    network, x = centred_network(), centred_images(1)
    config = array()
    both = []
    for engine in (Golden(config.pe), RtlEngine(config)):
        seen = []
        runner = Runner(network=network, engine=engine, plan=threaded_plan(network, 2))
        both.append((runner(x, lambda trace, seen=seen: seen.append(trace)), seen))
    np.testing.assert_array_equal(both[0][0], both[1][0])
    for golden, gates in zip(both[0][1], both[1][1], strict=True):
        assert golden.zero == golden.linear.zero > 0
        np.testing.assert_array_equal(golden.product.sums, gates.product.sums)
        assert golden.product.counters == gates.product.counters


def test_on_one_thread_a_network_is_exact():
    network, x = centred_network(), centred_images(4)
    outputs = [
        Runner(network=network, engine=Golden(pe), plan=exact_plan(network))(x)
        for pe in (PEConfig(), SparqConfig(signed_window=True), SparqConfig(signed_window=True, window="7opt"))
    ]
    for other in outputs[1:]:
        np.testing.assert_array_equal(outputs[0], other)


def errors(pe, plan):
    network = centred_network()
    return np.array(relative_errors(network, Golden(pe), plan(network), centred_images(16)))


def test_distances_lose_less_than_activations():
    plain, signed = (errors(SparqConfig(signed_window=on), lambda n: threaded_plan(n, 2)) for on in (False, True))
    assert 0 < signed[1] < plain[1] / 2


def test_order_and_weights_are_chosen_by_distances():
    network, pe = centred_network(), SparqConfig(signed_window=True)
    config, inputs = ArrayConfig(rows=2, cols=2, pe=pe), Inputs(centred_images(200), None)
    found = {}
    for reorder, recalibrate in ((False, False), (True, False), (False, True)):
        options = Options(reorder=reorder, recalibrate=recalibrate)
        plan = Planner(network, Golden(pe, counting=False), config, options, inputs, silent).plan()
        tested = centred_images(64, seed=8)
        exact = Runner(network=network, engine=Golden(pe), plan=exact_plan(network))(tested).astype(float)
        given = Runner(network=network, engine=Golden(pe), plan=plan)(tested)
        found[reorder, recalibrate] = np.sqrt(np.mean((given - exact) ** 2))
    assert found[False, True] < found[False, False]
    assert found[True, False] <= found[False, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x, w: matmul(x, w, SparqConfig(), zero=3),
            "zero = 3 needs PEs that take it off (kind = sparq with signed_window = true), not kind = sparq; "
            "leave zero at 0",
        ),
        (lambda x, w: sysmt.matmul(x, w, zero=256), "zero must be an integer from 0 to 255, not 256"),
        (lambda x, w: sysmt.simulate(x, w, zero=-1), "zero must be an integer from 0 to 255, not -1"),
        (lambda x, w: SparqConfig(signed_window=1), "signed_window must be one of False, True, not 1"),
        (
            lambda x, w: EngineConfig(array=array(target="fpga")),
            "array.signed_window = True cannot be driven by the engine, which gives tiles no zero point: "
            "set signed_window to False",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises((ConfigError, UserError), match=f"^{re.escape(message)}$"):
        call(*operands(1, 2, 4, 2, 0))


def test_the_command_line_takes_a_zero_point(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x, w = operands(3, 5, 17, 4, 90)
    np.save("X.npy", x)
    np.save("W.npy", w)
    run = ["matmul", "X.npy", "W.npy", "-o", "O.npy", "--preset", "sparq_8", "--json", "--zero", "90"]
    assert main([*run, "--set", "signed_window=true"]) == 0
    golden = matmul(x, w, SparqConfig(signed_window=True), zero=90)
    np.testing.assert_array_equal(np.load("O.npy"), golden.sums)
    assert json.loads(capsys.readouterr().out)["reduced"] == golden.counters.reduced
    assert main(run) == 2
    assert capsys.readouterr().err.startswith("sysmt matmul: error: zero = 90 needs PEs that take it off")
