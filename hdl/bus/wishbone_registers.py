# SPDX-License-Identifier: Apache-2.0
"""Registers on Wishbone."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .ports import RegisterPort
from .wishbone import Wishbone


class WishboneRegisters(wiring.Component):
    """Serves classic cycles; `err` ends those that `AXILiteRegisters` would answer with SLVERR.

    Members
    -------
    bus : In(Wishbone(10, 32, features=["err"]))
    port : Out(RegisterPort)

    Latency
    -------
    A write is answered two cycles after it began, a read three.
    """

    block = "link"
    signature_of_bus = Wishbone(10, features=["err"])

    def __init__(self) -> None:
        super().__init__({"bus": In(self.signature_of_bus), "port": Out(RegisterPort())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, port = self.bus, self.port
        m.d.comb += [port.number.eq(bus.adr), port.data.eq(bus.dat_w)]
        with m.FSM(name="state"):
            with m.State("idle"), m.If(bus.cyc & bus.stb):
                m.next = "look"
                with m.If(bus.we):
                    m.next = "write"
            with m.State("write"):
                m.d.comb += port.write.eq(bus.cyc & bus.stb & bus.sel.all() & port.writable)
                m.d.sync += [bus.ack.eq(port.write), bus.err.eq(~port.write)]
                m.next = "end"
            with m.State("look"):
                m.next = "value"
            with m.State("value"):
                m.d.sync += [bus.dat_r.eq(port.value), bus.ack.eq(port.known), bus.err.eq(~port.known)]
                m.next = "end"
            with m.State("end"):
                m.d.sync += [bus.ack.eq(0), bus.err.eq(0)]
                m.next = "idle"
        return m
