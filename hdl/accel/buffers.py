# SPDX-License-Identifier: Apache-2.0
"""Tile buffers in block RAM."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.banked_memory import BankedMemory
from sysmt.hdl.emit import UNCHECKED, UNINITIALISED


def kept_word(m: Module, word: Value, waits: Value) -> Value:
    """What a memory gave for an address, as long as it `waits` to be taken.

    The memory may read on meanwhile: what takes the word decides late, and the enables of many blocks of RAM are far.
    """
    waited, spare = Signal(), Signal(len(word), reset_less=True)
    m.d.sync += waited.eq(waits)
    with m.If(~waited):
        m.d.sync += spare.eq(word)
    return Mux(waited, spare, word)


class Buffer(wiring.Component):
    """A memory that is written at addresses and read as a stream: addresses in, words out, in order.

    One write and one read port on one clock, a synchronous read, no reset of the content: what Yosys maps to block RAM
    on ECP5, iCE40 and Gowin. Reading a word in the cycle it is written gives the old one, where that is `checked`.

    Parameters
    ----------
    width, depth : int
        Bits of a word, and words.
    register : bool
        A register behind the memory: its clock-to-output time is long on FPGAs.
    initialised : bool
        Words are zero before they are written; else they are whatever the block RAM has.
    holds : bool
        Not `checked` only: what is read is known in time for the memory's enable, and its word stays there as long as
        it waits; else in a register.
    checked : bool
        A word that is read in the cycle it is written is the old one; else it is not defined, which takes less logic,
        and a large memory is made of banks.

    Members
    -------
    write, address, data : In(1), In(clog2(depth)), In(width)
    i : In(stream of clog2(depth) bits)
    o : Out(stream of width bits)
    resident : Out(1)
        A word is between `i` and `o`.

    Latency
    -------
    1 cycle, 2 with `register`; a word per cycle. `o.ready` acts on `i.ready` in the same cycle.
    """

    block = "buffers"

    def __init__(
        self,
        width: int,
        depth: int,
        register: bool = False,
        initialised: bool = True,
        checked: bool = True,
        holds: bool = False,
    ):
        self.width, self.depth, self.register = width, depth, register
        self.initialised, self.checked, self.holds = initialised, checked, holds
        super().__init__(
            {
                "write": In(1),
                "address": In(range(depth)),
                "data": In(width),
                "i": In(stream.Signature(range(depth))),
                "o": Out(stream.Signature(width)),
                "resident": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        held = Signal()
        takes = Signal()
        m.d.comb += [self.i.ready.eq(~held | takes), self.resident.eq(held)]
        data = self._memory(m, held & ~takes)
        with m.If(self.i.ready):
            m.d.sync += held.eq(self.i.valid)
        if self.register:
            m.d.comb += takes.eq(~self.o.valid | self.o.ready)
            with m.If(takes):
                m.d.sync += [self.o.valid.eq(held), self.o.payload.eq(data)]
        else:
            m.d.comb += [takes.eq(self.o.ready), self.o.valid.eq(held), self.o.payload.eq(data)]
        return m

    def _memory(self, m: Module, waits: Value) -> Value:
        """The memory, written, and read when an address is taken; returns its word, which stays while it `waits`."""
        attributes = {} if self.initialised else UNINITIALISED
        if not self.checked:
            m.submodules.memory = banks = BankedMemory(self.width, self.depth, attributes | UNCHECKED)
            m.d.comb += [
                banks.write.eq(self.write),
                banks.write_address.eq(self.address),
                banks.write_data.eq(self.data),
                banks.read.eq(self.i.valid & self.i.ready if self.holds else self.i.valid),
                banks.read_address.eq(self.i.payload),
            ]
            return banks.data if self.holds else kept_word(m, banks.data, waits)
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[], attrs=attributes)
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.address),
            write.data.eq(self.data),
            read.addr.eq(self.i.payload),
            read.en.eq(self.i.ready),
        ]
        return read.data
