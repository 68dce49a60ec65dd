# SPDX-License-Identifier: Apache-2.0
"""The im2col unit: from activations in memory to operands of the array, or to pooled rows."""

from typing import Any

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.array.ports import x_step
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .addresses import ENDS, AddressGenerator
from .pool import PoolUnit
from .ports import LayerLayout, SumRow, XAddress
from .scatter import ScatterReader
from .stored_transposer import StoredTransposer
from .transposer import Transposer
from .word_fetcher import WordFetcher
from .word_store import WordStore
from .words import WordReader
from .x_buffer import XBuffer


class Filler(wiring.Component):
    """Reads the input of a layer and fills the operand buffer, tile of pixels by tile, or pools.

        AddressGenerator -> WordReader -> Transposer (places from the scatter table) -> XBuffer -> array
                                       -> PoolUnit -> rows of sums

    With `EngineConfig.stores_words` words wait and are transposed in SRAM::

        AddressGenerator -> WordFetcher -> WordStore -> StoredTransposer or PoolUnit

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(LayerLayout)
        Stable from `start` until the layer has ended.
    start : In(1)
        High for one cycle.
    o_read, i_read : Out(stream of addresses), In(stream of words)
        Client of the activation memory.
    scatter_address, scatter_word : Out, In
        Port of the scatter table; a word comes one cycle after its address.
    filled : Out(1)
        High for one cycle: from the next one on a half of the operand buffer is complete, 0 first, then in turn.
    i_x : In(stream of XAddress)
    o_thread : Out(range(threads))
        With more than one thread: `thread` of the address of `o_x`.
    o_x : Out(stream of x_step)
        The operands of the array. A half is filled again after an address that frees it.
    o_pool : Out(stream of SumRow)
    done : Out(1)
        High for one cycle: with the last `filled`, or one cycle after the last pooled row was taken.
    error : Out(1)
        Since `start`: an address outside a memory, a scatter table that does not end with a fill or writes two columns
        to one place, a pooled sum beyond 24 bits. The layer goes on to its end all the same.

    Latency
    -------
    With halves free and the memory its own, a tile of pixels takes `fill` = taps x channel words x `rows` cycles, and
    one more for each word of the scatter table that neither advances nor ends its group; there is no gap between
    tiles. The first `filled` is `first_fill` + `fill` cycles after `start`, less the chunks that the table drops at
    the end. A pooled pixel takes as many cycles as it has taps, or rows of sums when those are more; `done` comes
    `FIRST_WORD` cycles, those of every pixel, and the last one's rows after `start`.
    """

    block = "im2col"

    FIRST_WORD = 6
    """Cycles from `start` to the first word at the transposer or the pooling unit."""

    @classmethod
    def first_fill(cls, config: EngineConfig) -> int:
        """Cycles from `start` to the first word of the scatter table: the pipeline, and loading the first square."""
        return cls.FIRST_WORD + config.array.rows

    def __init__(self, config: EngineConfig):
        self.config = config
        width, depth = config.memories["scatter"]
        super().__init__(
            {
                "layer": In(LayerLayout),
                "start": In(1),
                "o_read": Out(stream.Signature(range(config.activation_words))),
                "i_read": In(stream.Signature(8 * config.word_bytes)),
                "scatter_address": Out(range(depth)),
                "scatter_word": In(width),
                "filled": Out(1),
                "i_x": In(stream.Signature(XAddress(config))),
                "o_x": Out(stream.Signature(x_step(config.array))),
                **({"o_thread": Out(range(config.array.pe.threads))} if config.array.pe.threads > 1 else {}),
                "o_pool": Out(stream.Signature(SumRow(config))),
                "done": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, layer, start = self.config, self.layer, self.start
        m.submodules.addresses = addresses = AddressGenerator(config)
        m.submodules.words = words = WordFetcher(config) if config.stores_words else WordReader(config)
        scatter = ScatterReader(config)
        m.submodules.scatter = ResetInserter(start)(scatter)
        m.submodules.transposer = transposer = (StoredTransposer if config.stores_words else Transposer)(config)
        m.submodules.x = x = XBuffer(config)
        m.submodules.pool = pool = PoolUnit(config)
        pooling, damaged = Signal(), Signal()
        with m.If(start):
            m.d.sync += pooling.eq(layer.operation != Operation.MATMUL)
        m.d.comb += [
            addresses.layer.eq(layer),
            addresses.start.eq(start),
            *([] if config.stores_words else [words.pad_value.eq(layer.pad_value)]),
            scatter.enable.eq(~pooling),
            scatter.base.eq(layer.scatter_base),
            scatter.words.eq(layer.scatter_words),
            scatter.word.eq(self.scatter_word),
            self.scatter_address.eq(scatter.address),
            transposer.start.eq(start),
            transposer.freed.eq(x.freed),
            x.write.eq(transposer.write),
            pool.layer.eq(layer),
            pool.start.eq(start),
            self.filled.eq(transposer.filled),
            self.done.eq(transposer.done | pool.done),
            self.error.eq(addresses.error | scatter.error | pool.error | damaged),
        ]
        if config.stores_words or config.array.pe.zero_width:
            m.d.comb += transposer.pad_value.eq(layer.pad_value)
        connect(m, addresses.o, words.i)
        connect(m, words.o_read, flipped(self.o_read))
        if config.stores_words:
            self._store(m, words, transposer, pool, pooling)
        else:
            connect(m, flipped(self.i_read), words.i_read)
        connect(m, scatter.o, transposer.i_scatter)
        connect(m, flipped(self.i_x), x.i)
        m.d.comb += [
            transposer.i.valid.eq(words.o.valid & ~pooling),
            pool.i.valid.eq(words.o.valid & pooling),
            words.o.ready.eq(Mux(pooling, pool.i.ready, transposer.i.ready)),
            *([] if config.stores_words else [unit.i.payload.eq(words.o.payload) for unit in (transposer, pool)]),
            self.o_x.valid.eq(x.o.valid),
            self.o_x.payload.eq(x.o.payload),
            x.o.ready.eq(self.o_x.ready),
            self.o_pool.valid.eq(pool.o.valid),
            self.o_pool.payload.eq(pool.o.payload),
            pool.o.ready.eq(self.o_pool.ready),
        ]
        if config.array.pe.threads > 1:
            m.d.comb += self.o_thread.eq(x.thread)
        with m.If(transposer.error | x.conflict):
            m.d.sync += damaged.eq(1)
        with m.If(start):
            m.d.sync += damaged.eq(0)
        return m

    def _store(self, m: Module, words: Any, transposer: Any, pool: PoolUnit, pooling: Signal) -> None:
        """Words wait in the store; those to be pooled, each of a group of its own, are read before their turn."""
        m.submodules.store = store = WordStore(self.config)
        first, of_pool = Signal.like(store.read_group), Signal.like(store.read_group)
        m.d.comb += of_pool.eq(first + (words.o.valid & words.o.ready))
        m.d.sync += first.eq(Mux(self.start, 0, of_pool))
        found = words.o.payload
        m.d.comb += [
            words.start.eq(self.start),
            store.write.eq(words.write),
            store.write_group.eq(words.write_group),
            store.write_pixel.eq(words.write_pixel),
            store.word.eq(self.i_read.payload),
            self.i_read.ready.eq(1),
            store.read.eq(transposer.read | pooling),
            store.read_word.eq(pooling),
            store.read_group.eq(Mux(pooling, of_pool, transposer.read_group)),
            store.read_chunk.eq(Mux(pooling, 0, transposer.read_chunk)),
            transposer.chunks.eq(store.chunks),
            transposer.i.payload.eq(found),
            pool.i.payload.word.eq(
                Mux(found.outside, self.layer.pad_value.replicate(self.config.word_bytes), store.chunks)
            ),
            *(pool.i.payload[name].eq(found[name]) for name in ENDS),
        ]
