# SPDX-License-Identifier: Apache-2.0
"""The operand buffer: two halves of steps, written column by column in any order and read step by step."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.accel.buffers import kept_word
from sysmt.hdl.array.ports import x_step
from sysmt.hdl.emit import UNCHECKED
from sysmt.hdl.params.engine import EngineConfig

from .ports import XAddress
from .threads import from_thread


class XColumns(data.StructLayout):
    """Columns on their way into the operand buffer.

    Members
    -------
    half : unsigned(1)
    columns : ArrayLayout of {valid, pair, step, column}
        Operands of one step and pair, pixel 0 lowest; written where `valid`. Those that are valid differ in
        (pair, step % fill).
    """

    def __init__(self, config: EngineConfig):
        column = {"valid": 1, "pair": config.pair_bits, "step": config.step_bits, "column": 8 * config.array.rows}
        super().__init__({"half": 1, "columns": data.ArrayLayout(data.StructLayout(column), config.fill)})


class XBuffer(wiring.Component):
    """`pairs` x `fill` banks of block RAM: bank (p, s) holds the operands of pair p in steps s, s + fill, ...

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    write : In(XColumns)
        Always taken; read from the cycle after the next one on, or with `EngineConfig.stores_words` after it.
    conflict : Out(1)
        High for one cycle, after `write` or then with it: two of the columns are for one bank.
    i : In(stream of XAddress)
    o : Out(stream of x_step)
        In the order of their addresses.
    thread : Out(range(threads))
        Of the address of `o`; with more than one thread.
    freed : Out(1)
        High for one cycle: an address that frees its half was taken.

    Latency
    -------
    2 cycles; a step per cycle. `o.ready` acts on `i.ready` in the same cycle.
    """

    block = "buffers"

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "write": In(XColumns(config)),
                "conflict": Out(1),
                "i": In(stream.Signature(XAddress(config))),
                "o": Out(stream.Signature(x_step(config.array))),
                "freed": Out(1),
            }
            | ({"thread": Out(range(config.array.pe.threads))} if config.array.pe.threads > 1 else {})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        fill, pairs, rows = config.fill, config.array.pe.products, config.array.rows
        bits = fill.bit_length() - 1
        i, o, write = self.i, self.o, self.write
        held, bank, takes = Signal(), Signal(range(fill)), Signal()
        m.d.comb += [
            takes.eq(~o.valid | o.ready),
            i.ready.eq(~held | takes),
            self.freed.eq(i.valid & i.ready & i.payload.frees),
        ]
        with m.If(i.ready):
            m.d.sync += [held.eq(i.valid), bank.eq(i.payload.step[:bits])]
        with m.If(takes):
            m.d.sync += o.valid.eq(held)
        # A register in front: columns, and which of them each bank takes. What comes from SRAM needs none.
        half = Signal()
        places = [Signal(config.step_bits - bits, name=f"place_{e}") for e in range(fill)]
        values = [Signal(8 * rows, name=f"value_{e}", reset_less=True) for e in range(fill)]
        enters = m.d.comb if config.stores_words else m.d.sync
        enters += half.eq(write.half)
        for e, column in enumerate(write.columns):
            enters += [places[e].eq(column.step[bits:]), values[e].eq(column.column)]
        conflicts = []
        founds = [Signal(8 * rows, name=f"found_{pair}") for pair in range(pairs)]
        for pair, found in enumerate(founds):
            for s in range(fill):
                m.submodules[f"bank_{pair}_{s}"] = memory = Memory(
                    shape=8 * rows, depth=2 * config.x_depth // fill, init=[], attrs=UNCHECKED
                )
                port, read = memory.write_port(), memory.read_port()
                hits = Signal(fill, name=f"hits_{pair}_{s}")
                place: Any = 0
                value: Any = 0
                for e, column in enumerate(write.columns):
                    enters += hits[e].eq(
                        column.valid & (column.pair == pair) & ((column.step[:bits] == s) if bits else 1)
                    )
                    place |= Mux(hits[e], places[e], 0)
                    value |= Mux(hits[e], values[e], 0)
                m.d.comb += [
                    port.en.eq(hits.any()),
                    port.addr.eq(Cat(place[: config.step_bits - bits], half)),
                    port.data.eq(value),
                    read.addr.eq(Cat(i.payload.step[bits:], i.payload.half)),
                    read.en.eq(i.valid & i.ready if config.stores_words else i.valid),
                ]
                conflicts.append((hits & (hits - 1)[:fill]).any())
                with m.If(bank == s):
                    m.d.comb += found.eq(read.data)
        kept = Cat(founds) if config.stores_words else kept_word(m, Cat(founds), held & ~takes)
        words: list[Value] = [kept.word_select(pair, 8 * rows) for pair in range(pairs)]
        chosen = self._from_thread(m, words, takes)
        with m.If(takes):
            for pair, word in enumerate(chosen):
                for row in range(rows):
                    m.d.sync += o.payload[row][pair].eq(word.word_select(row, 8))
        m.d.comb += self.conflict.eq(Cat(conflicts).any())
        return m

    def _from_thread(self, m: Module, words: list[Value], takes: Signal) -> Sequence[Value]:
        """The operands of every pair, from the address's thread on."""
        pe = self.config.array.pe
        if pe.threads == 1:
            return words
        thread = Signal(range(pe.threads))
        with m.If(self.i.ready):
            m.d.sync += thread.eq(self.i.payload.thread)
        with m.If(takes):
            m.d.sync += self.thread.eq(thread)
        return from_thread(m, words, thread, pe.pairs_per_thread)
