# SPDX-License-Identifier: Apache-2.0
"""Ends of buses in Amaranth's own simulator: hosts and memories that pause, refuse, and check what they are given."""

from collections.abc import Callable

from sysmt.hdl.bus.axi_master import LONGEST, OUTSTANDING
from sysmt.hdl.bus.wishbone_master import LONGEST as WISHBONE_LONGEST

from .accel import simulate

WIDTH, BEAT = 32, 4
PAGE = 4096
BURSTS = [(0x0FF0, 8), (0x2400, 1), (0x1F04, 200), (0x3FFC, 2), (0x5000, 64), (0x60FC, 65), (0x8000, 1), (0x8004, 3)]
"""Addresses and beats: at and across borders of 4 KiB, shorter and longer than a burst."""
LIMIT = 20_000


def word_at(address: int) -> int:
    return address * 2654435761 & 0xFFFFFFFF


def refused(address: int) -> bool:
    return address % 64 == 20


def beats_of(bursts) -> list[int]:
    return [address + BEAT * i for address, count in bursts for i in range(count)]


class Source:
    """Offers payloads on a stream, pausing; what was offered stays."""

    def __init__(self, stream, payloads: list[dict[str, int]], random, pause: float):
        self.stream, self.left, self.random, self.pause = stream, list(payloads), random, pause

    def drive(self, ctx) -> None:
        offers = bool(self.left) and (ctx.get(self.stream.valid) or self.random.random() >= self.pause)
        ctx.set(self.stream.valid, offers)
        if offers:
            for name, value in self.left[0].items():
                ctx.set(getattr(self.stream.payload, name), value)

    def sample(self, ctx) -> None:
        if ctx.get(self.stream.valid) and ctx.get(self.stream.ready):
            self.left.pop(0)
            self.taken = True
        else:
            self.taken = False

    def advance(self, ctx) -> None:
        if self.taken:
            ctx.set(self.stream.valid, 0)


class Sink:
    """Takes beats that were read. It pauses, but once ready stays so until there is a beat, as the master asks for."""

    def __init__(self, stream, random, pause: float):
        self.stream, self.random, self.pause = stream, random, pause
        self.ready, self.taken = False, []

    def drive(self, ctx) -> None:
        self.ready = self.ready or self.random.random() >= self.pause
        ctx.set(self.stream.ready, self.ready)

    def sample(self, ctx) -> None:
        if self.ready and ctx.get(self.stream.valid):
            self.taken.append((ctx.get(self.stream.payload.data), ctx.get(self.stream.payload.error)))
            self.ready = False

    def advance(self, ctx) -> None:
        pass


class Requests(Source):
    """The bursts, one after the other."""

    def __init__(self, stream, random, pause: float):
        super().__init__(stream, [{"address": a, "beats": n} for a, n in BURSTS], random, pause)


def played(dut, parts: list, done: Callable) -> None:
    """Let every part drive, then look, once a cycle, until `done` and a while longer."""

    async def testbench(ctx):
        over = 0
        for _ in range(LIMIT):
            for part in parts:
                part.drive(ctx)
            for part in parts:
                part.sample(ctx)
            over += bool(over or done(ctx))
            if over > 20:
                return
            await ctx.tick()
            for part in parts:
                part.advance(ctx)
        raise AssertionError("it does not end")

    simulate(dut, testbench)


def legal(address: int, count: int) -> None:
    assert 1 <= count <= LONGEST
    assert address // PAGE == (address + BEAT * count - 1) // PAGE, "a burst crosses 4 KiB"


class Offer:
    """What was offered must stay until it is taken."""

    def __init__(self):
        self.waits = None

    def check(self, now: tuple | None, taken: bool) -> None:
        assert self.waits is None or now == self.waits, "what was offered changed before it was taken"
        self.waits = None if taken else now


class ReadMemory:
    """The channels AR and R."""

    def __init__(self, dut, random, pause: float):
        self.dut, self.random, self.pause = dut, random, pause
        self.waiting: list[list[int]] = []
        self.offer = Offer()

    def drive(self, ctx) -> None:
        dut = self.dut
        ctx.set(dut.arready, self.random.random() >= self.pause)
        if not ctx.get(dut.rvalid) and self.waiting and self.random.random() >= self.pause:
            address = self.waiting[0][0]
            ctx.set(dut.rdata, word_at(address))
            ctx.set(dut.rresp, 2 * refused(address))
            ctx.set(dut.rlast, len(self.waiting[0]) == 1)
            ctx.set(dut.rvalid, 1)

    def sample(self, ctx) -> None:
        dut = self.dut
        now = (ctx.get(dut.araddr), ctx.get(dut.arlen)) if ctx.get(dut.arvalid) else None
        taken = now is not None and bool(ctx.get(dut.arready))
        self.offer.check(now, taken)
        self.gone = bool(ctx.get(dut.rvalid) and ctx.get(dut.rready))
        if taken:
            legal(now[0], now[1] + 1)
            assert (ctx.get(dut.arsize), ctx.get(dut.arburst)) == (2, 1)
            self.waiting.append(beats_of([(now[0], now[1] + 1)]))
            assert len(self.waiting) <= OUTSTANDING

    def advance(self, ctx) -> None:
        if self.gone:
            ctx.set(self.dut.rvalid, 0)
            self.waiting[0].pop(0)
            if not self.waiting[0]:
                self.waiting.pop(0)


