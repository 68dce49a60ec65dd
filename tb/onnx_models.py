# SPDX-License-Identifier: Apache-2.0
"""Builds small quantised ONNX models: operators between QuantizeLinear and DequantizeLinear."""

from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper, numpy_helper


@dataclass
class OnnxBuilder:
    """A QDQ model under construction; activations are named, and known by their quantised integers' real numbers."""

    rng: np.random.Generator
    dtype: type = np.uint8
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)
    scales: dict = field(default_factory=dict)

    def constant(self, values) -> str:
        """A constant."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind, inputs, **attributes) -> str:
        """An operator with one output."""
        output = f"v{len(self.nodes)}"
        domain = {"domain": "com.microsoft"} if kind in ("QLinearAdd", "QLinearGlobalAveragePool") else {}
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"n{len(self.nodes)}", **domain, **attributes))
        return output

    def pair(self, scale, zero):
        """Constants of a scale and a zero point."""
        return self.constant(np.float32(scale)), self.constant(self.dtype(zero))

    def quantised(self, value, scale, zero):
        """Real numbers through QuantizeLinear and DequantizeLinear."""
        pair = self.pair(scale, zero)
        output = self.node("DequantizeLinear", [self.node("QuantizeLinear", [value, *pair]), *pair])
        self.scales[output] = scale
        return output

    def weights(self, shape, scales, axis=0, low=-127):
        """Dequantised int8 weights."""
        values = self.rng.integers(low, 128, shape).astype(np.int8)
        scales = np.asarray(scales, np.float32)
        zeros = np.zeros(scales.shape, np.int8)
        inputs = [self.constant(values), self.constant(scales), self.constant(zeros)]
        return self.node("DequantizeLinear", inputs, axis=axis)

    def bias(self, n, scales):
        """A dequantised int32 bias."""
        values = self.rng.integers(-3000, 3000, n).astype(np.int32)
        scales = np.broadcast_to(np.asarray(scales, np.float32), n)
        return self.node(
            "DequantizeLinear",
            [self.constant(values), self.constant(scales), self.constant(np.zeros(n, np.int32))],
            axis=0,
        )

    def conv(self, x, channels, n, kernel, scale, zero, relu=False, groups=1, **attributes):
        """Conv with a bias, maybe a Relu, quantised."""
        own = np.linspace(0.002, 0.01, n).astype(np.float32)
        w, b = self.weights((n, channels // groups, *kernel), own), self.bias(n, own * np.float32(self.scales[x]))
        y = self.node("Conv", [x, w, b], group=groups, **attributes)
        return self.quantised(self.node("Relu", [y]) if relu else y, scale, zero)

    def content(self, inputs, outputs, batch="N"):
        """The file. `inputs`, `outputs`: name, type and shape behind the batch."""
        types = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}

        def ends(values):
            return [helper.make_tensor_value_info(name, types[kind], [batch, *shape]) for name, kind, shape in values]

        graph = helper.make_graph(self.nodes, "model", ends(inputs), ends(outputs), self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
