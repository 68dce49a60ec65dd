# SPDX-License-Identifier: Apache-2.0
"""A mapped netlist without hierarchy, as arrays: one number per net, one row per cell."""

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sysmt.base.errors import UserError

from .blocks import BLOCKS, cell_blocks
from .cells import Cell
from .liberty import CellLibrary
from .memories import Sram
from .netlist import Instance, Module, Netlist

NONE = -1
"""In place of a net: the pin is not connected."""


@dataclass(frozen=True, eq=False)
class Memory:
    """A memory of a design: its hierarchical name, what it is, and the nets of its pins."""

    name: str
    sram: Sram
    pins: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Flat:
    """The cells of a design.

    Members
    -------
    library : CellLibrary
    nets : int
        Nets are 0 to nets - 1; 0 and 1 are the constants.
    kinds : list of Cell
    kind : int [cells]
        The kind of every cell.
    pins : int [cells, most pins]
        The net of every pin: inputs, then outputs, in the order of the `Cell`; NONE beyond them.
    block : int [cells]
        Place in `sysmt.sim.flow.blocks.BLOCKS` of the block that the cell belongs to.
    ports : dict of name to (direction, nets)
    places : list of (first cell, module, hierarchical name)
        The copies of modules that have cells, in the order of their cells.
    names : dict of module to the names of its cells
    memories : list of Memory
        The memories that stayed memories.
    """

    library: CellLibrary
    nets: int
    kinds: list[Cell]
    kind: np.ndarray
    pins: np.ndarray
    block: np.ndarray
    ports: dict[str, tuple[str, np.ndarray]]
    places: list[tuple[int, str, str]]
    names: dict[str, list[str]]
    memories: list[Memory] = field(default_factory=list)

    def module(self, cell: int) -> str:
        """The module of a cell."""
        return self._place(cell)[1]

    def name(self, cell: int) -> str:
        """The hierarchical name of a cell."""
        first, module, path = self._place(cell)
        return f"{path}{self.names[module][cell - first]}"

    def _place(self, cell: int) -> tuple[int, str, str]:
        return self.places[bisect_right(self._firsts, cell) - 1]

    @cached_property
    def _firsts(self) -> list[int]:
        return [first for first, _, _ in self.places]

    def of(self, kind: int) -> np.ndarray:
        """The cells of one kind."""
        return np.flatnonzero(self.kind == kind)

    @cached_property
    def clock(self) -> int:
        """The net of the clock."""
        return int(self.ports["clk"][1][0])


def flatten(netlist: Netlist, library: CellLibrary) -> Flat:
    """Expand all modules; a cell that cannot be simulated is refused."""
    kinds = [library.cell(name) for name in sorted(netlist.cells)]
    for cell in kinds:
        if cell.unusual:
            raise UserError(f"cell {cell.name} cannot be simulated: it is {cell.unusual}")
    owner = cell_blocks(netlist, lambda kind: library.cell(kind).is_register, lambda kind: library.cell(kind).outputs)
    width = max((len(cell.inputs) + len(cell.outputs) for cell in kinds), default=1)
    templates = {name: _template(netlist.modules[name], kinds, width, owner) for name in netlist.copies}
    kind, pins, block, joined, places = [], [], [], [], []
    memories: list[Memory] = []
    count, cells = 2, 0

    def expand(name: str, path: str) -> tuple[_Template, int]:
        """Place one copy of a module; returns it with the number of its first net."""
        nonlocal count, cells
        template, start = templates[name], count
        if len(template.kind):
            places.append((cells, name, path))
        cells += len(template.kind)
        count += len(template.numbers)
        kind.append(template.kind)
        block.append(template.block)
        pins.append(np.where(template.pins > 1, template.pins + (start - 2), template.pins))
        for memory in template.memories:
            wires = {pin: np.array([template.net(b, start) for b in bits]) for pin, bits in memory.pins.items()}
            memories.append(Memory(f"{path}{memory.name}", memory, wires))
        for part in template.children:
            child, child_start = expand(part.kind, f"{path}{part.name}/")
            for port, bits in part.pins.items():
                for inner, outer in zip(netlist.modules[part.kind].ports[port][1], bits, strict=True):
                    joined.append((child.net(inner, child_start), template.net(outer, start)))
        return template, start

    top, start = expand(netlist.top, "")
    roots = _join(count, joined)
    ports = {
        name: (way, roots[[top.net(bit, start) for bit in bits]])
        for name, (way, bits) in netlist.modules[netlist.top].ports.items()
    }
    nets = np.concatenate(pins)
    return Flat(
        library=library,
        nets=count,
        kinds=kinds,
        kind=np.concatenate(kind),
        pins=np.where(nets == NONE, NONE, roots[nets]),
        block=np.concatenate(block),
        ports=ports,
        places=places,
        names={name: template.names for name, template in templates.items()},
        memories=[replace(m, pins={pin: roots[wires] for pin, wires in m.pins.items()}) for m in memories],
    )


@dataclass(frozen=True, eq=False)
class _Template:
    """One module as arrays over its own nets, whose numbers begin at 2."""

    numbers: dict[int, int]
    kind: np.ndarray
    pins: np.ndarray
    block: np.ndarray
    names: list[str]
    children: list[Instance]
    memories: list[Sram]

    def net(self, bit: int | str, start: int) -> int:
        """The net of a bit in the copy whose first net is `start`."""
        return start + self.numbers[bit] - 2 if isinstance(bit, int) else int(bit == "1")


def _template(module: Module, kinds: list[Cell], width: int, owner: dict[tuple[str, str], str]) -> _Template:
    bits = {b for p in module.parts for wires in p.pins.values() for b in wires}
    bits |= {b for _, wires in module.ports.values() for b in wires}
    bits |= {b for memory in module.memories for wires in memory.pins.values() for b in wires}
    numbers = {bit: i + 2 for i, bit in enumerate(sorted(bit for bit in bits if isinstance(bit, int)))}
    index = {cell.name: i for i, cell in enumerate(kinds)}
    cells = [part for part in module.parts if part.kind in index]
    pins = np.full((len(cells), width), NONE, np.int64)
    for row, part in zip(pins, cells, strict=True):
        cell = kinds[index[part.kind]]
        for i, pin in enumerate((*cell.inputs, *cell.outputs)):
            if part.pins.get(pin):
                bit = part.pins[pin][0]
                row[i] = numbers[bit] if isinstance(bit, int) else int(bit == "1")
    return _Template(
        numbers=numbers,
        kind=np.array([index[part.kind] for part in cells], np.int64),
        pins=pins,
        block=np.array([BLOCKS.index(owner[module.name, part.name]) for part in cells], np.int64),
        names=[part.name for part in cells],
        children=[part for part in module.parts if part.kind not in index],
        memories=module.memories,
    )


def _join(count: int, pairs: list[tuple[int, int]]) -> np.ndarray:
    """The lowest net that each net is connected to: constants first."""
    parent = list(range(count))

    def root(net: int) -> int:
        while parent[net] != net:
            parent[net] = parent[parent[net]]
            net = parent[net]
        return net

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(net) for net in range(count)])
