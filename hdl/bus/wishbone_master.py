# SPDX-License-Identifier: Apache-2.0
"""Bursts of any length on Wishbone: incrementing, reads and writes by turns on one bus."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .axi import axi_size
from .ports import ADDRESS_WIDTH, BEATS_WIDTH, Burst, read_beat, write_beat
from .wishbone import Wishbone

LONGEST = 16
"""Beats after which the other direction has its turn. A burst ends where a block of so many words begins."""
CTI_INCREMENTING, CTI_END = 0b010, 0b111
"""Cycle type: another word follows at the next address, or this is the last one."""


def wishbone(data_width: int) -> Wishbone:
    """The bus of the master."""
    return Wishbone(ADDRESS_WIDTH - axi_size(data_width), data_width, features=["err", "cti", "bte"])


class WishboneMaster(wiring.Component):
    """Reads and writes beats.

    Bursts are incrementing ones with registered feedback (`cti`, `bte` linear); a memory that knows classic cycles only
    sees those. `stb` falls between the words of a burst while nobody takes or offers them.

    Parameters
    ----------
    data_width : int

    Members
    -------
    i_read, o_read : In(stream of Burst), Out(stream of read_beat)
        Between two beats that it takes the reader stays ready once it is.
    i_write, i_beats : In(stream of Burst), In(stream of write_beat)
    idle : Out(1)
        All that was taken of `i_write` is written.
    error : Out(1)
        High for one cycle: the bus refused a write.
    bus : Out(Wishbone)
    """

    block = "link"

    def __init__(self, data_width: int):
        self.data_width = data_width
        super().__init__(
            {
                "i_read": In(stream.Signature(Burst)),
                "o_read": Out(stream.Signature(read_beat(data_width))),
                "i_write": In(stream.Signature(Burst)),
                "i_beats": In(stream.Signature(write_beat(data_width))),
                "idle": Out(1),
                "error": Out(1),
                "bus": Out(wishbone(data_width)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, size = self.bus, axi_size(self.data_width)
        address = [Signal(ADDRESS_WIDTH - size, name=f"{name}_address") for name in ("read", "write")]
        left = [Signal(BEATS_WIDTH, name=f"{name}_left") for name in ("read", "write")]
        for burst, at, beats in zip((self.i_read, self.i_write), address, left, strict=True):
            m.d.comb += burst.ready.eq(beats == 0)
            with m.If(burst.valid & burst.ready):
                m.d.sync += [at.eq(burst.payload.address[size:]), beats.eq(burst.payload.beats)]
        writing, ended = Signal(), Signal()
        at, beats = Mux(writing, address[1], address[0]), Mux(writing, left[1], left[0])
        last = (beats == 1) | at[: (LONGEST - 1).bit_length()].all()
        m.d.comb += [
            bus.adr.eq(at),
            bus.we.eq(writing),
            bus.cti.eq(Mux(last, CTI_END, CTI_INCREMENTING)),
            bus.dat_w.eq(self.i_beats.payload.data),
            bus.sel.eq(Mux(writing, self.i_beats.payload.strb, Const(-1, self.data_width // 8))),
            ended.eq(bus.stb & (bus.ack | bus.err)),
            self.o_read.payload.data.eq(bus.dat_r),
            self.o_read.payload.error.eq(bus.err),
            self.o_read.valid.eq(ended & ~writing),
            self.i_beats.ready.eq(ended & writing),
            self.error.eq(ended & writing & bus.err),
            self.idle.eq(left[1] == 0),
        ]
        with m.FSM(name="state"):
            with m.State("idle"):
                wants_read, wants_write = left[0] != 0, left[1] != 0
                m.d.sync += writing.eq(wants_write & ~(wants_read & writing))
                with m.If(wants_read | wants_write):
                    m.next = "burst"
            with m.State("burst"):
                m.d.comb += [bus.cyc.eq(1), bus.stb.eq(Mux(writing, self.i_beats.valid, self.o_read.ready))]
                with m.If(ended):
                    for turn in range(2):
                        with m.If(writing == turn):
                            m.d.sync += [address[turn].eq(address[turn] + 1), left[turn].eq(left[turn] - 1)]
                    with m.If(last):
                        m.next = "idle"
        return m
