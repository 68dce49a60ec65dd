# SPDX-License-Identifier: Apache-2.0
"""How a matrix product of any size becomes tiles and steps of an output-stationary array."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.array import ArrayConfig


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


def x_steps(x: np.ndarray, tile: Tile, config: ArrayConfig, threads: int) -> np.ndarray:
    """The activations of every step of `tile`.

    Parameters
    ----------
    x : uint8 [M, K]
    threads : int
        Threads the tile runs on; thread t takes the t-th contiguous part of ceil(K / threads) (MICRO 2020, section 3).

    Returns
    -------
    uint8 [steps, rows of the array, threads of the array], zero where there is no operand
    """
    return _steps(x[tile.m : tile.m + tile.rows], config.rows, config.pe.threads, threads)


def w_steps(w: np.ndarray, tile: Tile, config: ArrayConfig, threads: int) -> np.ndarray:
    """The weights of every step of `tile`: int8 [K, N] to int8 [steps, w_lanes, threads of the array]."""
    return _steps(w[:, tile.n : tile.n + tile.cols].T, config.w_lanes, config.pe.threads, threads)


def _steps(operands: np.ndarray, lanes: int, all_threads: int, threads: int) -> np.ndarray:
    real, k = operands.shape
    steps = -(-k // threads)
    out = np.zeros((steps, lanes, all_threads), operands.dtype)
    for t in range(threads):
        part = operands[:, t * steps : (t + 1) * steps]
        out[: part.shape[1], :real, t] = part.T
    return out
