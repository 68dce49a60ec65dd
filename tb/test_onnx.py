# SPDX-License-Identifier: Apache-2.0
"""Quantised ONNX models against ONNX Runtime, bit for bit; what is not supported is one line."""

import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

import onnx
from onnx import numpy_helper

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.sim.nn.model import Model, read_model
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.onnx import parse
from sysmt.sim.nn.readers.tflite import parse as tflite
from tb.references.onnx_runtime import reference

from .int8_networks import small_content
from .onnx_models import OnnxBuilder


def compare(content, shape, dtype=np.float32, name="x", count=12, scale=3.0):
    """Both must agree in every bit."""
    model = Model(build(parse(content)))
    rng = np.random.default_rng(2)
    values = rng.normal(scale=scale, size=(count, *shape)).astype(np.float32)
    if dtype != np.float32:
        info = np.iinfo(dtype)
        values = rng.integers(info.min, info.max + 1, (count, *shape)).astype(dtype)
    wanted = [
        np.concatenate(parts) for parts in zip(*(reference(content, {name: v[None]}) for v in values), strict=True)
    ]
    for same in (model, model.optimised()):
        found = same.run([values])
        assert [(a.dtype, a.shape) for a in found] == [(b.dtype, b.shape) for b in wanted]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(np.unique(found[0])) > 3
    return model


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    ("groups", "attributes"),
    [
        (1, {"pads": [1, 1, 1, 1]}),
        (1, {"pads": [0, 1, 2, 0], "strides": [2, 1]}),
        (1, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        (4, {"pads": [1, 1, 1, 1]}),
        (2, {"dilations": [2, 1]}),
    ],
)
def test_convolution(dtype, relu, groups, attributes):
    model = OnnxBuilder(np.random.default_rng(3), dtype)
    least = np.iinfo(dtype).min
    x = model.quantised("x", 0.05, least + 120)
    y = model.conv(x, 4, 8, (3, 3), 0.07, least if relu else least + 100, relu, groups, **attributes)
    compare(model.content([("x", "float32", (4, 9, 8))], [(y, "float32", (8, None, None))]), (4, 9, 8))


@pytest.mark.parametrize("kind", ["Gemm", "MatMul"])
def test_products(kind):
    model = OnnxBuilder(np.random.default_rng(3))
    x = model.quantised("x", 0.05, 120)
    if kind == "Gemm":
        w = model.weights((10, 24), np.float32(0.004))
        b = model.bias(10, np.float32(0.05) * np.float32(0.004))
        y = model.node("Gemm", [x, w, b], transB=1)
    else:
        y = model.node("MatMul", [x, model.weights((24, 10), np.float32(0.004))])
    y = model.quantised(y, 0.11, 130)
    compare(model.content([("x", "float32", (24,))], [(y, "float32", (10,))]), (24,), count=100)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_a_network(dtype):
    """Residual block, pooling and classifier."""
    model = OnnxBuilder(np.random.default_rng(5), dtype)
    least = np.iinfo(dtype).min
    x = model.quantised("x", 0.05, least + 128)
    a = model.conv(x, 3, 8, (3, 3), 0.06, least, True, pads=[1, 1, 1, 1])
    b = model.conv(a, 8, 8, (3, 3), 0.09, least + 110, pads=[1, 1, 1, 1])
    c = model.quantised(model.node("Relu", [model.node("Add", [a, b])]), 0.08, least)
    d = model.quantised(model.node("MaxPool", [c], kernel_shape=[2, 2], strides=[2, 2]), 0.08, least)
    e = model.quantised(model.node("GlobalAveragePool", [d]), 0.03, least + 5)
    f = model.quantised(model.node("Flatten", [e]), 0.03, least + 5)
    y = model.node(
        "Gemm", [f, model.weights((10, 8), np.float32(0.01)), model.bias(10, np.float32(0.03 * 0.01))], transB=1
    )
    y = model.quantised(y, 0.05, least + 120)
    found = compare(model.content([("x", "float32", (3, 8, 8))], [(y, "float32", (10,))]), (3, 8, 8), count=40)
    assert len(found.layers) == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("attributes", [{}, {"strides": [2, 1], "pads": [1, 0, 1, 1]}])
def test_average_pooling(dtype, attributes):
    model = OnnxBuilder(np.random.default_rng(5), dtype)
    least = np.iinfo(dtype).min
    x = model.quantised("x", 0.05, least + 7)
    y = model.quantised(model.node("AveragePool", [x], kernel_shape=[3, 2], **attributes), 0.05, least + 7)
    compare(model.content([("x", "float32", (4, 7, 7))], [(y, "float32", (4, None, None))]), (4, 7, 7), count=40)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("scale", [0.05, 0.083, 0.021])
