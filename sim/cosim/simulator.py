# SPDX-License-Identifier: Apache-2.0
"""One way to build and run a simulation of an emitted design, under Verilator or Icarus.

Builds are cached by content (Verilog text, simulator, options) and shared by every test and command; a lock lets two
processes ask for the same one. Vectors go in and results come out as .npz files. Processes get their environment with
them; that of this process is left alone.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sysmt.base import extras
from sysmt.base.cache import cached
from sysmt.base.errors import UserError
from sysmt.hdl.emit import Design

from . import verilator
from .verilator import (
    FOLDED_ARGS,
    VERILATOR_ARGS,
    SimulationError,
    available,
    compile_verilog,
    environment,
    executable,
    execute,
    tail,
)

__all__ = ["SimulationError", "available", "build", "require", "run"]

ICARUS_ARGS = ["-g2012"]
OPTIMISE = "-O1"
ICARUS_PROGRAM = "sim.vvp"


def require(simulator: str) -> None:
    """Refuse a simulator that is unknown or missing, or that cocotb is missing, naming what brings it."""
    verilator.require(simulator)
    extras.require("cocotb_tools", "cosim")


def build(
    design: Design,
    simulator: str = "verilator",
    waves: bool = False,
    probes: Mapping[str, Sequence[str]] | None = None,
    unfold: bool = False,
) -> Path:
    """Build a simulation of `design`, or find it already built. Returns its directory.

    Parameters
    ----------
    probes : mapping of module to names, optional
        Signals inside that the testbench reads. Under Verilator only ports and probes can be seen: everything else
        is optimised, and that is what makes it fast.
    unfold : bool
        Let Verilator take the design apart: for associative memories, not for adders made of gates.
    """
    require(simulator)
    visible = {design.name: sorted(_ports(design)), **(probes or {})}
    args = ICARUS_ARGS if simulator == "icarus" else VERILATOR_ARGS + FOLDED_ARGS * (not unfold)
    content = [design.verilog, simulator, str(executable(simulator)), waves, args, OPTIMISE, visible]

    def make(directory: Path) -> None:
        source = directory / f"{design.name}.v"
        source.write_text(design.verilog)
        if simulator == "icarus":
            _build_icarus(design, source, waves)
        else:
            _build_verilator(design, source, args, waves, visible)

    return cached("sim", f"{design.name}-{simulator}", content, make)


def _build_icarus(design: Design, source: Path, waves: bool) -> None:
    directory = source.parent
    (directory / "timescale.f").write_text("+timescale+1ns/1ps\n")
    tops, sources = ["-s", design.name], [source.name]
    if waves:
        dump = f'module dump; initial begin $dumpfile("dump.fst"); $dumpvars(0, {design.name}); end endmodule\n'
        (directory / "dump.v").write_text(dump)
        tops, sources = [*tops, "-s", "dump"], [*sources, "dump.v"]
    command = ["iverilog", "-o", ICARUS_PROGRAM, *tops, *ICARUS_ARGS, "-f", "timescale.f", *sources]
    execute(command, directory, environment(), directory / "build.log")


def _build_verilator(
    design: Design, source: Path, args: list[str], waves: bool, visible: Mapping[str, Sequence[str]]
) -> None:
    """Compile with cocotb's main program. Its runner would make every signal public, which is many times slower."""
    directory = source.parent
    control = ["`verilator_config"]
    control += [f'public_flat_rw -module "{m}" -var "{name}"' for m, names in visible.items() for name in names]
    # One function for all instances of a shared module, not a copy for each. Unshared ones have escaped names, which
    # this file cannot say.
    control += [f'no_inline -module "{m}"' for m in design.modules if m != design.name and m.isidentifier()]
    (directory / "control.vlt").write_text("\n".join(control) + "\n")
    config = extras.require("cocotb_tools.config", "cosim")
    library = f"-Wl,-rpath,{config.libs_dir} -L{config.libs_dir} -lcocotbvpi_verilator"
    verilate = ["verilator", "-cc", "--exe", "--vpi", "-Mdir", ".", "--prefix", "Vtop", "--top-module", design.name]
    verilate += ["-o", design.name, *args, *(["--trace"] if waves else []), "--timescale", "1ns/1ps"]
    verilate += ["-LDFLAGS", library, "control.vlt", source.name]
    compile_verilog(directory, verilate, config.share_dir / "lib" / "verilator" / "verilator.cpp", OPTIMISE)


