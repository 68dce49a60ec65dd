# SPDX-License-Identifier: Apache-2.0
"""The sums of NB-SMT at the speed of a few dense matrix products, from the terms of its policy.

NB-SMT: Shomron and Weiser, MICRO 2020, section 3. `sysmt.sim.golden.nbsmt_terms` makes a sum of products of a policy.
"""

from collections.abc import Iterator
from functools import reduce
from itertools import combinations

import numpy as np

from .nbsmt_terms import ProductTerm
from .parallel import for_each, workers

FLOAT32_EXACT = 2**24
"""Sums of integers stay exact in float32, in any order, while the sum of their magnitudes does not exceed this."""

OPERAND_VALUES = 2**20
"""Float32 values of x prepared at a time by one worker: bounds the memory."""

WEIGHT_VALUES = 2**24
"""Float32 values of w held at a time: bounds the memory too."""

BAND_VALUES = 2**18
"""Float32 values of x that make a worker worth waking."""

Blocks = list[tuple[tuple[int, ...], np.ndarray]]

IDENTITY = np.arange(256)
ONE = np.float32(1)


def split(operand: np.ndarray, threads: int) -> np.ndarray:
    """Give each thread its contiguous part of K, the tail padded with zeros: [L, K] becomes [L, T, ceil(K / T)]."""
    length, k = operand.shape
    steps = -(-k // threads)
    if k == threads * steps:
        return operand.reshape(length, threads, steps)
    padded = np.zeros((length, threads * steps), operand.dtype)
    padded[:, :k] = operand
    return padded.reshape(length, threads, steps)


def sum_of_terms(x: np.ndarray, w: np.ndarray, policy: tuple[ProductTerm, ...]) -> np.ndarray:
    """Add up the terms: x uint8 [M, T, steps], w int8 [N, T, steps] -> int32 [M, N]."""
    (m, threads, steps), n = x.shape, w.shape[0]
    blocks_x = [(b, term.x) for term in policy for b in combinations(range(1, threads), term.others)]
    blocks_w = [(b, term.w) for term in policy for b in combinations(range(1, threads), term.others)]
    # The blocks lie one after the other along the reduction of one float32 matrix product, cut where it could round.
    cuts = list(_slices(steps, FLOAT32_EXACT // sum(term.bound(threads) for term in policy)))
    depth = len(blocks_x) * threads * cuts[0].stop
    sums = np.zeros((m, n), np.int32)
    for group in _slices(len(cuts), max(1, WEIGHT_VALUES // (n * depth))):
        x_cuts = [x[:, :, cut] for cut in cuts[group]]
        w_sides = [_operand(w[:, :, cut].view(np.uint8), blocks_w) for cut in cuts[group]]
        _add(sums, x_cuts, blocks_x, w_sides)
    return sums


def _add(sums: np.ndarray, x_cuts: list[np.ndarray], blocks: Blocks, w_sides: list[np.ndarray]) -> None:
    """Add to the sums, for every cut, the product of x's blocks, made here part by part, and w's."""
    m, depth = len(sums), w_sides[0].shape[1]
    rows = max(1, OPERAND_VALUES // depth)

    def band(whole: slice) -> None:
        # Reused from part to part: fresh pages would cost as much as filling them.
        memory = np.empty(min(rows, whole.stop - whole.start) * depth, np.float32)
        for part in _slices(whole.stop, rows, whole.start):
            for x, w_side in zip(x_cuts, w_sides, strict=True):
                sums[part] += (_operand(x[part], blocks, memory) @ w_side.T).astype(np.int32)

    bands = min(m, workers(), max(1, m * depth * len(w_sides) // BAND_VALUES))
    for_each(band, list(_slices(m, -(-m // bands))))


def _slices(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    return (slice(place, min(place + size, stop)) for place in range(start, stop, size))


def _operand(codes: np.ndarray, blocks: Blocks, memory: np.ndarray | None = None) -> np.ndarray:
    """One side of the matrix product.

    Parameters
    ----------
    codes : uint8 [L, T, S]
        The operand's bytes.
    blocks : list of (others, float32 [256])
        Per set of other threads, written as distances from the thread itself modulo T, a function of the operand.
    memory : float32, at least L * blocks * T * S, optional
        Where to put the result.

    Returns
    -------
    float32 [L, blocks * T * S]
        For every block, for every thread and step: the function of that thread's operand where the operands of all the
        others are non-zero, else 0.
    """
    length, threads, steps = codes.shape
    nonzero = (codes != 0).astype(np.float32)
    around = np.concatenate([nonzero, nonzero], axis=1)  # from any thread on, all threads in cyclic order
    masks = {
        others: reduce(np.multiply, [around[:, d : d + threads] for d in others]) for others, _ in blocks if others
    }
    tables = {table.tobytes(): table for _, table in blocks}
    values = {key: _look_up(table, codes) for key, table in tables.items()}
    if memory is None:
        memory = np.empty(codes.size * len(blocks), np.float32)
    side = memory[: codes.size * len(blocks)].reshape(length, len(blocks), threads, steps)
    for place, (others, table) in enumerate(blocks):
        np.multiply(values[table.tobytes()], masks.get(others, ONE), out=side[:, place])
    return side.reshape(length, -1)


def _look_up(table: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Apply a function tabulated over bytes."""
    if np.array_equal(table, IDENTITY):
        return codes.astype(np.float32)  # several times faster
    return table.take(codes)
