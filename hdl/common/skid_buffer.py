# SPDX-License-Identifier: Apache-2.0
"""A register in a stream that cuts its paths in both directions."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import ShapeLike
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):
    """A queue of two: `o.valid`, `o.payload` and `i.ready` are registers, so no path goes through.

    Parameters
    ----------
    shape : shape
        Of the payload.

    Members
    -------
    i, o : In(stream of shape), Out(stream of shape)

    Latency
    -------
    1 cycle; a transfer per cycle.
    """

    def __init__(self, shape: ShapeLike):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        spare, full = Signal.like(self.i.payload), Signal()
        moves = ~self.o.valid | self.o.ready
        m.d.comb += self.i.ready.eq(~full)
        with m.If(~full):
            m.d.sync += spare.eq(self.i.payload)
        with m.If(moves):
            m.d.sync += [
                self.o.valid.eq(full | self.i.valid),
                self.o.payload.eq(Mux(full, spare, self.i.payload)),
                full.eq(0),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += full.eq(1)
        return m
