# SPDX-License-Identifier: Apache-2.0
"""The registers of an accelerator by themselves: what is there, nothing where nothing is, and counters of 16 bits."""

import pytest

from sysmt.hdl.accel.registers import Registers
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH, array_counters
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.registers import FIGURES, MAGIC, STATE, registers

from .accel import simulate, small

CONFIG = small(array=ArrayConfig(rows=2, cols=1, counters=True, pe=PEConfig(threads=2, target="fpga")))
NAMES = registers(CONFIG.array.pe)


def number_of(name):
    return list(NAMES).index(name)


async def read(ctx, dut, number):
    ctx.set(dut.number, number)
    await ctx.tick()
    return ctx.get(dut.value)


def test_numbers_without_a_register_read_as_zero():
    dut = Registers(CONFIG)

    async def bench(ctx):
        assert await read(ctx, dut, number_of("magic")) == MAGIC
        for number in range(len(NAMES), 256):
            assert await read(ctx, dut, number) == 0, number
            assert await read(ctx, dut, number_of("magic")) == MAGIC

    simulate(dut, bench)


@pytest.mark.parametrize("name", ["errors", "overflows"])
def test_errors_are_counted_in_16_bits(name):
    """In single cycles, apart and together; and they wrap at 65,536, not before."""
    dut = Registers(CONFIG)
    inputs = {"errors": {"dropped": 0, "bad_bytes": 16}, "overflows": {"overflow": 0}}[name]

    async def bench(ctx):
        number = number_of(name)
        for place, (signal, low) in enumerate(inputs.items(), 1):
            before = await read(ctx, dut, number)
            ctx.set(getattr(dut, signal), 1)
            await ctx.tick().repeat(place)
            ctx.set(getattr(dut, signal), 0)
            await ctx.tick()
            assert await read(ctx, dut, number) == before + (place << low)
        for signal in inputs:
            ctx.set(getattr(dut, signal), 1)
        await ctx.tick().repeat(65_530)
        for signal in inputs:
            ctx.set(getattr(dut, signal), 0)
        await ctx.tick()
        last = {"errors": 65_531 | 65_532 << 16, "overflows": 65_531}[name]
        assert await read(ctx, dut, number) == last
        for signal in inputs:
            ctx.set(getattr(dut, signal), 1)
        await ctx.tick().repeat(6)
        for signal in inputs:
            ctx.set(getattr(dut, signal), 0)
        await ctx.tick()
        assert await read(ctx, dut, number) == {"errors": 1 | 2 << 16, "overflows": 1}[name]

    simulate(dut, bench)


def test_counters_are_read_in_full():
    """Those of the array in two halves: of either half the lowest and the highest bit."""
    dut = Registers(CONFIG)
    counters = array_counters(CONFIG.array.pe)
    values = {
        name: (1 << COUNTER_WIDTH - 1 | 1 << 31) + i if i % 2 else (1 << 32) + i for i, name in enumerate(counters)
    }
    figures = {name: (1 << 31) + i for i, name in enumerate(FIGURES)}

    async def bench(ctx):
        for name, value in figures.items():
            ctx.set(dut.figures[name], value)
        for name, value in values.items():
            ctx.set(dut.counters[name], value)
        for name, value in figures.items():
            assert await read(ctx, dut, number_of(name)) == value, name
        for name, value in values.items():
            low = await read(ctx, dut, number_of(f"array_{name}_low"))
            high = await read(ctx, dut, number_of(f"array_{name}_high"))
            assert low | high << 32 == value, name

    simulate(dut, bench)


def test_runs_and_status_have_their_places():
    dut = Registers(CONFIG)

    async def bench(ctx):
        for issued, finished, busy, refused in ((0xFFFF, 0xFFFE, 1, 0), (0x8001, 0x7FFF, 0, 1), (1, 0x8000, 1, 1)):
            for name, value in (("issued", issued), ("finished", finished), ("busy", busy), ("refused", refused)):
                ctx.set(getattr(dut, name), value)
            runs = STATE["runs"].from_int(await read(ctx, dut, number_of("runs")))
            assert runs == {"issued": issued, "finished": finished}
            status = STATE["status"].from_int(await read(ctx, dut, number_of("status")))
            assert (status["busy"], status["refused"]) == (busy, refused)

    simulate(dut, bench)
