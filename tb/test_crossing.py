# SPDX-License-Identifier: Apache-2.0
"""Two clocks: queues and handshakes between unrelated ones, and devices whose bus has a clock of its own."""

from collections.abc import Callable

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from sysmt.base.errors import ConfigError
from sysmt.boards.program_lists import ProgramLists
from sysmt.hdl.bus.axi import AXI4Lite
from sysmt.hdl.bus.crossing import SHORT, AsyncQueue, AXICrossing
from sysmt.hdl.bus.wishbone import Wishbone
from sysmt.hdl.bus.wishbone_crossing import WishboneCrossing
from sysmt.hdl.designs import design_of
from sysmt.sim.cosim.bus import SimulatedBus
from sysmt.sim.cost.command_list import list_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.golden.matmul import matmul

from . import test_dma_accel, test_dma_engine
from .accel import small
from .mutants import one_bug_per_component, seeded_bug

PERIODS = [1.0, 0.137, 0.731, 3.19]
"""Of the second clock, in those of the first."""
COUNT = 200
LIMIT = 20_000


def simulated(dut, period: float, testbench: Callable, background: Callable) -> None:
    """Run `testbench` to its end in the domains `a` and `b`, whose clocks have the periods 1 and `period`."""
    m = Module()
    m.domains += [ClockDomain("a"), ClockDomain("b")]
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6, domain="a")
    simulator.add_clock(period * 1e-6, phase=0.317e-6, domain="b")
    simulator.add_testbench(testbench)
    simulator.add_testbench(background, background=True)
    simulator.run()


def queued(period: float, pause: float = 0.3) -> None:
    """Everything arrives once, in order, and no more fits than there are places."""
    dut, random = AsyncQueue(8, SHORT, ("a", "b")), np.random.default_rng(1)
    got: list[int] = []
    inside = [0]

    async def writes(ctx):
        for value in range(COUNT):
            while random.random() < pause:
                await ctx.tick("a")
            ctx.set(dut.i.payload, value)
            ctx.set(dut.i.valid, 1)
            ready = False
            while not ready:
                *_, ready = await ctx.tick("a").sample(dut.i.ready)
            inside[0] += 1
            assert inside[0] <= SHORT
            ctx.set(dut.i.valid, 0)

    async def reads(ctx):
        # Full first, and now and then, wherever the places are.
        stops = list(range(COUNT - 1, -1, -29))
        for _ in range(LIMIT):
            if len(got) == COUNT:
                break
            if stops and len(got) >= stops[-1]:
                stops.pop()
                ctx.set(dut.o.ready, 0)
                for _ in range(round(30 / period)):
                    await ctx.tick("b")
            ctx.set(dut.o.ready, random.random() >= pause)
            *_, valid, ready, value = await ctx.tick("b").sample(dut.o.valid, dut.o.ready, dut.o.payload)
            if valid and ready:
                got.append(value)
                inside[0] -= 1
        ctx.set(dut.o.ready, 1)
        for _ in range(20):
            *_, valid = await ctx.tick("b").sample(dut.o.valid)
            assert not valid, "more comes out than went in"

    simulated(dut, period, reads, writes)
    assert got == list(range(COUNT))


