# SPDX-License-Identifier: Apache-2.0
"""How an operator treats the channels, the last dimension of its tensors: what both sweeps of dead channels ask."""

from math import prod

import numpy as np

from sysmt.sim.nn.graph import ABSENT, Graph, Node, Tensor
from sysmt.sim.nn.operators.table import OPERATORS
from sysmt.sim.nn.scales import LIMITS

from .result import LINEAR

CHANNELWISE = (
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "QUANTIZE",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "RELU_0_TO_1",
    "LEAKY_RELU",
    "ADD",
)
"""Operators whose output channel depends on the same channel of their inputs only, and is constant where that is."""


def role(graph: Graph, node: Node) -> str:
    """How a node treats channels.

    Returns
    -------
    str
        `mixes`: any output channel from all input channels, by weights [N, positions, C]. `depthwise`: each output
        channel from one of the input. `channelwise`: each from the same one. `pads`: the same, but only the zero point
        stays constant. `joins`: channels of several inputs side by side. `repeats`: the channels of one pixel after
        another, side by side. `other`: unknown; nothing is constant, and everything is needed.
    """
    y = graph.tensors[node.output]
    data = data_inputs(graph, node)
    if node.more_outputs or any(_unsuited(tensor) for tensor in (y, *(graph.tensors[i] for i in data if i != ABSENT))):
        return "other"
    x = graph.tensors[data[0]]
    same = x.shape[-1] == y.shape[-1]
    if node.kind in LINEAR:
        w = graph.input_of(node, 1)
        plain = x.dtype == y.dtype == w.dtype == "int8" and w.data is not None and not w.zero_point.any()
        if node.kind == "DEPTHWISE_CONV_2D":
            return "depthwise" if plain and y.shape[-1] % x.shape[-1] == 0 else "other"
        return "mixes" if plain and w.shape[-1] % x.shape[-1] == 0 else "other"
    if node.kind in CHANNELWISE:
        alike = all(graph.tensors[i].shape == y.shape for i in data) or len(data) == 1
        return "channelwise" if alike and same else "other"
    if node.kind == "MEAN":
        axes = np.ravel(graph.input_of(node, 1).constant())
        return "channelwise" if same and not {-1, len(x.shape) - 1} & set(axes.tolist()) else "other"
    if node.kind == "PAD":
        return "pads" if same else "other"
    if node.kind == "CONCATENATION":
        return "joins" if node.options["axis"] in (-1, len(y.shape) - 1) else "other"
    if node.kind == "RESHAPE":
        tails = (prod(x.shape[i:]) for i in range(1, len(x.shape)))
        return "repeats" if y.shape[-1] in tails else "other"
    return "other"


def _unsuited(tensor: Tensor) -> bool:
    """Whether it is no activation of 8 bits with one scale: nothing is known of others."""
    return tensor.data is not None or not tensor.shape or tensor.dtype not in LIMITS or len(tensor.scale) != 1


def weights_by_channel(graph: Graph, node: Node) -> np.ndarray:
    """The weights of a node that mixes channels, int8 [N, positions, C]: kernel positions, or pixels side by side."""
    stored = graph.input_of(node, 1).constant()
    return stored.reshape(len(stored), -1, graph.input_of(node, 0).shape[-1])


def data_inputs(graph: Graph, node: Node) -> tuple[int, ...]:
    """The tensors that a node reads as data."""
    return OPERATORS[node.kind].data_inputs(graph, node) if node.kind in OPERATORS else node.inputs
