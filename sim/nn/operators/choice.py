# SPDX-License-Identifier: Apache-2.0
"""Comparisons, what is computed with their results, and SELECT.

Source of the arithmetic: TensorFlow Lite, kernels/comparisons.cc and reference/comparisons.h (ComparisonWithScaling).
"""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.scales import VARIANT, eight_bits, multiplier

COMPARISONS = {
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
}
LOGICAL = {"LOGICAL_AND": np.logical_and, "LOGICAL_OR": np.logical_or, "LOGICAL_NOT": np.logical_not}
LEFT_SHIFT = 8
"""Bits that an operand is shifted up before it is rescaled."""


def _spread(node: Node, operation: Operation, inputs: list[Tensor], y: Tensor) -> Operation:
    """An operation with broadcasting."""
    shapes = [tensor.shape for tensor in inputs]
    try:
        fitting = np.broadcast_shapes(*shapes) == y.shape
    except ValueError:
        fitting = False
    if not fitting:
        raise UserError(f"{node.name} must read shapes that add up to {y.shape}, not {shapes}")
    rank = len(y.shape)

    def run(*values: np.ndarray) -> np.ndarray:
        return operation(*(v.reshape(len(v), *(1,) * (rank + 1 - v.ndim), *v.shape[1:]) for v in values))

    return whole(run, inputs, y)


def compare(graph: Graph, node: Node) -> Operation:
    """EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL of 8 bits with their scales, or of plain integers."""
    a, b, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    function = COMPARISONS[node.kind]
    if y.dtype != "bool":
        raise UserError(f"{node.name} must write bool, not {y.dtype}; the file is damaged")
    if a.dtype == b.dtype and a.dtype in ("int32", "int64", "bool"):
        return _spread(node, lambda u, v: function(u, v), [a, b], y)
    eight_bits(node.name, a, b)
    scales = [multiplier(float(tensor.scale[0])) for tensor in (a, b)]
    if max(a.scale[0], b.scale[0]) >= 1:
        raise UserError(f"{node.name} must compare scales below 1, not {max(a.scale[0], b.scale[0])}; requantise it")

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        real = (
            multiply((values.astype(np.int64) - tensor.z) << LEFT_SHIFT, *scale, VARIANT)
            for values, tensor, scale in zip((u, v), (a, b), scales, strict=True)
        )
        result: np.ndarray = function(*real)
        return result

    return _spread(node, run, [a, b], y)


def logical(graph: Graph, node: Node) -> Operation:
    """LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT."""
    inputs, y = [graph.tensors[i] for i in node.inputs], graph.tensors[node.output]
    count = 1 if node.kind == "LOGICAL_NOT" else 2
    if len(inputs) != count or any(tensor.dtype != "bool" for tensor in (*inputs, y)):
        raise UserError(f"{node.name} must have {count} inputs of bool, not {[tensor.dtype for tensor in inputs]}")
    return _spread(node, lambda *values: LOGICAL[node.kind](*values), inputs, y)


def select(graph: Graph, node: Node) -> Operation:
    """SELECT and SELECT_V2: the integers as they are, of one scale."""
    condition, a, b = (graph.input_of(node, i) for i in range(3))
    y = graph.tensors[node.output]
    if condition.dtype != "bool" or {a.dtype, b.dtype} != {y.dtype}:
        raise UserError(f"{node.name} must choose between two of {y.dtype}, not {a.dtype} and {b.dtype}")
    if any(t.scale.tolist() != y.scale.tolist() or t.zero_point.tolist() != y.zero_point.tolist() for t in (a, b)):
        raise UserError(f"{node.name} must choose between tensors of its own scale, not of others; requantise them")
    if node.kind == "SELECT" and a.shape != condition.shape:
        raise UserError(f"{node.name} must have a condition {a.shape}, not {condition.shape}; use SELECT_V2")
    return _spread(node, np.where, [condition, a, b], y)
