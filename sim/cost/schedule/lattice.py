# SPDX-License-Identifier: Apache-2.0
"""Minima over the divisors of blocking factors, on the grid of all tiles of a layer.

A tile has a factor per loop, a divisor of the loop's iterations. All tiles form a grid with an axis per loop. "The best
inner tile of an outer one" is a minimum over all factors that divide the outer ones; it is taken loop by loop and, for
one loop, prime by prime, in one pass each, so that no pair of tiles is ever looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

MOST_TILES = 1 << 24
"""Tiles that a grid may have: every array over them takes eight times as many bytes."""


@lru_cache(maxsize=4096)
def divisors(n: int) -> tuple[int, ...]:
    """All divisors of n, ascending."""
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return tuple(small + [n // d for d in reversed(small) if d * d != n])


@lru_cache(maxsize=4096)
def steps(n: int) -> tuple[tuple[int, int], ...]:
    """Pairs (i, j) of indices into `divisors(n)` with divisor i = prime x divisor j, in the order to take minima."""
    found = divisors(n)
    index = {d: i for i, d in enumerate(found)}
    primes = [p for p in found[1:] if all(p % q for q in found[1:] if q < p)]
    return tuple((index[d], index[d // p]) for p in primes for d in found if d % p == 0)


@dataclass(frozen=True)
class Grid:
    """All tiles of loops of `sizes` iterations: the axis of loop i has the divisors of `sizes[i]`, ascending."""

    sizes: tuple[int, ...]

    @cached_property
    def factors(self) -> tuple[tuple[int, ...], ...]:
        """Divisors per loop."""
        return tuple(divisors(n) for n in self.sizes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Divisors of every loop."""
        return tuple(map(len, self.factors))

    def along(self, loop: int, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """`values`, one per divisor of the loop, shaped to be broadcast over the grid."""
        shape = [1] * len(self.sizes)
        shape[loop] = -1
        return np.asarray(values, np.float64).reshape(shape)

    def passes(self, loops: Sequence[int]) -> np.ndarray:
        """Iterations of `loops` that are left outside every tile."""
        product = np.ones([1] * len(self.sizes))
        for loop in loops:
            product = product * self.along(loop, [self.sizes[loop] // d for d in self.factors[loop]])
        return product

    def least(self, values: np.ndarray, loops: Sequence[int]) -> np.ndarray:
        """For every tile the least of `values` over all tiles whose factors of `loops` divide its own."""
        out = np.array(values, copy=True)
        for loop in loops:
            view = np.moveaxis(out, loop, 0)
            for i, j in steps(self.sizes[loop]):
                np.minimum(view[i], view[j], out=view[i])
        return out

    def best_below(self, values: np.ndarray, tile: Sequence[int], loops: Sequence[int]) -> tuple[int, ...]:
        """The tile (indices) with the least of `values` among those that `tile` has in common with all other loops,
        and whose factors of `loops` divide those of `tile`; the first one of equals."""
        choices = [
            [k for k, d in enumerate(self.factors[i]) if self.factors[i][at] % d == 0] if i in loops else [at]
            for i, at in enumerate(tile)
        ]
        part = values[np.ix_(*choices)]
        place = np.unravel_index(int(np.argmin(part)), part.shape)
        return tuple(choice[int(k)] for choice, k in zip(choices, place, strict=True))
