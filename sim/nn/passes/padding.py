# SPDX-License-Identifier: Apache-2.0
"""PAD becomes the padding of the convolutions behind it: both fill with the zero point."""

from dataclasses import replace

from sysmt.sim.nn.geometry import Pair
from sysmt.sim.nn.graph import Graph, Node
from sysmt.sim.nn.operators.window import padding_of

from .result import CONVOLUTIONS, Pass, readers


def fold_padding(graph: Graph) -> Pass:
    """Give the padding of every PAD to its readers, where all of these are convolutions.

    A PAD stays that pads channels, that does not keep scale and zero point, or whose output somebody else reads.
    """
    changes: list[str] = []
    for node in reversed(graph.nodes):
        edges = _edges(graph, node)
        behind = readers(graph).get(node.output, [])
        if edges is None or node.output in graph.outputs or not behind:
            continue
        if any(reader.kind not in CONVOLUTIONS or node.output in reader.inputs[1:] for reader in behind):
            continue
        folded = {reader.index: _with_padding(graph, reader, node.inputs[0], edges) for reader in behind}
        nodes = tuple(folded.get(other.index, other) for other in graph.nodes if other.index != node.index)
        graph = replace(graph, nodes=nodes)
        changes.append(f"{node.name} is the padding of {', '.join(reader.name for reader in behind)}")
    return Pass(graph, tuple(changes))


def _edges(graph: Graph, node: Node) -> tuple[Pair, Pair] | None:
    """Rows and columns that a PAD adds; None where it is no PAD of an image, or does more."""
    if node.kind != "PAD" or len(node.inputs) != 2:
        return None
    x, y, edges = graph.input_of(node, 0), graph.tensors[node.output], graph.input_of(node, 1).data
    if edges is None or edges.shape != (4, 2) or edges.min() < 0 or edges[[0, 3]].any():
        return None
    alike = len(x.scale) == len(y.scale) == 1 and x.scale[0] == y.scale[0] and x.z == y.z and x.dtype == y.dtype
    (_, down, across, _) = edges.tolist()
    return ((down[0], down[1]), (across[0], across[1])) if alike else None


def _with_padding(graph: Graph, reader: Node, source: int, edges: tuple[Pair, Pair]) -> Node:
    """A convolution that reads what the PAD reads, and pads with both."""
    _, height, width, _ = graph.input_of(reader, 0).shape
    _, down, across, _ = graph.input_of(reader, 1).shape
    own = padding_of((height, width), (down, across), reader.options)
    (top, bottom), (left, right) = edges
    padding = ((top + own[0][0], bottom + own[0][1]), (left + own[1][0], right + own[1][1]))
    return replace(reader, inputs=(source, *reader.inputs[1:]), options=reader.options | {"padding": padding})
