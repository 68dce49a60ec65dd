# SPDX-License-Identifier: Apache-2.0
"""Words of channels in, columns of pixels out, each with its place in the operand buffer."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import ShapeLike
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import EngineConfig

from .scatter import ScatterWord
from .words import Word
from .x_buffer import XColumns


@dataclass(frozen=True)
class Moves:
    """What a transposer does in a cycle.

    Members
    -------
    shifts : a word enters, or nothing in its place: `empty`
    writes : a column leaves
    position : of both in their groups
    last : it is the last one
    half : of the operand buffer, that the column goes to
    sideways : the way of a square in this group
    """

    shifts: Signal
    writes: Signal
    position: Signal
    last: Signal
    empty: Value
    half: Signal
    sideways: Signal


class Transposer(wiring.Component):
    """A square of `rows` x `rows` chunks of `fill` bytes, in which words move up while columns leave on top of it, then
    columns move left while words enter on the right, and so on: one group of words is loaded while the one before is
    emitted, in the registers of one.

            words in from below            words in from the right
              ^  ^  ^  ^                       <- <- <- <-
              ^  ^  ^  ^   chunks of the       <- <- <- <-   chunks of the group
              ^  ^  ^  ^   group before        <- <- <- <-   before leave on the left
              ^  ^  ^  ^   leave above         <- <- <- <-

    A group takes `rows` shifts, and a cycle more for each word of the scatter table that neither advances nor ends it.
    Pixels that a tile lacks are zeros.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    start : In(1)
        High for one cycle: a layer begins; the first fill goes to half 0.
    i : In(stream of Word)
    i_scatter : In(stream of ScatterWord)
    pad_value : In(8)
        With `PEConfig.zero_width`: what a step without an operand has, the zero point; else that is 0.
    freed : In(1)
        High for one cycle: a half of the operand buffer may be filled again.
    write : Out(XColumns)
        Never waits.
    filled : Out(1)
        High for one cycle: from the next one on a half is complete.
    done : Out(1)
        With `filled`: that was the layer's last fill.
    error : Out(1)
        High for one cycle: the scatter table does not end with the fill.

    Latency
    -------
    `rows` + 1 cycles from the first word of a group to the first of its columns.
    """

    block = "im2col"
    _square = True
    """Whether words and columns go through a square."""

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(self._word)),
                "i_scatter": In(stream.Signature(ScatterWord(config))),
                "freed": In(1),
                "write": Out(XColumns(config)),
                "filled": Out(1),
                "done": Out(1),
                "error": Out(1),
            }
            | self._ports
        )

    @property
    def _word(self) -> ShapeLike:
        return Word(self.config)

    @property
    def _ports(self) -> dict[str, wiring.Member]:
        return {"pad_value": In(8)} if self.config.array.pe.zero_width else {}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rows = self.config.array.rows
        entry, table_end = self.i_scatter.payload.entry, self.i_scatter.payload.table_end
        # What enters: the group of this pass, then zeros up to its end; after the layer's last word nothing.
        padding, exhausted = Signal(), Signal(init=1)
        fill_end, layer_end = Signal(), Signal()
        # What leaves: the group of the pass before, its columns until the table ends it.
        emitting, dropping = Signal(), Signal()
        emits_fill_end, emits_layer_end = Signal(), Signal()
        position, sideways = Signal(range(rows)), Signal()
        enters, ends, writes, completes, shifts = Signal(), Signal(), Signal(), Signal(), Signal()
        half, room = self._halves(m, writes, completes)
        last, says, moves_on = Signal(), Signal(), Signal()
        m.d.comb += [
            last.eq(position == rows - 1),
            enters.eq(self.i.valid | padding | exhausted),
            says.eq(entry.last | (entry.advance & last)),
            ends.eq(says | table_end),
            # A word of the table that moves on, whether in the end or by an advance, waits for what enters.
            moves_on.eq(entry.last | entry.advance | table_end),
            self.i_scatter.ready.eq(emitting & ~dropping & room & (enters | ~moves_on)),
            writes.eq(self.i_scatter.valid & self.i_scatter.ready),
            shifts.eq(
                enters & ~(exhausted & ~emitting) & (~emitting | dropping | (self.i_scatter.valid & room & moves_on))
            ),
            self.i.ready.eq(shifts & ~padding & ~exhausted),
        ]
        taken = self.i.valid & self.i.ready
        with m.If(taken & self.i.payload.group_end):
            m.d.sync += [
                padding.eq(1),
                fill_end.eq(self.i.payload.fill_end),
                layer_end.eq(self.i.payload.layer_end),
            ]
        with m.If(writes & ends):
            m.d.sync += dropping.eq(1)
        of_layer = Mux(padding, layer_end, self.i.payload.layer_end)
        with m.If(shifts):
            m.d.sync += position.eq(position + 1)
            with m.If(last):
                m.d.sync += [
                    position.eq(0),
                    *([sideways.eq(~sideways)] if self._square else []),
                    padding.eq(0),
                    dropping.eq(0),
                    emitting.eq(~exhausted),
                    emits_fill_end.eq(Mux(padding, fill_end, self.i.payload.fill_end)),
                    emits_layer_end.eq(of_layer),
                    exhausted.eq(exhausted | of_layer),
                ]
        m.d.comb += completes.eq(writes & ends & emits_fill_end)
        m.d.sync += [
            self.filled.eq(completes),
            self.done.eq(completes & emits_layer_end),
            self.error.eq(writes & (table_end != (says & emits_fill_end))),
        ]
        with m.If(self.start):
            m.d.sync += [position.eq(0), emitting.eq(0), padding.eq(0), dropping.eq(0), exhausted.eq(0)]
        self._columns(m, Moves(shifts, writes, position, last, padding | exhausted, half, sideways))
        return m

    def _halves(self, m: Module, writes: Signal, completes: Signal) -> tuple[Signal, Signal]:
        """The half to write into, and whether there is one: one that has been begun, or a free one."""
        begun, used, half, room = Signal(), Signal(range(3)), Signal(), Signal()
        begins, uses = Signal(), Signal(range(3))
        m.d.comb += [begins.eq(Mux(writes, ~completes, begun)), uses.eq(used + (writes & ~begun) - self.freed)]
        m.d.sync += [begun.eq(begins), used.eq(uses), room.eq(begins | (uses != 2))]
        with m.If(completes):
            m.d.sync += half.eq(~half)
        with m.If(self.start):
            m.d.sync += [begun.eq(0), used.eq(0), half.eq(0), room.eq(1)]
        return half, room

    def _columns(self, m: Module, moves: Moves) -> None:
        """Words into the square, columns of the group before out of it."""
        m.d.comb += self.write.half.eq(moves.half)
        self._emit(m, moves.writes, self._shift(m, moves.shifts, moves.sideways, moves.empty))

    def _shift(self, m: Module, shifts: Signal, sideways: Signal, empty: Value) -> list[Signal]:
        """The square. Returns the chunk of every pixel that leaves."""
        rows, width = self.config.array.rows, 8 * self.config.fill
        square = [[Signal(width, name=f"chunk_{i}_{j}", reset_less=True) for j in range(rows)] for i in range(rows)]
        word = Mux(empty, 0, self.i.payload.word)
        entering = [word.word_select(i, width) for i in range(rows)]
        with m.If(shifts):
            for i in range(rows):
                for j in range(rows):
                    below = square[i + 1][j] if i < rows - 1 else entering[j]
                    beside = square[i][j + 1] if j < rows - 1 else entering[i]
                    m.d.sync += square[i][j].eq(Mux(sideways, beside, below))
        leaving = []
        for pixel in range(rows):
            chunk = Signal(width, name=f"leaving_{pixel}")
            m.d.comb += chunk.eq(Mux(sideways, square[pixel][0], square[0][pixel]))
            leaving.append(chunk)
        return leaving

    def _emit(self, m: Module, writes: Signal, leaving: list[Signal]) -> None:
        """Columns into the operand buffer."""
        entry = self.i_scatter.payload.entry
        array = self.config.array
        none = self.pad_value.replicate(array.rows) if array.pe.zero_width else 0
        for i in range(self.config.fill):
            column = self.write.columns[i]
            values = Cat(chunk.word_select(i, 8) for chunk in leaving)
            m.d.comb += [
                column.valid.eq(writes & entry[f"valid_{i}"]),
                column.pair.eq(entry[f"pair_{i}"]),
                column.step.eq(entry[f"step_{i}"]),
                column.column.eq(Mux(entry[f"zero_{i}"], none, values)),
            ]
