# SPDX-License-Identifier: Apache-2.0
"""Every operator against the reference interpreter's reference kernels, on small models built here, bit for bit."""

import numpy as np
import pytest

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse
from tb.references.interpreter import reference

from .tflite_models import ModelBuilder

CONV = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1, "Padding": 0}
RNG = np.random.default_rng(5)


def compare(model, output, count=24, entrance=0):
    """Both must agree on random inputs over the whole range, in every tensor."""
    content = model.content([entrance], [output])
    network = build(parse(content))
    shape, dtype = network.input.shape[1:], network.input.dtype
    rng = np.random.default_rng(7)
    if dtype == "float32":
        inputs = rng.normal(scale=3, size=(count, *shape)).astype(np.float32)
    else:
        inputs = rng.integers(0, 256, (count, *shape)).astype(np.uint8).view(dtype)
    seen = {}
    runner = Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network))
    found = runner(inputs, tensors=lambda step, value: seen.update({step.output: value}))
    expected = reference(content, inputs, list(seen))
    for index, value in seen.items():
        assert value.dtype == expected[index].dtype
        np.testing.assert_array_equal(value, expected[index], err_msg=f"tensor {index}")
    np.testing.assert_array_equal(found, expected[output])
    assert len(np.unique(found)) > 3  # a constant output would agree with anything constant


def weights(*shape):
    return RNG.integers(-127, 128, shape).astype(np.int8)


def bias(n):
    return RNG.integers(-2000, 2000, n).astype(np.int32)


