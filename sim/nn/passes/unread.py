# SPDX-License-Identifier: Apache-2.0
"""Removes operators that lead nowhere."""

from dataclasses import replace

from sysmt.sim.nn.graph import Graph

from .result import Pass


def remove_unread_nodes(graph: Graph) -> Pass:
    """Remove every operator whose result reaches no output of the network."""
    wanted = {*graph.outputs, *(state.update for state in graph.states)}
    kept, changes = [], []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            wanted |= set(node.inputs)
            kept.append(node)
        else:
            changes.append(f"{node.name} is read by nobody")
    return Pass(replace(graph, nodes=tuple(reversed(kept))), tuple(reversed(changes)))
