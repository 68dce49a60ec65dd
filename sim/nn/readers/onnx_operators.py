# SPDX-License-Identifier: Apache-2.0
"""The operators of quantised ONNX models, by their names, and what stands between them and integers.

A handler takes a node to nodes of the intermediate form (`onnx_products.py`, `onnx_others.py`).
"""

import numpy as np
import onnx

from sysmt.base.errors import UserError

from . import onnx_others as others
from . import onnx_products as products
from .onnx_graph import FLOAT, Handlers, Importer, Parameter, attribute


def dequantize(importer: Importer, node: onnx.NodeProto) -> None:
    """DequantizeLinear of a constant, or of integers."""
    scale = importer.value(node, 1)
    name = node.input[0]
    if name in importer.constants:
        data = importer.constants[name]
        zero = importer.value(node, 2) if len(node.input) > 2 and node.input[2] else np.zeros(1, data.dtype)
        importer.parameters[node.output[0]] = Parameter(data, scale, zero, attribute(node, "axis", 1))
        return
    importer.scaled(node, name, scale, _zero(importer, node, 2))
    importer.real[node.output[0]] = name


def _zero(importer: Importer, node: onnx.NodeProto, position: int) -> np.ndarray:
    """A zero point; uint8 0 where there is none."""
    there = len(node.input) > position and node.input[position]
    return importer.value(node, position) if there else np.zeros(1, np.uint8)


def quantize(importer: Importer, node: onnx.NodeProto) -> None:
    """QuantizeLinear: of real numbers that go in, of an operator's results, or of integers of the same scale."""
    name, output = node.input[0], node.output[0]
    scale, zero = importer.value(node, 1), _zero(importer, node, 2)
    if name in importer.waiting:
        check_ceiling(importer, node, scale, zero)
        RESULTS[importer.waiting[name].op_type](importer, importer.waiting[name], output, scale, zero)
    elif name in importer.real:
        integers = importer.real[name]
        importer.scaled(node, integers, scale, zero)
        for layout in (importer.first, importer.last):
            if integers in layout:
                layout[output] = layout[integers]
    else:
        source = importer.in_order(name, channels_last=False)
        if importer.tensors[source].dtype != "float32":
            raise UserError(f"{importer.name(node)} must read float32, not {importer.tensors[source].dtype}")
        importer.first[output] = importer.result(output, importer.tensors[source].shape, scale, zero)
        importer.emit("QUANTIZE", [source], importer.first[output], **FLOAT)


def wait(importer: Importer, node: onnx.NodeProto) -> None:
    """An operator on real numbers: what it does on integers is known with its QuantizeLinear."""
    importer.waiting[node.output[0]] = node


def rectify(importer: Importer, node: onnx.NodeProto) -> None:
    """Relu or Clip between an operator and its QuantizeLinear: nothing, where the integers end at 0 by themselves."""
    if node.input[0] not in importer.waiting:
        raise UserError(f"{importer.name(node)} must stand between an operator and its QuantizeLinear; quantise all")
    importer.waiting[node.output[0]] = importer.waiting[node.input[0]]
    ceiling = np.inf
    if node.op_type == "Clip":
        low, ceiling = (float(importer.value(node, position)) for position in (1, 2))
        if low != 0:
            raise UserError(f"{importer.name(node)} must clip at 0 from below, not at {low}; use Relu or nothing")
    importer.ceilings[node.output[0]] = min(ceiling, importer.ceilings.get(node.input[0], np.inf))


def check_ceiling(importer: Importer, node: onnx.NodeProto, scale: np.ndarray, zero: np.ndarray) -> None:
    """Refuse a Relu or Clip that the range of the integers does not do already."""
    ceiling = importer.ceilings.get(node.input[0])
    if ceiling is None:
        return
    least, most = np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max
    if int(zero.ravel()[0]) != least or ceiling < (most - int(zero.ravel()[0])) * float(scale.ravel()[0]):
        raise UserError(
            f"{importer.name(node)} behind Relu or Clip must have the zero point {least} and a range that they do not "
            f"cut, not {int(zero.ravel()[0])}; quantise with the range of the activation"
        )


RESULTS = {
    "Conv": products.convolve,
    "Gemm": products.multiply,
    "MatMul": products.multiply,
    "Add": others.add,
    "Mul": others.multiply,
    "Concat": others.join,
    "LeakyRelu": others.leaky,
    "GlobalAveragePool": others.average,
    "AveragePool": others.average_window,
}
"""Operators on real numbers, once their QuantizeLinear is known."""
HANDLERS: Handlers = {
    **dict.fromkeys(RESULTS, wait),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), others.reshape),
    "DequantizeLinear": dequantize,
    "QuantizeLinear": quantize,
    "Relu": rectify,
    "Clip": rectify,
    "MaxPool": others.maximum,
    "Transpose": others.transpose,
    "QLinearConv": products.qlinear_convolve,
    "QLinearMatMul": products.qlinear_multiply,
    "QLinearAdd": others.qlinear_add,
    "QLinearGlobalAveragePool": others.qlinear_average,
}
