# SPDX-License-Identifier: Apache-2.0
"""From Verilog to the cells of a library, or to generic gates.

The flow, the same for every design:

1. modules keep their hierarchy, but for those that are flattened into their parents on request (the multiplier, into
   its PE); equal modules are one module in what we emit, so each is synthesised once and counts as often as it is used;
2. `synth`, then `extract_fa` finds full and half adders, which become the library's adder cells where it has them;
3. with `clock_gates`, enables of flip-flops become the library's clock gates;
4. `dfflibmap` and `abc` with the period asked for;
5. nets with many sinks get trees of buffers (`sysmt.sim.flow.buffering`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from . import netlist, yosys
from .buffering import buffered
from .disk_cache import digest, kept
from .liberty import Library
from .netlist import Netlist

SCRATCH = "@"
"""Stands for the folder of the run in commands, so that results are found again wherever they lie."""

SMALLEST_GATED = 8
"""Flip-flops that share an enable before a clock gate pays."""


@dataclass(frozen=True)
class Mapped:
    """A design in cells: `folder` holds `netlist.json`, as it was mapped to the cells of `library` (None: gates)."""

    top: str
    folder: Path
    library: Library | None

    @cached_property
    def netlist(self) -> Netlist:
        """The netlist, read when asked for; nets with many sinks have their trees of buffers."""
        found = netlist.load(self.folder / "netlist.json", self.top)
        return found if self.library is None else buffered(found, self.library)


def modules(verilog: str) -> list[str]:
    """Names of the modules of emitted Verilog."""
    return re.findall(r"^module (\S+?) *\(", verilog, re.MULTILINE)


def to_cells(
    verilog: str,
    top: str,
    library: Library,
    period_ps: float,
    dissolve: Sequence[str] = (),
    clock_gates: bool = False,
) -> Mapped:
    """Map a design to the cells of a library; found again when the same was mapped before.

    Parameters
    ----------
    verilog : str
    top : str
        Its top module.
    library : Library
    period_ps : float
        What the cells are chosen and sized for.
    dissolve : sequence of names
        Modules that are flattened into their parents.
    clock_gates : bool
        Replace enables of flip-flops by clock gates.
    """
    cells = f"{SCRATCH}/cells.lib"
    commands = [
        *_front(verilog, top, dissolve),
        "extract_fa -fa",
        f"techmap -map {SCRATCH}/adders.v",
        "opt -full",
        *([f"clockgate -liberty {cells} -min_net_size {SMALLEST_GATED}"] if clock_gates else []),
        f"dfflibmap -liberty {cells}",
        f"abc -liberty {cells} -D {period_ps:.0f}",
        *_back(),
    ]
    adders = adder_map(library)
    facts = {"library": digest(library.source), "adders": adders, "commands": commands}
    return Mapped(top, _map(verilog, top, facts, {"cells.lib": library.source, "adders.v": adders.encode()}), library)


def to_gates(verilog: str, top: str, dissolve: Sequence[str] = ()) -> Mapped:
    """Map a design to Yosys' generic gates and flip-flops: no library is needed."""
    commands = [*_front(verilog, top, dissolve), "dfflegalize -cell $_DFF_P_ 01", "abc -g cmos4", *_back()]
    return Mapped(top, _map(verilog, top, {"commands": commands}, {}), None)


def _front(verilog: str, top: str, dissolve: Sequence[str]) -> list[str]:
    whole = [name for name in modules(verilog) if name not in dissolve]
    return [
        f"read_verilog {SCRATCH}/design.v",
        f"hierarchy -check -top {top}",
        f"setattr -mod -set keep_hierarchy 1 {' '.join(whole)}",
        f"synth -flatten -top {top}",
    ]


def _back() -> list[str]:
    return [
        "setundef -zero",
        "opt_clean -purge",
        f"write_json {SCRATCH}/netlist.json",
    ]


def _map(verilog: str, top: str, facts: dict, files: dict[str, bytes]) -> Path:
    facts = facts | {"verilog": digest(verilog), "tool": yosys.version()}

    def make(folder: Path) -> None:
        files["design.v"] = verilog.encode()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        yosys.run([command.replace(SCRATCH, str(folder)) for command in facts["commands"]])
        for name in files:
            (folder / name).unlink()

    return kept(top, facts, make)


def adder_map(library: Library) -> str:
    """Verilog that maps `$fa` to the smallest full adder of the library, and to a half adder where a bit is 0.

    A library without a full adder gets the gates that Yosys makes of it.
    """
    full, half = library.adder(3), library.adder(2)
    if full is None:
        return ""
    body = _adder(full, "ABC")
    if half is not None:
        for zero, others in (("C", "AB"), ("B", "AC"), ("A", "BC")):
            body = f"if (_TECHMAP_CONSTVAL_{zero}_[i] === 1'b0) begin {_adder(half, others)} end else begin {body} end"
    return f"""(* techmap_celltype = "$fa" *)
module _sysmt_fa (A, B, C, X, Y);
  parameter WIDTH = 1;
  (* force_downto *) input [WIDTH-1:0] A, B, C;
  (* force_downto *) output [WIDTH-1:0] X, Y;
  parameter _TECHMAP_CONSTVAL_A_ = WIDTH'bx;
  parameter _TECHMAP_CONSTVAL_B_ = WIDTH'bx;
  parameter _TECHMAP_CONSTVAL_C_ = WIDTH'bx;
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin
    {body}
  end endgenerate
endmodule
"""


def _adder(found: tuple[str, list[str], str, str], operands: str) -> str:
    cell, inputs, carry, total = found
    pins = [f".{pin}({operand}[i])" for pin, operand in zip(inputs, operands, strict=True)]
    return f"{cell} adder ({', '.join(pins)}, .{carry}(X[i]), .{total}(Y[i]));"
