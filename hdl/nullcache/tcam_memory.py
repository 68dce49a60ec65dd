# SPDX-License-Identifier: Apache-2.0
"""A ternary CAM in FPGA memory: small tables say which entries a piece of the key matches."""

from functools import reduce
from operator import and_

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.cache import TCAMConfig

from .tcam import encode, lowest


class MemoryTCAM(wiring.Component):
    """Ternary CAM in memory: the key is cut into chunks, each chunk reads the set of entries that it matches, and the
    sets are intersected.

    One search per cycle, also while an entry is being written. It wins over `TCAM` on FPGAs when there are many
    entries and writes are rare: no flip-flop a bit and no comparator, but a write walks through the tables.

    Parameters
    ----------
    config : TCAMConfig
        With `memory`. `chunk` trades memory for the time of a write.

    Members
    -------
    key : In(width)
        What is looked for.
    match, hit, index : Out(entries), Out(1), Out(clog2(entries))
        As those of `TCAM`, one cycle after `key`.
    write : In(entries)
        Entry to write (one bit, or none); taken when `ready`. It is invalid from the next cycle until it is written.
    value, mask : In(width)
        What is written; sampled with `write`.
    ready : Out(1)
        No write is under way.
    clear : In(entries)
        Entries that become invalid; one that is just being written stays invalid for good.
    valid : Out(entries)
        Entries in use.

    Latency
    -------
    One cycle from `key` to the answer; `2**chunk + 2` cycles from `write` to the entry answering.
    """

    block = "tcam"

    def __init__(self, config: TCAMConfig):
        if not config.memory:
            raise ConfigError(f"memory of a TCAM in memory must be True, not {config.memory!r}")
        self.config = config
        super().__init__(
            {
                "key": In(config.width),
                "match": Out(config.entries),
                "hit": Out(1),
                "index": Out(config.index_bits),
                "write": In(config.entries),
                "value": In(config.width),
                "mask": In(config.width),
                "ready": Out(1),
                "clear": In(config.entries),
                "valid": Out(config.entries),
            }
        )

    def elaborate(self, platform):
        m = Module()
        n, width, chunk = self.config.entries, self.config.width, self.config.chunk
        value, mask, chosen = Signal(width), Signal(width), Signal(n)
        reading, writing = Signal(range(2**chunk + 1), init=2**chunk), Signal(chunk)
        update, last = Signal(), Signal()
        m.d.comb += self.ready.eq(reading[chunk] & ~update)
        found = []
        for number, low in enumerate(range(0, width, chunk)):
            bits = slice(low, min(low + chunk, width))
            piece = len(self.key[bits])
            m.submodules[f"table_{number}"] = table = Memory(shape=n, depth=2**piece, init=[])
            search = table.read_port()
            before = table.read_port()
            write = table.write_port()
            fits = ((writing[:piece] ^ value[bits]) & ~mask[bits]) == 0
            m.d.comb += [
                search.addr.eq(self.key[bits]),
                before.addr.eq(reading),
                write.addr.eq(writing),
                write.en.eq(update),
                write.data.eq(before.data & ~chosen | chosen & fits.replicate(n)),
            ]
            found.append(search.data)
        # A row is read in one cycle and written back in the next, with only the bit of the chosen entry changed; those
        # of a shorter piece several times.
        m.d.sync += [update.eq(~reading[chunk]), writing.eq(reading), last.eq(reading == 2**chunk - 1)]
        with m.If(~reading[chunk]):
            m.d.sync += reading.eq(reading + 1)
        answering, first = Signal(n), Signal(n)
        m.d.sync += [self.valid.eq(self.valid & ~self.clear), chosen.eq(chosen & ~self.clear)]
        with m.If(self.ready & self.write.any()):
            m.d.sync += [
                value.eq(self.value),
                mask.eq(self.mask),
                chosen.eq(self.write),
                self.valid.eq(self.valid & ~self.clear & ~self.write),
                reading.eq(0),
            ]
        with m.Elif(last):
            m.d.sync += [self.valid.eq(self.valid & ~self.clear | chosen & ~self.clear), chosen.eq(0)]
        m.d.sync += answering.eq(self.valid & ~self.clear)
        m.d.comb += [
            self.match.eq(reduce(and_, found) & answering & self.valid),
            self.hit.eq(self.match.any()),
            first.eq(lowest(self.match)),
            self.index.eq(encode(first)),
        ]
        return m