def test_concatenation(dtype, scale):
    """A fire module's: two convolutions side by side, of the output's scale or others."""
    model = OnnxBuilder(np.random.default_rng(7), dtype)
    least = np.iinfo(dtype).min
    x = model.quantised("x", 0.05, least + 128)
    a = model.conv(x, 3, 5, (1, 1), 0.05, least, True)
    b = model.conv(x, 3, 4, (3, 3), scale, least + 9, pads=[1, 1, 1, 1])
    c = model.quantised(model.node("Concat", [a, b], axis=1), 0.05, least)
    y = model.conv(c, 9, 6, (1, 1), 0.1, least + 100)
    found = compare(model.content([("x", "float32", (3, 6, 7))], [(y, "float32", (6, 6, 7))]), (3, 6, 7))
    assert len(found.layers) == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_multiplication(dtype, per_channel):
    model = OnnxBuilder(np.random.default_rng(7), dtype)
    least = np.iinfo(dtype).min
    x = model.quantised("x", 0.05, least + 128)
    a = model.conv(x, 3, 5, (1, 1), 0.04, least + 90)
    b = model.quantised(model.node("GlobalAveragePool", [a]), 0.011, least + 120) if per_channel else a
    y = model.quantised(model.node("Mul", [a, b]), 0.013 if per_channel else 0.09, least + 30)
    compare(model.content([("x", "float32", (3, 6, 7))], [(y, "float32", (5, 6, 7))]), (3, 6, 7), count=40)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("alpha", [0.01, 0.3])
def test_leaky_relu(dtype, alpha):
    model = OnnxBuilder(np.random.default_rng(7), dtype)
    least = np.iinfo(dtype).min
    x = model.quantised("x", 0.05, least + 100)
    y = model.quantised(model.node("LeakyRelu", [x], alpha=alpha), 0.043, least + 31)
    compare(model.content([("x", "float32", (50,))], [(y, "float32", (50,))]), (50,), count=40)


def test_squeezing():
    model = OnnxBuilder(np.random.default_rng(7))
    x = model.quantised("x", 0.05, 128)
    a = model.conv(x, 3, 5, (6, 7), 0.09, 90)
    b = model.quantised(model.node("Squeeze", [a, model.constant(np.array([2, -1]))]), 0.09, 90)
    c = model.quantised(model.node("Unsqueeze", [b, model.constant(np.array([1]))]), 0.09, 90)
    compare(model.content([("x", "float32", (3, 6, 7))], [(c, "float32", (1, 5))]), (3, 6, 7))


def test_operators_on_integers():
    model = OnnxBuilder(np.random.default_rng(5))
    x, first = model.pair(0.05, 120), model.pair(0.07, 90)
    w = model.constant(model.rng.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8))
    own = np.linspace(0.002, 0.01, 6).astype(np.float32)
    b = model.constant(model.rng.integers(-3000, 3000, 6).astype(np.int32))
    scales = [model.constant(own), model.constant(np.zeros(6, np.int8))]
    a = model.node("QLinearConv", ["x", *x, w, *scales, *first, b], pads=[1, 1, 1, 1])
    total, mean = model.pair(0.12, 100), model.pair(0.02, 100)
    c = model.node("QLinearAdd", [a, *first, a, *first, *total])
    d = model.node("QLinearGlobalAveragePool", [c, *total, *mean])
    e = model.node("Flatten", [d])
    v = model.constant(model.rng.integers(-127, 128, (6, 5)).astype(np.int8))
    last = model.pair(0.01, 128)
    y = model.node("QLinearMatMul", [e, *mean, v, model.constant(np.float32(0.01)), model.constant(np.int8(0)), *last])
    compare(model.content([("x", "uint8", (4, 6, 5))], [(y, "uint8", (5,))]), (4, 6, 5), np.uint8, count=60)


def test_the_command_takes_it(tmp_path, capsys):
    model = OnnxBuilder(np.random.default_rng(5))
    x = model.quantised("x", 0.05, 128)
    y = model.conv(x, 3, 8, (3, 3), 0.06, 0, True)
    (tmp_path / "m.onnx").write_bytes(model.content([("x", "float32", (3, 8, 8))], [(y, "float32", (8, None, None))]))
    np.savez(tmp_path / "in.npz", in0=np.random.default_rng(1).normal(size=(5, 3, 8, 8)).astype(np.float32))
    assert main(["infer", str(tmp_path / "m.onnx"), str(tmp_path / "in.npz"), "--json"]) == 0
    assert '"judged_by": "error"' in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "m.onnx")]) == 0
    assert "CONV_2D" in capsys.readouterr().out


