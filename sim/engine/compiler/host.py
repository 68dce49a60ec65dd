# SPDX-License-Identifier: Apache-2.0
"""The operators at the ends of a network that the host computes, as a graph of their own."""

from collections.abc import Sequence
from dataclasses import replace

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import ABSENT, Graph, Node
from sysmt.sim.nn.network import Network, Step


def host_graph(network: Network, steps: Sequence[Step], source: int, target: int) -> Graph | None:
    """The graph of some steps, from one tensor to another; None where there are none."""
    if not steps:
        return None
    if network.graph is None:
        raise UserError(
            f"layer {steps[0].name!r} must run on the engine, which it cannot: its attributes are not known"
        )
    tensors = network.graph.tensors
    nodes = [step.node for step in steps if step.node is not None]
    used = sorted({source, target} | {i for node in nodes for i in (*node.inputs, node.output) if i != ABSENT})
    number = {index: i for i, index in enumerate(used)} | {ABSENT: ABSENT}

    def moved(node: Node) -> Node:
        options = {name: value for name, value in node.options.items() if name != "fused"}
        return replace(node, inputs=tuple(number[i] for i in node.inputs), output=number[node.output], options=options)

    return Graph(
        tensors=tuple(tensors[index] for index in used),
        nodes=tuple(moved(node) for node in nodes),
        input=number[source],
        output=number[target],
    )
