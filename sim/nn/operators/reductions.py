# SPDX-License-Identifier: Apache-2.0
"""Operators that join many values into one: pooling, MEAN, SUM, extremes, SOFTMAX.

Source of the arithmetic: TensorFlow Lite, kernels/internal/reference/integer_ops/pooling.h, reduce.h, softmax.h;
gemmlowp, fixedpoint.h.
"""

from functools import partial
from math import prod

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.arrays import Operation, join, whole
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.graph import RANGES, Graph, Node, Tensor
from sysmt.sim.nn.scales import LIMITS, VARIANT, clamp, eight_bits, multiplier, quantised

from . import floating, short_tables
from .elementwise import check_quantised
from .moves import axis_of, parameter
from .softmax import LOG_BITS, log_softmax_rows, softmax_row_tables, softmax_rows
from .window import window


def pool(graph: Graph, node: Node) -> Operation:
    """AVERAGE_POOL_2D and MAX_POOL_2D; padding takes no part in either."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    quantised(node.name, x, y)
    if len(x.shape) != 4:
        raise UserError(f"{node.name} must read four dimensions, not {x.shape}")
    geometry = window(node.name, x.shape[1:3], (node.options["filter_h"], node.options["filter_w"]), node.options)
    if y.shape != (x.shape[0], *geometry.out_size, x.shape[3]):
        raise UserError(f"{node.name} must write {(x.shape[0], *geometry.out_size, x.shape[3])}, not {y.shape}")
    if floating.is_float(node) and node.kind == "AVERAGE_POOL_2D":
        eight_bits(node.name, x, y)
        return floating.average(x, y, geometry, pixels_covered(geometry))
    if x.scale[0] != y.scale[0] or x.z != y.z:
        raise UserError(f"{node.name} must write the scale that it reads, not another; requantise the model")
    low, high = clamp(node.options["activation"], y)
    size, least = (*geometry.out_size, x.shape[3]), RANGES[y.dtype][0]
    if node.kind == "MAX_POOL_2D":

        def most(v: np.ndarray) -> np.ndarray:
            image = v.reshape(-1, *x.shape[1:])
            best = np.full((len(image), *size), least, y.dtype)
            for tap in geometry.windows(geometry.pad(image, least)):
                np.maximum(best, tap, out=best)
            return join(np.clip(best, low, high).astype(y.dtype), y.shape)

        return most
    covered = pixels_covered(geometry)

    def average(v: np.ndarray) -> np.ndarray:
        image = v.reshape(-1, *x.shape[1:])
        total = np.zeros((len(image), *size), np.int32)
        for tap in geometry.windows(geometry.pad(image, 0)):
            total += tap
        means: np.ndarray = np.clip(divide(total, covered), low, high)
        return join(means.astype(y.dtype), y.shape)

    return average


def pixels_covered(geometry: Geometry) -> np.ndarray:
    """Pixels of the image under every window, without the padding: int32 [1, OH, OW, 1]."""
    ones = np.ones((1, *geometry.size, 1), np.int32)
    return sum(geometry.windows(geometry.pad(ones, 0)), np.zeros((1, *geometry.out_size, 1), np.int32))


def divide(total: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Integer division, to the nearest, ties away from zero."""
    quotient: np.ndarray = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return quotient


def reduced_axes(graph: Graph, node: Node) -> list[int]:
    """The dimensions that a reduction takes together."""
    rank = len(graph.input_of(node, 0).shape)
    axes = sorted({axis_of(node, axis, rank) for axis in parameter(graph, node, 1)})
    if not axes:
        raise UserError(f"{node.name} must have an axis, not none; the file is damaged")
    return axes


