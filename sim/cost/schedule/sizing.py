# SPDX-License-Identifier: Apache-2.0
"""How large the memories should be: energy over register file and buffer, throughput kept (Yang et al., section 6).

The array stays, and every blocking shares its tiles evenly among the elements, so that all sizes take the same cycles
of arithmetic. Every access costs what a memory of that size does. Elements have one register file, or a small one
before a larger one, which is what the authors found best.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sysmt.base.errors import ConfigError
from sysmt.sim.nn.layer import Layer

from .layers import DEFAULT_UNROLL
from .machine import Level, Machine
from .network import NetworkSchedule, schedule_network
from .prices import register_file, sram

Registers = tuple[int, ...]
"""Bytes of the register files of an element, inner one first: one or two."""

REGISTERS: tuple[Registers, ...] = (
    *((size,) for size in (8, 16, 32, 64, 128, 256, 512)),
    *((first, second) for first in (8, 16, 32) for second in (64, 128, 256)),
)
BUFFERS = tuple(kib << 10 for kib in (32, 64, 128, 256, 512))
"""Bytes of the buffer."""


@dataclass(frozen=True)
class Sizing:
    """Energy of a network by the sizes of its memories.

    Members
    -------
    machine : Machine
        The machine as it is.
    points : dict of (registers, buffer) to NetworkSchedule or None
        By bytes; None where some layer does not fit.
    baseline : NetworkSchedule
        On the machine as it is.
    """

    machine: Machine
    points: dict[tuple[Registers, int], NetworkSchedule | None]
    baseline: NetworkSchedule

    def least(self, files: int | None = None) -> tuple[Registers, int]:
        """The sizes with the least energy, of all or of those with so many register files."""
        fitting = {
            sizes: found.energy
            for sizes, found in self.points.items()
            if found is not None and files in (None, len(sizes[0]))
        }
        return min(fitting, key=lambda sizes: fitting[sizes])

    def gain(self, files: int | None = None) -> float:
        """Times that the best sizes take less energy than the machine as it is."""
        found = self.points[self.least(files)]
        assert found is not None
        return self.baseline.energy / found.energy

    def layer_gains(self) -> dict[str, float]:
        """By layer, times that the sizes best for it alone take less energy than the machine as it is."""
        found = [point for point in self.points.values() if point is not None]
        return {
            row.layer.name: row.energy / min(point.layers[at].energy for point in found)
            for at, row in enumerate(self.baseline.layers)
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        registers, buffer = self.least()
        return {
            "machine": self.machine.as_dict(),
            "baseline": self.baseline.energy,
            "best": {"registers_bytes": list(registers), "buffer_bytes": buffer},
            "gain": self.gain(),
            "gain_one_register_file": self.gain(1),
            "layer_gains": self.layer_gains(),
            "points": [
                {
                    "registers_bytes": list(files),
                    "buffer_bytes": size,
                    "energy": found and found.energy,
                    "levels": found and found.levels,
                    "cycles": found and found.cycles,
                }
                for (files, size), found in self.points.items()
            ],
        }


def size_memories(
    layers: Iterable[Layer],
    machine: Machine,
    unroll: str = DEFAULT_UNROLL,
    registers: tuple[Registers, ...] = REGISTERS,
    buffers: tuple[int, ...] = BUFFERS,
) -> Sizing:
    """Energy of a network on a machine with other sizes of its inner memories, each with the best blockings.

    Parameters
    ----------
    layers, unroll
        As for `schedule_network`.
    machine : Machine
        Of three levels, with one capacity and one energy each: the baseline, and what stays (array, DRAM, hops).
    registers : tuple of Registers
    buffers : ints
        Sizes in bytes.

    Raises
    ------
    ConfigError
        The machine has not three levels; some layer fits no machine with one register file.
    """
    layers = tuple(layers)
    if len(machine.levels) != 3 or machine.array_level != 0 or not isinstance(machine.word_bytes, int):
        raise ConfigError(
            f"machine {machine.name} must have registers, a buffer and an outermost level of one size of word, "
            "for sizes of the first two: take eyeriss, or give a file"
        )
    machine = replace(machine, even=True)
    baseline = schedule_network(layers, machine, unroll=unroll)
    points: dict[tuple[Registers, int], NetworkSchedule | None] = {}
    refused: ConfigError | None = None
    for files in registers:
        for buffer in buffers:
            try:
                points[files, buffer] = schedule_network(layers, _sized(machine, files, buffer), unroll=unroll)
            except ConfigError as error:
                refused, points[files, buffer] = error, None
    if all(found is None for (files, _), found in points.items() if len(files) == 1):
        assert refused is not None
        raise refused
    return Sizing(machine, points, baseline)


def _sized(machine: Machine, files: Registers, buffer: int) -> Machine:
    """The machine with other memories."""
    word = machine.word_bytes
    assert isinstance(word, int)
    first = machine.levels[0].name
    inner = tuple(
        Level(name=name, words=size // word, energy=register_file(size))
        for name, size in zip((first, f"second {first}"), files, strict=False)
    )
    middle = Level(
        name=machine.levels[1].name, words=buffer // word, energy=sram(buffer), bandwidth=machine.levels[1].bandwidth
    )
    return replace(machine, levels=(*inner, middle, machine.levels[2]), array_level=len(files) - 1)
