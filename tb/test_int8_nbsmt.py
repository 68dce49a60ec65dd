# SPDX-License-Identifier: Apache-2.0
"""NB-SMT on whole networks: equal to the simulated gates; order, recalibration and budget do what they say."""

import numpy as np
import pytest

from hdl.config import ArrayConfig, PEConfig
from sim.int8.batches import run
from sim.int8.engines import Golden
from sim.int8.forward import LayerPlan, Runner, exact_plan
from sim.int8.inputs import Inputs
from sim.int8.layers import covered, layer_cycles
from sim.int8.paired import paired_loss
from sim.int8.planning import Planner, Wishes
from sim.int8.recalibrate import recalibrate
from sim.int8.reorder import arrange, costs, reorder
from sim.nbsmt import matmul

from .gates import Gates
from .int8_networks import small_images, small_network
from .rtl import products

PE = PEConfig(threads=2)


def codes(images):
    return (images ^ np.uint8(128)).view(np.int8)


def threaded(network, threads):
    return tuple(LayerPlan(threads=threads if free else 1) for free in covered(network))


def test_whole_network_equals_the_simulated_gates():
    network, x = small_network(), codes(small_images(1))
    config = ArrayConfig(rows=4, cols=4, pe=PE)
    plan = threaded(network, 2)
    both = []
    for engine in (Golden(config.pe), Gates(config)):
        seen = []
        output = Runner(network=network, engine=engine, plan=plan)(x, lambda s, seen=seen: seen.append(s.product))
        both.append((output, seen))
    np.testing.assert_array_equal(both[0][0], both[1][0])
    assert len(both[0][1]) == 5
    for golden, gates in zip(both[0][1], both[1][1], strict=True):
        np.testing.assert_array_equal(golden.sums, gates.sums)
        assert golden.counters == gates.counters
    assert sum(p.counters.reduced for p in both[0][1]) > 0


def test_layer_cycles_are_those_of_the_gates():
    network, x = small_network(), codes(small_images(1))
    config = ArrayConfig(rows=4, cols=4, pe=PE)
    seen = []
    Runner(network=network, engine=Golden(PE), plan=threaded(network, 2))(x, seen.append)
    for s in seen[1:4]:
        pairs = [(s.x, s.w, 2)]
        if s.layer.depthwise:
            pairs = [(np.ascontiguousarray(s.x[:, :, c]), s.w[:, c : c + 1], 1) for c in range(s.w.shape[1])]
        assert products(pairs, config).cycles == layer_cycles(s.layer, config, pairs[0][2])


def test_first_last_and_depthwise_layers_stay_exact():
    assert covered(small_network()) == (False, True, False, True, False)


@pytest.mark.parametrize("policy", ["S", "S+A", "S+Aw", "S+W", "S+aW"])
def test_pair_costs_are_the_counted_reductions(policy):
    rng = np.random.default_rng(1)
    x = (rng.integers(0, 256, (50, 2)) * (rng.random((50, 2)) < 0.6)).astype(np.uint8)
    w = rng.integers(-40, 40, (2, 7)).astype(np.int8)
    pe = PEConfig(threads=2, policy=policy)
    assert costs(x, w, pe, 2)[0, 1] == matmul(x, w, pe).counters.reduced


