# SPDX-License-Identifier: Apache-2.0
"""Front end for AXI: registers on AXI4-Lite, an AXI4 master for lists, operands and results."""

from typing import Any, ClassVar

from amaranth.hdl import ClockSignal, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.bus.axi_lite import AXILiteRegisters
from sysmt.hdl.bus.axi_master import AXIReader, AXIWriter, axi4
from sysmt.hdl.bus.crossing import BUS, DEVICE, AXICrossing, two_clocks
from sysmt.hdl.bus.ports import device_clock, flat, joined
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
    core_clk : In(1)
        With `config.bus_clock` the clock of the device; `aclk` is the bus's then.
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
        ports |= device_clock(config)
        ports |= flat("s_axi", AXILiteRegisters.signature_of_bus.flip())
        ports |= flat("m_axi", axi4(config.data_width))
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.lite = lite = AXILiteRegisters()
        m.submodules.reader = reader = AXIReader(config.data_width)
        m.submodules.writer = writer = AXIWriter(config.data_width)
        m.submodules.device = device = self.held(config)
        connect(m, lite.port, device.registers)
        connect(m, device.o_read, reader.i)
        connect(m, reader.o, device.i_read)
        connect(m, device.o_write, writer.i)
        connect(m, device.o_beats, writer.i_beats)
        registers, irq = axi_registers(self, m, platform, lite, device.irq)
        m.d.comb += [
            device.written.eq(writer.idle),
            device.refused.eq(writer.error),
            self.irq.eq(irq),
            *joined(self, "s_axi", registers, AXILiteRegisters.signature_of_bus.flip()),
        ]
        if hasattr(device, "pins"):
            connect(m, device.pins, flipped(self.pins))
        signature, ports = axi4(config.data_width), {}
        if config.bus_clock:
            m.submodules.master_crossing = crossing = AXICrossing(signature, (DEVICE, BUS))
            ports = {name: getattr(crossing.manager, name) for name in signature.members}
            m.d.comb += joined(self, "m_axi", crossing.subordinate, signature)
        for name, member in signature.members.items():
            unit = reader if name.startswith(("ar", "r")) else writer
            port, inner = ports.get(name, getattr(self, f"m_axi_{name}")), getattr(unit, name)
            m.d.comb += port.eq(inner) if member.flow == Out else inner.eq(port)
        return m


def axi_registers(top: Any, m: Module, platform: Any, lite: AXILiteRegisters, irq: Value) -> tuple[Any, Value]:
    """Clocks and reset of a peripheral with registers on AXI4-Lite; returns their bus, and `irq` on the bus's clock."""
    if not top.config.bus_clock:
        m.domains.sync = clock_domain(platform)
        m.d.comb += [ClockSignal().eq(top.aclk), ResetSignal().eq(~top.aresetn)]
        return lite.bus, irq
    two_clocks(m, platform, top.aclk, ~top.aresetn, top.core_clk)
    m.submodules.irq = FFSynchronizer(irq, irq_there := Signal(), o_domain=BUS)
    m.submodules.registers_crossing = crossing = AXICrossing(AXILiteRegisters.signature_of_bus, (BUS, DEVICE))
    connect(m, crossing.subordinate, lite.bus)
    return crossing.manager, irq_there


_PARTS = {"lite": AXILiteRegisters, "reader": AXIReader, "writer": AXIWriter}


class AXIAccelerator(AXIFrontEnd):
    """The accelerator on AXI; configured by an `AccelConfig`."""

    held = ListedAccelerator
    parts = {**_PARTS, "device": ListedAccelerator}


class AXIEngine(AXIFrontEnd):
    """The engine on AXI; configured by an `EngineConfig`."""

    held = ListedEngine
    parts = {**_PARTS, "device": ListedEngine}
