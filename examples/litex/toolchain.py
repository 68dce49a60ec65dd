# SPDX-License-Identifier: Apache-2.0
"""The program on the SoC, and the SoC itself, compiled; and what that takes."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np

from sysmt.base.cache import cached
from sysmt.base.errors import UserError
from sysmt.cli.output import progress
from sysmt.sim.cosim.programs import OPTIMISE
from sysmt.sim.cosim.verilator import VERILATOR_ARGS, compile_verilog, executable

HERE = Path(__file__).resolve().parent
PACKAGES = ("litex", "litedram", "pythondata_cpu_vexriscv")
GCC = "riscv64-unknown-elf-gcc"
MACHINE = ["-march=rv32i2p0_m", "-mabi=ilp32", "-D__vexriscv__"]
FLAGS = ["-O2", "-ffreestanding", "-nostdlib", "-nostartfiles", "-fno-tree-loop-distribute-patterns"]
VERILATE = ["verilator", "-cc", "--exe", "-Mdir", ".", "--prefix", "Vtop", "--top-module", "sim", "-o", "soc"]


def missing() -> str | None:
    """What is not installed, and what brings it; None when all is there."""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        return f"{', '.join(absent)} is not installed: pip install 'sysmt[litex]'"
    if shutil.which(GCC) is None:
        return f"{GCC} is not installed: sudo apt-get install gcc-riscv64-unknown-elf"
    return None


def compiled(folder: Path, image: str, sources: list[Path], code: int, data: int) -> list[int]:
    """A program's words; its code at `code`, its variables at `data` or, if that is 0, behind the code."""
    import litex.soc

    soc = Path(next(iter(litex.soc.__path__)))
    processor = soc / "cores" / "cpu" / "vexriscv"
    includes = [folder, HERE, soc / "software" / "include", processor]
    linked = [f"-Wl,--defsym=CODE={code:#x},--defsym=DATA={data:#x}", f"-T{HERE / 'memory.ld'}", "-Wl,--gc-sections"]
    names = [processor / "crt0.S", *sources]
    command = [GCC, *MACHINE, *FLAGS, *(f"-I{path}" for path in includes), *map(str, names), *linked, "-lgcc"]
    for words in ([*command, "-o", image], [GCC.replace("gcc", "objcopy"), "-O", "binary", image, f"{image}.bin"]):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"{words[0]} must compile {image}, not fail: {done.stderr.strip()[-800:]}")
    content = (folder / f"{image}.bin").read_bytes()
    return np.frombuffer(content.ljust(-(-len(content) // 4) * 4, b"\0"), "<u4").tolist()


def simulator(sources: list[Path], optimise: str = OPTIMISE) -> Path:
    """The compiled SoC, found or made; what its memories hold is read when it runs."""
    texts = [re.sub(r"//.*", "", path.read_text()) for path in sources]
    main = (HERE / "sim.cpp").read_text()
    content = [*texts, main, str(executable("verilator")), VERILATE, VERILATOR_ARGS, optimise]
    names = [path.name for path in sources]

    def make(folder: Path) -> None:
        progress("compiling the SoC (a minute, once)")
        for name, text in zip([*names, "main.cpp"], [*texts, main], strict=True):
            (folder / name).write_text(text)
        compile_verilog(folder, [*VERILATE, *VERILATOR_ARGS, *names], Path("main.cpp"), optimise)

    return cached("sim", "litex", content, make) / "soc"
