# SPDX-License-Identifier: Apache-2.0
"""The permutation of K: its error is the one really made, matchings are good ones, validation products are fewer."""

from dataclasses import replace

import numpy as np
import pytest

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.nn.permutation import PADDING_SLOT, permuted
from sysmt.sim.quant.accuracy_drop import expected_drop, labelled_drop
from sysmt.sim.quant.matching import ALONE, groups, match, match_at
from sysmt.sim.quant.reorder import Reorderer
from sysmt.sim.quant.sharing_error import SharingError

PE = PEConfig(threads=2)
POLICIES = ["S", "S+A", "S+Aw", "S+W", "S+aW"]


def operands(k, rows=300, columns=7, share=0.6, seed=1):
    rng = np.random.default_rng(seed)
    x = (rng.integers(0, 256, (rows, k)) * (rng.random((rows, k)) < share)).astype(np.uint8)
    return x, rng.integers(-100, 100, (k, columns)).astype(np.int8)


def error(x, w, pe, weight, centred=False):
    """Squared error really made, per row."""
    off = (matmul(x, w, pe).sums - matmul(x, w, PEConfig()).sums).astype(np.float64)
    if centred:
        off -= off.mean(axis=0)
    return float(((off**2) * weight).sum() / len(x))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
def test_error_of_a_pair_is_the_error_made(policy, centred):
    pe = PEConfig(threads=2, policy=policy)
    x, w = operands(2)
    weight = np.linspace(0.5, 2, w.shape[1])
    found = SharingError(x=x, w=w, pe=pe, weight=weight, centred=centred).pairs()
    assert found[0, 1] == pytest.approx(error(x, w, pe, weight, centred), rel=1e-5)
    assert found[1, 0] == pytest.approx(found[0, 1])
    assert found[0, 1] > 0


@pytest.mark.parametrize("policy", POLICIES)
def test_error_of_four_is_close_to_the_error_made(policy):
    # The errors of the operands of one step are taken as independent: right on average only.
    pe = PEConfig(threads=4, policy=policy)
    parts = []
    for seed in range(30):
        x, w = operands(4, columns=16, seed=seed)
        model = SharingError(x=x, w=w, pe=pe, weight=np.ones(16))
        pairs = np.array([[0, 1], [2, 3]])
        before = sum(error(x[:, pair], w[pair], replace(pe, threads=2), np.ones(16)) for pair in pairs)
        parts.append((before + model.fours(pairs)[0, 1], error(x, w, pe, np.ones(16))))
    modelled, made = np.mean(parts, axis=0)
    assert modelled == pytest.approx(made, rel=0.15)


@pytest.mark.parametrize(("k", "steps"), [(12, 6), (13, 7), (12, 9), (12, 12)])
def test_matching_is_the_best_there_is_on_small_ones(k, steps):
    rng = np.random.default_rng(k + steps)
    cost = rng.random((k, k))
    cost += cost.T
    partner = match(cost, steps)
    assert len(groups(partner)) == steps
    assert all(partner[partner[i]] == i for i in range(k) if partner[i] != ALONE)

    def best(free, pairs):
        if not pairs:
            return 0.0
        if len(free) < 2 * pairs:
            return np.inf
        first, rest = free[0], free[1:]
        joined = [cost[first, j] + best([r for r in rest if r != j], pairs - 1) for j in rest]
        return min([best(rest, pairs), *joined])

    found = sum(cost[i, partner[i]] for i in range(k) if i < partner[i])
    assert found <= 1.3 * best(list(range(k)), k - steps) + 1e-9


def test_multiplier_splits_what_costs_more_than_a_step_is_worth():
    cost = np.full((8, 8), 9.0)
    for i, j, value in ((0, 1, 1.0), (2, 3, 2.0), (4, 5, 3.0), (6, 7, 4.0)):
        cost[i, j] = cost[j, i] = value
    for multiplier, steps in ((np.inf, 4), (10.0, 4), (3.5, 5), (2.5, 6), (0.5, 8)):
        partner = match_at(cost, multiplier, float)
        assert len(groups(partner)) == steps
    assert match_at(cost, 2.5, float).tolist() == [1, 0, 3, 2] + [ALONE] * 4


