# SPDX-License-Identifier: Apache-2.0
"""Which registers a PE has in its place, by its name and its clock gates, and when their clocks rest."""

import re

import pytest
from amaranth.hdl import Signal, Value

from sysmt.hdl.designs import design_of
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.pe import element
from sysmt.hdl.pe.element import Place, ProcessingElement
from sysmt.hdl.style import ClockGate, Style

from .accel import simulate

GATED = ArrayConfig().with_fields(clock_gating=True, cluster=2, counters=False)
PLACES = {
    "pe": Place(GATED),
    "pe_bare_x": Place(GATED, x_registers=False),
    "pe_bare_w": Place(GATED, w_registers=False),
    "pe_bare_x_bare_w": Place(GATED, x_registers=False, w_registers=False),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_pe_is_called_by_the_registers_that_it_lacks(name):
    assert ProcessingElement.module_name(PLACES[name]) == name


def test_every_pe_of_a_cluster_has_gates_for_the_registers_that_it_has():
    """Sums and drains are in all of them, operands in those at its edges."""
    verilog = design_of(GATED.with_fields(rows=2, cols=2), "a", Style(clock_gate=ClockGate("ICG"))).verilog
    modules = dict(re.findall(r"^module a__(pe\w*)\((.*?)^endmodule", verilog, re.DOTALL | re.MULTILINE))
    gates = {name: sorted(re.findall(r"^ *ICG (\w+)_gate ", text, re.MULTILINE)) for name, text in modules.items()}
    plain = ["drain", "sum"]
    assert gates == {name: plain if name == "pe_bare_x_bare_w" else sorted([*plain, "operands"]) for name in PLACES}


class Gates:
    """In place of `gated_domain`: what the gates of one PE are given, by their names."""

    def __init__(self):
        self.enables = {}

    def __call__(self, m, name, enable, platform):
        self.enables[name] = seen = Signal(name=f"gate_{name}")
        m.d.comb += seen.eq(enable)
        return "sync"


@pytest.mark.parametrize("pipeline", [0, 1])
@pytest.mark.parametrize("drain", ["overlap", "in_place"])
def test_clocks_rest_while_nothing_changes(pipeline, drain, monkeypatch):
    """A step with a zero operand adds nothing, a drain moves on command, and a frozen PE rests in all its parts."""
    gates = Gates()
    monkeypatch.setattr(element, "gated_domain", gates)
    monkeypatch.setattr(element, "gate_of", lambda _: ClockGate("ICG"))
    # Gates are for what is written for cells; a simulation is written for nothing.
    written = ProcessingElement.elaborate
    monkeypatch.setattr(ProcessingElement, "elaborate", lambda self, _: written(self, object()))
    pe = ProcessingElement(Place(GATED.with_fields(cluster=1, pipeline=pipeline, drain=drain)))

    async def bench(ctx):
        async def cycle(x=0, w=0, first=0, shift=0, enable=1):
            """Give a step; what rests when it is in the sum."""
            ctx.set(Value.cast(pe.i_x), x)
            ctx.set(Value.cast(pe.i_w), w)
            ctx.set(pe.i_control, {"first": first, "shift": shift, "mode": 0})
            ctx.set(pe.enable, 1)
            for _ in range(1 + pipeline):
                await ctx.tick()
                ctx.set(Value.cast(pe.i_x), 0)
                ctx.set(pe.i_control, {"first": 0, "shift": 0, "mode": 0})
            ctx.set(pe.enable, enable)
            assert ctx.get(gates.enables["operands"]) == enable
            found = {name for name in ("sum", "drain") if name in gates.enables and ctx.get(gates.enables[name])}
            ctx.set(pe.enable, 1)
            await ctx.tick()
            return found

        overlap = drain == "overlap"
        assert await cycle(3, 5) == {"sum"}
        assert await cycle(3, 0) == await cycle(0, 5) == await cycle(0, 0) == set()
        assert await cycle(first=1) == ({"sum", "drain"} if overlap else {"sum"})
        assert await cycle(shift=1) == ({"drain"} if overlap else {"sum"})
        for given in ({"x": 3, "w": 5}, {"first": 1}, {"shift": 1}):
            assert await cycle(enable=0, **given) == set()

    simulate(pe, bench)
