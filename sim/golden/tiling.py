# SPDX-License-Identifier: Apache-2.0
"""How a matrix product of any size becomes tiles and steps of an output-stationary array."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig

from .kind import golden_of
from .zero_point import distances


@dataclass(frozen=True)
class Tile:
    """One tile: the real outputs `rows` x `cols` at (`m`, `n`) of the product."""

    m: int
    n: int
    rows: int
    cols: int


def tiles(m: int, n: int, config: ArrayConfig) -> list[Tile]:
    """The tiles of an M x N output in the order they run: along a row of tiles first."""
    return [
        Tile(i, j, min(config.rows, m - i), min(config.cols, n - j))
        for i in range(0, m, config.rows)
        for j in range(0, n, config.cols)
    ]


def x_steps(x: np.ndarray, tile: Tile, config: ArrayConfig, threads: int, zero: int = 0) -> np.ndarray:
    """The activations of every step of `tile`.

    Parameters
    ----------
    x : uint8 [M, K]
    threads : int
        Threads the tile runs on; which part of K each takes is `GoldenKind.k_order`.
    zero : int
        The tile's zero point, of PEs that take it off.

    Returns
    -------
    uint8 [steps, rows of the array, operand pairs of a PE], zero (or `zero`) where there is no operand
    """
    own = x[tile.m : tile.m + tile.rows]
    if not config.pe.zero_width:
        return _steps(golden_of(config.pe).x_fed(own, config.pe, threads), config.rows, config.pe, threads)
    fed = golden_of(config.pe).x_fed(distances(own, zero), config.pe, threads)
    return (_steps(fed, config.rows, config.pe, threads) + zero).astype(np.uint8)


def w_steps(w: np.ndarray, tile: Tile, config: ArrayConfig, threads: int) -> np.ndarray:
    """The weights of every step of `tile`: int8 [K, N] to int8 [steps, w_lanes, operand pairs of a PE]."""
    fed = golden_of(config.pe).w_fed(w[:, tile.n : tile.n + tile.cols].T, config.pe, threads)
    return _steps(fed, config.w_lanes, config.pe, threads)


def w_words(w: np.ndarray, tile: Tile, config: ArrayConfig, threads: int) -> np.ndarray:
    """The weights of every step of `tile` as memories hold them: int8 [K, N] to uint8 [steps, bytes]."""
    return golden_of(config.pe).w_stored(w_steps(w, tile, config, threads), config.pe, threads)


def _steps(operands: np.ndarray, lanes: int, pe: PEConfig, threads: int) -> np.ndarray:
    real, k = operands.shape
    order = golden_of(pe).k_order(k, pe, threads)
    padded = np.zeros((real, max(k, int(order.max()) + 1)), operands.dtype)
    padded[:, :k] = operands
    out = np.zeros((order.shape[1], lanes, pe.products), operands.dtype)
    out[:, :real, : len(order)] = padded[:, order].transpose(2, 0, 1)
    return out
