# SPDX-License-Identifier: Apache-2.0
"""Cycles of a network on many arrays at once: the numbers of `RtlCycles`, some hundred times as fast.

What arrays share is computed once: a layer that occurs twice, PEs that take the same steps, arrays that differ in their
latency only. The rest is arithmetic on whole vectors of arrays; a depthwise layer's lowerings are enumerated as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import THREADS, PEConfig
from sysmt.sim.nn.depthwise_patches import DepthwiseLowering
from sysmt.sim.nn.layer import Layer

from .rtl import most_threads

UNABLE = 0
"""Stands for the cycles of a layer that an array cannot run: K could overflow its accumulator."""


@dataclass(frozen=True)
class Planned:
    """How a layer runs, where it does not run on all threads: operands of its reduction, padding slots included, and
    threads."""

    slots: int
    threads: int


def batch_cycles(
    layers: Sequence[Layer], configs: Sequence[ArrayConfig], plan: Sequence[Planned | None] | None = None
) -> np.ndarray:
    """Cycles of every layer on every array.

    Parameters
    ----------
    layers : sequence of Layer
        What `evaluate` refuses by its sparsity is counted as dense here.
    configs : sequence of ArrayConfig
    plan : sequence of Planned or None, optional
        Of every layer; all threads of the array where it is None. Without it, all layers so.

    Returns
    -------
    int64 [configs, layers]
        As `evaluate` counts with method `rtl`, or, for layers with a plan, as `RtlCycles.layer_cycles` does on
        its threads; `UNABLE` where these raise `ConfigError`.
    """
    batch = _Batch(configs)
    plans = [None] * len(layers) if plan is None else list(plan)
    found: dict[tuple[Layer, Planned | None], np.ndarray] = {}
    columns = []
    for layer, planned in zip(layers, plans, strict=True):
        key = replace(layer, name=""), planned
        if key not in found:
            found[key] = batch.layer(layer, planned)
        columns.append(found[key])
    return np.stack(columns, axis=1) if columns else np.zeros((len(configs), 0), np.int64)


class _Batch:
    """Arrays as vectors."""

    def __init__(self, configs: Sequence[ArrayConfig]) -> None:
        numbers = [(c.rows, c.cols, c.drain == "overlap", c.latency) for c in configs]
        self.rows, self.cols, self.overlap, self.latency = np.array(numbers, np.int64).reshape(-1, 4).T
        order: dict[PEConfig, int] = {}
        ranks = {pe: order.setdefault(_stepping(pe), len(order)) for pe in dict.fromkeys(c.pe for c in configs)}
        self.pe = np.array([ranks[c.pe] for c in configs], np.int64)
        self.pes = list(order)

    def layer(self, layer: Layer, planned: Planned | None) -> np.ndarray:
        """Cycles of one layer on every array."""
        if layer.kind in ("fuse_row", "fuse_col"):
            return self._fuse(layer)
        if layer.per_channel and planned is None:
            return self._depthwise(layer)
        p = layer.products
        tiles = p.count * _ceil(p.m, self.rows) * _ceil(p.n, self.cols)
        if planned is None:
            steps = self._steps(p.k, layer)
            found: np.ndarray = np.where(steps > 0, self._sequence(tiles, steps), UNABLE)
            return found
        total = np.zeros(len(self.rows), np.int64)
        for i, pe in enumerate(self.pes):
            # As `RtlCycles.layer_cycles`: what the accumulator has no room for is products one after the other.
            whole, rest = divmod(pe.steps(planned.slots, planned.threads), pe.steps(pe.k_part, planned.threads))
            longest = np.full(len(total), pe.steps(pe.k_part, planned.threads))
            cycles = whole * self._sequence(tiles, longest)
            if rest:
                cycles = cycles + self._sequence(tiles, np.full(len(total), rest))
            total = np.where(self.pe == i, cycles, total)
        return total

    def _steps(self, k: int, layer: Layer) -> np.ndarray:
        """Steps of a reduction of `k` on all threads that take a layer; 0 where it could overflow the accumulator."""
        return np.array([_steps(pe, k, most_threads(layer, pe)) for pe in self.pes], np.int64)[self.pe]

    def _tile(self, steps: np.ndarray) -> np.ndarray:
        """As `ArrayConfig.tile_cycles`."""
        cycles: np.ndarray = np.where(self.overlap, np.maximum(steps, self.rows), steps + self.rows)
        return cycles

    def _sequence(self, tiles: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """As `sequence_cycles` of equal tiles."""
        cycles: np.ndarray = (tiles - 1) * self._tile(steps) + steps + self.latency
        return cycles

    def _fuse(self, layer: Layer) -> np.ndarray:
        """As `fuse_cycles`."""
        along = layer.kind == "fuse_row"
        strips = _ceil(layer.batch * layer.outputs * layer.out_size[not along], self.rows)
        pixels, taps, stride = layer.out_size[along], layer.kernel[along], layer.stride[along]
        steps = self._steps(taps, layer)
        full, rest = np.divmod(pixels, self.cols)
        phases = np.minimum(stride, steps)
        wide = phases * (self.cols - 1) + steps
        narrow = np.where(rest > 0, phases * (rest - 1) + steps, 0)
        first = np.where(rest > 0, narrow, wide)
        tiles = full * self._tile(wide) + np.where(rest > 0, self._tile(narrow), 0)
        cycles: np.ndarray = strips * tiles - self._tile(first) + first + self.latency
        found: np.ndarray = np.where(steps > 0, cycles, UNABLE)
        return found

    def _depthwise(self, layer: Layer) -> np.ndarray:
        """As `depthwise_cycles` of `depthwise_lowering`: the least over all lowerings."""
        plain = DepthwiseLowering.of(replace(layer, name=""))
        total = np.zeros(len(self.rows), np.int64)
        keys = np.stack([self.cols, self.pe], axis=1)
        for cols, number in np.unique(keys, axis=0):
            here = np.flatnonzero((keys == (cols, number)).all(axis=1))
            pe = self.pes[number]
            if not _steps(pe, plain.blocks.taps, 1):
                total[here] = UNABLE
                continue
            sizes, place = np.unique(
                np.stack([self.rows[here], self.overlap[here]], axis=1), axis=0, return_inverse=True
            )
            least = _least(plain, layer.batch, int(cols), pe, tuple(map(tuple, sizes.tolist())))
            total[here] = least[place.reshape(-1)] + self.latency[here]
        return total


def _least(
    plain: DepthwiseLowering, batch: int, cols: int, pe: PEConfig, sizes: tuple[tuple[int, int], ...]
) -> np.ndarray:
    """Cycles, but for the latency, of the fastest lowering for every size: rows, and whether drains overlap."""
    most = pe.threads if pe.exact_alone else 1
    threads, m, taps, filters, group = _lowerings(plain, batch, cols, most)
    kept = np.maximum(group, threads) * taps <= pe.k_max
    kept[0] = True  # channel by channel, which the caller has checked
    threads, m, taps, filters, group = (each[kept] for each in (threads, m, taps, filters, group))
    whole, rest = np.divmod(plain.channels, group)
    first, last = (np.zeros(len(group), np.int64) for _ in range(2))
    for t in np.unique(threads):
        at = threads == t
        first[at] = pe.steps(np.maximum(group[at], t) * taps[at], int(t))
        last[at] = pe.steps(np.maximum(rest[at], t) * taps[at], int(t))
    rows, overlap = np.array(sizes, np.int64).T[:, :, None]
    down = _ceil(m, rows)

    def tile(steps: np.ndarray) -> np.ndarray:
        length: np.ndarray = np.where(overlap, np.maximum(steps, rows), steps + rows)
        return length

    cycles = (whole * down * _ceil(group * filters, cols) - 1) * tile(first) + first
    cycles = cycles + np.where(rest > 0, down * _ceil(rest * filters, cols) * tile(last), 0)
    least: np.ndarray = cycles.min(axis=1)
    return least


@lru_cache(maxsize=4096)
def _lowerings(plain: DepthwiseLowering, batch: int, cols: int, most: int) -> tuple[np.ndarray, ...]:
    """All lowerings that `depthwise_lowering` looks at, the one channel by channel first: vectors of threads, rows M,
    taps, filters of a channel, channels of a product."""
    blocks = plain.blocks
    rows = [(1, batch * plain.rows, blocks.taps, blocks.filters, 1)]
    room = cols // plain.filters
    for down in range(1, min(plain.out_size[0], room) + 1):
        for across in range(1, min(plain.out_size[1], room // down) + 1):
            wide = replace(plain, patch=(down, across))
            of_patch = wide.blocks
            for group in range(min(plain.channels, cols // of_patch.filters), 0, -1):
                rows.append((1, batch * wide.rows, of_patch.taps, of_patch.filters, group))
    one = np.array(rows, np.int64).T
    more = [one] + [np.concatenate([np.full((1, len(rows)), t), one[1:]]) for t in THREADS if 1 < t <= most]
    return tuple(np.concatenate(more, axis=1))


def _stepping(pe: PEConfig) -> PEConfig:
    """The PE without what changes its latency only: equal ones take equal steps."""
    return replace(pe, pipeline=0, target="asic", dsp=False, clock_gating=False)


def _steps(pe: PEConfig, k: int, threads: int | None = None) -> int:
    """Steps of a reduction; 0 where it could overflow the accumulator."""
    try:
        pe.check_k(k)
    except ConfigError:
        return 0
    return pe.steps(k, threads)


def _ceil(a: int | np.ndarray, b: int | np.ndarray) -> np.ndarray:
    """a / b, rounded up."""
    found: np.ndarray = -(-np.asarray(a) // b)
    return found
