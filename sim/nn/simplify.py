# SPDX-License-Identifier: Apache-2.0
"""What a graph does not need: nodes that nothing reads, and nodes that only constants go into.

Chains that compute with shapes (SHAPE, STRIDED_SLICE, PACK, ...) are constants here, where every shape is known.
"""

from dataclasses import replace
from math import prod

import numpy as np

from sysmt.base.errors import UserError

from .arrays import join
from .graph import ABSENT, Graph, Node, Tensor
from .operators.linear import Linear
from .operators.table import OPERATORS

REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")
FOLDED = 2**20
"""Most values of a tensor that is computed here: a damaged file costs no more than a moment."""


def simplify(graph: Graph) -> Graph:
    """The graph without dead nodes and without those that only read constants."""
    return _alive(fold(_alive(graph)))


def fold(graph: Graph) -> Graph:
    """The graph with constants in place of nodes that only read constants."""
    return _folded(_with_shapes(graph))


def _alive(graph: Graph) -> Graph:
    """Without nodes whose outputs nothing reads."""
    needed = {*graph.outputs, *(state.update for state in graph.states)}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    return replace(graph, nodes=tuple(reversed(kept))) if len(kept) < len(graph.nodes) else graph


def _with_shapes(graph: Graph) -> Graph:
    """With the shapes that operators give, where the file has as many values in another shape."""
    tensors = list(graph.tensors)
    for node in graph.nodes:
        y = tensors[node.output]
        shape = _shape_of(node, [tensors[i] for i in node.inputs if i != ABSENT])
        if shape is not None and shape != y.shape and prod(shape) == prod(y.shape) and y.data is None:
            tensors[node.output] = replace(y, shape=shape)
    return replace(graph, tensors=tuple(tensors))


def _shape_of(node: Node, inputs: list[Tensor]) -> tuple[int, ...] | None:
    """What a reduction or fully connected layer writes; None of others, and where it cannot be said."""
    if node.kind in REDUCTIONS and len(inputs) == 2 and inputs[1].data is not None:
        return _reduced(inputs[0].shape, inputs[1].data, bool(node.options.get("keep_dims")))
    if (
        node.kind == "FULLY_CONNECTED"
        and "keep_num_dims" in node.options
        and len(inputs) > 1
        and len(inputs[1].shape) == 2
    ):
        x, (n, channels) = inputs[0].shape, inputs[1].shape
        if channels and prod(x) % channels == 0:
            return (*x[:-1], n) if node.options.get("keep_num_dims") else (prod(x) // channels, n)
    return None


def _reduced(shape: tuple[int, ...], axes: np.ndarray, keep: bool) -> tuple[int, ...]:
    gone = {int(axis) % len(shape) for axis in axes.ravel()} if shape else set()
    return tuple(1 if i in gone else n for i, n in enumerate(shape) if keep or i not in gone)


def _folded(graph: Graph) -> Graph:
    """With constants in place of nodes that compute nothing else."""
    for node in graph.nodes:
        found = _evaluate(graph, node)
        if found is not None:
            tensors = list(graph.tensors)
            for index, value in zip(node.outputs, found, strict=True):
                tensors[index] = replace(tensors[index], data=value)
            rest = tuple(other for other in graph.nodes if other is not node)
            graph = replace(graph, tensors=tuple(tensors), nodes=rest)
    return graph


def _evaluate(graph: Graph, node: Node) -> tuple[np.ndarray, ...] | None:
    """The outputs of a node that has only constants to read; None of any other, and of one that is refused."""
    outputs = [graph.tensors[i] for i in node.outputs]
    if sum(prod(y.shape) for y in outputs) > FOLDED:
        return None
    if node.kind in ("SHAPE", "RANK") and len(node.inputs) == 1:
        return _shape(graph, node, outputs[0])
    inputs = [graph.tensors[i] for i in node.inputs if i != ABSENT]
    if node.kind not in OPERATORS or not inputs or any(x.data is None for x in inputs):
        return None
    try:
        operator = OPERATORS[node.kind]
        operation = operator.prepare(graph, node)
        if isinstance(operation, Linear):
            return None
        data = operator.data_inputs(graph, node)
        result = operation(*(join(graph.tensors[i].constant(), graph.tensors[i].shape) for i in data))
    except UserError:
        return None
    results = result if isinstance(result, tuple) else (result,)
    return tuple(value.reshape(y.shape) for value, y in zip(results, outputs, strict=True))


def _shape(graph: Graph, node: Node, y: Tensor) -> tuple[np.ndarray] | None:
    """SHAPE and RANK: every shape is known."""
    shape = graph.tensors[node.inputs[0]].shape
    value = np.array(shape if node.kind == "SHAPE" else len(shape), np.int64)
    if value.shape != y.shape or y.dtype not in ("int32", "int64"):
        return None
    return (value.astype(y.dtype),)
