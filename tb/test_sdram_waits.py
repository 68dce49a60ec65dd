# SPDX-License-Identifier: Apache-2.0
"""The controller of an SDRAM on the model of the chip, cycle by cycle: readers and writers that wait for long."""

from collections import deque

import pytest

from sysmt.hdl.memory.sdram import SdramController
from sysmt.hdl.params.sdram import SdramChip, SdramConfig

from .accel import simulate
from .sdram_chip import Chip, Pins

SMALL = SdramChip(name="small", row_bits=3, column_bits=5, refresh_ms=0.016, init_us=1, t_ck2=5, t_ck3=5)
CONFIG = SdramConfig(chip=SMALL)
WORDS = {address: 3 * address + 1 for address in range(1 << SMALL.address_bits)}


class Bench:
    """Clocks the controller and the chip."""

    def __init__(self, ctx, unit: SdramController, config: SdramConfig):
        assert len(unit.pins.dqm) == config.chip.width // 8, "a mask for every byte"
        self.ctx, self.unit = ctx, unit
        self.chip = Chip(config.chip, config.clock_hz)
        self.chip.words |= WORDS
        self._late = deque([0] * config.capture)
        self.read: list[int] = []

    async def tick(self, cycles: int = 1) -> None:
        ctx, unit = self.ctx, self.unit
        for _ in range(cycles):
            pins = Pins(*(ctx.get(getattr(unit.pins, name)) for name in Pins._fields))
            self._late.append(self.chip.clock(pins))
            ctx.set(unit.pins.dq_i, self._late.popleft())
            if ctx.get(unit.o_read.valid) and ctx.get(unit.o_read.ready):
                self.read.append(ctx.get(unit.o_read.payload))
            await ctx.tick()

    async def burst(self, write: int, address: int, length: int) -> None:
        ctx, unit = self.ctx, self.unit
        ctx.set(unit.i.payload, {"write": write, "address": address, "length": length})
        ctx.set(unit.i.valid, 1)
        while not ctx.get(unit.i.ready):
            await self.tick()
        await self.tick()
        ctx.set(unit.i.valid, 0)


def test_a_reader_that_waits_finds_as_many_words_as_the_controller_holds():
    """They are read from the chip meanwhile, none more, and none is lost."""
    unit = SdramController(CONFIG)

    async def bench(ctx):
        run = Bench(ctx, unit, CONFIG)
        await run.burst(0, 8, 40)
        await run.tick(CONFIG.ready_cycles + 100)
        assert run.chip.counts["read"] == CONFIG.queue // 2, "two words by each"
        assert not run.read
        ctx.set(unit.o_read.ready, 1)
        # They come without a gap, while others are read.
        await run.tick(CONFIG.queue)
        assert run.read == [WORDS[8 + i] for i in range(CONFIG.queue)]
        await run.tick(60)
        assert run.read == [WORDS[8 + i] for i in range(40)]

    simulate(unit, bench)


def test_nothing_is_commanded_before_the_chip_is_ready():
    """Neither is the bus of data driven, whoever waits."""
    unit = SdramController(CONFIG)

    async def bench(ctx):
        run = Bench(ctx, unit, CONFIG)
        ctx.set(unit.i_write.valid, 1)
        ctx.set(unit.i.payload, {"write": 1, "address": 0, "length": 4})
        ctx.set(unit.i.valid, 1)
        await run.tick(CONFIG.init_cycles)
        assert run.chip.counts["nop"] == CONFIG.init_cycles
        await run.tick(CONFIG.ready_cycles - CONFIG.init_cycles)
        assert run.chip.counts["refresh"] == 8
        assert run.chip.counts["mode"] == 1

    simulate(unit, bench)


@pytest.mark.parametrize("cas", [2, 3])
@pytest.mark.parametrize("capture", [0, 4])
def test_words_come_one_per_clock_from_row_to_row(cas, capture):
    """However late they are."""
    config = SdramConfig(chip=SMALL.with_fields(refresh_ms=0.128), cas=cas, capture=capture)
    unit = SdramController(config)

    async def bench(ctx):
        run = Bench(ctx, unit, config)
        ctx.set(unit.o_read.ready, 1)
        await run.tick(config.ready_cycles)
        await run.burst(0, 5, 150)
        while not run.read:
            await run.tick()
        await run.tick(149)
        assert run.read == [WORDS[5 + i] for i in range(150)]

    simulate(unit, bench)
