# SPDX-License-Identifier: Apache-2.0
"""A queue behind something that takes a while and cannot stop: room is promised before the word is under way."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import ShapeLike
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class PromisedQueue(wiring.Component):
    """A queue of `depth` words. Words come in the order in which room was promised for them, any time later.

    Parameters
    ----------
    shape : shape
        Of a word.
    depth : int
        A power of two, at least 2.

    Members
    -------
    room : Out(1)
        A word can be promised room.
    promise : In(1)
        One is, only when there is `room`.
    write, data : In(1), In(shape)
        A word that was promised room, in this cycle or before.
    o : Out(stream of shape)

    Latency
    -------
    1 cycle from `write`. With words that come `n` cycles after their promise, a word per cycle needs `depth` >= n + 2.
    """

    block = "buffers"

    def __init__(self, shape: ShapeLike, depth: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two and at least 2, not {depth}")
        self.shape, self.depth = shape, depth
        super().__init__(
            {
                "room": Out(1),
                "promise": In(1),
                "write": In(1),
                "data": In(shape),
                "o": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=self.shape, depth=self.depth, init=[])
        write, read = words.write_port(), words.read_port(domain="comb")
        promised, stored = Signal(range(self.depth + 1)), Signal(range(self.depth + 1))
        taken = self.o.valid & self.o.ready
        m.d.comb += [
            self.room.eq(promised != self.depth),
            write.en.eq(self.write),
            write.data.eq(self.data),
            self.o.valid.eq(stored != 0),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [
            promised.eq(promised + self.promise - taken),
            stored.eq(stored + self.write - taken),
            write.addr.eq(write.addr + self.write),
            read.addr.eq(read.addr + taken),
        ]
        return m
