# SPDX-License-Identifier: Apache-2.0
"""How a matrix product of any size becomes runs of a board: blocks of tiles that fit in one half of its memories."""

from functools import lru_cache

import numpy as np

from sysmt.hdl.params.accel import AccelConfig
from sysmt.sim.cost.runs.order import chosen_runs
from sysmt.sim.cost.runs.product import AccelProduct, PlannedRun
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.tiling import Tile, w_words, x_steps
from sysmt.sim.golden.zero_point import check_zero, column_share


class Plan:
    """A product X [M, K] x W [K, N] on a board, as runs.

    Long reductions are cut into runs over parts of the steps, whose sums the host adds: the threads keep the parts of K
    that they have in an uncut product, so NB-SMT does the same to every operand.

    Parameters
    ----------
    x, w : uint8 [M, K], int8 [K, N]
    config : AccelConfig
    threads : int
    requantized : bool
        The board requantises where it can: when no sum has to be cut into parts.
    zero : int
        Zero point of the activations, of PEs that take it off: the sums of the board are those of distances from it.

    Raises
    ------
    UserError
        Of `check_zero` and `GoldenKind.check_weights`.

    Members
    -------
    product : AccelProduct
    runs : list of PlannedRun
        In an order that sends few operands twice (`sysmt.sim.cost.runs.order`).
    """

    def __init__(
        self,
        x: np.ndarray,
        w: np.ndarray,
        config: AccelConfig,
        threads: int,
        requantized: bool = False,
        zero: int = 0,
    ):
        check_zero(zero, config.array.pe)
        golden_of(config.array.pe).check_weights(w, config.array.pe, threads)
        self.x, self.w, self.config, self.threads, self.zero = x, w, config, threads, zero
        whole = config.array.pe.steps(x.shape[1], threads) <= config.depth
        on_board = requantized and config.requantize and whole
        self.product = AccelProduct(x.shape[0], x.shape[1], w.shape[1], config, threads, on_board)
        self._x_tiles = lru_cache(maxsize=None)(self._make_x)
        self._w_tiles = lru_cache(maxsize=None)(self._make_w)
        self.runs = chosen_runs(self.product)

    @property
    def on_board(self) -> bool:
        """The board requantises."""
        return self.product.requantized

    def x_words(self, run: PlannedRun) -> np.ndarray:
        """The steps of activations of a run, tile after tile: uint8 [words, bytes]."""
        parts = [self._x_tiles(t)[run.first : run.first + run.steps] for t in _tiles(run.m_tile, run.m_tiles)]
        return np.concatenate(parts).reshape(run.m_tiles * run.steps, -1)

    def w_words(self, run: PlannedRun) -> np.ndarray:
        """The steps of weights of a run: uint8 [words, bytes]."""
        parts = [self._w_tiles(t)[run.first : run.first + run.steps] for t in _tiles(run.n_tile, run.n_tiles)]
        return np.concatenate(parts).reshape(run.n_tiles * run.steps, -1)

    def _make_x(self, tile: int) -> np.ndarray:
        array = self.config.array
        extent = Tile(tile * array.rows, 0, min(array.rows, self.x.shape[0] - tile * array.rows), 1)
        return x_steps(self.x, extent, array, self.threads, self.zero)

    def _make_w(self, tile: int) -> np.ndarray:
        array = self.config.array
        extent = Tile(0, tile * array.cols, 1, min(array.cols, self.w.shape[1] - tile * array.cols))
        return w_words(self.w, extent, array, self.threads)

    def completed(self, out: np.ndarray) -> np.ndarray:
        """Accumulated sums [M, N] as those of the product: int64."""
        return out + column_share(self.w, self.zero)

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
