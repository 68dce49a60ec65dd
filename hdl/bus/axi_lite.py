# SPDX-License-Identifier: Apache-2.0
"""Registers on AXI4-Lite."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi import AXI4Lite
from .ports import RegisterPort

SLVERR = 2
REGISTER_ADDRESS_WIDTH = 12
"""Bits of a byte address of registers: a page of 4 KiB."""


class AXILiteRegisters(wiring.Component):
    """Serves one access at a time, reads and writes in turn when both wait.

    A write answers SLVERR, and writes nothing, where there is no register that can be written, or when `wstrb` leaves
    bytes out; a read where there is no register.

    Members
    -------
    bus : In(AXI4Lite(12, 32))
    port : Out(RegisterPort)

    Latency
    -------
    A write is answered one cycle after its address and data; a read three cycles after its address.
    """

    block = "link"
    signature_of_bus = AXI4Lite(REGISTER_ADDRESS_WIDTH)

    def __init__(self) -> None:
        super().__init__({"bus": In(self.signature_of_bus), "port": Out(RegisterPort())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, port = self.bus, self.port
        wrote = Signal()
        number = Signal.like(port.number)
        wants_write = bus.awvalid & bus.wvalid
        whole = Signal()
        m.d.comb += [
            port.number.eq(number),
            port.data.eq(bus.wdata),
            whole.eq(bus.wstrb.all()),
        ]
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.sync += number.eq(Mux(wants_write & ~(wrote & bus.arvalid), bus.awaddr[2:], bus.araddr[2:]))
                with m.If(wants_write & ~(wrote & bus.arvalid)):
                    m.next = "write"
                with m.Elif(bus.arvalid):
                    m.d.comb += bus.arready.eq(1)
                    m.next = "look"
            with m.State("write"):
                m.d.comb += [bus.awready.eq(1), bus.wready.eq(1), port.write.eq(whole & port.writable)]
                m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(Mux(port.write, 0, SLVERR)), wrote.eq(1)]
                m.next = "wrote"
            with m.State("wrote"), m.If(bus.bready):
                m.d.sync += bus.bvalid.eq(0)
                m.next = "idle"
            with m.State("look"):
                m.next = "wait"
            with m.State("wait"):
                m.next = "value"
            with m.State("value"):
                m.d.sync += [
                    bus.rvalid.eq(1),
                    bus.rdata.eq(port.value),
                    bus.rresp.eq(Mux(port.known, 0, SLVERR)),
                    wrote.eq(0),
                ]
                m.next = "read"
            with m.State("read"), m.If(bus.rready):
                m.d.sync += bus.rvalid.eq(0)
                m.next = "idle"
        return m
