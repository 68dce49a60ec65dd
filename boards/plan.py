# SPDX-License-Identifier: Apache-2.0
"""How a matrix product of any size becomes runs of a board: blocks of tiles that fit in one half of its memories."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sysmt.hdl.params.accel import AccelConfig
from sysmt.sim.golden.tiling import Tile, w_steps, x_steps


@dataclass(frozen=True)
class PlannedRun:
    """A run: tiles `m_tiles` x `n_tiles` from tile (`m_tile`, `n_tile`) on, over `steps` steps from `first` on.

    `rows` and `cols` are the real outputs of the last row and the last column of tiles.
    """

    m_tile: int
    n_tile: int
    m_tiles: int
    n_tiles: int
    first: int
    steps: int
    rows: int
    cols: int


class Plan:
    """A product X [M, K] x W [K, N] on a board, as runs.

    Long reductions are cut into runs over parts of the steps, whose sums the host adds: the threads keep the parts of K
    that they have in an uncut product, so NB-SMT does the same to every operand.

    Parameters
    ----------
    x, w : uint8 [M, K], int8 [K, N]
    config : AccelConfig
    threads : int

    Members
    -------
    runs : list of PlannedRun
        Such that successive ones share activations, which are then not sent again.
    """

    def __init__(self, x: np.ndarray, w: np.ndarray, config: AccelConfig, threads: int):
        self.x, self.w, self.config, self.threads = x, w, config, threads
        array = config.array
        self.steps = array.pe.steps(x.shape[1], threads)
        self._x_tiles = lru_cache(maxsize=None)(self._make_x)
        self._w_tiles = lru_cache(maxsize=None)(self._make_w)
        parts = -(-self.steps // config.depth)
        self.part = -(-self.steps // parts)
        m_tiles, n_tiles = -(-x.shape[0] // array.rows), -(-w.shape[1] // array.cols)
        m_block, n_block = _block(m_tiles, n_tiles, self.part, config)
        self.runs = list(self._cut(m_tiles, n_tiles, m_block, n_block))

    def _cut(self, m_tiles: int, n_tiles: int, m_block: int, n_block: int) -> Iterator[PlannedRun]:
        array = self.config.array
        for m in range(0, m_tiles, m_block):
            for first in range(0, self.steps, self.part):
                for n in range(0, n_tiles, n_block):
                    m_end, n_end = min(m + m_block, m_tiles), min(n + n_block, n_tiles)
                    rows = min(self.x.shape[0] - (m_end - 1) * array.rows, array.rows)
                    cols = min(self.w.shape[1] - (n_end - 1) * array.cols, array.cols)
                    steps = min(self.part, self.steps - first)
                    yield PlannedRun(m, n, m_end - m, n_end - n, first, steps, rows, cols)

    @property
    def whole(self) -> bool:
        """No sum is cut into parts."""
        return self.part == self.steps

    def x_words(self, run: PlannedRun) -> np.ndarray:
        """The steps of activations of a run, tile after tile: uint8 [words, bytes]."""
        parts = [self._x_tiles(t)[run.first : run.first + run.steps] for t in _tiles(run.m_tile, run.m_tiles)]
        return np.concatenate(parts).reshape(run.m_tiles * run.steps, -1)

    def w_words(self, run: PlannedRun) -> np.ndarray:
        """The steps of weights of a run: uint8 [words, bytes]."""
        parts = [self._w_tiles(t)[run.first : run.first + run.steps] for t in _tiles(run.n_tile, run.n_tiles)]
        return np.concatenate(parts).reshape(run.n_tiles * run.steps, -1).view(np.uint8)

    def _make_x(self, tile: int) -> np.ndarray:
        array = self.config.array
        extent = Tile(tile * array.rows, 0, min(array.rows, self.x.shape[0] - tile * array.rows), 1)
        return x_steps(self.x, extent, array, self.threads)

    def _make_w(self, tile: int) -> np.ndarray:
        array = self.config.array
        extent = Tile(0, tile * array.cols, 1, min(array.cols, self.w.shape[1] - tile * array.cols))
        return w_steps(self.w, extent, array, self.threads)

    def accumulate(self, run: PlannedRun, rows: np.ndarray, out: np.ndarray) -> None:
        """Add the rows of a run, [tiles * rows, cols], to the outputs they belong to."""
        array = self.config.array
        tiles = rows.reshape(run.m_tiles, run.n_tiles, array.rows, array.cols).transpose(0, 2, 1, 3)
        block = tiles.reshape(run.m_tiles * array.rows, run.n_tiles * array.cols)
        m, n = run.m_tile * array.rows, run.n_tile * array.cols
        target = out[m : m + len(block), n : n + block.shape[1]]
        target += block[: target.shape[0], : target.shape[1]]


def _tiles(first: int, count: int) -> range:
    return range(first, first + count)


def _block(m_tiles: int, n_tiles: int, steps: int, config: AccelConfig) -> tuple[int, int]:
    """The block of tiles with most outputs per byte of operands that fits in one half of every memory."""
    resident = max(config.depth // steps, 1)
    columns = min(n_tiles, resident)
    if config.requantize:
        columns = min(columns, config.channels // config.array.cols)
    best = (0.0, 1, 1)
    for n in range(1, columns + 1):
        m = min(m_tiles, resident, config.result_rows // config.array.rows // n)
        if m:
            traffic = m * config.x_bytes + n * config.w_bytes
            best = max(best, (m * n / traffic, m, n))
    return best[1:]
