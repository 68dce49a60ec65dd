# SPDX-License-Identifier: Apache-2.0
"""Tile buffers in block RAM."""

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.banked_memory import BankedMemory
from sysmt.hdl.emit import UNCHECKED, UNINITIALISED


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

    def __init__(self, width: int, depth: int, register: bool = False, initialised: bool = True, checked: bool = True):
        self.width, self.depth, self.register = width, depth, register
        self.initialised, self.checked = initialised, checked
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
        data = self._memory(m)
        with m.If(self.i.ready):
            m.d.sync += held.eq(self.i.valid)
        if self.register:
            m.d.comb += takes.eq(~self.o.valid | self.o.ready)
            with m.If(takes):
                m.d.sync += [self.o.valid.eq(held), self.o.payload.eq(data)]
        else:
            m.d.comb += [takes.eq(self.o.ready), self.o.valid.eq(held), self.o.payload.eq(data)]
        return m

    def _memory(self, m: Module) -> Value:
        """The memory, written, and read whenever an address is taken; returns its word."""
        attributes = {} if self.initialised else {UNINITIALISED: 1}
        if not self.checked:
            m.submodules.memory = banks = BankedMemory(self.width, self.depth, attributes | UNCHECKED)
            m.d.comb += [
                banks.write.eq(self.write),
                banks.write_address.eq(self.address),
                banks.write_data.eq(self.data),
                banks.read.eq(self.i.ready),
                banks.read_address.eq(self.i.payload),
            ]
            return banks.data
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
