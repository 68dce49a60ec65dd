# SPDX-License-Identifier: Apache-2.0
"""Layers with weights and states, of any type, against the reference interpreter's kernels, bit for bit."""

import numpy as np
import pytest

from .operator_models import RNG, compare, compare_sequence, layer, numbers, svdf
from .tflite_models import ModelBuilder

KINDS = ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"]


SOME_BIASES = [(kind, bias) for kind in KINDS for bias in ("int64", "int32", None)]
SOME_BIASES.remove(("DEPTHWISE_CONV_2D", "int32"))  # the reference takes neither this
SOME_BIASES.remove(("CONV_2D", None))  # nor this


@pytest.mark.parametrize(("kind", "bias"), SOME_BIASES)
@pytest.mark.parametrize("channels", [False, True])
def test_sixteen_bit_activations(kind, bias, channels):
    n = 8 if kind.startswith("DEPTH") else 6
    scales = np.linspace(0.004, 0.01, n) if channels or kind != "FULLY_CONNECTED" else 0.01
    model, x, y = layer(kind, "int16", bias=bias, scales=scales, axis=3 if n == 8 else 0)
    compare(model, [x], [y])


@pytest.mark.parametrize(("kind", "bias"), [*((kind, "int32") for kind in KINDS), ("FULLY_CONNECTED", None)])
@pytest.mark.parametrize("zero", [0, 100, 128, 255])
def test_unsigned_layers(kind, zero, bias):
    model, x, y = layer(kind, "uint8", zero=zero, bias=bias)
    compare(model, [x], [y])


@pytest.mark.parametrize("zero", [-128, -7, 90])
def test_asymmetric_weights(zero):
    model, x, y = layer("FULLY_CONNECTED", zero=zero)
    compare(model, [x], [y])


@pytest.mark.parametrize("groups", [2, 4])
def test_grouped_convolution(groups):
    n = 6 if groups == 2 else 8
    model = ModelBuilder()
    x = model.tensor((1, 5, 6, 4), "int8", 0.05, -17)
    w = model.constant(RNG.integers(-127, 128, (n, 3, 3, 4 // groups)).astype(np.int8), np.linspace(0.002, 0.01, n))
    y = model.tensor((1, 5, 6, n), "int8", 0.1, 5)
    b = model.constant(RNG.integers(-2000, 2000, n).astype(np.int32), np.ones(n))
    model.node("CONV_2D", [x, w, b], y, StrideH=1, StrideW=1, DilationHFactor=1, DilationWFactor=1)
    compare(model, [x], [y])


@pytest.mark.parametrize("rank", [1, 2])
def test_svdf_remembers(rank):
    model, x, y = svdf(rank)
    compare_sequence(model, [x], [y])


def test_variables_remember():
    """A streaming window: the last three inputs, kept in a variable that a subgraph of CALL_ONCE sets first."""
    model, first = ModelBuilder(), ModelBuilder()

    def handle(builder):
        resource = builder.tensor((), "resource")
        return builder.node("VAR_HANDLE", [], resource, Container="", SharedName="window")

    start = first.constant(RNG.integers(-128, 128, (1, 3, 4)).astype(np.int8), 0.05)
    first.node("ASSIGN_VARIABLE", [handle(first), start], [])
    x = model.tensor((1, 1, 4), "int8", 0.05)
    model.node("CALL_ONCE", [], [], InitSubgraphIndex=1)
    window = handle(model)
    before = model.node("READ_VARIABLE", [window], model.tensor((1, 3, 4), "int8", 0.05))
    masks = {"BeginMask": 5, "EndMask": 7}
    part = model.tensor((1, 2, 4), "int8", 0.05)
    model.node(
        "STRIDED_SLICE", [before, *(numbers(model, v) for v in ((0, 1, 0), (0, 0, 0), (1, 1, 1)))], part, **masks
    )
    after = model.node("CONCATENATION", [part, x], model.tensor((1, 3, 4), "int8", 0.05), Axis=1)
    model.node("ASSIGN_VARIABLE", [window, after], [])
    mean = model.node("MEAN", [after, numbers(model, 1)], model.tensor((1, 4), "int8", 0.05), KeepDims=False)
    compare_sequence(model, [x], [mean], more=[first])
