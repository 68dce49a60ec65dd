# SPDX-License-Identifier: Apache-2.0
"""How a design is written, where flows differ: initial values, kind of reset, clock gates, and where memories are."""

import re
from dataclasses import dataclass

from amaranth.hdl import ClockDomain

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.styles import CHOICES


@dataclass(frozen=True)
class ClockGate:
    """A cell that gates a clock (latch and AND), and the names of its ports; None: it has no input for tests.

    While `enable`, or `test`, is high before an edge of `clock`, `output` has this edge. `test` is tied low.
    """

    cell: str
    clock: str = "CLK"
    enable: str = "EN"
    test: str | None = "TE"
    output: str = "Q"

    @classmethod
    def of(cls, text: str) -> "ClockGate":
        """Of `CELL`, `CELL:clock,enable,output` or `CELL:clock,enable,test,output`.

        Raises
        ------
        ConfigError
            It is none of those, or a name is none of Verilog.
        """
        cell, colon, rest = text.partition(":")
        ports = rest.split(",") if colon else [cls.clock, cls.enable, str(cls.test), cls.output]
        names = [cell, *ports]
        if len(ports) not in (3, 4) or not all(re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) for name in names):
            raise ConfigError(
                f"clock_gate_cell must be CELL, CELL:clock,enable,output or CELL:clock,enable,test,output, not {text!r}"
            )
        if len(set(ports)) < len(ports):
            raise ConfigError(f"clock_gate_cell must have ports of different names, not {text!r}")
        clock, enable, *test, output = ports
        return cls(cell, clock, enable, test[0] if test else None, output)

    @property
    def model(self) -> str:
        """A model of the cell in Verilog, for simulation without its library."""
        ports = [self.clock, self.enable, *([] if self.test is None else [self.test]), self.output]
        on = self.enable if self.test is None else f"{self.enable} | {self.test}"
        return (
            f"module {self.cell} ({', '.join(ports)});\n  input {', '.join(ports[:-1])};\n  output {self.output};\n"
            f"  reg held;\n  always @({self.clock} or {on.replace(' | ', ' or ')})\n"
            f"    if (!{self.clock}) held <= {on};\n  assign {self.output} = {self.clock} & held;\nendmodule\n"
        )


@dataclass(frozen=True, kw_only=True)
class Style:
    """What of a design is for the flow it goes into. Its function, clock for clock, is the same in all styles.

    Parameters
    ----------
    initial_values : "keep" or "none"
        Registers and memories have the values that FPGAs load, or none, for standard cells: one clock of reset is
        all that any design needs.
    reset : "sync" or "async"
        Registers that are reset are so at the edge of the clock, or at once.
    memories : "inline" or "separate"
        Memories are inside the modules that use them, or each shape of them is a module, in a file of its own, that a
        macro can stand in for.
    clock_gate : ClockGate, optional
        Operands, sums and drains of PEs with `clock_gating` are behind instances of this cell, one for each; else they
        keep their values by enables.

    Raises
    ------
    ConfigError
        A value is none of those.
    """

    initial_values: str = "keep"
    reset: str = "sync"
    memories: str = "inline"
    clock_gate: ClockGate | None = None

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ConfigError(f"{name} must be {' or '.join(choices)}, not {value!r}")


PLAIN = Style()
"""With initial values, reset at the edge, everything in one file."""


def style_of(platform: object) -> Style:
    """The style that a component is emitted in, by what its `elaborate` is given."""
    style = getattr(platform, "style", None)
    return style if isinstance(style, Style) else PLAIN


def clock_domain(platform: object, name: str = "sync") -> ClockDomain:
    """A clock domain of a component that makes its own, with the reset of the style that it is emitted in."""
    return ClockDomain(name, async_reset=style_of(platform).reset == "async")
