# SPDX-License-Identifier: Apache-2.0
"""Operators of 16 bits, normalisation, comparisons and picking against the reference interpreter, bit for bit."""

import re

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import build
from sysmt.sim.nn.operators import short_tables
from sysmt.sim.nn.readers.tflite import parse
from tb.references.interpreter import reference_outputs

from .operator_models import compare, constant, numbers
from .tflite_models import ModelBuilder

EDGE = 2.0**-15


def pair(kind, dtype="int8", scale=0.05, zero=0, out=None, out_zero=0, shape=(3, 200), **options):
    """A model of one operator that keeps the shape."""
    model = ModelBuilder()
    x, y = model.tensor(shape, dtype, scale, zero), model.tensor(shape, dtype, out or scale, out_zero)
    return model, [x], [model.node(kind, [x], y, **options)]


@pytest.mark.parametrize("scale", [2.0**-12, 0.0003, 0.0011, 1e-5, 0.02])
@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH"])
def test_squashing_of_16_bits(kind, scale):
    compare(*pair(kind, "int16", scale, out=EDGE))


@pytest.mark.parametrize(("scale", "beta"), [(0.0003, 1), (2.0**-12, 1), (0.0001, 2), (1e-6, 1)])
@pytest.mark.parametrize("n", [2, 10, 1001])
def test_softmax_of_16_bits(n, scale, beta):
    compare(*pair("SOFTMAX", "int16", scale, out=EDGE, shape=(4, n), Beta=beta), distinct=2)


@pytest.mark.parametrize("kind", ["LEAKY_RELU", "RELU", "RELU6", "ABS"])
@pytest.mark.parametrize("out", [0.0003, 0.00041])
def test_activations_of_16_bits(kind, out):
    options = {"Alpha": 0.13} if kind == "LEAKY_RELU" else {}
    compare(*pair(kind, "int16", 0.0003, out=out, **options))


def test_batch_matmul_of_16_bits():
    model = ModelBuilder()
    a, b = model.tensor((2, 3, 7), "int16", 0.0003), model.tensor((2, 7, 4), "int16", 0.0002)
    y = model.tensor((2, 3, 4), "int16", 0.004)
    compare(model, [a, b], [model.node("BATCH_MATMUL", [a, b], y)])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("shape", [(5, 1), (1, 7), (2, 3, 128), (1, 1, 1, 512)])
def test_l2_normalisation(dtype, shape):
    zero = 0 if dtype == "int8" else 128
    compare(*pair("L2_NORMALIZATION", dtype, 0.07, zero + 5, 1 / 128, zero, shape), distinct=2)


@pytest.mark.parametrize(("scale", "out"), [(0.05, 0.02), (0.0008, 0.3), (1.7, 0.005)])
def test_inverse_root(scale, out):
    compare(*pair("RSQRT", "int8", scale, -128, out, -128))


@pytest.mark.parametrize("kind", ["EXP", "GELU", "GELU approximate"])
@pytest.mark.parametrize("scale", [0.02, 0.05])
def test_tabulated(kind, scale):
    options = {"Approximate": kind.endswith("approximate")} if kind.startswith("GELU") else {}
    compare(*pair(kind.split()[0], "int8", scale, 20, scale / 2, -100, **options))


def test_what_is_too_large_is_the_largest():
    """exp() far beyond the output, and beyond single precision."""
    for scale in (0.3, 0.9):
        compare(*pair("EXP", "int8", scale, -100, 0.005, 20))


