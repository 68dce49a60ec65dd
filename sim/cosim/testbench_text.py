# SPDX-License-Identifier: Apache-2.0
"""Pieces of Verilog that testbenches have in common."""

from collections.abc import Iterable

from sysmt.hdl.emit import Design
from sysmt.hdl.packaging import CLOCKS, CORE_CLOCK, ports_of

RANDOM = "random <= {random[30:0], random[31] ^ random[21] ^ random[1] ^ random[0]};"
"""A maximal linear feedback shift register of 32 bits."""
SEED = 2463534242
TIED = {"rst": "rst", "reset": "rst", "aresetn": "!rst", CORE_CLOCK: CORE_CLOCK, **dict.fromkeys(CLOCKS, "clk")}
"""What clocks and resets are connected to."""


def files_of(design: Design) -> str:
    """The names of the testbench and of the Verilog of a design."""
    return " ".join([f"{design.name}_tb.v", *(file for file in design.texts if file.endswith(".v"))])


def outputs_of(design: Design) -> str:
    """Declarations of nets at all outputs of a design."""
    return "\n".join(
        f"  wire {f'[{width - 1}:0] ' if width > 1 else ''}{name};"
        for name, direction, width in ports_of(design.manifest)
        if direction == "output"
    )


def instance_of(design: Design) -> str:
    """An instance whose ports are connected to what is called as they are."""
    pins = ", ".join(f".{name}({TIED.get(name, name)})" for name, _, _ in ports_of(design.manifest))
    return f"  {design.name} dut ({pins});"


def core_clock_of(design: Design) -> str:
    """The second clock of a device that has one, slower than the first."""
    if not any(name == CORE_CLOCK for name, _, _ in ports_of(design.manifest)):
        return ""
    return f"  reg {CORE_CLOCK} = 0;\n  always #7 {CORE_CLOCK} = !{CORE_CLOCK};\n\n"


def filled(memory: str, width: int, values: Iterable[int]) -> str:
    """Statements that give a memory its content."""
    return "\n".join(f"    {memory}[{i}] = {width}'h{value:x};" for i, value in enumerate(values))
