# SPDX-License-Identifier: Apache-2.0
"""The operators of quantised ONNX models, one function each: from a node to nodes of the intermediate form."""

from math import prod
from typing import Any

import numpy as np
import onnx

from sysmt.base.errors import UserError
from sysmt.sim.nn.operators.window import window

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


def convolve(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """Conv of integers and constants."""
    w = _parameter(importer, node, 1)
    bias = _bias(importer, node, 2)
    _convolution(importer, node, importer.integers(node, 0), w, bias, output, scale, zero)


def qlinear_convolve(importer: Importer, node: onnx.NodeProto) -> None:
    """QLinearConv."""
    importer.scaled(node, node.input[0], importer.value(node, 1), importer.value(node, 2))
    w = Parameter(importer.value(node, 3), importer.value(node, 4), importer.value(node, 5), 0)
    bias = importer.value(node, 8) if len(node.input) > 8 and node.input[8] else None
    scale, zero = importer.value(node, 6), importer.value(node, 7)
    _convolution(importer, node, node.input[0], w, bias, node.output[0], scale, zero)


def _convolution(
    importer: Importer,
    node: onnx.NodeProto,
    source: str,
    w: Parameter,
    bias: np.ndarray | None,
    output: str,
    scale: np.ndarray,
    zero: np.ndarray,
) -> None:
    x = importer.in_order(source, channels_last=True)
    shape = importer.tensors[x].shape
    if len(shape) != 4 or w.data.ndim != 4:
        raise UserError(f"{importer.name(node)} must read an image, not {shape}; convolve in two dimensions")
    outputs, own, down, across = w.data.shape
    groups = attribute(node, "group", 1)
    depthwise = groups == shape[3] > 1 and own == 1
    options = _window_options(importer, node, shape[1:3], (down, across))
    geometry = window(importer.name(node), (shape[1], shape[2]), (down, across), options)
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    data = w.data.transpose(1, 2, 3, 0) if depthwise else w.data.transpose(0, 2, 3, 1)
    if own * groups != shape[3] or outputs % groups:
        raise UserError(f"{importer.name(node)} must have weights for {shape[3]} channels, not {w.data.shape}")
    weights = importer.constant(node.name or "weights", data, w.scale, _zeros(w), axis=3 if depthwise else 0)
    y = importer.result(output, (shape[0], *geometry.out_size, outputs), scale, zero)
    importer.last[output] = y
    importer.emit(kind, [x, weights, *_with_bias(importer, bias)], y, activation="NONE", **options, **FLOAT)


def _window_options(
    importer: Importer, node: onnx.NodeProto, size: tuple[int, ...], kernel: tuple[int, int]
) -> dict[str, Any]:
    """Strides, dilations and padding by the names of the intermediate form."""
    strides, dilations = attribute(node, "strides", [1, 1]), attribute(node, "dilations", [1, 1])
    pads, auto = attribute(node, "pads", [0, 0, 0, 0]), attribute(node, "auto_pad", b"NOTSET").decode()
    if len(strides) != 2 or len(dilations) != 2 or len(pads) != 4 or min(pads) < 0:
        raise UserError(f"{importer.name(node)} must work on two dimensions, not with strides {list(strides)}")
    if auto not in ("NOTSET", "VALID", "SAME_UPPER"):
        raise UserError(f"{importer.name(node)} must not pad by {auto}; give its pads")
    padding: Any = ((pads[0], pads[2]), (pads[1], pads[3]))
    if auto != "NOTSET":
        padding = {"VALID": "VALID", "SAME_UPPER": "SAME"}[auto]
    return {
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h": dilations[0],
        "dilation_w": dilations[1],
        "padding": padding,
    }


def multiply(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """Gemm or MatMul of integers and constants."""
    w = _parameter(importer, node, 1)
    bias = _bias(importer, node, 2) if node.op_type == "Gemm" else None
    if node.op_type == "Gemm" and (attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)) != (1.0, 1.0):
        raise UserError(f"{importer.name(node)} must have alpha and beta of 1; fold them into the weights")
    if attribute(node, "transA", 0):
        raise UserError(f"{importer.name(node)} must not transpose its input; transpose it before")
    rows = w.data if attribute(node, "transB", 0) else w.data.T
    _product(importer, node, importer.integers(node, 0), rows, w, bias, output, scale, zero)


def qlinear_multiply(importer: Importer, node: onnx.NodeProto) -> None:
    """QLinearMatMul with constant weights."""
    importer.scaled(node, node.input[0], importer.value(node, 1), importer.value(node, 2))
    w = Parameter(importer.value(node, 3), importer.value(node, 4), importer.value(node, 5), 1)
    scale, zero = importer.value(node, 6), importer.value(node, 7)
    _product(importer, node, node.input[0], w.data.T, w, None, node.output[0], scale, zero)


def _product(
    importer: Importer,
    node: onnx.NodeProto,
    source: str,
    rows: np.ndarray,
    w: Parameter,
    bias: np.ndarray | None,
    output: str,
    scale: np.ndarray,
    zero: np.ndarray,
) -> None:
    x = importer.in_order(source, channels_last=False)
    shape = importer.tensors[x].shape
    if rows.ndim != 2 or not shape or shape[-1] != rows.shape[1]:
        raise UserError(f"{importer.name(node)} must multiply {shape} by weights that fit, not {w.data.shape}")
    y = importer.result(output, (*shape[:-1], rows.shape[0]), scale, zero)
    importer.first[output] = y
    weights = importer.constant(node.name or "weights", rows, w.scale, _zeros(w), axis=0)
    options = {"activation": "NONE", "weights_format": 0, "keep_num_dims": True}
    importer.emit("FULLY_CONNECTED", [x, weights, *_with_bias(importer, bias)], y, **options, **FLOAT)


def add(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """Add of two tensors of integers."""
    _sum(importer, node, [importer.integers(node, 0), importer.integers(node, 1)], output, scale, zero)


def qlinear_add(importer: Importer, node: onnx.NodeProto) -> None:
    """QLinearAdd."""
    for position in (0, 3):
        scale, zero = importer.value(node, position + 1), importer.value(node, position + 2)
        importer.scaled(node, node.input[position], scale, zero)
    scale, zero = importer.value(node, 6), importer.value(node, 7)
    _sum(importer, node, [node.input[0], node.input[3]], node.output[0], scale, zero)


def _sum(
    importer: Importer, node: onnx.NodeProto, names: list[str], output: str, scale: np.ndarray, zero: np.ndarray
) -> None:
    last = any(name in importer.last and name not in importer.first for name in names)
    a, b = (importer.in_order(name, channels_last=last) for name in names)
    y = importer.result(output, importer.tensors[a].shape, scale, zero)
    (importer.last if last else importer.first)[output] = y
    importer.emit("ADD", [a, b], y, activation="NONE", **FLOAT)


def average(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """GlobalAveragePool of integers."""
    _global_average(importer, node, importer.integers(node, 0), output, scale, zero)


def qlinear_average(importer: Importer, node: onnx.NodeProto) -> None:
    """QLinearGlobalAveragePool, channels in front."""
    if attribute(node, "channels_last", 0):
        raise UserError(f"{importer.name(node)} must have its channels in front; export it so")
    importer.scaled(node, node.input[0], importer.value(node, 1), importer.value(node, 2))
    scale, zero = importer.value(node, 3), importer.value(node, 4)
    _global_average(importer, node, node.input[0], node.output[0], scale, zero)


def _global_average(
    importer: Importer, node: onnx.NodeProto, source: str, output: str, scale: np.ndarray, zero: np.ndarray
) -> None:
    x = importer.in_order(source, channels_last=True)
    shape = importer.tensors[x].shape
    if len(shape) != 4:
        raise UserError(f"{importer.name(node)} must read an image, not {shape}; average over two dimensions")
    y = importer.result(output, (shape[0], 1, 1, shape[3]), scale, zero)
    importer.last[output] = y
    importer.emit("MEAN", [x, importer.constant("axes", np.array([1, 2], np.int32))], y, keep_dims=True, **FLOAT)


def average_window(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """AveragePool of integers; padding takes no part."""
    x = importer.in_order(importer.integers(node, 0), channels_last=True)
    shape = importer.tensors[x].shape
    kernel = attribute(node, "kernel_shape", ())
    if len(shape) != 4 or len(kernel) != 2 or attribute(node, "ceil_mode", 0):
        raise UserError(f"{importer.name(node)} must pool an image and round down, not {shape}")
    options = _window_options(importer, node, shape[1:3], (kernel[0], kernel[1]))
    if attribute(node, "count_include_pad", 0) or (options["dilation_h"], options["dilation_w"]) != (1, 1):
        raise UserError(f"{importer.name(node)} must leave padding out of its averages, and have no dilation")
    geometry = window(importer.name(node), (shape[1], shape[2]), (kernel[0], kernel[1]), options)
    y = importer.result(output, (shape[0], *geometry.out_size, shape[3]), scale, zero)
    importer.last[output] = y
    options |= {"filter_h": kernel[0], "filter_w": kernel[1], "activation": "NONE"}
    importer.emit("AVERAGE_POOL_2D", [x], y, **options, **FLOAT)


def maximum(importer: Importer, node: onnx.NodeProto) -> None:
    """MaxPool: the same on integers."""
    name = importer.integers(node, 0)
    x = importer.in_order(name, channels_last=True)
    tensor = importer.tensors[x]
    kernel = attribute(node, "kernel_shape", ())
    if len(tensor.shape) != 4 or len(kernel) != 2 or len(node.output) > 1 or attribute(node, "ceil_mode", 0):
        raise UserError(f"{importer.name(node)} must pool an image and round down, not {tensor.shape}")
    options = _window_options(importer, node, tensor.shape[1:3], (kernel[0], kernel[1]))
    if (options["dilation_h"], options["dilation_w"]) != (1, 1):
        raise UserError(f"{importer.name(node)} must have no dilation; pool without it")
    geometry = window(importer.name(node), (tensor.shape[1], tensor.shape[2]), (kernel[0], kernel[1]), options)
    shape = (tensor.shape[0], *geometry.out_size, tensor.shape[3])
    output = _same(importer, node, name, importer.last, shape)
    options |= {"filter_h": kernel[0], "filter_w": kernel[1], "activation": "NONE"}
    importer.emit("MAX_POOL_2D", [x], output, **options)


def reshape(importer: Importer, node: onnx.NodeProto) -> None:
    """Reshape to a constant shape, Flatten, Squeeze, Unsqueeze: the integers in the order of ONNX."""
    name = importer.integers(node, 0)
    x = importer.in_order(name, channels_last=False)
    before = importer.tensors[x].shape
    if node.op_type == "Flatten":
        axis = attribute(node, "axis", 1)
        axis += len(before) if axis < 0 else 0
        after = [prod(before[:axis]), prod(before[axis:])]
    else:
        target = importer.value(node, 1).ravel().tolist()
        after = [before[i] if size == 0 and i < len(before) else size for i, size in enumerate(target)]
        if -1 in after:
            known = prod(size for size in after if size != -1)
            after[after.index(-1)] = prod(before) // max(1, known)
    if prod(after) != prod(before) or min(after, default=1) < 1:
        raise UserError(f"{importer.name(node)} must keep all values, not turn {before} into {tuple(after)}")
    importer.emit("RESHAPE", [x], _same(importer, node, name, importer.first, tuple(after)))


def transpose(importer: Importer, node: onnx.NodeProto) -> None:
    """Transpose."""
    name = importer.integers(node, 0)
    x = importer.in_order(name, channels_last=False)
    before = importer.tensors[x].shape
    order = list(attribute(node, "perm", range(len(before))[::-1]))
    if sorted(order) != list(range(len(before))):
        raise UserError(f"{importer.name(node)} must permute {len(before)} dimensions, not by {order}")
    y = _same(importer, node, name, importer.first, tuple(before[i] for i in order))
    importer.emit("TRANSPOSE", [x, importer.constant("order", np.array(order, np.int32))], y)


def _same(importer: Importer, node: onnx.NodeProto, source: str, layout: dict[str, int], shape: tuple[int, ...]) -> int:
    """The result of an operator that keeps the integers and their scale; real if what it reads is real."""
    like = importer.tensors[next(part[source] for part in (importer.first, importer.last) if source in part)]
    output = node.output[0]
    integers = output
    if node.input[0] in importer.real:
        integers = f"{output} (integers)"
        importer.real[output] = integers
    layout[integers] = importer.tensor(integers, shape, like.dtype, like.scale, like.zero_point)
    return layout[integers]


def _parameter(importer: Importer, node: onnx.NodeProto, position: int) -> Parameter:
    name = node.input[position]
    if name not in importer.parameters:
        raise UserError(f"{importer.name(node)} must have dequantised constants as weights, not {name!r}; quantise it")
    return importer.parameters[name]


def _zeros(w: Parameter) -> np.ndarray:
    """A zero point per scale."""
    zeros = w.zero.astype(np.int64).reshape(-1)
    return np.broadcast_to(zeros, np.size(w.scale)) if zeros.size == 1 else zeros


def _bias(importer: Importer, node: onnx.NodeProto, position: int) -> np.ndarray | None:
    if len(node.input) <= position or not node.input[position]:
        return None
    return _parameter(importer, node, position).data


def _with_bias(importer: Importer, bias: np.ndarray | None) -> list[int]:
    return [] if bias is None else [importer.constant("bias", bias.reshape(-1))]


RESULTS = {
    "Conv": convolve,
    "Gemm": multiply,
    "MatMul": multiply,
    "Add": add,
    "GlobalAveragePool": average,
    "AveragePool": average_window,
}
"""Operators on real numbers, once their QuantizeLinear is known."""
HANDLERS: Handlers = {
    **dict.fromkeys(RESULTS, wait),
    "DequantizeLinear": dequantize,
    "QuantizeLinear": quantize,
    "Relu": rectify,
    "Clip": rectify,
    "MaxPool": maximum,
    "Reshape": reshape,
    "Flatten": reshape,
    "Transpose": transpose,
    "QLinearConv": qlinear_convolve,
    "QLinearMatMul": qlinear_multiply,
    "QLinearAdd": qlinear_add,
    "QLinearGlobalAveragePool": qlinear_average,
}
