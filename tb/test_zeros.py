# SPDX-License-Identifier: Apache-2.0
"""Predictors of zeros: patterns, training, what is chosen, what is left out of a network, and what the array saves."""

import json
from dataclasses import replace
from math import ceil

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model, read_model
from sysmt.sim.quant.zeros.choice import NOTHING, Option, by_neighbours, by_threshold, by_truth, chosen, frontier
from sysmt.sim.quant.zeros.patterns import PATTERNS, diagonal, neighbours, pattern
from sysmt.sim.quant.zeros.predictor import train
from sysmt.sim.quant.zeros.saving import saving
from sysmt.sim.quant.zeros.sites import masked, outputs_at, sites
from sysmt.sim.quant.zeros.study import METHODS, Settings, study

from .int8_networks import small_content, small_images, small_network

ARRAY = ArrayConfig(rows=4, cols=4)


def blobs(count: int, side: int, channels: int, seed: int) -> np.ndarray:
    """Outputs with what predictors need: zeros lie together."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 100, (count, side // 4, side // 4, channels)) * (rng.random((count, 1, 1, channels)) < 0.9)
    coarse = coarse * (rng.random(coarse.shape) < 0.5)
    return np.kron(coarse, np.ones((1, 4, 4, 1), int)).astype(np.int16)


def test_patterns_compute_their_share():
    shares = {number: pattern(number, (30, 30)).mean() for number in PATTERNS}
    assert shares[5] == 0.5
    for number, share in {6: 3 / 5, 7: 2 / 3, 8: 3 / 4, 9: 7 / 9, 10: 8 / 9}.items():
        assert shares[number] == pytest.approx(share)
        assert shares[10 - number] == pytest.approx(1 - share)
    np.testing.assert_array_equal(pattern(5, (2, 3)), [[True, False, True], [False, True, False]])
    with pytest.raises(UserError, match=r"^pattern must be one of 0, 1, .*, not 11"):
        pattern(11, (4, 4))


@pytest.mark.parametrize("window", [2, 3, 4])
def test_neighbours_by_hand(window):
    """Window by window, as it is said."""
    rng = np.random.default_rng(window)
    values = rng.integers(0, 3, (2, 7, 9, 3)) * (rng.random((2, 7, 9, 3)) < 0.4)
    expected = np.zeros(values.shape, bool)
    for b, i, j, c in np.ndindex(2, ceil(7 / window), ceil(9 / window), 3):
        part = values[b, i * window : (i + 1) * window, j * window : (j + 1) * window, c]
        on = np.eye(window, dtype=bool)[: part.shape[0], : part.shape[1]]
        expected[b, i * window : (i + 1) * window, j * window : (j + 1) * window, c] = (not part[on].any()) & ~on
    np.testing.assert_array_equal(neighbours(values, window), expected)
    assert expected.any()


def test_a_trained_predictor_tells_zeros():
    """Where zeros lie together, and better than chance by far; it looks at computed pixels alone."""
    computed = pattern(5, (16, 16))
    predictor = train(blobs(24, 16, 4, 1), computed)
    values = blobs(16, 16, 4, 2)
    scores = predictor.scores(values)
    assert np.isinf(scores[:, computed]).all()
    hidden = scores[:, ~computed]
    right = (hidden > 0.5) == (values[:, ~computed] > 0)
    assert right.mean() > 0.9
    other = values * computed[..., None] + 77 * ~computed[..., None]
    np.testing.assert_array_equal(predictor.scores(other), scores)
    np.testing.assert_array_equal(train(blobs(24, 16, 4, 1), computed).scores(values), scores)


def test_options_count_what_they_save_and_lose():
    site = sites(small_network())[0]
    values = blobs(8, 16, 8, 3)
    for options in (
        by_threshold(site, train(values, pattern(5, (16, 16))), values),
        by_neighbours(site, values),
        by_truth(site, values),
    ):
        assert options[0] is NOTHING
        for option in options[1:]:
            left_out = option.mask(values)
            assert option.saved == pytest.approx(site.macs * left_out.sum() / 8)
            assert option.loss == pytest.approx(values[left_out].sum() / values.sum())
    assert by_truth(site, values)[1].loss == 0


def test_the_frontier_goes_from_cautious_to_bold():
    def option(saved, loss):
        return Option(saved, saved, loss, lambda v: v == 0)

    options = [[NOTHING, option(10, 0.01), option(12, 0.5)], [NOTHING, option(100, 0.02), option(110, 0.03)]]
    assert [o.saved for o in chosen(options, 0.0)] == [12, 110]
    assert [o.saved for o in chosen(options, 1e9)] == [0, 0]
    assert [o.saved for o in chosen(options, 900)] == [10, 110]
    found = [sum(o.loss for o in choice) for choice in frontier(options, 8)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(0.53)
    assert frontier([[NOTHING]], 3) == []


def test_sites_are_what_a_relu_follows():
    """Of the small network: three convolutions with a ReLU of their own; the last one's ADD has none."""
    found = sites(Model(small_network()).network)
    assert [(site.layer, site.shape, site.zero, site.macs) for site in found] == [
        (0, (6, 6, 8), -128, 27),
        (1, (6, 6, 8), -128, 72),
        (2, (6, 6, 8), -128, 9),
        (3, (6, 6, 8), -128, 8),
    ]


