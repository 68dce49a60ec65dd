# SPDX-License-Identifier: Apache-2.0
"""Front end for AXI: registers on AXI4-Lite, an AXI4 master for lists, operands and results."""

from typing import Any, ClassVar

from amaranth.hdl import ClockSignal, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.bus.axi_lite import AXILiteRegisters
from sysmt.hdl.bus.axi_master import AXIReader, AXIWriter, axi4
from sysmt.hdl.bus.ports import flat, joined
from sysmt.hdl.style import clock_domain

from .accelerator import ListedAccelerator
from .device import ListedDevice
from .engine import ListedEngine


class AXIFrontEnd(wiring.Component):
    """A device with the ports of an AXI peripheral; a subclass says which one.

    Parameters
    ----------
    config : AccelConfig or EngineConfig

    Members
    -------
    aclk, aresetn : In(1)
        One clock, and a reset of at least one cycle of it, active low.
    s_axi_... : AXI4-Lite, 12 bits of address, 32 bits of data
    m_axi_... : AXI4, 32 bits of address, `config.data_width` of data
    irq : Out(1)
        High as long as an enabled interrupt is pending.
    pins : Out(SdramPins)
        Of an engine with an SDRAM.
    """

    block = "link"
    held: ClassVar[type[ListedDevice]]

    def __init__(self, config: Any):
        self.config = config
        ports: dict[str, Any] = {"aclk": In(1), "aresetn": In(1), "irq": Out(1), **self.held.pins_of(config)}
        ports |= flat("s_axi", AXILiteRegisters.signature_of_bus.flip())
        ports |= flat("m_axi", axi4(config.data_width))
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.domains.sync = clock_domain(platform)
        m.submodules.lite = lite = AXILiteRegisters()
        m.submodules.reader = reader = AXIReader(config.data_width)
        m.submodules.writer = writer = AXIWriter(config.data_width)
        m.submodules.device = device = self.held(config)
        connect(m, lite.port, device.registers)
        connect(m, device.o_read, reader.i)
        connect(m, reader.o, device.i_read)
        connect(m, device.o_write, writer.i)
        connect(m, device.o_beats, writer.i_beats)
        m.d.comb += [
            ClockSignal().eq(self.aclk),
            ResetSignal().eq(~self.aresetn),
            device.written.eq(writer.idle),
            device.refused.eq(writer.error),
            self.irq.eq(device.irq),
            *joined(self, "s_axi", lite.bus, AXILiteRegisters.signature_of_bus.flip()),
        ]
        if hasattr(device, "pins"):
            connect(m, device.pins, flipped(self.pins))
        for name, member in axi4(config.data_width).members.items():
            unit = reader if name.startswith(("ar", "r")) else writer
            port, inner = getattr(self, f"m_axi_{name}"), getattr(unit, name)
            m.d.comb += port.eq(inner) if member.flow == Out else inner.eq(port)
        return m


_PARTS = {"lite": AXILiteRegisters, "reader": AXIReader, "writer": AXIWriter}


class AXIAccelerator(AXIFrontEnd):
    """The accelerator on AXI; configured by an `AccelConfig`."""

    held = ListedAccelerator
    parts = {**_PARTS, "device": ListedAccelerator}


class AXIEngine(AXIFrontEnd):
    """The engine on AXI; configured by an `EngineConfig`."""

    held = ListedEngine
    parts = {**_PARTS, "device": ListedEngine}
