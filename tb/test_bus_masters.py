# SPDX-License-Identifier: Apache-2.0
"""Masters and registers of buses in Amaranth's own simulator, against memories and hosts that pause and refuse."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from sysmt.hdl.bus import axi_lite, axi_master, wishbone_master, wishbone_registers

from .accel import simulate
from .bus_ends import (
    BEAT,
    BURSTS,
    WIDTH,
    ReadMemory,
    Requests,
    Sink,
    Source,
    WishboneMemory,
    WriteMemory,
    beats_of,
    played,
    refused,
    word_at,
)
from .mutants import one_bug_per_component, seeded_bug

PAUSES = (0.0, 0.4)


def write_beats(random) -> list[tuple[int, int]]:
    return [(word_at(address) ^ 1, int(random.integers(1, 16))) for address in beats_of(BURSTS)]


READ = [(word_at(address), int(refused(address))) for address in beats_of(BURSTS)]


def axi_reads(pause: float) -> None:
    random, dut = np.random.default_rng(1), axi_master.AXIReader(WIDTH)
    sink = Sink(dut.o, random, pause)
    parts = [Requests(dut.i, random, pause), sink, ReadMemory(dut, random, pause)]
    played(dut, parts, lambda ctx: len(sink.taken) >= len(READ))
    assert sink.taken == READ


def axi_writes(pause: float) -> None:
    random, dut = np.random.default_rng(2), axi_master.AXIWriter(WIDTH)
    beats, memory = write_beats(random), WriteMemory(dut, random, pause)
    given = Source(dut.i_beats, [{"data": value, "strb": strobe} for value, strobe in beats], random, pause)
    orders = Requests(dut.i, random, pause)
    played(dut, [orders, given, memory], lambda ctx: not given.left and bool(ctx.get(dut.idle)))
    assert memory.written == dict(zip(beats_of(BURSTS), beats, strict=True))
    assert memory.refused == memory.told > 0


def wishbone_moves(pause: float) -> None:
    random, dut = np.random.default_rng(4), wishbone_master.WishboneMaster(WIDTH)
    beats, memory, sink = write_beats(random), WishboneMemory(dut, random, pause), Sink(dut.o_read, random, pause)
    given = Source(dut.i_beats, [{"data": value, "strb": strobe} for value, strobe in beats], random, pause)
    orders = [Requests(stream, random, pause) for stream in (dut.i_read, dut.i_write)]

    def done(ctx) -> bool:
        idle = not orders[1].left and not ctx.get(dut.i_write.valid) and bool(ctx.get(dut.idle))
        assert not idle or len(memory.written) == len(beats), "idle before all is written"
        return idle and len(sink.taken) >= len(READ)

    played(dut, [*orders, given, sink, memory], done)
    assert sink.taken == READ
    assert memory.written == dict(zip(beats_of(BURSTS), beats, strict=True))
    assert memory.refused == memory.told > 0


def registers(kind: type, access: Callable) -> None:
    """Reads and writes of a host, right and wrong ones, against registers 3 (writable), 5 and none."""
    random, dut = np.random.default_rng(3), kind()
    content, writes = {3: 0, 5: 0x1234}, []
    port = dut.port

    async def device(ctx):
        past = [None, None]
        while True:
            number = ctx.get(port.number)
            ctx.set(port.known, number in content)
            ctx.set(port.writable, number == 3)
            if ctx.get(port.write):
                writes.append((number, ctx.get(port.data)))
                content[number] = ctx.get(port.data)
            # As late as it may be.
            ctx.set(port.value, content.get(past[0], 0))
            past = [past[1], number]
            await ctx.tick()

    async def testbench(ctx):
        done = []
        for _ in range(60):
            number = int(random.choice([3, 3, 5, 9]))
            if random.random() < 0.5:
                value, strobe = int(random.integers(1 << 32)), int(random.choice([15, 15, 7]))
                good = number == 3 and strobe == 15
                assert await access(ctx, dut, random, 4 * number, value, strobe) == (good, None)
                done += [(number, value)] if good else []
            else:
                got = await access(ctx, dut, random, 4 * number, None, 15)
                assert got == (number in content, content.get(number, 0)) or (number == 9 and not got[0])
        assert writes == done

    simulate(dut, testbench, device)


async def lite_access(ctx, dut, random, address: int, value: int | None, strobe: int) -> tuple[bool, int | None]:
    bus = dut.bus
    channels = ["aw", "w"] if value is not None else ["ar"]
    answer = "b" if value is not None else "r"
    ctx.set(bus.awaddr, address)
    ctx.set(bus.araddr, address)
    ctx.set(bus.wdata, value or 0)
    ctx.set(bus.wstrb, strobe)
    for _ in range(100):
        for channel in channels:
            if random.random() < 0.6:
                ctx.set(getattr(bus, f"{channel}valid"), 1)
        ctx.set(getattr(bus, f"{answer}ready"), random.random() < 0.5)
        valid = {c for c in channels if ctx.get(getattr(bus, f"{c}valid"))}
        gone = {c for c in valid if ctx.get(getattr(bus, f"{c}ready"))}
        ended = ctx.get(getattr(bus, f"{answer}valid")) and ctx.get(getattr(bus, f"{answer}ready"))
        found = (ctx.get(getattr(bus, f"{answer}resp")) == 0, None if value is not None else ctx.get(bus.rdata))
        await ctx.tick()
        for channel in gone:
            ctx.set(getattr(bus, f"{channel}valid"), 0)
        channels = [c for c in channels if c not in gone]
        if ended:
            assert not channels, "answered before it was asked"
            ctx.set(getattr(bus, f"{answer}ready"), 0)
            return found
    raise AssertionError("no answer")


async def wishbone_access(ctx, dut, random, address: int, value: int | None, strobe: int) -> tuple[bool, int | None]:
    bus = dut.bus
    for name, given in (("adr", address // 4), ("dat_w", value or 0), ("sel", strobe), ("we", value is not None)):
        ctx.set(getattr(bus, name), given)
    ctx.set(bus.cyc, 1)
    ctx.set(bus.stb, 1)
    for _ in range(20):
        good, bad = ctx.get(bus.ack), ctx.get(bus.err)
        assert not (good and bad)
        found = bool(good), None if value is not None else ctx.get(bus.dat_r)
        await ctx.tick()
        if good or bad:
            ctx.set(bus.cyc, 0)
            ctx.set(bus.stb, 0)
            await ctx.tick().repeat(int(random.integers(1, 3)))
            return found
    raise AssertionError("no answer")


def lite() -> None:
    registers(axi_lite.AXILiteRegisters, lite_access)


def classic() -> None:
    registers(wishbone_registers.WishboneRegisters, wishbone_access)


@pytest.mark.parametrize("kind", [axi_master.AXIReader, axi_master.AXIWriter])
def test_so_many_bursts_are_on_their_way_while_nothing_is_answered_and_no_more(kind):
    dut, taken = kind(WIDTH), []
    writes = kind is axi_master.AXIWriter
    valid, ready = (dut.awvalid, dut.awready) if writes else (dut.arvalid, dut.arready)

    async def bench(ctx):
        given = (ready, dut.i.valid, *((dut.wready, dut.i_beats.valid) if writes else (dut.o.ready,)))
        for port in given:
            ctx.set(port, 1)
        address = 0x80000000
        for answered in range(3):
            for _ in range(10 * axi_master.OUTSTANDING):
                ctx.set(dut.i.payload, {"address": address, "beats": 1})
                address += BEAT * bool(ctx.get(dut.i.ready))
                if ctx.get(valid):
                    taken.append(ctx.get(dut.awaddr if writes else dut.araddr))
                assert not writes or not taken or not ctx.get(dut.idle)
                await ctx.tick()
            assert len(taken) == axi_master.OUTSTANDING + answered
            for port in (dut.bvalid,) if writes else (dut.rvalid, dut.rlast):
                ctx.set(port, 1)
            ctx.set(ready, 0)
            await ctx.tick()
            ctx.set(ready, 1)
            ctx.set(dut.bvalid if writes else dut.rvalid, 0)

    simulate(dut, bench)
    assert taken == [0x80000000 + BEAT * i for i in range(len(taken))]


def test_lite_reads_and_writes_take_turns_when_both_wait():
    """Whichever comes first; alone, either goes on without the other."""
    dut, order = axi_lite.AXILiteRegisters(), []
    bus, port = dut.bus, dut.port

    async def cycle(ctx):
        # A write is told by its address and data being taken, a read by its address.
        for name, ready, number in (("write", bus.awready, 3), ("read", bus.arready, 5)):
            if ctx.get(ready) and ctx.get(bus.awvalid if name == "write" else bus.arvalid):
                order.append(name)
                if name == "write":
                    assert ctx.get(bus.wready)
                    assert (ctx.get(port.number), ctx.get(port.write), ctx.get(port.data)) == (number, 1, 77)
        if ctx.get(bus.rvalid):
            assert ctx.get(port.number) == 5, "a write took the place of the register that is read"
        await ctx.tick()

    async def bench(ctx):
        values = {"awaddr": 12, "araddr": 20, "wdata": 77, "wstrb": 15, "bready": 1, "rready": 1}
        for name, value in values.items():
            ctx.set(getattr(bus, name), value)
        ctx.set(port.writable, 1)
        ctx.set(port.known, 1)
        for writes, reads, cycles in ((1, 1, 28), (1, 0, 12), (1, 1, 28), (0, 1, 20), (1, 1, 28)):
            order.clear()
            for name, value in (("awvalid", writes), ("wvalid", writes), ("arvalid", reads)):
                ctx.set(getattr(bus, name), value)
            for _ in range(cycles):
                await cycle(ctx)
            assert len(order) >= 3
            assert set(order) == {name for name, there in (("write", writes), ("read", reads)) if there}
            if writes and reads:
                assert all(a != b for a, b in pairwise(order)), order

    simulate(dut, bench)


def test_what_the_master_of_another_slave_does_is_no_access():
    """Wishbone: an access needs `cyc` and `stb`; one that is given up in time writes nothing."""
    dut = wishbone_registers.WishboneRegisters()
    bus, port = dut.bus, dut.port

    async def bench(ctx):
        for name, value in (("adr", 3), ("dat_w", 77), ("sel", 15), ("we", 1)):
            ctx.set(getattr(bus, name), value)
        ctx.set(port.writable, 1)
        ctx.set(port.known, 1)
        # Of cyc and stb: one alone, and both for one cycle only.
        for first, later in (((1, 0), (1, 0)), ((0, 1), (0, 1)), ((1, 1), (1, 0)), ((1, 1), (0, 1))):
            for cyc, stb in (first, *[later] * 6):
                ctx.set(bus.cyc, cyc)
                ctx.set(bus.stb, stb)
                assert not ctx.get(port.write)
                assert not ctx.get(bus.ack)
                assert first == (1, 1) or not ctx.get(bus.err)
                await ctx.tick()

    simulate(dut, bench)


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("scenario", [axi_reads, axi_writes, wishbone_moves], ids=lambda scenario: scenario.__name__)
def test_masters_move_every_beat_and_report_every_error(scenario, pause):
    scenario(pause)


@pytest.mark.parametrize("scenario", [lite, classic], ids=lambda scenario: scenario.__name__)
def test_registers_answer_every_access_and_refuse_the_wrong_ones(scenario):
    scenario()


@one_bug_per_component(
    ("module", "component", "right", "wrong", "scenario"),
    [
        ("axi_master", "AXISplitter", "LONGEST - address[size : size + places]", "LONGEST", axi_reads),
        ("axi_master", "AXISplitter", "left.eq(left - beats)", "left.eq(left - LONGEST)", axi_reads),
        ("axi_master", "AXIReader", "self.rresp[AXI_ERROR]", "0", axi_reads),
        ("axi_master", "AXIReader", "free = flying != OUTSTANDING", "free = flying != 15", axi_reads),
        ("axi_master", "AXIWriter", "self.wlast.eq(left == 1)", "self.wlast.eq(left == 2)", axi_writes),
        ("axi_master", "AXIWriter", "splitter.i.ready & (flying == 0)", "splitter.i.ready", axi_writes),
        ("axi_master", "AXIWriter", "with m.If(self.awready):", "with m.If(self.wready):", axi_writes),
        ("axi_lite", "AXILiteRegisters", "port.write.eq(whole & port.writable)", "port.write.eq(port.writable)", lite),
        ("axi_lite", "AXILiteRegisters", "Mux(port.known, 0, SLVERR)", "0", lite),
        ("wishbone_registers", "WishboneRegisters", "bus.sel.all() & port.writable", "port.writable", classic),
        ("axi_lite", "AXILiteRegisters", 'm.next = "wait"', 'm.next = "value"', lite),
        ("wishbone_registers", "WishboneRegisters", "bus.ack.eq(port.known)", "bus.ack.eq(1)", classic),
        ("wishbone_master", "WishboneMaster", "self.idle.eq(left[1] == 0)", "self.idle.eq(1)", wishbone_moves),
        (
            "wishbone_master",
            "WishboneMaster",
            "Mux(last, CTI_END, CTI_INCREMENTING)",
            "CTI_INCREMENTING",
            wishbone_moves,
        ),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong, scenario):
    with seeded_bug(f"sysmt.hdl.bus.{module}", component, right, wrong), pytest.raises(AssertionError):
        scenario(*([0.4] if scenario in (axi_reads, axi_writes, wishbone_moves) else []))
