# SPDX-License-Identifier: Apache-2.0
"""The activation memory: one block RAM, read by three clients and written by two, or three."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.banked_memory import BankedMemory
from sysmt.hdl.common.promised_queue import PromisedQueue
from sysmt.hdl.emit import UNCHECKED, UNINITIALISED
from sysmt.hdl.memory.queue import WordQueue
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Memory

CLIENTS = ("residual", "filler", "host")
"""Who reads, the first one first."""
WAITING = "filler"
"""The client whose words wait for it, unless it stores them; the others ask only for what they take at once."""


class ActivationMemory(wiring.Component):
    """A word is read in every cycle in which any client wants one and has room for it; the first of `CLIENTS` wins.

    Words of the filler wait in a queue, so it holds up nobody else when it does not take them; a filler with a store
    (`EngineConfig.stores_words`) has room for what it asked for. The others must take a word in the cycle in which it
    comes: a queue of whole words each would be as large as the filler's. Reading a part
    of a word in the cycle it is written is not defined, nor is an address beyond the memory.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    write : In(granules)
        Parts of a word that the requantisers write: at once, always.
    write_address, write_data : In(address), In(8 * word_bytes)
    i_host_write : In(stream of {address, word})
        Whole words; taken in cycles without `write`.
    arrives, arriving : In(1), In({address, word})
        Whole words that come from an SDRAM, and wait in a queue for a cycle without `write`; the host's wait for them.
        Only where such chunks may be (`WeightStreamConfig.targets`).
    i_residual, i_filler, i_host : In(stream of addresses)
    o_residual, o_filler, o_host : Out(stream of words)
        In the order of their addresses. `ready` counts for a filler that waits alone.

    Latency
    -------
    2 cycles for a filler that waits, 1 for the others; a client alone gets a word per cycle.
    """

    block = "buffers"

    def __init__(self, config: EngineConfig):
        self.config = config
        address, word = range(config.activation_words), 8 * config.word_bytes
        stream_config = config.weight_stream
        self._has_arriving = stream_config is not None and Memory.ACTIVATIONS in stream_config.targets
        self._arriving = data.StructLayout({"address": address, "word": word})
        super().__init__(
            {
                "write": In(config.granules),
                "write_address": In(address),
                "write_data": In(word),
                "i_host_write": In(stream.Signature(self._arriving)),
            }
            | ({"arrives": In(1), "arriving": In(self._arriving)} if self._has_arriving else {})
            | {f"i_{client}": In(stream.Signature(address)) for client in CLIENTS}
            | {f"o_{client}": Out(stream.Signature(word)) for client in CLIENTS}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        # Who wins is known late: a word is read for whoever asks, and taken only then.
        address, asked = Signal(range(config.activation_words)), Signal()
        m.d.comb += asked.eq(Cat(getattr(self, f"i_{client}").valid for client in CLIENTS).any())
        whole, written_whole = self.i_host_write.payload, self.i_host_write.valid & self.i_host_write.ready
        if self._has_arriving:
            whole, written_whole = self._queued(m, written_whole)
        else:
            m.d.comb += self.i_host_write.ready.eq(~self.write.any())
        words = []
        width = 8 * config.array.cols
        for part in range(config.granules):
            # One memory per part: not every block RAM has write enables for parts of a word.
            m.submodules[f"memory_{part}"] = memory = BankedMemory(
                width, config.activation_words, UNINITIALISED | UNCHECKED
            )
            written = Mux(written_whole, whole.word, self.write_data)
            m.d.comb += [
                memory.write.eq(self.write[part] | written_whole),
                memory.write_address.eq(Mux(written_whole, whole.address, self.write_address)),
                memory.write_data.eq(written.word_select(part, width)),
                memory.read_address.eq(address),
                memory.read.eq(asked),
            ]
            words.append(memory.data)
        before: Value = Const(0)
        for client in CLIENTS:
            asks, gets = getattr(self, f"i_{client}"), getattr(self, f"o_{client}")
            wins, reads = Signal(name=f"{client}_wins"), Signal(name=f"{client}_reads")
            m.d.comb += wins.eq(asks.valid & asks.ready)
            with m.If(wins):
                m.d.comb += address.eq(asks.payload)
            m.d.sync += reads.eq(wins)
            if client == WAITING and not config.stores_words:
                m.submodules[f"{client}_words"] = queue = PromisedQueue(8 * config.word_bytes, 4)
                m.d.comb += [
                    asks.ready.eq(queue.room & ~before),
                    queue.promise.eq(wins),
                    queue.write.eq(reads),
                    queue.data.eq(Cat(words)),
                    gets.valid.eq(queue.o.valid),
                    gets.payload.eq(queue.o.payload),
                    queue.o.ready.eq(gets.ready),
                ]
            else:
                m.d.comb += [asks.ready.eq(~before), gets.valid.eq(reads), gets.payload.eq(Cat(words))]
            before = before | wins
        return m

    def _queued(self, m: Module, by_host: Value) -> tuple[data.View, Value]:
        """Words from the SDRAM and of the host: the word that is next, and whether it is written in this cycle."""
        width = Shape.cast(self._arriving).width
        m.submodules.arrived = arrived = WordQueue(width, self.config.arriving)
        word = Signal(self._arriving)
        m.d.comb += [
            arrived.write.eq(self.arrives),
            arrived.data.eq(self.arriving),
            arrived.o.ready.eq(~self.write.any()),
            word.eq(Mux(arrived.o.valid, arrived.o.payload, self.i_host_write.payload.as_value())),
            self.i_host_write.ready.eq(~self.write.any() & ~arrived.o.valid),
        ]
        return word, by_host | (arrived.o.valid & arrived.o.ready)
