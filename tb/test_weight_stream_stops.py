# SPDX-License-Identifier: Apache-2.0
"""A stream of chunks that is stopped and begun again at any moment: from the first on, whole, without an error."""

from collections import deque

import pytest
from amaranth.hdl import Value

from sysmt.hdl.memory.stream import WeightStream
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.sdram import SdramChip, SdramConfig
from sysmt.hdl.params.stream import CHUNK, WeightStreamConfig

from .accel import simulate

CHIP = SdramChip(name="small", row_bits=6, column_bits=4, refresh_ms=0.2, init_us=1, t_ck2=5, t_ck3=5)
CONFIG = WeightStreamConfig(
    sdram=SdramConfig(chip=CHIP),
    weight_bytes=6,
    weight_words=64,
    activation_bytes=4,
    activation_words=32,
    chunks=4,
)
CHUNKS = [(16, 0, 4), (100, 32, 3)]
"""Address, first word and words of each."""
LATENCY = 5


def entry(address, first, length, **more):
    words = length * CONFIG.words_per_word(Memory.WEIGHTS)
    fields = {"address": address, "words": words, "first": first, "memory": Memory.WEIGHTS}
    return CHUNK.to_int({**fields, "alone": 0, "last": 0, "more": 0, **more})


ENTRIES = [entry(*CHUNKS[0]), entry(*CHUNKS[1], last=1)]


def content(address, length):
    """Words of the memory, where every word of the SDRAM is its own address."""
    number = CONFIG.words_per_word(Memory.WEIGHTS)
    return [
        sum(address + number * i + j << 16 * j for j in range(number)) & (1 << 8 * CONFIG.weight_bytes) - 1
        for i in range(length)
    ]


class Bench:
    """The stream between a list of entries and an SDRAM whose words are their addresses."""

    def __init__(self, ctx, unit, entries=ENTRIES):
        self.ctx, self.unit, self.entries = ctx, unit, entries
        self.words: deque[tuple[int, int]] = deque()
        self.memory: dict[int, int] = {}
        self.bursts: list[int] = []
        self.cycle = 0

    async def tick(self, cycles=1, taken=True):
        ctx, unit = self.ctx, self.unit
        for _ in range(cycles):
            ctx.set(unit.o_burst.ready, taken and not self.words)
            if ctx.get(unit.o_burst.valid) and ctx.get(unit.o_burst.ready):
                first, length = ctx.get(unit.o_burst.payload.address), ctx.get(unit.o_burst.payload.length)
                self.words.extend((self.cycle + LATENCY + i, first + i) for i in range(length))
                self.bursts.append(first)
            comes = bool(self.words) and self.words[0][0] <= self.cycle
            ctx.set(unit.i_words.valid, comes)
            ctx.set(unit.i_words.payload, self.words.popleft()[1] if comes else 0xABCD)
            if ctx.get(unit.write) and ctx.get(unit.enable):
                self.memory[ctx.get(unit.address)] = ctx.get(unit.data)
            address = ctx.get(unit.entry_address)
            await ctx.tick()
            ctx.set(Value.cast(unit.entry), self.entries[address])
            self.cycle += 1

    async def until(self, signal, limit=200):
        for _ in range(limit):
            if self.ctx.get(signal):
                return
            await self.tick()
        raise AssertionError(f"not {signal.name} after {limit} cycles")

    async def use(self, address, first, length):
        """Wait for the next chunk, look at it, and free it."""
        await self.until(self.unit.ready)
        # A word is in the memory one cycle after it was written.
        await self.tick()
        assert [self.memory.get(first + i) for i in range(length)] == content(address, length)
        self.ctx.set(self.unit.freed, 1)
        await self.tick()
        self.ctx.set(self.unit.freed, 0)


