# SPDX-License-Identifier: Apache-2.0
"""Icarus Verilog: the simulator in which what is unknown stays unknown."""

import subprocess
from pathlib import Path

import pytest

from sysmt.sim.cosim.verilator import executable

COMPILER = executable("icarus")
STANDARDS = ("2001", "2005", "2012")
needs_icarus = pytest.mark.skipif(COMPILER is None, reason="simulates unknown bits: sudo apt-get install iverilog")


def simulate(folder: Path, top: str, texts: dict[str, str], standard: str = "2012") -> str:
    """What a testbench of these files prints, at the generation `standard` of the language."""
    assert COMPILER is not None
    for name, text in texts.items():
        (folder / name).write_text(text)
    compile_it = [COMPILER, f"-g{standard}", "-Wall", "-Wno-timescale", "-o", f"{top}.vvp", "-s", top, *texts]
    done = subprocess.run(compile_it, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    run = [str(Path(COMPILER).with_name("vvp")), "-n", f"{top}.vvp"]
    return subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False).stdout
