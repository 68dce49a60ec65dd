# SPDX-License-Identifier: Apache-2.0
"""The polynomials of the performance counters as few multiplications.

Summed over rows and columns, a polynomial of `sysmt.hdl.pe.polynomial` is a bilinear form: (how often a set of facts
holds in the rows) times (how often another holds in the columns), summed with integer weights. Many counters take the
same form, differently weighted; and within a form, what shares one side is added up on the other side before it is
multiplied.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from math import gcd

from sysmt.hdl.pe.polynomial import Monomial, Polynomial, implied

Combination = tuple[tuple[Monomial, int], ...]
"""A weighted sum of counts: (facts that hold together, weight)."""


@dataclass(frozen=True)
class FormTerm:
    """One multiplication: (sum over `x`) * (sum over `w`) * `scale`, the scale a power of two with a sign."""

    x: Combination
    w: Combination
    scale: int


@dataclass(frozen=True)
class BilinearForm:
    """One bilinear form.

    Members
    -------
    weights : dict of counter to int
        What each counter takes of it.
    pairs : dict of (facts of x, facts of w) to int
    terms : list of FormTerm
        The same form, in multiplications.
    """

    weights: dict[str, int]
    pairs: dict[tuple[Monomial, Monomial], int]
    terms: list[FormTerm]


def bilinear_forms(polynomials: dict[str, Polynomial]) -> list[BilinearForm]:
    """The forms that the polynomials are made of, in an order that does not depend on the hash of strings."""
    names = list(polynomials)
    found: dict[tuple[int, ...], dict[tuple[Monomial, Monomial], int]] = {}
    for monomial in sorted({m for p in polynomials.values() for m in p.terms}, key=sorted):
        weights = [polynomials[name].terms.get(monomial, 0) for name in names]
        scale = gcd(*weights) * (1 if next(filter(None, weights)) > 0 else -1)
        pair = _side(monomial, str.islower), _side(monomial, str.isupper)
        found.setdefault(tuple(w // scale for w in weights), {})[pair] = scale
    return [
        BilinearForm({n: w for n, w in zip(names, weights, strict=True) if w}, pairs, _fewest(pairs))
        for weights, pairs in found.items()
    ]


def extent(combination: Combination) -> tuple[int, int]:
    """Least and greatest value of a combination, per row or column."""
    facts = sorted({f for part, _ in combination for f in part})
    values = []
    for bits in product((False, True), repeat=len(facts)):
        held = {f for f, bit in zip(facts, bits, strict=True) if bit}
        follows = {implied(f) for f in held} - {None}
        if follows & set(facts) <= held:
            values.append(sum(weight for part, weight in combination if part <= held))
    return min(values), max(values)


def _side(monomial: Monomial, keep) -> Monomial:
    return frozenset(f for f in monomial if keep(f[0]))


def _fewest(pairs: dict[tuple[Monomial, Monomial], int]) -> list[FormTerm]:
    """Factor out of rows or out of columns, whichever leaves fewer multiplications."""
    by_x = [FormTerm(((x, 1),), w, scale) for x, w, scale in _gather((x, w, c) for (x, w), c in pairs.items())]
    by_w = [FormTerm(x, ((w, 1),), scale) for w, x, scale in _gather((w, x, c) for (x, w), c in pairs.items())]
    return min(by_x, by_w, key=len)


def _gather(pairs: Iterable[tuple[Monomial, Monomial, int]]) -> list[tuple[Monomial, Combination, int]]:
    """Per first part all second parts; the power of two that they share, and a sign, taken out of their weights."""
    second: dict[Monomial, list[tuple[Monomial, int]]] = {}
    for a, b, c in pairs:
        second.setdefault(a, []).append((b, c))
    gathered = []
    for a, weighted in second.items():
        weights = [c for _, c in weighted]
        shared = gcd(*weights)
        scale = (shared & -shared) * (1 if max(weights, key=abs) > 0 else -1)
        gathered.append((a, tuple((b, c // scale) for b, c in weighted), scale))
    return gathered
