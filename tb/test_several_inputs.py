# SPDX-License-Identifier: Apache-2.0
"""Models with several inputs and outputs, without classes, or without a layer for the array: from files to reports."""

import json

import numpy as np
import pytest

import sysmt
from sysmt.cli.main import main
from sysmt.sim.golden.requantize import multiply, quantize_multiplier
from tb.references.interpreter import reference_outputs

from .tflite_models import ModelBuilder

RNG = np.random.default_rng(8)


def two_towers() -> bytes:
    """Two inputs through a layer each, then a sum and a product of both: two outputs."""
    model = ModelBuilder()
    a, b = model.tensor((1, 12), scale=0.05, zero=-3), model.tensor((1, 20), scale=0.04, zero=6)
    towers = []
    for x, n in ((a, 12), (b, 20)):
        w = model.constant(RNG.integers(-127, 128, (8, n)).astype(np.int8), 0.01)
        hidden = model.node("FULLY_CONNECTED", [x, w], model.tensor((1, 8), scale=0.1, zero=0))
        v = model.constant(RNG.integers(-127, 128, (8, 8)).astype(np.int8), 0.01)
        towers.append(model.node("FULLY_CONNECTED", [hidden, v], model.tensor((1, 8), scale=0.1, zero=0)))
    total = model.node("ADD", towers, model.tensor((1, 8), scale=0.2, zero=4))
    product = model.node("MUL", towers, model.tensor((1, 8), scale=0.9, zero=-7))
    return model.content([a, b], [total, product])


def one_number() -> bytes:
    """A regression: three layers to a single value."""
    model = ModelBuilder()
    x = first = model.tensor((1, 16), scale=0.05, zero=-3)
    for n, k in ((8, 16), (8, 8), (1, 8)):
        w = model.constant(RNG.integers(-127, 128, (n, k)).astype(np.int8), 0.005)
        x = model.node("FULLY_CONNECTED", [x, w], model.tensor((1, n), scale=0.1, zero=0))
    return model.content([first], [x])


def no_layer() -> bytes:
    model = ModelBuilder()
    x = model.tensor((1, 4, 4, 2), scale=0.05, zero=-3)
    y = model.tensor((1, 2, 2, 2), scale=0.05, zero=-3)
    model.node("MAX_POOL_2D", [x], y, StrideH=2, StrideW=2, FilterHeight=2, FilterWidth=2)
    return model.content([x], [y])


def values(*shape):
    return RNG.integers(-128, 128, shape).astype(np.int8)


@pytest.fixture
def towers(tmp_path):
    (tmp_path / "m.tflite").write_bytes(two_towers())
    return tmp_path


def test_python_and_files_agree_with_the_reference(towers, capsys):
    a, b = values(9, 12), values(9, 20)
    content = (towers / "m.tflite").read_bytes()
    expected = reference_outputs(content, [[a[i : i + 1], b[i : i + 1]] for i in range(9)])
    found = sysmt.read_model(towers / "m.tflite").run([a, b])
    for i in (0, 1):
        np.testing.assert_array_equal(found[i], np.concatenate([wanted[i] for wanted in expected]))
    np.savez(towers / "in.npz", in0=a, in1=b)
    out = towers / "out.npz"
    command = ["infer", str(towers / "m.tflite"), str(towers / "in.npz"), "--threads", "1", "-o", str(out), "--json"]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["judged_by"], report["changed"], report["output_error"]) == ("error", [], 0)
    with np.load(out) as arrays:
        assert sorted(arrays) == ["out0", "out1"]
        for i in (0, 1):
            np.testing.assert_array_equal(arrays[f"out{i}"], found[i])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"in0": (4, 12)}, "inputs must hold in0 to in1, the model's inputs, not in0"),
        ({"in0": (4, 12), "in1": (4, 19)}, "in1 must be int8 (inputs, 20) as the model's input, not int8 (4, 19)"),
        ({"in0": (4, 12), "in1": (3, 20)}, "inputs must be as many of each, not 4, 3"),
        ({"in1": (4, 12)}, "inputs must hold images, features, or in0, in1, ..., not 'in1'"),
        ({}, "inputs must hold images, features, or in0, in1, ..., not nothing"),
        (
            {f"{i}{'long' * 10}": (1,) for i in range(9)},
            "inputs must hold images, features, or in0, in1, ..., not "
            + ", ".join(f"'{i}longlonglonglonglonglonglonglon'" for i in range(4)),
        ),
    ],
)
def test_files_that_do_not_fit(towers, capsys, arrays, message):
    np.savez(towers / "in.npz", **{name: values(*shape) for name, shape in arrays.items()})
    assert main(["infer", str(towers / "m.tflite"), str(towers / "in.npz")]) == 2
    assert capsys.readouterr().err == f"sysmt infer: error: {message}\n"


def test_a_regression_is_judged_by_its_error_and_keeps_a_budget(tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(one_number())
    np.savez(tmp_path / "in.npz", features=values(40, 16))
    np.savez(tmp_path / "calib.npz", features=values(40, 16))
    command = ["infer", str(tmp_path / "m.tflite"), str(tmp_path / "in.npz"), "--threads", "4", "--size", "4"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["judged_by"] == "error"
    assert report["changed"]
    assert report["output_error"] > 0
    assert report["budget_kept"] is None
    budget = [*command, "--budget", "0.01", "--calibrate", str(tmp_path / "calib.npz")]
    assert main([*budget, "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert kept["budget_kept"] is True
    assert kept["output_error"] == 0
    assert main(command) == 0
    assert "of 40 outputs changed" in capsys.readouterr().out


def test_a_model_without_a_layer_for_the_array(tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(no_layer())
    np.savez(tmp_path / "in.npz", in0=values(5, 4, 4, 2))
    np.savez(tmp_path / "calib.npz", in0=values(5, 4, 4, 2))
    command = ["infer", str(tmp_path / "m.tflite"), str(tmp_path / "in.npz")]
    for options in ([], ["--budget", "1", "--calibrate", str(tmp_path / "calib.npz"), "--recalibrate", "--reorder"]):
        assert main([*command, *options]) == 0
        assert capsys.readouterr().out.startswith("no layer of this model runs on the array\n")


def test_lists_in_python(towers):
    a, b = values(6, 12), values(6, 20)
    found = sysmt.infer(towers / "m.tflite", [a, b], config="sysmt2_8")
    assert found.outputs.shape == (6, 8)
    assert len(found.all_outputs) == 2


def test_double_rounding_is_that_of_microcontrollers(tmp_path):
    """A layer that only rescales: every sum there is, against the one routine of requantisation."""
    model = ModelBuilder()
    x = model.tensor((1, 1), scale=1.0)
    y = model.tensor((1, 1), scale=1.0)
    w = model.constant(np.array([[1]], np.int8), np.float32(0.3))
    model.node("FULLY_CONNECTED", [x, w], y)
    (tmp_path / "m.tflite").write_bytes(model.content([x], [y]))
    inputs = np.arange(-128, 128).astype(np.int8)[:, None]
    once, twice = (sysmt.read_model(tmp_path / "m.tflite", double_rounding=how) for how in (False, True))
    m, shift = quantize_multiplier(float(np.float32(0.3)), "double")
    expected = multiply(inputs.astype(np.int64), m, shift, "double")
    np.testing.assert_array_equal(twice.run([inputs])[0], expected)
    assert not np.array_equal(once.run([inputs])[0], twice.run([inputs])[0])
