# SPDX-License-Identifier: Apache-2.0
"""The gates of the sparse cache against the model: values, counters and cycles, with stalls, errors and seeded bugs."""

import dataclasses

import numpy as np
import pytest

from sysmt.hdl.emit import emit
from sysmt.hdl.nullcache import NullCache
from sysmt.hdl.nullcache.designs import cache_design, read_counters
from sysmt.hdl.nullcache.nullcache import NullCounters
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig
from sysmt.sim.cosim.cache import emitted_cache, simulate_rtl
from sysmt.sim.cosim.simulator import SimulationError, available, run
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.traces.trace import Trace

from .mutants import one_bug_per_component, seeded_bug
from .test_cache_model import GEOMETRIES, byte_memory, random_trace

# Icarus builds at once, which counts for many small designs; Verilator takes its place where it is missing.
QUICK = "icarus" if available("icarus") else "verilator"


def agree(trace, config, **how):
    """Run both; everything but the cycles must be equal. Returns the two outcomes."""
    model, gates = simulate(trace, config), simulate_rtl(trace, config, **how)
    np.testing.assert_array_equal(gates.loads, model.loads)
    orders = gates.counters.pop("merges_by_order")
    assert gates.counters == model.counters
    assert orders == list(model.merges_by_order)
    assert not gates.load_errors.any()
    assert not gates.store_errors.any()
    assert gates.writes == int((trace.op == 1).sum())
    assert gates.reads * config.words <= model.counters["misses"] * config.words
    final = np.zeros(1 << 12, np.uint8)
    final[: len(trace.mem)] = trace.mem
    for addr, size, value in zip(*(a[trace.op == 1] for a in (trace.addr, trace.size, trace.data)), strict=True):
        final[addr : addr + size] = np.frombuffer(value.tobytes()[:size], np.uint8)
    words = final.view("<u4")
    assert gates.memory == {int(i): int(words[i]) for i in np.flatnonzero(words)}
    return model, gates


@pytest.mark.parametrize("name", GEOMETRIES)
def test_gates_equal_the_model_in_values_counters_and_cycles(name):
    config = GEOMETRIES[name]
    trace = random_trace(config, 1500, 11, zeros=0.8, largest=(1 << 32, 8)[name in ("bytes", "words")])
    model, gates = agree(trace, config, simulator=QUICK)
    assert gates.cycles == model.cycles
    if config.null is not None:
        assert min(model.counters[n] for n in ("merges", "evictions", "removals", "null_hits")) > 0


def test_verilator_agrees_too():
    # All 32 address bits, as the command line builds it.
    config = dataclasses.replace(GEOMETRIES["small"], addr_width=32)
    trace = random_trace(GEOMETRIES["small"], 6000, 12, zeros=0.9)
    model, gates = agree(trace, config, simulator="verilator")
    assert gates.cycles == model.cycles
    assert model.counters["splits"] > 0
    assert model.counters["lost_lines"] > 0
    assert sum(model.merges_by_order[2:]) > 0


@pytest.mark.parametrize("name", ["small", "drop"])
def test_stalls_on_both_sides_change_cycles_and_nothing_else(name):
    config = GEOMETRIES[name]
    model, gates = agree(random_trace(config, 1200, 13), config, stall=0.35, simulator=QUICK)
    assert gates.cycles > model.cycles


def test_axi_ram_of_cocotbext_with_random_pauses():
    config = GEOMETRIES["small"]
    trace = random_trace(config, 800, 14)
    given = {name: getattr(trace, name) for name in ("op", "addr", "size", "data", "mem")}
    given |= {"stall": np.float64(0.3), "addr_width": np.int64(config.addr_width)}
    got = run(
        emitted_cache(config), "sysmt.sim.cosim.tb_cache", given, simulator=QUICK, testcase="axi_ram", unfold=True
    )
    np.testing.assert_array_equal(got["loads"], byte_memory(trace))
    counters = read_counters(config, int.from_bytes(got["counters"].tobytes(), "little"))
    model = simulate(trace, config)
    assert counters == model.counters | {"merges_by_order": list(model.merges_by_order)}
    assert not got["errors"].any()


