# SPDX-License-Identifier: Apache-2.0
"""Mapped netlists as structural Verilog of the plainest kind, which every timing tool reads."""

import re

from .netlist import Bits, Module, Netlist


def verilog(netlist: Netlist) -> str:
    """All modules of the design, the deepest first."""
    return "\n".join(_module(netlist.modules[name]) for name in reversed(netlist.copies))


def _module(module: Module) -> str:
    names: dict[int | str, str] = {"0": "1'b0", "1": "1'b1", "x": "1'b0", "z": "1'b0"}
    lines, aliases = [f"module {_name(module.name)} ({', '.join(module.ports)});"], []
    for way in ("input", "output"):
        for port, (direction, bits) in module.ports.items():
            if direction == way:
                lines.append(f"  {way} {f'[{len(bits) - 1}:0] ' if len(bits) > 1 else ''}{port};")
                for place, bit in enumerate(bits):
                    own = f"{port}[{place}]" if len(bits) > 1 else port
                    if bit in names:
                        aliases.append(f"  assign {own} = {names[bit]};")
                    else:
                        names[bit] = own
    wires = sorted({b for p in module.parts for bits in p.pins.values() for b in bits if b not in names})
    names |= {bit: f"n{bit}" for bit in wires}
    lines += [f"  wire n{bit};" for bit in wires]
    for part in module.parts:
        pins = ", ".join(f".{pin}({_bits(bits, names)})" for pin, bits in part.pins.items() if bits)
        lines.append(f"  {_name(part.kind)} {part.name} ({pins});")
    return "\n".join([*lines, *aliases, "endmodule", ""])


def _name(module: str) -> str:
    """The name of a module, escaped where Verilog wants it."""
    return module if re.fullmatch(r"[A-Za-z_][\w$]*", module) else f"\\{module} "


def _bits(bits: Bits, names: dict[int | str, str]) -> str:
    terms = [names[bit] for bit in reversed(bits)]
    return terms[0] if len(terms) == 1 else "{" + ", ".join(terms) + "}"
