# SPDX-License-Identifier: Apache-2.0
"""The null cache without limits: the exact model where that has entries enough, and the plain cache without zeros."""

import dataclasses

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.unlimited import unlimited

from .test_cache_model import random_trace

ENOUGH = CacheConfig(
    size=64,
    ways=2,
    line=8,
    addr_width=8,
    write_buffer=2,
    memory_cycles=5,
    null=NullCacheConfig(entries=64, on_store="move"),
)
"""Entries for every line of the addresses."""


@pytest.mark.parametrize("seed", range(6))
def test_it_misses_where_enough_entries_miss(seed):
    trace = random_trace(ENOUGH, 1500, seed, zeros=(0.5, 0.8, 0.95)[seed % 3])
    exact = simulate(trace, ENOUGH)
    misses, cycles = unlimited(trace, ENOUGH)
    assert exact.counters["null_hits"] > 100
    assert misses == exact.counters["misses"]
    # Insertions wait there.
    assert len(trace) < cycles < exact.cycles


@pytest.mark.parametrize("seed", range(3))
def test_without_zero_lines_it_is_the_plain_cache(seed):
    trace = random_trace(ENOUGH, 1500, seed, zeros=0.0)
    # Of all addresses: what `mem` does not hold is zero.
    trace = dataclasses.replace(trace, data=trace.data | np.uint32(0x01010101), mem=np.resize(trace.mem | 1, 1 << 8))
    plain = simulate(trace, dataclasses.replace(ENOUGH, null=None))
    assert unlimited(trace, ENOUGH) == (plain.counters["misses"], plain.cycles)


def test_addresses_beyond_the_range_are_refused():
    trace = random_trace(dataclasses.replace(ENOUGH, addr_width=12), 50, 1)
    with pytest.raises(UserError, match="addr"):
        unlimited(trace, ENOUGH)
