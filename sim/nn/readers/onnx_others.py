# SPDX-License-Identifier: Apache-2.0
"""Operators of quantised ONNX models beside the products: additions, pooling, shapes."""

from math import prod
from typing import Any

import numpy as np
import onnx

from sysmt.base.errors import UserError
from sysmt.sim.nn.operators.window import window

from .onnx_graph import FLOAT, LAST, Importer, attribute
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


def _elementwise(
    importer: Importer,
    node: onnx.NodeProto,
    kind: str,
    output: str,
    scale: np.ndarray,
    zero: np.ndarray,
    **options: Any,
) -> None:
    """An operator of one input that keeps the shape."""
    name = importer.integers(node, 0)
    last = name in importer.last and name not in importer.first
    x = importer.in_order(name, channels_last=last)
    y = importer.result(output, importer.tensors[x].shape, scale, zero)
    (importer.last if last else importer.first)[output] = y
    importer.emit(kind, [x], y, **options, **FLOAT)


def leaky(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """LeakyRelu of integers."""
    _elementwise(importer, node, "LEAKY_RELU", output, scale, zero, alpha=float(attribute(node, "alpha", 0.01)))


def multiply(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """Mul of two tensors of integers, of one shape or a value per channel."""
    names = [importer.integers(node, 0), importer.integers(node, 1)]
    last = any(name in importer.last and name not in importer.first for name in names)
    a, b = (importer.in_order(name, channels_last=last) for name in names)
    shapes = importer.tensors[a].shape, importer.tensors[b].shape
    if len(shapes[0]) != len(shapes[1]) or any(
        1 not in pair and len({*pair}) > 1 for pair in zip(*shapes, strict=True)
    ):
        raise UserError(
            f"{importer.name(node)} must multiply shapes of one rank that fit, not {shapes[0]} and {shapes[1]}"
        )
    shape = tuple(max(pair) for pair in zip(*shapes, strict=True))
    y = importer.result(output, shape, scale, zero)
    (importer.last if last else importer.first)[output] = y
    importer.emit("MUL", [a, b], y, activation="NONE", **FLOAT)


def join(importer: Importer, node: onnx.NodeProto, output: str, scale: np.ndarray, zero: np.ndarray) -> None:
    """Concat of integers; of images with the channels last where they lie so."""
    names = [importer.integers(node, i) for i in range(len(node.input))]
    last = all(name in importer.last for name in names)
    parts = [importer.in_order(name, channels_last=last) for name in names]
    shapes = [importer.tensors[part].shape for part in parts]
    axis, rank = int(attribute(node, "axis", 0)), len(shapes[0])
    if not -rank <= axis < rank or len({len(shape) for shape in shapes}) > 1:
        raise UserError(f"{importer.name(node)} must join along one of {rank} dimensions, not {axis} of {shapes}")
    axis = LAST.index(axis % rank) if last and rank == 4 else axis % rank
    if len({shape[:axis] + shape[axis + 1 :] for shape in shapes}) > 1:
        raise UserError(f"{importer.name(node)} must join shapes that fit, not {shapes}; export the model again")
    shape = (*shapes[0][:axis], sum(part[axis] for part in shapes), *shapes[0][axis + 1 :])
    y = importer.result(output, shape, scale, zero)
    (importer.last if last else importer.first)[output] = y
    importer.emit("CONCATENATION", parts, y, axis=axis, activation="NONE", **FLOAT)


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
    elif node.op_type in ("Squeeze", "Unsqueeze"):
        after = _squeezed(importer, node, before)
    else:
        target = importer.value(node, 1).ravel().tolist()
        after = [before[i] if size == 0 and i < len(before) else size for i, size in enumerate(target)]
        if -1 in after:
            known = prod(size for size in after if size != -1)
            after[after.index(-1)] = prod(before) // max(1, known)
    if prod(after) != prod(before) or min(after, default=1) < 1:
        raise UserError(f"{importer.name(node)} must keep all values, not turn {before} into {tuple(after)}")
    importer.emit("RESHAPE", [x], _same(importer, node, name, importer.first, tuple(after)))


def _squeezed(importer: Importer, node: onnx.NodeProto, before: tuple[int, ...]) -> list[int]:
    """The shape without dimensions of 1, or with more of them."""
    there = len(node.input) > 1 and bool(node.input[1])
    given = importer.value(node, 1).ravel().tolist() if there else attribute(node, "axes", None)
    adds = node.op_type == "Unsqueeze"
    if given is None:
        given = [] if adds else [i for i, size in enumerate(before) if size == 1]
    rank = len(before) + (len(given) if adds else 0)
    if any(not -rank <= axis < rank for axis in given) or len({axis % rank for axis in given}) < len(given):
        raise UserError(f"{importer.name(node)} must have axes within {rank}, not {given}; export the model again")
    axes = {axis % rank for axis in given}
    if adds:
        sizes = iter(before)
        return [1 if i in axes else next(sizes) for i in range(rank)]
    return [size for i, size in enumerate(before) if i not in axes]


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