def test_memory_errors_reach_their_access_and_leave_no_trace():
    config = GEOMETRIES["small"]
    trace = random_trace(config, 1500, 15, zeros=0.8)
    refused = [3, 4, 5, 17, 30, 31]
    gates = simulate_rtl(trace, config, refuse=refused, patient=True, simulator=QUICK)
    lines = trace.addr // config.line
    bad = np.isin(lines, refused)
    stores = trace.op == 1
    np.testing.assert_array_equal(gates.store_errors, bad[stores])
    np.testing.assert_array_equal(gates.load_errors, bad[~stores])
    # What memory refused did not happen; everything else is as if nothing had.
    kept = stores & bad
    happened = byte_memory(type(trace)(*(getattr(trace, n)[~kept] for n in ("op", "addr", "size", "data")), trace.mem))
    good = ~bad[~stores]
    np.testing.assert_array_equal(gates.loads[good], happened[good])


def test_refused_store_is_purged_from_both_caches():
    """Memory that only refuses stores: what was cached before must be read again, and show memory's content."""
    config = GEOMETRIES["small"]
    line = 6 * config.line
    mem = np.zeros(256, np.uint8)
    mem[line : line + config.line] = 7
    program = [
        *((0, line + 4, 0), (1, line, 9), (0, line, 0)),  # in the data cache, changed, refused
        *((1, line, 0), (1, line + 4, 0), (0, line, 0), (0, line + 4, 0)),  # becomes zero, refused
        *((0, 0, 0), (1, 0, 5), (0, 0, 0)),  # covered, refused
    ]
    gates = simulate_rtl(words_of(program, mem), config, refuse_stores=4, patient=True, simulator=QUICK)
    assert gates.store_errors.tolist() == [1, 1, 1, 1]
    assert not gates.load_errors.any()
    assert gates.loads.tolist() == [0x07070707, 0x07070707, 0x07070707, 0x07070707, 0, 0]


