# SPDX-License-Identifier: Apache-2.0
"""DIV, FLOOR_DIV, FLOOR_MOD, TOPK_V2, CUMSUM, ONE_HOT, EMBEDDING_LOOKUP, LOG, NEG and PRELU of 16 bits, bit for bit."""

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse

from .operator_models import compare, constant, numbers
from .tflite_models import ModelBuilder

ZERO = {"int8": 5, "uint8": 131}


def above(model, shape, dtype, scale, zero):
    """A computed divisor that is never zero, and its input: below 0 or above it."""
    x = model.tensor(shape, dtype, scale, zero)
    least = model.tensor((1,), dtype, scale, zero, data=np.array([zero + 1], dtype))
    return x, model.node("MAXIMUM", [x, least], model.tensor(shape, dtype, scale, zero))


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("scales", [(0.05, 0.04, 0.02), (0.1, 0.003, 0.9), (0.007, 0.05, 0.003)])
@pytest.mark.parametrize("activation", [0, 3])
def test_quotients(dtype, scales, activation):
    model, zero = ModelBuilder(), ZERO[dtype]
    a = model.tensor((1, 7, 9, 3), dtype, scales[0], zero - 9)
    x, b = above(model, (1, 1, 9, 3), dtype, scales[1], zero)
    y = model.tensor((1, 7, 9, 3), dtype, scales[2], zero + 4)
    model.node("DIV", [a, b], y, FusedActivationFunction=activation)
    compare(model, [a, x], [y])


def test_quotients_of_negative_divisors():
    model = ModelBuilder()
    a, y = model.tensor((1, 64), "int8", 0.05, 3), model.tensor((1, 64), "int8", 0.03, -7)
    data = np.where(np.arange(64) < 32, -128 + np.arange(64), 4 + np.arange(64)).astype(np.int8)
    b = model.tensor((64,), "int8", 0.04, 0, data=data)
    model.node("DIV", [a, b], y)
    compare(model, [a], [y])


def test_a_divisor_of_zero_is_refused():
    model = ModelBuilder()
    a, b, y = (model.tensor((1, 4), "int8", 0.05, 3) for _ in range(3))
    model.node("DIV", [a, b], y)
    ours = Model(build(parse(model.content([a, b], [y]))))
    one = np.ones((1, 4), np.int8)
    with pytest.raises(UserError, match=r"^operator 0 \(DIV\) must divide by no zero, as tensor 't1' has one$"):
        ours.run([one, 3 * one])
    model.tensors[b]["data"] = np.array([[1, 2, 3, 4]], np.int8)
    with pytest.raises(UserError, match=r"^operator 0 \(DIV\) must divide by no zero, as tensor 't1' has one$"):
        build(parse(model.content([a], [y])))


@pytest.mark.parametrize("kind", ["FLOOR_DIV", "FLOOR_MOD"])
def test_floors(kind):
    model = ModelBuilder()
    a, y = model.tensor((2, 3, 8), "int32"), model.tensor((2, 3, 8), "int32")
    b = numbers(model, [7, -3, 1 << 20, -(1 << 30), 1, 2, -2, 100])
    model.node(kind, [a, b], y)
    compare(model, [a], [y])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
@pytest.mark.parametrize(("shape", "k"), [((3, 200), 7), ((1, 2, 90), 90), ((40,), 1)])
def test_largest(dtype, shape, k):
    """Long rows of 8 bits have equal values."""
    model = ModelBuilder()
    scale = (0.05, 3) if dtype != "int32" else ()
    x = model.tensor(shape, dtype, *scale)
    values, indices = model.tensor((*shape[:-1], k), dtype, *scale), model.tensor((*shape[:-1], k), "int32")
    model.node("TOPK_V2", [x, numbers(model, k)], [values, indices])
    compare(model, [x], [values, indices])


