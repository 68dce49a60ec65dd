# SPDX-License-Identifier: Apache-2.0
"""Front end for Wishbone: registers, and a master for lists, operands and results."""

from typing import Any, ClassVar

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out, connect, flipped

from sysmt.hdl.bus.crossing import BUS, DEVICE, two_clocks
from sysmt.hdl.bus.ports import device_clock, flat, joined
from sysmt.hdl.bus.wishbone_crossing import WishboneCrossing
from sysmt.hdl.bus.wishbone_master import WishboneMaster, wishbone
from sysmt.hdl.bus.wishbone_registers import WishboneRegisters

from .accelerator import ListedAccelerator
from .device import ListedDevice
from .engine import ListedEngine


class WishboneFrontEnd(wiring.Component):
    """A device with the ports of a Wishbone peripheral, and the usual `clk` and `rst`; a subclass says which one.

    Parameters
    ----------
    config : AccelConfig or EngineConfig

    Members
    -------
    s_wb_... : Wishbone, 10 bits of word address, 32 bits of data, `err`
    m_wb_... : Wishbone, word addresses of 32 bits of byte address, `config.data_width` of data, `err`, `cti`, `bte`
    core_clk : In(1)
        With `config.bus_clock` the clock of the device; `clk` is the bus's then, and all cycles are classic.
    irq : Out(1)
        High as long as an enabled interrupt is pending.
    pins : Out(SdramPins)
        Of an engine with an SDRAM.
    """

    block = "link"
    held: ClassVar[type[ListedDevice]]

    def __init__(self, config: Any):
        self.config = config
        ports: dict[str, Any] = {"irq": Out(1), **self.held.pins_of(config)}
        if config.bus_clock:
            ports = {"clk": In(1), "rst": In(1), **ports, **device_clock(config)}
        ports |= flat("s_wb", WishboneRegisters.signature_of_bus.flip())
        ports |= flat("m_wb", wishbone(config.data_width))
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.slave = slave = WishboneRegisters()
        m.submodules.master = master = WishboneMaster(config.data_width)
        m.submodules.device = device = self.held(config)
        connect(m, slave.port, device.registers)
        connect(m, device.o_read, master.i_read)
        connect(m, master.o_read, device.i_read)
        connect(m, device.o_write, master.i_write)
        connect(m, device.o_beats, master.i_beats)
        if hasattr(device, "pins"):
            connect(m, device.pins, flipped(self.pins))
        registers, memory, irq = slave.bus, master.bus, device.irq
        if config.bus_clock:
            two_clocks(m, platform, self.clk, self.rst, self.core_clk)
            m.submodules.irq = FFSynchronizer(device.irq, irq := Signal(), o_domain=BUS)
            m.submodules.registers_crossing = host = WishboneCrossing(slave.signature_of_bus, (BUS, DEVICE))
            m.submodules.master_crossing = bus = WishboneCrossing(wishbone(config.data_width), (DEVICE, BUS))
            connect(m, host.subordinate, slave.bus)
            connect(m, master.bus, bus.manager)
            registers, memory = host.manager, bus.subordinate
        m.d.comb += [
            device.written.eq(master.idle),
            device.refused.eq(master.error),
            self.irq.eq(irq),
            *joined(self, "s_wb", registers, WishboneRegisters.signature_of_bus.flip()),
            *joined(self, "m_wb", memory, wishbone(config.data_width)),
        ]
        return m


_PARTS = {"slave": WishboneRegisters, "master": WishboneMaster}


class WishboneAccelerator(WishboneFrontEnd):
    """The accelerator on Wishbone; configured by an `AccelConfig`."""

    held = ListedAccelerator
    parts = {**_PARTS, "device": ListedAccelerator}


class WishboneEngine(WishboneFrontEnd):
    """The engine on Wishbone; configured by an `EngineConfig`."""

    held = ListedEngine
    parts = {**_PARTS, "device": ListedEngine}
