# SPDX-License-Identifier: Apache-2.0
"""Adapted weights: sums closer to the exact ones on rows never seen, nothing else changed; a wrong model is noticed."""

import numpy as np
import pytest

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerPlan, Runner, exact_plan
from sysmt.sim.nn.permutation import PADDING_SLOT, permuted
from sysmt.sim.quant import adapt as adaptation
from sysmt.sim.quant.adapt import adapt
from sysmt.sim.quant.layer_stats import RelativeErrors, planned_cycles
from sysmt.sim.quant.recalibrate import Recalibrator

from .int8_networks import small_images, small_network

SEEN = 1500


def operands(k=24, rows=2 * SEEN, columns=6):
    """Activations that tell of each other, as those of neighbouring pixels do; a third is zero."""
    rng = np.random.default_rng(5)
    common = rng.normal(size=(rows, 4)) @ rng.normal(size=(4, k)) + 0.3 * rng.normal(size=(rows, k))
    x = np.clip(40 + 60 * common, 0, 255).astype(np.uint8)
    w = rng.integers(-100, 101, (k, columns)).astype(np.int8)
    w[::7, 0] = 0
    return x, w


def apart(x, w, target, pe, threads):
    """Mean squared deviation on the rows that nothing was adapted on, the means left out."""
    off = matmul(x[SEEN:], w, pe, threads).sums - target[SEEN:].astype(np.float64)
    return float(off.var(axis=0).mean())


def improvement(policy, threads, permutation=None):
    x, w = operands()
    target = matmul(x, w, PEConfig()).sums
    if permutation is not None:
        x, w = permuted(x, permutation), np.ascontiguousarray(permuted(w.T, permutation).T)
    pe = PEConfig(threads=4, policy=policy)
    found = adapt(x[:SEEN], w, target[:SEEN], pe, threads)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found == 0, w == 0)
    return apart(x, found, target, pe, threads) / apart(x, w, target, pe, threads)


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("policy", ["W", "S+W", "S+aW"])
def test_sums_come_closer_on_rows_never_seen(policy, threads):
    assert improvement(policy, threads) < 0.6


@pytest.mark.parametrize("policy", ["S", "S+A", "S+Aw", "min"])
def test_squeezed_activations_lose_what_weights_cannot_give_back(policy):
    assert improvement(policy, 2) < 1


def test_operands_alone_make_up_for_the_others():
    permutation = np.full(32, PADDING_SLOT)
    permutation[:16] = np.arange(16)  # the first eight share their steps with the last eight, the others are alone
    permutation[16:24] = np.arange(16, 24)
    assert improvement("S+W", 2, permutation) < 0.3


def test_a_wrong_model_of_the_threads_is_noticed(monkeypatch):
    right = improvement("S+W", 4)
    side = adaptation._side
    # As if no other thread were ever zero.
    monkeypatch.setattr(adaptation, "_side", lambda x, pe, threads, mix: side(np.maximum(x, 1), pe, threads, mix))
    assert improvement("S+W", 4) > 1.2 * right


def test_plans_carry_adapted_weights_in_the_natural_order():
    network = small_network()
    x = (small_images(40) ^ np.uint8(128)).view(np.int8)
    config = ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=2, policy="S+aW"))
    engine = Golden(config.pe)
    permutation = np.random.default_rng(6).permutation(np.concatenate([np.arange(72), np.full(8, PADDING_SLOT)]))
    plan = tuple(LayerPlan(threads=2, permutation=permutation) if i == 1 else LayerPlan() for i in range(5))
    biases, both = (Recalibrator(network, engine, x, weights)(plan) for weights in (False, True))
    assert all(layer.weights is None for layer in biases)
    assert [layer.weights is not None for layer in both] == [False, True, False, False, False]
    moved = both[1].weights.astype(int) - network.linears[1].weights
    assert 0 < np.abs(moved).max() <= adaptation.REACH
    np.testing.assert_array_equal(both[1].natural(both[1].permuted(both[1].weights)), both[1].weights)
    assert planned_cycles(network.linears[1], config, both[1]) == planned_cycles(network.linears[1], config, plan[1])
    # What the report calls the error of a layer is against the model's own weights.
    seen = RelativeErrors(network, engine)
    one = tuple(LayerPlan(weights=layer.weights) for layer in both)
    Runner(network=network, engine=engine, plan=one)(x, seen)
    assert seen.relative[1] > 0
    seen = RelativeErrors(network, engine)
    Runner(network=network, engine=engine, plan=exact_plan(network))(x, seen)
    assert seen.relative[1] == 0
