# SPDX-License-Identifier: Apache-2.0
"""The null cache by itself: what is covered after every insertion and removal, and what it says that it gave up."""

import random

import pytest

from sysmt.hdl.nullcache import NullCache
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig

from .accel import simulate

LIMIT = 60
"""Cycles that an insertion or a removal takes at most."""


def config(on_store: str, replacement: str, admit: int) -> CacheConfig:
    null = NullCacheConfig(entries=3, on_store=on_store, replacement=replacement, admit=admit)
    return CacheConfig(size=16, ways=1, line=4, addr_width=6, null=null)


class Bench:
    """Inserts, removes and touches lines."""

    def __init__(self, ctx, unit: NullCache):
        self.ctx, self.unit = ctx, unit
        self.lossy = 0

    def covered(self) -> set[int]:
        """Lines that some entry covers."""
        ctx, tcam = self.ctx, self.unit.tcam
        valid = ctx.get(tcam.valid)
        entries = [(ctx.get(tcam.values[i]), ctx.get(tcam.masks[i])) for i in range(len(tcam.valid)) if valid >> i & 1]
        lines = range(1 << len(self.unit.line))
        return {line for line in lines for value, mask in entries if (line ^ value) & ~mask == 0}

    async def tick(self) -> None:
        """What is given up is told in the cycle in which it is counted."""
        ctx, count = self.ctx, self.unit.counters
        before = ctx.get(count.evictions), ctx.get(count.lost_lines)
        lossy = ctx.get(self.unit.lossy)
        await ctx.tick()
        assert ((ctx.get(count.evictions), ctx.get(count.lost_lines)) != before) == lossy
        self.lossy += lossy

    async def change(self, name: str, line: int, at_once: bool = False) -> bool:
        """Insert or remove; returns whether it is done."""
        ctx, signal = self.ctx, getattr(self.unit, name)
        ctx.set(self.unit.line, line)
        ctx.set(signal, 1)
        for _ in range(1 if at_once else LIMIT):
            done = bool(ctx.get(self.unit.done))
            await self.tick()
            if done:
                break
        ctx.set(signal, 0)
        assert done or at_once, f"no end of: {name} {line}"
        return done


@pytest.mark.parametrize(
    ("on_store", "replacement", "admit"),
    [("split", "cover", 0), ("drop", "lru", 0), ("split", "lru", 1), ("drop", "cover", 2)],
)
def test_lines_are_covered_from_insertion_to_removal_but_for_those_given_up(on_store, replacement, admit):
    unit = NullCache(config(on_store, replacement, admit))
    chance = random.Random(admit + 5)

    async def bench(ctx):
        run, expected, inserted, removed, left = Bench(ctx, unit), set(), 0, 0, 0
        for _ in range(250 if admit else 150):
            line = chance.randrange(16)
            ctx.set(unit.line, line)
            lossy, hit = run.lossy, ctx.get(unit.hit)
            assert hit == (line in run.covered())
            if hit and chance.random() < 0.3:
                ctx.set(unit.touch, 1)
                await run.tick()
                ctx.set(unit.touch, 0)
            elif hit:
                await run.change("remove", line)
                # Its entry may have left while the removal waited.
                gone = ctx.get(unit.counters.removals) == removed
                assert not gone or (admit and run.lossy > lossy)
                removed, left = removed + (not gone), left + gone
                expected.discard(line)
            elif await run.change("insert", line, at_once=admit > 0):
                inserted += 1
                expected.add(line)
            found = run.covered()
            assert line not in found or line in expected
            assert found <= expected if run.lossy > lossy else found == expected
            expected = found
            assert ctx.get(unit.counters.covered_lines) == len(found)
        assert ctx.get(unit.counters.inserts) == inserted
        assert ctx.get(unit.counters.removals) == removed
        assert run.lossy > 5
        assert (left > 0) == (admit > 0)

    simulate(unit, bench)


@pytest.mark.parametrize("first", ["alone", "merged"])
def test_an_entry_is_as_young_as_the_youngest_of_its_parts(first):
    """Two lines that merge, each used at any moment of that, before or after a third one: the older of them leaves."""
    unit = NullCache(config("split", "lru", 0))
    # The two differ in the bit that is tried last; nothing else merges.
    alone, others, last = 0b0011, (0b0100, 0b1100), (0b0000, 0b1001)

    async def bench(ctx):
        run = Bench(ctx, unit)
        for merged in others:
            for at in range(5):
                for later in range(at + 1, 6):
                    await run.change("insert", alone)
                    for line in others:
                        await run.change("insert", line)
                    uses = {at: alone if first == "alone" else merged, later: merged if first == "alone" else alone}
                    for cycle in range(20):
                        ctx.set(unit.touch, cycle in uses)
                        ctx.set(unit.line, uses.get(cycle, 0))
                        await run.tick()
                    ctx.set(unit.touch, 0)
                    assert run.covered() == {alone, *others}
                    for line in last:
                        await run.change("insert", line)
                    kept = set(others) if first == "alone" else {alone}
                    assert run.covered() == kept | set(last), f"{merged:04b} was used in cycles {at} and {later}"
                    for line in run.covered():
                        await run.change("remove", line)

    simulate(unit, bench)
