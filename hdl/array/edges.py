# SPDX-License-Identifier: Apache-2.0
"""What the kind of PE has done to operands at the edges of the array, once per row or column and not in every PE."""

from amaranth.hdl import Module, Value

from sysmt.hdl.emit import shared
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.pe.kind import gates_of


def row_edge(
    m: Module, pe: PEConfig, x: Value, negative: list[Value], full: Value, row: int, platform: object
) -> Value:
    """The activations of a row as its PEs get them; `negative`: the signs of all rows, where they have some."""
    kind = gates_of(pe).edge(pe)
    if kind is None:
        return x
    edge = shared(m, f"edge_{row}", kind, pe, platform)
    m.d.comb += [edge.i.eq(x), edge.full.eq(full)]
    if negative:
        m.d.comb += edge.negative.eq(negative[row])
    return Value.cast(edge.o)


def column_edge(m: Module, pe: PEConfig, w: Value, runs: Value, column: int, platform: object) -> Value:
    """The weights of a column as its PEs get them; `runs`: the operands that do, one bit for each of a step."""
    kind = gates_of(pe).weight_edge(pe)
    if kind is None:
        return w
    edge = shared(m, f"selector_{column}", kind, pe, platform)
    m.d.comb += [edge.i.eq(w), edge.runs.eq(runs)]
    return Value.cast(edge.o)
