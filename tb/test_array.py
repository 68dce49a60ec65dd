# SPDX-License-Identifier: Apache-2.0
"""The array, emitted and simulated, against the golden model: sums, counters and cycles."""

import re
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Const

from sysmt.hdl.array.sequencer import Sequencer
from sysmt.hdl.array.systolic import SystolicArray
from sysmt.hdl.common.delay_line import shared_delay_line
from sysmt.hdl.emit import emit
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.pe.element import ProcessingElement
from sysmt.hdl.pe.nbsmt_events import events
from sysmt.sim.cosim.rtl import emitted_array, products
from sysmt.sim.cosim.simulator import SimulationError, available
from sysmt.sim.cost.array import matmul_cycles
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Counters

from .mutants import one_bug_per_component, seeded_bug

WHOLE = (0.0, 0.0, 0.0)
STALLING = (0.3, 0.2, 0.4)

icarus = pytest.mark.skipif(not available("icarus"), reason="Icarus is not installed: sudo apt-get install iverilog")


def config(threads=2, rows=3, cols=4, **fields):
    return ArrayConfig().with_fields(threads=threads, rows=rows, cols=cols, **fields)


def operands(seed, m, k, n, dense_x=0.6, dense_w=0.9):
    """Random operands of given densities."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (m, k), np.uint8) * (random.random((m, k)) < dense_x)
    w = random.integers(-128, 128, (k, n), np.int8) * (random.random((k, n)) < dense_w)
    return x.astype(np.uint8), w.astype(np.int8)


def work(threads):
    """Products of every awkward size back to back: K from 1 up, throttled, padded, sparse, dense and empty."""
    fewer = [t for t in (1, 2, 4) if t <= threads]
    jobs = [(*operands(k, 3, k, 4), fewer[k % len(fewer)]) for k in range(1, 10)]
    jobs += [(*operands(20 + i, m, k, n), None) for i, (m, k, n) in enumerate([(1, 1, 1), (7, 13, 9), (3, 40, 4)])]
    jobs += [(*operands(30 + i, 6, 24, 8, dense, dense), None) for i, dense in enumerate([0.0, 0.2, 1.0])]
    return [(x, w, t) for x, w, t in jobs]


def check(config, jobs, simulator, stalls=WHOLE, design=None):
    """Run on the simulated RTL and compare everything with the model."""
    result = products(jobs, config, simulator, stalls, design=design)
    assert not result.refused
    counted = Counters()
    steps = 0
    for (x, w, threads), sums in zip(jobs, result.sums, strict=True):
        golden = matmul(x, w, config.pe, threads)
        np.testing.assert_array_equal(sums, golden.sums)
        counted += golden.counters
        tiles = -(-x.shape[0] // config.rows) * -(-w.shape[1] // config.cols)
        steps += tiles * config.pe.steps(x.shape[1], threads)
    if config.counters:
        assert {n: result.counters[n] for n in ("active", "busy", "collisions", "reduced")} == {
            "active": counted.active,
            "busy": counted.busy,
            "collisions": counted.collisions,
            "reduced": counted.reduced,
        }
        assert result.counters["steps"] == steps
    return result


CASES = [
    config(1),
    pytest.param(config(1, drain="in_place", pipeline=1, acc_width=24), marks=pytest.mark.regress),
    config(2),
    config(2, policy="S+aW", rounding="truncate", drain="in_place", clock_gating=True),
    config(2, policy="Aw", target="fpga", pipeline=3, dsp=True),
    pytest.param(config(1, target="fpga", pipeline=2), marks=pytest.mark.regress),
    pytest.param(config(2, policy="min", rows=1, cols=1, pipeline=1, clock_gating=True), marks=pytest.mark.regress),
    config(4, target="fpga", pipeline=3, rows=2, cols=3),
    pytest.param(
        config(4, policy="W", target="fpga", pipeline=2, rows=3, cols=2, drain="in_place"), marks=pytest.mark.regress
    ),
    config(2, policy="Aw", rows=3, cols=5, cluster=2),
    pytest.param(config(1, rows=5, cols=3, cluster=4, drain="in_place", pipeline=1), marks=pytest.mark.regress),
]


def name(value):
    return "-".join(f"{v}" for k, v in value.as_dict().items() if k != "counters") if hasattr(value, "pe") else None


@pytest.mark.parametrize("config", CASES, ids=name)
def test_products_under_verilator(config):
    check(config, work(config.pe.threads), "verilator")
    check(config, work(config.pe.threads), "verilator", STALLING)


@icarus
@pytest.mark.parametrize("config", CASES, ids=name)
def test_products_under_icarus(config):
    check(config, work(config.pe.threads)[::2], "icarus", STALLING)


@pytest.mark.parametrize("drain", ["overlap", "in_place"])
@pytest.mark.parametrize(("m", "k", "n"), [(3, 1, 4), (9, 3, 4), (7, 21, 9)])
def test_cycles_equal_the_closed_formula(drain, m, k, n):
    """With operands and sink always ready; the drain stalls are what the tiles are too short for."""
    array = config(1) if drain == "overlap" else config(1, drain="in_place", pipeline=1, acc_width=24)
    result = check(array, [(*operands(3, m, k, n), None)], "verilator")
    assert result.cycles == matmul_cycles(m, k, n, array)
    tiles = -(-m // array.rows) * -(-n // array.cols)
    too_short = array.tile_cycles(k) - k
    # With overlap the first hand-over finds the drain empty: one tile boundary less waits.
    waits = tiles - 1 if drain == "in_place" else max(tiles - 2, 0)
    assert result.counters["stalls_drain"] == waits * too_short
    assert result.counters["stalls_operands"] == result.counters["stalls_output"] == 0


def test_a_tile_the_array_cannot_run_is_refused_and_nothing_is_lost():
    """Zero steps, an overflowing length, threads it does not have, an empty or too large extent."""
    array = config(2)
    job = (*operands(1, 3, 8, 4), None)
    fine = {"steps": 4, "threads": 2, "rows": 3, "cols": 4}
    overflowing = {"steps": array.pe.k_max // 2 + 1}
    for bad in ({"steps": 0}, overflowing, {"threads": 4}, {"rows": 0}, {"cols": array.cols + 1}):
        result = products([job], array, then=fine | bad)
        np.testing.assert_array_equal(result.sums[0], matmul(*job[:2], array.pe).sums)
        assert result.refused


def test_without_counters_there_is_no_counter_port():
    design = emitted_array(config(1, counters=False))
    assert not any(port["name"] == "counters" for port in design.manifest["ports"])
    assert "counters" not in design.verilog


def unskewed_weights(monkeypatch):
    monkeypatch.setattr("sysmt.hdl.array.systolic.shared_delay_line", partial(_delay_all_but, "skew", "w"))


def unaligned_columns(monkeypatch):
    monkeypatch.setattr("sysmt.hdl.array.systolic.shared_delay_line", partial(_delay_all_but, "align", ""))


def _delay_all_but(spared, start, m, value, cycles, enable, kind, name, platform):
    spares = kind == spared and name.startswith(start)
    return shared_delay_line(m, value, 0 if spares else cycles, enable, kind, name, platform)


def drain_too_early(monkeypatch):
    def earlier(self, m, due, *busy):
        whole = self.config
        self.config = SimpleNamespace(rows=whole.rows - 1, drain=whole.drain, stages_down=whole.stages_down - 1)
        right(self, m, due, *busy)
        self.config = whole

    right = Sequencer._time_drain
    monkeypatch.setattr(Sequencer, "_time_drain", earlier)


def first_forgets_to_clear(monkeypatch):
    def forgetful(self, m, addend, first, shift, adds, platform):
        right(self, m, addend, Const(0, 1), shift, adds, platform)

    right = ProcessingElement._accumulate
    monkeypatch.setattr(ProcessingElement, "_accumulate", forgetful)


def busy_counted_twice(monkeypatch):
    def doubled(pe):
        found = events(pe)
        return found | {"busy": found["busy"] + found["busy"]}

    monkeypatch.setattr("sysmt.hdl.pe.kinds.nbsmt.events", doubled)


@one_bug_per_component(
    "bug", [unskewed_weights, unaligned_columns, drain_too_early, first_forgets_to_clear, busy_counted_twice]
)
def test_a_seeded_bug_is_caught(bug, monkeypatch):
    bug(monkeypatch)
    array = config(1)
    broken = emit(SystolicArray(array), "sysmt", {})
    with pytest.raises((AssertionError, SimulationError)):
        check(array, work(1)[::3], "icarus" if available("icarus") else "verilator", STALLING, design=broken)


def test_a_digit_that_leaves_the_pipeline_early_is_caught():
    array = config(2, target="fpga", pipeline=3)
    with seeded_bug("sysmt.hdl.pe.fpga", "Fpga", "flag, sum(self._stages)", "flag, 0"):
        broken = emit(SystolicArray(array), "sysmt", {})
    with pytest.raises((AssertionError, SimulationError)):
        check(array, work(2)[::3], "icarus" if available("icarus") else "verilator", STALLING, design=broken)


def test_a_product_added_while_frozen_is_caught():
    """A bug in the Verilog itself: the multiplier does not see the freeze."""
    array = config(1)
    design = emitted_array(array)
    instance = r"(sysmt__multiplier multiplier \([^;]*?)\.enable\(enable\)"
    assert re.search(instance, design.verilog), "nothing to break"
    spoiled = replace(design, verilog=re.sub(instance, r"\1.enable(1'h1)", design.verilog))
    with pytest.raises((AssertionError, SimulationError)):
        check(array, work(1)[::3], "icarus" if available("icarus") else "verilator", STALLING, design=spoiled)
