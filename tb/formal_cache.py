# SPDX-License-Identifier: Apache-2.0
"""Harnesses for proofs about the null cache and the sparse cache, seen from one line that the solver may choose."""

from amaranth.hdl import Assert, Assume, Cat, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from sysmt.hdl.nullcache.cache import SparseCache
from sysmt.hdl.nullcache.nullcache import NullCache, State
from sysmt.hdl.nullcache.ports import Request
from sysmt.hdl.params.cache import CacheConfig


def constant(m: Module, signal: Signal) -> None:
    """Let the solver choose `signal` once and for all; there is no further reset."""
    m.submodules += Instance("$anyconst", p_WIDTH=len(signal), o_Y=signal)
    m.d.comb += Assume(~ResetSignal())


class NullCacheHarness(wiring.Component):
    """What the null cache says about one line, under every legal use of it.

    Proved, by induction, for runs of any length: entries never overlap; the line is claimed only after an insertion
    and until a removal of that very line; and as long as nothing was given up it is claimed. So a merge covers exactly
    the union of its parts, and a split exactly what was covered but for the removed line.
    The other assertions are what makes the step inductive.
    """

    def __init__(self, config: CacheConfig):
        self.config = config
        bits = config.line_bits
        super().__init__({"line": In(bits), "touch": In(1), "insert": In(1), "remove": In(1)})
        self.watched = Signal(bits)

    def elaborate(self, platform):
        m = Module()
        m.submodules.null = null = NullCache(self.config)
        constant(m, self.watched)
        m.d.comb += [
            null.line.eq(self.line),
            null.touch.eq(self.touch),
            null.insert.eq(self.insert),
            null.remove.eq(self.remove),
        ]
        busy, inserting, line = Signal(), Signal(), Signal.like(self.line)
        # With `admit` an insertion does not last: it happens at once or never.
        lasting = self.remove if self.config.null.admit else self.insert | self.remove
        m.d.sync += [
            busy.eq(lasting & ~null.done),
            inserting.eq(self.insert),
            line.eq(self.line),
        ]
        m.d.comb += [
            Assume(~(self.insert & self.remove)),
            Assume(~(self.touch & (self.insert | self.remove))),
            # A command stays until it is done; only lines that are not covered enter, only those that are leave.
            Assume(~busy | ((self.insert == inserting) & (self.remove == ~inserting) & (self.line == line))),
            Assume(busy | ~self.insert | ~null.hit),
            Assume(busy | ~self.remove | null.hit),
        ]
        self._coverage(m, null, busy)
        self._invariants(m, null, busy, inserting)
        return m

    def _coverage(self, m, null, busy) -> None:
        """What is claimed of the watched line, against what was asked for."""
        inside, excused, claimed, pending = Signal(), Signal(), Signal(), Signal()
        with m.If((self.line == self.watched) & null.done):
            m.d.sync += inside.eq(self.insert)
        with m.If(null.lossy):
            m.d.sync += excused.eq(1)
        entries = range(self.config.null.entries)
        m.d.comb += [
            claimed.eq(Cat(_covers(null.tcam, i, self.watched) for i in entries).any()),
            # The line that is being removed, and those whose piece is still to be written.
            pending.eq((null.state == State.SPLIT) & (((self.line ^ self.watched) & ~null.mask) == 0)),
            Assert(~(claimed | pending) | inside),
            Assert(claimed | ~inside | excused | pending),
            Assert(~(claimed & pending)),
        ]

    def _invariants(self, m, null, busy, inserting) -> None:
        tcam, entries = null.tcam, range(self.config.null.entries)
        for i in entries:
            m.d.comb += Assert(~tcam.valid[i] | (null.orders[i] == _ones(tcam.masks[i])))
            for j in entries[:i]:
                apart = (tcam.values[i] ^ tcam.values[j]) & ~tcam.masks[i] & ~tcam.masks[j]
                m.d.comb += Assert(~(tcam.valid[i] & tcam.valid[j]) | (apart != 0))
        merging, splitting = null.state == State.MERGE, null.state == State.SPLIT
        m.d.comb += Assert(~(merging | splitting) | (null.mask_order == _ones(null.mask)))
        m.d.comb += Assert(~merging | (_ones(null.bit) == 1))
        m.d.comb += Assert(~merging | (_ones(null.slot) == 1))
        for i in entries:
            same = (tcam.masks[i] == null.mask) & (((tcam.values[i] ^ null.value) & ~null.mask) == 0)
            m.d.comb += Assert(~(merging & null.slot[i]) | (tcam.valid[i] & same))
            # Nothing of what is left to split is covered.
            free = ((tcam.values[i] ^ self.line) & ~tcam.masks[i] & ~null.mask) != 0
            m.d.comb += Assert(~(splitting & tcam.valid[i]) | free)
        m.d.comb += [
            Assert(~splitting | (busy & ~inserting & (null.mask != 0))),
            Assert(~(busy & inserting) | ~null.hit),
        ]
        if not self.config.null.admit:
            # Nothing leaves in the background.
            m.d.comb += [
                Assert(~(busy & ~inserting & ~splitting) | null.hit),
                Assert((null.state != State.VICTIM) | (busy & inserting)),
            ]


