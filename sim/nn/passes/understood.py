# SPDX-License-Identifier: Apache-2.0
"""Which graphs the passes may change: one input and one output, and layers of int8 with symmetric constant weights."""

from sysmt.sim.nn.graph import Graph, Node

from .result import LINEAR


def understood(graph: Graph) -> bool:
    """Whether every operator is one that the passes were made for."""
    if graph.more_inputs or graph.more_outputs or graph.states:
        return False
    return all(not node.more_outputs and (node.kind not in LINEAR or _plain(graph, node)) for node in graph.nodes)


def _plain(graph: Graph, node: Node) -> bool:
    """Whether a layer is int8 with symmetric constant weights for all channels of its input."""
    x, w = graph.input_of(node, 0), graph.input_of(node, 1)
    if x.dtype != "int8" or w.dtype != "int8" or w.data is None or w.zero_point.any() or not x.shape:
        return False
    return node.kind != "CONV_2D" or w.shape[-1] == x.shape[-1]
