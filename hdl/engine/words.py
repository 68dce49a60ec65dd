# SPDX-License-Identifier: Apache-2.0
"""The words of a layer: what is read from the activation memory, and the padding around it."""

from typing import Any

from amaranth.hdl import Module, Mux
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.common.promised_queue import PromisedQueue
from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.params.engine import EngineConfig

from .addresses import ENDS, Read


class Word(data.StructLayout):
    """Channels of one input pixel.

    Members
    -------
    word : unsigned
        The first channel lowest.
    group_end, fill_end, layer_end, last_group : unsigned(1)
        As in `Read`.
    """

    def __init__(self, config: EngineConfig):
        super().__init__({"word": 8 * config.word_bytes} | dict.fromkeys(ENDS, 1))


class WordReader(wiring.Component):
    """Fetches the words of a layer; those in the padding take no read.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    pad_value : In(8)
        Every byte outside the image.
    i : In(stream of Read)
    o_read : Out(stream of addresses)
    i_read : In(stream of words)
        To the activation memory and back.
    o : Out(stream of Word)

    Latency
    -------
    3 cycles with a memory that takes 2, in the padding too; a word per cycle.
    """

    block = "im2col"

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "pad_value": In(8),
                "i": In(stream.Signature(Read(config))),
                "o_read": Out(stream.Signature(range(config.activation_words))),
                "i_read": In(stream.Signature(8 * config.word_bytes)),
                "o": Out(stream.Signature(Word(config))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        flags = ("outside", *ENDS)
        m.submodules.flags = queue = PromisedQueue(data.StructLayout(dict.fromkeys(flags, 1)), 4)
        asks, comes = self.i, self.i_read
        # What takes the words decides late: whether there is room for one is in a register.
        m.submodules.out = out = SkidBuffer(Word(self.config))
        connect(m, out.o, flipped(self.o))
        outside = asks.payload.outside
        m.d.comb += [
            self.o_read.payload.eq(asks.payload.address),
            self.o_read.valid.eq(asks.valid & ~outside & queue.room),
            asks.ready.eq(queue.room & (outside | self.o_read.ready)),
            queue.promise.eq(asks.valid & asks.ready),
        ]
        # Padding takes as long as a read, so that the cycles of a layer do not depend on where it lies.
        m.d.sync += [
            queue.write.eq(queue.promise),
            *(queue.data[name].eq(asks.payload[name]) for name in flags),
        ]
        found = queue.o.payload
        padding = self.pad_value.replicate(self.config.word_bytes)
        m.d.comb += [
            queue.o.ready.eq(out.i.ready & (found.outside | comes.valid)),
            comes.ready.eq(out.i.ready & queue.o.valid & ~found.outside),
            out.i.valid.eq(queue.o.valid & (found.outside | comes.valid)),
            out.i.payload.word.eq(Mux(found.outside, padding, comes.payload)),
            *(out.i.payload[name].eq(found[name]) for name in ENDS),
        ]
        return m
