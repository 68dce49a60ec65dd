# SPDX-License-Identifier: Apache-2.0
"""Energy of an access by the size of the memory: Yang et al.'s prices, or a table of the user's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sysmt.base.errors import ConfigError

DRAM = 200.0
"""Of 16 bits from DRAM, as all prices here, in the unit of the authors, about a picojoule."""


def register_file(size: float) -> float:
    """Of a register file of `size` bytes, the authors' proportion."""
    return 0.03 * size / 16


def sram(size: float) -> float:
    """Of a memory of `size` bytes as the authors have it: 9 at 32 KB, half as much again per doubling."""
    return float(9 * 1.5 ** math.log2(size / 32768))


@dataclass(frozen=True)
class PriceTable:
    """Energy per access against size, from pairs, along straight lines on logarithmic scales.

    Parameters
    ----------
    points : sequence of (float, float)
        Bytes of a memory and energy of an access to a word, ascending; outside of them the end lines go on.

    Raises
    ------
    ConfigError
        Fewer than two points, sizes that do not ascend, an energy that is not above 0.
    """

    points: Sequence[tuple[float, float]]

    def __post_init__(self) -> None:
        sizes = [size for size, _ in self.points]
        if len(sizes) < 2 or sizes != sorted(set(sizes)) or sizes[0] <= 0:
            raise ConfigError(f"prices must be two or more sizes, ascending from above 0, not {list(self.points)!r}")
        if any(energy <= 0 for _, energy in self.points):
            raise ConfigError(f"prices must have energies above 0, not {list(self.points)!r}")

    def __call__(self, size: float) -> float:
        """Energy of an access to a memory of `size` bytes."""
        at = max(1, min(len(self.points) - 1, sum(known < size for known, _ in self.points)))
        (low, first), (high, second) = self.points[at - 1], self.points[at]
        share = math.log(size / low) / math.log(high / low)
        return float(first * (second / first) ** share)
