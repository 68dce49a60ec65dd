# SPDX-License-Identifier: Apache-2.0
"""The words of a layer on their way into the word store, and what is told about each of them."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.common.promised_queue import PromisedQueue
from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.params.engine import WORD_GROUPS, EngineConfig

from .addresses import ENDS, Read

StoredWord = data.StructLayout(dict.fromkeys(("outside", *ENDS), 1))
"""A word in the store: whether it is padding and has no content there, and as in `Read`."""


class WordFetcher(wiring.Component):
    """Fetches the words of a layer into the store, a group of them into each of its places in turn.

    Parameters
    ----------
    config : EngineConfig
        With `stores_words`.

    Members
    -------
    start : In(1)
        High for one cycle: a layer begins; its first group goes to place 0.
    i : In(stream of Read)
    o_read : Out(stream of addresses)
        To the activation memory, which gives a word one cycle after its address was taken.
    write : Out(1)
    write_group, write_pixel : Out
        Where the word that comes in this cycle goes.
    o : Out(stream of StoredWord)
        In order; the first group of the layer is in place 0, the others follow.

    Latency
    -------
    3 cycles, in the padding too, as of `WordReader`; a word per cycle. At most 6 words are under way, each of another
    group at worst.
    """

    block = "im2col"

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(Read(config))),
                "o_read": Out(stream.Signature(range(config.activation_words))),
                "write": Out(1),
                "write_group": Out(range(WORD_GROUPS)),
                "write_pixel": Out(range(config.array.rows)),
                "o": Out(stream.Signature(StoredWord)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.words = queue = PromisedQueue(StoredWord, 4)
        m.submodules.out = out = SkidBuffer(StoredWord)
        connect(m, queue.o, out.i)
        connect(m, out.o, flipped(self.o))
        asks, read = self.i, self.o_read
        outside = asks.payload.outside
        m.d.comb += [
            read.payload.eq(asks.payload.address),
            read.valid.eq(asks.valid & ~outside & queue.room),
            asks.ready.eq(queue.room & (outside | read.ready)),
            queue.promise.eq(asks.valid & asks.ready),
        ]
        group, pixel = Signal.like(self.write_group), Signal.like(self.write_pixel)
        m.d.sync += [
            queue.write.eq(queue.promise),
            *(queue.data[name].eq(asks.payload[name]) for name in queue.data.shape().members),
            self.write.eq(read.valid & read.ready),
            self.write_group.eq(group),
            self.write_pixel.eq(pixel),
        ]
        with m.If(queue.promise):
            m.d.sync += pixel.eq(pixel + 1)
            with m.If(asks.payload.group_end):
                m.d.sync += [pixel.eq(0), group.eq(group + 1)]
        with m.If(self.start):
            m.d.sync += [pixel.eq(0), group.eq(0)]
        return m
