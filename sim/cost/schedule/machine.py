# SPDX-License-Identifier: Apache-2.0
"""The memories and the array that a layer is scheduled on, innermost first, as Yang et al. (ASPLOS 2020) draw them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sysmt.base.errors import ConfigError, UserError

from .nest import TENSORS, plain

DEAREST = 1e100
"""Largest energy of an access or a hop: beyond it sums over a layer would overflow."""
HOPS = "hops"
"""What stands beside the levels where energies are listed by name."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of the hierarchy.

    Parameters
    ----------
    name : str
    words : int, (int, int, int) or None
        Capacity: for all tensors together, or of separate memories for input, output and weights. At the level of the
        array and below it that of one processing element. None: unbounded, as the outermost level must be.
    energy : float or (float, float, float)
        Energy of one access to one word: of every tensor, or of input, output and weights.
    bandwidth : float or None
        Bytes per cycle, of all tensors together; None: no limit.
    tensors : tuple of str
        Those that have a memory at this level; the others pass it by, cost nothing here, and cannot stay in it while
        loops of the next level turn.
    """

    name: str
    words: int | tuple[int, int, int] | None = None
    energy: float | tuple[float, float, float] = 0.0
    bandwidth: float | None = None
    tensors: tuple[str, ...] = TENSORS

    def __post_init__(self) -> None:
        if not self.tensors or self.tensors != tuple(tensor for tensor in TENSORS if tensor in self.tensors):
            raise ConfigError(f"tensors of {self.name} must be some of {', '.join(TENSORS)}, not {self.tensors!r}")
        sizes = self.words if isinstance(self.words, tuple) else (self.words,)
        if len(sizes) not in (1, 3) or not all(size is None or (type(size) is int and size >= 1) for size in sizes):
            raise ConfigError(f"words of {self.name} must be whole and at least 1, one or three, not {self.words!r}")
        energies = self.energy if isinstance(self.energy, tuple) else (self.energy,)
        if len(energies) not in (1, 3) or not all(_is_number(e) and e >= 0 for e in energies):
            raise ConfigError(f"energy of {self.name} must be at least 0, one number or three, not {self.energy!r}")
        if max(energies) > DEAREST:
            raise ConfigError(f"energy of {self.name} must be at most {DEAREST:g}, not {self.energy!r}")
        if self.bandwidth is not None and not (_is_number(self.bandwidth) and self.bandwidth > 0):
            raise ConfigError(f"bandwidth of {self.name} must be above 0, not {self.bandwidth!r}")

    def access(self, tensor: str) -> float:
        """Energy of one access to a word of the tensor."""
        if tensor not in self.tensors:
            return 0.0
        return self.energy[TENSORS.index(tensor)] if isinstance(self.energy, tuple) else self.energy


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Levels from the registers of a processing element to the outermost memory, and the array.

    Parameters
    ----------
    name : str
    levels : tuple of Level
        At least two, each of a name of its own; only the outermost may be, and must be, unbounded.
    hop : float
        Energy of moving a word to the next processing element.
    array_level : int
        The outermost level that every processing element has for itself.
    half_full : bool
        Drop blockings that fill less than half of a level (the authors' pruned search).
    even : bool
        Only tiles that the elements share evenly: factors of an unrolling divide their loops, no iteration is padded,
        and every blocking takes the same cycles of arithmetic.
    rows, cols : int
        Processing elements along the two axes of the array.
    threads : int
        Multiply-accumulates that an element does in a cycle, along IC.
    word_bytes : int or (int, int, int)
        Bytes of a word: of every tensor, or of input, output and weights.

    Raises
    ------
    ConfigError
        Too few levels, two of one name, one without a bound below the outermost, an array that has no level.
    """

    name: str = "machine"
    levels: tuple[Level, ...]
    hop: float = 0.035
    array_level: int = 0
    half_full: bool = False
    even: bool = False
    rows: int = 16
    cols: int = 16
    threads: int = 1
    word_bytes: int | tuple[int, int, int] = 2

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ConfigError(f"name must be a text, not {self.name!r}")
        if len(self.levels) < 2:
            raise ConfigError(f"levels must be at least 2, not {len(self.levels)}")
        names = [level.name for level in self.levels]
        for name in names:
            if name == HOPS or names.count(name) > 1:
                raise ConfigError(f"name of every level must be its own and not {HOPS!r}, not {', '.join(names)}")
        for level in self.levels[:-1]:
            if level.words is None:
                raise ConfigError(f"words of {level.name} must be given: only the outermost level is unbounded")
        if self.levels[-1].words is not None:
            raise ConfigError(
                f"words of {self.levels[-1].name} must be left out, not {self.levels[-1].words!r}: "
                "the outermost level holds the whole layer"
            )
        for name in ("half_full", "even"):
            if type(getattr(self, name)) is not bool:
                raise ConfigError(f"{name} must be True or False, not {getattr(self, name)!r}")
        if not (_is_number(self.hop) and self.hop >= 0):
            raise ConfigError(f"hop must be at least 0, not {self.hop!r}")
        if self.hop > DEAREST:
            raise ConfigError(f"hop must be at most {DEAREST:g}, not {self.hop!r}")
        if type(self.array_level) is not int or not 0 <= self.array_level < len(self.levels) - 1:
            raise ConfigError(
                f"array_level must be within 0..{len(self.levels) - 2}, below the outermost level, "
                f"not {self.array_level!r}"
            )
        for name in ("rows", "cols", "threads"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ConfigError(f"{name} must be a whole number of at least 1, not {getattr(self, name)!r}")
        sizes = self.word_bytes if isinstance(self.word_bytes, tuple) else (self.word_bytes,)
        if len(sizes) not in (1, 3) or not all(type(size) is int and size >= 1 for size in sizes):
            raise ConfigError(f"word_bytes must be whole and at least 1, one or three, not {self.word_bytes!r}")

    @property
    def shares_evenly(self) -> bool:
        """Whether tiles must be shared evenly: asked for, or because elements have two levels of their own."""
        return self.even or self.array_level > 0

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates of the whole array in one cycle."""
        return self.rows * self.cols * self.threads

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def bytes_of(self, tensor: str) -> int:
        """Bytes of a word of the tensor."""
        return self.word_bytes[TENSORS.index(tensor)] if isinstance(self.word_bytes, tuple) else self.word_bytes


def machine_of(
    capacities: Sequence[int], energies: Sequence[float], hop: float, half_full: bool, array_level: int = 0
) -> Machine:
    """The machine of bare numbers, as the authors' scripts have them: capacities of all levels but the outermost."""
    for name, values in (("capacities", capacities), ("energies", energies)):
        some = isinstance(values, Sequence) or isinstance(values, np.ndarray) and values.ndim == 1
        if not some or any(isinstance(plain(value), tuple) for value in values):
            raise UserError(f"{name} must be a list of numbers, one for each level, not {values!r}")
    if len(energies) != len(capacities) + 1:
        raise UserError(
            f"energies must be one more than capacities, which leave out the outermost level, "
            f"not {len(energies)} for {len(capacities)}"
        )
    if len(capacities) < 1:
        raise UserError("capacities must be at least one, not none")
    levels = zip((*map(plain, capacities), None), map(plain, energies), strict=True)
    named = tuple(Level(name=f"level {at}", words=words, energy=energy) for at, (words, energy) in enumerate(levels))
    return Machine(levels=named, hop=plain(hop), half_full=plain(half_full), array_level=plain(array_level))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
