# SPDX-License-Identifier: Apache-2.0
"""ADD behind the convolution that computes one of its operands: an annotation, which changes no value.

Hardware adds the other operand, the residual, to every value on its way out of the convolution: the ADD costs no pass
over memory, and where nobody reads the residual afterwards, the sums may be written over it.
"""

from dataclasses import replace

from sysmt.sim.nn.graph import FusedAdd, Graph, Node

from .result import LINEAR, Pass, readers


def fuse_additions(graph: Graph) -> Pass:
    """Give `options["fused"]`, a `FusedAdd`, to every ADD that can run behind one of its operands' layer.

    The layer's result is read by the ADD alone and has its shape; the residual has it too, is no constant, and is
    computed before the layer. Of two such layers the later one computes, the other's result is the residual.
    """
    reading, place = readers(graph), {node.output: i for i, node in enumerate(graph.nodes)}
    found = {node.index: _fused(graph, node, reading, place) for node in graph.nodes if node.kind == "ADD"}
    nodes, changes = [], []
    for node in graph.nodes:
        fused = found.get(node.index)
        nodes.append(node if fused is None else replace(node, options=node.options | {"fused": fused}))
        if fused is not None and fused != node.options.get("fused"):
            over = ", over its residual" if fused.in_place else ""
            changes.append(f"{node.name} runs behind {graph.nodes[place[fused.main]].name}{over}")
    return Pass(replace(graph, nodes=tuple(nodes)), tuple(changes))


def _fused(graph: Graph, node: Node, reading: dict[int, list[Node]], place: dict[int, int]) -> FusedAdd | None:
    shape = graph.tensors[node.output].shape
    if len(set(node.inputs)) != 2 or any(
        graph.tensors[i].shape != shape or graph.tensors[i].data is not None for i in node.inputs
    ):
        return None
    residual, main = sorted(node.inputs, key=lambda index: place.get(index, -1))
    if main not in place or graph.nodes[place[main]].kind not in LINEAR:
        return None
    if main in _ends(graph) or len(reading[main]) != 1:
        return None
    later = [other for other in reading[residual] if place[other.output] >= place[main] and other is not node]
    return FusedAdd(main=main, residual=residual, in_place=not later and residual not in _ends(graph))


def _ends(graph: Graph) -> set[int]:
    """Tensors that are more than a step on the way."""
    states = {index for state in graph.states for index in (state.tensor, state.update)}
    return {*graph.inputs, *graph.outputs, *states}
