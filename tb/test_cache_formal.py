# SPDX-License-Identifier: Apache-2.0
"""Proofs about the null cache, of any length, and about the whole cache, of bounded length; seeded bugs fail both."""

import pytest

from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig

from .formal import check
from .formal_cache import NullCacheHarness, SparseCacheHarness
from .mutants import one_bug_per_component, seeded_bug

DEPTH, DEEP = 12, 14
"""Cycles of a bounded run: four clear the sets, the others serve up to three accesses, in the deeper runs four."""


def config(entries: int, on_store: str = "split", replacement: str = "cover", admit: int = 0) -> CacheConfig:
    null = NullCacheConfig(entries=entries, on_store=on_store, replacement=replacement, admit=admit)
    return CacheConfig(size=16, ways=1, line=4, addr_width=5, write_buffer=1, null=null)


@pytest.mark.parametrize(
    ("on_store", "replacement", "admit"), [("split", "cover", 0), ("drop", "lru", 0), ("move", "cover", 2)]
)
def test_null_cache_claims_what_it_was_given_and_nothing_else(on_store, replacement, admit):
    harness = NullCacheHarness(config(3, on_store, replacement, admit))
    assert check(harness, 2) is None
    assert check(NullCacheHarness(config(3, on_store, replacement, admit)), 1, induction=True) is None


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("(select(partner, masks) == mask) & ", ""),
        ("tcam.value.eq((self.line ^ top) & ~rest)", "tcam.value.eq(self.line & ~rest)"),
        ("tcam.clear.eq(slot | partner)", "tcam.clear.eq(slot)"),
        ("with m.If(self.insert & tcam.valid.all())", "with m.If(self.insert & 0)"),
    ],
)
def test_seeded_bugs_of_the_null_cache_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.nullcache.nullcache", "NullCache", right, wrong):
        assert check(NullCacheHarness(config(3)), 1, induction=True) is not None


@pytest.mark.parametrize(("on_store", "admit"), [("split", 0), ("move", 1)])
def test_loads_return_what_was_stored(on_store, admit):
    assert check(SparseCacheHarness(config(2, on_store, admit=admit)), DEPTH) is None


@pytest.mark.regress
@pytest.mark.parametrize(("on_store", "admit"), [("split", 0), ("drop", 0), ("move", 1), ("move", 2)])
def test_loads_return_what_was_stored_in_longer_runs(on_store, admit):
    assert check(SparseCacheHarness(config(2, on_store, admit=admit)), DEEP) is None


@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        ("cache", "SparseCache", "side.leaves.eq(null.hit & ~stored_zero)", "side.leaves.eq(0)"),
        ("cache", "SparseCache", "m.Elif(buffer.conflict)", "m.Elif(buffer.conflict & 0)"),
        ("storage", "Storage", "new.valid.eq(row.valid & ~hit)", "new.valid.eq(row.valid)"),
        ("detector", "ZeroCollector", "zeroed.eq(collected)", "zeroed.eq(~0)"),
    ],
)
def test_seeded_bugs_of_the_cache_are_found(module, component, right, wrong):
    with seeded_bug(f"sysmt.hdl.nullcache.{module}", component, right, wrong):
        assert check(SparseCacheHarness(config(2)), DEPTH) is not None


@pytest.mark.regress
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        # The line enters the data cache without what was stored; or it enters the null cache and stays where it was.
        ("request.data & _bits(lanes, k)", "request.data & ~request.data"),
        ("storage.drop.eq(null.done)]", "storage.drop.eq(0)]"),
    ],
)
def test_seeded_bugs_of_the_moving_cache_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.nullcache.cache", "SparseCache", right, wrong):
        assert check(SparseCacheHarness(config(2, "move", admit=1)), DEPTH) is not None
