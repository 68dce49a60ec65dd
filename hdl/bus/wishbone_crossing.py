# SPDX-License-Identifier: Apache-2.0
"""Wishbone from one clock to another, an access at a time by a handshake of two phases."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .wishbone import Wishbone

CLASSIC = 0b000
"""Cycle type of single accesses."""
DRIVEN = ("adr", "dat_w", "sel", "we")


class WishboneCrossing(wiring.Component):
    """Every access becomes a classic cycle of its own on the other side, bursts too.

    An access that its master gives up, by a cycle without `stb`, is done all the same, and answered to nobody.

    Parameters
    ----------
    signature : Wishbone
        With `err`.
    domains : (str, str)
        Of the master, and of the slave.

    Members
    -------
    manager, subordinate : In(signature), Out(signature)
        Where each is connected.

    Latency
    -------
    An access takes two to three cycles of either clock, and one of the master's, longer than the slave does.
    """

    block = "link"

    def __init__(self, signature: Wishbone, domains: tuple[str, str]):
        self.domains = domains
        super().__init__({"manager": In(signature), "subordinate": Out(signature)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        manager, subordinate, (near, far) = self.manager, self.subordinate, self.domains
        asked, answered = Signal(), Signal()  # Every change is one more.
        asked_there, answered_here = Signal(), Signal()
        m.submodules.asked = FFSynchronizer(asked, asked_there, o_domain=far, reset_less=False)
        m.submodules.answered = FFSynchronizer(answered, answered_here, o_domain=near, reset_less=False)
        # They stay as they are from a handshake's one phase to its next.
        request = Cat(getattr(manager, name) for name in DRIVEN)
        held, data, error = Signal(len(request)), Signal.like(manager.dat_r), Signal()
        waits, given_up, on = Signal(), Signal(), Signal()
        m.d.comb += on.eq(manager.cyc & manager.stb)
        m.d[near] += [manager.ack.eq(0), manager.err.eq(0)]
        with m.If(waits):
            with m.If(~on):
                m.d[near] += given_up.eq(1)
            with m.If(answered_here == asked):
                m.d[near] += [
                    waits.eq(0),
                    manager.dat_r.eq(data),
                    manager.ack.eq(on & ~given_up & ~error),
                    manager.err.eq(on & ~given_up & error),
                ]
        with m.Elif(on & ~manager.ack & ~manager.err):
            m.d[near] += [waits.eq(1), given_up.eq(0), held.eq(request), asked.eq(~asked)]
        m.d.comb += [
            subordinate.cyc.eq(asked_there != answered),
            subordinate.stb.eq(subordinate.cyc),
            Cat(getattr(subordinate, name) for name in DRIVEN).eq(held),
        ]
        if hasattr(subordinate, "cti"):
            m.d.comb += subordinate.cti.eq(CLASSIC)
        with m.If(subordinate.cyc & (subordinate.ack | subordinate.err)):
            m.d[far] += [answered.eq(~answered), data.eq(subordinate.dat_r), error.eq(subordinate.err)]
        return m
