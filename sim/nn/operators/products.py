# SPDX-License-Identifier: Apache-2.0
"""Products that the host computes, because they do not fit the array: 16-bit activations, computed weights, and
TRANSPOSE_CONV, whose rows overlap.

Sums are exact: a product in double precision, whose every partial sum is an integer below 2**53.
Source of the arithmetic: TensorFlow Lite, kernels/internal/reference/integer_ops/{conv,depthwise_conv,
fully_connected,transpose_conv}.h, kernels/internal/reference/batch_matmul.h.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.arrays import Operation, Operations, join, whole
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.graph import RANGES, TENSOR_VALUES, Graph, Node
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.scales import FULLY_CONNECTED_VARIANT, VARIANT, clamp, int8, multiplier, multipliers, quantised

from .linear import LOWERED, Linear, convolution, fully_connected, has_bias, linear, scales, signed, weights_of, wrapped
from .moves import parameter
from .window import window


@dataclass(frozen=True, eq=False)
class HostProduct:
    """An operation that multiplies on the host.

    Parameters
    ----------
    operation : function of arrays
        With a state, to a tuple of arrays.
    layer : Layer
        Its shape.
    """

    operation: Operation | Operations
    layer: Layer

    @property
    def operands(self) -> int:
        """Bytes of operands that one input takes: numbers in double precision."""
        return 8 * self.layer.pixels * self.layer.geometry.taps * self.layer.channels

    def __call__(self, *values: np.ndarray) -> Any:
        """As the operation."""
        return self.operation(*values)


WIDE_LENGTH = 2**15
"""Products of two numbers of 16 bits whose sum fits the 47 bits that `multiply_wide` takes."""


def exact(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The product of integers [..., M, K] and [..., K, N] below 2**16 and 2**8, int64."""
    return (x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)


def product(graph: Graph, node: Node) -> Linear | HostProduct:
    """Prepare a CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED node, for the array or else for the host."""
    if graph.input_of(node, 0).dtype == "int16":
        return sixteen_bits(graph, node)
    if node.kind == "FULLY_CONNECTED" and graph.input_of(node, 1).data is None:
        return computed_weights(graph, node)
    return linear(graph, node)


