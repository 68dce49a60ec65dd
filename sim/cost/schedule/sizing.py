# SPDX-License-Identifier: Apache-2.0
"""How large the memories should be: energy over register file and buffer, throughput kept (Yang et al., section 6).

The array and with it the throughput stay; every access costs what a memory of that size does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sysmt.base.errors import ConfigError
from sysmt.sim.nn.layer import Layer

from .layers import DEFAULT_UNROLL
from .machine import Level, Machine
from .network import schedule_network
from .prices import register_file, sram

REGISTERS = (8, 16, 32, 64, 128, 256, 512)
"""Bytes of the register file of a processing element."""
BUFFERS = tuple(kib << 10 for kib in (32, 64, 128, 256, 512))
"""Bytes of the buffer."""


@dataclass(frozen=True)
class Sizing:
    """Energy of a network by the sizes of its memories.

    Members
    -------
    machine : Machine
        The machine as it is.
    energy : dict of (int, int) to float or None
        By bytes of register file and buffer; None where some layer does not fit.
    levels : dict of (int, int) to dict of str to float
        The same by level.
    baseline : float
        Energy of the machine as it is.
    """

    machine: Machine
    energy: dict[tuple[int, int], float | None]
    levels: dict[tuple[int, int], dict[str, float]]
    baseline: float

    @property
    def best(self) -> tuple[int, int]:
        """The sizes with the least energy."""
        fitting = {sizes: energy for sizes, energy in self.energy.items() if energy is not None}
        return min(fitting, key=lambda sizes: fitting[sizes])

    @property
    def gain(self) -> float:
        """Times that the best sizes take less energy than the machine as it is."""
        least = self.energy[self.best]
        assert least is not None
        return self.baseline / least

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        registers, buffer = self.best
        return {
            "machine": self.machine.as_dict(),
            "baseline": self.baseline,
            "best": {"registers_bytes": registers, "buffer_bytes": buffer, "energy": self.energy[self.best]},
            "gain": self.gain,
            "points": [
                {"registers_bytes": a, "buffer_bytes": b, "energy": energy, "levels": self.levels.get((a, b))}
                for (a, b), energy in self.energy.items()
            ],
        }


def size_memories(
    layers: Iterable[Layer],
    machine: Machine,
    unroll: str = DEFAULT_UNROLL,
    registers: tuple[int, ...] = REGISTERS,
    buffers: tuple[int, ...] = BUFFERS,
) -> Sizing:
    """Energy of a network on a machine with other sizes of its two inner memories, each blocking the best one.

    Parameters
    ----------
    layers, unroll
        As for `schedule_network`.
    machine : Machine
        Of three levels, with one capacity and one energy each: the baseline, and what stays (array, DRAM, hops).
    registers, buffers : ints
        Sizes in bytes.

    Raises
    ------
    ConfigError
        The machine has not three levels; a layer does not fit any of the sizes.
    """
    layers = tuple(layers)
    if len(machine.levels) != 3 or machine.array_level != 0 or not isinstance(machine.word_bytes, int):
        raise ConfigError(
            f"machine {machine.name} must have registers, a buffer and an outermost level of one size of word, "
            "for sizes of the first two: take eyeriss, or give a file"
        )
    baseline = schedule_network(layers, machine, unroll=unroll).energy
    energy: dict[tuple[int, int], float | None] = {}
    levels: dict[tuple[int, int], dict[str, float]] = {}
    refused: ConfigError | None = None
    for first in registers:
        for second in buffers:
            inner, outer = (
                Level(name=level.name, words=size // machine.word_bytes, energy=price(size), bandwidth=level.bandwidth)
                for level, size, price in zip(machine.levels, (first, second), (register_file, sram), strict=False)
            )
            sized = replace(machine, levels=(inner, outer, machine.levels[2]))
            try:
                found = schedule_network(layers, sized, unroll=unroll)
            except ConfigError as error:
                refused, energy[first, second] = error, None
            else:
                energy[first, second], levels[first, second] = found.energy, found.levels
    if all(value is None for value in energy.values()):
        assert refused is not None
        raise refused
    return Sizing(machine, energy, levels, baseline)
