# SPDX-License-Identifier: Apache-2.0
"""Pooling: sums and largest values over windows, all channels of a word at once."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .ports import LayerLayout, SumRow
from .words import Word


class PoolUnit(wiring.Component):
    """One pixel after the other: its words are summed up, or the largest byte of every channel is kept.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(LayerLayout)
    start : In(1)
        High for one cycle: a layer begins.
    i : In(stream of Word)
        Unsigned bytes. Each of them counts, those in the padding too.
    o : Out(stream of SumRow)
        Of every pixel `n_tiles` rows (of the last group `last_n_tiles`) of `cols` channels, each `last` of its tile.
    done : Out(1)
        High for one cycle: the layer's last row was taken in the cycle before.
    error : Out(1)
        A sum was beyond `WIDTH` bits, since `start`.

    Latency
    -------
    1 cycle from the last word of a pixel to its first row. Words of the next pixel go on while rows leave; its last
    one waits for the last row.
    """

    block = "im2col"

    WIDTH = 24
    """Bits of a sum: windows of 2 ** 16 taps."""

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "layer": In(LayerLayout),
                "start": In(1),
                "i": In(stream.Signature(Word(config))),
                "o": Out(stream.Signature(SumRow(config))),
                "done": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, layer, word = self.config, self.layer, self.i.payload
        cols = config.array.cols
        maximum = Signal()
        with m.If(self.start):
            m.d.sync += maximum.eq(layer.operation == Operation.MAX)
        tiles, final = Signal(range(config.granules + 1)), Signal()
        taken, leaves, last_row = Signal(), Signal(), Signal()
        m.d.comb += [
            last_row.eq(tiles == 1),
            leaves.eq(self.o.valid & self.o.ready),
            self.o.valid.eq(tiles != 0),
            self.i.ready.eq(~word.fill_end | (tiles == 0) | (leaves & last_row)),
            taken.eq(self.i.valid & self.i.ready),
        ]
        m.d.sync += self.done.eq(leaves & last_row & final)
        # The first word of a pixel counts alone: what is kept of the one before needs no time to be cleared.
        fresh = Signal()
        with m.If(taken):
            m.d.sync += fresh.eq(word.fill_end)
        with m.If(self.start):
            m.d.sync += fresh.eq(1)
        # In cells a byte that does not count is smaller than an enable of every bit that is kept.
        first, ignored, replaces = (fresh, maximum, maximum)
        if config.stores_words:
            first, ignored, replaces = fresh & taken, maximum | ~taken, maximum & taken
        sums, over = [], []
        for lane in range(config.word_bytes):
            byte = word.word.word_select(lane, 8)
            kept = Signal(self.WIDTH, name=f"kept_{lane}", reset_less=True)
            total = Signal(self.WIDTH + 1, name=f"total_{lane}")
            before = Mux(first, 0, kept)
            m.d.comb += total.eq(before + Mux(ignored, 0, byte))
            with m.If(replaces & (fresh | (byte > kept[:8]))):
                m.d.comb += total[:8].eq(byte)
            if config.stores_words:
                m.d.sync += kept.eq(total)
            else:
                with m.If(taken):
                    m.d.sync += kept.eq(total)
            sums.append(total[: self.WIDTH])
            over.append(total[self.WIDTH])
        with m.If(taken & Cat(over).any()):
            m.d.sync += self.error.eq(1)

        rows = Signal(self.WIDTH * config.word_bytes, reset_less=True)
        with m.If(leaves):
            # What moves up leaves its copy behind: nobody looks at it.
            m.d.sync += [rows[: -self.WIDTH * cols].eq(rows[self.WIDTH * cols :]), tiles.eq(tiles - 1)]
        with m.If(taken & word.fill_end):
            m.d.sync += [
                rows.eq(Cat(sums)),
                tiles.eq(Mux(word.last_group, layer.last_n_tiles, layer.n_tiles)),
                final.eq(word.layer_end),
            ]
        with m.If(self.start):
            m.d.sync += [tiles.eq(0), self.error.eq(0)]
        m.d.comb += self.o.payload.last.eq(1)
        for column in range(cols):
            m.d.comb += self.o.payload.sums[column].eq(rows.word_select(column, self.WIDTH))
        return m
