# SPDX-License-Identifier: Apache-2.0
"""What is in a model: every operator with its shapes, weights and work, where it runs, and what would be in the way."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sysmt.base.errors import UserError

from .graph import ABSENT, Graph, Node, Tensor
from .layer import Layer
from .network import prepared
from .operators.linear import Linear, convolution, fully_connected
from .operators.products import HostProduct
from .simplify import simplify

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators that are layers of the array."""
WEIGHTED = (*LAYERS, "TRANSPOSE_CONV", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM")
"""Operators whose constants are weights, but for their biases."""


@dataclass(frozen=True, kw_only=True)
class OperatorFacts:
    """One operator.

    Parameters
    ----------
    index : int
        Its place in the file.
    kind, name : str
        The name is its output's.
    inputs, outputs : list of list of int
        Shapes of what it reads at run time and of what it writes.
    dtype : str
        Of its output.
    weights : int
        Trained weights; those of a grouped convolution as they are stored.
    zero_weights : float
        Share of them that are zero.
    macs : int
        Multiply-accumulates for one input; 0 where nothing is multiplied.
    runs_on : str
        "array", "host", or "nowhere" where it is not supported.
    obstacle : str or None
        Why not.
    dead_channels : int
        Output channels of a layer all of whose weights are zero: constants.
    """

    index: int
    kind: str
    name: str
    inputs: list[list[int]]
    outputs: list[list[int]]
    dtype: str
    weights: int
    zero_weights: float
    macs: int
    runs_on: str
    obstacle: str | None
    dead_channels: int


@dataclass(frozen=True)
class Inspection:
    """A model, operator by operator.

    Parameters
    ----------
    inputs, outputs : list of dict
        `name`, `shape`, `dtype`, `scale` and `zero_point` (None of plain numbers) each.
    operators : list of OperatorFacts
        In their order; operators that nobody reads and those that only constants go into are left out.
    state_bytes : int
        What is remembered from one input to the next.
    layers : tuple of Layer
        Those that run on the array, in their order; by their shapes alone where their arithmetic is not supported.
    shaped : tuple of int
        The places of these in the file.
    """

    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    operators: list[OperatorFacts]
    state_bytes: int
    layers: tuple[Layer, ...]
    shaped: tuple[int, ...] = ()

    @property
    def supported(self) -> bool:
        """Whether the model runs."""
        return not any(operator.obstacle for operator in self.operators)

    def total(self, field: str, runs_on: str | None = None) -> int:
        """Sum of a field over all operators, or those that run somewhere."""
        return sum(getattr(row, field) for row in self.operators if runs_on in (None, row.runs_on))


def inspect(graph: Graph) -> Inspection:
    """Look at every operator of a graph; nothing that is in the way of running it is in the way of this."""
    graph = simplify(graph)
    layers, shaped = [], []
    for node in graph.nodes:
        try:
            operation = prepared(graph, node).operation
            layer = operation.layer if isinstance(operation, Linear) else None
        except UserError:
            layer = _by_shape(graph, node)
            shaped += [node.index] * (layer is not None)
        layers += [] if layer is None else [layer]
    return Inspection(
        [_end(graph.tensors[i]) for i in graph.inputs],
        [_end(graph.tensors[i]) for i in graph.outputs],
        [_facts(graph, node) for node in graph.nodes],
        sum(state.initial.nbytes for state in graph.states),
        tuple(layers),
        tuple(shaped),
    )


def _by_shape(graph: Graph, node: Node) -> Layer | None:
    """The layer that a node would be if its numbers were quantised."""
    if node.kind not in LAYERS:
        return None
    lower = fully_connected if node.kind == "FULLY_CONNECTED" else convolution
    try:
        stored = np.broadcast_to(np.zeros(1, np.int8), graph.input_of(node, 1).shape)
        return lower(node, graph.tensors[node.output].name, graph.input_of(node, 0), stored)[0]
    except UserError:
        return None


def _end(tensor: Tensor) -> dict[str, Any]:
    quantised = len(tensor.scale) == 1
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": float(tensor.scale[0]) if quantised else None,
        "zero_point": tensor.z if quantised else None,
    }


def _facts(graph: Graph, node: Node) -> OperatorFacts:
    obstacle, runs_on, macs = None, "host", 0
    try:
        operation = prepared(graph, node).operation
        if isinstance(operation, (Linear, HostProduct)):
            runs_on, macs = ("array" if isinstance(operation, Linear) else "host"), operation.layer.macs
    except UserError as error:
        obstacle, runs_on = str(error), "nowhere"
    read = [graph.tensors[i] for i in node.inputs if i != ABSENT]
    weights = [t.data for t in read if t.data is not None and t.dtype != "int32"] if node.kind in WEIGHTED else []
    count = sum(w.size for w in weights)
    zeros = sum(int(np.count_nonzero(w == 0)) for w in weights)
    return OperatorFacts(
        index=node.index,
        kind=node.kind,
        name=graph.tensors[node.output].name,
        inputs=[list(t.shape) for t in read if t.data is None],
        outputs=[list(graph.tensors[i].shape) for i in node.outputs],
        dtype=graph.tensors[node.output].dtype,
        weights=count,
        zero_weights=zeros / count if count else 0.0,
        macs=macs,
        runs_on=runs_on,
        obstacle=obstacle,
        dead_channels=_dead_channels(graph, node),
    )


def _dead_channels(graph: Graph, node: Node) -> int:
    """Output channels whose weights are all at their zero point."""
    if node.kind not in LAYERS or len(node.inputs) < 2:
        return 0
    w = graph.tensors[node.inputs[1]]
    if w.data is None or not w.data.size or len(w.zero_point) < 1 or len(set(w.zero_point.tolist())) != 1:
        return 0
    rows = w.data.reshape(-1, w.shape[-1]).T if node.kind == "DEPTHWISE_CONV_2D" else w.data.reshape(w.shape[0], -1)
    return int(np.count_nonzero((rows == w.z).all(axis=1)))


def dot(inspection: Inspection, graph: Graph) -> str:
    """The graph as a picture in the language of Graphviz: boxes for the array, ellipses for the host."""
    graph = simplify(graph)
    lines = ["digraph model {", "  rankdir=TB; node [fontname=sans]; edge [fontname=sans, fontsize=10];"]
    made: dict[int, str] = {index: f"in{i}" for i, index in enumerate(graph.inputs)}
    lines += [f'  in{i} [shape=plaintext, label="input {i}"];' for i in range(len(graph.inputs))]
    for i, (node, facts) in enumerate(zip(graph.nodes, inspection.operators, strict=True)):
        shape = {"array": "box, style=filled, fillcolor=lightblue", "host": "ellipse"}.get(
            facts.runs_on, "octagon, style=filled, fillcolor=orange"
        )
        lines.append(f'  op{i} [shape={shape}, label="{node.kind.replace(chr(34), chr(39))}"];')
        for index in dict.fromkeys(node.inputs):
            if index in made:
                size = "x".join(map(str, graph.tensors[index].shape))
                lines.append(f'  {made[index]} -> op{i} [label="{size}"];')
        made |= dict.fromkeys(node.outputs, f"op{i}")
    for i, index in enumerate(graph.outputs):
        lines.append(f'  out{i} [shape=plaintext, label="output {i}"];')
        if index in made:
            lines.append(f"  {made[index]} -> out{i};")
    return "\n".join([*lines, "}", ""])


def size_of(shape: list[int]) -> str:
    """A shape for people."""
    return "x".join(map(str, shape)) or "scalar"
