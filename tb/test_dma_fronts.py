# SPDX-License-Identifier: Apache-2.0
"""Front ends of buses from port to port in Amaranth's own simulator, on one clock and on two, at high addresses."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.hdl.dma.axi import AXIAccelerator
from sysmt.hdl.dma.wishbone import WishboneAccelerator
from sysmt.hdl.params.command_list import ListError, ListOpcode, number_of, packed_command
from sysmt.hdl.params.registers import MAGIC, NUMBERS
from sysmt.sim.golden.matmul import matmul

from .accel import PERIOD, small
from .dma_products import cycles_of

BASE, SIZE, REFUSED = 0xFFFFE000, 0x2000, 0x1000
"""The memory is the last 8 KiB that there are; the bus refuses what lies from `REFUSED` on in it."""
LIST, DATA = BASE + 0x40, BASE + 0x400
LIMIT = 2000


class Bus:
    """The host and the memory of a front end. A subclass moves a cycle of its bus (`move`) and accesses a register."""

    def __init__(self, design, memory: np.ndarray | None = None):
        self.design, self.memory = design, np.zeros(SIZE, np.uint8) if memory is None else memory
        self.random, self.beat = np.random.default_rng(1), design.config.data_width // 8
        clock = getattr(design, "aclk", getattr(design, "clk", None))
        self.edge = cycles_of(clock) if clock is not None else None

    async def cycle(self, ctx) -> None:
        self.move(ctx)
        await (self.edge(ctx) if self.edge else ctx.tick())

    def goes(self) -> bool:
        return bool(self.random.random() < 0.7)

    def place(self, address: int) -> tuple[int, bool]:
        """Where it is in the memory, and whether the bus refuses it."""
        assert BASE <= address < BASE + SIZE, hex(address)
        return address - BASE, address - BASE >= REFUSED

    def read(self, address: int) -> tuple[int, bool]:
        at, bad = self.place(address)
        return int.from_bytes(self.memory[at : at + self.beat].tobytes(), "little"), bad

    def write(self, address: int, value: int, strobe: int) -> bool:
        at, bad = self.place(address)
        for i in range(self.beat):
            if strobe >> i & 1 and not bad:
                self.memory[at + i] = value >> 8 * i & 0xFF
        return bad

    async def ends(self, ctx, commands: list[bytes]) -> tuple[ListError, int]:
        """Do a list. Returns why it ended, and the command that failed."""
        text = np.frombuffer(b"".join(commands), np.uint8)
        self.memory[LIST - BASE :][: len(text)] = text
        for name, value in (("interrupt_enable", 3), ("list_address", LIST), ("list_commands", len(commands))):
            assert (await self.access(ctx, number_of(name), value))[0]
        for _ in range(LIMIT):
            if ctx.get(self.design.irq):
                break
            await self.cycle(ctx)
        else:
            raise AssertionError("the list did not end")
        good, state = await self.access(ctx, number_of("list"))
        known, failed = await self.access(ctx, number_of("failed"))
        assert good
        assert known
        assert (await self.access(ctx, number_of("interrupt"), 3))[0]
        for _ in range(8):
            await self.cycle(ctx)
        assert not ctx.get(self.design.irq)
        return ListError(state >> 1 & 0x7F), failed


class AXIBus(Bus):
    """AXI4 and AXI4-Lite."""

    def __init__(self, design, memory: np.ndarray | None = None):
        super().__init__(design, memory)
        self.reads: list[tuple[int, bool]] = []
        self.bursts: list[list[int]] = []
        self.answers: list[bool] = []
        self.bad = False

    def move(self, ctx) -> None:
        def port(name: str):
            return getattr(self.design, f"m_axi_{name}")

        def taken(channel: str) -> bool:
            ctx.set(port(f"{channel}ready"), ready := self.goes())
            return ready and bool(ctx.get(port(f"{channel}valid")))

        for channel in ("ar", "aw"):
            if taken(channel):
                assert ctx.get(port(f"{channel}burst")) == 1
                assert 1 << ctx.get(port(f"{channel}size")) == self.beat
                address, count = ctx.get(port(f"{channel}addr")), ctx.get(port(f"{channel}len")) + 1
                assert address // 4096 == (address + count * self.beat - 1) // 4096
                addresses = [address + i * self.beat for i in range(count)]
                if channel == "ar":
                    self.reads += [(at, i == count - 1) for i, at in enumerate(addresses)]
                else:
                    self.bursts.append(addresses)
        if self.bursts and taken("w"):
            self.bad |= self.write(self.bursts[0].pop(0), ctx.get(port("wdata")), ctx.get(port("wstrb")))
            assert ctx.get(port("wlast")) == (not self.bursts[0])
            if not self.bursts[0]:
                self.bursts.pop(0)
                self.answers.append(self.bad)
                self.bad = False
        elif not self.bursts:
            ctx.set(port("wready"), 0)
        ctx.set(port("bvalid"), bool(self.answers))
        if self.answers:
            ctx.set(port("bresp"), 2 * self.answers[0])
            if ctx.get(port("bready")):
                self.answers.pop(0)
        ctx.set(port("rvalid"), bool(self.reads))
        if self.reads:
            (address, last) = self.reads[0]
            value, bad = self.read(address)
            for name, given in (("rdata", value), ("rresp", 2 * bad), ("rlast", last)):
                ctx.set(port(name), given)
            if ctx.get(port("rready")):
                self.reads.pop(0)

    async def access(self, ctx, number: int, value: int | None = None) -> tuple[bool, int]:
        def port(name: str):
            return getattr(self.design, f"s_axi_{name}")

        channels, answer = (["ar"], "r") if value is None else (["aw", "w"], "b")
        for name, given in (("araddr", 4 * number), ("awaddr", 4 * number), ("wdata", value or 0), ("wstrb", 15)):
            ctx.set(port(name), given)
        ctx.set(port(f"{answer}ready"), 1)
        for _ in range(60):
            for channel in ("ar", "aw", "w"):
                ctx.set(port(f"{channel}valid"), channel in channels)
            channels = [channel for channel in channels if not ctx.get(port(f"{channel}ready"))]
            found = ctx.get(port(f"{answer}valid")), ctx.get(port(f"{answer}resp")) == 0, ctx.get(port("rdata"))
            await self.cycle(ctx)
            if found[0]:
                ctx.set(port(f"{answer}ready"), 0)
                return found[1:]
        raise AssertionError("no answer")


class WishboneBus(Bus):
    """Wishbone."""

    def move(self, ctx) -> None:
        design = self.design
        for name in ("ack", "err"):
            ctx.set(getattr(design, f"m_wb_{name}"), 0)
        if ctx.get(design.m_wb_cyc) and ctx.get(design.m_wb_stb) and self.goes():
            address = ctx.get(design.m_wb_adr) * self.beat
            if ctx.get(design.m_wb_we):
                bad = self.write(address, ctx.get(design.m_wb_dat_w), ctx.get(design.m_wb_sel))
            else:
                value, bad = self.read(address)
                ctx.set(design.m_wb_dat_r, value)
            ctx.set(design.m_wb_err if bad else design.m_wb_ack, 1)

    async def access(self, ctx, number: int, value: int | None = None) -> tuple[bool, int]:
        def port(name: str):
            return getattr(self.design, f"s_wb_{name}")

        given = {"adr": number, "dat_w": value or 0, "sel": 15, "we": value is not None, "cyc": 1, "stb": 1}
        for name, what in given.items():
            ctx.set(port(name), what)
        for _ in range(60):
            good, bad, read = ctx.get(port("ack")), ctx.get(port("err")), ctx.get(port("dat_r"))
            await self.cycle(ctx)
            if good or bad:
                ctx.set(port("cyc"), 0)
                ctx.set(port("stb"), 0)
                await self.cycle(ctx)
                return bool(good), read
        raise AssertionError("no answer")


FRONTS = {"axi": (AXIAccelerator, AXIBus), "wishbone": (WishboneAccelerator, WishboneBus)}


@pytest.mark.parametrize("bus_clock", [False, True], ids=["one clock", "two clocks"])
@pytest.mark.parametrize("link", FRONTS)
def test_a_product_and_what_the_bus_refuses_at_the_highest_addresses(link, bus_clock):
    """After a reset in the middle of a list, where they have one of their own."""
    front, kind = FRONTS[link]
    config = small(link=link, requantize=False, bus_clock=bus_clock)
    design, random = front(config), np.random.default_rng(0)
    bus = kind(design)
    x, w = random.integers(0, 256, (2, 6), np.uint8), random.integers(-128, 128, (6, 2), np.int8)
    plan = Plan(x, w, config, config.array.pe.threads)
    maker = ListPlan(plan, config.array.pe.threads, DATA)
    listed, golden = maker.listed(), matmul(x, w, config.array.pe).sums
    scale = dict.fromkeys(("requantize", "double", "channel", "zero_point", "low", "high"), 0)
    tile = {"m_tiles": 1, "n_tiles": 1, "rows": 1, "cols": 1, "pitch": 4}
    write = packed_command(config, ListOpcode.WRITE, target=0, address=BASE + REFUSED, beats=1, first=0)
    read = packed_command(config, ListOpcode.READ, address=BASE + SIZE - 4, **tile, **scale)

    async def device(ctx) -> None:
        while True:
            await ctx.delay(3.7e-7)
            ctx.set(design.core_clk, ~ctx.get(design.core_clk) & 1)

    resets = getattr(design, "aresetn", getattr(design, "rst", None))

    async def reset(ctx) -> None:
        ctx.set(resets, link == "wishbone")
        await bus.cycle(ctx)
        ctx.set(resets, link == "axi")

    async def testbench(ctx) -> None:
        nonlocal bus
        if resets is not None:
            await reset(ctx)
        assert await bus.access(ctx, NUMBERS["magic"]) == (True, MAGIC)
        bus.memory[DATA - BASE :][: len(listed.data)] = listed.data
        if resets is not None:
            # A list is on its way when the reset comes, an access waits for its end.
            bus.memory[LIST - BASE :][: len(listed.commands[0])] = np.frombuffer(listed.commands[0], np.uint8)
            for name, value in (("list_address", LIST), ("list_commands", 1)):
                assert (await bus.access(ctx, number_of(name), value))[0]
            for _ in range(20):
                await bus.cycle(ctx)
            await reset(ctx)
            bus = kind(design, bus.memory)
            assert await bus.access(ctx, number_of("list_address")) == (True, 0)
        assert await bus.ends(ctx, listed.commands) == (ListError.NONE, len(listed.commands))
        at = listed.results - BASE
        np.testing.assert_array_equal(maker.outputs(bus.memory, at, w.shape[1]), golden)
        assert not bus.memory[listed.end - BASE : REFUSED].any()
        assert await bus.ends(ctx, [write]) == (ListError.BUS_READ, 0)
        assert await bus.ends(ctx, [read]) == (ListError.BUS_WRITE, 0)

    simulator = Simulator(design)
    if bus.edge is None:
        simulator.add_clock(PERIOD)
    simulator.add_testbench(testbench)
    if bus_clock:
        simulator.add_testbench(device, background=True)
    simulator.run()