class WriteMemory:
    """The channels AW, W and B; it answers late, and now and then lets one channel wait for the other."""

    def __init__(self, dut, random, pause: float):
        self.dut, self.random, self.pause = dut, random, pause
        self.addresses: list[tuple[int, int]] = []
        self.data: list[tuple[int, int, int]] = []
        self.answers: list[bool] = []
        self.written: dict[int, tuple[int, int]] = {}
        self.flying = self.refused = self.told = 0
        self.offers = Offer(), Offer()

    def drive(self, ctx) -> None:
        dut = self.dut
        waits = self.pause > 0 and not ctx.get(dut.wvalid) and self.random.random() < 0.5
        ctx.set(dut.awready, self.random.random() >= self.pause and not waits)
        ctx.set(dut.wready, self.random.random() >= self.pause)
        if not ctx.get(dut.bvalid) and self.answers and self.random.random() >= self.pause:
            ctx.set(dut.bvalid, 1)
            ctx.set(dut.bresp, 2 * self.answers.pop(0))

    def sample(self, ctx) -> None:
        dut = self.dut
        now = (ctx.get(dut.awaddr), ctx.get(dut.awlen)) if ctx.get(dut.awvalid) else None
        beat = (ctx.get(dut.wdata), ctx.get(dut.wstrb), ctx.get(dut.wlast)) if ctx.get(dut.wvalid) else None
        for offer, what, ready in ((self.offers[0], now, dut.awready), (self.offers[1], beat, dut.wready)):
            offer.check(what, what is not None and bool(ctx.get(ready)))
        self.told += ctx.get(dut.error)
        assert not (ctx.get(dut.idle) and self.flying), "idle before the memory has answered"
        self.gone = bool(ctx.get(dut.bvalid) and ctx.get(dut.bready))
        if now and ctx.get(dut.awready):
            legal(now[0], now[1] + 1)
            self.addresses.append((now[0], now[1] + 1))
            self.flying += 1
            assert self.flying <= OUTSTANDING
        if beat and ctx.get(dut.wready):
            self.data.append(beat)
        while self.addresses and len(self.data) >= self.addresses[0][1]:
            address, count = self.addresses.pop(0)
            bad = False
            for i, at in enumerate(beats_of([(address, count)])):
                value, strobe, last = self.data.pop(0)
                assert last == (i == count - 1)
                self.written[at] = value, strobe
                bad |= refused(at)
            self.answers.append(bad)
            self.refused += bad

    def advance(self, ctx) -> None:
        if self.gone:
            ctx.set(self.dut.bvalid, 0)
            self.flying -= 1


class WishboneMemory:
    """Answers in the cycle in which it is asked, or later."""

    def __init__(self, dut, random, pause: float):
        self.dut, self.random, self.pause = dut, random, pause
        self.written: dict[int, tuple[int, int]] = {}
        self.refused = self.told = 0
        self.offer, self.burst = Offer(), None

    def drive(self, ctx) -> None:
        bus = self.dut.bus
        address = ctx.get(bus.adr) * BEAT
        answers = ctx.get(bus.cyc) and ctx.get(bus.stb) and self.random.random() >= self.pause
        ctx.set(bus.dat_r, word_at(address))
        ctx.set(bus.ack, bool(answers and not refused(address)))
        ctx.set(bus.err, bool(answers and refused(address)))

    def sample(self, ctx) -> None:
        bus = self.dut.bus
        now = (ctx.get(bus.adr), ctx.get(bus.we)) if ctx.get(bus.cyc) and ctx.get(bus.stb) else None
        answered = bool(ctx.get(bus.ack) or ctx.get(bus.err))
        self.offer.check(now, answered)
        self.told += ctx.get(self.dut.error)
        if now is not None and not now[1]:
            assert ctx.get(bus.sel) == (1 << BEAT) - 1, "a read leaves bytes out"
        if self.burst is not None:
            assert ctx.get(bus.cyc), "a burst ends without its last word"
            assert now is None or now == self.burst, "a burst does not go on"
        if answered:
            address, writes = now
            if writes:
                self.written[address * BEAT] = ctx.get(bus.dat_w), ctx.get(bus.sel)
                self.refused += ctx.get(bus.err)
            assert ctx.get(bus.cti) in (2, 7)
            self.burst = (address + 1, writes) if ctx.get(bus.cti) == 2 else None
            assert self.burst is None or (address + 1) % WISHBONE_LONGEST, "a burst goes on beyond its block"

    def advance(self, ctx) -> None:
        ctx.set(self.dut.bus.ack, 0)
        ctx.set(self.dut.bus.err, 0)
