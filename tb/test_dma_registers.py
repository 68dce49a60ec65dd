# SPDX-License-Identifier: Apache-2.0
"""The registers of a link with command lists by themselves: which there are, what they say, and the interrupt."""

import pytest

from sysmt.hdl.dma.registers import ListRegisters
from sysmt.hdl.params.command_list import (
    FIRST_LINK_REGISTER,
    LINK_REGISTERS,
    ListError,
    bus_word,
    link_registers,
    number_of,
)
from sysmt.hdl.params.engine_protocol import registers_of
from sysmt.hdl.params.registers import registers

from .accel import simulate, small
from .test_dma_engine import CONFIG as ENGINE

ACCELERATOR = small(link="axi", requantize=False)
DEVICES = {
    "accelerator": (ACCELERATOR, len(registers(ACCELERATOR.array.pe))),
    "engine": (ENGINE, len(registers_of(ENGINE))),
}
LAST = (1 << 10) - 1
DONE, FAILED = 1, 2


async def read(ctx, unit: ListRegisters, name: str) -> dict[str, int]:
    ctx.set(unit.port.number, number_of(name))
    await ctx.tick().repeat(2)
    return LINK_REGISTERS[name].record.from_int(ctx.get(unit.port.value))


async def write(ctx, unit: ListRegisters, name: str, value: int) -> bool:
    """Returns whether a list began."""
    for port, given in ((unit.port.number, number_of(name)), (unit.port.data, value), (unit.port.write, 1)):
        ctx.set(port, given)
    began = bool(ctx.get(unit.start))
    await ctx.tick()
    ctx.set(unit.port.write, 0)
    return began


@pytest.mark.parametrize(("config", "own"), DEVICES.values(), ids=DEVICES)
def test_the_registers_that_there_are_and_those_that_can_be_written(config, own):
    """Those of the device up to its last one, those of the link, and no others; while a list is under way and not."""
    unit, link = ListRegisters(config), link_registers(config)
    known = set(range(own)) | set(range(FIRST_LINK_REGISTER, FIRST_LINK_REGISTER + len(link)))
    writable = {number_of(name) for name, register in link.items() if register.writable}

    async def bench(ctx):
        for busy in (0, 1):
            ctx.set(unit.busy, busy)
            numbers = {"known": set(), "writable": set()}
            for number in range(LAST + 1):
                ctx.set(unit.port.number, number)
                for name, found in numbers.items():
                    found |= {number} if ctx.get(getattr(unit.port, name)) else set()
            assert numbers["known"] == known
            assert numbers["writable"] == writable - ({number_of("list_commands")} if busy else set())

    simulate(unit, bench)


def test_registers_say_what_they_are_given_in_all_their_bits():
    unit, words = ListRegisters(ENGINE), (0xAAAAAAAA, 0x55555555, 0xFFFFFFFF)

    async def bench(ctx):
        for word in words:
            for port in (unit.left, unit.failed_number, unit.layer_cycles, unit.value):
                ctx.set(port, word)
            ctx.set(unit.reads, word & 0xFFFF)
            ctx.set(unit.busy, word & 1)
            ctx.set(unit.error, ListError.RUN)
            assert not await write(ctx, unit, "list_address", word)
            assert ctx.get(unit.list_address) == word
            expected = {
                "bus": LINK_REGISTERS["bus"].record.from_int(bus_word(ENGINE)),
                "list_address": {"list_address": word},
                "list_commands": {"list_commands": word},
                "list": {"busy": word & 1, "error": ListError.RUN, "reads": word & 0xFFFF},
                "failed": {"failed": word},
                "layer_cycles": {"layer_cycles": word},
            }
            assert {name: await read(ctx, unit, name) for name in expected} == expected
            ctx.set(unit.port.number, 7)
            await ctx.tick()
            assert (ctx.get(unit.number), ctx.get(unit.port.value)) == (7, word)
        for layer in (1023, 0, 512):
            await write(ctx, unit, "layer", layer)
            assert ctx.get(unit.layer) == layer
            assert await read(ctx, unit, "layer") == {"layer": layer}

    simulate(unit, bench)


def test_a_list_begins_when_its_number_of_commands_is_written_and_at_nothing_else():
    unit = ListRegisters(ENGINE)

    async def bench(ctx):
        for count in (1, 2, 1 << 31, 0xFFFFFFFF):
            ctx.set(unit.port.data, count)
            assert await write(ctx, unit, "list_commands", count)
            assert ctx.get(unit.list_commands) == count
        assert not await write(ctx, unit, "list_commands", 0)
        for name in ("list_address", "interrupt", "interrupt_enable", "layer"):
            assert not await write(ctx, unit, name, 1)
        ctx.set(unit.port.number, number_of("list_commands"))
        assert not ctx.get(unit.start), "not written"

    simulate(unit, bench)


def test_each_interrupt_is_enabled_and_taken_back_by_itself():
    unit = ListRegisters(ENGINE)

    async def happens(ctx, what: int) -> None:
        ctx.set(unit.done, bool(what & DONE))
        ctx.set(unit.failed, bool(what & FAILED))
        await ctx.tick()
        ctx.set(unit.done, 0)
        ctx.set(unit.failed, 0)

    async def bench(ctx):
        assert not ctx.get(unit.irq)
        for enabled in range(4):
            await write(ctx, unit, "interrupt_enable", enabled)
            for pending in range(4):
                await happens(ctx, pending)
                assert ctx.get(unit.irq) == bool(enabled & pending)
                for back in range(4):
                    await happens(ctx, pending)
                    await write(ctx, unit, "interrupt", back)
                    left = pending & ~back
                    assert await read(ctx, unit, "interrupt") == {"done": left & DONE, "failed": left >> 1}
                    assert ctx.get(unit.irq) == bool(enabled & left)
                await write(ctx, unit, "interrupt", DONE | FAILED)
            enables = await read(ctx, unit, "interrupt_enable")
            assert enables == {"done": enabled & DONE, "failed": enabled >> 1}

    simulate(unit, bench)


def test_an_interrupt_that_comes_as_one_is_taken_back_stays():
    unit = ListRegisters(ENGINE)

    async def bench(ctx):
        await write(ctx, unit, "interrupt_enable", DONE)
        ctx.set(unit.done, 1)
        await write(ctx, unit, "interrupt", DONE)
        ctx.set(unit.done, 0)
        await ctx.tick()
        assert ctx.get(unit.irq)

    simulate(unit, bench)
