# SPDX-License-Identifier: Apache-2.0
"""Writes .onnx files from the intermediate form: float operators between QuantizeLinear and DequantizeLinear (QDQ).

Arranged as onnxruntime's quantiser does: channels first, int8 activations with one scale, int8 weights with a scale per
output channel and zero point 0, int32 biases at the product of both scales; a ReLU that the clipping of the quantised
output does already is left out. Input and output are float32: real values, not codes.

A runtime of ONNX rescales sums in floating point where TFLite does in fixed point, so that codes may differ by 1.
"""

from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import ABSENT, Graph, Node, Tensor
from sysmt.sim.nn.operators.window import window

OPSET = 13
"""The first with scales per channel."""
IR_VERSION = 8
LOWEST = -128


def write(graph: Graph) -> bytes:
    """The content of an .onnx file.

    Parameters
    ----------
    graph : Graph
        Of int8 activations; CONV_2D, DEPTHWISE_CONV_2D, ADD, AVERAGE_POOL_2D and a RESHAPE of one pixel.

    Raises
    ------
    UserError
        An operator cannot be written.
    """
    return _Writer(graph).content()


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.real: dict[int, str] = {}
        """By tensor: what its real values are called."""

    def content(self) -> bytes:
        graph = self.graph
        source, target = graph.tensors[graph.input], graph.tensors[graph.output]
        self._quantised(graph.input, "real_input")
        for node in graph.nodes:
            self._node(node)
        self.nodes[-1].output[0] = "real_output"
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *_channels_first(tensor.shape)[1:]])
            for name, tensor in (("real_input", source), ("real_output", target))
        ]
        body = helper.make_graph(self.nodes, "sysmt", ends[:1], ends[1:], list(self.constants.values()))
        model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sysmt")
        model.ir_version = IR_VERSION
        checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _constant(self, name: str, values: np.ndarray) -> str:
        self.constants[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}/{kind}", **attributes))
        return output

    def _scale(self, tensor: Tensor, name: str) -> list[str]:
        one = tensor.per_tensor()
        return [
            self._constant(f"{name}_scale", np.array(one.scale[0], np.float32)),
            self._constant(f"{name}_zero_point", np.array(one.z, np.int8)),
        ]

    def _quantised(self, index: int, values: str) -> None:
        """Quantise what `values` are as the tensor is, and dequantise."""
        tensor = self.graph.tensors[index]
        scale = self._scale(tensor, tensor.name)
        self._add("QuantizeLinear", [values, *scale], f"{tensor.name}_int8")
        self.real[index] = self._add("DequantizeLinear", [f"{tensor.name}_int8", *scale], tensor.name)

    def _node(self, node: Node) -> None:
        name = f"{self.graph.tensors[node.output].name}_real"
        sources = [self.real[index] for index in node.inputs if index in self.real]
        if node.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._convolution(node, sources[0], name)
        elif node.kind == "ADD" and len(sources) == 2:
            self._add("Add", sources, name)
        elif node.kind == "AVERAGE_POOL_2D":
            kernel = (node.options["filter_h"], node.options["filter_w"])
            if kernel == self.graph.input_of(node, 0).shape[1:3] and node.options["padding"] == "VALID":
                self._add("GlobalAveragePool", sources, name)
            else:
                self._add("AveragePool", sources, name, **self._window(node, kernel))
        elif node.kind == "RESHAPE" and self.graph.input_of(node, 0).shape[1:3] == (1, 1):
            self._add("Flatten", sources, name, axis=1)
        else:
            raise UserError(f"{node.name} cannot be written as ONNX; write a .tflite file")
        self._activation(node, name)

    def _activation(self, node: Node, values: str) -> None:
        activation = node.options.get("activation", "NONE")
        if activation not in ("NONE", "RELU"):
            raise UserError(f"{node.name} cannot be written as ONNX with {activation}; write a .tflite file")
        if activation == "RELU" and self.graph.tensors[node.output].z != LOWEST:
            values = self._add("Relu", [values], f"{values}_relu")
        self._quantised(node.output, values)

    def _window(self, node: Node, kernel: tuple[int, int]) -> dict[str, Any]:
        size = self.graph.input_of(node, 0).shape[1:3]
        geometry = window(node.name, (size[0], size[1]), kernel, node.options)
        (top, bottom), (left, right) = geometry.padding
        return {"kernel_shape": kernel, "strides": geometry.stride, "pads": (top, left, bottom, right)}

    def _convolution(self, node: Node, source: str, output: str) -> None:
        x, w = self.graph.input_of(node, 0), self.graph.input_of(node, 1)
        values, depthwise = w.constant(), node.kind == "DEPTHWISE_CONV_2D"
        values = values.transpose(3, 0, 1, 2) if depthwise else values.transpose(0, 3, 1, 2)
        outputs = len(values)
        scales = np.broadcast_to(w.scale, outputs).astype(np.float32)
        inputs = [source, self._weights(w.name, values, scales, np.int8)]
        if len(node.inputs) > 2 and node.inputs[2] != ABSENT:
            bias = self.graph.input_of(node, 2)
            inputs.append(self._weights(bias.name, bias.constant(), x.per_tensor().scale[0] * scales, np.int32))
        dilation = (node.options["dilation_h"], node.options["dilation_w"])
        groups = x.shape[3] if depthwise else 1
        attributes = self._window(node, (values.shape[2], values.shape[3]))
        self._add("Conv", inputs, output, group=groups, dilations=dilation, **attributes)

    def _weights(self, name: str, values: np.ndarray, scales: np.ndarray, dtype: type) -> str:
        """Integers with a scale per output channel, dequantised."""
        inputs = [
            self._constant(f"{name}_int", values.astype(dtype)),
            self._constant(f"{name}_scale", scales),
            self._constant(f"{name}_zero_point", np.zeros(len(scales), dtype)),
        ]
        return self._add("DequantizeLinear", inputs, name, axis=0)


def _channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 else shape
