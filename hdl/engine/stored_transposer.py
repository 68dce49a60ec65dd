# SPDX-License-Identifier: Apache-2.0
"""Columns of pixels out of the word store, each with its place in the operand buffer."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ShapeLike
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import WORD_GROUPS

from .transposer import Moves, Transposer
from .word_fetcher import StoredWord


class StoredTransposer(Transposer):
    """A `Transposer` whose words stay in the `WordStore`: only what is told about them goes through it, group by group.

    Members
    -------
    i : In(stream of StoredWord)
    pad_value : In(8)
        What a word in the padding consists of.
    read, read_group, read_chunk, chunks : Out, Out, Out, In
        To the store and back.
    write : Out(XColumns)
        A cycle later than that of a `Transposer`.
    """

    _square = False

    @property
    def _word(self) -> ShapeLike:
        return StoredWord

    @property
    def _ports(self) -> dict[str, wiring.Member]:
        return {
            "pad_value": In(8),
            "read": Out(1),
            "read_group": Out(range(WORD_GROUPS)),
            "read_chunk": Out(range(self.config.array.rows)),
            "chunks": In(8 * self.config.word_bytes),
        }

    def _columns(self, m: Module, moves: Moves) -> None:
        """Columns of the group before, while what is told of the next one comes in."""
        config = self.config
        rows, fill = config.array.rows, config.fill
        # Of each pixel that came, and of the group before: whether there is none, whether it is padding.
        told = {"absent": moves.empty, "outside": self.i.payload.outside}
        of_chunks = {}
        for name, value in told.items():
            came, before = Signal(rows, name=name), Signal(rows, name=f"{name}_before")
            of_chunks[name] = Signal(rows, name=f"{name}_chunks")
            with m.If(moves.shifts):
                m.d.sync += came.eq(Cat(came, value)[1:])
                with m.If(moves.last):
                    m.d.sync += before.eq(Cat(came, value)[1:])
            m.d.sync += of_chunks[name].eq(before)
        group = Signal.like(self.read_group)
        with m.If(moves.shifts & moves.last):
            m.d.sync += group.eq(group + 1)
        with m.If(self.start):
            m.d.sync += group.eq(-1)
        m.d.comb += [
            self.read.eq(moves.writes),
            self.read_group.eq(group),
            self.read_chunk.eq(moves.position),
        ]

        # With the chunks, a cycle later.
        entry, zeros = self.i_scatter.payload.entry, Signal(fill)
        none = self.pad_value.replicate(rows) if config.array.pe.zero_width else 0
        m.d.sync += self.write.half.eq(moves.half)
        for i in range(fill):
            column = self.write.columns[i]
            m.d.sync += [
                column.valid.eq(moves.writes & entry[f"valid_{i}"]),
                column.pair.eq(entry[f"pair_{i}"]),
                column.step.eq(entry[f"step_{i}"]),
                zeros[i].eq(entry[f"zero_{i}"]),
            ]
            values = []
            for pixel in range(rows):
                byte = self.chunks.word_select(pixel * fill + i, 8)
                padded = Mux(of_chunks["outside"][pixel], self.pad_value, byte)
                values.append(Mux(of_chunks["absent"][pixel], 0, padded))
            m.d.comb += column.column.eq(Mux(zeros[i], none, Cat(values)))
