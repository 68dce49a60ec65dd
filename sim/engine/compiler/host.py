# SPDX-License-Identifier: Apache-2.0
"""The operators at the ends of a network that the host computes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.engine.host import Operators, Scores
from sysmt.sim.nn.forward import LayerPlan
from sysmt.sim.nn.graph import ABSENT, Graph, Node
from sysmt.sim.nn.network import Network, Step
from sysmt.sim.nn.operators.linear import Linear


def host_scores(step: Step, plan: LayerPlan) -> Scores:
    """A last layer whose sums are the scores.

    Raises
    ------
    UserError
        It is no fully connected layer over all its input, or is planned on several threads.
    """
    linear = step.operation
    assert isinstance(linear, Linear)
    geometry = linear.layer.geometry
    if linear.layer.pixels != 1 or geometry.kernel != geometry.size or plan.threads != 1:
        raise UserError(
            f"layer {step.name!r} gives its sums as scores and must be fully connected and on one thread, not on "
            f"{plan.threads}; requantise its output"
        )
    weights, bias = plan_of(linear, plan)
    return Scores(name=step.name, weights=weights, bias=bias, shape=linear.shape)


def plan_of(linear: Linear, plan: LayerPlan) -> tuple[np.ndarray, np.ndarray]:
    """Weights int8 [K, N] in their natural order and biases int64 [N] of a layer under its plan."""
    bias = np.asarray(linear.requantize.bias, np.int64)
    return (
        linear.weights if plan.weights is None else plan.weights,
        bias if plan.correction is None else bias + plan.correction,
    )


def host_operators(network: Network, steps: Sequence[Step], source: int, target: int) -> Operators | None:
    """Some steps, from one tensor to another; None where there are none."""
    if not steps:
        return None
    if network.graph is None:
        raise UserError(
            f"layer {steps[0].name!r} must run on the engine, which it cannot: its attributes are not known"
        )
    tensors = network.graph.tensors
    nodes = [step.node for step in steps if step.node is not None]
    used = sorted({source, target} | {i for node in nodes for i in (*node.inputs, *node.outputs) if i != ABSENT})
    number = {index: i for i, index in enumerate(used)} | {ABSENT: ABSENT}

    def moved(node: Node) -> Node:
        options = {name: value for name, value in node.options.items() if name != "fused"}
        return replace(node, inputs=tuple(number[i] for i in node.inputs), output=number[node.output], options=options)

    graph = Graph(
        tensors=tuple(tensors[index] for index in used),
        nodes=tuple(moved(node) for node in nodes),
        input=number[source],
        output=number[target],
    )
    return Operators(graph=graph)
