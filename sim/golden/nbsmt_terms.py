# SPDX-License-Identifier: Apache-2.0
"""NB-SMT as a sum of products: every policy as a short list of functions of x times functions of w.

What thread t adds to a sum depends on its own pair and on how many of the other threads are active in that step. Write
`a` for "x is not zero" and `b` for "w is not zero"; "the threads of the set B are all active" is then a function of x
(the product of their `a`) times a function of w (the product of their `b`). With `h(i)` the deviation from the exact
product when i others are active, inclusion-exclusion over the sets B of others gives

    contribution = x w + sum over B of c(|B|) * all of B active,    c(j) = sum over i of (-1)**(j-i) binomial(j, i) h(i)

with h(0) = 0 (alone: exact), h(1) the 2-thread rule and h(2) = h(3) the 4b x 4b rule. Each c(j) is at most two products
f(x) g(w): one per `ProductTerm`. That is the least possible for independent f and g, so the dense matrix products built
from them are 2 times as deep as the exact one for two threads and at most 12 times for four.

NB-SMT: Shomron and Weiser, MICRO 2020, section 3.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.policy import Policy

from .rounding import fits_w, fits_x, reduce_w, reduce_x

X = np.arange(256)
W = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int64)


@dataclass(frozen=True, eq=False)
class ProductTerm:
    """f(x) * g(w) * (every thread of B is active), summed over the sets B of `others` other threads.

    Parameters
    ----------
    others : int
        Size of B, 0 to threads - 1.
    x, w : float32 [256]
        f and g, tabulated over the operand's byte. Integers; f(0) and g(0) are 0.
    """

    others: int
    x: np.ndarray
    w: np.ndarray

    def bound(self, threads: int) -> int:
        """Largest magnitude that the term adds in one step over all threads and sets."""
        return threads * comb(threads - 1, self.others) * int(np.abs(self.x).max() * np.abs(self.w).max())


def _term(others: int, x: np.ndarray, w: np.ndarray) -> ProductTerm:
    return ProductTerm(others, x.astype(np.float32), w.astype(np.float32))


EXACT = (_term(0, X, W),)
"""The exact product."""


@lru_cache(maxsize=128)
def terms(pe: NbSmtConfig, threads: int) -> tuple[ProductTerm, ...]:
    """The terms that add up to what a PE computes on `threads` threads."""
    if threads == 1:
        return EXACT
    x4, w4 = reduce_x(X, pe.rounding), reduce_w(W, pe.rounding)
    rules = pe.rules
    if rules.checks_width:
        x4, w4 = np.where(fits_x(X), X, x4), np.where(fits_w(W), W, w4)
    dx, dw = x4 - X, w4 - W
    pair_x, pair_w = _pair(rules, dx, dw)
    if rules.detects_zeros:
        found = [*EXACT, _term(1, pair_x, pair_w)]
        if threads == 4:
            found += _quad(rules, (pair_x, pair_w), (x4, w4))
        return tuple(found)
    if threads == 4:
        return (_term(0, x4, w4),)
    # x w + pair_x pair_w is a single product where the two share a factor.
    if np.array_equal(pair_w, W):
        return (_term(0, X + pair_x, W),)
    if np.array_equal(pair_x, X):
        return (_term(0, X, W + pair_w),)
    return (*EXACT, _term(0, pair_x, pair_w))


def _pair(rules: Policy, dx: np.ndarray, dw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The deviation of a 2-thread collision, h(1), as one product."""
    if rules.reduced_operand == "x":
        return dx, np.where(fits_w(W), 0, W) if rules.swaps else W
    return np.where(fits_x(X), 0, X) if rules.swaps else X, dw


def _quad(rules: Policy, pair: tuple[np.ndarray, np.ndarray], four: tuple[np.ndarray, np.ndarray]) -> list[ProductTerm]:
    """c(2) and c(3): `on_pair` times the 2-thread deviation plus `on_four` times the 4b x 4b one.

    The latter, x4 w4 - x w, is dx w4 + x dw, or x4 dw + dx w: the form that shares a factor with the 2-thread
    deviation is taken, so that two products are enough.
    """
    (pair_x, pair_w), (x4, w4) = pair, four
    dx, dw = x4 - X, w4 - W
    found = []
    for others in (2, 3):
        weight = [(-1) ** (others - i) * comb(others, i) for i in range(others + 1)]
        on_pair, on_four = weight[1], sum(weight[2:])
        if rules.reduced_operand == "w":
            found += [_term(others, on_pair * pair_x + on_four * x4, dw), _term(others, dx, on_four * W)]
        else:
            found += [_term(others, dx, on_pair * pair_w + on_four * w4), _term(others, X, on_four * dw)]
    return found
