# SPDX-License-Identifier: Apache-2.0
"""The memories of the data cache: tags, order of use, lines; one set is read, then looked at and changed."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.cache import WORD_BYTES, CacheConfig

from .replacement import touched
from .tcam import lowest, select


class Storage(wiring.Component):
    """Set-associative storage, write-through, true LRU.

    A set is read with `read` and `read_set`; from the next cycle on, until the next read, `tag` is compared with it,
    and in the same cycle it may be changed through `set`. A read sees a change of the same cycle.

    Parameters
    ----------
    config : CacheConfig
        Geometry.

    Members
    -------
    read, read_set : In(1), In(set_bits)
        Read a set.
    set, tag : In(set_bits), In(tag_bits)
        The set that was read, and the line looked for in it.
    hit : Out(1)
        The line is there.
    line : Out(32 per word)
        Its content; zero without a hit.
    use : In(1)
        It becomes the most recently used.
    drop : In(1)
        It becomes invalid.
    store : In(line)
        Bytes of it that take `data`.
    fill : In(1)
        The line, which is not there, takes a free way or that of the least recently used line, with `data`.
    data : In(32 per word)
        What is written.
    clear : In(1)
        No line of `set` is valid: needed for every set after reset.

    Latency
    -------
    One cycle from `read` to `hit` and `line`.
    """

    block = "storage"

    def __init__(self, config: CacheConfig):
        self.config = config
        words = data.ArrayLayout(8 * WORD_BYTES, config.words)
        super().__init__(
            {
                "read": In(1),
                "read_set": In(config.set_bits),
                "set": In(config.set_bits),
                "tag": In(config.tag_bits),
                "hit": Out(1),
                "line": Out(words),
                "use": In(1),
                "drop": In(1),
                "store": In(config.line),
                "fill": In(1),
                "data": In(words),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self.config
        ways = config.ways
        age_bits = max(1, (ways - 1).bit_length())
        layout = data.StructLayout(
            {
                "valid": ways,
                "tags": data.ArrayLayout(config.tag_bits, ways),
                "ages": data.ArrayLayout(age_bits, ways),
            }
        )
        m.submodules.rows = rows = Memory(shape=layout, depth=config.sets, init=[])
        write = rows.write_port()
        read = rows.read_port(transparent_for=(write,))
        row = read.data
        hit, victim, chosen = Signal(ways), Signal(ways), Signal(ways)
        ages = [row.ages[w] for w in range(ways)]
        oldest = Cat(age == ways - 1 for age in ages)
        m.d.comb += [
            read.en.eq(self.read),
            read.addr.eq(self.read_set),
            hit.eq(Cat(row.valid[w] & (row.tags[w] == self.tag) for w in range(ways))),
            self.hit.eq(hit.any()),
            victim.eq(Mux(row.valid.all(), oldest if ways > 1 else 1, lowest(~row.valid))),
            chosen.eq(Mux(self.fill, victim, hit)),
        ]

        new = Signal(layout)
        m.d.comb += [
            write.addr.eq(self.set),
            write.data.eq(new),
            write.en.eq(self.use | self.fill | self.drop | self.clear),
            new.eq(row),
        ]
        with m.If(self.clear):
            m.d.comb += [new.valid.eq(0), *(new.ages[w].eq(w) for w in range(ways))]
        with m.Elif(self.drop):
            m.d.comb += new.valid.eq(row.valid & ~hit)
        with m.Elif(self.use | self.fill):
            m.d.comb += new.valid.eq(row.valid | chosen)
            m.d.comb += [new.tags[w].eq(Mux(chosen[w], self.tag, row.tags[w])) for w in range(ways)]
            if ways > 1:
                m.d.comb += [new.ages[w].eq(age) for w, age in enumerate(touched(m, ages, chosen))]

        lines = []
        for w in range(ways):
            m.submodules[f"lines_{w}"] = memory = Memory(shape=8 * config.line, depth=config.sets, init=[])
            line_write = memory.write_port(granularity=8)
            line_read = memory.read_port(transparent_for=(line_write,))
            m.d.comb += [
                line_read.en.eq(self.read),
                line_read.addr.eq(self.read_set),
                line_write.addr.eq(self.set),
                line_write.data.eq(self.data),
                line_write.en.eq((self.store | self.fill.replicate(config.line)) & chosen[w].replicate(config.line)),
            ]
            lines.append(line_read.data)
        m.d.comb += self.line.eq(select(hit, lines))
        return m
