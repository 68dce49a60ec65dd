# SPDX-License-Identifier: Apache-2.0
"""From the intermediate form to steps that can be run: every operator is checked and prepared once."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sysmt.base.errors import UserError

from .graph import ABSENT, FusedAdd, Graph, Node, Tensor
from .layer import Layer
from .operators import elementwise, reductions
from .operators.elementwise import Operation
from .operators.linear import Linear, linear

OPERATORS: dict[str, Callable[[Graph, Node], Linear | Operation]] = {
    "CONV_2D": linear,
    "DEPTHWISE_CONV_2D": linear,
    "FULLY_CONNECTED": linear,
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": reductions.pool,
    "MAX_POOL_2D": reductions.pool,
    "MEAN": reductions.mean,
    "PAD": elementwise.pad,
    "RESHAPE": elementwise.reshape,
    "SOFTMAX": reductions.softmax,
    "QUANTIZE": elementwise.quantize,
    "DEQUANTIZE": elementwise.dequantize,
    "CONCATENATION": elementwise.concatenation,
    "RELU": elementwise.activation,
    "RELU6": elementwise.activation,
    "RELU_N1_TO_1": elementwise.activation,
    "RELU_0_TO_1": elementwise.activation,
    "LEAKY_RELU": elementwise.leaky,
}
DATA_INPUTS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "MEAN": 1, "PAD": 1, "RESHAPE": 1}
"""How many inputs are data where the others are parameters; all of them elsewhere."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One operator, prepared.

    Parameters
    ----------
    kind : str
    inputs : tuple of int
        Tensors that it reads.
    output : int
    result : Tensor
        What the output's tensor is like.
    operation : Linear or a function of arrays
    last_use : tuple of int
        Tensors that nothing reads after this step.
    node : Node or None
        The node of the network's graph that it was prepared from.
    fused : FusedAdd or None
        Of an ADD that can run behind another step; here it is a step of its own all the same.
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    result: Tensor
    operation: Linear | Operation
    last_use: tuple[int, ...]
    node: Node | None = None
    fused: FusedAdd | None = None

    @property
    def name(self) -> str:
        """Name of the output's tensor."""
        return self.result.name


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network ready to run.

    Parameters
    ----------
    input, output : Tensor
    input_index, output_index : int
    steps : tuple of Step
    constants : dict of tensor index to array
        Constants that are read as data.
    graph : Graph or None
        What it was built from.
    """

    input: Tensor
    output: Tensor
    input_index: int
    output_index: int
    steps: tuple[Step, ...]
    constants: dict[int, np.ndarray]
    graph: Graph | None = None

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The operators that run on the array, in their order."""
        return tuple(step.operation for step in self.steps if isinstance(step.operation, Linear))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Their shapes."""
        return tuple(linear.layer for linear in self.linears)

    @property
    def scores(self) -> "Network":
        """The network without a SOFTMAX at its end, which hides how far apart two answers are."""
        *steps, last = self.steps
        before = [step for step in steps if step.output in last.inputs]
        if last.kind != "SOFTMAX" or last.output != self.output_index or not before:
            return self
        return replace(self, output=before[0].result, output_index=before[0].output, steps=tuple(steps))


def build(graph: Graph) -> Network:
    """Check and prepare a graph.

    Raises
    ------
    UserError
        An operator is not supported (named with its index), or its tensors do not fit it.
    """
    source, target = graph.tensors[graph.input], graph.tensors[graph.output]
    if source.shape[:1] != (1,) or target.shape[:1] != (1,):
        raise UserError(f"model must have a batch of 1 in front, not {source.shape} to {target.shape}; export it so")
    last_reader: dict[int, int] = {}
    for node in graph.nodes:
        last_reader.update(dict.fromkeys(node.inputs, node.index))
    steps: list[Step] = []
    constants: dict[int, np.ndarray] = {}
    for node in graph.nodes:
        if node.kind not in OPERATORS:
            raise UserError(f"{node.name} is not supported; supported are {', '.join(sorted(OPERATORS))}")
        inputs = node.inputs[: DATA_INPUTS.get(node.kind, len(node.inputs))]
        if not inputs or ABSENT in inputs:
            raise UserError(f"{node.name} must have an input; the file is damaged")
        for index in (*inputs, node.output):
            if graph.tensors[index].shape[:1] != (1,):
                raise UserError(f"{node.name} must have a batch of 1 in front, not {graph.tensors[index].shape}")
        if node.kind != "ADD" and any(graph.tensors[i].data is not None for i in inputs):
            raise UserError(f"{node.name} must not read a constant as data; fold it when the model is exported")
        constants.update({i: data for i in inputs if (data := graph.tensors[i].data) is not None})
        dead = {i for i in inputs if last_reader[i] == node.index} - set(constants) - {graph.output}
        operation = OPERATORS[node.kind](graph, node)
        steps.append(
            Step(
                kind=node.kind,
                inputs=inputs,
                output=node.output,
                result=graph.tensors[node.output],
                operation=operation,
                last_use=tuple(sorted(dead)),
                node=node,
                fused=node.options.get("fused"),
            )
        )
    return Network(
        input=source,
        output=target,
        input_index=graph.input,
        output_index=graph.output,
        steps=tuple(steps),
        constants=constants,
        graph=graph,
    )
