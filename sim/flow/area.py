# SPDX-License-Identifier: Apache-2.0
"""Area of a mapped design: in all, by block, and by module."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from .blocks import BLOCKS, cell_blocks
from .mapping import Mapped

TRANSISTORS = {
    "$_NOT_": 2,
    "$_BUF_": 4,
    "$_NAND_": 4,
    "$_NOR_": 4,
    "$_AND_": 6,
    "$_OR_": 6,
    "$_ANDNOT_": 6,
    "$_ORNOT_": 6,
    "$_XOR_": 12,
    "$_XNOR_": 12,
    "$_AOI3_": 6,
    "$_OAI3_": 6,
    "$_AOI4_": 8,
    "$_OAI4_": 8,
    "$_MUX_": 12,
    "$_NMUX_": 10,
    "$_DFF_P_": 16,
}
"""Transistors of generic gates, as Yosys' `stat -tech cmos` counts them; $_NAND_ is the unit."""

_GATE_OUTPUTS = {"$_DFF_P_": ("Q",)}


@dataclass(frozen=True)
class Area:
    """What a design takes.

    Members
    -------
    total : float
        In the unit of the library (um2), or NAND2 equivalents without one.
    cells, ffs : int
    blocks : dict of block to area
    modules : list of dict
        Per module: `module`, `copies`, `cells`, `ffs` and `area` of one copy without the modules in it.
    """

    total: float
    cells: int
    ffs: int
    blocks: dict[str, float]
    modules: list[dict[str, Any]]


def measure(mapped: Mapped) -> Area:
    """Sum the cells of a mapped design."""
    library, netlist = mapped.library, mapped.netlist

    def size(kind: str) -> float:
        return library.cell(kind).area if library else TRANSISTORS[kind] / TRANSISTORS["$_NAND_"]

    def is_register(kind: str) -> bool:
        return library.cell(kind).is_register if library else kind == "$_DFF_P_"

    def outputs(kind: str) -> tuple[str, ...]:
        return tuple(library.cell(kind).outputs) if library else _GATE_OUTPUTS.get(kind, ("Y",))

    owner = cell_blocks(netlist, is_register, outputs)
    blocks: dict[str, float] = defaultdict(float)
    modules: list[dict[str, Any]] = []
    for name, copies in netlist.copies.items():
        parts = [part for part in netlist.modules[name].parts if part.kind not in netlist.modules]
        for part in parts:
            blocks[owner[name, part.name]] += copies * size(part.kind)
        modules.append(
            {
                "module": name,
                "copies": copies,
                "cells": len(parts),
                "ffs": sum(is_register(part.kind) for part in parts),
                "area": sum(size(part.kind) for part in parts),
            }
        )
    return Area(
        total=sum(blocks.values()),
        cells=sum(row["copies"] * row["cells"] for row in modules),
        ffs=sum(row["copies"] * row["ffs"] for row in modules),
        blocks={block: blocks[block] for block in BLOCKS if block in blocks},
        modules=modules,
    )
