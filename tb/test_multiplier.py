# SPDX-License-Identifier: Apache-2.0
"""The multipliers of all policies, emitted and simulated, against the golden model."""

from itertools import product

import numpy as np
import pytest

from sysmt.hdl.common import adders
from sysmt.hdl.params.kinds.nbsmt import ROUNDINGS
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.hdl.pe import reduction
from sysmt.sim.cosim.simulator import SimulationError, available, run
from sysmt.sim.golden.matmul import matmul

from .benches import multiplier_bench
from .coverage import ConflictCoverage
from .mutants import one_bug_per_component

CORNERS_X = np.array([0, 1, 7, 8, 15, 16, 247, 248, 255], np.uint8)
CORNERS_W = np.array([-128, -8, 7, 8, 119, 120, 127], np.int8)
LANES = 2
SQUEEZING_ONLY_X = slice(10, 11)
SQUEEZING = slice(10, 15, 4)
NEAREST = slice(0, None, 2)
"""Every policy, rounding to nearest: truncation has fewer gates, and is seen with two threads."""
"""Of the variants of two threads: S+A and S+W, rounding to nearest."""
CHOSEN = [
    pytest.param(1, slice(None), id="1"),
    pytest.param(2, slice(None), id="2"),
    pytest.param(4, NEAREST, id="4"),
    pytest.param(4, slice(1, None, 2), id="4 others", marks=pytest.mark.regress),
]


def variants(threads, target):
    """Every policy and rounding; one thread has neither."""
    if threads == 1:
        return (PEConfig(target=target),)
    pairs = product(POLICIES, ROUNDINGS)
    return tuple(PEConfig(threads=threads, policy=p, rounding=r, target=target) for p, r in pairs)


def crossed(values, threads):
    """All vectors of `threads` of these values."""
    return np.array(list(product(values, repeat=threads)), values.dtype)


def lone(thread, threads):
    """All 256 operands in one thread, zero in the others."""
    vectors = np.zeros((256, threads), np.uint8)
    vectors[:, thread] = np.arange(256)
    return vectors


def operand_sets(threads, sample):
    """(x vectors, w vectors, threads that run): lone threads, corners, random operands, throttled arrays.

    Every pair of operands is in the first thread alone, of four every activation with some weights, as in each of the
    other threads. Four threads have 15.7 million corner crossings: `sample` vectors a side are drawn from them.
    """
    random = np.random.default_rng(5)
    alone = [lone(t, threads) for t in range(threads)]
    some = [random.permutation(256)[:32] for _ in range(threads)]
    if threads < 4:
        some[0] = slice(None)
    sets = [(x, x.view(np.int8)[which], threads) for x, which in zip(alone, some, strict=True)]
    x, w = crossed(CORNERS_X, threads), crossed(CORNERS_W, threads)
    if threads == 4:
        x, w = random.permutation(x)[:sample], random.permutation(w)[:sample]
    sets.append((x, w, threads))
    many_x = random.integers(0, 256, (sample, threads), np.uint8) * (random.random((sample, threads)) < 0.7)
    many_w = random.integers(-128, 128, (sample, threads), np.int8) * (random.random((sample, threads)) < 0.7)
    sets.append((many_x.astype(np.uint8), many_w.astype(np.int8), threads))
    for fewer in (t for t in (1, 2) if t < threads):
        idle = np.arange(threads) < fewer
        sets.append((x[:60] * idle.astype(np.uint8), w[:60] * idle.astype(np.int8), fewer))
        sets.append((many_x[:60] * idle.astype(np.uint8), many_w[:60] * idle.astype(np.int8), fewer))
    return sets


def compare(threads, simulator, target="asic", sample=160, choose=slice(None), covers=True, sets=None):
    """Simulate the bench; the testbench fails where a product differs from the golden one."""
    chosen = variants(threads, target)[choose]
    vectors = {}
    sets = sets or operand_sets(threads, sample)
    for i, (x, w, running) in enumerate(sets):
        golden = [matmul(x[:, :running], w[:, :running].T.copy(), v, threads=running).sums for v in chosen]
        vectors |= {f"x_{i}": x, f"w_{i}": w, f"golden_{i}": np.stack(golden), f"threads_{i}": np.array(running)}
    vectors |= {
        "sets": np.array(len(sets)),
        "lanes": np.array(LANES),
        "all_threads": np.array(threads),
        "covers": np.array(int(covers)),
    }
    run(multiplier_bench(chosen, LANES), "tb.tb_multiplier", vectors, simulator)


