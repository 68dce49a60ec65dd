# SPDX-License-Identifier: Apache-2.0
"""Operators on two tensors, with broadcasting: ADD, SUB, MUL, MAXIMUM, MINIMUM, SQUARED_DIFFERENCE.

Quantised tensors are rescaled; plain integers, as shapes are computed with, are not.
Source of the arithmetic: TensorFlow Lite, kernels/{add,sub,mul,maximum_minimum,squared_difference}.cc and their
reference kernels.
"""

from collections.abc import Callable
from math import log2

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.scales import VARIANT, clamp, eight_bits, multiplier, quantised

from . import floating

ADD_SHIFT = 20
SHIFTS = {"int8": ADD_SHIFT, "uint8": ADD_SHIFT, "int16": 15}
"""Bits that an addend is shifted up before it is rescaled (kernels/add.cc)."""
DIFFERENCE_SHIFT = 7
"""The same of SQUARED_DIFFERENCE."""
PLAIN = ("int32", "int64")


def operands(graph: Graph, node: Node) -> tuple[Tensor, Tensor, Tensor]:
    """Both operands and the result, of one type and of shapes that fit."""
    a, b, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    try:
        fitting = np.broadcast_shapes(a.shape, b.shape) == y.shape
    except ValueError:
        fitting = False
    if not fitting:
        raise UserError(f"{node.name} must read shapes that add up to {y.shape}, not {a.shape} and {b.shape}")
    if y.dtype not in PLAIN or {a.dtype, b.dtype, y.dtype} != {y.dtype}:
        quantised(node.name, a, b, y)
    return a, b, y


def spread(operation: Operation, a: Tensor, b: Tensor, y: Tensor) -> Operation:
    """Operands of fewer dimensions get dimensions of 1 in front, behind the inputs of the batch."""
    if a.shape == b.shape:
        return operation
    rank = len(y.shape)

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        u, v = (w.reshape(len(w), *(1,) * (rank + 1 - w.ndim), *w.shape[1:]) for w in (u, v))
        return operation(u, v)

    return whole(run, (a, b), y)


def add(graph: Graph, node: Node) -> Operation:
    """ADD and SUB of two quantised tensors."""
    if floating.is_float(node):
        return floating.add(graph, node)
    a, b, y = operands(graph, node)
    sign = -1 if node.kind == "SUB" else 1
    if y.dtype in PLAIN:
        _without_activation(node)
        return spread(lambda u, v: u + sign * v, a, b, y)
    if y.dtype == "int16" and all(log2(t.scale[0]).is_integer() for t in (a, b, y)):
        raise UserError(f"{node.name} must not have int16 with scales that are all powers of two; change one of them")
    low, high = clamp(node.options["activation"], y)
    *scales, (m, shift) = add_multipliers(a, b, y)
    left, right = (
        _lookup(_addend(tensor, scale, SHIFTS[y.dtype]), tensor) for tensor, scale in zip((a, b), scales, strict=True)
    )

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        total = left(u) + sign * right(v)
        codes: np.ndarray = np.clip(multiply(total, m, shift, VARIANT) + y.z, low, high)
        return codes.astype(y.dtype)

    return spread(run, a, b, y)


def add_multipliers(a: Tensor, b: Tensor, y: Tensor) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Multiplier and shift of either addend, shifted up as `SHIFTS` says, and of their sum."""
    twice = _twice(a, b)
    return (
        multiplier(float(a.scale[0]) / twice),
        multiplier(float(b.scale[0]) / twice),
        multiplier(twice / (2 ** SHIFTS[y.dtype] * float(y.scale[0]))),
    )


def _twice(a: Tensor, b: Tensor) -> float:
    """Twice the larger scale, in which two tensors are added."""
    return 2 * max(float(a.scale[0]), float(b.scale[0]))


def _addend(tensor: Tensor, scale: tuple[int, int], bits: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: multiply((values - tensor.z) << bits, *scale, VARIANT)


def _lookup(function: Callable[[np.ndarray], np.ndarray], tensor: Tensor) -> Operation:
    """A function of 8 bits as a table; of 16 as it is."""
    if tensor.dtype == "int16":
        return lambda v: function(v.astype(np.int64))
    return table(function, tensor.dtype)


def table(function: Callable[[np.ndarray], np.ndarray], dtype: str) -> Operation:
    """Tabulate a function of one byte: it then costs a look-up, whatever it computes."""
    codes = np.arange(256, dtype=np.uint8)
    values = function(codes.view(dtype).astype(np.int64))
    return lambda x: values.take(np.ascontiguousarray(x).view(np.uint8))


def mul(graph: Graph, node: Node) -> Operation:
    """MUL of two quantised tensors."""
    a, b, y = operands(graph, node)
    if y.dtype in PLAIN:
        _without_activation(node)
        return spread(lambda u, v: u * v, a, b, y)
    if floating.is_float(node):
        eight_bits(node.name, a, b, y)
        return spread(floating.mul(a, b, y), a, b, y)
    low, high = clamp(node.options["activation"], y)
    m, shift = multiplier(float(a.scale[0] * b.scale[0] / y.scale[0]))

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        product = (u.astype(np.int64) - a.z) * (v.astype(np.int64) - b.z)
        codes: np.ndarray = np.clip(multiply(product, m, shift, VARIANT) + y.z, low, high)
        return codes.astype(y.dtype)

    return spread(run, a, b, y)


def extreme(graph: Graph, node: Node) -> Operation:
    """MAXIMUM and MINIMUM: of the integers as they are, whatever their scales."""
    a, b, y = operands(graph, node)
    return spread(np.maximum if node.kind == "MAXIMUM" else np.minimum, a, b, y)


def squared_difference(graph: Graph, node: Node) -> Operation:
    """SQUARED_DIFFERENCE of two int8 tensors."""
    a, b, y = operands(graph, node)
    if y.dtype != "int8":
        raise UserError(f"{node.name} must be of int8, not {y.dtype}; quantise the model")
    twice = _twice(a, b)
    scale = (twice * twice) / (2 ** (2 * DIFFERENCE_SHIFT) * float(y.scale[0]))
    m, shift = multiplier(scale)
    left, right = (
        _lookup(_addend(tensor, multiplier(float(tensor.scale[0]) / twice), DIFFERENCE_SHIFT), tensor)
        for tensor in (a, b)
    )

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        difference = left(u) - right(v)
        codes: np.ndarray = np.clip(multiply(difference * difference, m, shift, VARIANT) + y.z, -128, 127)
        return codes.astype(np.int8)

    return spread(run, a, b, y)


def _without_activation(node: Node) -> None:
    if node.options["activation"] != "NONE":
        raise UserError(f"{node.name} must have no activation on plain integers, not {node.options['activation']}")
