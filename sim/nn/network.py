# SPDX-License-Identifier: Apache-2.0
"""From the intermediate form to steps that can be run: every operator is checked and prepared once."""

from dataclasses import dataclass, replace

import numpy as np

from sysmt.base.errors import UserError

from .arrays import Operation, Operations, join
from .graph import ABSENT, FusedAdd, Graph, Node, State, Tensor
from .layer import Layer
from .operators.linear import Linear
from .operators.table import OPERATORS
from .simplify import simplify

TYPES = ("int8", "uint8", "int16", "int32", "int64", "float32")
"""Types of inputs and outputs."""
LINE = 800
"""Characters of obstacles that one message names."""


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
        With more than one output, a function to a tuple of arrays.
    last_use : tuple of int
        Tensors that nothing reads after this step.
    node : Node or None
        The node of the network's graph that it was prepared from.
    fused : FusedAdd or None
        Of an ADD that can run behind another step; here it is a step of its own all the same.
    more_outputs : tuple of int
        Those behind the first.
    more_results : tuple of Tensor
        What they are like.
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    result: Tensor
    operation: Linear | Operation | Operations
    last_use: tuple[int, ...]
    node: Node | None = None
    fused: FusedAdd | None = None
    more_outputs: tuple[int, ...] = ()
    more_results: tuple[Tensor, ...] = ()

    @property
    def outputs(self) -> tuple[int, ...]:
        """All outputs."""
        return (self.output, *self.more_outputs)

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
        The first of each.
    input_index, output_index : int
    steps : tuple of Step
    constants : dict of tensor index to array
        Constants that are read as data, as they lie in memory (`sysmt.sim.nn.arrays`).
    graph : Graph or None
        What it was built from.
    more_inputs, more_outputs : tuple of (int, Tensor)
        Those behind the first.
    states : tuple of (State, Tensor)
        What is remembered from one input to the next.
    """

    input: Tensor
    output: Tensor
    input_index: int
    output_index: int
    steps: tuple[Step, ...]
    constants: dict[int, np.ndarray]
    graph: Graph | None = None
    more_inputs: tuple[tuple[int, Tensor], ...] = ()
    more_outputs: tuple[tuple[int, Tensor], ...] = ()
    states: tuple[tuple[State, Tensor], ...] = ()

    @property
    def inputs(self) -> tuple[tuple[int, Tensor], ...]:
        """All inputs, by their index."""
        return ((self.input_index, self.input), *self.more_inputs)

    @property
    def outputs(self) -> tuple[tuple[int, Tensor], ...]:
        """All outputs, by their index."""
        return ((self.output_index, self.output), *self.more_outputs)

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
        """The network without a SOFTMAX or LOG_SOFTMAX at its end, which hides how far apart two answers are."""
        if not self.steps or self.more_outputs:
            return self
        *steps, last = self.steps
        before = [step for step in steps if step.output in last.inputs]
        if last.kind not in ("SOFTMAX", "LOG_SOFTMAX") or last.output != self.output_index or not before:
            return self
        return replace(self, output=before[0].result, output_index=before[0].output, steps=tuple(steps))


def build(graph: Graph) -> Network:
    """Check and prepare a graph.

    Raises
    ------
    UserError
        Operators are not supported (named with their index), or their tensors do not fit them: all of them in one line.
    """
    graph = simplify(graph)
    for index in (*graph.inputs, *graph.outputs):
        if graph.tensors[index].dtype not in TYPES:
            tensor = graph.tensors[index]
            raise UserError(f"{tensor.name!r} must be one of {', '.join(TYPES)}, not {tensor.dtype}; export it so")
    last_reader: dict[int, int] = {}
    for place, node in enumerate(graph.nodes):
        last_reader.update(dict.fromkeys((*node.inputs, *node.outputs), place))
    kept = {*graph.outputs, *(state.update for state in graph.states)}
    steps: list[Step] = []
    constants: dict[int, np.ndarray] = {}
    obstacles: list[str] = []
    for place, node in enumerate(graph.nodes):
        try:
            step = prepared(graph, node)
        except UserError as error:
            obstacles.append(str(error))
            continue
        data = {i: value for i in step.inputs if (value := graph.tensors[i].data) is not None}
        constants |= {i: join(value, value.shape) for i, value in data.items() if i not in constants}
        used = {*step.inputs, *node.outputs}
        dead = {i for i in used if last_reader[i] == place} - set(constants) - kept
        steps.append(replace(step, last_use=tuple(sorted(dead))))
    if obstacles:
        raise UserError(_together(obstacles))
    for index in kept:
        if (value := graph.tensors[index].data) is not None:
            constants[index] = join(value, value.shape)
    (first, *more_inputs), (last, *more_outputs) = (
        [(i, graph.tensors[i]) for i in ends] for ends in (graph.inputs, graph.outputs)
    )
    return Network(
        input=first[1],
        output=last[1],
        input_index=first[0],
        output_index=last[0],
        steps=tuple(steps),
        constants=constants,
        graph=graph,
        more_inputs=tuple(more_inputs),
        more_outputs=tuple(more_outputs),
        states=tuple((state, graph.tensors[state.tensor]) for state in graph.states),
    )


def prepared(graph: Graph, node: Node) -> Step:
    """One node, checked and prepared; refused as `build` does."""
    if node.kind not in OPERATORS:
        raise UserError(f"{node.name} is not supported; `sysmt inspect` shows what is")
    operator = OPERATORS[node.kind]
    inputs = operator.data_inputs(graph, node)
    if not inputs or ABSENT in inputs:
        raise UserError(f"{node.name} must have an input; the file is damaged")
    return Step(
        kind=node.kind,
        inputs=inputs,
        output=node.output,
        result=graph.tensors[node.output],
        operation=operator.prepare(graph, node),
        last_use=(),
        node=node,
        fused=node.options.get("fused"),
        more_outputs=node.more_outputs,
        more_results=tuple(graph.tensors[i] for i in node.more_outputs),
    )


def _together(obstacles: list[str]) -> str:
    """All in one line; the first ones whole, as far as a line is long."""
    if len(obstacles) == 1:
        return obstacles[0]
    told: list[str] = []
    for obstacle in obstacles:
        if sum(map(len, told)) + len(obstacle) > LINE:
            break
        told.append(obstacle)
    rest = len(obstacles) - len(told)
    return f"{len(obstacles)} obstacles: " + "; ".join([*told, *([f"and {rest} more"] if rest else [])])