def sixteen_bits(graph: Graph, node: Node) -> HostProduct:
    """A layer of 16-bit activations and 8-bit weights."""
    x, w, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    quantised(node.name, x, y)
    stored = weights_of(node, w)
    if w.dtype != "int8" or not len(w.scale) or w.zero_point.any():
        raise UserError(f"{node.name} must have symmetric int8 weights beside int16, not {w.dtype} with a zero point")
    lower = fully_connected if node.kind == "FULLY_CONNECTED" else convolution
    layer, weights = lower(node, y.name, x, stored)
    n, size = layer.outputs, layer.pixels * layer.outputs
    if size != prod(y.shape) or y.shape[-1:] != (n,) or layer.pixels * len(weights) > LOWERED:
        raise UserError(f"{node.name} must write {layer.pixels} times {n} values, not {y.shape}; the file is damaged")
    bias, wide = _bias16(graph, node, n)
    fully = node.kind == "FULLY_CONNECTED"
    variant = FULLY_CONNECTED_VARIANT if fully else VARIANT
    m, shift = multipliers(scales(node, x, w, y, n), variant)
    low, high = clamp(node.options["activation"], y)

    def run(v: np.ndarray) -> np.ndarray:
        image = v.reshape(-1, *layer.geometry.size, layer.channels)
        rows = layer.geometry.im2col(image, 0)
        if layer.per_channel:
            repeated = rows.repeat(n // layer.channels, axis=2).astype(np.int64)
            sums = (repeated * weights).sum(axis=1)
        else:
            sums = exact(rows.reshape(len(rows), -1), weights)
        total = sums + bias if wide else wrapped(sums + bias)
        scaled = multiply_wide(total, m, shift) if wide and not fully else multiply(total, m, shift, variant)
        codes: np.ndarray = np.clip(scaled, low, high)
        return join(codes.astype(np.int16), y.shape)

    return HostProduct(run, layer)


def _bias16(graph: Graph, node: Node, n: int) -> tuple[np.ndarray, bool]:
    """The biases int64 [n], and whether the sums they belong to have 64 bits."""
    if not has_bias(node):
        return np.zeros(n, np.int64), True
    bias = graph.input_of(node, 2)
    values = bias.constant()
    # Without the attribute the reference kernel reads 32 bits as 64.
    narrow = node.options.get("bias_type") == "int32"
    if bias.dtype not in ("int64", "int32" if narrow else "int64") or values.shape != (n,):
        raise UserError(
            f"{node.name} must have biases [{n}] of int64 beside int16, not {bias.dtype} {list(values.shape)}"
        )
    return values.astype(np.int64), bias.dtype == "int64"


def multiply_wide(value: np.ndarray, m: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """MultiplyByQuantizedMultiplier of 48-bit sums: the multiplier has 15 bits (kernels/internal/common.cc)."""
    short = np.where(m < 0x7FFF0000, (m + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - shift
    if (total < 1).any() or (total > 62).any():
        raise UserError("scales of 16-bit layers must shift by 1 to 62 bits; rescale the layer")
    scaled: np.ndarray = (value * short + (np.int64(1) << (total - 1))) >> total
    return scaled


def computed_weights(graph: Graph, node: Node) -> HostProduct:
    """FULLY_CONNECTED whose weights another operator or an input gives: int8, one scale."""
    x, w, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    int8(node.name, x, w, y)
    layer, _ = fully_connected(node, y.name, x, np.broadcast_to(np.zeros(1, np.int8), w.shape))
    if layer.pixels * layer.outputs != prod(y.shape) or y.shape[-1:] != (layer.outputs,):
        raise UserError(f"{node.name} must write rows of {layer.outputs}, not {y.shape}; the file is damaged")
    bias = np.zeros(layer.outputs, np.int64)
    if has_bias(node):
        bias = graph.input_of(node, 2).constant().astype(np.int64)
    m, shift = multiplier(float(scales(node, x, w, y, 1)[0]), FULLY_CONNECTED_VARIANT)
    low, high = clamp(node.options["activation"], y)

    def run(v: np.ndarray, weights: np.ndarray) -> np.ndarray:
        rows = v.reshape(len(v), layer.pixels, layer.channels).astype(np.int16) - x.z
        sums = exact(rows, weights.swapaxes(1, 2).astype(np.int16) - w.z)
        scaled = multiply(wrapped(sums + bias), m, shift, FULLY_CONNECTED_VARIANT)
        codes: np.ndarray = np.clip(scaled + y.z, low, high)
        return codes.astype(np.int8).reshape(len(v), *y.shape)

    return HostProduct(whole(run, (x, w), y), layer)


def batch_matmul(graph: Graph, node: Node) -> HostProduct:
    """BATCH_MATMUL of int8 or int16, either operand transposed, batches broadcast."""
    a, b, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    if a.dtype != "int16":
        int8(node.name, a, b, y)
    quantised(node.name, a, b, y)
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise UserError(f"{node.name} must read matrices, not {a.shape} and {b.shape}")
    left, right = (
        (*t.shape[:-2], t.shape[-1], t.shape[-2]) if node.options[adjoint] else t.shape
        for t, adjoint in ((a, "adj_x"), (b, "adj_y"))
    )
    try:
        batches = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        batches = (0,)
    if left[-1] != right[-2] or y.shape != (*batches, left[-2], right[-1]):
        raise UserError(f"{node.name} must multiply {left} and {right} to {y.shape}; the file is damaged")
    m, shift = multiplier(float(a.scale[0]) * float(b.scale[0]) / float(y.scale[0]))
    rank, wide = len(y.shape), y.dtype == "int16"
    if wide and left[-1] > WIDE_LENGTH:
        raise UserError(f"{node.name} must add at most {WIDE_LENGTH} products of 16 bits, not {left[-1]}; split it")

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        u, v = (t.reshape(len(t), *(1,) * (rank + 1 - t.ndim), *t.shape[1:]).astype(np.int32) for t in (u, v))
        u, v = (t.swapaxes(-1, -2) if node.options[name] else t for t, name in ((u, "adj_x"), (v, "adj_y")))
        sums = exact(u - a.z, v - b.z)
        scaled = (
            multiply_wide(sums, np.int64(m), np.int64(shift)) if wide else multiply(wrapped(sums), m, shift, VARIANT)
        )
        codes: np.ndarray = np.clip(scaled + y.z, *RANGES[y.dtype])
        return codes.astype(y.dtype)

    layer = Layer.gemm(y.name, prod(batches) * left[-2], left[-1], right[-1])
    return HostProduct(whole(run, (a, b), y), layer)


def transposed(graph: Graph, node: Node) -> HostProduct:
    """TRANSPOSE_CONV of int8 and int16: the transpose of the convolution from its output to its input."""
    w, x, y = graph.input_of(node, 1), graph.input_of(node, 2), graph.tensors[node.output]
    wide = x.dtype == "int16"
    (quantised if wide else int8)(node.name, x, y)
    if w.dtype != "int8" or not len(w.scale) or w.zero_point.any():
        raise UserError(f"{node.name} must have symmetric int8 weights, not {w.dtype} with a zero point; requantise it")
    stored, _ = signed(node, w, weights_of(node, w))
    size = parameter(graph, node, 0)
    if len(x.shape) != 4 or stored.ndim != 4 or stored.shape[3] != x.shape[3] or tuple(size) != y.shape:
        raise UserError(f"{node.name} must turn {x.shape} into {y.shape} with its weights, not {stored.shape}")
    n, down, across, channels = stored.shape
    geometry = window(node.name, (y.shape[1], y.shape[2]), (down, across), node.options)
    if geometry.out_size != x.shape[1:3] or y.shape[3] != n or prod(x.shape[:3]) * down * across * n > TENSOR_VALUES:
        raise UserError(f"{node.name} must turn {geometry.out_size} into {y.shape}, not {x.shape}; the file is damaged")
    bias = np.zeros(n, np.int64)
    if len(node.inputs) > 3:
        values = graph.input_of(node, 3)
        wanted = "int64" if wide else "int32"
        if values.dtype != wanted or values.constant().shape != (n,):
            raise UserError(f"{node.name} must have {wanted} biases [{n}], not {values.dtype} {values.shape}")
        bias = values.constant().astype(np.int64)
    m, shift = multipliers(scales(node, x, w, y, n), VARIANT)
    low, high = clamp(node.options["activation"], y)
    taps = np.ascontiguousarray(stored.reshape(n, down * across, channels).transpose(2, 1, 0)).reshape(channels, -1)

    def run(v: np.ndarray) -> np.ndarray:
        rows = v.reshape(-1, channels).astype(np.int32) - x.z
        sums = geometry.col2im(exact(rows, taps).reshape(len(rows), down * across, n)) + bias
        scaled = multiply_wide(sums, m, shift) if wide else multiply(wrapped(sums), m, shift, VARIANT)
        codes: np.ndarray = np.clip(scaled + y.z, low, high)
        return join(codes.astype(y.dtype), y.shape)

    layer = Layer(
        name=y.name,
        kind="gemm",
        geometry=Geometry(size=(prod(x.shape[:3]), 1)),
        channels=channels,
        outputs=down * across * n,
    )
    return HostProduct(run, layer)
