# SPDX-License-Identifier: Apache-2.0
"""Cycles of SMT-SA, an array whose threads wait instead of losing bits: every PE skips products with a zero operand.

SMT-SA: Shomron, Horowitz and Weiser, IEEE Computer Architecture Letters 2019. Each thread has a contiguous part of K,
as in NB-SMT, and moves through the array at a pace of its own. In one cycle a PE takes from every thread at most one
operand pair, hands it on, and, if neither operand is zero, puts it into the thread's queue in front of the multiplier;
of all queues one pair is multiplied per cycle. A thread waits where its queue is full or a neighbour has no room: the
result is exact, the time depends on the operands.

What the paper leaves open is chosen here: a link between PEs holds `LINK` operands, so that its flow control can be
registers; the fullest queue goes first, equal ones in turn; a thread may be ahead into the next tile while another ends
this one; sums leave as in `ArrayConfig.drain` = "overlap", every column at its own time. On one thread this is the
conventional array with a register in front of its multiplier, cycle for cycle.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.extras import require
from sysmt.hdl.params.smt_sa import LINK, SmtSaConfig

QUEUES = tuple(range(1, 9))
"""Depths of a queue that the model is held to by tests; any depth works."""


@dataclass(frozen=True)
class SmtSaRun:
    """What a product took.

    Parameters
    ----------
    cycles : int
        From the first operand that enters to the last sum that leaves, operands and sink always ready.
    products : int
        Products that were multiplied: those of two operands that are not zero.
    """

    cycles: int
    products: int


def smt_sa(x: np.ndarray, w: np.ndarray, config: SmtSaConfig) -> SmtSaRun:
    """Simulate a matrix product cycle by cycle.

    Parameters
    ----------
    x : uint8 [M, K]
    w : int8 [K, N]
        Only whether an operand is zero matters.
    config : SmtSaConfig

    Raises
    ------
    UserError
        Something is no array, or none of this kind; shapes do not fit together; numba (extra `silicon`) is missing.
    """
    if not isinstance(config, SmtSaConfig):
        raise UserError(f"config must be an SmtSaConfig, not {config!r}")
    for name, operand in (("x", x), ("w", w)):
        whole = isinstance(operand, np.ndarray) and operand.dtype.kind in "ui"
        if not whole or isinstance(operand, np.ma.MaskedArray):
            kind = operand.dtype if isinstance(operand, np.ndarray) else type(operand).__name__
            raise UserError(f"{name} must be an array of integers without a mask, not {kind}; quantise or fill it")
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[0] or not x.size or not w.size:
        raise UserError(f"x [M, K] and w [K, N] must agree in K and not be empty, not {x.shape} and {w.shape}")
    live_x = _by_lane(x != 0, config.rows, config.threads)
    live_w = _by_lane(w.T != 0, config.cols, config.threads)
    cycles, products = _compiled()(live_x, live_w, config.queue, LINK)
    return SmtSaRun(int(cycles), int(products))


def _by_lane(live: np.ndarray, lanes: int, threads: int) -> np.ndarray:
    """Which operands are not zero, [L, K], as tiles and threads take them: bool [tiles, threads, steps, lanes]."""
    length, k = live.shape
    tiles, steps = -(-length // lanes), -(-k // threads)
    padded = np.zeros((tiles * lanes, threads * steps), bool)
    padded[:length, :k] = live
    return np.ascontiguousarray(padded.reshape(tiles, lanes, threads, steps).transpose(0, 2, 3, 1))


Kernel = Callable[[np.ndarray, np.ndarray, int, int], tuple[int, int]]
_kernels: list[Kernel] = []


def _compiled() -> Kernel:
    """The simulation, compiled when first needed."""
    if not _kernels:
        _kernels.append(require("numba", "silicon").njit(cache=True, nogil=True)(_simulate))
    return _kernels[0]


def _simulate(live_x: np.ndarray, live_w: np.ndarray, depth: int, link: int) -> tuple[int, int]:
    """Cycle by cycle, PE by PE. Row 0 is next to the exit of the sums; weights enter at the last row.

    `taken` counts the pairs that a PE took of every thread, over all tiles: which pair comes next, and with a
    neighbour's count how many operands lie in the link. `waiting` are the pairs in queues, of the tile that the PE is
    in and of the next.
    """
    rows, cols = live_x.shape[3], live_w.shape[3]
    threads, steps = live_x.shape[1], live_x.shape[2]
    across = live_w.shape[0]
    tiles = live_x.shape[0] * across
    down, along = np.arange(tiles) // across, np.arange(tiles) % across
    taken = np.zeros((rows, cols, threads), np.int64)
    before = np.zeros((rows, cols, threads), np.int64)
    waiting = np.zeros((rows, cols, threads, 2), np.int64)
    tile = np.zeros((rows, cols), np.int64)
    turn = np.zeros((rows, cols), np.int64)
    handed = np.zeros((tiles, cols, rows), np.int64)
    exits = np.full((tiles, cols), -1, np.int64)
    left = tiles * rows * cols
    cycle = 0
    products = 0
    while left:
        before[:] = taken
        for r in range(rows):
            for c in range(cols):
                here = tile[r, c]
                if here == tiles:
                    continue
                # All is taken and multiplied, and the sums of the tile before have left the drain register.
                complete = here == 0 or exits[here - 1, c] >= 0 and cycle >= exits[here - 1, c] - r
                for t in range(threads):
                    if before[r, c, t] < (here + 1) * steps or waiting[r, c, t, 0]:
                        complete = False
                if complete:
                    handed[here, c, r] = cycle
                    left -= 1
                    for t in range(threads):
                        waiting[r, c, t, 0] = waiting[r, c, t, 1]
                        waiting[r, c, t, 1] = 0
                    here += 1
                    tile[r, c] = here
                    if here == tiles:
                        continue
                first = -1
                for s in range(threads):
                    t = (turn[r, c] + s) % threads
                    if waiting[r, c, t, 0] and (first < 0 or waiting[r, c, t, 0] > waiting[r, c, first, 0]):
                        first = t
                if first >= 0:
                    waiting[r, c, first, 0] -= 1
                    turn[r, c] = (first + 1) % threads
                    products += 1
                for t in range(threads):
                    item = before[r, c, t]
                    of = here if item < (here + 1) * steps else here + 1
                    if of == tiles or item == (here + 2) * steps:
                        continue
                    if item >= (before[r, c - 1, t] if c else cycle):
                        continue
                    if item >= (before[r + 1, c, t] if r < rows - 1 else cycle):
                        continue
                    if c < cols - 1 and item - before[r, c + 1, t] >= link:
                        continue
                    if r and item - before[r - 1, c, t] >= link:
                        continue
                    step = item - of * steps
                    if live_x[down[of], t, step, r] and live_w[along[of], t, step, c]:
                        if waiting[r, c, t, 0] + waiting[r, c, t, 1] >= depth:
                            continue
                        waiting[r, c, t, of - here] += 1
                    taken[r, c, t] = item + 1
        # A tile whose rows have all been handed over leaves row by row, behind the tile before.
        for c in range(cols):
            of = tile[0, c]
            for r in range(1, rows):
                of = min(of, tile[r, c])
            of -= 1
            if of >= 0 and exits[of, c] < 0:
                end = exits[of - 1, c] if of else -1
                for r in range(rows):
                    end = max(end + 1, handed[of, c, r] + 1 + r)
                exits[of, c] = end
        cycle += 1
    return exits.max() + 1, products
