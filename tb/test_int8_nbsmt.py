# SPDX-License-Identifier: Apache-2.0
"""NB-SMT on whole networks: equal to the simulated RTL; order, recalibration and budget do what they log."""

import numpy as np
import pytest

from sysmt.hdl.params.array import ArrayConfig, PEConfig
from sysmt.sim.cosim.engine import RtlEngine
from sysmt.sim.cosim.rtl import products
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.nn.batches import run
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerPlan, Runner, exact_plan, threaded, threaded_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.layer import MatrixProducts
from sysmt.sim.nn.network import build
from sysmt.sim.nn.permutation import PADDING_SLOT
from sysmt.sim.nn.readers.tflite import parse
from sysmt.sim.quant.accuracy_drop import expected_drop, labelled_drop
from sysmt.sim.quant.attribution import attribute
from sysmt.sim.quant.layer_stats import LayerStats, planned_cycles
from sysmt.sim.quant.options import Options
from sysmt.sim.quant.paired import paired_drop
from sysmt.sim.quant.recalibrate import Recalibrator
from sysmt.sim.quant.search import Planner

from .int8_networks import small_images, small_network
from .tflite_models import ModelBuilder

PE = PEConfig(threads=2)


def codes(images):
    return (images ^ np.uint8(128)).view(np.int8)


