# SPDX-License-Identifier: Apache-2.0
"""What counts as zero, at its limits; and lines that stores fill with zeros, whatever comes between."""

import random

import pytest
from amaranth.sim import Simulator

from sysmt.hdl.nullcache.detector import ZeroCollector, ZeroDetector
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig

from .accel import simulate


@pytest.mark.parametrize("approx", [0, 1, 3, 127])
@pytest.mark.parametrize("unit", ["byte", "word"])
def test_words_count_as_zero_up_to_the_limit_on_both_sides(unit, approx):
    limit = 32767 if (unit, approx) == ("word", 127) else approx
    width = 8 if unit == "byte" else 32
    detector = ZeroDetector(2, NullCacheConfig(approx=limit, approx_unit=unit))
    lowest = -(1 << width - 1)
    values = sorted({0, 1, -1, limit, -limit, limit + 1, -limit - 1, lowest, lowest + 1, -lowest - 1, limit ^ 0x40})

    async def bench(ctx):
        for at in range(0, 32, width):
            for value in values:
                if not lowest <= value < -lowest:
                    continue
                for word in range(2):
                    ctx.set(detector.i[word], (value & (1 << width) - 1) << at)
                    ctx.set(detector.i[1 - word], limit << at)
                    await ctx.delay(1e-9)
                    assert ctx.get(detector.o[word]) == (abs(value) <= limit), f"{value} at bit {at}"
                    assert ctx.get(detector.o[1 - word])

    simulator = Simulator(detector)
    simulator.add_testbench(bench)
    simulator.run()


def test_a_line_is_complete_when_every_byte_was_stored_zero_and_nothing_else_since():
    """One line is followed, from the first zero on; what was refused begins anew."""
    config = CacheConfig(size=64, ways=2, line=8, addr_width=8, null=NullCacheConfig(entries=4))
    collector, chance = ZeroCollector(config), random.Random(3)
    found = []

    async def bench(ctx):
        followed, zeroed, line = None, set(), 0
        for _ in range(600):
            line = chance.choice([line, line, line, chance.randrange(1 << config.line_bits)])
            note, zero, forget = chance.random() < 0.8, chance.random() < 0.9, chance.random() < 0.05
            lanes = {lane for lane in range(config.line) if chance.random() < chance.choice([0.1, 0.3, 1])}
            ctx.set(collector.line, line)
            ctx.set(collector.lanes, sum(1 << lane for lane in lanes))
            for name, value in (("note", note), ("zero", zero), ("forget", forget)):
                ctx.set(getattr(collector, name), value)
            collected = lanes | (zeroed if followed == line else set())
            complete = zero and len(collected) == config.line
            if note:
                assert ctx.get(collector.complete) == complete
                found.append(complete and len(lanes) < config.line)
            if forget:
                zeroed = set()
            elif note and zero:
                followed, zeroed = line, collected
            elif note and followed == line:
                zeroed = zeroed - lanes
            await ctx.tick()

    simulate(collector, bench)
    assert sum(found) > 4


def test_bytes_that_a_refused_store_left_are_not_collected():
    config = CacheConfig(size=64, ways=2, line=8, addr_width=8, null=NullCacheConfig(entries=4))
    collector = ZeroCollector(config)

    async def bench(ctx):
        ctx.set(collector.zero, 1)
        ctx.set(collector.line, 5)
        for left_out in range(config.line):
            ctx.set(collector.note, 1)
            ctx.set(collector.lanes, (1 << config.line) - 1)
            await ctx.tick()
            ctx.set(collector.note, 0)
            ctx.set(collector.forget, 1)
            await ctx.tick()
            ctx.set(collector.forget, 0)
            ctx.set(collector.note, 1)
            ctx.set(collector.lanes, (1 << config.line) - 1 & ~(1 << left_out))
            assert not ctx.get(collector.complete)
            await ctx.tick()

    simulate(collector, bench)