@pytest.mark.parametrize(("k", "threads"), [(12, 2), (13, 2), (16, 4), (13, 4), (14, 4)])
def test_arrangement_avoids_clashes(k, threads):
    # Neighbours of one family clash; there are enough families for every group to avoid it, though no group does so
    # before: the families lie as the threads' parts would take them.
    steps = -(-k // threads)
    family = np.arange(k) % steps % (steps // 2)
    cost = np.equal.outer(family, family).astype(float)
    order = arrange(cost, threads)
    assert sorted(order) == list(range(k))

    def clashes(order):
        groups = [[order[t * steps + s] for t in range(threads) if t * steps + s < k] for s in range(steps)]
        return sum(cost[a, b] for group in groups for i, a in enumerate(group) for b in group[:i])

    assert clashes(order) < clashes(np.arange(k))
    if threads == 2:
        assert clashes(order) == 0


def test_order_reduces_fewer_products_and_keeps_the_exact_result():
    rng = np.random.default_rng(2)
    wide = rng.random(40) < 0.5
    x = (rng.integers(0, 256, (4000, 40)) * (rng.random((4000, 40)) < np.where(wide, 0.9, 0.1))).astype(np.uint8)
    w = rng.integers(-128, 128, (40, 8)).astype(np.int8)
    found = reorder(x[:2000], w, PE, 2)
    assert found.after < 0.7 * found.before
    before, after = matmul(x[2000:], w, PE), matmul(x[2000:][:, found.order], w[found.order], PE)
    assert after.counters.reduced < 0.7 * before.counters.reduced
    assert after.counters.active == before.counters.active
    one = PEConfig()
    np.testing.assert_array_equal(
        matmul(x[:, found.order], w[found.order], one).sums, matmul(x, w, one).sums
    )
    assert reorder(x, w, PE, 1).order is None


def test_recalibration_gives_channels_their_means_back():
    network, x = small_network(), codes(small_images(64))
    plan = recalibrate(network, Golden(PE), threaded(network, 2), x)
    means = []
    for how in (exact_plan(network), threaded(network, 2), plan):
        seen = {}
        Runner(network=network, engine=Golden(PE), plan=how)(
            x, lambda s, seen=seen, how=how: seen.update({s.index: s.product.sums.mean(axis=0)
                                                if how[s.index].correction is None
                                                else s.product.sums.mean(axis=0) + how[s.index].correction})
        )
        means.append(seen)
    exact, plain, corrected = means
    assert np.abs(plain[1] - exact[1]).max() > 1
    for index in range(5):
        assert np.abs(corrected[index] - exact[index]).max() <= 0.5


def planner(budget, **wishes):
    network = small_network()
    x = codes(small_images(200))
    labels = run(Runner(network=network, engine=Golden(PE), plan=exact_plan(network)), x).argmax(axis=1)
    return Planner(
        network=network, engine=Golden(PEConfig(threads=4)), config=ArrayConfig(pe=PEConfig(threads=4)),
        wishes=Wishes(threads=4, budget=budget, **wishes), calibration=Inputs(x, labels), say=lambda text: None,
    )


def test_budget_slows_layers_down_until_it_holds():
    strict, generous = planner(0.0), planner(0.9)
    assert [p.threads for p in strict.plan()] == [1] * 5
    assert [p.threads for p in generous.plan()] == [1, 4, 1, 4, 1]
    some = planner(0.06, recalibrate=True)
    plan = some.plan()
    exact = some._answers(exact_plan(some.network))
    assert some._loss(exact, some._answers(plan))[1] <= 0.06


def test_batches_do_not_change_the_outputs():
    network, x = small_network(), codes(small_images(75))
    runner, told = Runner(network=network, engine=Golden(PE), plan=threaded(network, 2)), []
    found = run(runner, x, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(found, runner(x))
    assert told[-1] == (75, 75)
    assert len(told) == 3


def test_paired_interval():
    before, after = np.arange(100) < 90, np.arange(100) < 88
    found = paired_loss(before, after)
    assert found.loss == pytest.approx(0.02)
    assert found.low < 0.02 < found.high
    # Bonett and Price by hand: (3 - 1) / 102 +- 1.96 sqrt((4 / 102 - (2 / 102) ** 2) / 102).
    half = 1.959964 * ((4 / 102 - (2 / 102) ** 2) / 102) ** 0.5
    assert (found.low, found.high) == pytest.approx((2 / 102 - half, 2 / 102 + half))
    same = paired_loss(before, before)
    assert same.loss == 0
    assert same.low == -same.high < 0
