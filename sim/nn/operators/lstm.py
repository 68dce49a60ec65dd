# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM of int8 with a cell of 16 bits, on the host.

Its states, the output and the cell, are inputs and, updated, outputs (`sysmt.sim.nn.graph.State`). Gates are numbers of
16 bits with 3 integer bits; the scale of the cell is a power of two.
Source of the arithmetic: TensorFlow Lite, kernels/unidirectional_sequence_lstm.cc
(PopulateQuantizedLstmParams8x8_16), kernels/lstm_eval.cc (LstmStepInteger8x8_16),
kernels/internal/reference/portable_tensor_utils.cc.
"""

from dataclasses import dataclass
from functools import cache
from math import frexp, prod

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.golden.rounding import shift_right
from sysmt.sim.nn.arrays import several
from sysmt.sim.nn.graph import ABSENT, Graph, Node, Tensor
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.scales import VARIANT, int8, multiplier

from .fixed_point import logistic, saturated, tanh
from .lstm_layer_norm import LayerNorm, guard
from .products import HostProduct, exact

GATES = {"input": 0, "forget": 1, "cell": 2, "output": 3}
"""Every gate, and its place among the weights, the recurrent weights and the biases."""
RECURRENT, PEEPHOLES, BIASES, PROJECTION, OUTPUT_STATE, CELL_STATE, NORMALISATION = 5, 9, 12, 16, 18, 19, 20
"""Positions of the inputs behind the weights, which begin at 1."""
PEEPHOLE = {"input": 0, "forget": 1, "output": 2}
GATE_SCALE: np.float32 = np.float32(2.0**-12)
"""Of the gates before their activation: 3 integer bits."""
ONE = 2**15 - 1


@dataclass(frozen=True, eq=False)
class Product:
    """A product of a matrix, its bias with the folded zero point, and the scale of the result."""

    weights: np.ndarray
    bias: np.ndarray
    scale: tuple[int, int]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Codes [..., K] to scaled sums int64 [..., N]."""
        return multiply(exact(x, self.weights) + self.bias, *self.scale, VARIANT)


