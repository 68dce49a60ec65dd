# SPDX-License-Identifier: Apache-2.0
"""A design between streams of AXI4-Stream, with registers in every one of them."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.skid_buffer import SkidBuffer
from sysmt.hdl.style import clock_domain

from .axi_stream import AXIStream, from_bytes, to_bytes


class AXIStreamPorts(wiring.Component):
    """A design with its streams as AXI4-Stream; a subclass says which, and joins them.

    Registers stand in every stream (`SkidBuffer`), so that no path leads from one port to another and a beat moves per
    cycle, whoever pauses. Bits beside the fields of a beat that comes in must be their extension: another beat is
    refused.

    Parameters
    ----------
    config : Config
        Of the design.
    streams : sequence of AXIStream
    others : members by name
        Ports beside them.

    Members
    -------
    aclk, aresetn : In(1)
        One clock, and a reset of at least one cycle of it, active low.
    s_axis_..., m_axis_... : AXI4-Stream
    refused : Out(1)
        A beat was refused: high until reset, while nothing more is taken of its stream.
    """

    block = "link"

    def __init__(self, config: Any, streams: Sequence[AXIStream], others: dict[str, wiring.Member]):
        self.config, self.streams = config, {each.name: each for each in streams}
        self._refused: list[Signal] = []
        ports: dict[str, wiring.Member] = {"aclk": In(1), "aresetn": In(1)}
        for each in streams:
            ports |= each.ports
        super().__init__(ports | {"refused": Out(1)} | others)

    def clock(self, m: Module, platform: Any) -> None:
        """Clock and reset by the names of the bus."""
        m.domains.sync = clock_domain(platform)
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]

    def port(self, name: str, port: str) -> Signal:
        """tdata, tvalid, tready or tlast of a stream."""
        found: Signal = getattr(self, f"{name}_{port}")
        return found

    def refuse(self, m: Module, name: str, found: Value) -> Signal:
        """A register that tells that a beat of the stream `name` was refused, as `found` says."""
        register = Signal(name=f"{name}_refused")
        m.d.sync += register.eq(register | found)
        self._refused.append(register)
        return register

    @property
    def stray(self) -> Value:
        """A beat of any stream was refused for what it holds."""
        return Cat(self._refused).any()

    def enter(self, m: Module, name: str) -> tuple[wiring.PureInterface, Value]:
        """What comes in on the stream `name`, in the layout of its beats; and tlast beside it."""
        chosen = self.streams[name]
        last = bool(chosen.tlast)
        m.submodules[name] = queue = SkidBuffer(8 * chosen.bytes + last)
        inner = stream.Signature(chosen.layout).create(path=(name,))
        tdata = queue.o.payload[: 8 * chosen.bytes]
        beat, stray = from_bytes(tdata, chosen.layout)
        m.d.comb += [
            queue.i.valid.eq(self.port(name, "tvalid")),
            queue.i.payload.eq(Cat(self.port(name, "tdata"), *([self.port(name, "tlast")] if last else []))),
            self.port(name, "tready").eq(queue.i.ready),
            inner.payload.as_value().eq(beat),
            # A beat that is refused stays where it is.
            inner.valid.eq(queue.o.valid & ~stray),
            queue.o.ready.eq(inner.ready & ~stray),
        ]
        self.refuse(m, name, queue.o.valid & stray)
        return inner, queue.o.payload[-1] if last else Const(1, 1)

    def leave(self, m: Module, name: str, source: Any, beat: Value, last: Value | int = 1) -> None:
        """`beat` of the stream `source` goes out on the stream `name`; `last` tells tlast."""
        chosen = self.streams[name]
        m.submodules[name] = queue = SkidBuffer(len(beat) + (not isinstance(last, int)))
        m.d.comb += [
            queue.i.valid.eq(source.valid),
            queue.i.payload.eq(Cat(beat, *([] if isinstance(last, int) else [last]))),
            source.ready.eq(queue.i.ready),
            self.port(name, "tvalid").eq(queue.o.valid),
            self.port(name, "tdata").eq(to_bytes(queue.o.payload[: len(beat)], chosen.layout)),
            queue.o.ready.eq(self.port(name, "tready")),
            self.port(name, "tlast").eq(last if isinstance(last, int) else queue.o.payload[-1]),
        ]
