# SPDX-License-Identifier: Apache-2.0
"""Command lists without a bus: over AXI4-Stream and by custom instructions, in Amaranth's own simulator."""

from collections.abc import Iterator

import numpy as np
import pytest
from amaranth.sim import Simulator

from sysmt.base.errors import ConfigError
from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.hdl.dma.accelerator import ListedAccelerator
from sysmt.hdl.dma.cfu import CFUAccelerator, CFUFunction
from sysmt.hdl.dma.stream import StreamPorts
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import ACCEL_COMMANDS, ListError, ListOpcode, number_of
from sysmt.hdl.params.registers import MAGIC
from sysmt.sim.golden.matmul import matmul

from .accel import simulate, small

SHAPE = (3, 21, 2)
LIMIT = 20_000


def listed(config: AccelConfig) -> tuple[Plan, np.ndarray, list[bytes], list[int]]:
    """A product: its plan, what is expected, the commands, and the words of the list with its data."""
    (m, k, n), random = SHAPE, np.random.default_rng(0)
    x, w = random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)
    plan = Plan(x, w, config, config.array.pe.threads)
    product = ListPlan(plan, config.array.pe.threads, 0).listed()
    text = b""
    for command in product.commands:
        text += command
        if command[0] == ListOpcode.WRITE:
            write = ACCEL_COMMANDS[ListOpcode.WRITE].unpack(command)
            size = write["beats"] * config.data_width // 8
            text += product.data[write["address"] : write["address"] + size].tobytes()
    words = np.frombuffer(text, np.uint8).reshape(-1, config.data_width // 8)
    expected = matmul(x, w, config.array.pe).sums
    return plan, expected, product.commands, [int.from_bytes(word.tobytes(), "little") for word in words]


def outputs(plan: Plan, sums: Iterator[int]) -> np.ndarray:
    """The product from the sums that left, run after run, tile after tile, row after row."""
    array = plan.config.array
    out = np.zeros((SHAPE[0], SHAPE[2]), np.int64)
    for run in plan.runs:
        for m in range(run.m_tiles):
            for n in range(run.n_tiles):
                rows = run.rows if m == run.m_tiles - 1 else array.rows
                for row in range(rows):
                    value = next(sums)
                    value -= (value >> 31) << 32
                    out[(run.m_tile + m) * array.rows + row, run.n_tile + n] += value
    return out


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_product_over_streams_and_the_rest_of_a_list_that_failed(pause):
    config = small(link="axi-stream", requantize=False)
    plan, expected, commands, words = listed(config)
    design, random = StreamPorts(ListedAccelerator, config), np.random.default_rng(1)
    taken: list[tuple[int, int, int]] = []

    async def receive(ctx):
        while True:
            ctx.set(design.o_ready, random.random() >= pause)
            if ctx.get(design.o_valid) and ctx.get(design.o_ready):
                taken.append((ctx.get(design.o_data), ctx.get(design.o_keep), ctx.get(design.o_last)))
            await ctx.tick()

    async def write(ctx, name: str, value: int) -> None:
        ctx.set(design.registers.number, number_of(name))
        ctx.set(design.registers.data, value)
        ctx.set(design.registers.write, 1)
        await ctx.tick()
        ctx.set(design.registers.write, 0)

    async def send(ctx, beats: list[int]) -> None:
        for i, beat in enumerate(beats):
            while random.random() < pause:
                await ctx.tick()
            ctx.set(design.i_data, beat)
            ctx.set(design.i_last, i == len(beats) - 1)
            ctx.set(design.i_valid, 1)
            await ctx.tick().until(design.i_ready)
            ctx.set(design.i_valid, 0)

    async def end(ctx) -> tuple[ListError, int]:
        for _ in range(LIMIT):
            if ctx.get(design.irq):
                break
            await ctx.tick()
        else:
            raise AssertionError("the list did not end")
        found = []
        for name in ("list", "failed"):
            ctx.set(design.registers.number, number_of(name))
            await ctx.tick().repeat(2)
            found.append(ctx.get(design.registers.value))
        await write(ctx, "interrupt", 3)
        return ListError(found[0] >> 1 & 0x7F), found[1]

    async def testbench(ctx):
        await write(ctx, "interrupt_enable", 3)
        for _ in range(2):
            taken.clear()
            await write(ctx, "list_commands", len(commands))
            await send(ctx, words)
            assert await end(ctx) == (ListError.NONE, len(commands))
            assert all(keep == 0xF and last for _, keep, last in taken)
            np.testing.assert_array_equal(outputs(plan, iter([data for data, _, _ in taken])), expected)
            # An unknown command: the rest is dropped, up to the end of the list, and not taken for the next one.
            await write(ctx, "list_commands", len(commands) + 1)
            await send(ctx, [0xFF, *[0] * 7, *words])
            assert await end(ctx) == (ListError.COMMAND, 0)

    simulate(design, testbench, receive)


def test_a_product_by_custom_instructions():
    config = small(link="cfu", requantize=False)
    plan, expected, commands, words = listed(config)
    design = CFUAccelerator(config)
    sums: list[int] = []

    async def cycle(ctx) -> None:
        await ctx.delay(5e-7)
        ctx.set(design.clk, 1)
        await ctx.delay(5e-7)
        ctx.set(design.clk, 0)

    async def call(ctx, function: CFUFunction, first: int = 0, second: int = 0) -> int:
        ctx.set(design.cmd_payload_function_id, function)
        ctx.set(design.cmd_payload_inputs_0, first)
        ctx.set(design.cmd_payload_inputs_1, second)
        ctx.set(design.cmd_valid, 1)
        assert ctx.get(design.cmd_ready)
        await cycle(ctx)
        ctx.set(design.cmd_valid, 0)
        for _ in range(4):
            if ctx.get(design.rsp_valid):
                break
            await cycle(ctx)
        assert ctx.get(design.rsp_valid), "no answer"
        answer = ctx.get(design.rsp_payload_outputs_0)
        ctx.set(design.rsp_ready, 1)
        await cycle(ctx)
        ctx.set(design.rsp_ready, 0)
        return answer

    async def pop(ctx) -> bool:
        ready = await call(ctx, CFUFunction.READY)
        if ready >> 1 & 1:
            assert ready >> 2 == 0xF
            sums.append(await call(ctx, CFUFunction.POP))
        return bool(ready >> 1 & 1)

    async def testbench(ctx):
        ctx.set(design.reset, 1)
        await cycle(ctx)
        ctx.set(design.reset, 0)
        assert await call(ctx, CFUFunction.READ, 0) == MAGIC
        assert await call(ctx, CFUFunction.POP) == 0
        assert await call(ctx, CFUFunction.WRITE, 0, 1) == 1
        assert await call(ctx, CFUFunction.WRITE, number_of("interrupt_enable"), 1) == 0
        assert await call(ctx, CFUFunction.WRITE, number_of("list_commands"), len(commands)) == 0
        for i, word in enumerate(words):
            while not await call(ctx, CFUFunction.PUSH, word, i == len(words) - 1):
                await pop(ctx)
        while not ctx.get(design.irq):
            await pop(ctx)
        assert await call(ctx, CFUFunction.READ, number_of("list")) & 0xFF == 0
        np.testing.assert_array_equal(outputs(plan, iter(sums)), expected)

    simulator = Simulator(design)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"link": "spi"}, "link must be one of uart, axi, wishbone, axi-stream, cfu, not 'spi'"),
        ({"link": "axi", "data_width": 16}, "data_width must be one of 32, 64, 128, not 16"),
        (
            {"link": "cfu", "data_width": 64},
            "data_width must be 32 with link = 'cfu', whose operands are so wide, not 64",
        ),
        (
            {"link": "axi", "cols": 3},
            "data_width = 32 has beats of 4 bytes, but a row of requantised values of array.cols = 3 takes 3: one must "
            "be a multiple of the other; choose another array.cols or data_width",
        ),
    ],
)
def test_links_that_cannot_be_are_refused(changes, message):
    cols = changes.pop("cols", 1)
    array = small().array.with_fields(cols=cols)
    with pytest.raises(ConfigError) as error:
        small(array=array, **changes)
    assert str(error.value).startswith(message)