def _ports(design: Design) -> list[str]:
    names = [port["name"] for port in design.manifest["ports"]]
    return names + [name for name in ("clk", "rst") if re.search(rf"\binput {name};", design.verilog)]


def run(
    design: Design,
    module: str,
    vectors: Mapping[str, np.ndarray],
    simulator: str = "verilator",
    testcase: str | None = None,
    waves: Path | None = None,
    probes: Mapping[str, Sequence[str]] | None = None,
    unfold: bool = False,
) -> dict[str, np.ndarray]:
    """Run the cocotb tests of `module` on `design`.

    Parameters
    ----------
    vectors : mapping of name to array
        What the testbench reads with `sysmt.sim.cosim.vectors.load()`.
    testcase : str, optional
        Run only this test of the module.
    waves : Path, optional
        Where to leave the waveform (.vcd under Verilator, .fst under Icarus).
    probes, unfold : optional
        As for `build`.

    Returns
    -------
    dict of name to array
        What the testbench gave to `sysmt.sim.cosim.vectors.save()`; empty when it saved nothing.

    Raises
    ------
    SimulationError
        A test failed, or the simulator did.
    """
    directory = build(design, simulator, waves is not None, probes, unfold)
    with tempfile.TemporaryDirectory(prefix="run-", dir=directory) as name:
        scratch = Path(name)
        np.savez(scratch / "vectors.npz", allow_pickle=False, **vectors)
        results, log = scratch / "results.xml", scratch / "run.log"
        env = environment(**_cocotb_variables(design, module, testcase, scratch, results))
        execute(_program(design, simulator, directory, waves is not None), scratch, env, log)
        if not results.exists():
            raise SimulationError(f"{module} left no results on {design.name}\n{tail(log)}")
        tests, failed = extras.require("cocotb_tools.check_results", "cosim").get_results(results)
        if failed or not tests:
            raise SimulationError(f"{failed} of {tests} tests of {module} failed on {design.name}\n{tail(log)}")
        if waves is not None:
            Path(waves).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(scratch / ("dump.fst" if simulator == "icarus" else "dump.vcd"), waves)
        if not (scratch / "results.npz").exists():
            return {}
        with np.load(scratch / "results.npz", allow_pickle=False) as saved:
            return dict(saved)


def _program(design: Design, simulator: str, directory: Path, waves: bool) -> list[str]:
    """How the built simulation is started."""
    if simulator == "icarus":
        library = ["-m", extras.require("cocotb_tools.config", "cosim").lib_entry("vpi", "icarus")]
        return ["vvp", *library, str(directory / ICARUS_PROGRAM), "-fst" if waves else "-none"]
    return [str(directory / design.name), *(["--trace"] if waves else [])]


def _cocotb_variables(
    design: Design, module: str, testcase: str | None, scratch: Path, results: Path
) -> dict[str, str]:
    """What cocotb reads of its environment (its own runner would take the rest from this process and no other)."""
    libpython = extras.require("find_libpython", "cosim").find_libpython()
    entry = extras.require("cocotb_tools.config", "cosim").pygpi_entry_point()
    if libpython is None:
        raise UserError("the library of Python is missing, which simulators need: install python3-dev")
    variables = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{libpython};{entry}",
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TOPLEVEL": design.name,
        "COCOTB_TEST_MODULES": module,
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_RANDOM_SEED": "1",
        "COCOTB_LOG_LEVEL": "WARNING",
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        # Assertions tell their values in the testbench alone: to rewrite every module that it imports, as cocotb does
        # unless told otherwise, and to load all plug-ins of pytest for it, takes twice as long as all the rest.
        "COCOTB_REWRITE_ASSERTION_FILES": f"{module.rpartition('.')[2]}.py",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "SYSMT_VECTORS": str(scratch),
    }
    if testcase is not None:
        variables["COCOTB_TEST_FILTER"] = rf"\.{re.escape(testcase)}$"
    return variables
