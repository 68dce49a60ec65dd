# SPDX-License-Identifier: Apache-2.0
"""Words of channels in SRAM, read again as words or as columns of pixels."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import UNCHECKED, UNINITIALISED
from sysmt.hdl.params.engine import WORD_GROUPS, EngineConfig


class WordStore(wiring.Component):
    """The words of some groups of pixels. Chunk c of pixel p, `fill` bytes, is in bank c ^ p at address p of its group:
    the chunks of one word are in banks of their own, and so are the chunks c of all pixels.

        word -> exchange by p -> banks, each with an address of its own -> exchange by c -> column
                                 (p, or for a column b ^ c in bank b)

    Parameters
    ----------
    config : EngineConfig
        With `stores_words`.

    Members
    -------
    write : In(1)
    write_group, write_pixel, word : In
        A word and its place; read from the cycle after it on.
    read : In(1)
    read_group, read_chunk : In
        The chunks of that number are wanted, of all pixels of a group. What a pixel has that was not written means
        nothing.
    chunks : Out(8 * word_bytes)
        They, pixel 0 lowest; or, with `read_word`, the chunks of one word.
    read_word : In(1)
        With `read` and a `read_chunk` of 0: the word of pixel 0 instead.

    Latency
    -------
    1 cycle from `read` to `chunks`, which then stay.
    """

    block = "buffers"

    def __init__(self, config: EngineConfig):
        self.config = config
        rows = range(config.array.rows)
        super().__init__(
            {
                "write": In(1),
                "write_group": In(range(WORD_GROUPS)),
                "write_pixel": In(rows),
                "word": In(8 * config.word_bytes),
                "read": In(1),
                "read_group": In(range(WORD_GROUPS)),
                "read_chunk": In(rows),
                "read_word": In(1),
                "chunks": Out(8 * config.word_bytes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rows, width = self.config.array.rows, 8 * self.config.fill
        count = 1 << len(self.write_pixel)
        words = [self.word.word_select(c, width) if c < rows else Const(0, width) for c in range(count)]
        entering = exchanged(m, words, self.write_pixel, "entering")
        banks = []
        for b in range(count):
            pixel = Mux(self.read_word, 0, self.read_chunk ^ b)[: len(self.read_chunk)]
            m.submodules[f"bank_{b}"] = memory = Memory(
                shape=width, depth=WORD_GROUPS * count, init=[], attrs=UNINITIALISED | UNCHECKED
            )
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.en.eq(self.write),
                write.addr.eq(Cat(self.write_pixel, self.write_group)),
                write.data.eq(entering[b]),
                read.en.eq(self.read),
                read.addr.eq(Cat(pixel, self.read_group)),
            ]
            banks.append(read.data)
        chunk = Signal.like(self.read_chunk)
        with m.If(self.read):
            m.d.sync += chunk.eq(self.read_chunk)
        m.d.comb += self.chunks.eq(Cat(exchanged(m, banks, chunk, "leaving")[:rows]))
        return m


def exchanged(m: Module, words: Sequence[Value], by: Signal, name: str) -> list[Value]:
    """Word i ^ `by` at every i: two words a multiplexer, bit by bit of the number."""
    found = list(words)
    for bit in range(len(by)):
        stage = [Signal(len(word), name=f"{name}_{bit}_{i}") for i, word in enumerate(found)]
        for i, signal in enumerate(stage):
            m.d.comb += signal.eq(Mux(by[bit], found[i ^ 1 << bit], found[i]))
        found = stage
    return found