def with_padding_slots(network, threads):
    """Threaded layers in a random order with padding slots: steps with any number of operands."""
    rng = np.random.default_rng(4)
    plan = []
    for layer, may in zip(network.linears, threaded(network), strict=True):
        k = len(layer.weights)
        slots = (-(-k // threads) + k // 4) * threads
        permutation = rng.permutation(np.concatenate([np.arange(k), np.full(slots - k, PADDING_SLOT)]))
        plan.append(LayerPlan(threads=threads, permutation=permutation) if may else LayerPlan())
    return tuple(plan)


@pytest.mark.parametrize(("threads", "plan"), [(2, threaded_plan), (4, with_padding_slots)])
def test_whole_network_equals_the_simulated_rtl(threads, plan):
    network, x = small_network(), codes(small_images(1))
    config = ArrayConfig(rows=4, cols=8 // threads, pe=PEConfig(threads=threads))
    both = []
    for engine in (Golden(config.pe), RtlEngine(config)):
        seen = []
        runner = Runner(network=network, engine=engine, plan=plan(network, threads))
        both.append((runner(x, lambda s, seen=seen: seen.append(s.product)), seen))
    np.testing.assert_array_equal(both[0][0], both[1][0])
    assert len(both[0][1]) == 5
    for golden, rtl in zip(both[0][1], both[1][1], strict=True):
        np.testing.assert_array_equal(golden.sums, rtl.sums)
        assert golden.counters == rtl.counters
    assert sum(p.counters.reduced for p in both[0][1]) > 0


def test_a_channel_with_two_filters_is_one_product_two_columns_wide():
    rng = np.random.default_rng(7)
    model = ModelBuilder()
    x = model.tensor((1, 5, 5, 3), scale=0.05, zero=-128)
    w = model.constant(rng.integers(-127, 128, (1, 3, 3, 6)).astype(np.int8), np.full(6, 0.002), axis=3)
    y = model.tensor((1, 5, 5, 6), scale=0.05, zero=-128)
    options = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1, "DepthMultiplier": 2}
    model.node("DEPTHWISE_CONV_2D", [x, w], y, **options)
    network = build(parse(model.content([x], [y])))
    config = ArrayConfig(rows=4, cols=4, pe=PE)
    rtl = RtlEngine(config)
    inputs = codes(rng.integers(0, 256, (1, 5, 5, 3)).astype(np.uint8))
    runs = [
        Runner(network=network, engine=engine, plan=exact_plan(network)).traced(inputs) for engine in (Golden(PE), rtl)
    ]
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert runs[0][1][0].product.counters == runs[1][1][0].product.counters
    (linear,) = network.linears
    assert linear.layer.products == MatrixProducts(3, 25, 9, 2)
    assert rtl.cycles == planned_cycles(linear, config) == RtlCycles(config, 1).layer_cycles(linear.layer)


@pytest.mark.parametrize("plan", [threaded_plan, with_padding_slots])
def test_layer_cycles_are_those_of_the_rtl(plan):
    network, x = small_network(), codes(small_images(1))
    config = ArrayConfig(rows=4, cols=4, pe=PE)
    seen = []
    Runner(network=network, engine=Golden(PE), plan=plan(network, 2))(x, seen.append)
    for s in seen[1:4]:
        pairs = [(s.x, s.w, 2)]
        if s.linear.depthwise:
            pairs = [(np.ascontiguousarray(s.x[:, :, c]), s.w[:, c : c + 1], 1) for c in range(s.w.shape[1])]
        assert products(pairs, config).cycles == planned_cycles(s.linear, config, s.plan)


def test_padding_slots_change_nothing_on_one_thread():
    network, x = small_network(), codes(small_images(3))
    one = tuple(LayerPlan(threads=1, permutation=layer.permutation) for layer in with_padding_slots(network, 2))
    found = [Runner(network=network, engine=Golden(PE), plan=plan)(x) for plan in (exact_plan(network), one)]
    np.testing.assert_array_equal(*found)


def test_first_last_and_depthwise_layers_stay_exact():
    assert threaded(small_network()) == (False, True, False, True, False)


def test_recalibration_gives_channels_their_means_back():
    network, x = small_network(), codes(small_images(64))
    plan = Recalibrator(network, Golden(PE), x)(threaded_plan(network, 2))
    means = []
    for how in (exact_plan(network), threaded_plan(network, 2), plan):
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


def planner(budget, threads=4, policy="S+A", calibration=None, **options):
    network = small_network()
    if calibration is None:
        x = codes(small_images(200))
        labels = run(Runner(network=network, engine=Golden(PE), plan=exact_plan(network)), x).argmax(axis=1)
        calibration = Inputs(x, labels)
    pe = PEConfig(threads=threads, policy=policy)
    return Planner(
        network=network,
        engine=Golden(pe),
        config=ArrayConfig(pe=pe, rows=4, cols=4),
        options=Options(budget=budget, **options),
        calibration=calibration,
        log=lambda text: None,
    )


@pytest.mark.parametrize("policy", ["S+A", "A"])
@pytest.mark.parametrize("options", [{}, {"reorder": True, "recalibrate": True}])
def test_budget_slows_layers_down_until_it_holds(policy, options):
    strict, generous = planner(0.0, policy=policy, **options), planner(0.9, policy=policy, **options)
    plan = strict.plan()
    assert strict.candidates.speedup(plan) < generous.candidates.speedup(generous.plan())
    # Operand by operand, where they can be reordered; else by whole layers.
    if not strict.candidates.reorderers:
        assert [p.threads for p in plan] != [p.threads for p in generous.plan()]
    assert strict.keeps_budget(plan)
    assert [p.threads for p in generous.plan()] == [1, 4, 1, 4, 1]


@pytest.mark.parametrize("known", [True, False])
def test_mirror_images_validate_where_the_exact_network_is_right_about_them(known):
    some = planner(0.01)
    runner = Runner(network=some.network, engine=some.engine, plan=exact_plan(some.network))
    values = codes(small_images(4000))
    answers, mirrored = (run(runner, x).argmax(axis=1) for x in (values, np.ascontiguousarray(values[:, :, ::-1])))
    values, answers = (each[(answers == mirrored) == known][:40] for each in (values, answers))
    assert len(values) > 20
    validator = planner(0.01, calibration=Inputs(values, answers)).validator
    validation = values[-(-len(values) // 2) :]
    wanted = np.concatenate([validation, validation[:, :, ::-1]]) if known else validation
    np.testing.assert_array_equal(validator.inputs.values, wanted)
    assert len(validator.inputs.labels) == len(wanted)
    assert validator.views == 1 + known
    # Without labels nobody knows.
    unlabelled = planner(0.01, calibration=Inputs(values, None)).validator
    np.testing.assert_array_equal(unlabelled.inputs.values, validation)


def test_a_budget_is_kept_with_steps_of_their_own_for_some_operands():
    some = planner(0.01, reorder=True, recalibrate=True)
    plan = some.plan()
    # Inputs that no plan was made from: at most half of them made it, in any case the first.
    validation = some.validation
    np.testing.assert_array_equal(some.planning.values, codes(small_images(200))[:100])
    np.testing.assert_array_equal(validation.values, codes(small_images(200))[100:])
    exact, scores = (
        run(Runner(network=some.network, engine=some.engine, plan=how), validation.values)
        for how in (exact_plan(some.network), plan)
    )
    scale = float(some.network.output.scale[0])
    assert 0 < expected_drop(exact, scores, scale).bound(1.645) <= 0.01
    assert labelled_drop(exact, scores, validation.labels).bound(1) <= 0.01
    cycles = [
        sum(some.candidates.cycles(index, how) for index, how in enumerate(kind))
        for kind in (exact_plan(some.network), plan, some.candidates.plan())
    ]
    assert cycles[0] > cycles[1] > cycles[2]
    assert any(p.permutation is not None and (p.permutation == PADDING_SLOT).sum() > 1 for p in plan)


def test_statistics_leave_padding_slots_out():
    network, x = small_network(), codes(small_images(3))
    seen = []
    for plan in (threaded_plan(network, 2), with_padding_slots(network, 2)):
        seen.append(LayerStats(network))
        Runner(network=network, engine=Golden(PE), plan=plan)(x, seen[-1])
    assert seen[0].operands == seen[1].operands
    # The first threaded layer reads the same activations either way.
    assert (seen[0].zeros[1], seen[0].narrow[1]) == (seen[1].zeros[1], seen[1].narrow[1])


def test_changed_answers_have_a_layer_behind_them():
    network, x = small_network(), codes(small_images(800))
    golden, plan = Golden(PEConfig(threads=4, policy="min")), threaded_plan(network, 4)
    exact, after = (
        run(Runner(network=network, engine=golden, plan=how), x).argmax(axis=1) for how in (exact_plan(network), plan)
    )
    changed = np.flatnonzero(exact != after)
    assert len(changed) > 2
    found = attribute(network, golden, plan, x, exact, changed)
    assert [reason["input"] for reason in found] == changed[: len(found)].tolist()
    assert any(reason["layers"] for reason in found)
    for reason in found:
        for index, layer in enumerate(network.linears):
            repaired = (*plan[:index], LayerPlan(), *plan[index + 1 :])
            one = x[reason["input"] : reason["input"] + 1]
            answer = Runner(network=network, engine=golden, plan=repaired)(one).argmax()
            assert (answer == reason["exact"]) == (layer.name in reason["layers"]) or plan[index].threads == 1


def test_batches_do_not_change_the_outputs():
    network, x = small_network(), codes(small_images(75))
    runner, told = Runner(network=network, engine=Golden(PE), plan=threaded_plan(network, 2)), []
    found = run(runner, x, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(found, runner(x))
    assert told[-1] == (75, 75)
    assert len(told) == 3


def test_paired_interval():
    before, after = np.arange(100) < 90, np.arange(100) < 88
    found = paired_drop(before, after)
    assert found.drop == pytest.approx(0.02)
    assert found.low < 0.02 < found.high
    # Bonett and Price by hand: (3 - 1) / 102 +- 1.96 sqrt((4 / 102 - (2 / 102) ** 2) / 102).
    half = 1.959964 * ((4 / 102 - (2 / 102) ** 2) / 102) ** 0.5
    assert (found.low, found.high) == pytest.approx((2 / 102 - half, 2 / 102 + half))
    same = paired_drop(before, before)
    assert same.drop == 0
    assert same.low == -same.high < 0
