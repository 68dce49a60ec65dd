# SPDX-License-Identifier: Apache-2.0
"""What every net must charge, how fast it changes and when: capacitances of pins, slews and arrivals from the tables.

No wires: the load of a net is the sum of the input pins on it. Edges are propagated from flip-flops and ports through
all gates, rising and falling apart, the slowest and the latest count; ports and the clock have a slew of zero.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from .cells import Arc
from .flat import NONE, Flat

EDGES = ("rise", "fall")


def loads(flat: Flat) -> np.ndarray:
    """Capacitance of every net, in the library's unit."""
    load = np.zeros(flat.nets)
    for number, cell in enumerate(flat.kinds):
        cells = flat.of(number)
        for i, pin in enumerate(cell.inputs):
            nets = flat.pins[cells, i]
            np.add.at(load, nets[nets != NONE], cell.pins[pin].capacitance)
    return load


@dataclass(frozen=True, eq=False)
class Edges:
    """What the two edges of every net are like, in the library's unit.

    Members
    -------
    slew, arrival : dict of edge to [nets]
        Arrivals count from the clock edge.
    source : dict of edge to [nets]
        The net whose edge made the latest arrival; the net itself where a path begins.
    """

    slew: dict[str, np.ndarray]
    arrival: dict[str, np.ndarray]
    source: dict[str, np.ndarray]


def edges(flat: Flat, load: np.ndarray) -> Edges:
    """Propagate the edges of ports and registers through all gates."""
    result = Edges(
        {edge: np.zeros(flat.nets) for edge in EDGES},
        {edge: np.zeros(flat.nets) for edge in EDGES},
        {edge: np.arange(flat.nets) for edge in EDGES},
    )
    for cells, number in _levels(flat):
        cell = flat.kinds[number]
        for i, pin in enumerate(cell.outputs):
            nets = flat.pins[cells, len(cell.inputs) + i]
            used = nets != NONE
            for arc in cell.pins[pin].arcs:
                if arc.related in cell.inputs and _is_delay(arc):
                    source = flat.pins[cells[used], cell.inputs.index(arc.related)]
                    _through(arc, source, nets[used], load, result, cell.is_register)
    return result


def _through(arc: Arc, source: np.ndarray, nets: np.ndarray, load: np.ndarray, result: Edges, begins: bool) -> None:
    """The edges that come through one arc; those of a register begin a path."""
    for edge, table in arc.slews.items():
        for before in _causes(arc, edge):
            slew = table(result.slew[before][source], load[nets])
            result.slew[edge][nets] = np.maximum(result.slew[edge][nets], slew)
            if edge in arc.delays:
                delay = arc.delays[edge](result.slew[before][source], load[nets])
                arrival = delay + (0.0 if begins else result.arrival[before][source])
                later = arrival > result.arrival[edge][nets]
                result.arrival[edge][nets[later]] = arrival[later]
                result.source[edge][nets[later]] = nets[later] if begins else source[later]


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
    gates = ~np.array([cell.is_register for cell in flat.kinds], bool)[flat.kind]
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
    for index, key in enumerate(zip(level.tolist(), flat.kind.tolist(), strict=True)):
        groups[key].append(index)
    return [(np.array(groups[key]), key[1]) for key in sorted(groups)]
