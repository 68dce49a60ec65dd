# SPDX-License-Identifier: Apache-2.0
"""Operators with several outputs that are parts of the input: SPLIT, SPLIT_V, UNPACK."""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, Operations, several
from sysmt.sim.nn.graph import Graph, Node

from .elementwise import check_alike
from .moves import axis_of, parameter


def split(graph: Graph, node: Node) -> Operation | Operations:
    """SPLIT (axis, then the tensor) and SPLIT_V (tensor, sizes, axis)."""
    x = graph.input_of(node, 1 if node.kind == "SPLIT" else 0)
    (axis,) = _one(graph, node, 0 if node.kind == "SPLIT" else 2)
    axis = axis_of(node, axis, len(x.shape))
    outputs = [graph.tensors[i] for i in node.outputs]
    if node.kind == "SPLIT":
        sizes = [x.shape[axis] // len(outputs)] * len(outputs)
    else:
        sizes = parameter(graph, node, 1)
        sizes = [x.shape[axis] - sum(s for s in sizes if s >= 0) if size == -1 else size for size in sizes]
    cuts = np.cumsum([0, *sizes])
    wanted = [x.shape[:axis] + (size,) + x.shape[axis + 1 :] for size in sizes]
    if [y.shape for y in outputs] != wanted or cuts[-1] != x.shape[axis] or min(sizes) < 1:
        raise UserError(f"{node.name} must write {wanted}, not {[y.shape for y in outputs]}")
    check_alike(node, x, *outputs)

    def run(v: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.split(v, cuts[1:-1], axis=axis + 1))

    return _one_or_more(several(run, [x], outputs), len(outputs))


def unpack(graph: Graph, node: Node) -> Operation | Operations:
    """UNPACK: one output per index of a dimension."""
    x = graph.input_of(node, 0)
    axis = axis_of(node, node.options["axis"], len(x.shape))
    outputs = [graph.tensors[i] for i in node.outputs]
    wanted = x.shape[:axis] + x.shape[axis + 1 :]
    if len(outputs) != x.shape[axis] or any(y.shape != wanted for y in outputs):
        raise UserError(f"{node.name} must write {x.shape[axis]} of {wanted}, not {[y.shape for y in outputs]}")
    check_alike(node, x, *outputs)

    def run(v: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(v.take(i, axis=axis + 1) for i in range(len(outputs)))

    return _one_or_more(several(run, [x], outputs), len(outputs))


def _one(graph: Graph, node: Node, position: int) -> list[int]:
    values = parameter(graph, node, position)
    if len(values) != 1:
        raise UserError(f"{node.name} must have one axis, not {values}")
    return values


def _one_or_more(run: Operations, outputs: int) -> Operation | Operations:
    """Steps with one output give an array, others a tuple."""
    return run if outputs > 1 else lambda *values: run(*values)[0]
