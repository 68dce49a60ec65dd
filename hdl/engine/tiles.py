# SPDX-License-Identifier: Apache-2.0
"""Issues the tiles of a layer: descriptors to the array, addresses to the operand buffer and the weight memory."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.array.ports import TileDescriptor
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR

from .counter import count_loops
from .patches import has_patches
from .ports import LayerLayout, XAddress


class TileIssuer(wiring.Component):
    """The loops of `sysmt.hdl.params.program`, tile by tile and step by step, behind the im2col unit.

    A tile of pixels begins when its half of the operand buffer is filled; steps then leave one per cycle.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    layer : In(LayerLayout)
        Stable from `start` until the layer has ended.
    start : In(1)
        High for one cycle. Nothing happens for layers that are no matrix product: they fill nothing.
    filled : In(1)
        High for one cycle: one more half of the operand buffer is complete.
    o_tile : Out(stream of TileDescriptor)
    o_x : Out(stream of XAddress)
    o_w : Out(stream of addresses)
        To the array, the operand buffer and the weight memory; a descriptor leaves with the first addresses of its
        tile. Queues must be behind all of them: `ready` of one acts on `valid` of the others.
    error : Out(1)
        An address was outside its memory, since `start`.

    Latency
    -------
    The first addresses leave two cycles after `filled`; one step per cycle, without a gap between tiles.
    """

    block = "control"

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "layer": In(LayerLayout),
                "start": In(1),
                "filled": In(1),
                "o_tile": Out(stream.Signature(TileDescriptor(config.array))),
                "o_x": Out(stream.Signature(XAddress(config))),
                "o_w": Out(stream.Signature(range(config.weight_words))),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, layer = self.config, self.layer
        width = {name: field.width for name, field in DESCRIPTOR.fields.items()}
        available, there = Signal(range(3)), Signal()
        x, x_tile, first = Signal(width["steps"] + 1), Signal(width["steps"] + 1), Signal()
        # One bit more than an address has shows that it went beyond.
        w, w_group = Signal(width["w_base"] + 1), Signal(width["w_base"] + 1)
        half, thread, word_ends = Signal(), Signal(range(max(config.array.pe.threads, 2))), Signal()
        ends = {name: Signal(name=f"last_{name}") for name in self._loops}
        last_step, last_m, last_group = (ends[name] for name in ("step", "m", "group"))
        last_n = Signal()
        m.d.comb += last_n.eq(ends["n"] & ends["part"] if config.patch > 1 else ends["n"])
        self._threads(m, thread, word_ends)
        tile = self.o_tile
        may, moves, ends_tile, ends_m = Signal(), Signal(), Signal(), Signal()
        self._count(m, moves, ends)
        m.d.comb += [
            may.eq(there & (~first | tile.ready)),
            moves.eq(may & self.o_x.ready & self.o_w.ready),
            ends_tile.eq(moves & last_step),
            ends_m.eq(ends_tile & last_n),
            self.o_x.valid.eq(may & self.o_w.ready),
            self.o_w.valid.eq(may & self.o_x.ready),
            tile.valid.eq(there & first & self.o_x.ready & self.o_w.ready),
            self.o_x.payload.step.eq(x),
            self.o_x.payload.half.eq(half),
            self.o_x.payload.frees.eq(last_step & last_n),
            self.o_w.payload.eq(w),
            tile.payload.steps.eq(layer.steps),
            tile.payload.threads.eq(layer.threads),
            tile.payload.rows.eq(Mux(last_m, layer.last_rows, config.array.rows)),
            tile.payload.cols.eq(Mux(last_n & last_group, layer.last_cols, config.array.cols)),
        ]
        if config.array.pe.zero_width:
            m.d.comb += tile.payload.zero.eq(layer.pad_value)
        with m.If(self.filled != ends_m):
            m.d.sync += available.eq(Mux(self.filled, available + 1, available - 1))
        # Whether any is: beside the number, which would be late if compared.
        m.d.sync += there.eq(self.filled | Mux(ends_m, available == 2, there))
        with m.If(moves):
            m.d.sync += first.eq(last_step)
            with m.If(word_ends | last_step):
                m.d.sync += [x.eq(x + 1), w.eq(w + 1), thread.eq(0)]
            with m.Else():
                m.d.sync += thread.eq(thread + (1 << layer.threads))
            with m.If((x >= config.x_depth) | (w >= config.weight_words)):
                m.d.sync += self.error.eq(1)
        with m.If(ends_tile):
            m.d.sync += [x_tile.eq(x_tile + layer.x_stride), x.eq(x_tile + layer.x_stride)]
        with m.If(ends_m):
            m.d.sync += [x_tile.eq(0), x.eq(0), half.eq(~half)]
            with m.If(~last_m | ~layer.grouped):
                m.d.sync += w.eq(w_group)
            with m.If(last_m & layer.grouped):
                m.d.sync += w_group.eq(w + 1)
        with m.If(self.start):
            m.d.sync += [
                available.eq(0),
                there.eq(0),
                half.eq(0),
                self.error.eq(0),
                w.eq(layer.w_base),
                w_group.eq(layer.w_base),
                first.eq(1),
                *(counter.eq(0) for counter in (x, x_tile, thread)),
            ]
        return m

    @property
    def _loops(self) -> tuple[str, ...]:
        """The loops, the innermost first."""
        parts = ("part",) if self.config.patch > 1 else ()
        return ("step", *parts, "n", "m", "group")

    def _count(self, m: Module, moves: Signal, ends: dict[str, Signal]) -> None:
        """Steps, parts of a tile, tiles of channels, tiles of pixels, groups; the last group has tiles of its own."""
        config, layer, of_last = self.config, self.layer, Signal()
        limits = {
            "step": layer.steps,
            "part": Mux(has_patches(layer), Const(config.patch), 1),
            "n": Mux(of_last, layer.last_n_tiles, layer.n_tiles),
            "m": layer.m_tiles,
            "group": layer.groups,
        }
        limits = {name: limits[name] for name in self._loops}
        left = count_loops(m, self.start, moves, limits, ends)["group"]
        following = Mux(ends["m"], left == 2, ends["group"])
        m.d.comb += of_last.eq(Mux(self.start, layer.groups == 1, following))

    def _threads(self, m: Module, thread: Signal, word_ends: Signal) -> None:
        """On fewer threads than there are, a word of operands holds those of several steps."""
        threads = self.config.array.pe.threads
        if threads == 1:
            m.d.comb += word_ends.eq(1)
            return
        m.d.comb += self.o_x.payload.thread.eq(thread)
        with m.Switch(self.layer.threads):
            for i, running in enumerate(self.config.array.pe.throttles):
                with m.Case(i):
                    m.d.comb += word_ends.eq(thread == threads - running)
