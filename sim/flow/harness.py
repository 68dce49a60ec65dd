# SPDX-License-Identifier: Apache-2.0
"""The test harness in which a design is placed on an FPGA: a design has far more ports than a package has pins.

A shift register, fed through one pin, drives all inputs, and all outputs are folded into one pin over registered steps
of four: every path of the design lies between registers.
"""

import re

from sysmt.base.errors import UserError

HARNESS = "test_harness"
PORTS = ("clk", "i", "o")
FOLD = 4
"""Outputs that one step of folding joins."""


def wrap(verilog: str, top: str) -> str:
    """The module `HARNESS`, with the ports `PORTS`, around the module `top` of `verilog`.

    Parameters
    ----------
    verilog : str
        As Yosys writes it. Its clock, if there is one, is called `clk`.
    top : str
    """
    body = re.search(rf"^module {re.escape(top)} *\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    if body is None:
        raise UserError(f"top must name a module of the Verilog, not {top!r}")
    declared = re.findall(r"^  (input|output|inout) (?:\[(\d+):0\] )?(\S+) *;", body.group(0), re.MULTILINE)
    for way, _, name in declared:
        if way == "inout" or not re.fullmatch(r"[\w$]+", name):
            raise UserError(f"port {name!r} of {top} cannot be placed: it must be an input or output with a plain name")
    inputs = [(name, int(high or 0) + 1) for way, high, name in declared if way == "input" and name != "clk"]
    outputs = [(name, int(high or 0) + 1) for way, high, name in declared if way == "output"]
    if not inputs or not outputs:
        raise UserError(f"{top} must have inputs and outputs to be placed, not {len(inputs)} and {len(outputs)}")
    pins, inputs_width = [".clk(clk)"] * any(name == "clk" for _, _, name in declared), 0
    for name, width in inputs:
        pins.append(f".{name}(feed[{inputs_width + width - 1}:{inputs_width}])")
        inputs_width += width
    outputs_width = 0
    for name, width in outputs:
        pins.append(f".{name}(seen[{outputs_width + width - 1}:{outputs_width}])")
        outputs_width += width
    lines = [
        f"module {HARNESS} (clk, i, o);",
        "  input clk, i;",
        "  output o;",
        f"  reg [{inputs_width - 1}:0] feed;",
        f"  wire [{outputs_width - 1}:0] seen;",
        "  always @(posedge clk) feed <= {feed, i};",
        f"  {top} design_under_test ({', '.join(pins)});",
    ]
    name, width, step = "seen", outputs_width, 0
    while True:
        folded = -(-width // FOLD)
        lines.append(f"  reg [{folded - 1}:0] fold_{step};")
        lines.append("  always @(posedge clk) begin")
        for i in range(folded):
            lines.append(f"    fold_{step}[{i}] <= ^{name}[{min(width, FOLD * (i + 1)) - 1}:{FOLD * i}];")
        lines.append("  end")
        name, width, step = f"fold_{step}", folded, step + 1
        if width == 1:
            break
    return "\n".join([*lines, f"  assign o = {name}[0];", "endmodule", ""])
