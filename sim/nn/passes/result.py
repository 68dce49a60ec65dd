# SPDX-License-Identifier: Apache-2.0
"""What a pass gives back, and what several of them ask of a graph."""

from dataclasses import dataclass

from sysmt.sim.nn.graph import Graph, Node

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
LINEAR = (*CONVOLUTIONS, "FULLY_CONNECTED")


@dataclass(frozen=True, eq=False)
class Pass:
    """A graph, and what was done to it: a line per change, empty where nothing was."""

    graph: Graph
    changes: tuple[str, ...] = ()


def readers(graph: Graph) -> dict[int, list[Node]]:
    """The nodes that read each tensor, in their order; a tensor that nobody reads is not there."""
    found: dict[int, list[Node]] = {}
    for node in graph.nodes:
        for index in dict.fromkeys(node.inputs):
            found.setdefault(index, []).append(node)
    return found
