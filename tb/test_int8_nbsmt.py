# SPDX-License-Identifier: Apache-2.0
"""NB-SMT on whole networks: equal to the simulated gates; order, recalibration and budget do what they say."""

from dataclasses import replace

import numpy as np
import pytest

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cosim.engine import Gates
from sysmt.sim.cosim.rtl import products
from sysmt.sim.nn.batches import run
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerPlan, Runner, exact_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.k_order import HOLE
from sysmt.sim.quant.accuracy_drop import expected_loss, labelled_loss
from sysmt.sim.quant.attribution import reasons
from sysmt.sim.quant.layer_stats import Census, covered, layer_cycles
from sysmt.sim.quant.paired import paired_loss
from sysmt.sim.quant.recalibrate import Recalibrator
from sysmt.sim.quant.search import Planner, Wishes

from .int8_networks import small_images, small_network

PE = PEConfig(threads=2)


def codes(images):
    return (images ^ np.uint8(128)).view(np.int8)


def threaded(network, threads):
    return tuple(LayerPlan(threads=threads if free else 1) for free in covered(network))


def with_holes(network, threads):
    """Covered layers in a random order with holes: steps with one operand and, on four threads, with any number."""
    rng = np.random.default_rng(4)
    plan = []
    for layer, free in zip(network.layers, covered(network), strict=True):
        k = len(layer.weights)
        places = (-(-k // threads) + k // 4) * threads
        order = rng.permutation(np.concatenate([np.arange(k), np.full(places - k, HOLE)]))
        plan.append(LayerPlan(threads=threads, order=order) if free else LayerPlan())
    return tuple(plan)


@pytest.mark.parametrize(("threads", "plan"), [(2, threaded), (2, with_holes), (4, with_holes)])
def test_whole_network_equals_the_simulated_gates(threads, plan):
    network, x = small_network(), codes(small_images(1))
    config = ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=threads))
    both = []
    for engine in (Golden(config.pe), Gates(config)):
        seen = []
        runner = Runner(network=network, engine=engine, plan=plan(network, threads))
        both.append((runner(x, lambda s, seen=seen: seen.append(s.product)), seen))
    np.testing.assert_array_equal(both[0][0], both[1][0])
    assert len(both[0][1]) == 5
    for golden, gates in zip(both[0][1], both[1][1], strict=True):
        np.testing.assert_array_equal(golden.sums, gates.sums)
        assert golden.counters == gates.counters
    assert sum(p.counters.reduced for p in both[0][1]) > 0


@pytest.mark.parametrize("plan", [threaded, with_holes])
def test_layer_cycles_are_those_of_the_gates(plan):
    network, x = small_network(), codes(small_images(1))
    config = ArrayConfig(rows=4, cols=4, pe=PE)
    seen = []
    Runner(network=network, engine=Golden(PE), plan=plan(network, 2))(x, seen.append)
    for s in seen[1:4]:
        pairs = [(s.x, s.w, 2)]
        if s.layer.depthwise:
            pairs = [(np.ascontiguousarray(s.x[:, :, c]), s.w[:, c : c + 1], 1) for c in range(s.w.shape[1])]
        assert products(pairs, config).cycles == layer_cycles(s.layer, config, s.plan)


def test_an_order_with_holes_changes_nothing_on_one_thread():
    network, x = small_network(), codes(small_images(3))
    one = tuple(LayerPlan(threads=1, order=layer.order) for layer in with_holes(network, 2))
    found = [Runner(network=network, engine=Golden(PE), plan=plan)(x) for plan in (exact_plan(network), one)]
    np.testing.assert_array_equal(*found)


def test_first_last_and_depthwise_layers_stay_exact():
    assert covered(small_network()) == (False, True, False, True, False)


def test_recalibration_gives_channels_their_means_back():
    network, x = small_network(), codes(small_images(64))
    plan = Recalibrator(network, Golden(PE), x)(threaded(network, 2))
    means = []
    for how in (exact_plan(network), threaded(network, 2), plan):
        seen = {}
        Runner(network=network, engine=Golden(PE), plan=how)(
            x,
            lambda s, seen=seen, how=how: seen.update(
                {
                    s.index: s.product.sums.mean(axis=0)
                    if how[s.index].correction is None
                    else s.product.sums.mean(axis=0) + how[s.index].correction
                }
            ),
        )
        means.append(seen)
    exact, plain, corrected = means
    assert np.abs(plain[1] - exact[1]).max() > 1
    for index in range(5):
        assert np.abs(corrected[index] - exact[index]).max() <= 0.5


