# SPDX-License-Identifier: Apache-2.0
"""What the area of an array is spent on: every cell belongs to one block.

Registers belong to a block by the name of what they hold, in the PE and around it. A gate of the PE belongs to
`multiplier` when what it computes depends on operands and not on the sum, to `accumulator` when it depends on the sum
and feeds it, to `drain` or `registers` when it feeds nothing but those, and to `control` otherwise. Shared logic has no
better owner than the structure shows: where a multiplier and the adder of the sum are merged, all that hangs on the
old sum counts as accumulator.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

from .netlist import Instance, Module, Netlist

BLOCKS = ("multiplier", "accumulator", "registers", "drain", "control", "skew", "buffers", "counters", "other")

_NAMED = (
    ("skew_first", "control"),
    ("skew_mode", "control"),
    ("skew", "skew"),
    ("align", "drain"),
    ("drain", "drain"),
    ("o_sum", "drain"),
    ("o__payload", "drain"),
    ("total", "accumulator"),
    ("carry", "accumulator"),
)
"""Beginnings of register names, and the block they belong to."""

_MODULES = (
    ("_counters", "counters"),
    ("_population", "counters"),
    ("_sequencer", "control"),
    ("_skew_", "skew"),
    ("_align_", "drain"),
    ("_buffer", "buffers"),
    ("_memory", "buffers"),
)
"""Parts of module names, and the block that all of the module belongs to."""


def shares(
    netlist: Netlist, is_register: Callable[[str], bool], outputs: Callable[[str], Iterable[str]]
) -> dict[tuple[str, str], str]:
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
    found = {}
    for name in netlist.copies:
        module = netlist.modules[name]
        whole = next((block for part, block in _MODULES if part in name.removeprefix(netlist.top)), None)
        parts = [part for part in module.parts if part.kind not in netlist.modules]
        if whole is not None:
            blocks = dict.fromkeys((part.name for part in parts), whole)
        elif name == f"{netlist.top}_pe":
            blocks = _element(module, parts, is_register, outputs)
        else:
            blocks = _outside(module, parts, is_register, outputs)
        found |= {(name, cell): block for cell, block in blocks.items()}
    return found


def _named(module: Module, part: Instance, outputs: Callable[[str], Iterable[str]], default: str) -> str:
    """The block of a register."""
    nets = [bit for pin in outputs(part.kind) for bit in part.pins.get(pin, []) if bit in module.names]
    name = module.names[nets[0]][0] if nets else ""
    return next((block for start, block in _NAMED if name.startswith(start)), default)


def _outside(
    module: Module,
    parts: list[Instance],
    is_register: Callable[[str], bool],
    outputs: Callable[[str], Iterable[str]],
) -> dict[str, str]:
    """Around the PEs, gates of delay lines have the block of what they write; the rest controls the array."""
    found = {part.name: _named(module, part, outputs, "control") for part in parts if is_register(part.kind)}
    written = {bit: found[p.name] for p in parts if p.name in found for bits in p.pins.values() for bit in bits}
    for part in parts:
        if part.name not in found:
            nets = [bit for pin in outputs(part.kind) for bit in part.pins.get(pin, [])]
            found[part.name] = next((written[bit] for bit in nets if bit in written), "control")
    return found


def _element(
    module: Module,
    parts: list[Instance],
    is_register: Callable[[str], bool],
    outputs: Callable[[str], Iterable[str]],
) -> dict[str, str]:
    """The blocks of a PE."""
    found = {part.name: _named(module, part, outputs, "registers") for part in parts if is_register(part.kind)}
    gates = [part for part in parts if not is_register(part.kind)]
    driver, readers = {}, defaultdict(list)
    for part in parts:
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

    def registers(*blocks: str) -> list[Instance]:
        return [part for part in parts if found.get(part.name) in blocks and is_register(part.kind)]

    operands = [p for p in registers("registers") if not _carries_control(module, p, outputs)]
    after_operands, after_sum = spread(operands, True), spread(registers("accumulator"), True)
    before_sum, before_drain = spread(registers("accumulator"), False), spread(registers("drain"), False)
    before_others = spread(registers("registers"), False)
    for gate in gates:
        name = gate.name
        if name in before_sum and name in after_sum:
            found[name] = "accumulator"
        elif name in after_operands and name in before_sum:
            found[name] = "multiplier"
        elif name in before_drain and name not in before_sum | before_others:
            found[name] = "drain"
        elif name in before_others and name not in before_sum | before_drain:
            found[name] = "registers"
        else:
            found[name] = "control"
    return found


def _carries_control(module: Module, part: Instance, outputs: Callable[[str], Iterable[str]]) -> bool:
    nets = [bit for pin in outputs(part.kind) for bit in part.pins.get(pin, []) if bit in module.names]
    return bool(nets) and module.names[nets[0]][0] in ("control", "o_control", "first", "shift")
