# SPDX-License-Identifier: Apache-2.0
"""The forward sweep: which channels have the same value at every pixel of every input, and which value."""

from collections.abc import Callable

import numpy as np

from sysmt.sim.golden.requantize import INT32
from sysmt.sim.nn.graph import Graph, Node
from sysmt.sim.nn.operators.linear import Linear, linear
from sysmt.sim.nn.operators.table import OPERATORS

from .channels import data_inputs, role

VARIES = 2**15
"""Stands for the value of a channel that is not constant; others are the tensor's own integers."""

Constants = dict[int, np.ndarray]
"""Value of every channel, int64 [C], by tensor."""


def constant_channels(graph: Graph) -> Constants:
    """The value of every channel of every activation, `VARIES` where it is not constant."""
    given = (*graph.inputs, *(state.tensor for state in graph.states))
    found: Constants = {index: _varying(graph, index) for index in given}
    for node in graph.nodes:
        kind = role(graph, node)
        sweep = _SWEEPS.get(kind)
        found |= {index: _varying(graph, index) for index in node.outputs}
        if sweep:
            found[node.output] = sweep(graph, node, found)
    return found


def foldable(graph: Graph, node: Node, values: np.ndarray) -> np.ndarray:
    """Which channels of its input a layer can take for a number in its bias: bool [C].

    A constant one, where the layer does not pad; where it does, the padding has the zero point, and a constant with
    another value is not constant there.
    """
    operation = linear(graph, node)
    constant: np.ndarray = values != VARIES
    if any(any(side) for side in operation.layer.geometry.padding):
        constant = constant & (values == graph.input_of(node, 0).z)
    return constant


def _varying(graph: Graph, index: int) -> np.ndarray:
    return np.full(graph.tensors[index].shape[-1:], VARIES, np.int64)


def _mixes(graph: Graph, node: Node, found: Constants) -> np.ndarray:
    """Constant where all weights of channels that vary are zero: what is left of the sum is a number."""
    operation, values = linear(graph, node), found[node.inputs[0]]
    fixed = foldable(graph, node, values)
    w = operation.weights.reshape(-1, len(values), operation.weights.shape[1])
    varies = np.asarray(w[:, ~fixed].any(axis=(0, 1)))
    unsigned = np.where(fixed, values + 128, 0)
    return _finished(operation, varies, np.einsum("pcn,c->n", w.astype(np.int64), unsigned))


def _depthwise(graph: Graph, node: Node, found: Constants) -> np.ndarray:
    operation = linear(graph, node)
    fixed, values = (
        each.repeat(operation.layer.outputs // operation.layer.channels)
        for each in (foldable(graph, node, found[node.inputs[0]]), found[node.inputs[0]])
    )
    total = operation.weights.astype(np.int64).sum(axis=0)
    sums = np.where(fixed, (values + 128) * total, 0)
    return _finished(operation, operation.weights.any(axis=0) & ~fixed, sums)


def _finished(operation: Linear, varies: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Channels whose sums of unsigned activations, int64 [N], are numbers, requantised."""
    harmless = np.where(varies, np.minimum(-np.asarray(operation.requantize.bias, np.int64), INT32.max), sums)
    return np.where(varies, VARIES, operation.requantize(harmless))


def _channelwise(graph: Graph, node: Node, found: Constants) -> np.ndarray:
    """Run the operator on constants, and see what comes out: any number stands for a channel that varies."""
    operands, varies = [], np.zeros(graph.tensors[node.output].shape[-1], bool)
    for index in data_inputs(graph, node):
        tensor, values = graph.tensors[index], found[index]
        varies |= values == VARIES
        image = np.where(values == VARIES, 0, values).astype(tensor.dtype)
        operands.append(np.ascontiguousarray(np.broadcast_to(image, tensor.shape)))
    operation = OPERATORS[node.kind].prepare(graph, node)
    assert not isinstance(operation, Linear)
    result = np.asarray(operation(*operands)).reshape(-1, len(varies))[0].astype(np.int64)
    return np.where(varies, VARIES, result)


def _pads(graph: Graph, node: Node, found: Constants) -> np.ndarray:
    values, z = found[node.inputs[0]], graph.tensors[node.output].z
    return np.where(values == z, z, VARIES)


def _joins(graph: Graph, node: Node, found: Constants) -> np.ndarray:
    return np.concatenate([found[index] for index in node.inputs])


def _repeats(graph: Graph, node: Node, found: Constants) -> np.ndarray:
    values = found[node.inputs[0]]
    return np.tile(values, graph.tensors[node.output].shape[-1] // len(values))


_SWEEPS: dict[str, Callable[[Graph, Node, Constants], np.ndarray]] = {
    "mixes": _mixes,
    "depthwise": _depthwise,
    "channelwise": _channelwise,
    "pads": _pads,
    "joins": _joins,
    "repeats": _repeats,
}
