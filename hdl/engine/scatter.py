# SPDX-License-Identifier: Apache-2.0
"""The scatter table of a layer, word after word, from the beginning again for every fill."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.accel.ports import layout
from sysmt.hdl.common.promised_queue import PromisedQueue
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR
from sysmt.hdl.params.scatter import scatter_word


class ScatterWord(data.StructLayout):
    """A word of the table.

    Members
    -------
    entry : StructLayout
        The fields of `sysmt.hdl.params.scatter.scatter_word`.
    table_end : unsigned(1)
        The last word of the table, or one beyond the memory: it ends its tap and channel word whatever it says.
    """

    def __init__(self, config: EngineConfig):
        super().__init__({"entry": layout(scatter_word(config)), "table_end": 1})


class ScatterReader(wiring.Component):
    """Reads the table of a layer for ever; reset it when a layer starts.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    enable : In(1)
    base, words : In(16)
        Of the table: its first word, and how many. Stable after the reset.
    address, word : Out, In(width of the memory)
        Port of the memory; a word comes one cycle after its address.
    o : Out(stream of ScatterWord)
    error : Out(1)
        An address was outside the memory.

    Latency
    -------
    4 cycles from the end of the reset to the first word; then a word per cycle, at the beginning of the table too.
    """

    block = "im2col"

    def __init__(self, config: EngineConfig):
        self.config = config
        width, depth = config.memories["scatter"]
        super().__init__(
            {
                "enable": In(1),
                "base": In(DESCRIPTOR.fields["scatter_base"].width),
                "words": In(DESCRIPTOR.fields["scatter_words"].width),
                "address": Out(range(depth)),
                "word": In(width),
                "o": Out(stream.Signature(ScatterWord(config))),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        depth = self.config.scatter_words
        m.submodules.queue = queue = PromisedQueue(ScatterWord(self.config), 4)
        primed, address, left = Signal(), Signal(len(self.base) + 1), Signal(len(self.words))
        last, beyond = Signal(), Signal()
        m.d.comb += [
            self.address.eq(address),
            beyond.eq(address >= depth),
            last.eq(left == 0),
            queue.promise.eq(primed & queue.room),
        ]
        with m.If(~primed | (queue.promise & last)):
            m.d.sync += [primed.eq(self.enable), address.eq(self.base), left.eq(self.words - 1)]
        with m.Elif(queue.promise):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
        reads, ends = Signal(), Signal()
        m.d.sync += [reads.eq(queue.promise), ends.eq(last | beyond)]
        with m.If(queue.promise & beyond):
            m.d.sync += self.error.eq(1)
        m.d.comb += [
            queue.write.eq(reads),
            queue.data.entry.eq(self.word),
            queue.data.table_end.eq(ends),
        ]
        moves = ~self.o.valid | self.o.ready
        m.d.comb += queue.o.ready.eq(moves)
        with m.If(moves):
            m.d.sync += [self.o.valid.eq(queue.o.valid), self.o.payload.eq(queue.o.payload)]
        return m
