# SPDX-License-Identifier: Apache-2.0
"""From the clock of a bus to that of a device and back: queues with Gray-coded pointers, AXI through them, resets.

Sources: Cummings, Simulation and Synthesis Techniques for Asynchronous FIFO Design (SNUG 2002), style 1;
Clock Domain Crossing Design and Verification Techniques (SNUG 2008).
"""

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import AsyncFFSynchronizer, FFSynchronizer
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import UNINITIALISED
from sysmt.hdl.style import clock_domain

from .signature import BusSignature

BUS, DEVICE = "bus", "sync"
"""Clock domains."""
FORWARD, BACK = ("aw", "w", "ar"), ("b", "r")
"""Channels of AXI that a manager drives, and those that it is answered on."""
SHORT, LONG = 4, 16
"""Depths of queues: of addresses and answers, and of data, which keep up with a beat per cycle of the slower clock."""


def two_clocks(m: Module, platform: Any, bus_clock: Value, reset: Value, device_clock: Value) -> None:
    """Add both domains to `m`, under one reset that may be as short as it likes.

    The device is reset at once and for two cycles of its clock after `reset`; the bus's side at once and for two cycles
    of its own after that: both have seen a clock edge in reset before either of them does anything.
    """
    m.domains += [clock_domain(platform, name) for name in (BUS, DEVICE)]
    m.submodules.device_reset = AsyncFFSynchronizer(reset, ResetSignal(DEVICE), o_domain=DEVICE)
    m.submodules.bus_reset = AsyncFFSynchronizer(ResetSignal(DEVICE), ResetSignal(BUS), o_domain=BUS)
    m.d.comb += [ClockSignal(BUS).eq(bus_clock), ClockSignal(DEVICE).eq(device_clock)]


class AsyncQueue(wiring.Component):
    """A queue that is written on one clock and read on another, whatever their frequencies and phases.

    Both domains are reset together, as `two_clocks` does.

    Parameters
    ----------
    shape : shape
        Of the payload.
    depth : int
        A power of two, at least 4.
    domains : (str, str)
        In which it is written, and read.

    Members
    -------
    i, o : In(stream), Out(stream)

    Latency
    -------
    Two to three cycles of the reading clock behind the cycle in which it was written.
    """

    block = "link"

    def __init__(self, shape: Any, depth: int, domains: tuple[str, str]):
        self.shape, self.depth, self.domains = shape, depth, domains
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        write, read = self.domains
        bits = self.depth.bit_length()
        memory = Memory(shape=self.shape, depth=self.depth, init=[], attrs=UNINITIALISED)
        m.submodules.memory = memory
        target, source = memory.write_port(domain=write), memory.read_port(domain="comb")
        places, grays = [], []
        for domain, end in ((write, self.i), (read, self.o)):
            place, gray, following = Signal(bits), Signal(bits), Signal(bits)
            m.d.comb += following.eq(place + (end.valid & end.ready))
            m.d[domain] += [place.eq(following), gray.eq(following ^ following >> 1)]
            places.append(place)
            grays.append(gray)
        written, taken = Signal(bits), Signal(bits)
        m.submodules.written = FFSynchronizer(grays[0], written, o_domain=read, reset_less=False)
        m.submodules.taken = FFSynchronizer(grays[1], taken, o_domain=write, reset_less=False)
        # Full: as many ahead as there are places, which in Gray code differ in the two highest bits. In reset, which
        # lasts longer than the one outside, nothing is taken that would be lost.
        m.d.comb += [
            self.i.ready.eq((grays[0] != taken ^ 0b11 << bits - 2) & ~ResetSignal(write)),
            target.en.eq(self.i.valid & self.i.ready),
            target.addr.eq(places[0]),
            target.data.eq(self.i.payload),
            self.o.valid.eq(grays[1] != written),
            source.addr.eq(places[1]),
            self.o.payload.eq(source.data),
        ]
        return m


class AXICrossing(wiring.Component):
    """AXI4 or AXI4-Lite from the clock of its manager to that of its subordinate, a queue per channel.

    Parameters
    ----------
    signature : AXI4 or AXI4Lite
    domains : (str, str)
        Of the manager, and of the subordinate.

    Members
    -------
    manager, subordinate : In(signature), Out(signature)
        Where each is connected.
    """

    block = "link"

    def __init__(self, signature: BusSignature, domains: tuple[str, str]):
        self._bus, self.domains = signature, domains
        super().__init__({"manager": In(signature), "subordinate": Out(signature)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for channel in (*FORWARD, *BACK):
            names = [name for name in self._bus.members if channel_of(name) == channel]
            fields = [name for name in names if name not in (f"{channel}valid", f"{channel}ready")]
            ends, domains = (self.manager, self.subordinate), self.domains
            if channel in BACK:
                ends, domains = ends[::-1], domains[::-1]
            given, left = (Cat(getattr(end, name) for name in fields) for end in ends)
            queue = AsyncQueue(len(given), LONG if channel in "wr" else SHORT, domains)
            m.submodules[channel] = queue
            source, target = ends
            m.d.comb += [
                queue.i.valid.eq(getattr(source, f"{channel}valid")),
                getattr(source, f"{channel}ready").eq(queue.i.ready),
                queue.i.payload.eq(given),
                getattr(target, f"{channel}valid").eq(queue.o.valid),
                queue.o.ready.eq(getattr(target, f"{channel}ready")),
                left.eq(queue.o.payload),
            ]
        return m


def channel_of(name: str) -> str:
    """The channel of AXI that a signal belongs to."""
    return name[:2] if name.startswith(("aw", "ar")) else name[:1]