def test_what_the_project_writes_is_read_back():
    """A network of the intermediate form, written as ONNX: the reader's bits are the runtime's."""
    from sysmt.sim.nn.writers import onnx as writer

    graph = tflite(small_content())
    graph = replace(graph, nodes=graph.nodes[:-2], output=graph.nodes[-3].output)
    compare(writer.write(graph), (3, 6, 6), name="real_input", count=40)


def refusal(content, pattern):
    with pytest.raises(UserError) as error:
        build(parse(content))
    assert re.fullmatch(pattern, str(error.value))


def test_refusals(tmp_path):
    model = OnnxBuilder(np.random.default_rng(5))
    y = model.quantised(model.node("Sin", [model.quantised("x", 0.05, 128)]), 0.05, 128)
    content = model.content([("x", "float32", (4,))], [(y, "float32", (4,))])
    refusal(content, r"operator 2 \(Sin\) is not supported; supported are Add, AveragePool, Clip, .*")
    model = OnnxBuilder(np.random.default_rng(5))
    y = model.conv(model.quantised("x", 0.05, 128), 3, 8, (3, 3), 0.06, 7, True)
    content = model.content([("x", "float32", (3, 8, 8))], [(y, "float32", (8, None, None))])
    refusal(
        content, r"operator 6 \(QuantizeLinear\) behind Relu or Clip must have the zero point 0 .* not 7; quantise .*"
    )
    (tmp_path / "m.onnx").write_bytes(b"no model at all")
    with pytest.raises(
        UserError, match=r"^m\.onnx: model is no sound \.onnx file \(DecodeError: .*\); export it again$"
    ):
        read_model(tmp_path / "m.onnx")


def test_damaged_files_are_one_line():
    model = OnnxBuilder(np.random.default_rng(5))
    y = model.conv(model.quantised("x", 0.05, 128), 3, 8, (3, 3), 0.06, 0, True)
    content = model.content([("x", "float32", (3, 8, 8))], [(y, "float32", (8, None, None))])
    rng = np.random.default_rng(6)
    refused = 0
    for _ in range(300):
        raw = bytearray(content)
        for place in rng.integers(0, len(raw), rng.integers(1, 4)):
            raw[place] = rng.integers(256)
        try:
            build(parse(bytes(raw)))
        except UserError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize(
    ("scale", "zero", "message"),
    [
        (1.5, 0, "must have a bias of the scale of its input times that of its weights, not another"),
        (float("nan"), 0, "must have a bias of the scale of its input times that of its weights, not another"),
        (1, 5, "must have a bias of the zero point 0, not another"),
    ],
)
def test_biases_on_another_scale_are_refused(scale, zero, message):
    """ONNX Runtime computes them on real numbers; added as they are, results were others without a word."""
    model = OnnxBuilder(np.random.default_rng(5))
    y = model.conv(model.quantised("x", 0.05, 128), 3, 8, (3, 3), 0.06, 0, True)
    content = model.content([("x", "float32", (3, 8, 8))], [(y, "float32", (8, None, None))])
    damaged = onnx.ModelProto()
    damaged.ParseFromString(content)
    (name,) = [
        node.input for node in damaged.graph.node if node.op_type == "DequantizeLinear" and _is_int32(damaged, node)
    ]
    for tensor in damaged.graph.initializer:
        values = numpy_helper.to_array(tensor).copy()
        if tensor.name == name[1]:
            values[3] *= scale
        elif tensor.name == name[2]:
            values[3] = zero
        else:
            continue
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(UserError, match=rf"^operator \d \(Conv\) {message}; quantise it again$"):
        build(parse(damaged.SerializeToString()))


def _is_int32(model, node):
    return any(
        tensor.name == node.input[0] and numpy_helper.to_array(tensor).dtype == np.int32
        for tensor in model.graph.initializer
    )


def test_names_of_operators_stay_on_one_line():
    model = OnnxBuilder(np.random.default_rng(5))
    y = model.conv(model.quantised("x", 0.05, 128), 3, 8, (3, 3), 0.06, 0, True)
    content = model.content([("x", "float32", (3, 8, 8))], [(y, "float32", (8, None, None))])
    with pytest.raises(UserError, match=r"^operator \d \(C\?nv\) is not supported; .*$"):
        build(parse(content.replace(b"Conv", b"C\nnv")))
