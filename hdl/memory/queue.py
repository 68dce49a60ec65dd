# SPDX-License-Identifier: Apache-2.0
"""A queue for words that cannot wait: whoever asks for them knows that there is room."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class WordQueue(wiring.Component):
    """Keeps `depth` words; a word that comes when there are so many inside overwrites one.

    Parameters
    ----------
    width, depth : int
        Bits of a word, and words, a power of two.

    Members
    -------
    write, data : In(1), In(width)
    o : Out(stream of width bits)

    Latency
    -------
    2 cycles; a word per cycle.
    """

    block = "memory controller"

    def __init__(self, width: int, depth: int):
        self.width, self.depth = width, depth
        super().__init__({"write": In(1), "data": In(width), "o": Out(stream.Signature(width))})
        # Words written and read. One bit more than an address: a full queue is not an empty one.
        self.written, self.taken = Signal(range(2 * depth)), Signal(range(2 * depth))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=self.width, depth=self.depth, init=[])
        write, read = words.write_port(), words.read_port()
        written, taken = self.written, self.taken
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(written),
            write.data.eq(self.data),
            read.en.eq(~self.o.valid | self.o.ready),
            read.addr.eq(taken),
            self.o.payload.eq(read.data),
        ]
        with m.If(self.write):
            m.d.sync += written.eq(written + 1)
        with m.If(read.en):
            m.d.sync += [self.o.valid.eq(written != taken), taken.eq(taken + (written != taken))]
        return m