def _reduced(graph: Graph, node: Node) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Input, output, and the dimensions of `[B, *shape]` that a reduction takes together."""
    x, y = check_quantised(graph, node)
    axes = reduced_axes(graph, node)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    if y.shape not in (kept, tuple(n for i, n in enumerate(x.shape) if i not in axes)):
        raise UserError(f"{node.name} must write {kept}, not {y.shape}; the file is damaged")
    return x, y, tuple(axis + 1 for axis in axes)


def mean(graph: Graph, node: Node) -> Operation:
    """MEAN of quantised values, SUM of uint8 and plain integers."""
    x, y, axes = _reduced(graph, node)
    if floating.is_float(node):
        return floating.mean(graph, node, axes)
    if node.kind == "SUM" and x.dtype in ("int32", "int64"):
        return whole(lambda v: np.sum(v, axis=axes, dtype=v.dtype), (x,), y)
    quantised(node.name, x, y)
    if node.kind == "SUM" and x.dtype != "uint8":
        raise UserError(
            f"{node.name} must be of uint8 or int32, not {x.dtype}, which the reference kernel reads as uint8; "
            "use MEAN and scale it"
        )
    count = prod(x.shape[a - 1] for a in axes)
    ratio = float(x.scale[0]) / float(y.scale[0])
    m, shift = mean_multiplier(x, y, count) if node.kind == "MEAN" else multiplier(ratio)
    low, high = RANGES[y.dtype]

    def run(v: np.ndarray) -> np.ndarray:
        total = v.sum(axis=axes, dtype=np.int64) - count * x.z
        means: np.ndarray = np.clip(multiply(total, m, shift, VARIANT) + y.z, low, high)
        return means.astype(y.dtype)

    return whole(run, (x,), y)


def extreme(graph: Graph, node: Node) -> Operation:
    """REDUCE_MAX and REDUCE_MIN: of the integers as they are."""
    x, y, axes = _reduced(graph, node)
    function = np.max if node.kind == "REDUCE_MAX" else np.min
    return whole(lambda v: function(v, axis=axes), (x,), y)


def product(graph: Graph, node: Node) -> Operation:
    """REDUCE_PROD of plain integers."""
    x, y, axes = _reduced(graph, node)
    if x.dtype not in ("int32", "int64"):
        raise UserError(f"{node.name} must be of plain integers, not {x.dtype}; quantise the model otherwise")
    return whole(lambda v: np.prod(v, axis=axes, dtype=v.dtype), (x,), y)


def logical(graph: Graph, node: Node) -> Operation:
    """REDUCE_ANY and REDUCE_ALL."""
    x, y, axes = _reduced(graph, node)
    if x.dtype != "bool":
        raise UserError(f"{node.name} must be of bool, not {x.dtype}; the file is damaged")
    function = np.any if node.kind == "REDUCE_ANY" else np.all
    return whole(lambda v: function(v, axis=axes), (x,), y)


def argument(graph: Graph, node: Node) -> Operation:
    """ARG_MAX and ARG_MIN: the first of equal ones."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    if x.dtype not in (*LIMITS, "int32", "int64"):
        raise UserError(f"{node.name} must read 8 bits or plain integers, not {x.dtype}; requantise the model")
    axes = parameter(graph, node, 1)
    axis = axis_of(node, axes[0] if axes else 0, len(x.shape))
    if len(axes) != 1 or y.dtype not in ("int32", "int64") or y.shape != x.shape[:axis] + x.shape[axis + 1 :]:
        raise UserError(f"{node.name} must write integers for {x.shape} without one axis, not {y.dtype} {y.shape}")
    function = np.argmax if node.kind == "ARG_MAX" else np.argmin
    return whole(lambda v: function(v, axis=axis + 1).astype(y.dtype), (x,), y)


def mean_multiplier(x: Tensor, y: Tensor, count: int) -> tuple[int, int]:
    """Multiplier and shift of the sum of `count` values: the division goes in with what bits have room (reduce.h)."""
    m, shift = multiplier(float(x.scale[0]) / float(y.scale[0]))
    room = min(count.bit_length() - 1, 32, 31 + shift)
    return (m << room) // count, shift - room


def softmax(graph: Graph, node: Node) -> Operation:
    """SOFTMAX and LOG_SOFTMAX over the last dimension, in fixed point."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    if x.dtype == "int16" and node.kind == "SOFTMAX":
        return short_tables.softmax(graph, node)
    eight_bits(node.name, x, y)
    if x.dtype != y.dtype:
        raise UserError(f"{node.name} must write the type that it reads, not {x.dtype} to {y.dtype}")
    if x.shape != y.shape or not x.shape:
        raise UserError(f"{node.name} must write the shape that it reads, not {x.shape} to {y.shape}")
    logarithmic = node.kind == "LOG_SOFTMAX"
    zero = LIMITS[y.dtype][1 if logarithmic else 0]
    parts = 2 ** (8 - LOG_BITS) if logarithmic else 256
    if float(y.scale[0]) != 1 / parts or y.z != zero:
        raise UserError(
            f"{node.name} must write with scale 1/{parts} and zero point {zero}, not {y.scale[0]} and {y.z}"
        )
    beta = 1.0 if logarithmic else node.options["beta"]
    if not 0 < beta < 2**10:
        raise UserError(f"{node.name} must have beta above 0 and below 1024, not {beta}")
    tables = softmax_row_tables(float(x.scale[0]), float(beta))
    return whole(partial(log_softmax_rows if logarithmic else softmax_rows, tables=tables), (x,), y)
