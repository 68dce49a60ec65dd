# SPDX-License-Identifier: Apache-2.0
"""The digits network: the training's reproducibility, the stored weights, and the demonstration."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.sim.cosim.digits import compare
from sysmt.sim.cosim.rtl import emitted_array
from sysmt.sim.golden.product import Counters, Product
from sysmt.sim.nn.digits import data, train
from sysmt.sim.nn.digits.network import load
from sysmt.sim.nn.digits.training import Adam, Parameters, Recipe, activations, exact_product, gradients, initial
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan, threaded, threaded_plan
from sysmt.sim.quant import digits_figure
from sysmt.sim.quant.digits import sweep


@pytest.fixture(scope="module")
def test_set():
    return data.load()[1]


def test_split_keeps_the_sets_apart():
    training, test = data.load()
    assert (len(training), len(test)) == (1297, 500)
    assert training.pixels.shape[1:] == (8, 8, 1)
    assert training.pixels.max() == 16
    assert set(test.labels) == set(range(10))


def test_training_products_are_exact_in_any_order():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(6, 4096)), rng.normal(size=(4096, 5))
    order = rng.permutation(4096)
    found = exact_product(a, b)
    np.testing.assert_array_equal(found, exact_product(a[:, order], b[order]))
    np.testing.assert_allclose(found, a @ b, atol=1e-3)
    with pytest.raises(ValueError, match=r"^depth must be at most 8192, not 8193$"):
        exact_product(np.ones((1, 8193)), np.ones((8193, 1)))


def test_gradients_are_the_slopes_of_the_loss():
    training, _ = data.load()
    few = training[:3]
    parameters = initial(np.random.RandomState(3))
    found = gradients(parameters, few)

    def loss():
        scores = activations(parameters, few.pixels)[-1].reshape(len(few), 10)
        return ((scores - np.eye(10)[few.labels]) ** 2).sum() / (2 * len(few))

    for layer, gradient in zip(parameters, found, strict=True):
        for values, slopes in ((layer.weights, gradient.weights), (layer.bias, gradient.bias)):
            steepest = np.unravel_index(np.abs(slopes).argmax(), slopes.shape)
            kept = values[steepest]
            values[steepest] = kept + 1e-3
            above = loss()
            values[steepest] = kept - 1e-3
            below = loss()
            values[steepest] = kept
            assert (above - below) / 2e-3 == pytest.approx(slopes[steepest], rel=0.02)


def test_adam_first_step_is_the_rate():
    value = np.array([1.0, -1.0])
    Adam(value).step(np.array([0.5, -3.0]), rate=0.125, decay=0.0)
    np.testing.assert_allclose(value, [0.875, -0.875], atol=1e-6)


@pytest.mark.regress
def test_stored_weights_are_reproduced_byte_for_byte():
    # In a process of its own with one thread: quick on a busy machine, and another order of summation than usual.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-m", "sysmt.sim.nn.digits.train", "--check"]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("weights.npz: reproduced byte for byte")


def test_check_notices_other_weights_and_writing_replaces_them(tmp_path, monkeypatch, capsys):
    few = data.load()[0][:128]
    monkeypatch.setattr(train, "load", lambda: (few, few))
    monkeypatch.setattr(train, "Recipe", lambda: Recipe(epochs=1))
    monkeypatch.setattr(train, "WEIGHTS", tmp_path / "weights.npz")
    assert train.main(["--check"]) == 1
    assert "differs from what training gives" in capsys.readouterr().err
    assert train.main([]) == 0
    assert train.main(["--check"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["weights.npz"]


def exact_run(images):
    network = load()
    return Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network)).traced(images.pixels)


def test_accuracy_on_images_never_seen(test_set):
    network, (exact, _) = load(), exact_run(test_set)
    assert np.mean(exact.argmax(axis=1) == test_set.labels) >= 0.975
    for threads in (2, 4):
        engine = Golden(PEConfig(threads=threads))
        runner = Runner(network=network, engine=engine, plan=threaded_plan(network, threads))
        scores, traces = runner.traced(test_set.pixels)
        assert np.mean(scores.argmax(axis=1) == test_set.labels) >= 0.975
        assert (scores != exact).any()
        assert [trace.product.counters.reduced > 0 for trace in traces] == [False, True, True, False]


def test_layers_are_deep_enough_to_fill_the_threads():
    network = load()
    assert threaded(network) == (False, True, True, False)
    for linear, may in zip(network.linears, threaded(network), strict=True):
        assert linear.weights.dtype == np.int8
        assert linear.weights.shape[0] >= 64 or not may


def test_integers_follow_the_trained_network(test_set):
    # Quantisation, biases and requantisation together: scores must be those of real arithmetic on the same weights.
    few = test_set[:50]
    scale, real = 1 / 16, []
    for linear in load().linears:
        ratio, bias = linear.requantize.scale, linear.requantize.bias
        real.append(Parameters(linear.weights * ratio, bias * ratio))
    pixels = few.pixels.astype(np.float64) / scale  # `activations` divides by 16
    scores = activations(real, pixels)[-1].reshape(len(few), 10)
    found, _ = exact_run(few)
    assert np.abs(found - scores).max() < 0.02 * np.abs(scores).max()
    assert np.corrcoef(found.ravel(), scores.ravel())[0, 1] > 0.9995


def test_any_engine_can_be_plugged_in(test_set):
    asked = []

    class Plain:
        takes_zero = False

        def product(self, x, w, threads, zero):
            assert zero == 0
            asked.append((threads, x.dtype, x.shape, w.shape))
            return Product(x.astype(np.int32) @ w.astype(np.int32), Counters())

    network, few = load(), test_set[:5]
    scores = Runner(network=network, engine=Plain(), plan=threaded_plan(network, 2))(few.pixels)
    assert asked == [
        (1, np.uint8, (5 * 64, 9), (9, 16)),
        (2, np.uint8, (5 * 64, 144), (144, 16)),
        (2, np.uint8, (5 * 16, 144), (144, 32)),
        (1, np.uint8, (5, 512), (512, 10)),
    ]
    assert (scores.shape, scores.dtype) == ((5, 10), np.int64)
    np.testing.assert_array_equal(scores, exact_run(few)[0])


def test_the_simulated_array_is_compared_layer_by_layer(test_set, monkeypatch):
    config = ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=2))
    few = test_set[:1]
    found = compare(load(), few.pixels, config, emitted_array(config))
    assert found.agrees
    assert found.layers_equal == 4
    assert 0 < found.threaded_cycles < found.cycles == found.formula_cycles
    np.testing.assert_array_equal(found.classes, found.scores.argmax(axis=1))
    # A golden model that is off is noticed, layer by layer.
    right = Golden.product
    monkeypatch.setattr(Golden, "product", lambda self, x, w, *more: right(self, x | 1, w, *more))
    other = compare(load(), few.pixels, config, emitted_array(config))
    assert not other.agrees
    assert other.layers_equal == 0


def test_sweep_and_picture(test_set, tmp_path):
    few = test_set[:40]
    outcomes = list(sweep(few))
    assert [(o.threads, o.policy) for o in outcomes] == [(1, "")] + [(t, p) for t in (2, 4) for p in POLICIES]
    one, *others = outcomes
    assert one.score_error == one.reduced_share == 0
    for outcome in others:
        assert outcome.score_error > 0
        assert 0 < outcome.reduced_share <= 1
        assert outcome.utilisation > one.utilisation
    by_name = {(o.threads, o.policy): o for o in others}
    for threads in (2, 4):
        assert by_name[threads, "min"].reduced_share == 1
        assert by_name[threads, "S+A"].score_error < by_name[threads, "A"].score_error
        assert by_name[threads, "S+A"].reduced_share < by_name[threads, "S"].reduced_share
    assert one.as_dict()["active"] == one.counters.active

    digits_figure.draw(outcomes, len(few), tmp_path / "policies.png")
    again = [dataclasses.replace(o) for o in outcomes]
    digits_figure.draw(again, len(few), tmp_path / "again.png")
    content = (tmp_path / "policies.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "again.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(UserError, match=r"^output '.*policies.png' cannot be written: Not a directory|File exists"):
        digits_figure.draw(outcomes, len(few), tmp_path / "policies.png" / "inside.png")
