# SPDX-License-Identifier: Apache-2.0
"""One network, however it is written: a table, a topology file or a model has the same layers and the same cycles."""

import re

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig, PEConfig
from sysmt.sim.cost import METHODS, evaluate
from sysmt.sim.nn.digits import data
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.networks import network
from sysmt.sim.nn.readers import read_network
from sysmt.sim.quant.infer import infer
from tb.references.interpreter import reference

from .int8_networks import small_content, small_images
from .layers import layer
from .shared import shared

HEADING = "Layer, Height, Width, Filter height, Filter width, Channels, Filters, Stride,"
SMALL_TABLE = (
    layer(kind="conv", height=6, width=6, channels=3, outputs=8, kernel=(3, 3), padding=(1, 1)),
    layer(kind="conv", height=6, width=6, channels=8, outputs=8, kernel=(3, 3), padding=(1, 1)),
    layer(kind="depthwise", height=6, width=6, channels=8, outputs=8, kernel=(3, 3), padding=(1, 1)),
    layer(kind="pointwise", height=6, width=6, channels=8, outputs=8),
    layer(kind="fc", height=1, width=1, channels=8, outputs=5),
)
SMALL_TOPOLOGY = f"""{HEADING}
A, 8, 8, 3, 3, 3, 8, 1,
B, 8, 8, 3, 3, 8, 8, 1,
C DP, 8, 8, 3, 3, 8, 1, 1,
D, 6, 6, 1, 1, 8, 8, 1,
E, 1, 1, 1, 1, 8, 5, 1,
"""
"""The same: the images of a topology file include their padding."""

RESNET8 = f"""{HEADING}
stem, 34, 34, 3, 3, 3, 16, 1,
stack1 a, 34, 34, 3, 3, 16, 16, 1,
stack1 b, 34, 34, 3, 3, 16, 16, 1,
stack2 a, 33, 33, 3, 3, 16, 32, 2,
stack2 b, 18, 18, 3, 3, 32, 32, 1,
stack2 skip, 31, 31, 1, 1, 16, 32, 2,
stack3 a, 17, 17, 3, 3, 32, 64, 2,
stack3 b, 10, 10, 3, 3, 64, 64, 1,
stack3 skip, 15, 15, 1, 1, 32, 64, 2,
classifier, 1, 1, 1, 1, 64, 10, 1,
"""


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.tflite").write_bytes(small_content())
    (tmp_path / "small.csv").write_text(SMALL_TOPOLOGY)
    return tmp_path


def cycles(layers, method, threads=1):
    config = ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=threads))
    return [row.cycles for row in evaluate(layers, config, method=method).layers]


@pytest.mark.parametrize("method", METHODS)
def test_a_network_written_three_ways_takes_the_same_cycles(small, method):
    sources = SMALL_TABLE, read_network(small / "small.csv"), read_network(small / "small.tflite")
    table, topology, model = (cycles(source, method) for source in sources)
    assert table == topology == model
    if method == "rtl":
        assert cycles(sources[0], method, 2) == cycles(sources[1], method, 2) == cycles(sources[2], method, 2)
    shapes = [[(one.kind, one.out_size, one.products, one.macs) for one in source] for source in sources]
    kinds = [kind for kind, *_ in shapes[2]]
    assert kinds == ["conv", "conv", "depthwise", "pointwise", "fc"]
    assert shapes[0] == shapes[2]
    assert [rest for _, *rest in shapes[0]] == [rest for _, *rest in shapes[1]]


@pytest.mark.parametrize("method", ["rtl", "scalesim"])
def test_resnet8_takes_the_cycles_of_its_topology(tmp_path, method):
    # Not by FuSeConv's published model, which counts the pixels that a stride leaves over at the edge.
    model = read_network(shared("data", "models", "resnet8_cifar10_int8.tflite"))
    (tmp_path / "resnet8.csv").write_text(RESNET8)
    topology = read_network(tmp_path / "resnet8.csv")
    assert cycles(model, method) == cycles(topology, method)
    assert [one.products for one in model] == [one.products for one in topology]


def test_mobilenet_v2_takes_the_cycles_of_its_table():
    """The table pads evenly, TensorFlow below and to the right: the sizes are the same. The model has a class more."""
    *model, classifier = read_network(shared("data", "models", "mobilenet_v2_224_int8.tflite"))
    *table, last = network("mobilenet_v2")
    assert (classifier.outputs, last.outputs) == (1001, 1000)
    assert [one.products for one in model] == [one.products for one in table]
    assert cycles(model, "rtl", 2) == cycles(table, "rtl", 2)


