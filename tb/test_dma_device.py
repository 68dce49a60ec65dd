# SPDX-License-Identifier: Apache-2.0
"""An accelerator with command lists: what its registers tell of its runs, and what goes on while one is under way."""

import numpy as np
import pytest

from sysmt.boards.lists import in_beats
from sysmt.hdl.dma.accelerator import ListedAccelerator
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.command_list import (
    FIRST_LINK_REGISTER,
    LINK_REGISTERS,
    ListError,
    ListOpcode,
    number_of,
    packed_command,
)
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.protocol import CHANNEL, Target
from sysmt.hdl.params.registers import FIGURES, NUMBERS, STATE, registers
from sysmt.sim.golden.matmul import matmul

from .accel import simulate, small
from .dma_products import SHAPE, listed, outputs
from .test_dma_stream import Host

NO_SCALE = dict.fromkeys(("requantize", "double", "channel", "zero_point", "low", "high"), 0)
TILES = {"m_tiles": 4, "n_tiles": 4, "rows": 2, "cols": 1}
STEPS = 8


def beats(text: bytes) -> list[int]:
    return np.frombuffer(text, "<u4").tolist()


async def register(ctx, host: Host, number: int) -> int:
    ctx.set(host.dut.registers.number, number)
    await ctx.tick().repeat(2)
    return ctx.get(host.dut.registers.value)


async def begin(ctx, host: Host, commands: int) -> None:
    await host.write(ctx, "interrupt_enable", 3)
    await host.write(ctx, "list_commands", commands)


def test_counters_and_figures_of_a_list():
    array = ArrayConfig(rows=2, cols=1, counters=True, pe=PEConfig(threads=2, target="fpga"))
    config = small(link="axi-stream", requantize=False, array=array)
    plan, expected, commands, words = listed(config)
    host, names = Host(config, 0.0), list(registers(array.pe))
    assert len(names) < FIRST_LINK_REGISTER
    (m, k, n), random = SHAPE, np.random.default_rng(0)
    x, w = random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)

    async def bench(ctx):
        await host.write(ctx, "interrupt_enable", 3)
        assert await host.do(ctx, len(commands), words) == (ListError.NONE, len(commands))
        found = {name: await register(ctx, host, number) for number, name in enumerate(names)}
        steps = sum(run.steps * run.m_tiles * run.n_tiles for run in plan.runs)
        assert found["steps"] == found["array_steps_low"] == steps
        assert steps <= found["span"] < found["cycles"] < 3 * steps
        assert STATE["runs"].from_int(found["runs"]) == {"issued": len(plan.runs), "finished": len(plan.runs)}
        counters = matmul(x, w, array.pe).counters
        for name in ("active", "busy", "collisions", "reduced"):
            assert found[f"array_{name}_low"] == getattr(counters, name) > 0, name
            assert found[f"array_{name}_high"] == 0

    simulate(host.dut, bench, host.receive)
    np.testing.assert_array_equal(outputs(plan, iter([data for data, _, _ in host.taken])), expected)


