# SPDX-License-Identifier: Apache-2.0
"""Our own estimate of the clock, from the same tables that OpenSTA reads: for machines that do not have it.

The latest edge of every net, rising and falling, the slowest slew at every gate; setup of flip-flops from their
constraints. No wires, ideal clock. It is checked against OpenSTA in the tests.
"""

import numpy as np

from .flat import NONE, Flat
from .slews import EDGES, Edges, edges, loads

TOOL = "own estimate from the library's tables, without OpenSTA"


def slowest(flat: Flat) -> list[tuple[str, str, str, float]]:
    """The slowest path that ends in each module.

    Returns
    -------
    list of (module, start, end, period in picoseconds), the slowest first
        Starts and ends are hierarchical names of cells, or names of ports.
    """
    timing = edges(flat, loads(flat))
    drivers = _drivers(flat)
    worst: dict[str, tuple[str, str, str, float]] = {}

    def end(module: str, name: str, period: float, net: int, edge: str) -> None:
        if module not in worst or worst[module][3] < period:
            worst[module] = module, _start(flat, timing, drivers, net, edge), name, period

    scale = flat.library.seconds * 1e12
    for number, cell in enumerate(flat.kinds):
        cells = flat.of(number)
        for i, pin in enumerate(cell.inputs):
            for arc in cell.pins[pin].arcs:
                if arc.kind == "setup_rising":
                    nets = np.maximum(flat.pins[cells, i], 0)
                    for edge, table in arc.delays.items():
                        # The tables of constraints begin with the slew of the clock.
                        setup = table(np.zeros(len(nets)), timing.slew[edge][nets])
                        periods = (timing.arrival[edge][nets] + setup) * scale
                        for row in _worst_rows(flat, cells, periods):
                            end_cell = int(cells[row])
                            end(flat.module(end_cell), flat.name(end_cell), float(periods[row]), int(nets[row]), edge)
    top = flat.places[0][1] if not flat.places[0][2] else ""
    for name, (way, nets) in flat.ports.items():
        if way == "output":
            for place, net in enumerate(nets):
                for edge in EDGES:
                    end(top, f"{name}[{place}]", float(timing.arrival[edge][net] * scale), int(net), edge)
    return sorted(worst.values(), key=lambda path: -path[3])


def _worst_rows(flat: Flat, cells: np.ndarray, periods: np.ndarray) -> list[int]:
    """The latest cell of every module among these."""
    best: dict[str, int] = {}
    for row in np.argsort(periods).tolist():
        best[flat.module(int(cells[row]))] = row
    return list(best.values())


def _drivers(flat: Flat) -> np.ndarray:
    """The cell that drives each net."""
    drivers = np.full(flat.nets, NONE)
    for number, cell in enumerate(flat.kinds):
        cells = flat.of(number)
        for i in range(len(cell.outputs)):
            nets = flat.pins[cells, len(cell.inputs) + i]
            drivers[nets[nets != NONE]] = cells[nets != NONE]
    return drivers


def _start(flat: Flat, timing: Edges, drivers: np.ndarray, net: int, edge: str) -> str:
    """Where the latest path to a net begins; a rising edge may come of a falling one, so the later is followed."""
    for _ in range(len(flat.kind)):
        before = int(timing.source[edge][net])
        if before == net:
            break
        latest = {e: timing.arrival[e][before] for e in EDGES}
        net, edge = before, max(EDGES, key=latest.__getitem__)
    if drivers[net] == NONE:
        return next((name for name, (_, nets) in flat.ports.items() if net in nets), "input")
    return flat.name(int(drivers[net]))
