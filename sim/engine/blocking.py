# SPDX-License-Identifier: Apache-2.0
"""How the compiler blocks every layer for the memories of an engine, beside the best blocking that they allow."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from sysmt.base.errors import UserError
from sysmt.hdl.params.program import Operation
from sysmt.sim.cost.schedule.count import Schedule, counted
from sysmt.sim.cost.schedule.machine import Machine
from sysmt.sim.cost.schedule.machines import machine_of_engine
from sysmt.sim.cost.schedule.nest import Nest, Unrolling
from sysmt.sim.cost.schedule.network import VALUE, LayerSchedule, NetworkSchedule
from sysmt.sim.cost.schedule.search import search

from .legal import patch_size
from .program import Program, ProgramLayer


@dataclass(frozen=True)
class CompiledLayer:
    """What is scheduled: a layer of the network, whose weights may be read in several parts."""

    name: str
    kind: str
    macs: int


OBJECTIVES = ("energy", "traffic")
PART = r" \(\d+/\d+\)$"
"""How the name of a part of the output channels ends."""


def schedule_on_engine(program: Program, objective: str = "energy") -> NetworkSchedule:
    """The best schedule of every matrix product of a program, beside the compiler's.

    Parameters
    ----------
    program : Program
        With its weights on chip, or in chunks from an SDRAM.
    objective : "energy" or "traffic"
        Cycles are those of `program_cycles`, whatever the blocking: the array never waits for memories on chip.

    Returns
    -------
    NetworkSchedule
        `driver` of a layer is the compiler's blocking; a smaller last part counts as one of the others.
        A depthwise layer whose last group has fewer tiles is two rows.

    Raises
    ------
    UserError
        No layer is a matrix product; another objective.
    ConfigError
        The energy of the PEs is not known.
    """
    if objective not in OBJECTIVES:
        raise UserError(
            f"objective must be {' or '.join(OBJECTIVES)} on an engine, not {objective!r}; sysmt compile counts cycles"
        )
    machine = machine_of_engine(program.config)
    rows = []
    for layer, parts in _layers(program):
        for count, of_group, tiles in _nests(parts):
            nest, threads = _nest(parts[0], tiles, program)
            own = _own(nest, machine, threads, of_group, parts[0])
            best = min(search(nest, machine, own.unrolling, objective), own, key=VALUE[objective])
            rows.append(LayerSchedule(layer, count, best, own))
    if not rows:
        raise UserError("program must have a layer that is a matrix product, not none")
    return NetworkSchedule(machine, objective, tuple(rows))


def _layers(program: Program) -> Iterator[tuple[CompiledLayer, list[dict[str, int]]]]:
    """Layers that multiply, with the descriptors of their parts."""
    pairs = zip(program.layers, program.descriptors, strict=True)
    multiplied = [(layer, fields) for layer, fields in pairs if fields["operation"] == Operation.MATMUL]
    for (name, _, _), group in groupby(
        multiplied, key=lambda pair: (_whole(pair[0]), pair[0].tensor, pair[1]["m_tiles"])
    ):
        layers, parts = zip(*group, strict=True)
        yield CompiledLayer(name, layers[0].kind, sum(layer.macs for layer in layers)), list(parts)


def _whole(layer: ProgramLayer) -> str:
    """The name of a layer, or of a band of its rows, without the number of its part."""
    return re.sub(PART, "", layer.name)


def _nests(parts: list[dict[str, int]]) -> Iterator[tuple[int, list[int], int]]:
    """Equal nests that a layer is: how many, tiles of output channels of every part of one, and their sum."""
    each = patch_size(parts[0])
    if not parts[0]["grouped"]:
        # Without weights of their own groups are more of the reduction.
        tiles = [part["last_n_tiles"] * each for part in parts]
        yield 1, tiles, sum(tiles)
        return
    groups = [part["n_tiles"] * each for part in parts for _ in range(part["groups"] - 1)]
    groups += [part["last_n_tiles"] * each for part in parts]
    for tiles_of_group in sorted(set(groups), reverse=True):
        yield groups.count(tiles_of_group), [tiles_of_group], tiles_of_group


def _nest(fields: dict[str, int], tiles: int, program: Program) -> tuple[Nest, int]:
    """The product in whole tiles, and the threads that it runs on."""
    array = program.config.array
    threads = array.pe.pairs_per_thread << fields["threads"]
    return Nest((1, 1, fields["m_tiles"] * array.rows, 1, tiles * array.cols, fields["steps"] * threads, 1)), threads


def _own(nest: Nest, machine: Machine, threads: int, tiles: list[int], fields: dict[str, int]) -> Schedule:
    """The compiler's blocking: the operands of a row of tiles stay while all output channels of a part pass."""
    axes = (("OX", machine.rows), ("OC", machine.cols), ("IC", threads))
    unrolling = Unrolling(tuple(((loop, factor),) for loop, factor in axes if factor > 1))
    more = len(machine.levels) - 3
    ones = dict.fromkeys(nest.size, (1,) * len(machine.levels))
    blocking = ones | {
        "OX": (1, 1, fields["m_tiles"], *(1,) * more),
        "IC": (1, fields["steps"], 1, *(1,) * more),
        "OC": (1, 1, max(tiles), *(len(tiles),) * more),
    }
    return counted(nest, machine, unrolling, blocking, ("output", "input", *("input",) * more))
