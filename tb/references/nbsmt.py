# SPDX-License-Identifier: Apache-2.0
"""NB-SMT once more, one product at a time in plain integers: slow and obvious, to check the golden model against.

Reads like the rules: nothing is shared with the fast model but the containers of the result.
"""

import numpy as np

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.nbsmt import Product
from sysmt.sim.golden.nbsmt_counters import Counters


def matmul(x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int | None = None) -> Product:
    """The same contract as `sysmt.sim.golden.nbsmt.matmul`, about a million times slower per product."""
    t = pe.throttle(threads)
    xs, ws = x.tolist(), w.tolist()
    k = len(ws)
    steps = pe.steps(k, threads)
    sums = np.zeros((len(xs), len(ws[0])), np.int32)
    counters = Counters()
    for m, row in enumerate(xs):
        for n in range(len(ws[0])):
            for step in range(steps):
                places = [thread * steps + step for thread in range(t)]
                pairs = [(row[p], ws[p][n]) if p < k else (0, 0) for p in places]
                value, counted = pe_step(pairs, pe)
                sums[m, n] += value
                counters += counted
    return Product(sums, counters)


def pe_step(pairs: list[tuple[int, int]], pe: PEConfig) -> tuple[int, Counters]:
    """What one PE adds to its sum, and counts, for the pairs (x, w) of its threads in one step."""
    active = [pair for pair in pairs if pair[0] != 0 and pair[1] != 0]
    n = len(active)
    if len(pairs) == 1:
        products = [(x * w, False) for x, w in pairs]
    elif not pe.rules.detects_zeros:
        products = [_two(x, w, pe) if len(pairs) == 2 else _four(x, w, pe) for x, w in pairs]
    elif n <= 1:
        products = [(x * w, False) for x, w in active]
    elif n == 2:
        products = [_two(x, w, pe) for x, w in active]
    else:
        products = [_four(x, w, pe) for x, w in active]
    collision = int(n > 1 and len(pairs) > 1)
    reduced = sum(was_reduced for _, was_reduced in products)
    return sum(value for value, _ in products), Counters(n, int(n > 0), collision, reduced)


def _two(x: int, w: int, pe: PEConfig) -> tuple[int, bool]:
    """A product on a 4b x 8b multiplier, and whether an operand was reduced."""
    x_fits = x < 16
    w_fits = -8 <= w <= 7
    gives_way = w_fits if pe.rules.reduced_operand == "w" else x_fits
    if pe.rules.checks_width and (gives_way or (pe.rules.swaps and (x_fits or w_fits))):
        return x * w, False
    if pe.rules.reduced_operand == "w":
        return x * _reduced_w(w, pe.rounding), True
    return _reduced_x(x, pe.rounding) * w, True


def _four(x: int, w: int, pe: PEConfig) -> tuple[int, bool]:
    """A product on a 4b x 4b multiplier, and whether an operand was reduced."""
    checks = pe.rules.checks_width
    x_passes = checks and x < 16
    w_passes = checks and -8 <= w <= 7
    left = x if x_passes else _reduced_x(x, pe.rounding)
    right = w if w_passes else _reduced_w(w, pe.rounding)
    return left * right, not (x_passes and w_passes)


def _reduced_x(x: int, rounding: str) -> int:
    return 16 * (x // 16 if rounding == "truncate" else min((x + 8) // 16, 15))


def _reduced_w(w: int, rounding: str) -> int:
    return 16 * (w // 16 if rounding == "truncate" else min((w + 8) // 16, 7))