class SparseCacheHarness(wiring.Component):
    """What loads of one line return, with any core and any memory that keeps to AXI4 and refuses nothing.

    Proved, for bounded runs: every load returns what was stored last, hence the null cache claims the line only while
    it is zero; no line is in both caches.
    """

    def __init__(self, config: CacheConfig):
        if config.words != 1:
            raise ValueError(f"line must be one word, not {config.words}")
        self.config = config
        super().__init__(
            {
                "valid": In(1),
                "request": In(Request(config.addr_width)),
                "take": In(1),
                "take_store": In(1),
                "give_r": In(1),
                "give_b": In(1),
                "other": In(32),
            }
        )
        self.watched, self.start = Signal(config.line_bits), Signal(32)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.cache = cache = SparseCache(config)
        axi = cache.axi
        constant(m, self.watched)
        constant(m, self.start)
        offered, before = Signal(), Signal.like(self.request)
        m.d.sync += [offered.eq(self.valid & ~cache.i.ready), before.eq(self.request)]
        m.d.comb += [
            Assume(~offered | (self.valid & (self.request.as_value() == before.as_value()))),
            cache.i.valid.eq(self.valid),
            cache.i.payload.eq(self.request),
            cache.o.ready.eq(self.take),
            cache.o_stores.ready.eq(self.take_store),
        ]

        # What the line holds: in the eyes of the core, and in memory, where a store arrives when it is answered.
        begun = Signal()
        held, stored = Signal(32), Signal(32)
        write_addr, write_data, write_strobe, writing = Signal(32), Signal(32), Signal(4), Signal()
        reading, read_addr = Signal(), Signal(32)
        m.d.sync += begun.eq(1)
        mine = self.request.addr[config.offset_bits :] == self.watched
        wanted, asked = Signal(32), Signal()
        with m.If(~begun):
            m.d.sync += [held.eq(self.start), stored.eq(self.start)]
        with m.If(cache.i.valid & cache.i.ready):
            m.d.sync += [asked.eq(mine & ~self.request.write), wanted.eq(held)]
            with m.If(mine & self.request.write):
                m.d.sync += held.eq(_merged(held, self.request.data, self.request.strobe))
        m.d.comb += [
            axi.arready.eq(~reading),
            axi.rvalid.eq(reading & self.give_r),
            axi.rlast.eq(1),
            axi.rdata.eq(Mux(read_addr >> config.offset_bits == self.watched, stored, self.other)),
            axi.awready.eq(~writing & axi.awvalid & axi.wvalid),
            axi.wready.eq(~writing & axi.awvalid & axi.wvalid),
            axi.bvalid.eq(writing & self.give_b),
        ]
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += [reading.eq(1), read_addr.eq(axi.araddr)]
        with m.Elif(axi.rvalid & axi.rready):
            m.d.sync += reading.eq(0)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [
                writing.eq(1),
                write_addr.eq(axi.awaddr),
                write_data.eq(axi.wdata),
                write_strobe.eq(axi.wstrb),
            ]
        with m.Elif(axi.bvalid & axi.bready):
            m.d.sync += writing.eq(0)
            with m.If(write_addr >> config.offset_bits == self.watched):
                m.d.sync += stored.eq(_merged(stored, write_data, write_strobe))
        m.d.comb += Assert(~cache.in_both)
        with m.If(cache.o.valid & asked):
            m.d.comb += Assert(cache.o.payload.data == wanted)
        return m


def _covers(tcam, i, line):
    """Whether entry `i` covers `line`."""
    return tcam.valid[i] & (((tcam.values[i] ^ line) & ~tcam.masks[i]) == 0)


def _ones(vector):
    """How many bits are set."""
    return sum(vector[i] for i in range(len(vector)))


def _merged(word, new, strobe):
    """`word` with the bytes of `new` that `strobe` chooses."""
    lanes = (Mux(strobe[b], new[8 * b : 8 * b + 8], word[8 * b : 8 * b + 8]) for b in range(4))
    return Cat(*lanes)
