# SPDX-License-Identifier: Apache-2.0
"""Accesses and energy of one blocking, counted loop by loop (Yang et al., ASPLOS 2020, section 4 and their scripts)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysmt.base.errors import UserError

from .machine import Machine
from .nest import IRRELEVANT, LOOPS, TENSORS, Nest, Unrolling

STAYS: dict[str, tuple[str, ...]] = {
    "input": ("FX", "FY", "OC"),
    "output": ("FX", "FY", "IC"),
    "weights": ("OX", "OY", "ON"),
}
"""Which loops turn innermost at a level, by the tensor that stays there. Only what stays innermost matters, so these
three stand for all orders of a level: with `input` the output also stays over FX and FY, with `output` the input."""


@dataclass(frozen=True)
class Schedule:
    """A blocking of a layer, with its order and unrolling, and what it costs.

    Members
    -------
    nest : Nest
    machine : Machine
    unrolling : Unrolling
    blocking : dict of str to tuple of int
        Iterations of every loop at every level, innermost first. With the factor of the unrolling their product is at
        least the size of the loop.
    stays : tuple of str
        Tensor whose loops turn innermost at every level from level 1 on (`STAYS`).
    accesses : tuple of dict of str to float
        Word accesses per level and tensor; of level 0 those of the arithmetic.
    moves : dict of str to float
        Steps of words between processing elements, per tensor.
    """

    nest: Nest
    machine: Machine
    unrolling: Unrolling
    blocking: dict[str, tuple[int, ...]]
    stays: tuple[str, ...]
    accesses: tuple[dict[str, float], ...]
    moves: dict[str, float]

    @property
    def hops(self) -> float:
        """Energy of the steps between processing elements."""
        return sum(self.moves.values()) * self.machine.hop

    @property
    def level_energies(self) -> tuple[float, ...]:
        """Energy per level, without the hops."""
        return tuple(
            sum(words[tensor] * level.access(tensor) for tensor in TENSORS)
            for level, words in zip(self.machine.levels, self.accesses, strict=True)
        )

    @property
    def levels(self) -> tuple[float, ...]:
        """Energy as the authors list it: per level, with that of the hops behind the level of the array."""
        at, own = self.machine.array_level + 1, self.level_energies
        return (*own[:at], self.hops, *own[at:])

    @property
    def energy(self) -> float:
        """Energy of the whole layer, in the unit of the machine's energies."""
        return math.fsum(self.levels)

    @property
    def traffic(self) -> float:
        """Bytes that pass the outermost level."""
        return _bytes(self.accesses[-1], self.machine)

    @property
    def compute_cycles(self) -> int:
        """Cycles of the arithmetic: iterations of every element, padded ones included."""
        return math.prod(math.prod(factors) for factors in self.blocking.values())

    @property
    def level_cycles(self) -> tuple[float, ...]:
        """Cycles that the bandwidth of every level demands from level 1 on; 0 without a limit."""
        return tuple(
            _bytes(words, self.machine) / level.bandwidth if level.bandwidth else 0.0
            for level, words in zip(self.machine.levels[1:], self.accesses[1:], strict=True)
        )

    @property
    def cycles(self) -> float:
        """Cycles of the layer when every level works at the same time: those of the slowest."""
        return max(float(self.compute_cycles), *self.level_cycles)

    @property
    def bound(self) -> str:
        """What the cycles come from: "compute", or the name of a level."""
        if self.cycles <= self.compute_cycles:
            return "compute"
        return self.machine.levels[1 + self.level_cycles.index(max(self.level_cycles))].name

    @property
    def utilisation(self) -> float:
        """Share of the array's multiply-accumulate slots that do work of the layer, 0 to 1."""
        return self.nest.macs / (self.cycles * self.machine.macs_per_cycle)

    def tile(self, level: int) -> dict[str, int]:
        """Words of every tensor that the memory of a level holds: of one element's up to the level of the array."""
        return self.nest.tile(_size(self.nest, self.blocking, self.machine, level))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as reports print them."""
        return {
            "energy": self.energy,
            "levels": list(self.levels),
            "blocking": {loop: list(factors) for loop, factors in self.blocking.items()},
            "stays": list(self.stays),
            "unroll": self.unrolling.as_dict(),
            "accesses": [dict(words) for words in self.accesses],
            "hops": self.hops,
            "traffic": self.traffic,
            "cycles": self.cycles,
            "compute_cycles": self.compute_cycles,
            "bound": self.bound,
        }


def counted(
    nest: Nest,
    machine: Machine,
    unrolling: Unrolling,
    blocking: Mapping[str, Sequence[int]],
    stays: Sequence[str],
) -> Schedule:
    """The schedule of a given blocking and order, with its accesses; it is not asked whether it fits (`overfull`).

    Parameters
    ----------
    nest, machine, unrolling
    blocking : mapping of str to sequence of int
        A factor per level for every loop.
    stays : sequence of str
        What stays innermost, a name of `STAYS` per level from level 1 on.

    Raises
    ------
    UserError
        The blocking does not cover a loop, or lacks a level.
    """
    depth = len(machine.levels)
    for loop in LOOPS:
        covered = math.prod(blocking[loop]) * unrolling.factor[loop]
        if len(blocking[loop]) != depth or covered < nest.size[loop]:
            raise UserError(
                f"blocking of {loop} must have {depth} factors that cover {nest.size[loop]}, "
                f"not {tuple(blocking[loop])} with {unrolling.factor[loop]} unrolled"
            )
    whole, size, strides = nest.words, nest.size, nest.strides
    accesses: list[dict[str, float]] = [
        {
            "input": whole["input"] * size["FX"] * size["FY"] * size["OC"] / strides,
            "output": whole["output"] * (2 * size["FX"] * size["FY"] * size["IC"] - 1),
            "weights": whole["weights"] * size["OX"] * size["OY"] * size["ON"],
        }
    ]
    moves: dict[str, float] = {}
    for level in range(1, depth):
        passes = {tensor: _passes(tensor, level, blocking, stays[level - 1]) for tensor in TENSORS}
        if level <= machine.array_level:
            for tensor in TENSORS:
                passes[tensor] *= math.prod(unrolling.factor[loop] for loop in IRRELEVANT[tensor])
        share = {"input": strides, "output": 1, "weights": 1}
        words = {tensor: whole[tensor] * passes[tensor] / share[tensor] for tensor in TENSORS}
        held = machine.levels[level].tensors
        found = words | {"output": whole["output"] * (2 * passes["output"] - 1)}
        accesses.append({tensor: number if tensor in held else 0 for tensor, number in found.items()})
        if level == machine.array_level + 1:
            moves = {tensor: words[tensor] * unrolling.hops(tensor) for tensor in TENSORS}
    own = {loop: tuple(map(int, blocking[loop])) for loop in LOOPS}
    return Schedule(nest, machine, unrolling, own, tuple(stays), tuple(accesses), moves)


def overfull(schedule: Schedule) -> list[str]:
    """Names of the levels that are too small for their tiles, or less than half full where the machine forbids it."""
    return [
        level.name
        for at, level in enumerate(schedule.machine.levels[:-1])
        if not _fits(schedule.tile(at), schedule.machine, at)
    ]


def _fits(tile: Mapping[str, int], machine: Machine, at: int) -> bool:
    level = machine.levels[at]
    tile = {tensor: words if tensor in level.tensors else 0 for tensor, words in tile.items()}
    total = sum(tile.values())
    if isinstance(level.words, tuple):
        full = all(words <= room for words, room in zip((tile[t] for t in TENSORS), level.words, strict=True))
        return full and (not machine.half_full or 2 * total >= sum(level.words))
    assert level.words is not None
    return total <= level.words and (not machine.half_full or 2 * total >= level.words)


def _size(nest: Nest, blocking: Mapping[str, Sequence[int]], machine: Machine, level: int) -> dict[str, int]:
    """Iterations per loop of the tile of a level: of one element's, or of what the iterations outside leave."""
    if level <= machine.array_level:
        return {loop: math.prod(blocking[loop][: level + 1]) for loop in LOOPS}
    return {loop: -(-nest.size[loop] // math.prod(blocking[loop][level + 1 :])) for loop in LOOPS}


def _bytes(words: Mapping[str, float], machine: Machine) -> float:
    return sum(number * machine.bytes_of(tensor) for tensor, number in words.items())


def _passes(tensor: str, level: int, blocking: Mapping[str, Sequence[int]], stays: str) -> int:
    """How often the words of a tensor pass a level: iterations of its irrelevant loops from this level on, without
    those that turn innermost here."""
    still = set(STAYS[stays]) & set(IRRELEVANT[tensor])
    return math.prod(math.prod(blocking[loop][level + (loop in still) :]) for loop in IRRELEVANT[tensor])
