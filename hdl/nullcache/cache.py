# SPDX-License-Identifier: Apache-2.0
"""The data cache with the null cache beside it."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.bus.axi import AXI4, AXI_ERROR, AXI_INCR, axi_size
from sysmt.hdl.params.cache import WORD_BYTES, CacheConfig

from .detector import ZeroCollector, ZeroDetector
from .nullcache import NullCache
from .ports import CacheCounters, Request, Response
from .storage import Storage
from .writebuffer import WriteBuffer

# Between the cache and its null side: the access hits, an insertion or removal is done; a store makes its line enter
# or leave; the fetched line is zero; and back: the hit is used, a store is done, a store was refused, the line is to
# enter in this cycle or never.
NULL_SIDE = wiring.Signature(
    {name: Out(1) for name in ("hit", "done", "enters", "leaves", "fetched_zero", "touch", "note", "forget", "offer")}
)


class State(enum.Enum):
    """What the cache does with the access it holds."""

    CLEAR = 0  # after reset: no line is valid
    LOOKUP = 1
    ADDRESS = 2  # a miss: the address is being sent
    FETCH = 3  # the line is coming
    FINISH = 4  # the line is there
    INSERT = 5  # into the null cache
    REMOVE = 6  # out of the null cache
    FIND_REFUSED = 7  # a store was refused by memory: its line is looked for ...
    PURGE = 8  # ... taken out of the data cache ...
    PURGE_NULL = 9  # ... and of the null cache
    REPLAY = 10  # the access that had to wait for the purge is read again


class SparseCache(wiring.Component):
    """Write-through data cache without write allocation, and a null cache that keeps zero lines out of it.

    Both are looked up in parallel. A line is never in both: a line that arrives and is zero goes to the null cache
    instead of replacing data; a line in the data cache that stores make zero moves over; a line that is filled with
    zeros by consecutive stores is taken in without ever being read; a non-zero store to a covered line removes it.

    Parameters
    ----------
    config : CacheConfig
        Geometry, and the null cache or None.

    Members
    -------
    i : In(stream of Request)
        Accesses.
    o : Out(stream of Response)
        One item per load, in order.
    o_stores : Out(stream of error)
        One item per store, in order, once memory has answered: 1 when it refused. The line is then in no cache.
    axi : Out(AXI4)
        Lines are read as INCR bursts, words are written one by one.
    counters : Out(CacheCounters)
        See there.

    Latency
    -------
    Accepts one access per cycle; a hit, in either cache, answers in the cycle after it was accepted. A store is done in
    that cycle when the write buffer has room. A miss answers `config.miss_cycles` later when memory answers a line in
    `config.memory_cycles`. `tb.references.nullcache` has the exact rules. After reset, `config.sets` cycles pass before
    the first access is accepted.

    Limits
    ------
    One miss at a time, no hit under a miss. A load waits while a store to its line is on its way. A refused load
    answers with `error` and leaves no trace.
    """

    block = "control"
    parts = {
        "storage": Storage,
        "buffer": WriteBuffer,
        "null": NullCache,
        "collector": ZeroCollector,
        "detect_stored": ZeroDetector,
        "detect_hit": ZeroDetector,
        "detect_fetched": ZeroDetector,
    }

    def __init__(self, config: CacheConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(Request(config.addr_width))),
                "o": Out(stream.Signature(Response)),
                "o_stores": Out(stream.Signature(data.StructLayout({"error": 1}))),
                "axi": Out(AXI4(config.addr_width)),
                "counters": Out(CacheCounters(config)),
            }
        )
        self.in_both = Signal()

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.storage = storage = Storage(config)
        m.submodules.buffer = buffer = WriteBuffer(config)
        word_bits = max(1, config.offset_bits - 2)

        # The access that is held, and the line that is looked up: its own, or that of a refused store.
        state, full = Signal(State, init=State.CLEAR), Signal()
        request = Signal(Request(config.addr_width))
        purging = Signal()
        line, word, here = Signal(config.line_bits), Signal(word_bits), Signal(config.words)
        m.d.comb += [
            purging.eq((state == State.FIND_REFUSED) | (state == State.PURGE) | (state == State.PURGE_NULL)),
            line.eq(Mux(purging, buffer.failed_line, request.addr[config.offset_bits :])),
            word.eq(request.addr[2 : config.offset_bits]),
            here.eq(1 << word),
        ]
        lanes = Cat(request.strobe & here[k].replicate(WORD_BYTES) for k in range(config.words))

        # `free`: nothing is held after this cycle, the next access may come. `again`: the set is read once more.
        free, accept, again = Signal(), Signal(), Signal()
        m.d.comb += [self.i.ready.eq(free & ~buffer.failed), accept.eq(self.i.valid & self.i.ready)]
        with m.If(accept):
            m.d.sync += request.eq(self.i.payload)
        with m.If(free):
            m.d.sync += full.eq(accept)
        next_line = Mux(again, line, self.i.payload.addr[config.offset_bits :])
        m.d.comb += [
            storage.read.eq(accept | again),
            storage.read_set.eq(next_line[: config.set_bits]),
            storage.set.eq(line[: config.set_bits]),
            storage.tag.eq(line[config.set_bits :]),
            storage.data.eq(request.data.replicate(config.words)),
        ]

        beat, refused = Signal(range(max(2, config.words))), Signal()
        fetched = Signal(data.ArrayLayout(8 * WORD_BYTES, config.words))
        null = self._null_side(m, state, line, lanes, request, storage, fetched)
        self._memory_side(m, state, line, request, buffer)
        hit, null_hit = storage.hit, null.hit
        # No line is in both: a proof reads this, nothing else does.
        m.d.comb += self.in_both.eq(full & (state == State.LOOKUP) & hit & null_hit)
        count = self.counters
        offers = config.null is not None and config.null.admit > 0

        def count_up(name):
            m.d.sync += [count[n].eq(count[n] + 1) for n in ("accesses", name)]

        with m.Switch(state):
            with m.Case(State.CLEAR):
                row = Signal(config.set_bits)
                m.d.comb += [storage.clear.eq(1), storage.set.eq(row)]
                m.d.sync += row.eq(row + 1)
                with m.If(row.all()):
                    m.d.sync += state.eq(State.LOOKUP)
            with m.Case(State.LOOKUP):
                held_back = Signal()
                with m.If(~full):
                    m.d.comb += [free.eq(1), held_back.eq(1)]
                with m.Elif(request.write & buffer.full):
                    m.d.comb += held_back.eq(1)
                with m.Elif(request.write):
                    m.d.comb += [
                        buffer.push.eq(1),
                        null.note.eq(1),
                        storage.store.eq(lanes & hit.replicate(config.line)),
                        free.eq(~null.leaves if offers else ~null.enters & ~null.leaves),
                    ]
                    with m.If(null.enters):
                        if offers:
                            m.d.comb += [null.offer.eq(1), storage.drop.eq(null.done)]
                        else:
                            m.d.comb += storage.drop.eq(1)
                            m.d.sync += state.eq(State.INSERT)
                    with m.Elif(null.leaves):
                        if config.null and config.null.on_store == "move":
                            m.d.comb += storage.fill.eq(1)
                            m.d.comb += [
                                storage.data[k].eq(request.data & _bits(lanes, k)) for k in range(config.words)
                            ]
                        m.d.sync += state.eq(State.REMOVE)
                    with m.If(~hit & ~null_hit):
                        count_up("misses")
                with m.Elif(hit | null_hit):
                    m.d.comb += [
                        self.o.valid.eq(1),
                        self.o.payload.data.eq(storage.line[word]),
                        free.eq(self.o.ready),
                    ]
                with m.Elif(buffer.conflict):
                    m.d.comb += held_back.eq(1)
                with m.Else():
                    count_up("misses")
                    m.d.sync += [state.eq(State.ADDRESS), beat.eq(0), refused.eq(0)]
                with m.If(buffer.push | (self.o.valid & self.o.ready)):
                    with m.If(hit):
                        count_up("hits")
                        m.d.comb += storage.use.eq(1)
                    with m.Elif(null_hit):
                        count_up("null_hits")
                        m.d.comb += null.touch.eq(1)
                with m.If(buffer.failed & held_back):
                    m.d.sync += state.eq(State.FIND_REFUSED)
            with m.Case(State.ADDRESS), m.If(self.axi.arready):
                m.d.sync += state.eq(State.FETCH)
            with m.Case(State.FETCH), m.If(self.axi.rvalid):
                m.d.sync += [
                    fetched[beat].eq(self.axi.rdata),
                    beat.eq(beat + 1),
                    refused.eq(refused | self.axi.rresp[AXI_ERROR]),
                ]
                with m.If(beat == config.words - 1):
                    m.d.sync += state.eq(State.FINISH)
            with m.Case(State.FINISH):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.data.eq(fetched[word]),
                    self.o.payload.error.eq(refused),
                    storage.data.eq(fetched),
                ]
                if offers:
                    m.d.comb += null.offer.eq(self.o.ready & null.fetched_zero & ~refused)
                    with m.If(null.offer & null.done):
                        m.d.comb += free.eq(1)
                        m.d.sync += state.eq(State.LOOKUP)
                else:
                    with m.If(self.o.ready & null.fetched_zero & ~refused):
                        m.d.sync += state.eq(State.INSERT)
                with m.Elif(self.o.ready):
                    m.d.comb += [free.eq(1), storage.fill.eq(~refused)]
                    m.d.sync += state.eq(State.LOOKUP)
            with m.Case(State.INSERT, State.REMOVE), m.If(null.done):
                m.d.comb += free.eq(1)
                m.d.sync += state.eq(State.LOOKUP)
            with m.Case(State.FIND_REFUSED):
                m.d.comb += [again.eq(1), null.forget.eq(1)]
                m.d.sync += state.eq(State.PURGE)
            with m.Case(State.PURGE):
                m.d.comb += [storage.drop.eq(1), buffer.purged.eq(~null_hit)]
                with m.If(null_hit):
                    m.d.sync += state.eq(State.PURGE_NULL)
            with m.Case(State.PURGE_NULL):
                m.d.comb += buffer.purged.eq(null.done)
            with m.Case(State.REPLAY):
                m.d.comb += again.eq(1)
                m.d.sync += state.eq(State.LOOKUP)
        with m.If(buffer.purged):
            m.d.sync += state.eq(Mux(full, State.REPLAY, State.LOOKUP))
        return m

    def _memory_side(self, m, state, line, request, buffer) -> None:
        """Reads are the cache's own, writes those of the buffer."""
        for name, member in self.axi.signature.members.items():
            if name[0] in "wb" or name.startswith("aw"):
                mine, theirs = getattr(self.axi, name), getattr(buffer.axi, name)
                m.d.comb += mine.eq(theirs) if member.flow == Out else theirs.eq(mine)
        m.d.comb += [
            self.axi.araddr.eq(line << self.config.offset_bits),
            self.axi.arlen.eq(self.config.words - 1),
            self.axi.arsize.eq(axi_size(8 * WORD_BYTES)),
            self.axi.arburst.eq(AXI_INCR),
            self.axi.arvalid.eq(state == State.ADDRESS),
            self.axi.rready.eq(state == State.FETCH),
            buffer.addr.eq(request.addr[2:]),
            buffer.data.eq(request.data),
            buffer.strobe.eq(request.strobe),
            buffer.line.eq(line),
        ]
        wiring.connect(m, wiring.flipped(self.o_stores), buffer.o)

    def _null_side(self, m, state, line, lanes, request, storage, fetched) -> object:
        """The null cache and its detectors; without one, an interface that never hits and never wants anything."""
        config = self.config
        side = NULL_SIDE.create()
        if config.null is None:
            return side
        m.submodules.null = null = NullCache(config)
        m.submodules.collector = collector = ZeroCollector(config)
        m.submodules.detect_stored = detect_stored = ZeroDetector(1, config.null)
        m.submodules.detect_hit = detect_hit = ZeroDetector(config.words, config.null)
        m.submodules.detect_fetched = detect_fetched = ZeroDetector(config.words, config.null)
        bits = Cat(strobe.replicate(8) for strobe in request.strobe)
        stored_zero = detect_stored.o.all()
        m.d.comb += [
            detect_stored.i[0].eq(request.data & bits),
            null.line.eq(line),
            null.touch.eq(side.touch),
            null.insert.eq(side.offer if config.null.admit else state == State.INSERT),
            null.remove.eq((state == State.REMOVE) | (state == State.PURGE_NULL)),
            self.counters.null.eq(null.counters),
            collector.note.eq(side.note),
            collector.forget.eq(side.forget),
            collector.line.eq(line),
            collector.lanes.eq(lanes),
            collector.zero.eq(stored_zero),
            side.hit.eq(null.hit),
            side.done.eq(null.done),
            side.fetched_zero.eq(detect_fetched.o.all()),
            side.enters.eq(Mux(storage.hit, detect_hit.o.all(), ~null.hit & collector.complete)),
            side.leaves.eq(null.hit & ~stored_zero),
        ]
        for k in range(config.words):
            mine = _bits(lanes, k)
            m.d.comb += [
                detect_fetched.i[k].eq(fetched[k]),
                detect_hit.i[k].eq(storage.line[k] & ~mine | request.data & mine),
            ]
        return side


def _bits(lanes: Value, word: int) -> Value:
    """Which bits of a word of the line an access touches, from the bytes of the line that it touches."""
    return Cat(lane.replicate(8) for lane in lanes[WORD_BYTES * word : WORD_BYTES * (word + 1)])