@pytest.mark.parametrize(("threads", "chosen"), CHOSEN)
def test_every_policy_equals_golden_under_verilator(threads, chosen):
    compare(threads, "verilator", choose=chosen)


@pytest.mark.parametrize(("threads", "chosen"), CHOSEN[1:])
def test_every_policy_equals_golden_as_operators(threads, chosen):
    """The fpga target is the same function, written for other tools."""
    compare(threads, "verilator", "fpga", choose=chosen, sets=operand_sets(threads, 64)[threads:])


@pytest.mark.regress
@pytest.mark.parametrize("threads", [2, 4])
def test_every_pair_of_operands_in_every_lone_thread(threads):
    alone = [lone(t, threads) for t in range(threads)]
    compare(threads, "verilator", covers=False, sets=[(x, x.view(np.int8), threads) for x in alone])


@pytest.mark.regress
def test_all_corners_of_four_threads_crossed(monkeypatch):
    """All 15.7 million crossings of the corner operands over four threads, policy S+A: `make regress`."""
    monkeypatch.setitem(globals(), "LANES", 16)
    x, w = crossed(CORNERS_X, 4), crossed(CORNERS_W, 4)
    compare(4, "verilator", choose=SQUEEZING_ONLY_X, covers=False, sets=[(part, w, 4) for part in np.split(x, 27)])


@pytest.mark.skipif(not available("icarus"), reason="Icarus is not installed: sudo apt-get install iverilog")
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_every_policy_equals_golden_under_icarus(threads):
    sets = None if threads == 1 else operand_sets(threads, 12)[threads:]
    compare(threads, "icarus", sets=sets)


def always_down(operand, on, rounding, right=reduction.rounded):
    return right(operand, on, "truncate")


def forgets_sign(self, bit, position, negative, arrival):
    self._push(position, arrival, bit)


def unshifted(nibble_product, is_high):
    return nibble_product


BUGS = {
    "rounds down": ("sysmt.hdl.pe.nbsmt.rounded", always_down),
    "sign bit weighs positive": ("sysmt.hdl.common.adders.BitHeap._weighted", forgets_sign),
    "high nibble not shifted": ("sysmt.hdl.pe.nbsmt.weigh", unshifted),
    "w of 8 fits": ("sysmt.hdl.pe.nbsmt.fits", lambda operand: ~operand[4:8].any() | operand[4:8].all()),
}


@one_bug_per_component("bug", BUGS)
def test_a_seeded_bug_is_caught(bug, monkeypatch):
    monkeypatch.setattr(*BUGS[bug])
    simulator = "icarus" if available("icarus") else "verilator"
    corners = operand_sets(2, 24)[2:3]
    with pytest.raises(SimulationError, match="products differ"):
        compare(2, simulator, choose=SQUEEZING, covers=False, sets=corners)


def test_an_empty_coverage_bin_fails():
    coverage = ConflictCoverage(2)
    coverage.sample(np.array([[0, 1], [200, 200]], np.uint8), np.array([[1, 1], [100, 3]], np.int8))
    with pytest.raises(AssertionError, match=r"^coverage: nothing was seen of active=0, n=1 x=fits w=wide, n=1 "):
        coverage.check()


def test_a_bit_matrix_adds_any_signed_terms():
    """The adders alone, in Amaranth's own simulator: signed and unsigned terms, a constant, wrapping."""
    from amaranth.hdl import Module, Signal, signed
    from amaranth.sim import Simulator

    m, random = Module(), np.random.default_rng(2)
    a, b, c, total = Signal(signed(5)), Signal(7), Signal(signed(9)), Signal(signed(9))
    m.d.comb += total.eq(adders.add(m, [a, b.as_unsigned()[:6].as_signed(), c], 9, "asic", "t"))

    async def bench(ctx):
        for _ in range(300):
            values = [int(random.integers(-16, 16)), int(random.integers(0, 128)), int(random.integers(-256, 256))]
            for signal, value in zip((a, b, c), values, strict=True):
                ctx.set(signal, value)
            middle = (values[1] % 64 ^ 32) - 32
            assert (ctx.get(total) - (values[0] + middle + values[2])) % 512 == 0

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
