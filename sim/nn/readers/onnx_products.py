# SPDX-License-Identifier: Apache-2.0
"""Products of quantised ONNX models: Conv, Gemm, MatMul, QLinearConv, QLinearMatMul."""

from typing import Any

import numpy as np
import onnx

from sysmt.base.errors import UserError
from sysmt.sim.nn.operators.window import window

from .onnx_graph import FLOAT, Importer, Parameter, attribute

SAME_SCALE = 0.01
"""How far the scale of a bias may be from that of the sums, relatively, to count as the same: ONNX Runtime takes a
little more for another, and computes on real numbers."""


def convolve(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """Conv of integers and constants."""
    w = _parameter(importer, node, 1)
    source = importer.integers(node, 0)
    bias = _bias(importer, node, importer.in_order(source, channels_last=True), w)
    _convolution(importer, node, source, w, bias, output, scale, zero)


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
    options = window_options(importer, node, shape[1:3], (down, across))
    geometry = window(importer.name(node), (shape[1], shape[2]), (down, across), options)
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    data = w.data.transpose(1, 2, 3, 0) if depthwise else w.data.transpose(0, 2, 3, 1)
    if own * groups != shape[3] or outputs % groups:
        raise UserError(f"{importer.name(node)} must have weights for {shape[3]} channels, not {w.data.shape}")
    weights = importer.constant(node.name or "weights", data, w.scale, _zeros(w), axis=3 if depthwise else 0)
    y = importer.result(output, (shape[0], *geometry.out_size, outputs), scale, zero)
    importer.last[output] = y
    importer.emit(kind, [x, weights, *_with_bias(importer, bias)], y, activation="NONE", **options, **FLOAT)


def window_options(
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
    source = importer.integers(node, 0)
    x = importer.in_order(source, channels_last=False)
    bias = _bias(importer, node, x, w) if node.op_type == "Gemm" else None
    if node.op_type == "Gemm" and (attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)) != (1.0, 1.0):
        raise UserError(f"{importer.name(node)} must have alpha and beta of 1; fold them into the weights")
    if attribute(node, "transA", 0):
        raise UserError(f"{importer.name(node)} must not transpose its input; transpose it before")
    rows = w.data if attribute(node, "transB", 0) else w.data.T
    _product(importer, node, source, rows, w, bias, output, scale, zero)


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


def _parameter(importer: Importer, node: onnx.NodeProto, position: int) -> Parameter:
    name = node.input[position]
    if name not in importer.parameters:
        raise UserError(f"{importer.name(node)} must have dequantised constants as weights, not {name!r}; quantise it")
    return importer.parameters[name]


def _zeros(w: Parameter) -> np.ndarray:
    """A zero point per scale."""
    zeros = w.zero.astype(np.int64).reshape(-1)
    return np.broadcast_to(zeros, np.size(w.scale)) if zeros.size == 1 else zeros


def _bias(importer: Importer, node: onnx.NodeProto, x: int, w: Parameter) -> np.ndarray | None:
    """The integers of a bias that is added to the sums as it is."""
    if len(node.input) < 3 or not node.input[2]:
        return None
    bias = _parameter(importer, node, 2)
    sums = importer.tensors[x].scale[0] * np.asarray(w.scale).reshape(-1)
    scale = np.asarray(bias.scale).reshape(-1)
    if scale.size not in (1, bias.data.size, sums.size) or not np.allclose(scale, sums, rtol=SAME_SCALE, atol=0):
        raise UserError(
            f"{importer.name(node)} must have a bias of the scale of its input times that of its weights, "
            f"not another; quantise it again"
        )
    if np.any(bias.zero):
        raise UserError(f"{importer.name(node)} must have a bias of the zero point 0, not another; quantise it again")
    return bias.data


def _with_bias(importer: Importer, bias: np.ndarray | None) -> list[int]:
    return [] if bias is None else [importer.constant("bias", bias.reshape(-1))]
