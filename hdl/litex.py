# SPDX-License-Identifier: Apache-2.0
"""An accelerator or an engine in a LiteX SoC: `add_sysmt(soc, "npu", config)`.

Needs LiteX (`pip install 'sysmt[litex]'`), which nothing else here loads.
"""

from pathlib import Path
from typing import Any

from litex.gen import LiteXModule
from litex.soc.integration.soc import SoCRegion
from litex.soc.interconnect import axi, wishbone
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel
from migen import ClockSignal, Instance, ResetSignal, Signal

from sysmt.base.errors import ConfigError
from sysmt.hdl.designs import check_name, design_of
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.link import MASTERS

PAGE = 0x1000
"""Bytes of the region of the registers."""
Sides = tuple[str, str]
"""Directions, "i" or "o", of what a master drives and of what it is answered, from inside the instance."""


class SysmtDevice(LiteXModule):
    """The device on a bus of LiteX's own kind, and its interrupt as an event.

    Parameters
    ----------
    platform : LiteX platform
        Gets the Verilog.
    name : str
        Of the Verilog module and of its files.
    config : AccelConfig or EngineConfig
        With `link` "wishbone" or "axi".
    folder : path
        Where the Verilog is written, and beside it the C driver, headers, SVD.
    clock : str
        Clock domain of LiteX that the device runs on, with `config.bus_clock`; else it is that of the bus, `sys`.

    Members
    -------
    registers : wishbone.Interface or axi.AXILiteInterface
    master : wishbone.Interface or axi.AXIInterface
    ev : EventManager
        Its event `ended` (of a list) is pending as long as an enabled interrupt of the device is.

    Raises
    ------
    ConfigError
        Another link; an SDRAM of the device's own, whose pins no bus has; a name that Verilog does not take.
    """

    def __init__(
        self,
        platform: Any,
        name: str,
        config: AccelConfig | EngineConfig,
        folder: Path | str,
        clock: str = "sys",
    ):
        if config.link not in MASTERS:
            raise ConfigError(f"link must be one of {', '.join(MASTERS)} in a LiteX SoC, not {config.link!r}")
        if isinstance(config, EngineConfig) and config.stream is not None:
            raise ConfigError(f"stream must be None in a LiteX SoC, whose own memory is used, not {config.stream!r}")
        design_of(config, check_name(name)).write(folder)
        platform.add_source(str(Path(folder, f"{name}.v")))
        irq, width = Signal(), config.data_width
        if config.link == "wishbone":
            self.registers = wishbone.Interface(data_width=32, address_width=32, addressing="word")
            self.master = wishbone.Interface(data_width=width, address_width=32, addressing="word")
            ports = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
            ports |= _wishbone("s_wb", self.registers, ("i", "o"), "")
            ports |= _wishbone("m_wb", self.master, ("o", "i"), "cti bte")
        else:
            self.registers = axi.AXILiteInterface(data_width=32, address_width=32)
            self.master = axi.AXIInterface(data_width=width, address_width=32, id_width=1)
            ports = {"i_aclk": ClockSignal(), "i_aresetn": ~ResetSignal()}
            ports |= _channels("s_axi", self.registers, ("i", "o"), "addr", "data strb", "resp", "data resp")
            burst = "id addr len size burst"
            ports |= _channels(
                "m_axi", self.master, ("o", "i"), burst, "data strb last", "id resp", "id data resp last"
            )
            ports |= {"i_s_axi_awprot": 0, "i_s_axi_arprot": 0}
        if config.bus_clock:
            ports["i_core_clk"] = ClockSignal(clock)
        self.specials += Instance(name, **ports, o_irq=irq)
        self.ev = EventManager()
        self.ev.ended = EventSourceLevel()
        self.ev.finalize()
        self.comb += self.ev.ended.trigger.eq(irq)


def add_sysmt(
    soc: Any,
    name: str,
    config: AccelConfig | EngineConfig,
    folder: Path | str,
    origin: int | None = None,
    clock: str = "sys",
) -> SysmtDevice:
    """Add a device to `soc`: registers as the region `name` (not cached), the master on the bus, the interrupt.

    Software finds it at `NAME_BASE` of `generated/mem.h`, its event as `NAME_ev` of `generated/csr.h`, and its driver
    in `folder`. Parameters as of `SysmtDevice`; `origin` is the address of the region, by default where LiteX finds
    room among what is not cached.

    Returns
    -------
    SysmtDevice
    """
    device = SysmtDevice(soc.platform, name, config, folder, clock)
    soc.add_module(name=name, module=device)
    soc.bus.add_slave(name, device.registers, region=SoCRegion(origin=origin, size=PAGE, cached=False))
    soc.bus.add_master(f"{name}_dma", device.master)
    if soc.irq.enabled:
        soc.irq.add(name, use_loc_if_exists=True)
    return device


def _wishbone(prefix: str, bus: Any, sides: Sides, more: str) -> dict[str, Any]:
    """Ports of the instance on this bus; `more` are outputs of a master besides those that every bus has."""
    drives, answers = sides
    driven = ("adr", "dat_w", "sel", "cyc", "stb", "we", *more.split())
    ports = {f"{drives}_{prefix}_{name}": getattr(bus, name) for name in driven}
    return ports | {f"{answers}_{prefix}_{name}": getattr(bus, name) for name in ("dat_r", "ack", "err")}


def _channels(prefix: str, bus: Any, sides: Sides, address: str, write: str, end: str, read: str) -> dict[str, Any]:
    """As `_wishbone`, of the five channels of AXI with these payloads."""
    payloads = {"aw": address, "w": write, "b": end, "ar": address, "r": read}
    ports: dict[str, Any] = {}
    for channel, fields in payloads.items():
        stream, (drives, answers) = getattr(bus, channel), sides[::-1] if channel in "br" else sides
        ports |= {f"{drives}_{prefix}_{channel}{name}": getattr(stream, name) for name in ("valid", *fields.split())}
        ports[f"{answers}_{prefix}_{channel}ready"] = stream.ready
    return ports
