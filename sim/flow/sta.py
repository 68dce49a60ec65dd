# SPDX-License-Identifier: Apache-2.0
"""Timing of mapped netlists by OpenSTA, where it is installed, else by our own estimate.

Assumptions: no wires, an ideal clock without skew, inputs arrive at the clock edge, outputs are due at the next; nets
are driven as they were mapped, whatever their fan-out.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from sysmt.base.cache import cached_json, digest
from sysmt.base.errors import UserError

from . import structural
from .flat import flatten
from .liberty import CellLibrary
from .mapping import Mapped
from .netlist import Netlist
from .timing_estimate import TOOL, slowest

ASSUMPTIONS = "no wires, ideal clock, inputs at the clock edge, outputs due at the next"
PACKAGE = "sudo apt-get install opensta"

_LINE = re.compile(r"^(\S+) \(\S+\)\s+(\S+) \(\S+\)\s+(-?[\d.]+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Slowest:
    """The slowest path that ends in one kind of module."""

    module: str
    start: str
    end: str
    period_ps: float


@dataclass(frozen=True)
class Timing:
    """What the clock can be.

    Members
    -------
    tool : str
    period_ps : float
        The shortest period at which every path is in time; 0 where no path ends in a register or an output.
    paths : list of Slowest
        Per module that has a register or a port at the end of a path, the slowest first.
    """

    tool: str
    period_ps: float
    paths: list[Slowest] = field(default_factory=list)


def available() -> bool:
    """Whether OpenSTA can be run."""
    return shutil.which("sta") is not None


@cache
def version() -> str:
    """Name and version of the tool; refused when it is not installed."""
    if not available():
        raise UserError(f"opensta is missing: {PACKAGE}")
    return f"OpenSTA {subprocess.run(['sta', '-version'], capture_output=True, text=True).stdout.strip()}"


def run(script: str, library: CellLibrary, netlist: str) -> str:
    """What OpenSTA prints while it runs `script` on a netlist; without the wires that a library may assume."""
    with tempfile.TemporaryDirectory() as scratch:
        cells = re.sub(rb"default_wire_load\s*:[^;]*;", b"", library.source)
        (Path(scratch) / "cells.lib").write_bytes(cells)
        (Path(scratch) / "netlist.v").write_text(netlist)
        (Path(scratch) / "run.tcl").write_text(script)
        done = subprocess.run(
            ["sta", "-no_init", "-no_splash", "-exit", "run.tcl"], cwd=scratch, capture_output=True, text=True
        )
    output = done.stdout + done.stderr
    error = re.search(r"^Error: .*$", output, re.MULTILINE)
    if done.returncode or error:
        raise RuntimeError(f"OpenSTA failed ({done.returncode}): {error.group(0) if error else output[-2000:]}")
    return output


def linked(top: str, period_ps: float, library: CellLibrary) -> str:
    """The beginning of a script: library and netlist read, clock defined."""
    period = period_ps * 1e-12 / library.seconds
    return "\n".join(
        [
            "read_liberty cells.lib",
            "read_verilog netlist.v",
            f"link_design {top}",
            f"create_clock -name clk -period {period:.6f} [get_ports clk]",
            "set_input_delay 0 -clock clk [all_inputs]",
            "set_output_delay 0 -clock clk [all_outputs]",
            "",
        ]
    )


def measure(mapped: Mapped, library: CellLibrary, period_ps: float, tool: str = "") -> Timing:
    """Time a mapped design; found again when the same was timed before.

    Parameters
    ----------
    mapped : Mapped
    library : CellLibrary
    period_ps : float
        The clock asked for. It changes nothing but the slacks, from which the shortest period follows.
    tool : str
        "opensta", "estimate" (`sysmt.sim.flow.timing_estimate`), or "": OpenSTA where it is installed.
    """
    if not mapped.netlist.cells:
        return Timing("no cells to be timed", 0.0)
    if (tool or ("opensta" if available() else "estimate")) == "estimate":
        facts = {"netlist": digest(structural.verilog(mapped.netlist)), "library": digest(library.source), "tool": 1}
        rows = cached_json("silicon", "estimate", facts, lambda: slowest(flatten(mapped.netlist, library)))
        return _timing(TOOL, mapped, library, rows)
    script = linked(mapped.top, period_ps, library)
    script += "report_checks -path_delay max -format summary -group_count 1000000 -unique_paths_to_endpoint\n"
    text = structural.verilog(mapped.netlist)
    facts = {"netlist": digest(text), "library": digest(library.source), "script": script}

    def work() -> list[tuple[str, str, str, float]]:
        output = run(script, library, text)
        worst: dict[str, tuple[str, str, float]] = {}
        for match in _LINE.finditer(output):
            period = period_ps - float(match.group(3)) * library.seconds * 1e12
            module = _where(mapped.netlist, library, match.group(2))[0]
            if module not in worst or worst[module][2] < period:
                worst[module] = match.group(1), match.group(2), period
        return [(module, *path) for module, path in worst.items()]

    rows = cached_json("silicon", "opensta", facts | {"tool": [version(), "no wires"]}, work)
    return _timing(version(), mapped, library, rows)


def _timing(tool: str, mapped: Mapped, library: CellLibrary, rows: list[tuple[str, str, str, float]]) -> Timing:
    """Rows of module, start, end and period as they are shown, the slowest first."""

    def named(end: str) -> str:
        return _where(mapped.netlist, library, end)[1]

    paths = [Slowest(module, named(start), named(end), period_ps) for module, start, end, period_ps in rows]
    paths.sort(key=lambda path: -path.period_ps)
    return Timing(tool, paths[0].period_ps if paths else 0.0, paths)


def _where(netlist: Netlist, library: CellLibrary, path: str) -> tuple[str, str]:
    """The module in which a hierarchical name lies, and the name with the register's own in place of the cell's."""
    module = netlist.modules[netlist.top]
    names: list[str] = []
    for name in path.split("/"):
        part = module.by_name.get(name)
        if part is None:
            names.append(name)
            break
        if part.kind not in netlist.modules:
            bits = [bit for pin in library.cell(part.kind).outputs for bit in part.pins.get(pin, [])]
            net, position = module.names.get(bits[0], (name, 0)) if bits and isinstance(bits[0], int) else (name, 0)
            names.append(f"{net}[{position}]")
            break
        names.append(re.sub(r"_\d+$", "", name))
        module = netlist.modules[part.kind]
    return module.name, "/".join(names)
