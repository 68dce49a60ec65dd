# SPDX-License-Identifier: Apache-2.0
"""What the performance counters of NB-SMT count (MICRO 2020, section 3), as polynomials in facts.

n<t>  the operand of thread t is not zero      s<t>  it is small: not zero, and fits 4 bits
p<t>  it does not fit, exactly two run         q<t>  it does not fit, more than two threads run
r<t>  thread t is one of at least two that run (activations only)
"""

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.policy import Policy

from .polynomial import Polynomial, constant, fact, product, total


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