@pytest.mark.parametrize("threads", [2, 4])
def test_order_reduces_fewer_products_and_keeps_the_exact_result(threads):
    rng = np.random.default_rng(2)
    wide = rng.random(42) < 0.5
    x = (rng.integers(0, 256, (4000, 42)) * (rng.random((4000, 42)) < np.where(wide, 0.9, 0.1))).astype(np.uint8)
    w = rng.integers(-128, 128, (42, 8)).astype(np.int8)
    pe = PEConfig(threads=threads)
    finder = Reorderer(x=x[:2000], w=w, pe=pe, threads=threads)
    permutation = finder.at().permutation
    assert sorted(permutation[permutation != PADDING_SLOT]) == list(range(42))
    assert len(permutation) == threads * -(-42 // threads)
    validation, natural = x[2000:], matmul(x[2000:], w, pe)
    found = matmul(permuted(validation, permutation), permuted(w.T, permutation).T.copy(), pe)
    assert found.counters.reduced < natural.counters.reduced
    assert found.counters.active == natural.counters.active
    before, after = finder.validate(permutation)
    assert after / before == pytest.approx(found.counters.reduced / natural.counters.reduced, rel=0.05)
    one = PEConfig()
    np.testing.assert_array_equal(
        matmul(permuted(x, permutation), permuted(w.T, permutation).T.copy(), one).sums, matmul(x, w, one).sums
    )


@pytest.mark.parametrize("threads", [2, 4])
def test_time_buys_exactness(threads):
    x, w = operands(40, rows=600, share=np.linspace(0.05, 1, 40))
    finder = Reorderer(x=x, w=w, pe=PEConfig(threads=threads), threads=threads)
    dense = finder.at()
    found = [finder.at(dense.error * share, float) for share in (0.05, 0.03, 0.01, 0.0)]
    lengths, errors = [len(each.permutation) for each in found], [each.error for each in found]
    assert lengths == sorted(lengths)
    assert dense.error > errors[0]
    assert errors == sorted(errors, reverse=True)
    assert 40 < lengths[0] < lengths[-1] == 40 * threads
    assert errors[-1] == 0


def test_an_order_that_does_not_reduce_fewer_products_is_refused():
    # One activation for all: whatever shares a step, the same products are reduced.
    x, w = np.full((100, 8), 77, np.uint8), np.full((8, 3), 99, np.int8)
    assert Reorderer(x=x, w=w, pe=PE, threads=2).at().permutation is None


def by_pairs(margins, changes, lost):
    """The estimates by their definition: every margin with every change."""
    each = np.array([[lost(i, margin, margin + change) for change in changes] for i, margin in enumerate(margins)])
    return each.mean(), np.sqrt((each.mean(axis=1).var() + each.mean(axis=0).var()) / len(each))


def test_drops_are_means_over_pairs_of_margin_and_change():
    rng = np.random.default_rng(3)
    exact = rng.integers(-20, 21, (80, 3))
    scores = exact + rng.integers(-6, 7, exact.shape)
    right = rng.integers(0, 3, 80)

    def margins(values, answers):
        others = np.where(np.arange(3) == answers[:, None], -99, values)
        return values[np.arange(80), answers] - others.max(axis=1)

    before = margins(exact, right)
    found = labelled_drop(exact, scores, right)
    wanted = by_pairs(before, margins(scores, right) - before, lambda i, old, new: (old > 0) - float(new > 0))
    assert (found.drop, found.error) == pytest.approx(wanted)
    answers = exact.argmax(axis=1)
    before = margins(exact, answers)
    share = np.sort(np.exp(0.1 * exact) / np.exp(0.1 * exact).sum(axis=1, keepdims=True), axis=1)
    found = expected_drop(exact, scores, 0.1)
    changes = margins(scores, answers) - before
    wanted = by_pairs(before, changes, lambda i, old, new: (share[i, 2] - share[i, 1]) * (new < 0))
    assert (found.drop, found.error) == pytest.approx(wanted)
    assert found.bound(2) == found.drop + 2 * found.error


def test_drops_grow_with_the_noise_and_are_none_without():
    rng = np.random.default_rng(4)
    exact = rng.normal(scale=20, size=(500, 6))
    right = exact.argmax(axis=1)
    for drop in (lambda scores: expected_drop(exact, scores, 0.1), lambda scores: labelled_drop(exact, scores, right)):
        none, near, far = (drop(exact + rng.normal(scale=s, size=exact.shape)) for s in (0, 2, 20))
        assert none.drop == 0 < near.drop < far.drop
    # The same question asked by counting answers has the larger error.
    changed = np.mean((exact + rng.normal(scale=20, size=exact.shape)).argmax(axis=1) != right)
    assert far.error < np.sqrt(changed * (1 - changed) / 500)


def test_a_second_view_that_tells_the_same_makes_a_drop_no_surer():
    rng = np.random.default_rng(9)
    exact = rng.normal(scale=20, size=(400, 6))
    scores, right = exact + rng.normal(scale=5, size=exact.shape), exact.argmax(axis=1)
    for drop, third in ((labelled_drop, right), (expected_drop, 0.1)):

        def seen(rows, views, drop=drop, third=third):
            return drop(exact[rows], scores[rows], right[rows] if drop is labelled_drop else third, views)

        one, twice = seen(np.arange(400), 1), seen(np.tile(np.arange(400), 2), 2)
        assert (twice.drop, twice.error) == pytest.approx((one.drop, one.error))
        # Views with nothing in common are as good as other inputs.
        assert seen(np.arange(400), 2).error == pytest.approx(one.error, rel=0.1)
