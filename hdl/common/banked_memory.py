# SPDX-License-Identifier: Apache-2.0
"""A large memory of banks, as block RAM takes them without a multiplexer of many inputs for every bit."""

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.banks import bank_depths, bank_widths


class BankedMemory(wiring.Component):
    """One write and one synchronous read port.

    Parameters
    ----------
    width, depth : int
        Bits of a word, and words.
    attrs : mapping
        Attributes of every bank.

    Members
    -------
    write, write_address, write_data : In(1), In(range(depth)), In(width)
    read, read_address : In(1), In(range(depth))
    data : Out(width)
        The word of the last `read`, a cycle after its address.

    Latency
    -------
    1 cycle.
    """

    block = "buffers"

    def __init__(self, width: int, depth: int, attrs: Mapping[str, Any]):
        self._width, self._depth, self._attrs = width, depth, dict(attrs)
        super().__init__(
            {
                "write": In(1),
                "write_address": In(range(depth)),
                "write_data": In(width),
                "read": In(1),
                "read_address": In(range(depth)),
                "data": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        depths = bank_depths(self._depth)
        # Of two, the first is as large as a power of two: the highest bit of an address says which.
        above = Signal()
        of_write, of_read = Const(0), Const(0)
        if len(depths) > 1:
            of_write, of_read = self.write_address[-1], self.read_address[-1]
        with m.If(self.read):
            m.d.sync += above.eq(of_read)
        for number, depth in enumerate(depths):
            start = 0
            for width in bank_widths(self._width, self._depth):
                memory = Memory(shape=width, depth=depth, init=[], attrs=self._attrs)
                m.submodules[f"bank_{number}_{start}"] = memory
                write, read = memory.write_port(), memory.read_port()
                bits = slice(start, start + width)
                m.d.comb += [
                    write.en.eq(self.write & (of_write == number)),
                    write.addr.eq(self.write_address),
                    write.data.eq(self.write_data[bits]),
                    read.en.eq(self.read),
                    read.addr.eq(self.read_address),
                ]
                if number == 0:
                    m.d.comb += self.data[bits].eq(read.data)
                else:
                    with m.If(above):
                        m.d.comb += self.data[bits].eq(read.data)
                start += width
        return m