def planner(budget, threads=4, policy="S+A", **wishes):
    network = small_network()
    x = codes(small_images(200))
    labels = run(Runner(network=network, engine=Golden(PE), plan=exact_plan(network)), x).argmax(axis=1)
    pe = PEConfig(threads=threads, policy=policy)
    return Planner(
        network=network,
        engine=Golden(pe),
        config=ArrayConfig(pe=pe, rows=4, cols=4),
        wishes=Wishes(threads=threads, budget=budget, **wishes),
        calibration=Inputs(x, labels),
        say=lambda text: None,
    )


@pytest.mark.parametrize("policy", ["S+A", "A"])
@pytest.mark.parametrize("wishes", [{}, {"reorder": True, "recalibrate": True}])
def test_budget_slows_layers_down_until_it_holds(policy, wishes):
    strict, generous = planner(0.0, policy=policy, **wishes), planner(0.9, policy=policy, **wishes)
    plan = strict.plan()
    assert [p.threads for p in plan] != [p.threads for p in generous.plan()]
    assert strict._keeps(plan)
    assert [p.threads for p in generous.plan()] == [1, 4, 1, 4, 1]


@pytest.mark.parametrize("known", [True, False])
def test_mirror_images_judge_where_the_exact_network_is_right_about_them(known):
    some = planner(0.01)
    runner = Runner(network=some.network, engine=some.engine, plan=exact_plan(some.network))
    values = codes(small_images(4000))
    answers, mirrored = (run(runner, x).argmax(axis=1) for x in (values, np.ascontiguousarray(values[:, :, ::-1])))
    values, answers = (each[(answers == mirrored) == known][:40] for each in (values, answers))
    assert len(values) > 20
    some = replace(some, calibration=Inputs(values, answers))
    held = values[-(-len(values) // 2) :]
    wanted = np.concatenate([held, held[:, :, ::-1]]) if known else held
    np.testing.assert_array_equal(some._judging.values, wanted)
    assert len(some._judging.labels) == len(wanted)
    # Without labels nobody knows.
    np.testing.assert_array_equal(replace(some, calibration=Inputs(values, None))._judging.values, held)


def test_a_budget_is_kept_with_steps_of_their_own_for_some_operands():
    some = planner(0.01, reorder=True, recalibrate=True)
    plan = some.plan()
    # Inputs that no plan was made from: at most half of them made it, in any case the first.
    judging = some.calibration[100:]
    exact, scores = (
        run(Runner(network=some.network, engine=some.engine, plan=how), judging.values)
        for how in (exact_plan(some.network), plan)
    )
    scale = float(some.network.output.scale[0])
    assert 0 < expected_loss(exact, scores, scale).bound(1.645) <= 0.01
    assert labelled_loss(exact, scores, judging.labels).bound(1) <= 0.01
    cycles = [
        sum(layer_cycles(layer, some.config, how) for layer, how in zip(some.network.layers, kind, strict=True))
        for kind in (exact_plan(some.network), plan, some._at(np.inf))
    ]
    assert cycles[0] > cycles[1] > cycles[2]
    assert any(p.order is not None and (p.order == HOLE).sum() > 1 for p in plan)


def test_census_leaves_holes_out():
    network, x = small_network(), codes(small_images(3))
    seen = []
    for plan in (threaded(network, 2), with_holes(network, 2)):
        seen.append(Census(network))
        Runner(network=network, engine=Golden(PE), plan=plan)(x, seen[-1])
    assert seen[0].operands == seen[1].operands
    # The first covered layer reads the same activations either way.
    assert (seen[0].zeros[1], seen[0].narrow[1]) == (seen[1].zeros[1], seen[1].narrow[1])


def test_changed_answers_have_a_layer_behind_them():
    network, x = small_network(), codes(small_images(800))
    golden, plan = Golden(PEConfig(threads=4, policy="min")), threaded(network, 4)
    exact, after = (
        run(Runner(network=network, engine=golden, plan=how), x).argmax(axis=1) for how in (exact_plan(network), plan)
    )
    changed = np.flatnonzero(exact != after)
    assert len(changed) > 2
    found = reasons(network, golden, plan, x, exact, changed)
    assert [reason["input"] for reason in found] == changed[: len(found)].tolist()
    assert any(reason["layers"] for reason in found)
    for reason in found:
        for index, layer in enumerate(network.layers):
            repaired = (*plan[:index], LayerPlan(), *plan[index + 1 :])
            one = x[reason["input"] : reason["input"] + 1]
            answer = Runner(network=network, engine=golden, plan=repaired)(one).argmax()
            assert (answer == reason["exact"]) == (layer.name in reason["layers"]) or plan[index].threads == 1


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
