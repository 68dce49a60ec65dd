# SPDX-License-Identifier: Apache-2.0
"""The SoC of the simulation: VexRiscv, SDRAM behind LiteDRAM and an L2 cache, an accelerator and an engine by sysmt."""

from pathlib import Path
from typing import Any

from litedram.init import get_sdram_phy_c_header
from litedram.modules import MT48LC16M16
from litedram.phy.model import SDRAMPHYModel
from litex.build.generic_platform import Pins, Subsignal
from litex.build.io import CRG
from litex.build.sim import SimPlatform
from litex.soc.integration import export
from litex.soc.integration.soc_core import SoCCore

from sysmt.hdl.litex import add_sysmt

CLOCK_HZ = 100_000_000
"""The SDRAM's times are of this clock. The simulation counts cycles."""
SRAM, RAM = 0x1000_0000, 0x4000_0000
"""Addresses that LiteX gives the memories of a VexRiscv."""
SDRAM_BITS = 32
L2_BYTES = 8192
STREAM = (("valid", "ready", "data"), (1, 1, 8))
WIRES = [(f"{end}_{name}", bits) for end in ("source", "sink") for name, bits in zip(*STREAM, strict=True)]
PINS = [("sys_clk", 0, Pins(1)), ("serial", 0, *(Subsignal(name, Pins(bits)) for name, bits in WIRES))]


class SoC(SoCCore):
    """The SoC.

    Parameters
    ----------
    devices : dict of name to AccelConfig or EngineConfig
    folder : path
        Where their files go.
    rom, ram : lists of words
        What the ROM and the SDRAM hold when the simulation begins.
    cfu : path, optional
        Verilog of a module `Cfu` for the processor's custom instructions.
    """

    def __init__(self, devices: dict[str, Any], folder: Path, rom: list[int], ram: list[int], cfu: Path | None = None):
        platform = SimPlatform("SIM", list(PINS))
        self.crg = CRG(platform.request("sys_clk"))
        super().__init__(
            platform,
            CLOCK_HZ,
            cpu_type="vexriscv",
            cpu_variant="full+cfu" if cfu else "standard",
            cpu_cfu=str(cfu) if cfu else None,
            integrated_rom_size=0x2000,
            integrated_rom_init=rom,
            integrated_sram_size=0x1000,
            uart_name="sim",
            timer_uptime=True,
            ident="sysmt",
        )
        module = MT48LC16M16(CLOCK_HZ, "1:1")
        self.sdrphy = SDRAMPHYModel(module=module, data_width=SDRAM_BITS, clk_freq=CLOCK_HZ, init=ram)
        self.add_sdram("sdram", phy=self.sdrphy, module=module, l2_cache_size=L2_BYTES)
        for name, config in devices.items():
            add_sysmt(self, name, config, folder)
        platform.add_debug(self)

    def write(self, folder: Path) -> list[Path]:
        """Write the Verilog `sim.v` with the contents of its memories, and the headers in `generated`.

        Returns
        -------
        All Verilog files.
        """
        self.finalize()
        generated, settings = folder / "generated", self.sdram.controller.settings
        generated.mkdir(parents=True, exist_ok=True)
        csr = self.mem_regions["csr"].origin
        for name, text in {
            "mem.h": export.get_mem_header(self.mem_regions),
            "soc.h": export.get_soc_header(self.constants),
            "csr.h": export.get_csr_header(self.csr_regions, self.constants, csr_base=csr),
            "sdram_phy.h": get_sdram_phy_c_header(settings.phy, settings.timing, settings.geom),
        }.items():
            (generated / name).write_text(text)
        fragment = self.get_fragment()
        self.platform.finalize(fragment)
        self.platform.get_verilog(fragment, name="sim").write(str(folder / "sim.v"))
        return [folder / "sim.v", *(Path(source) for source, *_ in self.platform.sources)]
