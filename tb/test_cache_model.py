# SPDX-License-Identifier: Apache-2.0
"""The fast cache model against the plain one, a byte-accurate memory, and what the paper promises."""

import dataclasses

import numpy as np
import pytest

from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.traces.trace import Trace
from tb.references.nullcache import Reference

GEOMETRIES = {
    "small": CacheConfig(size=64, ways=2, line=8, addr_width=8, write_buffer=2, memory_cycles=5,
                         null=NullCacheConfig(entries=5)),
    "direct": CacheConfig(size=32, ways=1, line=4, addr_width=8, write_buffer=1, memory_cycles=3,
                          null=NullCacheConfig(entries=4, replacement="lru")),
    "drop": CacheConfig(size=128, ways=4, line=16, addr_width=11, write_buffer=3, memory_cycles=9,
                        null=NullCacheConfig(entries=6, on_store="drop")),
    "bytes": CacheConfig(size=64, ways=2, line=8, addr_width=9, memory_cycles=4,
                         null=NullCacheConfig(entries=5, approx=3)),
    "words": CacheConfig(size=64, ways=2, line=8, addr_width=9, memory_cycles=4,
                         null=NullCacheConfig(entries=5, approx=700, approx_unit="word")),
    "ready": CacheConfig(size=64, ways=2, line=8, addr_width=9, write_buffer=2, memory_cycles=5,
                         null=NullCacheConfig(entries=5, on_store="move", admit=4)),
    "plain": CacheConfig(size=64, ways=2, line=8, addr_width=9, memory_cycles=6, null=None),
}  # fmt: skip


