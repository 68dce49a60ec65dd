# SPDX-License-Identifier: Apache-2.0
"""TOPK_V2, CUMSUM and ONE_HOT: what goes along one dimension, one index after the other.

Source: TensorFlow Lite, kernels/{topk_v2,cumsum,one_hot}.cc.
"""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, Operations, several, whole
from sysmt.sim.nn.graph import Graph, Node

from .elementwise import check_alike, check_quantised
from .moves import axis_of, parameter


def largest(graph: Graph, node: Node) -> Operations:
    """TOPK_V2: the largest values of the last dimension and their indices; of equal ones the first come first."""
    x, (k,) = graph.input_of(node, 0), parameter(graph, node, 1) or [0]
    if len(node.outputs) != 2:
        raise UserError(f"{node.name} must write values and indices, not {len(node.outputs)} tensors")
    values, indices = (graph.tensors[i] for i in node.outputs)
    wanted = (*x.shape[:-1], k)
    if not x.shape or not 1 <= k <= x.shape[-1] or {values.shape, indices.shape} != {wanted}:
        raise UserError(f"{node.name} must write {wanted} of {x.shape}, not {values.shape} and {indices.shape}")
    if indices.dtype != "int32":
        raise UserError(f"{node.name} must write indices of int32, not {indices.dtype}; export it otherwise")
    check_alike(node, x, values)

    def run(v: np.ndarray) -> tuple[np.ndarray, ...]:
        order = np.argsort(-v.astype(np.int64), axis=-1, kind="stable")[..., :k]
        return np.take_along_axis(v, order, -1), order.astype(np.int32)

    return several(run, [x], [values, indices])


def cumulative(graph: Graph, node: Node) -> Operation:
    """CUMSUM of plain integers."""
    x, y = check_quantised(graph, node)
    if x.dtype not in ("int32", "int64") or x.shape != y.shape:
        raise UserError(f"{node.name} must be of plain integers of one shape, not {x.dtype} {x.shape} to {y.shape}")
    (axis,) = parameter(graph, node, 1) or [0]
    axis = axis_of(node, axis, len(x.shape)) + 1
    backwards, exclusive = node.options["reverse"], node.options["exclusive"]

    def run(v: np.ndarray) -> np.ndarray:
        v = np.flip(v, axis) if backwards else v
        total = np.cumsum(v, axis=axis, dtype=v.dtype)
        total = total - v if exclusive else total
        return np.flip(total, axis) if backwards else total

    return whole(run, (x,), y)


def one_hot(graph: Graph, node: Node) -> Operation:
    """ONE_HOT: one value where a dimension's index is the given one, another elsewhere; of none where it is outside."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    (depth,) = parameter(graph, node, 1) or [0]
    on, off = (graph.input_of(node, i) for i in (2, 3))
    if x.dtype not in ("int32", "int64"):
        raise UserError(f"{node.name} must read indices of int32 or int64, not {x.dtype}; export it otherwise")
    check_alike(node, on, y)
    check_alike(node, off, y)
    axis = axis_of(node, node.options["axis"], len(x.shape) + 1)
    wanted = (*x.shape[:axis], depth, *x.shape[axis:])
    if y.shape != wanted or on.constant().size != 1 or off.constant().size != 1:
        raise UserError(f"{node.name} must write {wanted} of two values, not {y.shape}; the file is damaged")
    lit, unlit = (tensor.constant().reshape(-1)[0] for tensor in (on, off))
    numbers = np.arange(depth).reshape(-1, *(1,) * (len(x.shape) - axis))

    def run(v: np.ndarray) -> np.ndarray:
        chosen: np.ndarray = np.where(np.expand_dims(v, axis + 1) == numbers, lit, unlit)
        return chosen.astype(y.dtype)

    return whole(run, (x,), y)