@pytest.mark.parametrize("activation", [0, 1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(("stride", "dilation", "per_channel"), [(1, 1, True), (2, 1, False), (1, 2, True)])
def test_convolution(activation, padding, stride, dilation, per_channel):
    model = ModelBuilder()
    x = model.tensor((1, 9, 8, 5), scale=0.05, zero=-17)
    n = 6
    w_scale = np.linspace(0.002, 0.02, n) if per_channel else 0.01
    w, b = model.constant(weights(n, 3, 2, 5), w_scale), model.constant(bias(n), np.ones(n))
    reach = (3 - 1) * dilation + 1, dilation + 1
    size = [-(-s // stride) if padding == 0 else -(-(s - r + 1) // stride) for s, r in zip((9, 8), reach, strict=True)]
    y = model.tensor((1, *size, n), scale=0.11, zero=5)
    options = CONV | {"StrideH": stride, "StrideW": stride, "DilationHFactor": dilation, "DilationWFactor": dilation}
    model.node("CONV_2D", [x, w, b], y, **options | {"Padding": padding, "FusedActivationFunction": activation})
    compare(model, y)


@pytest.mark.parametrize(("stride", "repeat", "with_bias"), [(1, 1, True), (2, 2, True), (1, 3, False)])
def test_depthwise(stride, repeat, with_bias):
    model = ModelBuilder()
    x = model.tensor((1, 7, 9, 4), scale=0.05, zero=31)
    n = 4 * repeat
    w = model.constant(weights(1, 3, 3, n), np.linspace(0.002, 0.02, n), axis=3)
    b = [model.constant(bias(n), np.ones(n))] if with_bias else []
    y = model.tensor((1, -(-7 // stride), -(-9 // stride), n), scale=0.05, zero=-128)
    options = CONV | {"StrideH": stride, "StrideW": stride, "DepthMultiplier": repeat}
    model.node("DEPTHWISE_CONV_2D", [x, w, *b], y, **options, FusedActivationFunction=1)
    compare(model, y)


@pytest.mark.parametrize("scale", [0.003, np.linspace(0.001, 0.006, 13)])
@pytest.mark.parametrize("shape", [(1, 40), (1, 2, 5, 4)])
def test_fully_connected(shape, scale):
    model = ModelBuilder()
    x = model.tensor(shape, scale=0.4, zero=89)
    w, b = model.constant(weights(13, 40), scale), model.constant(bias(13), 0.4 * np.asarray(scale))
    y = model.tensor((1, 13), scale=0.15, zero=-3)
    model.node("FULLY_CONNECTED", [x, w, b], y)
    compare(model, y, count=200)


@pytest.mark.parametrize("other", [(1, 4, 4, 6), (1, 1, 1, 6)])
def test_addition(other):
    # A tensor with itself rescaled, or with a constant that is broadcast.
    model = ModelBuilder()
    x = model.tensor((1, 4, 4, 6), scale=0.04, zero=-128)
    if other[1] == 1:
        second = model.constant(weights(*other), 0.02)
    else:
        second = model.node("QUANTIZE", [x], model.tensor(other, scale=0.107, zero=4))
    y = model.node("ADD", [x, second], model.tensor((1, 4, 4, 6), scale=0.0531, zero=-20), FusedActivationFunction=1)
    compare(model, y, count=60)


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize(("padding", "stride"), [(0, 2), (1, 1)])
def test_pooling(kind, padding, stride):
    model = ModelBuilder()
    x = model.tensor((1, 7, 6, 3), scale=0.1, zero=-11)
    size = (4, 3) if padding == 0 else (5, 5)
    y = model.tensor((1, *size, 3), scale=0.1, zero=-11)
    model.node(
        kind,
        [x],
        y,
        Padding=padding,
        StrideH=stride,
        StrideW=stride,
        FilterHeight=3,
        FilterWidth=2,
        FusedActivationFunction=3,
    )
    compare(model, y)


@pytest.mark.parametrize(
    ("size", "axes", "out", "scale"),
    [
        ((7, 7, 5), [1, 2], (1, 1, 5), 0.019),
        ((7, 7, 5), [1, 2], (5,), 0.0235),
        ((3, 5, 6), [2], (3, 6), 0.03),
        ((4, 4, 3), [-1], (4, 4), 0.01),
        ((1, 3, 3), [1, 2], (1, 1, 3), 0.05),
    ],
)
def test_mean(size, axes, out, scale):
    model = ModelBuilder()
    x = model.tensor((1, *size), scale=0.0235, zero=-100)
    axis = model.constant(np.array(axes, np.int32))
    y = model.tensor((1, *out), scale=scale, zero=-90)
    model.node("MEAN", [x, axis], y, KeepDims=len(out) == 3)
    compare(model, y, count=100)


@pytest.mark.parametrize(("scale", "beta", "n"), [(0.17, 1.0, 10), (0.0634, 1.0, 1001), (0.9, 0.5, 3), (4.0, 1.0, 4)])
def test_softmax(scale, beta, n):
    model = ModelBuilder()
    x = model.tensor((1, n), scale=scale, zero=24)
    y = model.tensor((1, n), scale=1 / 256, zero=-128)
    model.node("SOFTMAX", [x], y, Beta=beta)
    compare(model, y, count=200)


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU"])
def test_activations(kind):
    model = ModelBuilder()
    x = model.tensor((1, 300), scale=0.071, zero=3)
    y = model.tensor((1, 300), scale=0.05, zero=-40)
    model.node(kind, [x], y, **({"Alpha": 0.3} if kind == "LEAKY_RELU" else {}))
    compare(model, y)


def test_moves_and_conversions():
    model = ModelBuilder()
    x = model.tensor((1, 6, 5, 4), "uint8", scale=0.0078, zero=127)
    q = model.node("QUANTIZE", [x], model.tensor((1, 6, 5, 4), scale=0.0078, zero=-1))
    r = model.node("QUANTIZE", [q], model.tensor((1, 6, 5, 4), scale=0.013, zero=9))
    edges = model.constant(np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32))
    p = model.node("PAD", [r, edges], model.tensor((1, 9, 6, 4), scale=0.013, zero=9))
    m = model.tensor((1, 9, 6, 4), scale=0.013, zero=9)
    model.node("MAX_POOL_2D", [p], m, Padding=0, StrideH=1, StrideW=1, FilterHeight=2, FilterWidth=3)
    c = model.node("CONCATENATION", [p, m], model.tensor((1, 9, 6, 8), scale=0.013, zero=9), Axis=-1)
    shape = model.constant(np.array([1, -1], np.int32))
    f = model.node("RESHAPE", [c, shape], model.tensor((1, 9 * 6 * 8), scale=0.013, zero=9))
    y = model.node("DEQUANTIZE", [f], model.tensor((1, 9 * 6 * 8), "float32"))
    compare(model, y)


def test_real_inputs_are_quantised():
    model = ModelBuilder()
    x = model.tensor((1, 50), "float32")
    y = model.node("QUANTIZE", [x], model.tensor((1, 50), scale=0.031, zero=7))
    compare(model, y)
