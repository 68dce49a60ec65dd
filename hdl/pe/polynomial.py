# SPDX-License-Identifier: Apache-2.0
"""What performance counters count, as polynomials in facts about activations and facts about weights.

"Both threads are active" is a product of a fact about x and a fact about w, and so is everything else that is
counted. Summed over an outer product of rows and columns, every monomial is (rows where its x facts hold) times
(columns where its w facts hold): the counters need the edge of the array only, rows + cols small detectors, and no
gate inside a PE.

A fact is written as one letter and the number of an operand of the step, `n0`; about a weight the letter is a capital,
`N0`. `n` says that the operand is not zero, `r` that its thread is one of at least two that run; every other letter
belongs to the kind of PE (`sysmt.hdl.pe.kind.Gates.fact`) and is true of operands that are not zero only.
"""

Monomial = frozenset[str]


def implied(fact: str) -> str | None:
    """The fact that follows from this one: what is anything but running is not zero."""
    if fact[0] in "nNrR":
        return None
    return ("n" if fact[0].islower() else "N") + fact[1:]


class Polynomial:
    """An integer combination of products of facts; facts are 0 or 1, so their powers vanish."""

    def __init__(self, terms: dict[Monomial, int]):
        self.terms = {_simplest(m): 0 for m in terms}
        for monomial, coefficient in terms.items():
            self.terms[_simplest(monomial)] += coefficient
        self.terms = {m: c for m, c in self.terms.items() if c}

    def __add__(self, other: "Polynomial") -> "Polynomial":
        return Polynomial({m: self.terms.get(m, 0) + other.terms.get(m, 0) for m in {**self.terms, **other.terms}})

    def __sub__(self, other: "Polynomial") -> "Polynomial":
        return self + other * constant(-1)

    def __mul__(self, other: "Polynomial") -> "Polynomial":
        result = constant(0)
        for a, ca in self.terms.items():
            for b, cb in other.terms.items():
                result = result + Polynomial({a | b: ca * cb})
        return result


def _simplest(monomial: Monomial) -> Monomial:
    """Drop the facts that follow from others."""
    return frozenset(monomial - {implied(f) for f in monomial})


def constant(value: int) -> Polynomial:
    """The polynomial that is `value` everywhere."""
    return Polynomial({frozenset(): value})


def fact(name: str) -> Polynomial:
    """The polynomial that is 1 where the fact holds."""
    return Polynomial({frozenset([name]): 1})


def total(polynomials: list[Polynomial]) -> Polynomial:
    """Their sum."""
    return sum(polynomials, start=constant(0))


def product(polynomials: list[Polynomial]) -> Polynomial:
    """Their product."""
    result = constant(1)
    for polynomial in polynomials:
        result = result * polynomial
    return result
