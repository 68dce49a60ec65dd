# SPDX-License-Identifier: Apache-2.0
"""One step of an NB-SMT PE in plain integers (MICRO 2020, section 3). Shares no arithmetic with the golden model."""

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.sim.golden.product import Counters


def pe_step(pairs: list[tuple[int, int]], pe: NbSmtConfig) -> tuple[int, Counters]:
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


def _two(x: int, w: int, pe: NbSmtConfig) -> tuple[int, bool]:
    """A product on a 4b x 8b multiplier, and whether an operand was reduced."""
    x_fits = x < 16
    w_fits = -8 <= w <= 7
    gives_way = w_fits if pe.rules.reduced_operand == "w" else x_fits
    if pe.rules.checks_width and (gives_way or (pe.rules.swaps and (x_fits or w_fits))):
        return x * w, False
    if pe.rules.reduced_operand == "w":
        return x * _reduced_w(w, pe.rounding), True
    return _reduced_x(x, pe.rounding) * w, True


def _four(x: int, w: int, pe: NbSmtConfig) -> tuple[int, bool]:
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


KIND = pe_step
