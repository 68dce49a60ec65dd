# SPDX-License-Identifier: Apache-2.0
"""Operators that treat every value alike or only move values: ADD, activations, QUANTIZE, PAD, CONCATENATION, RESHAPE.

Each function takes the graph and a node, checks them, and returns the operation on arrays with a batch in front.
Source of the arithmetic: TensorFlow Lite, kernels/{add,activations,quantize,dequantize,pad,concatenation}.cc and their
reference kernels.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.scales import LIMITS, VARIANT, clamp, int8, multiplier

Operation = Callable[..., np.ndarray]

ADD_SHIFT = 20
"""Bits that an addend is shifted up before it is rescaled (kernels/add.cc)."""


def table(function: Callable[[np.ndarray], np.ndarray], dtype: str) -> Operation:
    """Tabulate a function of one byte: it then costs a look-up, whatever it computes."""
    codes = np.arange(256, dtype=np.uint8)
    values = function(codes.view(dtype).astype(np.int64))
    return lambda x: values.take(np.ascontiguousarray(x).view(np.uint8))


def add(graph: Graph, node: Node) -> Operation:
    """ADD of two int8 tensors, with broadcasting."""
    a, b, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    int8(node.name, a, b, y)
    try:
        fitting = np.broadcast_shapes(a.shape, b.shape) == y.shape
    except ValueError:
        fitting = False
    if not fitting:
        raise UserError(f"{node.name} must read shapes that add up to {y.shape}, not {a.shape} and {b.shape}")
    low, high = clamp(node.options["activation"], y)
    *scales, (m, shift) = add_multipliers(a, b, y)
    left, right = (
        table(partial(_addend, zero=tensor.z, scale=scale), "int8")
        for tensor, scale in zip((a, b), scales, strict=True)
    )

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        codes: np.ndarray = np.clip(multiply(left(u) + right(v), m, shift, VARIANT) + y.z, low, high)
        return codes.astype(np.int8)

    return run


def add_multipliers(a: Tensor, b: Tensor, y: Tensor) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Multiplier and shift of either addend, `ADD_SHIFT` bits up, and of their sum."""
    twice = 2 * max(float(a.scale[0]), float(b.scale[0]))
    return (
        multiplier(float(a.scale[0]) / twice),
        multiplier(float(b.scale[0]) / twice),
        multiplier(twice / (2**ADD_SHIFT * float(y.scale[0]))),
    )


def _addend(values: np.ndarray, zero: int, scale: tuple[int, int]) -> np.ndarray:
    return multiply((values - zero) << ADD_SHIFT, *scale, VARIANT)


def activation(graph: Graph, node: Node) -> Operation:
    """RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1 with their own rescaling."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    int8(node.name, x, y)
    _same_shape(node, x, y)
    low, high = clamp(node.kind, y)
    m, shift = multiplier(float(x.scale[0] / y.scale[0]))
    return table(lambda v: np.clip(multiply(v - x.z, m, shift, VARIANT) + y.z, low, high).astype(np.int8), "int8")


def leaky(graph: Graph, node: Node) -> Operation:
    """LEAKY_RELU: one multiplier for positive values, another for negative ones."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    int8(node.name, x, y)
    _same_shape(node, x, y)
    alpha = node.options["alpha"]
    if not 0 <= alpha < 2**10:
        raise UserError(f"{node.name} must have alpha from 0 to 1023, not {alpha}; retrain it")
    identity = multiplier(float(x.scale[0]) / float(y.scale[0]))
    slope = multiplier(float(x.scale[0]) * alpha / float(y.scale[0]))

    def run(v: np.ndarray) -> np.ndarray:
        v = v - x.z
        scaled = np.where(v >= 0, multiply(v, *identity, VARIANT), multiply(v, *slope, VARIANT))
        codes: np.ndarray = np.clip(scaled + y.z, -128, 127)
        return codes.astype(np.int8)

    return table(run, "int8")


