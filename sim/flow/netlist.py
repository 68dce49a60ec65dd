# SPDX-License-Identifier: Apache-2.0
"""Mapped netlists: modules of cells and of other modules, as Yosys writes them in JSON."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .memories import MEMORY, Sram, sram

Bits = list[int | str]
"""Bits of a port or pin: numbers of nets, or the constants "0", "1", "x"."""


@dataclass(frozen=True)
class Instance:
    """A cell or a module where it is used."""

    name: str
    kind: str
    pins: dict[str, Bits]


@dataclass(frozen=True)
class Module:
    """One module.

    Members
    -------
    ports : dict of name to (direction, bits)
    parts : list of Instance
    names : dict of net to the shortest of its names, with the index of the bit
    memories : list of Sram
        The memories that stayed memories; they are none of the parts.
    """

    name: str
    ports: dict[str, tuple[str, Bits]]
    parts: list[Instance]
    names: dict[int, tuple[str, int]]
    memories: list[Sram] = field(default_factory=list)

    @cached_property
    def by_name(self) -> dict[str, Instance]:
        """The parts by their names."""
        return {part.name: part for part in self.parts}

    @cached_property
    def kinds(self) -> Counter:
        """How often each kind of part is used."""
        return Counter(part.kind for part in self.parts)


@dataclass(frozen=True)
class Netlist:
    """A design of modules.

    Members
    -------
    top : str
        Name of the top module.
    modules : dict of name to Module
    declared : dict of name to dict
        What the manifest says of the modules (`modules`): blocks of them, and of registers in them.
    """

    top: str
    modules: dict[str, Module]
    declared: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def copies(self) -> dict[str, int]:
        """How often each module is there in the whole design, the top module first."""
        order, seen = [], set()

        def visit(name: str) -> None:
            if name not in seen:
                seen.add(name)
                for kind in self.modules[name].kinds:
                    if kind in self.modules:
                        visit(kind)
                order.append(name)

        visit(self.top)
        counts = Counter({self.top: 1})
        for name in reversed(order):
            for kind, times in self.modules[name].kinds.items():
                if kind in self.modules:
                    counts[kind] += counts[name] * times
        return {name: counts[name] for name in reversed(order)}

    @property
    def memory_bits(self) -> int:
        """Bits of the memories of the whole design."""
        return sum(times * sum(m.bits for m in self.modules[name].memories) for name, times in self.copies.items())

    @cached_property
    def cells(self) -> Counter:
        """How often each kind of cell is there in the whole design."""
        total: Counter = Counter()
        for name, times in self.copies.items():
            for kind, count in self.modules[name].kinds.items():
                if kind not in self.modules:
                    total[kind] += count * times
        return total


def load(path: Path, top: str, declared: Mapping[str, Any] | None = None) -> Netlist:
    """Read what Yosys' `write_json` wrote; `declared` as in `Netlist`."""
    modules = {}
    for name, module in json.loads(path.read_text())["modules"].items():
        if not _is_blackbox(module):
            modules[name] = _module(name, module)
    return Netlist(top, modules, declared or {})


def _is_blackbox(module: dict[str, Any]) -> bool:
    attributes = module.get("attributes", {})
    return any(set(str(attributes.get(key, "0"))) != {"0"} for key in ("blackbox", "whitebox"))


def _module(name: str, written: dict[str, Any]) -> Module:
    names: dict[int, tuple[str, int]] = {}
    ports = written["ports"]

    def rank(net: str) -> tuple[bool, bool, int, str]:
        """Names that say most to a reader come first: not made up by Yosys, what a module holds, short."""
        return "$" in net, net in ports, len(net), net

    for net, facts in written.get("netnames", {}).items():
        for place, bit in enumerate(facts["bits"]):
            if isinstance(bit, int) and (bit not in names or rank(net) < rank(names[bit][0])):
                names[bit] = (net, place)
    return Module(
        name=name,
        ports={port: (facts["direction"], facts["bits"]) for port, facts in written["ports"].items()},
        parts=[
            Instance(_plain(n, i), cell["type"], cell["connections"])
            for i, (n, cell) in enumerate(written["cells"].items())
            if cell["type"] != MEMORY
        ],
        names=names,
        memories=[sram(n, cell) for n, cell in written["cells"].items() if cell["type"] == MEMORY],
    )


def _plain(name: str, index: int) -> str:
    """A name that every tool takes as it is: a number for what Yosys named."""
    return f"g{index}" if name.startswith("$") else f"{re.sub(r'[^A-Za-z0-9_]', '_', name)}_{index}"