@pytest.mark.parametrize("low", [1, 9])
def test_a_stream_that_begins_again_begins_with_the_first_chunk(low):
    """Whenever `enable` falls, and in however few cycles it rises again."""
    unit = WeightStream(CONFIG)

    async def bench(ctx):
        run = Bench(ctx, unit)
        for moment in range(0, 64, 5):
            ctx.set(unit.enable, 1)
            freed = False
            for _ in range(moment):
                # One chunk is given back on the way.
                frees = bool(ctx.get(unit.ready)) and not freed
                ctx.set(unit.freed, frees)
                freed |= frees
                await run.tick()
            ctx.set(unit.freed, 0)
            ctx.set(unit.enable, 0)
            await run.tick(low)
            assert not ctx.get(unit.ready)
            run.memory.clear()
            ctx.set(unit.enable, 1)
            for address, first, length in (*CHUNKS, *CHUNKS):
                await run.use(address, first, length)
            assert not ctx.get(unit.error), f"stopped after {moment} cycles"
            ctx.set(unit.enable, 0)
            await run.until(unit.stopped)
            assert not ctx.get(unit.error), "what is no longer wanted is no error"
            assert not run.words, "words are under way"

    simulate(unit, bench)


def test_a_burst_that_was_offered_stays_until_it_is_taken():
    unit = WeightStream(CONFIG)

    async def bench(ctx):
        run = Bench(ctx, unit)
        ctx.set(unit.enable, 1)
        await run.until(unit.o_burst.valid)
        ctx.set(unit.enable, 0)
        await run.tick(5, taken=False)
        assert ctx.get(unit.o_burst.valid)
        assert not ctx.get(unit.stopped)
        await run.until(unit.stopped)
        assert run.bursts == [CHUNKS[0][0]]

    simulate(unit, bench)


def test_nothing_is_told_before_it_is_enabled():
    unit = WeightStream(CONFIG)

    async def bench(ctx):
        for _ in range(10):
            assert [ctx.get(signal) for signal in (unit.stopped, unit.error, unit.ready, unit.write)] == [1, 0, 0, 0]
            assert not ctx.get(unit.o_burst.valid)
            await ctx.tick()

    simulate(unit, bench)


def test_an_error_lasts_until_the_stream_begins_again():
    """Words for a memory that it has not, and activations that nothing follows."""
    unit = WeightStream(CONFIG)
    wrong = (entry(*CHUNKS[0], memory=Memory.PARAMETERS), entry(*CHUNKS[0], memory=Memory.ACTIVATIONS))

    async def bench(ctx):
        for bad in wrong:
            run = Bench(ctx, unit, [bad, ENTRIES[1]])
            ctx.set(unit.enable, 1)
            await run.use(0, 0, 0)
            await run.use(*CHUNKS[1])
            assert ctx.get(unit.error)
            assert CHUNKS[0][0] not in run.bursts, "it counts as empty"
            ctx.set(unit.enable, 0)
            await run.until(unit.stopped)
            assert ctx.get(unit.error)
            run = Bench(ctx, unit)
            ctx.set(unit.enable, 1)
            await run.use(*CHUNKS[0])
            assert not ctx.get(unit.error)
            ctx.set(unit.enable, 0)
            await run.until(unit.stopped)

    simulate(unit, bench)


def test_activations_come_where_something_follows_them():
    """Two entries are one chunk then."""
    unit = WeightStream(CONFIG)
    first = entry(40, 8, 0, memory=Memory.ACTIVATIONS, words=4, more=1)

    async def bench(ctx):
        run = Bench(ctx, unit, [first, entry(*CHUNKS[0], last=1)])
        ctx.set(unit.enable, 1)
        await run.use(*CHUNKS[0])
        assert run.bursts[:2] == [40, 16]
        assert not ctx.get(unit.error)
        # A word of two is the highest of the three that the widest memory has.
        assert [run.memory[8 + i] >> 16 for i in range(2)] == [40 | 41 << 16, 42 | 43 << 16]

    simulate(unit, bench)
