# SPDX-License-Identifier: Apache-2.0
"""Command lists without a bus: over AXI4-Stream and by custom instructions, in Amaranth's own simulator."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Signal
from amaranth.sim import Simulator

from sysmt.base.errors import ConfigError
from sysmt.boards.lists import ListPlan, in_beats
from sysmt.boards.plan import Plan
from sysmt.hdl.dma.accelerator import ListedAccelerator
from sysmt.hdl.dma.cfu import CFUAccelerator, CFUFunction
from sysmt.hdl.dma.stream import StreamAccelerator, StreamPorts
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import ListError, ListOpcode, number_of, packed_command, with_data
from sysmt.hdl.params.registers import MAGIC
from sysmt.sim.cost.runs.product import PlannedRun
from sysmt.sim.golden.matmul import matmul

from .accel import simulate, small
from .mutants import one_bug_per_component, seeded_bug

SHAPE = (3, 21, 2)
LIMIT = 3000
QUIET = 150
"""Cycles of the bus after which nothing more comes."""


def listed(config: AccelConfig) -> tuple[Plan, np.ndarray, list[bytes], list[int]]:
    """A product: its plan, what is expected, the commands, and the words of the list with its data."""
    (m, k, n), random = SHAPE, np.random.default_rng(0)
    x, w = random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)
    plan = Plan(x, w, config, config.array.pe.threads)
    product = ListPlan(plan, config.array.pe.threads, 0).listed()
    text = with_data(config, product.commands, product.data.tobytes())
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


class Host:
    """The host of a `StreamPorts`: registers, lists, and the beats of results that it took."""

    def __init__(self, config: AccelConfig, pause: float, slow: float | None = None):
        self.dut, self.random, self.pause = StreamPorts(ListedAccelerator, config), np.random.default_rng(1), pause
        self.slow = pause if slow is None else slow  # Share of cycles in which results are not taken.
        self.taken: list[tuple[int, int, int]] = []

    async def receive(self, ctx) -> None:
        dut = self.dut
        while True:
            ctx.set(dut.o_ready, self.random.random() >= self.slow)
            if ctx.get(dut.o_valid) and ctx.get(dut.o_ready):
                self.taken.append((ctx.get(dut.o_data), ctx.get(dut.o_keep), ctx.get(dut.o_last)))
            await ctx.tick()

    async def write(self, ctx, name: str, value: int) -> None:
        registers = self.dut.registers
        ctx.set(registers.number, number_of(name))
        ctx.set(registers.data, value)
        ctx.set(registers.write, 1)
        await ctx.tick()
        ctx.set(registers.write, 0)

    async def send(self, ctx, beats: list[int]) -> None:
        dut = self.dut
        for i, beat in enumerate(beats):
            while self.random.random() < self.pause:
                await ctx.tick()
            ctx.set(dut.i_data, beat)
            ctx.set(dut.i_last, i == len(beats) - 1)
            ctx.set(dut.i_valid, 1)
            for _ in range(LIMIT):
                taken = ctx.get(dut.i_ready)
                await ctx.tick()
                if taken:
                    break
            else:
                raise AssertionError("the list is not taken")
            ctx.set(dut.i_valid, 0)

    async def end(self, ctx) -> tuple[ListError, int]:
        """Why the list ended, and the command that failed."""
        dut = self.dut
        for _ in range(LIMIT):
            if ctx.get(dut.irq):
                break
            await ctx.tick()
        else:
            raise AssertionError("the list did not end")
        found = []
        for name in ("list", "failed"):
            ctx.set(dut.registers.number, number_of(name))
            await ctx.tick().repeat(2)
            found.append(ctx.get(dut.registers.value))
        await self.write(ctx, "interrupt", 3)
        return ListError(found[0] >> 1 & 0x7F), found[1]

    async def do(self, ctx, commands: int, beats: list[int]) -> tuple[ListError, int]:
        self.taken.clear()
        await self.write(ctx, "list_commands", commands)
        await self.send(ctx, beats)
        return await self.end(ctx)


def over_streams(pause: float) -> None:
    """A product, a list that fails and whose rest is dropped, and the product again."""
    config = small(link="axi-stream", requantize=False)
    plan, expected, commands, words = listed(config)
    host = Host(config, pause)

    async def testbench(ctx):
        await host.write(ctx, "interrupt_enable", 3)
        for _ in range(2):
            assert await host.do(ctx, len(commands), words) == (ListError.NONE, len(commands))
            assert all(keep == 0xF and last for _, keep, last in host.taken)
            np.testing.assert_array_equal(outputs(plan, iter([data for data, _, _ in host.taken])), expected)
            # An unknown command: the rest is dropped, up to the end of the list, and not taken for the next one.
            wrong = [0xFF, *[0] * 7, *words]
            assert await host.do(ctx, len(commands) + 1, wrong) == (ListError.COMMAND, 0)

    simulate(host.dut, testbench, host.receive)


def ahead(pause: float) -> None:
    """Commands that come long before what they need is done: operands that are in use, results that are not there."""
    config = small(link="axi-stream", requantize=False, depth=32, result_rows=32)
    array, random = config.array, np.random.default_rng(2)
    run = PlannedRun(0, 0, 4, 4, 0, 8, array.rows, array.cols)
    x = random.integers(0, 256, (8, 16), np.uint8)
    weights = [random.integers(-128, 128, (16, 4), np.int8) for _ in range(2)]
    plans = [Plan(x, w, config, array.pe.threads) for w in weights]
    tiles = {"m_tiles": 4, "n_tiles": 4, "rows": array.rows, "cols": array.cols}
    scale = dict.fromkeys(("requantize", "double", "channel", "zero_point", "low", "high"), 0)

    def write(target: int, words: np.ndarray) -> bytes:
        data = in_beats(words, config.data_width)
        beats = data.size * 8 // config.data_width
        head = packed_command(config, ListOpcode.WRITE, target=target, address=0, beats=beats, first=0)
        return head + data.tobytes()

    order = packed_command(config, ListOpcode.RUN, steps=run.steps, threads=1, **tiles)
    read = packed_command(config, ListOpcode.READ, address=0, pitch=0, **tiles, **scale)
    # Of the half that the second run uses nothing is written: zeros.
    text = write(0, plans[0].x_words(run)) + write(1, plans[0].w_words(run)) + order + read
    text += order + read + write(1, plans[1].w_words(run)) + order + read
    words = np.frombuffer(text, "<u4").tolist()
    host = Host(config, pause, slow=0.9)

    async def testbench(ctx):
        await host.write(ctx, "interrupt_enable", 3)
        assert await host.do(ctx, 9, words) == (ListError.NONE, 9)
        sums = np.array([data for data, _, _ in host.taken], "<u4").view("<i4").reshape(3, 4, 4, array.rows)
        products = [matmul(x, w, array.pe).sums for w in weights]
        for got, expected in zip(sums, (products[0], np.zeros((8, 4)), products[1]), strict=True):
            np.testing.assert_array_equal(got.transpose(0, 2, 1).reshape(8, 4), expected)

    simulate(host.dut, testbench, host.receive)


def cycles_of(clock: Signal) -> Callable[[Any], Awaitable[None]]:
    """What makes a cycle of a clock that the testbench drives."""

    async def cycle(ctx) -> None:
        await ctx.delay(5e-7)
        ctx.set(clock, 1)
        await ctx.delay(5e-7)
        ctx.set(clock, 0)

    return cycle


def over_two_clocks() -> None:
    """A product through the ports of the front end, whose streams cross from the clock of the bus and back."""
    config = small(link="axi-stream", requantize=False, bus_clock=True)
    plan, expected, commands, words = listed(config)
    design, random = StreamAccelerator(config), np.random.default_rng(3)
    taken: list[int] = []

    cycle = cycles_of(design.aclk)  # Of the bus, whose clock is the slower one.

    async def device(ctx) -> None:
        while True:
            await ctx.delay(3.7e-7)
            ctx.set(design.core_clk, ~ctx.get(design.core_clk) & 1)

    async def write(ctx, name: str, value: int) -> None:
        for port, given in (("awaddr", 4 * number_of(name)), ("wdata", value), ("wstrb", 15), ("bready", 1)):
            ctx.set(getattr(design, f"s_axi_{port}"), given)
        left = {"aw", "w"}
        for _ in range(LIMIT):
            for channel in ("aw", "w"):
                ctx.set(getattr(design, f"s_axi_{channel}valid"), channel in left)
            left -= {channel for channel in left if ctx.get(getattr(design, f"s_axi_{channel}ready"))}
            answered = ctx.get(design.s_axi_bvalid)
            await cycle(ctx)
            if answered:
                return
        raise AssertionError("the write is not answered")

    async def testbench(ctx) -> None:
        await cycle(ctx)
        ctx.set(design.aresetn, 1)
        for _ in range(10):
            await cycle(ctx)
        await write(ctx, "list_commands", len(commands))
        sent = quiet = 0
        while quiet < QUIET:
            offered = sent < len(words) and random.random() < 0.8
            ctx.set(design.s_axis_tvalid, offered)
            if offered:
                ctx.set(design.s_axis_tdata, words[sent])
                ctx.set(design.s_axis_tlast, sent == len(words) - 1)
            ready = random.random() < 0.5
            ctx.set(design.m_axis_tready, ready)
            quiet += 1
            if offered and ctx.get(design.s_axis_tready):
                sent, quiet = sent + 1, 0
            if ready and ctx.get(design.m_axis_tvalid):
                quiet = 0
                assert (ctx.get(design.m_axis_tkeep), ctx.get(design.m_axis_tlast)) == (0xF, 1)
                taken.append(ctx.get(design.m_axis_tdata))
            await cycle(ctx)

    simulator = Simulator(design)
    simulator.add_testbench(testbench)
    simulator.add_testbench(device, background=True)
    simulator.run()
    values = iter(taken)
    np.testing.assert_array_equal(outputs(plan, values), expected)
    assert not list(values)


def by_instructions() -> None:
    config = small(link="cfu", requantize=False)
    plan, expected, commands, words = listed(config)
    design = CFUAccelerator(config)
    sums: list[int] = []

    cycle = cycles_of(design.clk)

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
            for _ in range(LIMIT):
                if await call(ctx, CFUFunction.PUSH, word, i == len(words) - 1):
                    break
                await pop(ctx)
            else:
                raise AssertionError("the list is not taken")
        for _ in range(LIMIT):
            if ctx.get(design.irq):
                break
            await pop(ctx)
        assert await call(ctx, CFUFunction.READ, number_of("list")) & 0xFF == 0
        np.testing.assert_array_equal(outputs(plan, iter(sums)), expected)

    simulator = Simulator(design)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("pause", [0.0, pytest.param(0.5, marks=pytest.mark.regress)])
def test_a_product_over_streams_and_the_rest_of_a_list_that_failed(pause):
    over_streams(pause)


def test_commands_wait_for_what_they_need():
    ahead(0.0)


def test_a_product_over_streams_on_two_clocks():
    over_two_clocks()


def test_a_product_by_custom_instructions():
    by_instructions()


@one_bug_per_component(
    ("module", "component", "right", "wrong", "scenario"),
    [
        ("executor", "Executor", "address.eq(address + 1)]", "address.eq(address)]", ahead),
        ("sender", "Sender", "(ahead == 0) | ahead.all()", "1", ahead),
        ("rows", "RowSender", "Mux(last_m, command.rows, ", "Mux(0, command.rows, ", over_streams),
        ("accelerator", "ListedAccelerator", "executor.ready.eq(unfinished <= 1)", "executor.ready.eq(1)", ahead),
        ("accelerator", "ListedAccelerator", "executor.ready.eq(~held)", "executor.ready.eq(1)", ahead),
        ("accelerator", "ListedAccelerator", "half = ~controller.issued[0]", "half = 0", over_streams),
        ("registers", "ListRegisters", "(pending & ~cleared)", "pending", over_streams),
        ("device", "ListedDevice", "failed_number.eq(executor.number)", "failed_number.eq(0)", over_streams),
        ("stream", "StreamPorts", "m.d.sync += drops.eq(1)", "m.d.sync += drops.eq(0)", over_streams),
        ("cfu", "CFUFrontEnd", "answer.eq(~port.writable)", "answer.eq(0)", by_instructions),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong, scenario):
    with seeded_bug(f"sysmt.hdl.dma.{module}", component, right, wrong), pytest.raises(AssertionError):
        scenario(*([] if scenario is by_instructions else [0.0]))


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
