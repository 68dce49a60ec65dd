# SPDX-License-Identifier: Apache-2.0
"""Simulations that a C++ program drives instead of a testbench: compiled once, by content."""

from collections.abc import Mapping
from pathlib import Path

from sysmt.base.cache import cached
from sysmt.hdl.emit import Design
from sysmt.hdl.params.sdram import SdramConfig

from .verilator import VERILATOR_ARGS, compile_verilog, executable, require

# Simulated for millions of cycles: worth more of the compiler's time than a testbench.
OPTIMISE = "-O2"
SDRAM = Path(__file__).with_name("sdram.h")


def build(
    design: Design,
    main: Path,
    name: str,
    macros: Mapping[str, int] | None = None,
    sdram: SdramConfig | None = None,
) -> Path:
    """Compile `design` with the program `main` around it, or find it compiled. Returns the executable.

    `macros` are defined in front of the program's text; with `sdram`, so is SDRAM, and the class `Sdram` of sdram.h is.
    """
    require("verilator")
    text = _defined(macros or {})
    text += "" if sdram is None else _defined(_macros(sdram)) + SDRAM.read_text()
    text += main.read_text()
    content = [design.verilog, name, str(executable("verilator")), VERILATOR_ARGS, OPTIMISE, text]

    def make(folder: Path) -> None:
        (folder / f"{design.name}.v").write_text(design.verilog)
        (folder / "main.cpp").write_text(text)
        control = ["`verilator_config"]
        control += [f'no_inline -module "{m}"' for m in design.modules if m != design.name and m.isidentifier()]
        (folder / "control.vlt").write_text("\n".join(control) + "\n")
        verilate = ["verilator", "-cc", "--exe", "-Mdir", ".", "--prefix", "Vtop", "--top-module", design.name]
        verilate += ["-o", name, *VERILATOR_ARGS, "control.vlt", f"{design.name}.v"]
        compile_verilog(folder, verilate, Path("main.cpp"), OPTIMISE)

    return cached("sim", f"{design.name}-{name}", content, make) / name


def _defined(macros: Mapping[str, int]) -> str:
    return "".join(f"#define {macro} {value}\n" for macro, value in macros.items())


def _macros(sdram: SdramConfig) -> dict[str, int]:
    chip = sdram.chip
    macros = {"SDRAM": 1, "SDRAM_CAS": sdram.cas, "SDRAM_CAPTURE": sdram.capture}
    return macros | {"SDRAM_BANK_BITS": chip.bank_bits, "SDRAM_COLUMN_BITS": chip.column_bits}
