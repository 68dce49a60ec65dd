# SPDX-License-Identifier: Apache-2.0
"""Registers behind a clock gate of the library, by its name, where a design is written with one."""

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, Value

from sysmt.hdl.style import ClockGate, style_of


def gate_of(platform: object) -> ClockGate | None:
    """The cell that the design is written with; None: enables stay for synthesis to turn into clock gates."""
    return style_of(platform).clock_gate


def gated_domain(m: Module, name: str, enable: Value, platform: object) -> str:
    """A clock domain whose edges are those of `sync` in cycles with `enable`, behind an instance `name_gate`.

    Its registers have no reset, which might come while the clock rests.
    """
    cell = gate_of(platform)
    assert cell is not None
    domain = ClockDomain(f"{name}_gated", reset_less=True, local=True)
    m.domains += domain
    test = {} if cell.test is None else {f"i_{cell.test}": Const(0, 1)}
    m.submodules[f"{name}_gate"] = Instance(
        cell.cell,
        **{f"i_{cell.clock}": ClockSignal(), f"i_{cell.enable}": enable, **test, f"o_{cell.output}": domain.clk},
    )
    return domain.name
