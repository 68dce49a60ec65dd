# SPDX-License-Identifier: Apache-2.0
"""What the performance counters count, as polynomials in facts about activations and facts about weights.

"Both threads are active" is a product of a fact about x and a fact about w, and so is everything else that is
counted. Summed over an outer product of rows and columns, every monomial is (rows where its x facts hold) times
(columns where its w facts hold): the counters need the edge of the array only, rows + cols small detectors, and no
gate inside a PE.

Facts about an activation of thread t (and alike about a weight, in capitals):

    n<t>  it is not zero                      s<t>  it is small: not zero, and fits 4 bits
    p<t>  it does not fit, exactly two run    q<t>  it does not fit, more than two threads run
    r<t>  thread t is one of at least two that run (activations only)
"""

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.policy import Policy

Monomial = frozenset[str]

IMPLIED = {"s": "n", "p": "n", "q": "n", "S": "N", "P": "N", "Q": "N"}
"""What is small is not zero, and what does not fit is not zero."""


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
    return frozenset(monomial - {IMPLIED[f[0]] + f[1:] for f in monomial if f[0] in IMPLIED})


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


def events(config: NbSmtConfig) -> dict[str, Polynomial]:
    """What one PE adds to each counter in one step (NB-SMT, MICRO 2020, section 3)."""
    threads = range(config.threads)
    active = [fact(f"n{t}") * fact(f"N{t}") for t in threads]
    idle = constant(1) - product([constant(1) - a for a in active])
    exactly_one = total([active[t] * _none(active, {t}) for t in threads])
    counted = {"active": total(active), "busy": idle, "collisions": idle - exactly_one}
    if config.threads == 1:
        return counted | {"reduced": constant(0)}
    rules = config.rules
    if not rules.detects_zeros and not rules.checks_width:
        return counted | {"reduced": total([fact(f"r{t}") for t in threads])}
    if not rules.detects_zeros:
        pair = [_reduced(rules, fact(f"p{t}"), fact(f"P{t}")) for t in threads[:2]]
        quad = [_either(fact(f"q{t}"), fact(f"Q{t}")) for t in threads] if config.threads == 4 else []
        return counted | {"reduced": total(pair + quad)}
    reduced = constant(0)
    for t in threads:
        big = [constant(1) - fact(f"{small}{t}") for small in "sS"]
        others = [s for s in threads if s != t]
        two = total([active[t] * active[s] * _none(active, {s, t}) for s in others])
        more = active[t] - active[t] * _none(active, {t}) - two
        reduced += two * _reduced(rules, *big) + more * (_either(*big) if rules.checks_width else constant(1))
    return counted | {"reduced": reduced}


def _none(active: list[Polynomial], without: set[int]) -> Polynomial:
    """No thread is active, but for those in `without`."""
    return product([constant(1) - a for t, a in enumerate(active) if t not in without])


def _reduced(rules: Policy, x: Polynomial, w: Polynomial) -> Polynomial:
    """A thread has one 4b x 8b lane, `x` and `w` say what does not fit: is an operand of it reduced?"""
    if not rules.checks_width:
        return constant(1)
    if rules.swaps:
        return x * w
    return x if rules.reduced_operand == "x" else w


def _either(x: Polynomial, w: Polynomial) -> Polynomial:
    """A thread has one 4b x 4b multiplier: is an operand of it reduced?"""
    return x + w - x * w