def test_the_command_takes_any_of_them(small, capsys):
    totals = []
    for source in ("small.csv", "small.tflite"):
        assert main(["cycles", str(small / source), "--array", "4x4", "--threads", "2", "--json"]) == 0
        totals.append(capsys.readouterr().out.partition("layers")[0])
    assert totals[0] == totals[1]
    assert main(["cycles", "mobilenet_v2", "--variant", "half", "--array", "8x8"]) == 0
    named = capsys.readouterr().out
    assert main(["cycles", "--network", "mobilenet_v2", "--variant", "half", "--array", "8x8"]) == 0
    assert capsys.readouterr().out == named


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (["model.pb"], r"network must be a \.tflite, \.onnx or \.csv file or one of mobilenet_v1, .*, not 'model\.pb'"),
        (["mobilenetv2"], r"network must be .*, not 'mobilenetv2' \(did you mean mobilenet_v2\?\)"),
        (["absent.tflite"], r"model must be a readable file, not 'absent\.tflite' \(No such file or directory\)"),
        (
            ["text.tflite"],
            r"text\.tflite: model must be a \.tflite file \(identifier TFL3\), not something else; convert it first",
        ),
        (["text.csv"], r"text\.csv:1: heading must name the columns .*"),
        (
            ["small.csv", "--variant", "half"],
            r"variant must be baseline with 'small\.csv', not 'half'; mobilenet_v1, .* have more",
        ),
        (["mobilenet_v1", "--variant", "x"], r"variant must be one of baseline, .*, not 'x'"),
    ],
)
def test_other_sources_are_refused_in_one_line(small, monkeypatch, capsys, source, message):
    monkeypatch.chdir(small)
    for name in ("text.tflite", "text.csv"):
        (small / name).write_text("neither a model nor a topology")
    assert main(["cycles", *source, "--array", "4x4"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(f"sysmt cycles: error: {message}\n", err)


def test_a_model_runs_as_the_interpreter_does(small):
    model, values = read_model(small / "small.tflite"), (small_images(5) ^ np.uint8(128)).view(np.int8)
    (found,) = model.run([values])
    assert (found.dtype, found.shape) == (np.int8, (5, 5))
    assert [tensor.shape for tensor in (*model.inputs, *model.outputs)] == [(1, 6, 6, 3), (1, 5)]
    output = model.network.output_index
    np.testing.assert_array_equal(found, reference(small_content(), values, [output])[output])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "inputs must be 1, as many as the model has, not 0"),
        ([[1, 2]], "input '.*' must be an array, not list"),
        ([np.zeros((2, 6, 6, 3), np.uint8)], r"input '.*' must be int8 \(inputs, 6, 6, 3\), not uint8 \(2, 6, 6, 3\)"),
        ([np.zeros((6, 6, 3), np.int8)], r"input '.*' must be int8 \(inputs, 6, 6, 3\), not int8 \(6, 6, 3\)"),
        ([np.zeros((), np.int8)], r"input '.*' must be int8 \(inputs, 6, 6, 3\), not int8 \(\)"),
        ([np.zeros((0, 6, 6, 3), np.int8)], "input '.*' must hold at least one, not none"),
    ],
)
def test_wrong_inputs_of_a_model_are_refused(small, values, message):
    with pytest.raises(UserError, match=f"^{message}$"):
        read_model(small / "small.tflite").run(values)


def test_the_digits_network_is_one_of_them():
    assert [one.name for one in read_network("digits")] == ["conv1", "conv2", "conv3", "dense"]
    assert [one.products.k for one in read_network("digits")] == [9, 144, 144, 512]
    images, model = data.load()[1][:100], read_model("digits")
    assert model.layers == read_network("digits")
    (scores,) = model.run([images.pixels])
    assert np.mean(scores.argmax(axis=1) == images.labels) > 0.95


def test_inference_counts_the_cycles_of_the_network(small):
    model, config = read_model(small / "small.tflite"), ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=2))
    inputs = Inputs((small_images(2) ^ np.uint8(128)).view(np.int8), None)
    report = infer(model, inputs, config).report
    one, two = (evaluate(model.layers, config, threads=threads).layers for threads in (1, 2))
    assert [row["cycles_exact"] for row in report["layers"]] == [row.cycles for row in one]
    # The first and the last layer stay on one thread; the channels of the depthwise one are spread over both.
    mixed = [one[0], two[1], two[2], two[3], one[4]]
    assert two[2].cycles < one[2].cycles
    assert [row["cycles"] for row in report["layers"]] == [row.cycles for row in mixed]


def test_other_files_are_no_models():
    with pytest.raises(
        UserError, match=r"^model must be a \.tflite or \.onnx file or 'digits', not 'net\.pb'; convert it$"
    ):
        read_model("net.pb")