def test_sites_of_the_digits():
    assert [(site.name, site.zero) for site in sites(read_model("digits").network)] == [
        ("conv1", 0),
        ("conv2", 0),
        ("conv3", 0),
    ]


def test_a_masked_network_computes_with_zeros():
    """What is left out is zero for everything behind, and nothing else changes."""
    network = small_network()
    place = sites(network)[1]
    inputs = (small_images(4) ^ np.uint8(128)).view(np.int8)

    def outputs(which):
        found = {}
        runner = Runner(network=which, engine=Golden(PEConfig(), counting=False), plan=exact_plan(which))
        result = runner(inputs, tensors=lambda step, values: found.setdefault(step.kind, []).append(values.copy()))
        return result, found

    exact, before = outputs(network)
    same, _ = outputs(masked(network, {place: lambda v: v == 0}))
    np.testing.assert_array_equal(same, exact)
    changed, after = outputs(masked(network, {place: lambda v: np.arange(v.size).reshape(v.shape) % 2 == 0}))
    (zeroed,) = after["PREDICTED_ZEROS"]
    values = outputs_at(place, zeroed)
    assert not values.reshape(-1)[::2].any()
    kept = outputs_at(place, before["CONV_2D"][1]).reshape(-1)[1::2]
    np.testing.assert_array_equal(values.reshape(-1)[1::2], kept)
    assert not np.array_equal(changed, exact)


def test_what_the_array_saves_by_hand():
    """8 channels on 4 columns: a row goes only where all four outputs are predicted zero; the rest fills up tiles."""
    linear = small_network().linears[1]
    computed = pattern(5, (6, 6))
    values = np.ones((2, 6, 6, 8), np.int16)
    left_out = np.zeros(values.shape, bool)
    left_out[0, :, :, :4] = ~computed[..., None]  # all that may go, of one group of channels
    left_out[1, :, :, 4] = ~computed  # one channel of another: no row goes
    found = saving(len(linear.weights), False, values, left_out, computed, ARRAY)
    steps, first, rest = len(linear.weights), ceil(18 / 4), ceil(18 / 4)
    tiles = (first + 0) + 3 * (first + rest)
    assert found.cycles - ARRAY.latency == tiles * max(steps, ARRAY.tile_cycles(steps))
    assert found.cycles_exact - ARRAY.latency == 4 * ceil(36 / 4) * max(steps, ARRAY.tile_cycles(steps))
    assert (found.outputs, found.left_out, found.wrong) == (576, 18 * 4 + 18, 18 * 5)
    assert (found + found).left_out == 2 * found.left_out
    depthwise = saving(9, True, values, left_out, computed, ARRAY)
    assert (depthwise.cycles, depthwise.cycles_exact, depthwise.left_out) == (0, 0, found.left_out)


@pytest.mark.parametrize("method", METHODS)
def test_study(method):
    model = Model(small_network())
    inputs = Inputs((small_images(24, 5) ^ np.uint8(128)).view(np.int8), np.arange(24) % 5)
    calibration = Inputs((small_images(32, 6) ^ np.uint8(128)).view(np.int8), None)
    report = study(model, inputs, calibration, ARRAY, Settings(method=method, points=4))
    assert report["points"]
    assert 0 < report["zeros"] < report["covered"] <= 1
    saved = [point["saved"] for point in report["points"]]
    assert saved == sorted(saved)
    assert 0 < saved[-1] <= report["covered"]
    if method == "perfect":
        assert saved[-1] == pytest.approx(report["zeros"], rel=0.2)
        assert [(point["agree"], point["wrong"], point["output_error"]) for point in report["points"]] == [(1, 0, 0)]
    for point in report["points"]:
        assert [row["layer"] for row in point["layers"]] == [linear.name for linear in model.network.linears[:4]]
        assert point["cycles_saved"] <= point["cycles_saved_covered"] or point["cycles_saved_covered"] <= 0


def test_command(tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(small_content())
    np.savez(tmp_path / "in.npz", images=small_images(12), labels=np.arange(12) % 5)
    np.savez(tmp_path / "calib.npz", images=small_images(16, 9))
    words = ["zeros", str(tmp_path / "m.tflite"), str(tmp_path / "in.npz"), "--calibrate", str(tmp_path / "calib.npz")]
    assert main([*words, "--method", "neighbours", "--size", "4"]) == 0
    assert "can be predicted" in capsys.readouterr().out
    assert main([*words, "--method", "neighbours", "--size", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "neighbours"
    for more, message in (
        (["--pattern", "12"], "pattern must be one of 0, 1, "),
        (["--points", "0"], "points must be from 1 to 100, not 0"),
        (["--size", "0"], "rows must be an integer from 1 to 256, not 0"),
    ):
        assert main([*words, *more]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1


def test_a_model_without_a_relu_is_refused():
    network = small_network()
    inputs = Inputs((small_images(2) ^ np.uint8(128)).view(np.int8), None)
    model = Model(replace(network, steps=network.steps[-1:]))
    with pytest.raises(UserError, match=r"^model must have a layer with a ReLU and an image behind it, not none"):
        study(model, inputs, inputs, ARRAY)


def test_diagonals():
    np.testing.assert_array_equal(diagonal(2, (2, 3)), [[True, False, True], [False, True, False]])
