# SPDX-License-Identifier: Apache-2.0
"""The counters' polynomials and their multiplications, in plain numbers, against the golden model."""

from itertools import product

import numpy as np
import pytest

from sysmt.hdl.array.bilinear import bilinear_forms, extent
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.hdl.pe.nbsmt_events import events
from sysmt.sim.golden.matmul import matmul

EDGE_X = np.array([0, 0, 0, 1, 15, 16, 255], np.uint8)
EDGE_W = np.array([0, 0, -128, -9, -8, 7, 8], np.int8)


def facts(operands, letters, running):
    """Every fact about operands [lanes, threads] of a step on so many threads, named as in `hdl/pe/nbsmt_events.py`."""
    signed = operands.dtype == np.int8
    fits = (operands >= -8) & (operands <= 7) if signed else operands < 16
    found = {}
    for t in range(operands.shape[1]):
        runs = np.full(len(operands), t < running)
        values = {
            "n": operands[:, t] != 0,
            "s": (operands[:, t] != 0) & fits[:, t],
            "p": ~fits[:, t] & (running == 2),
            "q": ~fits[:, t] & (running == 4),
            "r": runs & (running > 1),
        }
        found |= {(f.upper() if letters == "upper" else f) + str(t): v for f, v in values.items()}
    return found


def count(held, part):
    """In how many lanes all facts hold."""
    return int(np.logical_and.reduce([held[f] for f in part] or [np.ones(len(next(iter(held.values()))), bool)]).sum())


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("policy", POLICIES)
def test_forms_count_what_the_golden_model_counts(threads, policy):
    """One step on 5 rows and 4 columns at a time: as pairs of counts, and in the multiplications of the gates."""
    random = np.random.default_rng(threads)
    pe = PEConfig(threads=threads, policy=policy)
    found = bilinear_forms(events(pe))
    for running in [t for t in (1, 2, 4) if t <= threads] * 20:
        x, w = random.choice(EDGE_X, (5, threads)), random.choice(EDGE_W, (4, threads))
        x[:, running:] = 0
        x_held, w_held = facts(x, "lower", running), facts(w, "upper", running)
        golden = matmul(x[:, :running], w[:, :running].T.copy(), pe, running).counters
        totals = [sum(c * count(x_held, a) * count(w_held, b) for (a, b), c in f.pairs.items()) for f in found]
        by_terms = [
            sum(
                term.scale
                * sum(c * count(x_held, part) for part, c in term.x)
                * sum(c * count(w_held, part) for part, c in term.w)
                for term in form.terms
            )
            for form in found
        ]
        assert totals == by_terms
        for name in ("active", "busy", "collisions", "reduced"):
            counted = sum(f.weights.get(name, 0) * total for f, total in zip(found, totals, strict=True))
            assert counted == getattr(golden, name), name


@pytest.mark.parametrize("policy", ["S+A", "S+Aw", "W"])
def test_a_combination_stays_within_its_extent(policy):
    """The range that sizes the gates: reached at both ends, over all operands of a lane."""
    x, w = np.array(list(product(EDGE_X[2:], repeat=4))), np.array(list(product(EDGE_W[1:], repeat=4)))
    held = [facts(x.astype(np.uint8), "lower", 4), facts(w.astype(np.int8), "upper", 4)]
    seen = 0
    for form in bilinear_forms(events(PEConfig(threads=4, policy=policy))):
        for term in form.terms:
            for side, combination in enumerate((term.x, term.w)):
                if {f[0].lower() for part, _ in combination for f in part} <= {"n", "s"}:
                    values = sum(c * np.logical_and.reduce([held[side][f] for f in part]) for part, c in combination)
                    assert (values.min(), values.max()) == extent(combination)
                    seen += 1
    assert seen


def test_four_threads_need_few_multiplications():
    """59 pairs of counts, 42 multiplications; per counter it would be 85 pairs."""
    found = bilinear_forms(events(PEConfig(threads=4)))
    assert sum(len(form.pairs) for form in found) == 59
    assert sum(len(form.terms) for form in found) == 42