@pytest.mark.parametrize(("align", "half"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("size", [(7, 3), (1, 9), (4, 5)])
def test_bilinear_of_unsigned(size, align, half):
    model = ModelBuilder()
    x, y = model.tensor((2, 4, 5, 3), "uint8", 0.05, 7), model.tensor((2, *size, 3), "uint8", 0.05, 7)
    model.node("RESIZE_BILINEAR", [x, numbers(model, size)], y, AlignCorners=align, HalfPixelCenters=half)
    compare(model, [x], [y])


COMPARED = ["EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"]


@pytest.mark.parametrize("kind", COMPARED)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
def test_comparison_and_choice(kind, dtype):
    """What is larger, by its real value, and then one of two tensors of one scale."""
    model = ModelBuilder()
    zero = 0 if dtype == "uint8" else -3
    scales = ((0.05, zero + 10), (0.1, zero + 5)) if dtype != "int32" else ((), ())
    a, b = (model.tensor(shape, dtype, *scale) for shape, scale in zip(((2, 3, 40), (3, 1)), scales, strict=True))
    first = model.node(kind, [a, b], model.tensor((2, 3, 40), "bool"))
    other = model.node("LOGICAL_NOT", [first], model.tensor((2, 3, 40), "bool"))
    both = model.node("LOGICAL_AND", [first, model.constant(np.arange(40) % 3 > 0)], model.tensor((2, 3, 40), "bool"))
    either = model.node("LOGICAL_OR", [both, other], model.tensor((2, 3, 40), "bool"))
    c, d = model.tensor((2, 3, 40), "int8", 0.1, 4), constant(model, (40,), 0.1, 4)
    y = model.node("SELECT_V2", [either, c, d], model.tensor((2, 3, 40), "int8", 0.1, 4))
    z = model.node("CAST", [first], model.tensor((2, 3, 40), "int32"))
    compare(model, [a, b, c], [y, z], distinct=2 if dtype != "int32" else 1)


def test_picking():
    model = ModelBuilder()
    x = model.tensor((2, 4, 5), "int8", 0.1, 3)
    points = model.node(
        "GATHER_ND", [x, numbers(model, [[0, 3], [1, 0], [1, 2]])], model.tensor((3, 5), "int8", 0.1, 3)
    )
    rows = model.node("GATHER_ND", [x, numbers(model, [[1], [0]])], model.tensor((2, 4, 5), "int8", 0.1, 3))
    back = model.node("REVERSE_V2", [x, numbers(model, [1])], model.tensor((2, 4, 5), "int8", 0.1, 3))
    compare(model, [x], [points, rows, back])


def test_an_embedding():
    """Rows of a table by indices that go in, twice along another dimension; indices beyond it are refused."""
    model = ModelBuilder()
    table, i = constant(model, (9, 4), 0.1, 3), model.tensor((1, 5), "int32")
    rows = model.node("GATHER", [table, i], model.tensor((1, 5, 4), "int8", 0.1, 3), Axis=0)
    x = model.tensor((2, 9), "int8", 0.1, 3)
    columns = model.node("GATHER", [x, i], model.tensor((2, 1, 5), "int8", 0.1, 3), Axis=1)
    content = model.content([i, x], [rows, columns])
    ours = Model(build(parse(content)))
    rng = np.random.default_rng(1)
    samples = [
        [rng.integers(0, 9, (1, 5)).astype(np.int32), rng.integers(-128, 128, (2, 9)).astype(np.int8)] for _ in range(4)
    ]
    for sample, wanted in zip(samples, reference_outputs(content, samples), strict=True):
        for found, right in zip(ours.run(sample), wanted, strict=True):
            np.testing.assert_array_equal(found, right)
    with pytest.raises(UserError, match=r"^operator 0 \(GATHER\) must be given indices from 0 to 8, not others$"):
        ours.run([np.full((1, 5), 9, np.int32), samples[0][1]])


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("padding", "stride", "out"), [(0, 2, (8, 6)), (1, 3, (12, 10))])
def test_transposed_convolution_of_16_bits(padding, stride, out, bias):
    model = ModelBuilder()
    rng = np.random.default_rng(3)
    x = model.tensor((1, 4, 3, 5), "int16", 0.0003)
    w = model.constant(rng.integers(-127, 128, (6, 3, 4, 5)).astype(np.int8), np.linspace(0.002, 0.01, 6))
    shape = (1, *out, 6)
    y = model.tensor(shape, "int16", 0.0006)
    extra = [model.constant(rng.integers(-90000, 90000, 6), np.ones(6))] if bias else []
    model.node(
        "TRANSPOSE_CONV", [numbers(model, shape), w, x, *extra], y, Padding=padding, StrideH=stride, StrideW=stride
    )
    compare(model, [x], [y])


REFUSED = {
    "scale of the output": (
        lambda: pair("TANH", "int16", 0.0003, out=0.0001),
        r"operator 0 \(TANH\) must write int16 with scale 2\*\*-15, not .*",
    ),
    "scale of the input": (
        lambda: pair("LOGISTIC", "int16", 2.0**-13, out=EDGE),
        r"operator 0 \(LOGISTIC\) must read int16 with scale 2\*\*-12, or no power of two, not .*",
    ),
    "normalised": (
        lambda: pair("L2_NORMALIZATION", out=0.01),
        r"operator 0 \(L2_NORMALIZATION\) must write with scale 1/128 and zero point 0, not .*",
    ),
    "logistic": (
        lambda: pair("LOGISTIC", out=0.01),
        r"operator 0 \(LOGISTIC\) must write with scale 1/256 and zero point -128, not .*",
    ),
    "hard swish": (
        lambda: pair("HARD_SWISH", scale=0.0005, out=1.3),
        r"operator 0 \(HARD_SWISH\) must write a scale from .* to .* and read one from 2\*\*-20, not .*",
    ),
    "below 0": (
        lambda: pair("RSQRT", zero=-20),
        r"operator 0 \(RSQRT\) must read values from 0 up, of zero point -128, not -20; requantise the model",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, message = REFUSED[name]
    model, inputs, outputs = make()
    with pytest.raises(UserError) as error:
        build(parse(model.content(inputs, outputs)))
    assert re.fullmatch(message, str(error.value))


def test_indices_outside():
    model = ModelBuilder()
    x, y = model.tensor((2, 4), "int8", 0.1), model.tensor((1, 4), "int8", 0.1)
    model.node("GATHER_ND", [x, numbers(model, [[2]])], y)
    with pytest.raises(UserError, match=r"^operator 0 \(GATHER_ND\) must have indices within \(2,\); the file is dam"):
        build(parse(model.content([x], [y])))


def test_tables_are_those_of_the_functions():
    assert short_tables.SIGMOID[:3].tolist() == [32768, 33451, 34133]
    np.testing.assert_allclose(short_tables.EXPONENTIAL / 2**15, np.exp(np.linspace(-10, 0, 513)), atol=2e-4)
    np.testing.assert_allclose(short_tables.RECIPROCAL / 2**15, 1 / (1 + np.linspace(0, 1, 513)), atol=2e-4)
