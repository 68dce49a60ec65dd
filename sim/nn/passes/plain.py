# SPDX-License-Identifier: Apache-2.0
"""Which graphs the passes understand: one input and output, int8 behind a batch of 1, symmetric weights."""

from sysmt.sim.nn.graph import ABSENT, Graph, Node
from sysmt.sim.nn.operators.floating import is_float

from .result import LINEAR

FREE = ("QUANTIZE", "DEQUANTIZE")
"""Operators between types."""


def plain(graph: Graph) -> bool:
    """Whether the passes may change the graph; of any other they would have to know more."""
    if graph.more_inputs or graph.more_outputs or graph.states:
        return False
    return all(_plain(graph, node) for node in graph.nodes)


def _plain(graph: Graph, node: Node) -> bool:
    tensors = [graph.tensors[i] for i in (*node.inputs, *node.outputs) if i != ABSENT]
    values = [tensor for tensor in tensors if tensor.data is None]
    if is_float(node) or node.more_outputs or any(len(tensor.shape) < 2 or tensor.shape[0] != 1 for tensor in values):
        return False
    if node.kind in FREE:
        return True
    if any(tensor.dtype != "int8" for tensor in values):
        return False
    if node.kind not in LINEAR:
        return True
    x, w = graph.input_of(node, 0), graph.input_of(node, 1)
    grouped = node.kind == "CONV_2D" and w.shape[-1] != x.shape[-1]
    return w.data is not None and w.dtype == "int8" and not w.zero_point.any() and not grouped