def random_trace(config: CacheConfig, n: int, seed: int, zeros: float = 0.7, largest: int = 1 << 32) -> Trace:
    """Accesses over the whole address range, `zeros` of the stored values and lines zero. Some accesses
    continue a run of words, some return to a line that was just used."""
    rng = np.random.default_rng(seed)
    span = 1 << config.addr_width
    op = (rng.random(n) < 0.5).astype(np.uint8)
    size = rng.choice(np.array([1, 2, 4], np.uint8), n)
    addr = rng.integers(0, span, n)
    runs = rng.random(n) < 0.6
    returns = rng.random(n) < 0.25
    for i in range(1, n):
        if returns[i]:
            used = addr[i - 1 - rng.integers(0, min(i, 4))]
            addr[i] = used - used % config.line + rng.integers(0, config.line)
        elif runs[i]:
            addr[i], size[i], op[i] = (addr[i - 1] & ~3) + 4, 4, op[i - 1]
    addr = (addr % span) & ~(size.astype(np.int64) - 1)
    data = rng.integers(0, largest, n) * (rng.random(n) >= zeros)
    mem = rng.integers(0, 256, span // 2).astype(np.uint8)
    lines = mem.reshape(-1, config.line)
    lines[rng.random(len(lines)) < zeros] = 0
    return Trace(op, addr.astype(np.uint32), size, data.astype(np.uint32), mem)


def byte_memory(trace: Trace) -> np.ndarray:
    """What the loads of a trace must return, by an array of bytes and nothing else."""
    memory = np.zeros(1 << 12, np.uint8)
    memory[: len(trace.mem)] = trace.mem
    loads = []
    for op, addr, size, value in zip(trace.op, trace.addr, trace.size, trace.data, strict=True):
        if op:
            memory[addr : addr + size] = np.frombuffer(np.uint32(value).tobytes()[:size], np.uint8)
        else:
            loads.append(int.from_bytes(memory[addr : addr + size].tobytes(), "little"))
    return np.array(loads, np.uint32)


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("seed", range(6))
def test_fast_model_equals_the_plain_one(name, seed):
    config = GEOMETRIES[name]
    trace = random_trace(config, 1500, seed, zeros=(0.5, 0.8, 0.95)[seed % 3], largest=(1 << 32, 8)[seed % 2])
    reference = Reference(config)
    loads = reference.run(trace)
    fast = simulate(trace, config)
    assert fast.loads.tolist() == loads
    assert fast.cycles == reference.now
    # What goes on in the background comes to its end.
    reference.now += config.victim_cycles
    reference.settle()
    assert fast.counters == reference.counters
    assert list(fast.merges_by_order) == reference.merges_by_order
    assert [tuple(e) for e in fast.entries] == sorted((e.value, e.mask) for e in reference.entries)


@pytest.mark.parametrize("name", ["small", "direct", "drop", "plain"])
def test_loads_return_exactly_what_was_stored(name):
    config = GEOMETRIES[name]
    for seed in range(10):
        trace = random_trace(config, 4000, seed, zeros=0.85)
        outcome = simulate(trace, config)
        np.testing.assert_array_equal(outcome.loads, byte_memory(trace))
        counts = outcome.counters
        assert counts["accesses"] == counts["hits"] + counts["misses"] + counts["null_hits"] == 4000
        if config.null is not None:
            assert min(counts["merges"], counts["evictions"], counts["removals"]) > 0
            assert counts["covered_lines"] == sum(1 << int(mask).bit_count() for _, mask in outcome.entries)


def test_approximator_zeroes_small_values_and_nothing_else():
    config = GEOMETRIES["bytes"]
    trace = random_trace(config, 4000, 3, zeros=0.6, largest=8)
    trace.mem[:] = np.random.default_rng(1).integers(-3, 4, len(trace.mem)).astype(np.uint8)
    got, exact = simulate(trace, config).loads, byte_memory(trace)
    got, exact = (a.view(np.uint8).astype(np.int64) for a in (got, exact))
    changed = got != exact
    assert changed.any()
    assert (got[changed] == 0).all()
    assert (np.minimum(exact[changed], 256 - exact[changed]) <= 3).all()


def loads_of(addresses: np.ndarray) -> Trace:
    zeros = np.zeros(len(addresses), np.uint32)
    return Trace(zeros.astype(np.uint8), addresses.astype(np.uint32), zeros.astype(np.uint8) + 4, zeros)


@pytest.mark.parametrize("replacement", ["cover", "lru"])
def test_zero_regions_end_in_one_entry(replacement):
    config = CacheConfig(null=NullCacheConfig(replacement=replacement))
    for addresses in (0x40000000 + np.arange(0, 1 << 20, 32), 0x20000 + np.arange(0, 1 << 16, 64)):
        outcome = simulate(loads_of(addresses), config)
        assert len(outcome.entries) == 1
        assert outcome.counters["covered_lines"] == outcome.counters["misses"] == len(addresses)
        assert outcome.counters["merges"] == len(addresses) - 1
        again = simulate(loads_of(np.tile(addresses, 2)), config)
        assert again.counters["null_hits"] == len(addresses)


def test_zeros_take_no_room_from_data():
    config = CacheConfig()
    data, zeros = np.arange(0, 16384, 32), 0x100000 + np.arange(0, 1 << 17, 32)
    trace = dataclasses.replace(loads_of(np.concatenate([data, zeros, data])), mem=np.ones(16384, np.uint8))
    assert simulate(trace, config).counters["hits"] == len(data)
    assert simulate(trace, dataclasses.replace(config, null=None)).counters["hits"] == 0


def test_cover_keeps_the_large_region_that_lru_lets_go():
    region = 0x100000 + np.arange(0, 4096, 32)
    # Line addresses of even parity: no two differ in one bit only, so that none of them merge.
    lone = 0x800000 + np.array([i << 1 | i.bit_count() & 1 for i in range(40)]) * 4096
    hits = {}
    for replacement in ("cover", "lru"):
        config = CacheConfig(null=NullCacheConfig(entries=10, replacement=replacement))
        hits[replacement] = simulate(loads_of(np.concatenate([region, lone, region])), config).counters["null_hits"]
    assert hits["cover"] == len(region)
    assert hits["lru"] == 0


def test_hit_takes_one_cycle_and_miss_the_memory():
    config = CacheConfig(null=None)
    assert simulate(loads_of(np.zeros(10)), config).cycles == 10 + config.miss_cycles
    stores = dataclasses.replace(loads_of(np.zeros(20)), op=np.ones(20, np.uint8))
    # Eight stores fit in the buffer; each further one waits for the place of the eighth before it.
    assert simulate(stores, config).cycles == 2 * config.write_cycles + 4


def test_admission_never_waits_and_keeps_what_is_there():
    config = CacheConfig()
    # Line addresses of even parity do not merge: four times as many as there are entries, three times over.
    lone = np.array([i << 1 | i.bit_count() & 1 for i in range(1024)]) * 4096
    trace = loads_of(np.tile(lone, 3))
    plain = simulate(trace, dataclasses.replace(config, null=None))
    hits = {}
    for admit in (0, 1, 8):
        outcome = simulate(trace, dataclasses.replace(config, null=dataclasses.replace(config.null, admit=admit)))
        hits[admit] = outcome.counters["null_hits"]
        waited = (
            outcome.cycles - plain.cycles + config.miss_cycles * (plain.counters["misses"] - outcome.counters["misses"])
        )
        assert (waited == 0) == (admit > 0)
    # Taking turns nothing is found again; of what stays, all is.
    assert hits[0] == 0 < hits[8]


def test_store_to_a_covered_line_moves_it_without_a_miss():
    row = 0x100000 + np.arange(0, 1024, 4)
    zeroes, sums = loads_of(row), loads_of(np.repeat(row, 2))
    trace = Trace(
        np.concatenate([zeroes.op, np.tile(np.uint8([1, 0]), len(row))]),
        np.concatenate([zeroes.addr, sums.addr]),
        np.full(3 * len(row), 4, np.uint8),
        np.full(3 * len(row), 7, np.uint32),
    )
    misses = {}
    for on_store in ("split", "move"):
        config = CacheConfig(null=NullCacheConfig(on_store=on_store))
        outcome = simulate(trace, config)
        misses[on_store] = outcome.counters["misses"]
        np.testing.assert_array_equal(outcome.loads[len(row) :], 7)
    lines = len(row) * 4 // CacheConfig().line
    assert misses == {"split": 2 * lines, "move": lines}
