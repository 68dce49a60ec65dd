# SPDX-License-Identifier: Apache-2.0
"""The data cache with the null cache beside it."""

from functools import reduce
from operator import or_

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config_cache import WORD_BYTES, CacheConfig
from .detector import ZeroDetector
from .nullcache import NullCache
from .ports import AXI4, AXI_ERROR, CacheCounters, Request, Response
from .replacement import touched
from .tcam import encode, lowest, select
from .writebuffer import WriteBuffer


class State(enum.Enum, shape=4):
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
    `config.memory_cycles`. `sim.nullcache.reference` has the exact rules. After reset, `config.sets` cycles pass before
    the first access is accepted.

    Limits
    ------
    One miss at a time, no hit under a miss. A load waits while a store to its line is on its way. A refused load
    answers with `error` and leaves no trace.
    """

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

    def elaborate(self, platform):
        m = Module()
        config = self.config
        ways, words, line_width = config.ways, config.words, 8 * config.line
        age_bits = max(1, (ways - 1).bit_length())
        word_bits = (words - 1).bit_length()
        layout = data.StructLayout(
            {
                "valid": ways,
                "tags": data.ArrayLayout(config.tag_bits, ways),
                "ages": data.ArrayLayout(age_bits, ways),
            }
        )

        # The access being served, and the address that is looked up for it or for a refused store.
        state = Signal(State, init=State.CLEAR)
        full = Signal()
        request = Signal(Request(config.addr_width))
        m.submodules.buffer = buffer = WriteBuffer(config)
        purging = Signal()
        m.d.comb += purging.eq((state == State.FIND_REFUSED) | (state == State.PURGE) | (state == State.PURGE_NULL))
        line = Signal(config.line_bits)
        word = request.addr[2 : config.offset_bits]
        m.d.comb += line.eq(Mux(purging, buffer.failed_line, request.addr[config.offset_bits :]))
        index, tag = line[: config.set_bits], line[config.set_bits :]

        # Memories: one row of tags, valid bits and ages per set; the lines, per way.
        accept, again = Signal(), Signal()
        read_index = Mux(again, index, self.i.payload.addr[config.offset_bits :][: config.set_bits])
        m.submodules.rows = rows = Memory(shape=layout, depth=config.sets, init=[])
        row_write = rows.write_port()
        row_read = rows.read_port(transparent_for=(row_write,))
        row = row_read.data
        write_row = Signal(layout)
        m.d.comb += [
            row_read.en.eq(accept | again),
            row_read.addr.eq(read_index),
            row_write.addr.eq(index),
            row_write.data.eq(write_row),
            write_row.eq(row),
        ]
        lines, line_writes = [], []
        write_lanes, write_line, write_ways = Signal(config.line), Signal(line_width), Signal(ways)
        for w in range(ways):
            m.submodules[f"lines_{w}"] = memory = Memory(shape=line_width, depth=config.sets, init=[])
            write = memory.write_port(granularity=8)
            read = memory.read_port(transparent_for=(write,))
            m.d.comb += [
                read.en.eq(accept | again),
                read.addr.eq(read_index),
                write.addr.eq(index),
                write.data.eq(write_line),
                write.en.eq(write_lanes & write_ways[w].replicate(config.line)),
            ]
            lines.append(read.data)
            line_writes.append(write)

        # Lookup.
        hit_ways, hit = Signal(ways), Signal()
        m.d.comb += hit_ways.eq(Cat(row.valid[w] & (row.tags[w] == tag) for w in range(ways)))
        m.d.comb += hit.eq(hit_ways.any())
        hit_line = Signal(data.ArrayLayout(32, words))
        m.d.comb += hit_line.eq(select(hit_ways, lines))
        ages = [row.ages[w] for w in range(ways)]
        stored = Cat(
            Mux(request.strobe[b], request.data[8 * b : 8 * b + 8], 0) for b in range(WORD_BYTES)
        )
        strobe_bits = Cat(request.strobe[b].replicate(8) for b in range(WORD_BYTES))
        here = Signal(words)
        m.d.comb += here.eq(1 << word if word_bits else 1)

        # The line being fetched.
        fetched = Signal(data.ArrayLayout(32, words))
        beat = Signal(range(words)) if words > 1 else Signal(1)
        refused = Signal()
        victim = Signal(ways)
        oldest = Cat(age == ways - 1 for age in ages) if ways > 1 else 1
        m.d.comb += victim.eq(Mux(row.valid.all(), oldest, lowest(~row.valid)))

        null_hit, null_done = Signal(), Signal()
        becomes_zero, fetched_zero = Signal(), Signal()
        count = self.counters
        null = None
        stored_zero = Signal()
        zeroed_now = Signal()
        note = Signal()
        forget = Signal()
        if config.null is not None:
            m.submodules.null = null = NullCache(config)
            m.submodules.detect_stored = detect_stored = ZeroDetector(1, config.null)
            m.submodules.detect_hit = detect_hit = ZeroDetector(words, config.null)
            m.submodules.detect_fetched = detect_fetched = ZeroDetector(words, config.null)
            m.d.comb += [
                null.line.eq(line),
                null_hit.eq(null.hit),
                null.insert.eq(state == State.INSERT),
                null.remove.eq((state == State.REMOVE) | (state == State.PURGE_NULL)),
                null_done.eq(null.done),
                detect_stored.i[0].eq(stored),
                stored_zero.eq(detect_stored.o),
                fetched_zero.eq(detect_fetched.o.all()),
                becomes_zero.eq(detect_hit.o.all()),
                count.null.eq(null.counters),
            ]
            for k in range(words):
                merged = hit_line[k] & ~strobe_bits | stored
                m.d.comb += [
                    detect_fetched.i[k].eq(fetched[k]),
                    detect_hit.i[k].eq(Mux(here[k], merged, hit_line[k])),
                ]
            # One line at a time is followed while stores fill it with zeros.
            zeroed_line, zeroed_bytes = Signal(config.line_bits), Signal(config.line)
            lanes = Cat(request.strobe & here[k].replicate(WORD_BYTES) for k in range(words))
            same = zeroed_line == line
            zeroed_next = Signal(config.line)
            m.d.comb += zeroed_next.eq(
                Mux(stored_zero, Mux(same, zeroed_bytes, 0) | lanes, zeroed_bytes & ~(lanes & same.replicate(config.line)))
            )
            m.d.comb += zeroed_now.eq(stored_zero & zeroed_next.all())
            with m.If(forget):
                m.d.sync += zeroed_bytes.eq(0)
            with m.Elif(note):
                m.d.sync += zeroed_bytes.eq(zeroed_next)
                with m.If(stored_zero):
                    m.d.sync += zeroed_line.eq(line)

        # Memory side: writes belong to the buffer.
        for name in self.axi.signature.members:
            mine, theirs = getattr(self.axi, name), getattr(buffer.axi, name)
            if name[0] not in "awb" or name.startswith("ar"):
                continue
            m.d.comb += mine.eq(theirs) if self.axi.signature.members[name].flow == Out else theirs.eq(mine)
        m.d.comb += [
            self.axi.araddr.eq(line << config.offset_bits),
            self.axi.arlen.eq(words - 1),
            self.axi.arsize.eq(2),
            self.axi.arburst.eq(1),
            self.axi.arvalid.eq(state == State.ADDRESS),
            self.axi.rready.eq(state == State.FETCH),
            buffer.addr.eq(request.addr[2:]),
            buffer.data.eq(request.data),
            buffer.strobe.eq(request.strobe),
            buffer.line.eq(line),
        ]
        wiring.connect(m, wiring.flipped(self.o_stores), buffer.o)

        # `free`: nothing is held after this cycle, the next access may come.
        free = Signal()
        m.d.comb += [self.i.ready.eq(free & ~buffer.failed), accept.eq(self.i.valid & self.i.ready)]
        with m.If(accept):
            m.d.sync += request.eq(self.i.payload)
        with m.If(free):
            m.d.sync += full.eq(accept)

        def count_up(*names):
            m.d.sync += [count[name].eq(count[name] + 1) for name in ("accesses", *names)]

        def use_way(used):
            if ways > 1:
                m.d.comb += [write_row.ages[w].eq(age) for w, age in enumerate(touched(m, ages, used))]
            m.d.comb += row_write.en.eq(1)

        clearing = Signal(config.set_bits)
        with m.Switch(state):
            with m.Case(State.CLEAR):
                m.d.comb += [row_write.addr.eq(clearing), row_write.en.eq(1), write_row.valid.eq(0)]
                m.d.comb += [write_row.ages[w].eq(w) for w in range(ways)]
                m.d.sync += clearing.eq(clearing + 1)
                with m.If(clearing == config.sets - 1):
                    m.d.sync += state.eq(State.LOOKUP)
            with m.Case(State.LOOKUP):
                held_back = Signal()
                with m.If(~full):
                    m.d.comb += [free.eq(1), held_back.eq(1)]
                with m.Elif(~request.write):
                    m.d.comb += [
                        self.o.valid.eq(hit | null_hit),
                        self.o.payload.data.eq(Array(hit_line)[word] if word_bits else hit_line[0]),
                    ]
                    with m.If(hit | null_hit):
                        with m.If(self.o.ready):
                            m.d.comb += free.eq(1)
                    with m.Elif(buffer.conflict):
                        m.d.comb += held_back.eq(1)
                    with m.Else():
                        count_up("misses")
                        m.d.sync += [state.eq(State.ADDRESS), beat.eq(0), refused.eq(0)]
                with m.Elif(buffer.full):
                    m.d.comb += held_back.eq(1)
                with m.Else():
                    m.d.comb += [buffer.push.eq(1), note.eq(1), free.eq(1)]
                    with m.If(hit):
                        m.d.comb += [
                            write_ways.eq(hit_ways),
                            write_line.eq(request.data.replicate(words)),
                            write_lanes.eq(Cat(request.strobe & here[k].replicate(WORD_BYTES) for k in range(words))),
                        ]
                    moves, leaves = Signal(), Signal()
                    m.d.comb += [
                        moves.eq(Mux(hit, becomes_zero, ~null_hit & zeroed_now)),
                        leaves.eq(null_hit & ~stored_zero),
                    ]
                    with m.If(moves):
                        m.d.comb += [free.eq(0), write_row.valid.eq(row.valid & ~hit_ways)]
                        m.d.sync += state.eq(State.INSERT)
                    with m.Elif(leaves):
                        m.d.comb += free.eq(0)
                        m.d.sync += state.eq(State.REMOVE)
                    with m.If(~hit & ~null_hit):
                        count_up("misses")
                with m.If(buffer.push | (self.o.valid & self.o.ready)):
                    with m.If(hit):
                        count_up("hits")
                        use_way(hit_ways)
                    with m.Elif(null_hit):
                        count_up("null_hits")
                        if null is not None:
                            m.d.comb += null.touch.eq(1)
                with m.If(buffer.failed & held_back):
                    m.d.sync += state.eq(State.FIND_REFUSED)
            with m.Case(State.ADDRESS), m.If(self.axi.arready):
                m.d.sync += state.eq(State.FETCH)
            with m.Case(State.FETCH), m.If(self.axi.rvalid):
                m.d.sync += [
                    Array(fetched)[beat].eq(self.axi.rdata),
                    beat.eq(beat + 1),
                    refused.eq(refused | self.axi.rresp[AXI_ERROR]),
                ]
                with m.If(beat == words - 1):
                    m.d.sync += state.eq(State.FINISH)
            with m.Case(State.FINISH):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.data.eq(Array(fetched)[word] if word_bits else fetched[0]),
                    self.o.payload.error.eq(refused),
                ]
                with m.If(self.o.ready):
                    with m.If(fetched_zero & ~refused):
                        m.d.sync += state.eq(State.INSERT)
                    with m.Else():
                        m.d.comb += free.eq(1)
                        m.d.sync += state.eq(State.LOOKUP)
                    with m.If(~fetched_zero & ~refused):
                        m.d.comb += [
                            write_row.valid.eq(row.valid | victim),
                            write_ways.eq(victim),
                            write_lanes.eq(~0),
                            write_line.eq(fetched),
                        ]
                        for w in range(ways):
                            with m.If(victim[w]):
                                m.d.comb += write_row.tags[w].eq(tag)
                        use_way(victim)
            with m.Case(State.INSERT, State.REMOVE), m.If(null_done):
                m.d.comb += free.eq(1)
                m.d.sync += state.eq(State.LOOKUP)
            with m.Case(State.FIND_REFUSED):
                m.d.comb += [again.eq(1), forget.eq(1)]
                m.d.sync += state.eq(State.PURGE)
            with m.Case(State.PURGE):
                m.d.comb += [write_row.valid.eq(row.valid & ~hit_ways), row_write.en.eq(1)]
                with m.If(null_hit):
                    m.d.sync += state.eq(State.PURGE_NULL)
                with m.Else():
                    m.d.comb += buffer.purged.eq(1)
                    m.d.sync += state.eq(Mux(full, State.REPLAY, State.LOOKUP))
            with m.Case(State.PURGE_NULL), m.If(null_done):
                m.d.comb += buffer.purged.eq(1)
                m.d.sync += state.eq(Mux(full, State.REPLAY, State.LOOKUP))
            with m.Case(State.REPLAY):
                m.d.comb += again.eq(1)
                m.d.sync += state.eq(State.LOOKUP)
        return m
