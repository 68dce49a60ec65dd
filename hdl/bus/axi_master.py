# SPDX-License-Identifier: Apache-2.0
"""Bursts of any length on AXI4: incrementing, within 4 KiB, several on their way at a time, under one ID."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .axi import AXI4, AXI_ERROR, AXI_INCR, axi_size
from .ports import ADDRESS_WIDTH, Burst, read_beat, write_beat

LONGEST = 64
"""Beats of a burst at most. A burst ends where a block of so many begins, 1 KiB at most: so none crosses 4 KiB."""
OUTSTANDING = 8
"""Bursts on their way at most."""


def axi4(data_width: int) -> AXI4:
    """The bus of the master."""
    return AXI4(ADDRESS_WIDTH, data_width)


class AXISplitter(wiring.Component):
    """Cuts bursts of any length into those that AXI4 has.

    Parameters
    ----------
    data_width : int

    Members
    -------
    i : In(stream of Burst)
    o : Out(stream of Burst)
        `beats` is 1 to `LONGEST`.
    """

    block = "link"

    def __init__(self, data_width: int):
        self.data_width = data_width
        super().__init__({"i": In(stream.Signature(Burst)), "o": Out(stream.Signature(Burst))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        size, places = axi_size(self.data_width), LONGEST.bit_length() - 1
        address, left = Signal.like(self.i.payload.address), Signal.like(self.i.payload.beats)
        room = Signal(range(LONGEST + 1))
        beats = Signal(range(LONGEST + 1))
        last = Signal()
        m.d.comb += room.eq(LONGEST - address[size : size + places])
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [address.eq(self.i.payload.address), left.eq(self.i.payload.beats)]
                with m.If(self.i.valid):
                    m.next = "cut"
            with m.State("cut"):
                m.d.sync += [last.eq(left <= room), beats.eq(Mux(left <= room, left, room))]
                m.next = "offer"
            with m.State("offer"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.address.eq(address),
                    self.o.payload.beats.eq(beats),
                ]
                with m.If(self.o.ready):
                    block = address[size + places :]
                    m.d.sync += [address.eq(Cat(C(0, size + places), block + 1)), left.eq(left - beats)]
                    m.next = "cut"
                    with m.If(last):
                        m.next = "idle"
        return m


class AXIReader(wiring.Component):
    """Reads beats.

    Parameters
    ----------
    data_width : int

    Members
    -------
    i : In(stream of Burst)
    o : Out(stream of read_beat)
        The beats, in order. A burst that has been asked for is asked of the bus whether or not its beats are taken.
    arlen, ... : the channels AR and R of `AXI4`
    """

    block = "link"

    def __init__(self, data_width: int):
        self.data_width = data_width
        bus = {name: member for name, member in axi4(data_width).members.items() if name.startswith(("ar", "r"))}
        super().__init__({"i": In(stream.Signature(Burst)), "o": Out(stream.Signature(read_beat(data_width)))} | bus)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.splitter = splitter = AXISplitter(self.data_width)
        wiring.connect(m, wiring.flipped(self.i), splitter.i)
        burst = splitter.o.payload
        flying = Signal(range(OUTSTANDING + 1))
        started, ended = Signal(), Signal()
        free = flying != OUTSTANDING
        m.d.comb += [
            self.arvalid.eq(splitter.o.valid & free),
            splitter.o.ready.eq(self.arready & free),
            self.araddr.eq(burst.address),
            self.arlen.eq(burst.beats - 1),
            self.arsize.eq(axi_size(self.data_width)),
            self.arburst.eq(AXI_INCR),
            self.o.valid.eq(self.rvalid),
            self.rready.eq(self.o.ready),
            self.o.payload.data.eq(self.rdata),
            self.o.payload.error.eq(self.rresp[AXI_ERROR]),
            started.eq(self.arvalid & self.arready),
            ended.eq(self.rvalid & self.rready & self.rlast),
        ]
        m.d.sync += flying.eq(flying + started - ended)
        return m


class AXIWriter(wiring.Component):
    """Writes beats.

    Parameters
    ----------
    data_width : int

    Members
    -------
    i : In(stream of Burst)
    i_beats : In(stream of write_beat)
        The beats of all bursts, in order; bytes that are not to be written are left alone.
    idle : Out(1)
        All that was taken is written, and the bus has said so.
    error : Out(1)
        High for one cycle: the bus refused a write.
    awlen, ... : the channels AW, W and B of `AXI4`
    """

    block = "link"

    def __init__(self, data_width: int):
        self.data_width = data_width
        bus = {name: member for name, member in axi4(data_width).members.items() if name.startswith(("aw", "w", "b"))}
        super().__init__(
            {
                "i": In(stream.Signature(Burst)),
                "i_beats": In(stream.Signature(write_beat(data_width))),
                "idle": Out(1),
                "error": Out(1),
            }
            | bus
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.splitter = splitter = AXISplitter(self.data_width)
        wiring.connect(m, wiring.flipped(self.i), splitter.i)
        burst = splitter.o.payload
        flying = Signal(range(OUTSTANDING + 1))
        left = Signal(range(LONGEST + 1))
        # A memory may take the address only when it sees data, or the other way round: neither waits for the other.
        m.d.comb += [
            splitter.o.ready.eq(~self.awvalid & (left == 0) & (flying != OUTSTANDING)),
            self.awsize.eq(axi_size(self.data_width)),
            self.awburst.eq(AXI_INCR),
            self.wvalid.eq((left != 0) & self.i_beats.valid),
            self.i_beats.ready.eq((left != 0) & self.wready),
            self.wdata.eq(self.i_beats.payload.data),
            self.wstrb.eq(self.i_beats.payload.strb),
            self.wlast.eq(left == 1),
            self.bready.eq(1),
            self.error.eq(self.bvalid & self.bresp[AXI_ERROR]),
            self.idle.eq(splitter.i.ready & (flying == 0)),
        ]
        with m.If(self.awready):
            m.d.sync += self.awvalid.eq(0)
        starts = splitter.o.valid & splitter.o.ready
        with m.If(starts):
            m.d.sync += [
                self.awvalid.eq(1),
                self.awaddr.eq(burst.address),
                self.awlen.eq(burst.beats - 1),
                left.eq(burst.beats),
            ]
        with m.Elif(self.wvalid & self.wready):
            m.d.sync += left.eq(left - 1)
        m.d.sync += flying.eq(flying + starts - (self.bvalid & self.bready))
        return m
