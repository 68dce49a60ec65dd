# SPDX-License-Identifier: Apache-2.0
"""Buffer insertion: trees of buffers on nets that would drive too many pins.

Mapping sees one module at a time and sizes nothing for the load, so an enable that reaches every register of an array
would take hundreds of nanoseconds. A net with more than `LIMIT` sinks gets a tree of buffers, `LIMIT` sinks each; an
input of a module with more than `PORT_LIMIT` sinks gets its own tree inside, and presents one pin to the outside.
Clocks are left alone: they are ideal.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from .liberty import Cell, CellLibrary
from .netlist import Instance, Module, Netlist

LIMIT = 12
PORT_LIMIT = 3

Sink = tuple[int, str, int]
"""Part, pin and place of a bit in it."""


def insert_buffers(netlist: Netlist, library: CellLibrary) -> Netlist:
    """The same design with trees of buffers."""
    buffer = best_buffer(library)
    if buffer is None:
        return netlist
    modules: dict[str, Module] = {}
    presented: dict[tuple[str, str, int], int] = {}
    clocks: set[tuple[str, str, int]] = set()
    for name in reversed(netlist.copies):
        modules[name] = _module(netlist.modules[name], library, buffer, presented, clocks)
    return replace(netlist, modules=modules)


def best_buffer(library: CellLibrary) -> Cell | None:
    """The buffer with the least product of area and delay when it drives `LIMIT` NAND inputs; None where none is."""
    nand = library.smallest_nand
    slew = np.array(0.1)
    load = np.array(LIMIT * nand.pins[nand.inputs[0]].capacitance)

    def cost(cell: Cell) -> float:
        arcs = cell.pins[cell.outputs[0]].arcs
        delays = [float(table(slew, load)) for arc in arcs for table in arc.delays.values()]
        return cell.area * max(delays, default=1.0)

    return min((cell for cell in library.cells if cell.is_buffer), key=cost, default=None)


def _module(
    module: Module,
    library: CellLibrary,
    buffer: Cell,
    presented: dict[tuple[str, str, int], int],
    clocks: set[tuple[str, str, int]],
) -> Module:
    """One module; fills in how many sinks its input ports present to the outside, and which of them are clocks."""
    parts = [Instance(p.name, p.kind, {pin: list(bits) for pin, bits in p.pins.items()}) for p in module.parts]
    sinks, clock_nets = _sinks(module, library, presented, clocks)
    entering = {bit for way, bits in module.ports.values() if way == "input" for bit in bits}
    fresh = max([bit for bit in sinks if isinstance(bit, int)] + list(module.names), default=1)
    pin_in, pin_out = buffer.inputs[0], buffer.outputs[0]
    for net, driven in list(sinks.items()):
        if net in clock_nets or not isinstance(net, int):
            continue
        level, total = driven, sum(weight for _, weight in driven)
        limit = PORT_LIMIT if net in entering else LIMIT
        while total > limit:
            following = []
            for group in _grouped(level):
                fresh += 1
                for part, pin, position in group:
                    parts[part].pins[pin][position] = fresh
                parts.append(Instance(f"fan{fresh}", buffer.name, {pin_in: [net], pin_out: [fresh]}))
                following.append(((len(parts) - 1, pin_in, 0), 1))
            level, total = following, len(following)
            limit = 1 if net in entering else LIMIT
        sinks[net] = level
    for port, (way, bits) in module.ports.items():
        if way == "input":
            for position, bit in enumerate(bits):
                presented[module.name, port, position] = sum(weight for _, weight in sinks.get(bit, []))
                if bit in clock_nets:
                    clocks.add((module.name, port, position))
    return replace(module, parts=parts)


def _sinks(
    module: Module,
    library: CellLibrary,
    presented: dict[tuple[str, str, int], int],
    clocks: set[tuple[str, str, int]],
) -> tuple[dict[int | str, list[tuple[Sink, int]]], set[int | str]]:
    """Sinks of every net with their weights, and the nets that are clocks."""
    sinks: dict[int | str, list[tuple[Sink, int]]] = defaultdict(list)
    clock_nets: set[int | str] = set()
    for index, part in enumerate(module.parts):
        cell = library.cell(part.kind) if part.kind in library.names else None
        for pin, bits in part.pins.items():
            if cell and pin not in cell.inputs:
                continue
            for position, bit in enumerate(bits):
                weight = 1 if cell else presented.get((part.kind, pin, position), 0)
                if weight:
                    sinks[bit].append(((index, pin, position), weight))
                if (cell and pin == cell.clock) or (part.kind, pin, position) in clocks:
                    clock_nets.add(bit)
    return sinks, clock_nets


def _grouped(level: list[tuple[Sink, int]]) -> list[list[Sink]]:
    """Neighbours in groups of at most `LIMIT` sinks, of about the same weight each."""
    total = sum(weight for _, weight in level)
    target = total / -(-total // LIMIT)
    groups: list[list[Sink]] = []
    filled = 0.0
    for sink, weight in level:
        if not groups or filled + weight > max(target, weight):
            groups.append([])
            filled = 0.0
        groups[-1].append(sink)
        filled += weight
    return groups