def test_values_beyond_32_bits_are_counted():
    config = small(link="axi-stream", requantize=True, channels=4)
    tile = {"m_tiles": 1, "n_tiles": 1, "rows": 2, "cols": 1}
    entry = CHANNEL.pack(bias=1000, multiplier=1 << 30, shift=30)
    table = in_beats(np.frombuffer(entry, np.uint8).reshape(1, -1), config.data_width).tobytes()
    text = packed_command(config, ListOpcode.WRITE, target=Target.TABLE, address=0, beats=len(table) // 4, first=0)
    text += table + packed_command(config, ListOpcode.RUN, steps=1, threads=0, **tile)
    scale = NO_SCALE | {"requantize": 1, "double": 1, "low": -128, "high": 127}
    text += packed_command(config, ListOpcode.READ, address=0, pitch=4, **tile, **scale)
    host = Host(config, 0.0)

    async def bench(ctx):
        await host.write(ctx, "interrupt_enable", 3)
        assert await host.do(ctx, 3, beats(text)) == (ListError.NONE, 3)
        assert await register(ctx, host, NUMBERS["overflows"]) == len(host.taken) == 2

    simulate(host.dut, bench, host.receive)


def test_operands_of_the_next_run_come_while_one_is_under_way():
    """And those of the one after it, for the half that the first uses, only when that has finished."""
    config = small(link="axi-stream", requantize=False, depth=32, result_rows=32)
    size = config.data_width // 8
    write = packed_command(config, ListOpcode.WRITE, target=Target.X, address=0, beats=4, first=0) + bytes(4 * size)
    run = packed_command(config, ListOpcode.RUN, steps=STEPS, threads=0, **TILES)
    host = Host(config, 0.0)

    async def runs(ctx) -> dict[str, int]:
        return STATE["runs"].from_int(await register(ctx, host, NUMBERS["runs"]))

    async def busy(ctx) -> dict[str, int]:
        return STATE["status"].from_int(await register(ctx, host, NUMBERS["status"]))

    async def bench(ctx):
        assert await busy(ctx) == {"busy": 0, "refused": 0}
        await begin(ctx, host, 5)
        await host.send(ctx, beats(write + run + write))
        assert await runs(ctx) == {"issued": 1, "finished": 0}
        assert await busy(ctx) == {"busy": 1, "refused": 0}
        await host.send(ctx, beats(run + write))
        assert await runs(ctx) == {"issued": 2, "finished": 1}
        assert await host.end(ctx) == (ListError.NONE, 5)
        assert await runs(ctx) == {"issued": 2, "finished": 2}
        assert await busy(ctx) == {"busy": 0, "refused": 0}
        steps, span, cycles = [await register(ctx, host, NUMBERS[name]) for name in FIGURES]
        assert steps == 2 * STEPS * TILES["m_tiles"] * TILES["n_tiles"] <= span < cycles

    simulate(host.dut, bench, host.receive)


@pytest.mark.parametrize(("data_width", "keeps"), [(32, [15, 15, 15]), (64, [0xFF, 0x0F])])
def test_a_row_of_some_beats_ends_with_its_last_one(data_width, keeps):
    array = ArrayConfig(rows=2, cols=4, counters=False, pe=PEConfig(threads=2, target="fpga"))
    config = small(link="axi-stream", requantize=False, array=array, data_width=data_width)
    host, tile = Host(config, 0.2), {"m_tiles": 1, "n_tiles": 1, "rows": 2, "cols": 3}
    text = packed_command(config, ListOpcode.RUN, steps=1, threads=0, **tile)
    text += packed_command(config, ListOpcode.READ, address=0, pitch=16, **tile, **NO_SCALE)

    async def bench(ctx):
        await host.write(ctx, "interrupt_enable", 3)
        assert await host.do(ctx, 2, np.frombuffer(text, f"<u{data_width // 8}").tolist()) == (ListError.NONE, 2)

    simulate(host.dut, bench, host.receive)
    assert host.taken == 2 * [(0, keep, i == len(keeps) - 1) for i, keep in enumerate(keeps)]


def test_what_is_left_of_a_list_that_failed_is_dropped_however_little_it_is():
    """Nothing, one beat that waits already, some: the next list begins with its own first beat."""
    config = small(link="axi-stream", requantize=False)
    host, tile = Host(config, 0.0), {"m_tiles": 1, "n_tiles": 1, "rows": 2, "cols": 1}
    unknown = beats(bytes([0xFF]) + bytes(31))
    good = packed_command(config, ListOpcode.RUN, steps=1, threads=0, **tile)
    good += packed_command(config, ListOpcode.READ, address=0, pitch=4, **tile, **NO_SCALE)

    async def bench(ctx):
        await host.write(ctx, "interrupt_enable", 3)
        for left in range(4):
            assert await host.do(ctx, 1, unknown + [1] * left) == (ListError.COMMAND, 0)
            assert await host.do(ctx, 2, beats(good)) == (ListError.NONE, 2)
            assert [last for *_, last in host.taken] == [1, 1]

    simulate(host.dut, bench, host.receive)


def test_error_and_number_are_of_the_same_command_whenever_the_bus_refuses_a_write():
    """Of a READ that the bus refuses late and a wrong command behind it, the first that is seen is what is told."""
    config = small(link="axi", requantize=False)
    unit, tile = ListedAccelerator(config), {"m_tiles": 1, "n_tiles": 1, "rows": 1, "cols": 1}
    run = packed_command(config, ListOpcode.RUN, steps=1, threads=0, **tile)
    read = packed_command(config, ListOpcode.READ, address=0, pitch=4, **tile, **NO_SCALE)
    wrong, left, ends = bytes([0xFF]) + bytes(31), [], []

    async def cycle(ctx) -> None:
        ctx.set(unit.i_read.valid, bool(left))
        if left:
            ctx.set(unit.i_read.payload.data, left[0])
            if ctx.get(unit.i_read.ready):
                left.pop(0)
        await ctx.tick()

    async def register(ctx, name: str, value: int | None = None) -> dict[str, int]:
        ctx.set(unit.registers.number, number_of(name))
        ctx.set(unit.registers.data, value or 0)
        ctx.set(unit.registers.write, value is not None)
        await cycle(ctx)
        ctx.set(unit.registers.write, 0)
        await cycle(ctx)
        return LINK_REGISTERS[name].record.from_int(ctx.get(unit.registers.value))

    async def bench(ctx):
        for port in (unit.o_read.ready, unit.o_write.ready, unit.o_beats.ready, unit.written):
            ctx.set(port, 1)
        for late in range(-1, 40):
            commands = [run] if late < 0 else [read, wrong]
            left.extend(beats(b"".join(commands)))
            ctx.set(unit.written, late < 0)
            await register(ctx, "list_commands", len(commands))
            for after in range(70):
                ctx.set(unit.refused, after == late)
                ctx.set(unit.written, not 0 <= after < 50)
                await cycle(ctx)
            state, failed = await register(ctx, "list"), await register(ctx, "failed")
            assert not state["busy"]
            ends.append((state["error"], failed["failed"]))

    simulate(unit, bench)
    assert ends[0] == (ListError.NONE, 1)
    assert set(ends[1:]) == {(ListError.BUS_WRITE, 0), (ListError.COMMAND, 1)}
