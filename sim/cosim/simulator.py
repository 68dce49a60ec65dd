# SPDX-License-Identifier: Apache-2.0
"""One way to build and run a simulation of an emitted design, under Verilator or Icarus.

Builds are cached by content (Verilog text, simulator, options) and shared by every test and command; a lock lets two
processes ask for the same one. Vectors go in and results come out as .npz files.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from cocotb_tools.check_results import get_results
from cocotb_tools.config import libs_dir, share_dir
from cocotb_tools.runner import get_runner

from sysmt.hdl.emit import Design

from .verilator import (
    FOLDED_ARGS,
    MAKE_ARGS,
    VERILATOR_ARGS,
    SimulationError,
    available,
    compile_here,
    environment,
    executable,
    quietly,
    require,
    room,
    tail,
)

__all__ = ["SimulationError", "available", "build", "require", "run"]

# -g2005: with SystemVerilog on, Icarus 11 leaves the outputs of Yosys' `always @*` at X at time 0.
ICARUS_ARGS = ["-g2005"]


def build(
    design: Design,
    simulator: str = "verilator",
    waves: bool = False,
    probes: Mapping[str, Sequence[str]] | None = None,
    unfold: bool = False,
) -> Path:
    """Build a simulation of `design`, or find it already built. Returns its folder.

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
    content = [design.verilog, simulator, str(executable(simulator)), waves, args, MAKE_ARGS, visible]
    with room(f"{design.name}-{simulator}", content) as (folder, missing):
        if missing:
            source = folder / f"{design.name}.v"
            source.write_text(design.verilog)
            if simulator == "icarus":
                _build_icarus(design, source, waves)
            else:
                _build_verilator(design, source, args, waves, visible)
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
    quietly(
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


def _build_verilator(
    design: Design, source: Path, args: list[str], waves: bool, visible: Mapping[str, Sequence[str]]
) -> None:
    """Compile with cocotb's main program. Its runner would make every signal public, which is many times slower."""
    folder = source.parent
    control = ["`verilator_config"]
    control += [f'public_flat_rw -module "{m}" -var "{name}"' for m, names in visible.items() for name in names]
    # One function for all instances of a shared module, not a copy for each. Unshared ones have escaped names, which
    # this file cannot say.
    control += [f'no_inline -module "{m}"' for m in design.modules if m != design.name and m.isidentifier()]
    (folder / "control.vlt").write_text("\n".join(control) + "\n")
    library = f"-Wl,-rpath,{libs_dir} -L{libs_dir} -lcocotbvpi_verilator"
    verilate = ["verilator", "-cc", "--exe", "--vpi", "-Mdir", ".", "--prefix", "Vtop", "--top-module", design.name]
    verilate += ["-o", design.name, *args, *(["--trace"] if waves else []), "--timescale", "1ns/1ps"]
    verilate += ["-LDFLAGS", library, str(share_dir / "lib" / "verilator" / "verilator.cpp"), "control.vlt"]
    compile_here(folder, [*verilate, source.name], f"VM_TRACE={int(waves)}", *MAKE_ARGS)


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
    folder = build(design, simulator, waves is not None, probes, unfold)
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as scratch:
        place = Path(scratch)
        np.savez(place / "vectors.npz", **vectors)
        results, log = place / "results.xml", place / "run.log"
        with environment():
            quietly(
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
            raise SimulationError(f"{failed} of {tests} tests of {module} failed on {design.name}\n{tail(log)}")
        if waves is not None:
            Path(waves).parent.mkdir(parents=True, exist_ok=True)
            produced = place / ("dump.fst" if simulator == "icarus" else "dump.vcd")
            shutil.move(produced, waves)
        if not (place / "results.npz").exists():
            return {}
        with np.load(place / "results.npz", allow_pickle=False) as saved:
            return dict(saved)
