# SPDX-License-Identifier: Apache-2.0
"""The best blocking of a layer, exactly: dynamic programming over the levels on the grid of all tiles.

The cost of level l depends on the tile T(l) that its memory holds and the tile T(l-1) of the level within. For each of
the three orders that matter (`STAYS`) the passes over every tensor depend, loop by loop, on T(l) for the loops that
stay innermost and on T(l-1) for the others: on one tile U that lies between the two. So with V(l, T) the least cost of
all levels up to l with tile T at level l,

    V(l, T(l)) = least over orders of least over U | T(l), equal in the loops that stay, of
                 cost(l, U) + least over T(l-1) | U, equal in the other loops, of V(l-1, T(l-1))

and both minima are taken for all tiles at once (`Grid.least`). Nothing is sampled or dropped.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sysmt.base.choice import choose
from sysmt.base.errors import ConfigError

from .count import STAYS, Schedule, counted
from .lattice import MOST_TILES, Grid
from .machine import Machine
from .nest import IRRELEVANT, LOOPS, TENSORS, Nest, Unrolling

OBJECTIVES = ("energy", "cycles", "traffic")

Combine = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Problem:
    """A layer on a machine: the grid of its tiles, which of them fit, and the passes over every tensor."""

    nest: Nest
    machine: Machine
    unrolling: Unrolling

    @property
    def grid(self) -> Grid:
        """All tiles, with the elements of the array that share in them."""
        return Grid(tuple(self.nest.sizes))

    def fits(self, at: int) -> np.ndarray:
        """Which tiles a level can hold: of the level of the array and below it, one element's share of them."""
        grid, level, machine = self.grid, self.machine.levels[at], self.machine
        inside = at <= machine.array_level
        factor = self.unrolling.factor
        good = np.ones(grid.shape, bool)
        size = []
        for i, loop in enumerate(LOOPS):
            tiles = np.array(grid.factors[i])
            if inside:
                # Every element has a part of the tile, as long as the loop is long enough for all of them.
                enough = tiles >= min(factor[loop], self.nest.sizes[i])
                if machine.shares_evenly:
                    enough &= tiles % factor[loop] == 0
                good &= grid.along(i, enough).astype(bool)
                tiles = -(-tiles // factor[loop])
            size.append(grid.along(i, tiles))
        tile = self.nest.tile(dict(zip(LOOPS, size, strict=True)))
        tile = {tensor: words if tensor in level.tensors else 0 * words for tensor, words in tile.items()}
        total = (tile["input"] + tile["output"]) + tile["weights"]
        if isinstance(level.words, tuple):
            for tensor, room in zip(TENSORS, level.words, strict=True):
                good &= tile[tensor] <= room
            bound = sum(level.words)
        else:
            assert level.words is not None
            bound, good = level.words, good & (total <= level.words)
        return good & (2 * total >= bound) if machine.half_full else good

    def words(self, at: int) -> dict[str, np.ndarray]:
        """Word accesses of a level per tensor, for every tile U."""
        grid, out = self.grid, {}
        for tensor, whole in self.nest.words.items():
            passes = grid.passes([LOOPS.index(loop) for loop in IRRELEVANT[tensor]])
            if at <= self.machine.array_level:
                passes = passes * math.prod(self.unrolling.factor[loop] for loop in IRRELEVANT[tensor])
            out[tensor] = whole * (passes / self.nest.strides if tensor == "input" else passes)
        return out

    def energy(self, at: int) -> np.ndarray:
        """Energy of a level and, above the array, of the hops, for every tile U."""
        level, words = self.machine.levels[at], self.words(at)
        hop = self.machine.hop if at == self.machine.array_level + 1 else 0.0
        twice = {"input": 1, "output": 2, "weights": 1}
        each = (words[t] * (twice[t] * level.access(t) + hop * self.unrolling.hops(t)) for t in TENSORS)
        inputs, outputs, weights = each
        total: np.ndarray = (inputs + outputs - self.nest.words["output"] * level.access("output")) + weights
        return total

    def orders(self, at: int) -> tuple[str, ...]:
        """What may stay while the loops of a level turn innermost: what the level within holds."""
        return tuple(name for name in STAYS if name in self.machine.levels[at - 1].tensors)

    def traffic(self, at: int) -> np.ndarray:
        """Bytes that pass a level, for every tile U."""
        words, size = self.words(at), self.machine.bytes_of
        each = {tensor: words[tensor] * size(tensor) for tensor in ("input", "weights")}
        each["output"] = (2 * words["output"] - self.nest.words["output"]) * size("output")
        held = {
            tensor: part if tensor in self.machine.levels[at].tensors else 0 * part for tensor, part in each.items()
        }
        total: np.ndarray = (held["input"] + held["output"]) + held["weights"]
        return total

    def cycles(self, at: int) -> np.ndarray:
        """Cycles that the bandwidth of a level demands, for every tile U."""
        bandwidth = self.machine.levels[at].bandwidth
        return self.traffic(at) / bandwidth if bandwidth else np.zeros([1] * len(LOOPS))

    def blocking(self, tiles: list[tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """Factors of every loop per level, from the tiles of the levels as indices into the grid."""
        found = {}
        for i, loop in enumerate(LOOPS):
            chain = [self.grid.factors[i][tile[i]] for tile in tiles]
            shares = [-(-size // self.unrolling.factor[loop]) for size in chain[: self.machine.array_level + 1]]
            inner = [shares[0], *(b // a for a, b in zip(shares, shares[1:], strict=False))]
            outer = [b // a for a, b in zip(chain, chain[1:], strict=False)][self.machine.array_level :]
            factors = [*inner, *outer]
            found[loop] = tuple(factors)
        return found


def search(nest: Nest, machine: Machine, unrolling: Unrolling, objective: str = "energy") -> Schedule:
    """The best blocking and order of a layer, with a given unrolling.

    Parameters
    ----------
    nest, machine, unrolling
    objective : "energy", "cycles" or "traffic"
        What is least: energy; cycles of the slowest of arithmetic and levels, then energy; bytes that pass the
        outermost level, then energy.

    Raises
    ------
    ConfigError
        No blocking fits; what the machine or the unrolling would have to be. A layer with too many tiles.
    UserError
        Unknown objective.
    """
    choose("objective", objective, dict.fromkeys(OBJECTIVES))
    for loop, factor in unrolling.factor.items():
        if machine.shares_evenly and nest.size[loop] % factor:
            why = f"array_level = {machine.array_level} is above 0" if machine.array_level else "even = True"
            raise ConfigError(f"unroll of {loop} must divide its size {nest.size[loop]} where {why}, not be {factor}")
    problem = _Problem(nest, machine, unrolling)
    tiles_of_all = math.prod(problem.grid.shape)
    if tiles_of_all > MOST_TILES:
        raise ConfigError(
            f"loops {nest.sizes} must have at most {MOST_TILES} tiles of divisors, not {tiles_of_all}: "
            "split the layer, or take sizes of fewer divisors"
        )
    depth = len(machine.levels)
    costs = [problem.energy(at) for at in range(1, depth)]
    fits = [problem.fits(at) for at in range(depth - 1)]
    if objective == "cycles":
        own = [problem.cycles(at) for at in range(1, depth)]
        limit = max(_solve(problem, own, fits, np.maximum)[0], math.prod(problem.grid.sizes)) * (1 + 1e-12)
        costs = [np.where(o <= limit, cost, np.inf) for o, cost in zip(own, costs, strict=True)]
    elif objective == "traffic":
        passing = problem.traffic(depth - 1)
        nothing = np.zeros([1] * len(LOOPS))
        limit = _solve(problem, [nothing] * (depth - 2) + [passing], fits, np.add)[0] * (1 + 1e-12)
        costs[-1] = np.where(passing <= limit, costs[-1], np.inf)
    least, tiles, stays = _solve(problem, costs, fits, np.add)
    blocking = problem.blocking(tiles)
    found = counted(nest, machine, unrolling, blocking, stays)
    if objective == "energy":
        total = least + found.level_energies[0]
        assert math.isclose(found.energy, total, rel_tol=1e-9), "the search and the count must agree"
    return found


def _solve(
    problem: _Problem, costs: list[np.ndarray], fits: list[np.ndarray], combine: Combine
) -> tuple[float, list[tuple[int, ...]], list[str]]:
    """The least combined cost of the levels from 1 on, the tile of every level (indices into the grid), and what stays
    innermost from level 1 on."""
    grid = problem.grid
    loops = {name: [LOOPS.index(loop) for loop in inner] for name, inner in STAYS.items()}
    others = {name: [i for i in range(len(LOOPS)) if i not in inner] for name, inner in loops.items()}
    best = [np.where(fits[0], 0.0, np.inf)]
    between: list[dict[str, np.ndarray]] = []
    for at, cost in enumerate(costs[:-1], 1):
        between.append({n: combine(grid.least(best[-1], loops[n]), cost) for n in problem.orders(at)})
        value = np.minimum.reduce([grid.least(u, others[name]) for name, u in between[-1].items()])
        best.append(np.where(fits[at], value, np.inf))
    # The outermost level holds the whole layer: all that lies below it is a plain minimum.
    whole = tuple(size - 1 for size in grid.shape)
    ends: list[tuple[float, str, tuple[int, ...]]] = []
    for name in problem.orders(len(costs)):
        inner = loops[name]
        end = combine(best[-1].min(axis=tuple(inner), keepdims=True), _last(costs[-1], inner))
        place = np.unravel_index(int(np.argmin(end)), end.shape)
        ends.append((float(end[place]), name, tuple(whole[i] if i in inner else int(k) for i, k in enumerate(place))))
    least, name, middle = min(ends, key=lambda end: end[0])
    if not math.isfinite(least):
        raise _nothing_fits(problem, fits)
    tiles, stays = [grid.best_below(best[-1], middle, loops[name]), whole], [name]
    for level in range(len(costs) - 2, -1, -1):
        below = {n: grid.best_below(u, tiles[0], others[n]) for n, u in between[level].items()}
        name = min(below, key=lambda n: float(between[level][n][below[n]]))
        tiles.insert(0, grid.best_below(best[level], below[name], loops[name]))
        stays.insert(0, name)
    return least, tiles, stays


def _last(values: np.ndarray, loops: Sequence[int]) -> np.ndarray:
    """`values` where the factors of `loops` are the whole loops."""
    return values[tuple(slice(-1, None) if i in loops else slice(None) for i in range(values.ndim))]


def _nothing_fits(problem: _Problem, fits: list[np.ndarray]) -> ConfigError:
    """Why no blocking fits."""
    for level, good in zip(problem.machine.levels, fits, strict=False):
        if not good.any():
            why, way = "is too small for any tile", "enlarge it, unroll less, or give loops more divisors"
            if problem.machine.half_full:
                why, way = "fits no tile at least half full", "set half_full to False"
            return ConfigError(f"words of {level.name} = {level.words} {why} of loops {problem.nest.sizes}: {way}")
    way = "set half_full to False or enlarge a level" if problem.machine.half_full else "enlarge one or unroll less"
    return ConfigError(f"levels fit no blocking of loops {problem.nest.sizes} together: {way}")