def handed_over(period: float) -> None:
    """Accesses of a master that gives some up, to a slave that is late and refuses some."""
    dut = WishboneCrossing(Wishbone(10, features=["err"]), ("a", "b"))
    random, done, asked = np.random.default_rng(2), [], []
    manager, subordinate = dut.manager, dut.subordinate

    async def master(ctx):
        for number in range(1, 41):
            writes, patience = bool(random.random() < 0.5), 2 if random.random() < 0.2 else 1000
            for name, value in (("adr", number), ("dat_w", 3 * number), ("sel", number % 16), ("we", writes)):
                ctx.set(getattr(manager, name), value)
            ctx.set(manager.cyc, 1)
            ctx.set(manager.stb, 1)
            answer = None
            for _ in range(patience):
                *_, ack, err, data = await ctx.tick("a").sample(manager.ack, manager.err, manager.dat_r)
                if ack or err:
                    answer = (bool(ack), bool(err), None if writes or err else data)
                    break
            asked.append((number, writes, answer))
            ctx.set(manager.cyc, 0)
            ctx.set(manager.stb, 0)
            # An access that is given up shows that it is.
            for _ in range(int(random.integers(answer is None, 3))):
                *_, ack, err = await ctx.tick("a").sample(manager.ack, manager.err)
                assert not ack
                assert not err

    async def slave(ctx):
        while True:
            if not (ctx.get(subordinate.cyc) and ctx.get(subordinate.stb)):
                await ctx.tick("b")
                continue
            for _ in range(int(random.integers(0, 4))):
                await ctx.tick("b")
            number = ctx.get(subordinate.adr)
            assert (ctx.get(subordinate.dat_w), ctx.get(subordinate.sel)) == (3 * number, number % 16)
            done.append((number, bool(ctx.get(subordinate.we))))
            ctx.set(subordinate.dat_r, 7 * number)
            ctx.set(subordinate.err if number % 5 == 0 else subordinate.ack, 1)
            await ctx.tick("b")
            ctx.set(subordinate.err, 0)
            ctx.set(subordinate.ack, 0)

    simulated(dut, period, master, slave)
    answered = [(number, writes) for number, writes, answer in asked if answer is not None]
    assert len(answered) > 20
    assert set(answered) <= set(done) <= {(number, writes) for number, writes, _ in asked}
    assert len(done) == len(set(done))
    for number, writes, answer in asked:
        if answer is not None:
            bad = number % 5 == 0
            assert answer == (not bad, bad, None if writes or bad else 7 * number)


def test_what_another_slave_is_asked_does_not_cross():
    """An access needs `cyc` and `stb`: one of them alone is none."""
    dut = WishboneCrossing(Wishbone(10, features=["err"]), ("a", "b"))
    manager, subordinate = dut.manager, dut.subordinate

    async def master(ctx):
        for cyc, stb in ((1, 0), (0, 1)):
            ctx.set(manager.cyc, cyc)
            ctx.set(manager.stb, stb)
            for _ in range(20):
                *_, ack, err = await ctx.tick("a").sample(manager.ack, manager.err)
                assert (ack, err) == (0, 0)

    async def slave(ctx):
        while True:
            assert not ctx.get(subordinate.cyc)
            await ctx.tick("b")

    simulated(dut, PERIODS[1], master, slave)


def answered(period: float) -> None:
    """Writes and reads of AXI4-Lite, each with the answer of its own, either side late now and then."""
    dut, random = AXICrossing(AXI4Lite(12), ("a", "b")), np.random.default_rng(3)
    manager, subordinate = dut.manager, dut.subordinate
    found = []

    async def push(ctx, domain, bus, channel, **fields):
        for _ in range(int(random.integers(3))):
            await ctx.tick(domain)
        for name, value in fields.items():
            ctx.set(getattr(bus, f"{channel}{name}"), value)
        ctx.set(getattr(bus, f"{channel}valid"), 1)
        ready = False
        while not ready:
            *_, ready = await ctx.tick(domain).sample(getattr(bus, f"{channel}ready"))
        ctx.set(getattr(bus, f"{channel}valid"), 0)

    async def pull(ctx, domain, bus, channel, *names):
        for _ in range(int(random.integers(3))):
            await ctx.tick(domain)
        ctx.set(getattr(bus, f"{channel}ready"), 1)
        sampled = [getattr(bus, f"{channel}{name}") for name in ("valid", *names)]
        for _ in range(LIMIT):
            _, _, valid, *values = await ctx.tick(domain).sample(*sampled)
            if valid:
                ctx.set(getattr(bus, f"{channel}ready"), 0)
                return values
        raise AssertionError(f"nothing comes over {channel}")

    async def asks(ctx):
        for number in range(30):
            await push(ctx, "a", manager, "aw", addr=4 * number, prot=number % 8)
            await push(ctx, "a", manager, "w", data=3 * number, strb=number % 16)
            assert await pull(ctx, "a", manager, "b", "resp") == [number % 4]
            await push(ctx, "a", manager, "ar", addr=8 * number, prot=0)
            assert await pull(ctx, "a", manager, "r", "data", "resp") == [7 * number, number % 3]

    async def answers(ctx):
        for number in range(30):
            found.append(await pull(ctx, "b", subordinate, "aw", "addr", "prot"))
            found[-1] += await pull(ctx, "b", subordinate, "w", "data", "strb")
            await push(ctx, "b", subordinate, "b", resp=number % 4)
            found[-1] += await pull(ctx, "b", subordinate, "ar", "addr")
            await push(ctx, "b", subordinate, "r", data=7 * number, resp=number % 3)

    simulated(dut, period, asks, answers)
    assert found == [[4 * n, n % 8, 3 * n, n % 16, 8 * n] for n in range(30)]


