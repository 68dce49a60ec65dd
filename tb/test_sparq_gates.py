# SPDX-License-Identifier: Apache-2.0
"""SPARQ in gates: trimming units and multipliers, emitted and simulated, against the golden model."""

from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.sparq import TRIMS, WINDOWS, SparqConfig, lane_codes
from sysmt.hdl.pe import sparq_edge, sparq_lanes
from sysmt.hdl.pe.fpga import Fpga
from sysmt.hdl.pe.kind import gates_of
from sysmt.sim.cosim.rtl import products
from sysmt.sim.cosim.simulator import SimulationError, run
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.sparq import SparqCounters

from .benches import trimmed_products
from .mutants import one_bug_per_component
from .test_sparq import WEIGHTS, operands

MODES = tuple(product(WINDOWS, TRIMS))
FEW = (("3opt", "round"), ("6opt", "raw"), ("7opt", "round"))
"""One per width of a lane: what several pairs are tried with, whose benches are large."""
ALL_PAIRS = np.stack(np.meshgrid(np.arange(256), np.arange(256)), axis=-1).reshape(-1, 2).astype(np.uint8)
LANES = 4
CORNERS = np.array([0, 1, 15, 16, 30, 31, 63, 64, 127, 200, 247, 255], np.uint8)


def variants(pairs=1, target="asic", vsparq=True, modes=MODES):
    return tuple(
        SparqConfig(window=window, trim=trim, pairs=pairs, target=target, vsparq=vsparq) for window, trim in modes
    )


@pytest.mark.parametrize("stc", [False, True])
@pytest.mark.parametrize("target", ["asic", "fpga"])
def test_operators_are_for_fpgas_alone(target, stc):
    multiplier = gates_of(SparqConfig(target=target, stc=stc)).multiplier(SparqConfig(target=target, stc=stc))
    assert issubclass(multiplier, Fpga) == (target == "fpga")


def compare(pes, sets, number=16):
    """Simulate the bench for sets of (x [A, threads], all threads run): the testbench fails on a wrong product.

    `number` weights of every thread, a multiple of `LANES`.
    """
    pairs = pes[0].pairs
    weights = np.stack([np.roll(WEIGHTS, 5 * t) for t in range(2 * pairs)])
    vectors = {}
    sets = [(x, full, lanes) for x, full in sets for lanes in np.split(np.arange(number), number // LANES)]
    vectors["sets"] = np.array(len(sets))
    for i, (x, full, lanes) in enumerate(sets):
        golden = []
        for pe in pes:
            # The threads of a pair are neighbours in K; half of the threads are one of each pair.
            order = np.arange(2 * pairs).reshape(2, pairs).T.ravel() if full else np.arange(pairs)
            running = 2 * pairs if full else pairs
            w = np.ascontiguousarray(weights[order][:, lanes])
            golden.append(matmul(np.ascontiguousarray(x[:, order]), w, pe, running).sums)
        vectors |= {f"x_{i}": x, f"golden_{i}": np.stack(golden), f"full_{i}": np.array(int(full))}
        vectors[f"w_{i}"] = np.ascontiguousarray(weights.T[lanes])
    return run(trimmed_products(pes, LANES), "tb.tb_sparq", vectors, "verilator")


@pytest.mark.regress
def test_all_pairs_of_activations():
    compare(variants(), [(ALL_PAIRS, True)], 16)


def test_pairs_of_activations():
    """Every 7th pair, coprime to 256: each activation beside a seventh of all others."""
    compare(variants(), [(ALL_PAIRS[::7], True)])


@pytest.mark.regress
def test_pairs_of_activations_as_operators():
    """The fpga target is the same function, written for other tools: every 13th pair, coprime to 256."""
    compare(variants(target="fpga"), [(ALL_PAIRS[::13], True)])


@pytest.mark.parametrize("pairs", [1, pytest.param(2, marks=pytest.mark.regress)])
def test_always_trimmed(pairs):
    crossed = np.array(list(product(CORNERS[: 12 // pairs], repeat=2 * pairs)), np.uint8)
    # Throttled, lanes of less than 4 bits are fed one half of an activation at a time.
    halves = np.where(crossed % 3, crossed & 0xF0, crossed & 0x0F)
    half = halves * (np.arange(2 * pairs) < pairs).astype(np.uint8)
    compare(variants(pairs, vsparq=False, modes=FEW), [(crossed, True), (half, False)])


@pytest.mark.regress
def test_several_pairs():
    compare(variants(4, modes=FEW), [(operands(7, 600, 8, 1)[0], True)])


ARRAYS = [
    {},
    pytest.param({"window": "5opt", "trim": "raw", "pairs": 2}, marks=pytest.mark.regress),
    {"window": "6opt", "pairs": 2, "drain": "in_place"},
    pytest.param(
        {"window": "7opt", "vsparq": False, "pairs": 4, "target": "fpga", "pipeline": 2}, marks=pytest.mark.regress
    ),
    pytest.param({"window": "2opt", "pipeline": 1, "clock_gating": True}, marks=pytest.mark.regress),
]


@pytest.mark.parametrize("fields", ARRAYS, ids=lambda f: "-".join(map(str, f.values())) or "default")
def test_arrays_equal_golden_in_sums_counters_and_cycles(fields):
    config = ArrayConfig(rows=2, cols=3).with_fields(kind="sparq", **fields)
    pe = config.pe
    jobs = [(*operands(k, 3, k, 4), pe.throttles[k % len(pe.throttles)]) for k in range(1, 10)]
    jobs += [(*operands(20, 5, 33, 7, zeros), None) for zeros in (0, 0.5, 1)]
    for stalls in ((0.0, 0.0, 0.0), (0.3, 0.2, 0.4)):
        found = products(jobs, config, "verilator", stalls)
        counted = SparqCounters()
        for (x, w, threads), sums in zip(jobs, found.sums, strict=True):
            golden = matmul(x, w, pe, threads)
            np.testing.assert_array_equal(sums, golden.sums)
            counted += golden.counters
        assert {name: found.counters[name] for name in pe.EVENTS} == asdict(counted)
    assert counted.alone
    assert counted.collisions
    assert counted.reduced


def always_down(value, up):
    return value


def no_loan(code, values, known, right=sparq_lanes.decoded):
    return right(code, values - {1}, known)


BUGS = {
    "rounds down": ("sysmt.hdl.pe.sparq_edge.increment", always_down),
    "never borrows": ("sysmt.hdl.pe.sparq.decoded", no_loan),
}


@one_bug_per_component("bug", BUGS)
def test_a_seeded_bug_is_caught(bug, monkeypatch):
    monkeypatch.setattr(*BUGS[bug])
    assert sparq_edge
    with pytest.raises(SimulationError, match="products differ"):
        compare(variants(modes=(("3opt", "round"),)), [(ALL_PAIRS[::7], True)])


def test_codes_of_lanes():
    assert lane_codes(WINDOWS["3opt"]) == [(0, False), (0, True), (2, False), (4, False)]
    assert sparq_lanes.lanes(replace(SparqConfig(), pairs=1)).size == 12
    for window in WINDOWS.values():
        codes = lane_codes(window)
        assert len(set(codes)) == len(codes)
        assert {shift for shift, borrows in codes if borrows} == set(window.alone.shifts)


def test_one_dimensional_convolution_is_refused():
    with pytest.raises(
        ConfigError,
        match=r"^fuse = True needs a kind of PE with 1-D convolution \(nbsmt\), not kind = sparq$",
    ):
        ArrayConfig(pe=SparqConfig(), fuse=True)