def quantize(graph: Graph, node: Node) -> Operation:
    """QUANTIZE: real numbers to 8 bits, or 8 bits to others of another scale."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    _same_shape(node, x, y)
    if y.dtype not in LIMITS or x.dtype not in (*LIMITS, "float32"):
        raise UserError(f"{node.name} must go from float32, int8 or uint8 to 8 bits, not {x.dtype} to {y.dtype}")
    low, high = LIMITS[y.dtype]
    scale, z = y.per_tensor().scale[0], y.z
    if x.dtype == "float32":

        def run(values: np.ndarray) -> np.ndarray:
            ratio = (values / scale).astype(np.float32)
            away = np.trunc(ratio) + np.where(np.abs(ratio - np.trunc(ratio)) >= 0.5, np.sign(ratio), 0)
            codes: np.ndarray = np.clip(away.astype(np.float64) + z, low, high)
            return codes.astype(y.dtype)

        return run
    m, shift = multiplier(float(x.per_tensor().scale[0]) / float(scale))
    return table(lambda v: np.clip(multiply(v - x.z, m, shift, VARIANT) + z, low, high).astype(y.dtype), x.dtype)


def dequantize(graph: Graph, node: Node) -> Operation:
    """DEQUANTIZE: 8 bits to real numbers."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    _same_shape(node, x, y)
    if x.dtype not in LIMITS or y.dtype != "float32":
        raise UserError(f"{node.name} must go from 8 bits to float32, not {x.dtype} to {y.dtype}")
    scale = float(x.per_tensor().scale[0])
    return table(lambda v: (scale * (v - x.z)).astype(np.float32), x.dtype)


def reshape(graph: Graph, node: Node) -> Operation:
    """RESHAPE that leaves the batch alone; the target is the output's own shape."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    if x.shape[:1] != (1,) or y.shape[:1] != (1,) or np.prod(x.shape) != np.prod(y.shape) or x.dtype != y.dtype:
        raise UserError(f"{node.name} must keep the batch of 1 and all values, not turn {x.shape} into {y.shape}")
    return lambda v: v.reshape(len(v), *y.shape[1:])


def pad(graph: Graph, node: Node) -> Operation:
    """PAD with the zero point."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    int8(node.name, x, y)
    edges = graph.input_of(node, 1).constant()
    if edges.shape != (len(x.shape), 2) or edges.min() < 0 or edges[0].any():
        raise UserError(f"{node.name} must pad each of {len(x.shape)} dimensions from 0 up and not the batch")
    if y.shape != tuple(int(n + e.sum()) for n, e in zip(x.shape, edges.astype(np.int64), strict=True)):
        raise UserError(f"{node.name} must write {x.shape} with its padding, not {y.shape}; the file is damaged")
    widths = [tuple(int(v) for v in edge) for edge in edges]
    return lambda v: np.pad(v, widths, constant_values=y.z)


def concatenation(graph: Graph, node: Node) -> Operation:
    """CONCATENATION of tensors with the same scale, along any dimension but the batch."""
    y = graph.tensors[node.output]
    parts = [graph.input_of(node, i) for i in range(len(node.inputs))]
    int8(node.name, y, *parts)
    rank = len(y.shape)
    axis = node.options["axis"] + (rank if node.options["axis"] < 0 else 0)
    if not 0 < axis < rank or node.options["activation"] != "NONE":
        raise UserError(f"{node.name} must join a dimension behind the batch, without an activation, not {axis}")
    for part in parts:
        if part.scale[0] != y.scale[0] or part.z != y.z:
            raise UserError(f"{node.name} must join tensors of its own scale, not {part.name!r}; requantise them")
    sizes = [part.shape[axis : axis + 1] for part in parts]
    others = {(part.shape[:axis], part.shape[axis + 1 :]) for part in parts}
    joined = sum(size[0] for size in sizes if size)
    if others != {(y.shape[:axis], y.shape[axis + 1 :])} or joined != y.shape[axis]:
        raise UserError(f"{node.name} must join shapes to {y.shape}, not {[part.shape for part in parts]}")
    return lambda *values: np.concatenate(values, axis=axis)


def _same_shape(node: Node, x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        raise UserError(f"{node.name} must write the shape that it reads, not {x.shape} to {y.shape}")
