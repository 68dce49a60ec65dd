# SPDX-License-Identifier: Apache-2.0
"""Operators of quantised ONNX models beside the products: additions, pooling, shapes."""

from math import prod

import numpy as np
import onnx

from sysmt.base.errors import UserError
from sysmt.sim.nn.operators.window import window

from .onnx_graph import FLOAT, Importer, attribute
from .onnx_products import window_options


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
    options = window_options(importer, node, shape[1:3], (kernel[0], kernel[1]))
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
    options = window_options(importer, node, tensor.shape[1:3], (kernel[0], kernel[1]))
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
