# SPDX-License-Identifier: Apache-2.0
"""From Verilog to the cells of a library, or to generic gates.

The flow, the same for every design:

1. modules with registers keep their hierarchy: equal modules are one module in what we emit, so each is synthesised
   once and counts as often as it is used. Modules without are flattened into their parents, whose logic theirs merges
   with: the multiplier into its PE, popcounts into the counters;
2. memories of at least `SMALLEST_SRAM` bits that are read at a clock edge stay memories: they are counted in bits, and
   have no cells. Others become flip-flops;
3. `synth`, then `extract_fa` finds full and half adders, which become the library's adder cells where it has them;
4. with `clock_gates`, enables of flip-flops become the library's clock gates;
5. `dfflibmap`, and `abc` with the period asked for: Yosys' own script with more rounds that recover area, and then
   buffers, larger and smaller cells where the load of a net asks for them;
6. buffers are inserted in nets with many sinks (`sysmt.sim.flow.buffering`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sysmt.base.cache import cached, digest
from sysmt.hdl.emit import Design

from . import netlist, tools, yosys
from .buffering import insert_buffers
from .liberty import CellLibrary
from .memories import BLACK_BOX, TECHMAP
from .netlist import Netlist

ABC = (
    "strash; &get -n; &fraig -x; &put; scorr; dc2; dretime; strash; &get -n; &dch -f; &nf -R 6 -F 6 {D}; &put; "
    "buffer -c; topo; stime -p; upsize {D}; dnsize {D}; stime -p"
)
"""ABC's script. Yosys' own ends at `&put`: which cells it takes then depends on the order of the netlist, and none is
sized for its load."""

SMALLEST_GATED = 8
"""Flip-flops that share an enable before a clock gate pays."""


@dataclass(frozen=True)
class Mapped:
    """A design in cells.

    Members
    -------
    top : str
    folder : Path
        Holds `netlist.json`.
    library : CellLibrary or None
        Whose cells they are; None: generic gates.
    declared : dict of module to dict
        What the manifest of the design says of its modules.
    """

    top: str
    folder: Path
    library: CellLibrary | None
    declared: Mapping[str, Any]

    @cached_property
    def netlist(self) -> Netlist:
        """The netlist, read when asked for, with buffers in nets of many sinks."""
        mapped = netlist.load(self.folder / "netlist.json", self.top, self.declared)
        return mapped if self.library is None else insert_buffers(mapped, self.library)


def flattened(design: Design) -> list[str]:
    """The modules of a design that are flattened into their parents: those without registers, all through."""
    bodies = dict(re.findall(r"^module (\S+?) *\((.*?)^endmodule", design.verilog, re.MULTILINE | re.DOTALL))
    inside = {name: set(re.findall(r"^  (\S+) \S+ *\($", body, re.MULTILINE)) for name, body in bodies.items()}

    def has_registers(name: str) -> bool:
        return "posedge" in bodies[name] or any(has_registers(inner) for inner in inside[name] if inner in bodies)

    return [name for name in bodies if name != design.name and not has_registers(name)]


def to_cells(
    design: Design,
    library: CellLibrary,
    period_ps: float,
    clock_gates: bool = False,
    progress: tools.Progress = tools.silent,
) -> Mapped:
    """Map a design to the cells of a library; found again when the same was mapped before.

    Parameters
    ----------
    design : Design
    library : CellLibrary
    period_ps : float
        What the cells are chosen and sized for.
    clock_gates : bool
        Replace enables of flip-flops by clock gates.
    progress : callable
        Takes a line of text.
    """
    commands = [
        *_front(design),
        "extract_fa -fa",
        "techmap -map adders.v",
        "opt -full",
        "simplemap",
        *([f"clockgate -liberty cells.lib -min_net_size {SMALLEST_GATED}"] if clock_gates else []),
        "dfflibmap -liberty cells.lib",
        f"abc -liberty cells.lib -D {period_ps:.0f} -script +{ABC.replace('; ', ';').replace(' ', ',')}",
        *_back(),
    ]
    files = {"cells.lib": library.source, "adders.v": adder_map(library).encode()}
    return _map(design, commands, files, progress, library)


def to_gates(design: Design, progress: tools.Progress = tools.silent) -> Mapped:
    """Map a design to Yosys' generic gates and flip-flops: no library is needed."""
    commands = [*_front(design), "dfflegalize -cell $_DFF_P_ 01", "abc -g cmos4", *_back()]
    return _map(design, commands, {}, progress, None)


def _front(design: Design) -> list[str]:
    whole = [name for name in design.modules if name not in flattened(design)]
    return [
        "read_verilog design.v",
        "read_verilog -lib memories.v",
        f"hierarchy -check -top {design.name}",
        f"setattr -mod -set keep_hierarchy 1 {' '.join(whole)}",
        f"synth -flatten -top {design.name} -run begin:fine",
        "techmap -map memories_map.v",
        f"synth -top {design.name} -run fine:",
    ]


def _back() -> list[str]:
    return [
        "setundef -zero",
        "opt_clean -purge",
        "write_json netlist.json",
    ]


def _map(
    design: Design,
    commands: list[str],
    files: dict[str, bytes],
    progress: tools.Progress,
    library: CellLibrary | None,
) -> Mapped:
    """Run the commands, or find what they made before."""
    sources = {"memories.v": BLACK_BOX.encode(), "memories_map.v": TECHMAP.encode()} | files
    sources["design.v"] = design.verilog.encode()

    def make(directory: Path) -> None:
        for name, content in sources.items():
            (directory / name).write_bytes(content)
        yosys.run(commands, directory, progress)
        for name in sources:
            (directory / name).unlink()

    digests = {name: digest(content) for name, content in sources.items()}
    directory = cached("silicon", design.name, [commands, digests, yosys.version()], make)
    return Mapped(design.name, directory, library, design.manifest.get("modules", {}))


def adder_map(library: CellLibrary) -> str:
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


def _adder(adder: tuple[str, list[str], str, str], operands: str) -> str:
    cell, inputs, carry, total = adder
    pins = [f".{pin}({operand}[i])" for pin, operand in zip(inputs, operands, strict=True)]
    return f"{cell} adder ({', '.join(pins)}, .{carry}(X[i]), .{total}(Y[i]));"
