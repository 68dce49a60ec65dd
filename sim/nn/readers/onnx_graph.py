# SPDX-License-Identifier: Apache-2.0
"""From the operators of an ONNX graph to nodes on integers, their images with the channels last."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import DIMENSIONS, Graph, Node, Tensor

from .tflite_fields import one_line

LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
"""Permutations: the channels to the end of an image, and back."""
FLOAT = {"rounding": "float"}
"""The option of nodes that round as ONNX Runtime does."""


@dataclass(frozen=True)
class Parameter:
    """A constant with its scales: real numbers (`data` - `zero`) * `scale` along `axis`."""

    data: np.ndarray
    scale: np.ndarray
    zero: np.ndarray
    axis: int


class Importer:
    """Builds the intermediate form of one ONNX graph.

    A name stands for a tensor of integers, or real numbers that go in; for real numbers that are dequantised from one
    (`real`) or from a constant (`parameters`); or for the results of an operator that await their QuantizeLinear
    (`waiting`).
    """

    def __init__(self, graph: onnx.GraphProto, handlers: "Handlers") -> None:
        self.source, self.handlers = graph, handlers
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.shapes = {
            value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in graph.input
        }
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []
        self.first: dict[str, int] = {}  # tensors as ONNX lays them out
        self.last: dict[str, int] = {}  # images with the channels last
        self.real: dict[str, str] = {}
        self.parameters: dict[str, Parameter] = {}
        self.waiting: dict[str, onnx.NodeProto] = {}
        self.ceilings: dict[str, float] = {}  # of results behind a Relu or Clip
        self.index = 0

    def graph(self) -> Graph:
        """The graph."""
        inputs = []
        for value in self.source.input:
            if value.name not in self.constants:
                dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name
                self.first[value.name] = self.tensor(value.name, self._shape(value.name), dtype)
                inputs.append(self.first[value.name])
        for index, node in enumerate(self.source.node):
            self.index = index
            if node.op_type not in self.handlers:
                raise UserError(f"{self.name(node)} is not supported; supported are {', '.join(sorted(self.handlers))}")
            self.handlers[node.op_type](self, node)
        outputs = [self._output(value.name) for value in self.source.output]
        if not inputs:
            raise UserError("model must have an input, not none; export it again")
        return Graph(
            tensors=tuple(self.tensors),
            nodes=tuple(self.nodes),
            input=inputs[0],
            output=outputs[0],
            more_inputs=tuple(inputs[1:]),
            more_outputs=tuple(outputs[1:]),
        )

    def name(self, node: onnx.NodeProto) -> str:
        """How messages call a node."""
        return f"operator {self.index} ({one_line(node.op_type.encode())})"

    def tensor(
        self, name: str, shape: tuple[int, ...], dtype: str, scale: Any = (), zero: Any = (), **more: Any
    ) -> int:
        """Add a tensor; its index."""
        if len(shape) > DIMENSIONS:
            raise UserError(f"tensor {name!r} must have up to {DIMENSIONS} dimensions, not {shape}")
        scales = np.atleast_1d(np.asarray(scale, np.float32))
        zeros = np.atleast_1d(np.asarray(zero, np.int64))
        name = one_line(name.encode()) or f"tensor {len(self.tensors)}"
        self.tensors.append(Tensor(name=name, shape=shape, dtype=dtype, scale=scales, zero_point=zeros, **more))
        return len(self.tensors) - 1

    def constant(self, name: str, data: np.ndarray, scale: Any = (), zero: Any = (), axis: int = 0) -> int:
        """Add a constant; its index."""
        data = np.ascontiguousarray(data)
        return self.tensor(name, data.shape, data.dtype.name, scale, zero, axis=axis, data=data)

    def emit(self, kind: str, inputs: list[int], output: int, **options: Any) -> None:
        """Add a node."""
        self.nodes.append(Node(index=self.index, kind=kind, inputs=tuple(inputs), output=output, options=options))

    def value(self, node: onnx.NodeProto, position: int) -> np.ndarray:
        """A constant input."""
        name = node.input[position] if position < len(node.input) else ""
        if name not in self.constants:
            raise UserError(f"{self.name(node)} must have a constant as input {position}, not {name!r}; fold it")
        found: np.ndarray = self.constants[name]
        return found

    def integers(self, node: onnx.NodeProto, position: int) -> str:
        """The name of the integers behind an input of real numbers."""
        name = str(node.input[position])
        if name in self.waiting:
            raise UserError(f"{self.name(node)} must read what a DequantizeLinear gives, not {name!r}; quantise all")
        return self.real.get(name, name)

    def in_order(self, name: str, channels_last: bool) -> int:
        """The tensor in one of both layouts; a TRANSPOSE makes the one that is not there yet."""
        here, other = (self.last, self.first) if channels_last else (self.first, self.last)
        if name in here:
            return here[name]
        if name not in other:
            raise UserError(f"tensor {name!r} must be computed before it is read; export the model again")
        index = other[name]
        tensor = self.tensors[index]
        if len(tensor.shape) != 4:
            here[name] = index
            return index
        order = LAST if channels_last else FIRST
        shape = tuple(tensor.shape[i] for i in order)
        moved = self.tensor(tensor.name, shape, tensor.dtype, tensor.scale, tensor.zero_point)
        self.emit("TRANSPOSE", [index, self.constant("order", np.array(order, np.int32))], moved)
        here[name] = moved
        return moved

    def result(self, name: str, shape: tuple[int, ...], scale: np.ndarray, zero: np.ndarray) -> int:
        """The tensor of integers that a node writes."""
        if np.size(scale) != 1 or np.size(zero) > 1 or zero.dtype.name not in ("int8", "uint8"):
            raise UserError(f"tensor {name!r} must have one scale and 8 bits, not {np.size(scale)} of {zero.dtype}")
        return self.tensor(name, shape, zero.dtype.name, scale, zero if zero.size else 0)

    def _shape(self, name: str) -> tuple[int, ...]:
        shape = self.shapes.get(name, ())
        if not all(size > 0 for size in shape):
            raise UserError(f"tensor {name!r} must have a fixed shape, not {shape}; export the model with one")
        return shape

    def scaled(self, node: onnx.NodeProto, name: str, scale: np.ndarray, zero: np.ndarray) -> None:
        """Give integers that go in their scale; others must have this one."""
        for layout in (self.first, self.last):
            if name not in layout:
                continue
            tensor = self.tensors[layout[name]]
            if tensor.dtype not in ("int8", "uint8") or np.size(scale) != 1:
                raise UserError(f"{self.name(node)} must have 8 bits and one scale, not {tensor.dtype}; requantise it")
            own = replace(tensor, scale=np.float32(scale).reshape(1), zero_point=np.int64(zero).reshape(-1)[:1])
            own = own if len(own.zero_point) else replace(own, zero_point=np.zeros(1, np.int64))
            if len(tensor.scale) and (tensor.scale[0] != own.scale[0] or tensor.z != own.z):
                raise UserError(f"{self.name(node)} must have the scale of {name!r}, not another; requantise it")
            self.tensors[layout[name]] = own

    def _output(self, name: str) -> int:
        """An output of the model; real numbers are dequantised."""
        if name in self.waiting:
            raise UserError(f"output {name!r} must come from a QuantizeLinear or DequantizeLinear; quantise all")
        if name not in self.real:
            return self.in_order(name, channels_last=False)
        integers = self.in_order(self.real[name], channels_last=False)
        real = self.tensor(name, self.tensors[integers].shape, "float32")
        self.emit("DEQUANTIZE", [integers], real)
        return real


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute of a node."""
    for one in node.attribute:
        if one.name == name:
            return onnx.helper.get_attribute_value(one)
    return default


Handlers = dict[str, Callable[[Importer, onnx.NodeProto], None]]
"""What takes in a node, by its operator."""
