# SPDX-License-Identifier: Apache-2.0
"""Harness for proofs about the accelerator's streams: what is offered stays, and nothing is lost or comes twice."""

from amaranth.hdl import Assert, Assume, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from sysmt.hdl.accel.buffers import Buffer
from sysmt.hdl.common.skid_buffer import SkidBuffer


class StreamHarness(wiring.Component):
    """A component with an input stream `i` and an output stream `o`, under every use that keeps the rules of streams.

    Proved, by induction, for runs of any length: `o` keeps the rules too. Of a `Buffer` and of a `SkidBuffer` also
    that as many words are inside as went in and have not come out.
    """

    def __init__(self, unit: wiring.Component):
        self.unit = unit
        payload = len(Value.cast(unit.i.payload))
        written = {n: In(getattr(unit, n).shape()) for n in ("write", "address", "data")} if self._buffers else {}
        super().__init__({"valid": In(1), "payload": In(payload), "ready": In(1)} | written)

    @property
    def _buffers(self) -> bool:
        return isinstance(self.unit, Buffer)

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        m.d.comb += [
            Assume(~ResetSignal()),
            unit.i.valid.eq(self.valid),
            Value.cast(unit.i.payload).eq(self.payload),
            unit.o.ready.eq(self.ready),
        ]
        waited, given = Signal(), Signal.like(self.payload)
        m.d.sync += [waited.eq(self.valid & ~unit.i.ready), given.eq(self.payload)]
        m.d.comb += Assume(~waited | (self.valid & (self.payload == given)))

        shown = Value.cast(unit.o.payload)
        stalled, offered = Signal(), Signal.like(shown)
        m.d.sync += [stalled.eq(unit.o.valid & ~self.ready), offered.eq(shown)]
        m.d.comb += Assert(~stalled | (unit.o.valid & (shown == offered)))
        if self._buffers:
            m.d.comb += [getattr(unit, name).eq(getattr(self, name)) for name in ("write", "address", "data")]
            stored = unit.resident + unit.o.valid if unit.register else unit.resident
        elif isinstance(unit, SkidBuffer):
            stored = unit.o.valid + ~unit.i.ready
            m.d.comb += Assert(unit.o.valid | unit.i.ready)
        else:
            return m
        inside = Signal(3)
        m.d.sync += inside.eq(inside + (self.valid & unit.i.ready) - (unit.o.valid & self.ready))
        m.d.comb += Assert(inside == stored)
        return m
