# SPDX-License-Identifier: Apache-2.0
"""What every net must charge, and how fast it changes: capacitances of pins, and slews from the liberty's tables.

No wires: the load of a net is the sum of the input pins on it. Slews are propagated from flip-flops and ports through
all gates, rising and falling edges apart, the slowest edge counts; ports and the clock have a slew of zero.
"""

from collections import defaultdict

import numpy as np

from .cells import Arc
from .flat import NONE, Flat

EDGES = ("rise", "fall")


def loads(flat: Flat) -> np.ndarray:
    """Capacitance of every net, in the library's unit."""
    found = np.zeros(flat.nets)
    for number, cell in enumerate(flat.kinds):
        cells = flat.of(number)
        for i, pin in enumerate(cell.inputs):
            nets = flat.pins[cells, i]
            np.add.at(found, nets[nets != NONE], cell.pins[pin].capacitance)
    return found


def slews(flat: Flat, load: np.ndarray) -> dict[str, np.ndarray]:
    """Slews of the two edges of every net, in the library's unit."""
    found = {edge: np.zeros(flat.nets) for edge in EDGES}
    for cells, number in _levels(flat):
        cell = flat.kinds[number]
        for i, pin in enumerate(cell.outputs):
            nets = flat.pins[cells, len(cell.inputs) + i]
            used = nets != NONE
            nets, rows = nets[used], cells[used]
            for arc in cell.pins[pin].arcs:
                if arc.related in cell.inputs and _is_delay(arc):
                    source = flat.pins[rows, cell.inputs.index(arc.related)]
                    for edge, table in arc.slews.items():
                        for before in _causes(arc, edge):
                            slew = table(found[before][source], load[nets])
                            np.maximum.at(found[edge], nets, slew)
    return found


def _is_delay(arc: Arc) -> bool:
    """Whether an edge of the related pin makes an edge of the output: no constraint, no asynchronous arc."""
    return arc.kind in ("combinational", "combinational_rise", "combinational_fall", "rising_edge", "falling_edge")


def _causes(arc: Arc, edge: str) -> tuple[str, ...]:
    """The edges of the related pin that make this edge."""
    if arc.kind == "rising_edge":
        return ("rise",)
    if arc.kind == "falling_edge":
        return ("fall",)
    other = EDGES[edge == "rise"]
    return {"positive_unate": (edge,), "negative_unate": (other,)}.get(arc.sense, EDGES)


def _levels(flat: Flat) -> list[tuple[np.ndarray, int]]:
    """Cells of one kind and level at a time, so that every input comes before."""
    depth = np.zeros(flat.nets, np.int64)
    level = np.zeros(len(flat.kind), np.int64)
    inputs = np.zeros((len(flat.kind), flat.pins.shape[1]), np.int64)
    outputs = np.zeros_like(inputs)
    for number, cell in enumerate(flat.kinds):
        cells = flat.of(number)
        count = len(cell.inputs)
        if not cell.is_register:
            inputs[cells, :count] = np.maximum(flat.pins[cells, :count], 0)
        width = len(cell.outputs)
        outputs[cells, :width] = np.maximum(flat.pins[cells, count : count + width], 0)
    gates = ~np.array([cell.is_register for cell in flat.kinds])[flat.kind]
    while True:
        reached = depth[inputs].max(axis=1) + 1
        reached[~gates] = 0
        if np.array_equal(reached, level):
            break
        level = reached
        for column in range(outputs.shape[1]):
            nets = outputs[:, column]
            np.maximum.at(depth, nets[nets > 1], level[nets > 1])
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for cell, key in enumerate(zip(level.tolist(), flat.kind.tolist(), strict=True)):
        groups[key].append(cell)
    return [(np.array(groups[key]), key[1]) for key in sorted(groups)]