def words_of(program: list[tuple[int, int, int]], mem: np.ndarray) -> Trace:
    """Loads and stores of whole words: operation, address, value."""
    op, addr, value = (np.array(column) for column in zip(*program, strict=True))
    return Trace(op, addr.astype(np.uint32), np.full(len(op), 4), value.astype(np.uint32), mem)


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_stores_are_refused_while_others_wait(stall):
    """Behind a full buffer, or for the line that is being refused: whoever waits is served once the line is purged."""
    config = GEOMETRIES["small"]
    trace = random_trace(config, 700, 17, zeros=0.6)
    refused = [3, 4, 5, 17, 30, 31]
    gates = simulate_rtl(trace, config, stall=stall, refuse=refused, simulator=QUICK)
    bad, stores = np.isin(trace.addr // config.line, refused), trace.op == 1
    np.testing.assert_array_equal(gates.store_errors, bad[stores])
    happened = Trace(*(getattr(trace, n)[~(stores & bad)] for n in ("op", "addr", "size", "data")), trace.mem)
    good = ~bad[~stores]
    np.testing.assert_array_equal(gates.loads[good], byte_memory(happened)[good])
    assert not gates.load_errors[good].any()


def test_every_zero_line_that_finds_no_room_may_make_some():
    """The least that `admit` can be, but for 0."""
    ready = GEOMETRIES["ready"]
    config = dataclasses.replace(ready, null=dataclasses.replace(ready.null, admit=1))
    model, gates = agree(random_trace(config, 500, 18, zeros=0.8), config, simulator=QUICK)
    assert gates.cycles == model.cycles
    assert min(model.counters[n] for n in ("merges", "evictions", "removals", "null_hits")) > 0


def test_zeros_that_memory_refused_do_not_count_for_a_line_of_zeros():
    config = GEOMETRIES["small"]
    line, mem = 6 * config.line, np.full(256, 7, np.uint8)
    stores = [(1, line + 4 * word, 0) for word in range(config.words)]
    program = [*stores, *((0, line + 4 * word, 0) for word in range(config.words))]
    gates = simulate_rtl(words_of(program, mem), config, refuse_stores=1, patient=True, simulator=QUICK)
    assert gates.store_errors.tolist() == [1, *[0] * (config.words - 1)]
    assert gates.loads.tolist() == [0x07070707, *[0] * (config.words - 1)]


def test_a_refused_store_is_purged_while_others_are_read():
    """Its set is read again: what was read last may be another one."""
    config = GEOMETRIES["small"]
    mem = np.arange(256, dtype=np.uint8)
    line, other, third = (number * config.line for number in (6, 11, 10))  # Of one set: the first and the last.
    program = [(0, line, 0), (0, other, 0), (1, line, 9), *[(0, other, 0)] * 60, (0, line, 0), (0, third, 0)]
    gates = simulate_rtl(words_of(program, mem), config, refuse_stores=1, simulator=QUICK)
    assert gates.store_errors.tolist() == [1]
    assert gates.loads.tolist() == [mem.view("<u4")[addr // 4] for op, addr, _ in program if op == 0]


@pytest.mark.parametrize(
    ("size", "stride"), [(1 << 15, 1), (1 << 16, 2), pytest.param(1 << 20, 1, marks=pytest.mark.regress)]
)
def test_zero_regions_end_in_one_entry_in_the_gates_too(size, stride):
    """An aligned region line by line, or every second line of it, in order, with hardly more entries than orders."""
    config = CacheConfig(null=NullCacheConfig(entries=16))
    lines = 0x40000000 // config.line + np.arange(0, size // config.line, stride)
    inside = lines[:: len(lines) // 64]
    outside = np.array([lines[0] - stride, lines[-1] + stride, *(inside + 1 if stride == 2 else inside + (1 << 25))])
    given = {"lines": lines, "asked": np.concatenate([inside, outside])}
    got = run(
        emit(NullCache(config), "null_cache", {}), "sysmt.sim.cosim.tb_cache", given, testcase="regions", unfold=True
    )
    counters = NullCounters(config.line_bits).from_bits(int.from_bytes(got["counters"].tobytes(), "little"))
    # One entry is left: every merge makes one of two, and none was dropped.
    assert counters.inserts == counters.covered_lines == len(lines)
    assert sum(counters.merges[n] for n in range(config.line_bits + 1)) == len(lines) - 1
    assert counters.evictions == 0
    assert got["hits"].tolist() == [1] * len(inside) + [0] * len(outside)


BUGS = {
    "merges whatever the masks": (
        "nullcache", "NullCache", "(select(partner, masks) == mask) & ", "",
    ),
    "split keeps the stored line": (
        "nullcache", "NullCache", "tcam.value.eq((self.line ^ top) & ~rest)", "tcam.value.eq(self.line & ~rest)",
    ),
    "store leaves the claim": (
        "cache", "SparseCache", "side.leaves.eq(null.hit & ~stored_zero)", "side.leaves.eq(0)",
    ),
    "collector forgets a store": (
        "detector", "ZeroCollector", "zeroed.eq(zeroed & ~self.lanes)", "zeroed.eq(zeroed)",
    ),
    "merger takes the older place": (
        "nullcache", "NullCache", "younger = select(partner, ages) < select(slot, ages)",
        "younger = select(partner, ages) > select(slot, ages)",
    ),
    "miss overtakes a store": (
        "cache", "SparseCache", "m.Elif(buffer.conflict)", "m.Elif(buffer.conflict & 0)",
    ),
    "line in both": (
        "storage", "Storage", "new.valid.eq(row.valid & ~hit)", "new.valid.eq(row.valid)",
    ),
}  # fmt: skip


@one_bug_per_component("bug", BUGS)
def test_seeded_bugs_are_found(bug):
    config = CacheConfig(
        size=64,
        ways=2,
        line=8,
        addr_width=9,
        write_buffer=2,
        memory_cycles=9,
        null=NullCacheConfig(entries=4, replacement="lru"),
    )
    module, component, right, wrong = BUGS[bug]
    with seeded_bug(f"sysmt.hdl.nullcache.{module}", component, right, wrong):
        design = cache_design(config)
    with pytest.raises((AssertionError, SimulationError)):
        agree(random_trace(config, 1500, 16, zeros=0.8), config, simulator=QUICK, design=design)