@pytest.mark.parametrize("period", [PERIODS[1], *(pytest.param(p, marks=pytest.mark.regress) for p in PERIODS[2:])])
@pytest.mark.parametrize("scenario", [queued, handed_over, answered], ids=lambda scenario: scenario.__name__)
def test_nothing_is_lost_between_unrelated_clocks(scenario, period):
    scenario(period)


@one_bug_per_component(
    ("module", "component", "right", "wrong", "scenario"),
    [
        ("crossing", "AsyncQueue", "0b11 << bits - 2", "0b10 << bits - 2", queued),
        ("crossing", "AsyncQueue", "following ^ following >> 1", "following", queued),
        ("crossing", "AsyncQueue", "self.o.valid.eq(grays[1] != written)", "self.o.valid.eq(grays[0] != 0)", queued),
        ("wishbone_crossing", "WishboneCrossing", "on & ~given_up & ~error", "~error", handed_over),
        ("wishbone_crossing", "WishboneCrossing", "on & ~given_up & error", "on & ~given_up & 0", handed_over),
        ("wishbone_crossing", "WishboneCrossing", "~manager.ack & ~manager.err", "1", handed_over),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong, scenario):
    with seeded_bug(f"sysmt.hdl.bus.{module}", component, right, wrong), pytest.raises(AssertionError):
        scenario(PERIODS[1])


@pytest.mark.parametrize(("link", "clock"), [("axi", "aclk"), ("wishbone", "clk"), ("axi-stream", "aclk")])
def test_a_front_end_on_two_clocks_has_both(link, clock):
    ports = {port["name"] for port in design_of(small(link=link, bus_clock=True), "device").manifest["ports"]}
    assert {clock, "core_clk"} <= ports


@pytest.mark.regress
@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("link", ["axi", "wishbone"])
def test_products_over_two_clocks(link, period):
    """And a list that fails, and one behind it."""
    config = test_dma_accel.CONFIG.with_fields(link=link, bus_clock=True)
    with SimulatedBus(config, latency=20, stall=0.3, errors=range(0x9000, 0x9100), period=period) as bus:
        for seed, (m, k, n, threads) in enumerate([(7, 50, 9, 2), (1, 1, 1, 1)]):
            x, w = test_dma_accel.operands(m, k, n, seed)
            golden = matmul(x, w, config.array.pe, threads).sums
            np.testing.assert_array_equal(test_dma_accel.product(bus, x, w, threads), golden)
            wrong, error = test_dma_accel.REFUSED[0]
            assert bus.do([*test_dma_accel.GOOD, wrong], test_dma_accel.LIST) == (error, len(test_dma_accel.GOOD))
        assert bus.write(0, 1) != 0


@pytest.mark.regress
@pytest.mark.parametrize("link", ["axi", "wishbone"])
def test_a_network_over_two_clocks(link):
    config = test_dma_engine.CONFIG.with_fields(link=link, bus_clock=True)
    program, inputs = test_dma_engine.compiled(1, config)
    lists = ProgramLists(program, test_dma_engine.PROGRAM)
    with SimulatedBus(config, latency=10, stall=0.2, period=0.731) as bus:
        test_dma_engine.load(bus, lists)
        outputs = test_dma_engine.run(bus, lists, inputs)
    np.testing.assert_array_equal(outputs, GoldenEngine(program).run(inputs))


def test_the_cycle_model_is_of_one_clock():
    with pytest.raises(ValueError, match="^bus_clock must be False: cycles are those of one clock$"):
        list_cycles(test_dma_accel.CONFIG.with_fields(bus_clock=True), [], 0)


@pytest.mark.parametrize("link", ["uart", "cfu"])
def test_a_link_without_a_bus_has_one_clock(link):
    message = f"^bus_clock must be False with link = '{link}', which has no bus; take axi, wishbone, axi-stream$"
    with pytest.raises(ConfigError, match=message):
        test_dma_accel.CONFIG.with_fields(link=link, data_width=32, bus_clock=True)
