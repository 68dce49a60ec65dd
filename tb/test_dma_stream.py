# SPDX-License-Identifier: Apache-2.0
"""Command lists without a bus: over AXI4-Stream, in Amaranth's own simulator."""

import numpy as np
import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from sysmt.base.errors import ConfigError
from sysmt.boards.lists import in_beats
from sysmt.boards.plan import Plan
from sysmt.hdl.dma.accelerator import ListedAccelerator
from sysmt.hdl.dma.device import ListedDevice
from sysmt.hdl.dma.stream import StreamAccelerator, StreamPorts
from sysmt.hdl.params.command_list import ListError, ListOpcode, number_of, packed_command
from sysmt.sim.cost.runs.product import PlannedRun
from sysmt.sim.golden.matmul import matmul

from .accel import simulate, small
from .dma_products import cycles_of, listed, outputs
from .mutants import one_bug_per_component, seeded_bug

LIMIT = 3000
QUIET = 150
"""Cycles of the bus after which nothing more comes."""


class Host:
    """The host of a `StreamPorts`: registers, lists, and the beats of results that it took."""

    def __init__(self, config, pause: float, slow: float | None = None, held: type[ListedDevice] = ListedAccelerator):
        self.dut, self.random, self.pause = StreamPorts(held, config), np.random.default_rng(1), pause
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


def overlapping() -> None:
    """While no result is taken the next run begins, and the one after it, which would write over them, waits."""
    config = small(link="axi-stream", requantize=False)
    tiles = {"m_tiles": 1, "n_tiles": 1, "rows": config.array.rows, "cols": config.array.cols}
    scale = dict.fromkeys(("requantize", "double", "channel", "zero_point", "low", "high"), 0)
    run = packed_command(config, ListOpcode.RUN, steps=2, threads=1, **tiles)
    read = packed_command(config, ListOpcode.READ, address=0, pitch=0, **tiles, **scale)
    host = Host(config, 0.0, slow=1.0)

    async def testbench(ctx):
        dut = host.dut
        await host.write(ctx, "interrupt_enable", 3)
        await host.write(ctx, "list_commands", 4)
        await host.send(ctx, np.frombuffer(run + read + run + run, "<u4").tolist())
        await ctx.tick().repeat(QUIET)
        ctx.set(dut.registers.number, number_of("list_commands"))
        await ctx.tick().repeat(2)
        assert (ctx.get(dut.registers.value), host.taken) == (1, [])
        host.slow = 0.0
        assert await host.end(ctx) == (ListError.NONE, 4)
        assert [data for data, _, _ in host.taken] == [0] * config.array.rows * config.array.cols

    simulate(host.dut, testbench, host.receive)


def misaligned(pause: float) -> None:
    """The first list after a reset fails before any of its beats has come: none of the next list are dropped."""
    config = small(link="axi-stream", requantize=False)
    plan, expected, commands, words = listed(config)
    host = Host(config, pause)

    async def testbench(ctx):
        for name, value in (("interrupt_enable", 3), ("list_address", 8), ("list_commands", 1)):
            await host.write(ctx, name, value)
        assert await host.end(ctx) == (ListError.ALIGNMENT, 0)
        await host.write(ctx, "list_address", 0)
        assert await host.do(ctx, len(commands), words) == (ListError.NONE, len(commands))
        np.testing.assert_array_equal(outputs(plan, iter([data for data, _, _ in host.taken])), expected)

    simulate(host.dut, testbench, host.receive)


def through_ports(bus_clock: bool) -> None:
    """A product through the ports of the front end, whose streams cross from the clock of the bus and back, or not."""
    config = small(link="axi-stream", requantize=False, bus_clock=bus_clock)
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
    if bus_clock:
        simulator.add_testbench(device, background=True)
    simulator.run()
    values = iter(taken)
    np.testing.assert_array_equal(outputs(plan, values), expected)
    assert not list(values)


@pytest.mark.parametrize("pause", [0.0, pytest.param(0.5, marks=pytest.mark.regress)])
def test_a_product_over_streams_and_the_rest_of_a_list_that_failed(pause):
    over_streams(pause)


@pytest.mark.parametrize("width", [32, 64, 128])
def test_a_beat_has_a_bit_of_keep_per_byte(width):
    ports = StreamPorts(ListedAccelerator, small(link="axi-stream", requantize=False, data_width=width))
    assert [len(port) for port in (ports.i_data, ports.o_data, ports.o_keep)] == [width, width, width // 8]
    Fragment.get(ports, None)


def test_commands_wait_for_what_they_need():
    ahead(0.0)


def test_the_next_run_computes_while_results_wait():
    overlapping()


def test_a_list_that_fails_before_it_begins():
    misaligned(0.0)


@pytest.mark.parametrize("bus_clock", [False, True])
def test_a_product_through_the_ports_on_one_clock_and_on_two(bus_clock):
    through_ports(bus_clock)


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
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong, scenario):
    with seeded_bug(f"sysmt.hdl.dma.{module}", component, right, wrong), pytest.raises(AssertionError):
        scenario(0.0)


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