@pytest.mark.parametrize(("exclusive", "reverse"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("dtype", "axis"), [("int32", 1), ("int64", -1), ("int32", 0)])
def test_cumulative_sums(dtype, axis, exclusive, reverse):
    model = ModelBuilder()
    x, y = model.tensor((2, 5, 4), dtype), model.tensor((2, 5, 4), dtype)
    model.node("CUMSUM", [x, numbers(model, axis)], y, Exclusive=exclusive, Reverse=reverse)
    compare(model, [x], [y])


def index(model, shape, n):
    """A computed index from 0 to n - 1, and its input."""
    x = model.tensor(shape, "int32")
    return x, model.node("FLOOR_MOD", [x, numbers(model, [n])], model.tensor(shape, "int32"))


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(axis):
    model = ModelBuilder()
    x, i = index(model, (2, 6), 7)
    shape = [2, 6]
    shape.insert(axis if axis >= 0 else 2, 5)
    on, off = (model.tensor((), "int8", 0.1, 3, data=np.array(v, np.int8)) for v in (100, -7))
    y = model.tensor(tuple(shape), "int8", 0.1, 3)
    model.node("ONE_HOT", [i, numbers(model, 5), on, off], y, Axis=axis)
    compare(model, [x], [y], distinct=2)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_embedding(dtype):
    model = ModelBuilder()
    x, i = index(model, (6,), 11)
    y = model.tensor((6, 4, 3), dtype, 0.1, 0)
    model.node("EMBEDDING_LOOKUP", [i, constant(model, (11, 4, 3), 0.1, 0, dtype)], y)
    compare(model, [x], [y])


@pytest.mark.parametrize("kind", ["REDUCE_ANY", "REDUCE_ALL"])
def test_any_and_all(kind):
    model = ModelBuilder()
    x = model.tensor((3, 4, 2), "int8", 0.1, 0)
    most = model.tensor((1,), "int8", 0.1, 0, data=np.array([40], np.int8))
    less = model.node("LESS", [x, most], model.tensor((3, 4, 2), "bool"))
    reduced = model.node(kind, [less, numbers(model, [1])], model.tensor((3, 2), "bool"))
    y = model.tensor((3, 2), "int8", 0.1, 0)
    model.node("SELECT_V2", [reduced, constant(model, (3, 2), 0.1), constant(model, (3, 2), 0.1)], y)
    compare(model, [x], [y])


@pytest.mark.parametrize(("scale", "zero", "out"), [(0.05, 3, 0.1), (0.9, -128, 0.04), (0.002, 100, 0.05)])
def test_logarithm(scale, zero, out):
    model = ModelBuilder()
    x, y = model.tensor((1, 256), "int8", scale, zero), model.tensor((1, 256), "int8", out, -11)
    model.node("LOG", [x], y)
    compare(model, [x], [y])


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32"])
def test_negative(dtype):
    model = ModelBuilder()
    scale = (0.1, 0) if dtype != "int32" else ()
    x, y = model.tensor((3, 50), dtype, *scale), model.tensor((3, 50), dtype, *scale)
    model.node("NEG", [x], y)
    compare(model, [x], [y])


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 4, 3), (1,)])
@pytest.mark.parametrize(("scale", "slope", "out"), [(0.001, 0.003, 0.001), (0.0005, 0.1, 0.004)])
def test_prelu_of_16_bits(shape, scale, slope, out):
    model = ModelBuilder()
    x, y = model.tensor((1, 5, 4, 3), "int16", scale), model.tensor((1, 5, 4, 3), "int16", out)
    model.node("PRELU", [x, constant(model, shape, slope, 7)], y)
    compare(model, [x], [y])


def test_prelu_with_slopes_of_16_bits_is_refused():
    """The reference kernel reads their bytes as slopes of 8 bits."""
    model = ModelBuilder()
    x, y = model.tensor((1, 4), "int16", 0.001), model.tensor((1, 4), "int16", 0.001)
    model.node("PRELU", [x, constant(model, (4,), 0.001, 0, "int16")], y)
    with pytest.raises(
        UserError, match=r"^operator 0 \(PRELU\): tensor 't2' must be int8, not int16; quantise the model$"
    ):
        build(parse(model.content([x], [y])))
