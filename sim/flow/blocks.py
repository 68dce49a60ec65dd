# SPDX-License-Identifier: Apache-2.0
"""What the area of a design is spent on: every cell belongs to one block.

The manifest of an emitted design says the block of its modules, and of registers that belong to another one than their
module (`sysmt.hdl.params.blocks`). A module that says nothing belongs to what it is used in; Verilog without a manifest
is all `other`. Gates have the block of the register that they feed, else that of the module.

In a module that holds an accumulator beside other registers, a PE, gates are told apart by structure: a gate belongs
to `multiplier` when what it computes depends on operands (in its own registers or, in a cluster of PEs or with queues
inside, at ports as wide as they are) and not on the sum, to `accumulator` when it depends on the sum and feeds it, to
`drain` or `registers` when it feeds nothing but those, and to `control` otherwise. Shared logic has no better owner
than the structure shows: where a multiplier and the adder of the sum are merged, all that hangs on the old sum counts
as accumulator.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sysmt.hdl.params.blocks import BLOCKS as DESCRIPTIONS
from sysmt.hdl.params.pe import X_WIDTH

from .netlist import Instance, Module, Netlist

BLOCKS = tuple(DESCRIPTIONS)
OTHER = "other"

Outputs = Callable[[str], Iterable[str]]
"""Names of the output pins of a kind of cell."""


def cell_blocks(netlist: Netlist, is_register: Callable[[str], bool], outputs: Outputs) -> dict[tuple[str, str], str]:
    """The block of every cell.

    Parameters
    ----------
    netlist : Netlist
    is_register, outputs : callable
        Of a kind of cell: whether it is a flip-flop, and the names of its output pins.

    Returns
    -------
    dict of (module, cell) to block
    """
    owners: dict[str, str] = {}
    blocks: dict[tuple[str, str], str] = {}
    for name in netlist.copies:
        module, declared = netlist.modules[name], netlist.declared.get(name, {})
        block = declared.get("block", owners.get(name, OTHER))
        for part in module.parts:
            if part.kind in netlist.modules:
                owners.setdefault(part.kind, block)
        inner = [part for part in module.parts if part.kind in netlist.modules]
        cells = [part for part in module.parts if part.kind not in netlist.modules]
        registers = _registers(module, cells, declared, is_register, outputs)
        if "accumulator" in registers.values():
            of_cells = _by_structure(module, inner, cells, registers, block, is_register, outputs)
        else:
            of_cells = _by_what_they_feed(cells, registers, block, outputs)
        blocks |= {(name, cell): owner for cell, owner in of_cells.items()}
    return blocks


def _registers(
    module: Module,
    cells: list[Instance],
    declared: Mapping[str, Any],
    is_register: Callable[[str], bool],
    outputs: Outputs,
) -> dict[str, str | None]:
    """Every register cell, with the block that its signal says, None where it says none."""
    owned = declared.get("registers", {})
    registers = {}
    for part in cells:
        if is_register(part.kind):
            nets = [bit for pin in outputs(part.kind) for bit in part.pins.get(pin, []) if bit in module.names]
            registers[part.name] = owned.get(module.names[nets[0]][0]) if nets else None
    return registers


def _by_what_they_feed(
    cells: list[Instance], registers: Mapping[str, str | None], block: str, outputs: Outputs
) -> dict[str, str]:
    """Gates have the block of the register that they feed."""
    blocks = {name: owner or block for name, owner in registers.items()}
    fed = {bit: blocks[p.name] for p in cells if p.name in blocks for bits in p.pins.values() for bit in bits}
    for part in cells:
        if part.name not in blocks:
            nets = [bit for pin in outputs(part.kind) for bit in part.pins.get(pin, [])]
            blocks[part.name] = next((fed[bit] for bit in nets if bit in fed), block)
    return blocks


def _by_structure(
    module: Module,
    inner: list[Instance],
    cells: list[Instance],
    registers: Mapping[str, str | None],
    block: str,
    is_register: Callable[[str], bool],
    outputs: Outputs,
) -> dict[str, str]:
    """The blocks of a PE."""
    blocks = {name: owner or block for name, owner in registers.items()}
    gates = [part for part in cells if part.name not in registers]
    driver, readers = {}, defaultdict(list)
    for part in cells:
        outs = set(outputs(part.kind))
        for pin, bits in part.pins.items():
            for bit in bits:
                if pin in outs:
                    driver[bit] = part
                else:
                    readers[bit].append(part)

    def spread(start: Iterable[Instance], forward: bool) -> set[str]:
        """Gates that the given parts lead to, or that lead to them."""
        seen, waiting = set(), list(start)
        while waiting:
            part = waiting.pop()
            outs = set(outputs(part.kind))
            for pin, bits in part.pins.items():
                if (pin in outs) == forward:
                    for bit in bits:
                        for other in readers[bit] if forward else [driver[bit]] if bit in driver else []:
                            if other.name not in seen and not is_register(other.kind):
                                seen.add(other.name)
                                waiting.append(other)
        return seen

    def holding(owner: str) -> list[Instance]:
        return [part for part in cells if part.name in registers and blocks[part.name] == owner]

    operands = [part for part in cells if registers.get(part.name) == "registers"]
    at_ports = [bit for way, bits in module.ports.values() if way == "input" and len(bits) >= X_WIDTH for bit in bits]
    at_ports += [bit for part in inner for bits in part.pins.values() if len(bits) >= X_WIDTH for bit in bits]
    operands += [part for bit in at_ports for part in readers[bit] if part.name not in registers]
    after_operands = spread(operands, True) | {part.name for part in operands}
    after_sum = spread(holding("accumulator"), True)
    before_sum, before_drain = spread(holding("accumulator"), False), spread(holding("drain"), False)
    before_others = spread(holding("registers"), False)
    for gate in gates:
        name = gate.name
        if name in before_sum and name in after_sum:
            blocks[name] = "accumulator"
        elif name in after_operands and name in before_sum:
            blocks[name] = "multiplier"
        elif name in before_drain and name not in before_sum | before_others:
            blocks[name] = "drain"
        elif name in before_others and name not in before_sum | before_drain:
            blocks[name] = "registers"
        else:
            blocks[name] = "control"
    return blocks
