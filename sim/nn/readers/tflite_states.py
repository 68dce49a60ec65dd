# SPDX-License-Identifier: Apache-2.0
"""State of .tflite models as plain values: variables and the state tensors of recurrent operators.

A variable (VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE) is a place that operators write in the order of the file, and
CALL_ONCE runs a subgraph that sets it first. SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM write into some of their inputs.
Both become tensors that are written once, and a `State`: the tensor that is read first, the one that is left last.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import ABSENT, TENSOR_VALUES, Graph, Node, State, Tensor

WITHOUT_OUTPUT = ("ASSIGN_VARIABLE", "CALL_ONCE")
WRITTEN_INPUTS = {"SVDF": (4,), "UNIDIRECTIONAL_SEQUENCE_LSTM": (18, 19)}
"""Inputs that an operator also writes."""


@dataclass(frozen=True)
class Stored:
    """One operator as it is in the file."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"operator {self.index} ({self.kind})"

    def tensor(self, position: int) -> int:
        """The tensor that it reads there."""
        if position >= len(self.inputs) or self.inputs[position] == ABSENT:
            raise UserError(f"{self.name} must have more than {position} inputs; the file is damaged")
        return self.inputs[position]


Subgraph = tuple[tuple[Tensor, ...], list[Stored]]
Variable = tuple[bytes | None, bytes | None]


class _Variables:
    """Follows variables through operators in their order."""

    def __init__(self) -> None:
        self.handles: dict[int, Variable] = {}
        self.current: dict[Variable, int] = {}  # the tensor that holds the value
        self.first: dict[Variable, int] = {}  # the tensor that holds the value of the input before
        self.initial: dict[Variable, np.ndarray] = {}

    def variable(self, node: Stored) -> Variable:
        """The one that a node's first input is the handle of."""
        handle = node.tensor(0)
        if handle not in self.handles:
            raise UserError(f"{node.name} must refer to a VAR_HANDLE, not tensor {handle}; the file is damaged")
        return self.handles[handle]

    def states(self, tensors: list[Tensor]) -> list[State]:
        """Those that are read before they are written."""
        found = []
        for variable, tensor in self.first.items():
            if variable not in self.initial:
                raise UserError(
                    f"READ_VARIABLE must read a variable that CALL_ONCE has set, not {variable[1]!r}; initialise it"
                )
            initial = self.initial[variable]
            if (initial.shape, str(initial.dtype)) != (tensors[tensor].shape, tensors[tensor].dtype):
                raise UserError(
                    f"READ_VARIABLE must read {tensors[tensor].dtype} {tensors[tensor].shape}, "
                    f"not {initial.dtype} {initial.shape}; the file is damaged"
                )
            found.append(State(tensor=tensor, update=self.current[variable], initial=initial))
        return found


def _initialise(variables: _Variables, subgraph: Subgraph) -> None:
    """What a subgraph of CALL_ONCE sets."""
    tensors, nodes = subgraph
    handles: dict[int, Variable] = {}
    for node in nodes:
        if node.kind == "VAR_HANDLE":
            handles[node.outputs[0]] = (node.options["container"], node.options["shared_name"])
        elif node.kind == "ASSIGN_VARIABLE" and node.tensor(0) in handles:
            value = tensors[node.tensor(1)]
            variables.initial[handles[node.tensor(0)]] = value.constant()
        else:
            raise UserError(f"CALL_ONCE must set variables to constants, not run {node.name}; freeze the model")


def with_states(
    tensors: tuple[Tensor, ...],
    stored: list[Stored],
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    subgraph: Callable[[int], Subgraph],
) -> Graph:
    """The graph of a subgraph's operators, its state explicit; `subgraph` gives the others by their index."""
    variables, nodes = _Variables(), []
    states: list[State] = []
    table = list(tensors)
    same: dict[int, int] = {}
    for raw in stored:
        node = replace(raw, inputs=tuple(same.get(i, i) for i in raw.inputs))
        if node.kind == "VAR_HANDLE":
            variables.handles[node.outputs[0]] = (node.options["container"], node.options["shared_name"])
        elif node.kind == "CALL_ONCE":
            _initialise(variables, subgraph(node.options["subgraph"]))
        elif node.kind == "READ_VARIABLE":
            variable, output = variables.variable(node), node.outputs[0]
            if variable in variables.current:
                same[output] = variables.current[variable]
            else:
                variables.first[variable] = variables.current[variable] = output
        elif node.kind == "ASSIGN_VARIABLE":
            variables.current[variables.variable(node)] = node.tensor(1)
        else:
            nodes.append(_functional(node, table, states))
    states += variables.states(table)
    entrance, *more_inputs = inputs
    exit_, *more_outputs = (same.get(i, i) for i in outputs)
    return Graph(
        tensors=tuple(table),
        nodes=tuple(nodes),
        input=entrance,
        output=exit_,
        more_inputs=tuple(more_inputs),
        more_outputs=tuple(more_outputs),
        states=tuple(states),
    )


def _functional(node: Stored, tensors: list[Tensor], states: list[State]) -> Node:
    """The node, its written inputs as outputs of their own behind the others."""
    written = []
    for position in WRITTEN_INPUTS.get(node.kind, ()):
        index = node.tensor(position)
        tensor = tensors[index]
        if not tensor.variable or tensor.data is not None or min(tensor.shape, default=1) < 1:
            raise UserError(f"{node.name} must keep its state in a variable tensor, not {tensor.name!r}")
        if tensor.dtype not in ("int8", "int16") or np.prod(tensor.shape, dtype=float) > TENSOR_VALUES:
            raise UserError(f"{node.name} must keep an int8 or int16 state, not {tensor.dtype} {tensor.shape}")
        zero = tensor.z if tensor.dtype == "int8" and len(tensor.zero_point) else 0
        written.append(len(tensors))
        states.append(State(tensor=index, update=len(tensors), initial=np.full(tensor.shape, zero, tensor.dtype)))
        tensors.append(replace(tensor, name=f"{tensor.name} (updated)", variable=False))
    first, *more = (*node.outputs, *written)
    return Node(
        index=node.index,
        kind=node.kind,
        inputs=node.inputs,
        output=first,
        options=node.options,
        more_outputs=tuple(more),
    )
