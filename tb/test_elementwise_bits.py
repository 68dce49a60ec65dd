# SPDX-License-Identifier: Apache-2.0
"""Operators on single values, of any type, against the reference interpreter's kernels, bit for bit."""

import numpy as np
import pytest

from .operator_models import compare, constant
from .tflite_models import ModelBuilder

ZEROS = {"int8": (-9, 14, -20), "uint8": (120, 7, 100), "int16": (0, 0, 0)}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize(
    ("first", "second", "fixed"),
    [((1, 3, 4, 5), (5,), True), ((3, 4), (2, 3, 1), False), ((1, 4, 5), (), True), ((2, 3), (2, 3), False)],
)
def test_arithmetic(kind, dtype, first, second, fixed):
    zeros = ZEROS[dtype]
    unit = 0.001 if dtype == "int16" else 1
    model = ModelBuilder()
    a = model.tensor(first, dtype, 0.043 * unit, zeros[0])
    make = (lambda *rest: constant(model, *rest)) if fixed else None
    b = make(second, 0.021 * unit, zeros[1], dtype) if fixed else model.tensor(second, dtype, 0.021 * unit, zeros[1])
    out = np.broadcast_shapes(first, second)
    y = model.tensor(out, dtype, (0.061 if kind != "MUL" else 0.9) * unit, zeros[2])
    activation = {"FusedActivationFunction": 1 if kind == "ADD" else 0}
    if dtype == "int16" and kind != "MUL":
        activation["PotScaleInt16"] = False
    model.node(kind, [a, b], y, **activation)
    compare(model, [a] if fixed else [a, b], [y], count=20)


@pytest.mark.parametrize("kind", ["MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_extremes(kind, dtype):
    model = ModelBuilder()
    a, b = model.tensor((2, 4, 3), dtype, 0.1, 0), constant(model, (3,), 0.1, 0, dtype)
    compare(model, [a], [model.node(kind, [a, b], model.tensor((2, 4, 3), dtype, 0.1, 0))])


def test_squared_difference():
    model = ModelBuilder()
    a, b = model.tensor((1, 5, 6), "int8", 0.03, 4), model.tensor((6,), "int8", 0.05, -9)
    compare(model, [a, b], [model.node("SQUARED_DIFFERENCE", [a, b], model.tensor((1, 5, 6), "int8", 0.4, -128))], 20)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(
    ("kind", "scale", "zero"),
    [
        ("LOGISTIC", 1 / 256, -128),
        ("TANH", 1 / 128, 0),
        ("HARD_SWISH", 0.03, -110),
        ("LEAKY_RELU", 0.05, -40),
        ("RELU", 0.04, -20),
        ("RELU6", 0.03, -128),
    ],
)
@pytest.mark.parametrize("unit", [0.013, 0.05, 0.21])
def test_functions_of_one_value(kind, dtype, scale, zero, unit):
    shift = 128 if dtype == "uint8" else 0
    model = ModelBuilder()
    x = model.tensor((4, 64), dtype, unit, -7 + shift)
    y = model.tensor((4, 64), dtype, scale if kind != "HARD_SWISH" else unit * 0.8, zero + shift)
    model.node(kind, [x], y, **({"Alpha": -0.3} if kind == "LEAKY_RELU" else {}))
    compare(model, [x], [y], count=3)


@pytest.mark.parametrize("scale", [0.07, 0.02])
def test_absolute_and_elu(scale):
    model = ModelBuilder()
    x = model.tensor((300,), "int8", 0.07, 11)
    a = model.node("ABS", [x], model.tensor((300,), "int8", scale, -128))
    compare(model, [x], [a], count=3)
    model = ModelBuilder()
    x = model.tensor((300,), "int8", 0.07, 11)
    e = model.node("ELU", [x], model.tensor((300,), "int8", scale, -90))
    compare(model, [x], [e], count=3, kernels="BUILTIN_WITHOUT_DEFAULT_DELEGATES")  # the others have none


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_prelu(dtype):
    zero = 0 if dtype == "int8" else 128
    model = ModelBuilder()
    x = model.tensor((2, 3, 4, 5), dtype, 0.05, 3 + zero)
    alpha = constant(model, (1, 1, 5), 0.01, 9 + zero, dtype)
    compare(model, [x], [model.node("PRELU", [x, alpha], model.tensor((2, 3, 4, 5), dtype, 0.06, -8 + zero))])


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_pooling_of_other_types(kind, dtype):
    model = ModelBuilder()
    zero = 100 if dtype == "uint8" else 0
    x, y = model.tensor((2, 5, 6, 3), dtype, 0.05, zero), model.tensor((2, 3, 3, 3), dtype, 0.05, zero)
    model.node(kind, [x], y, StrideH=2, StrideW=2, FilterHeight=3, FilterWidth=2, FusedActivationFunction=1)
    compare(model, [x], [y])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("n", "scale", "beta"), [(3, 0.03, 1), (10, 0.2, 2), (1001, 0.08, 1)])
def test_softmax(dtype, n, scale, beta):
    model = ModelBuilder()
    x, y = model.tensor((5, n), dtype, scale, 24), model.tensor((5, n), dtype, 1 / 256, -128 if dtype == "int8" else 0)
    compare(model, [x], [model.node("SOFTMAX", [x], y, Beta=beta)], 5)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("n", "scale"), [(1, 0.05), (3, 0.03), (12, 0.11), (200, 0.4), (1001, 0.002)])
def test_log_softmax(dtype, n, scale):
    model = ModelBuilder()
    zero = 127 if dtype == "int8" else 255
    x, y = model.tensor((40, n), dtype, scale, 24), model.tensor((40, n), dtype, 1 / 16, zero)
    compare(model, [x], [model.node("LOG_SOFTMAX", [x], y)], 5, distinct=1 if n == 1 else 3)


@pytest.mark.parametrize(
    ("of", "to"), [(of, to) for of in ("int8", "uint8", "int16", "float32") for to in ("int8", "int16")]
)
def test_quantize(of, to):
    model = ModelBuilder()
    unit = {"int8": 0.05, "uint8": 0.05, "int16": 0.0003}
    x = model.tensor((3, 50), of, unit.get(of, ()), {"uint8": 120, "int8": -5}.get(of, 0))
    y = model.tensor((3, 50), to, 0.7 * unit[to], {"uint8": 90, "int8": 7}.get(to, 0))
    back = model.tensor((3, 50), "float32")
    compare(model, [x], [model.node("QUANTIZE", [x], y), model.node("DEQUANTIZE", [y], back)])


def test_unsigned_concatenation_rescales():
    model = ModelBuilder()
    a, b = model.tensor((1, 3, 4), "uint8", 0.05, 10), model.tensor((1, 2, 4), "uint8", 0.083, 99)
    y = model.tensor((1, 5, 4), "uint8", 0.07, 30)
    compare(model, [a, b], [model.node("CONCATENATION", [a, b], y, Axis=-2)], 20)