@dataclass(frozen=True, eq=False)
class Gate:
    """One gate: what of the input, of the last output and, with a peephole, of the cell goes into it.

    With layer normalisation the bias is behind it.
    """

    input: Product
    recurrent: Product
    peephole: tuple[np.ndarray, tuple[int, int]] | None
    normalise: LayerNorm | None
    squash: np.ndarray

    def __call__(self, x: np.ndarray, output: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Codes [..., K], [..., N] and 16-bit cells [..., C] to the gate, 16 bits [..., C] without integer bits."""
        total = saturated(saturated(self.input(x), 16) + self.recurrent(output), 16)
        if self.peephole is not None:
            weights, scale = self.peephole
            total = saturated(total + multiply(weights * cell, *scale, VARIANT), 16)
        if self.normalise is not None:
            total = self.normalise(total)
        squashed_total: np.ndarray = self.squash[total + 2**15]
        return squashed_total


@cache
def squashed(function: str, integer_bits: int) -> np.ndarray:
    """A function of 16 bits, tabulated for -2**15 to 2**15 - 1: int64 [2**16]."""
    raw = np.arange(-(2**15), 2**15, dtype=np.int64)
    return (logistic if function == "logistic" else tanh)(raw, integer_bits, 16)


def sequence(graph: Graph, node: Node) -> HostProduct:
    """UNIDIRECTIONAL_SEQUENCE_LSTM."""
    return _Lstm(graph, node).operation()


class _Lstm:
    """One operator, checked."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph, self.node = graph, node
        self.x, self.y = graph.input_of(node, 0), graph.tensors[node.output]
        self.output, self.cell = graph.input_of(node, OUTPUT_STATE), graph.input_of(node, CELL_STATE)
        int8(node.name, self.x, self.y, self.output)
        for position, tensor in enumerate(node.inputs):
            computed = tensor != ABSENT and graph.tensors[tensor].data is None
            if computed and position not in (0, OUTPUT_STATE, CELL_STATE):
                raise UserError(
                    f"{node.name} must have constants beside its states, not input {position}; freeze the model"
                )
        self.normalises = any(self._there(NORMALISATION + i) for i in range(4))
        if self.normalises and not all(scale > 0 for scale in node.options.get("sums", (0.0,))):
            raise UserError(f"{node.name} must give the scales of its gates' sums, not nothing; convert it again")
        self.cells, self.inputs = self._matrix(4).shape
        self.outputs = self._matrix(RECURRENT + 3).shape[1]
        time_major = bool(node.options["time_major"])
        if (
            len(self.x.shape) != 3
            or self.x.shape[2] != self.inputs
            or self.y.shape != (*self.x.shape[:2], self.outputs)
        ):
            raise UserError(
                f"{node.name} must turn (batch, time, {self.inputs}) into (batch, time, {self.outputs}), "
                f"not {self.x.shape} into {self.y.shape}"
            )
        self.time_axis, self.batch = (1, self.x.shape[1]) if time_major else (2, self.x.shape[0])
        sizes = prod(self.output.shape), prod(self.cell.shape)
        if sizes != (self.batch * self.outputs, self.batch * self.cells):
            raise UserError(f"{node.name} must have states of {self.outputs} and {self.cells} values, not {sizes}")
        fraction, exponent = frexp(float(self.cell.per_tensor().scale[0]))
        self.cell_bits = 15 + exponent - 1
        if self.cell.dtype != "int16" or fraction != 0.5 or self.cell.z or not 0 <= self.cell_bits <= 6:
            raise UserError(
                f"{node.name} must keep an int16 cell with a scale of 2**-15 to 2**-9, not {self.cell.dtype} "
                f"{self.cell.scale[0]}; quantise it again"
            )
        if node.options["activation"] != "TANH":
            raise UserError(f"{node.name} must have the activation TANH, not {node.options['activation']}")
        if "hidden" not in node.options:
            raise UserError(f"{node.name} must give the scale of its hidden values, not nothing; convert it again")

    def _there(self, position: int) -> bool:
        return position < len(self.node.inputs) and self.node.inputs[position] != ABSENT

    def _matrix(self, position: int, dtype: str = "int8") -> Tensor:
        """Constant weights with one scale and the zero point 0."""
        tensor = self.graph.input_of(self.node, position)
        dimensions = 2 if dtype == "int8" else 1
        if tensor.dtype != dtype or len(tensor.constant().shape) != dimensions or tensor.per_tensor().z:
            raise UserError(
                f"{self.node.name} must have {dtype} weights of {dimensions} dimensions with the zero point 0, "
                f"not {tensor.name!r} of {tensor.dtype} {tensor.shape}"
            )
        return tensor

    def _bias(self, position: int, size: int) -> np.ndarray:
        if not self._there(position):
            return np.zeros(size, np.int64)
        bias = self.graph.input_of(self.node, position)
        if bias.dtype != "int32" or bias.constant().shape != (size,):
            raise UserError(f"{self.node.name} must have int32 biases [{size}], not {bias.dtype} {list(bias.shape)}")
        return bias.constant().astype(np.int64)

    def _product(
        self, position: int, bias: np.ndarray, zero: int, scale: np.float32, shape: tuple[int, int]
    ) -> Product:
        """A product with the weights there, of codes with this zero point and, the weights' apart, this scale."""
        weights = self._matrix(position)
        if weights.shape != shape:
            raise UserError(f"{self.node.name} must have weights {shape}, not {weights.name!r} of {weights.shape}")
        w = weights.constant().astype(np.int64)
        return Product(w.T, bias - zero * w.sum(axis=1), multiplier(float(scale)))

    def _gate(self, name: str) -> Gate:
        place = GATES[name]
        w, r = (self._matrix(start + place).scale[0] for start in (1, RECURRENT))
        bias, none = self._bias(BIASES + place, self.cells), np.zeros(self.cells, np.int64)
        squash, scale = squashed("tanh" if name == "cell" else "logistic", 3), self._sums(name)
        first = none if self.normalises else bias
        return Gate(
            self._product(1 + place, first, self.x.z, w * self.x.scale[0] / scale, (self.cells, self.inputs)),
            self._product(
                RECURRENT + place,
                none,
                self.output.z,
                r * self.output.scale[0] / scale,
                (self.cells, self.outputs),
            ),
            self._peephole(name),
            self._normalisation(place, bias) if self.normalises else None,
            squash,
        )

    def _sums(self, name: str) -> np.float32:
        """The scale of a gate's sum: that before its activation, or before its normalisation."""
        if not self.normalises:
            return GATE_SCALE
        scale: np.float32 = np.float32(self.node.options["sums"][GATES[name]])
        return scale

    def _normalisation(self, place: int, bias: np.ndarray) -> LayerNorm:
        weights = self._matrix(NORMALISATION + place, "int16")
        if weights.shape != (self.cells,):
            raise UserError(f"{self.node.name} must have {self.cells} coefficients per gate, not {weights.shape}")
        scale = weights.scale[0]
        return LayerNorm(weights.constant().astype(np.int64), bias, multiplier(float(scale)), guard(scale))

    def _peephole(self, name: str) -> tuple[np.ndarray, tuple[int, int]] | None:
        """Weights of the cell, and the scale of their product with it."""
        if name not in PEEPHOLE or not self._there(PEEPHOLES + PEEPHOLE[name]):
            return None
        weights = self._matrix(PEEPHOLES + PEEPHOLE[name], "int16")
        if weights.shape != (self.cells,) or self.outputs != self.cells:
            # With a projection the reference reads past the end of these weights.
            raise UserError(f"{self.node.name} must have {self.outputs} peephole weights, not {weights.shape}")
        scale = np.float32(float(self.cell.scale[0]) * float(weights.scale[0]) / float(self._sums(name)))
        return weights.constant().astype(np.int64), multiplier(float(scale))

    def _clip(self, name: str, scale: np.float32, most: int) -> int:
        """A limit of the cell or the projection as an integer; 0 for none."""
        limit = np.float32(self.node.options[name])
        if not 0 <= limit < np.inf:
            raise UserError(f"{self.node.name} must have {name} from 0 up, not {limit}; convert it again")
        return int(min(limit / scale, np.float32(most)))

    def operation(self) -> HostProduct:
        """The operation on the input and both states."""
        node, y = self.node, self.y
        scale, zero = node.options["hidden"]
        hidden = multiplier(float(np.float32(2.0**-15 / float(scale) * 2.0**-15)))
        coupled = not self._there(1)
        if coupled != (not self._there(RECURRENT)) or len(node.inputs) not in (20, 24):
            raise UserError(f"{node.name} must have 20 or 24 inputs, its input gate whole or not at all; it is damaged")
        gates = {name: self._gate(name) for name in GATES if not (coupled and name == "input")}
        peepholes = {name for name, gate in gates.items() if gate.peephole is not None}
        if peepholes not in (set(), gates.keys() & PEEPHOLE.keys()):
            raise UserError(f"{node.name} must have peepholes in all gates or in none, not in {sorted(peepholes)}")
        project = None
        if self._there(PROJECTION):
            w = self._matrix(PROJECTION)
            bias = self._bias(PROJECTION + 1, self.outputs)
            into = w.scale[0] * np.float32(scale) / self.output.scale[0]
            project = self._product(PROJECTION, bias, zero, into, (self.outputs, self.cells))
        elif self.outputs != self.cells:
            raise UserError(f"{node.name} must have as many outputs as cells, {self.cells}, or a projection")
        cell_clip = self._clip("cell_clip", self.cell.scale[0], ONE)
        output_clip = self._clip("proj_clip", y.per_tensor().scale[0], 127)
        squash = squashed("tanh", self.cell_bits)
        cell_shift = 30 - (15 - self.cell_bits)

        def step(x: np.ndarray, output: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            forget, new = (gates[name](x, output, cell) for name in ("forget", "cell"))
            take = ONE - forget if coupled else gates["input"](x, output, cell)
            cell = saturated(shift_right(forget * cell, 15, "away") + shift_right(take * new, cell_shift, "away"), 16)
            if cell_clip:
                cell = np.clip(cell, -cell_clip, cell_clip)
            shown = gates["output"](x, output, cell) * squash[cell + 2**15]
            found = np.clip(multiply(shown, *hidden, VARIANT) + zero, -128, 127)
            if project is not None:
                found = np.clip(project(found) + self.output.z, -128, 127)
                found = np.clip(found, -output_clip, output_clip) if output_clip else found
            return found, cell

        def run(v: np.ndarray, output: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, ...]:
            before = output.shape, cell.shape
            output = output.reshape(len(v), self.batch, self.outputs).astype(np.int64)
            cell = cell.reshape(len(v), self.batch, self.cells).astype(np.int64)
            found = []
            for x in np.moveaxis(v, self.time_axis, 0):
                output, cell = step(x, output, cell)
                found.append(output)
            result = np.stack(found, axis=self.time_axis).astype(np.int8)
            return result, output.reshape(before[0]).astype(np.int8), cell.reshape(before[1]).astype(np.int16)

        states = [self.graph.tensors[i] for i in node.more_outputs]
        rows = self.x.shape[0] * self.x.shape[1]
        layer = Layer.gemm(y.name, rows, self.inputs + self.outputs, len(gates) * self.cells)
        return HostProduct(several(run, [self.x, self.output, self.cell], [y, *states]), layer)
