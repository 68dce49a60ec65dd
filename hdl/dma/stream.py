# SPDX-License-Identifier: Apache-2.0
"""Front end for AXI4-Stream: registers on AXI4-Lite, commands and operands on one stream, results on another."""

from typing import Any, ClassVar

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.bus.axi_lite import AXILiteRegisters
from sysmt.hdl.bus.crossing import BUS, DEVICE, LONG, AsyncQueue
from sysmt.hdl.bus.ports import BEATS_WIDTH, device_clock, flat, joined

from .accelerator import ListedAccelerator
from .axi import axi_registers
from .device import ListedDevice
from .engine import ListedEngine


class StreamPorts(wiring.Component):
    """A device without a bus of its own: what it would fetch comes by itself, what it would write leaves.

    The beats of a list are those of its first command, of the data of that, of the next command, and so on; the last
    one of the list is marked. When a list ends before its end, what is left of it is dropped. Addresses in commands
    mean nothing but by their lowest bits, which say in which lanes a row narrower than a beat lies.

    Parameters
    ----------
    held : class of ListedDevice
    config : AccelConfig or EngineConfig

    Members
    -------
    As of `ListedDevice` without its bus, and
    i_valid, i_ready, i_data, i_last
        Beats of lists.
    o_valid, o_ready, o_data, o_keep, o_last
        Beats of results; `o_last` ends a row of outputs, or the words of a READ of an engine.
    """

    block = "link"

    def __init__(self, held: type[ListedDevice], config: Any):
        self._held, self.config = held, config
        registers = {name: m for name, m in held.shared_members(config).items() if name in ("registers", "irq")}
        width = config.data_width
        super().__init__(
            {
                **registers,
                **held.pins_of(config),
                "i_valid": In(1),
                "i_ready": Out(1),
                "i_data": In(width),
                "i_last": In(1),
                "o_valid": Out(1),
                "o_ready": In(1),
                "o_data": Out(width),
                "o_keep": Out(width // 8),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.device = device = self._held(self.config)
        connect(m, flipped(self.registers), device.registers)
        if hasattr(device, "pins"):
            connect(m, device.pins, flipped(self.pins))
        open_, drops = Signal(), Signal()
        left, beats = Signal(BEATS_WIDTH), device.o_beats
        m.d.comb += [
            self.irq.eq(device.irq),
            device.o_read.ready.eq(1),
            device.i_read.valid.eq(self.i_valid & ~drops),
            device.i_read.payload.data.eq(self.i_data),
            self.i_ready.eq(drops | device.i_read.ready),
            device.o_write.ready.eq(left == 0),
            self.o_valid.eq(beats.valid),
            beats.ready.eq(self.o_ready),
            self.o_data.eq(beats.payload.data),
            self.o_keep.eq(beats.payload.strb),
            self.o_last.eq(left == 1),
            device.written.eq(left == 0),
        ]
        with m.If(self.i_valid & self.i_ready):
            m.d.sync += open_.eq(~self.i_last)
            with m.If(self.i_last):
                m.d.sync += drops.eq(0)
        with m.If(device.list_failed & open_ & ~(self.i_valid & self.i_ready & self.i_last)):
            m.d.sync += drops.eq(1)
        with m.If(device.o_write.valid & device.o_write.ready):
            m.d.sync += left.eq(device.o_write.payload.beats)
        with m.Elif(beats.valid & beats.ready):
            m.d.sync += left.eq(left - 1)
        return m


class StreamFrontEnd(wiring.Component):
    """A device with the ports of an AXI4-Stream peripheral; a subclass says which one.

    Parameters
    ----------
    config : AccelConfig or EngineConfig

    Members
    -------
    aclk, aresetn, core_clk : In(1)
    s_axi_... : AXI4-Lite
        As of `AXIFrontEnd`.
    s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast
        Lists: commands, each with its data behind it.
    m_axis_tdata, m_axis_tkeep, m_axis_tvalid, m_axis_tready, m_axis_tlast
        Results.
    irq : Out(1)
    pins : Out(SdramPins)
        Of an engine with an SDRAM.
    """

    block = "link"
    held: ClassVar[type[ListedDevice]]

    def __init__(self, config: Any):
        self.config = config
        width = config.data_width
        ports: dict[str, Any] = {"aclk": In(1), "aresetn": In(1), "irq": Out(1), **self.held.pins_of(config)}
        ports |= device_clock(config)
        ports |= flat("s_axi", AXILiteRegisters.signature_of_bus.flip())
        ports |= {"s_axis_tdata": In(width), "s_axis_tvalid": In(1), "s_axis_tready": Out(1), "s_axis_tlast": In(1)}
        ports |= {"m_axis_tdata": Out(width), "m_axis_tkeep": Out(width // 8), "m_axis_tvalid": Out(1)}
        ports |= {"m_axis_tready": In(1), "m_axis_tlast": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.lite = lite = AXILiteRegisters()
        m.submodules.streams = streams = StreamPorts(self.held, self.config)
        connect(m, lite.port, streams.registers)
        if hasattr(streams, "pins"):
            connect(m, streams.pins, flipped(self.pins))
        registers, irq = axi_registers(self, m, platform, lite, streams.irq)
        m.d.comb += self.irq.eq(irq)
        crossed = self.config.bus_clock
        for names, (source, prefix), (target, there), domains in (
            ("valid ready data last", (self, "s_axis_t"), (streams, "i_"), (BUS, DEVICE)),
            ("valid ready data keep last", (streams, "o_"), (self, "m_axis_t"), (DEVICE, BUS)),
        ):
            (valid, ready, *given), (takes, taken, *left) = (
                [getattr(end, f"{start}{name}") for name in names.split()]
                for end, start in ((source, prefix), (target, there))
            )
            if crossed:
                m.submodules[names.replace(" ", "_")] = queue = AsyncQueue(len(Cat(given)), LONG, domains)
                m.d.comb += [queue.i.valid.eq(valid), ready.eq(queue.i.ready), queue.i.payload.eq(Cat(given))]
                m.d.comb += [takes.eq(queue.o.valid), queue.o.ready.eq(taken), Cat(left).eq(queue.o.payload)]
            else:
                m.d.comb += [takes.eq(valid), ready.eq(taken), *(b.eq(a) for a, b in zip(given, left, strict=True))]
        m.d.comb += joined(self, "s_axi", registers, AXILiteRegisters.signature_of_bus.flip())
        return m


class StreamAccelerator(StreamFrontEnd):
    """The accelerator on AXI4-Stream; configured by an `AccelConfig`."""

    held = ListedAccelerator
    parts = {"lite": AXILiteRegisters, "streams": StreamPorts}


class StreamEngine(StreamFrontEnd):
    """The engine on AXI4-Stream; configured by an `EngineConfig`."""

    held = ListedEngine
    parts = {"lite": AXILiteRegisters, "streams": StreamPorts}
