# SPDX-License-Identifier: Apache-2.0
"""Operators that join many values into one: pooling, MEAN, SOFTMAX.

Source of the arithmetic: TensorFlow Lite, kernels/internal/reference/integer_ops/pooling.h, reduce.h, softmax.h;
gemmlowp, fixedpoint.h.
"""

from functools import partial

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.scales import VARIANT, clamp, int8, multiplier

from .elementwise import Operation
from .softmax import softmax_row_tables, softmax_rows
from .window import window


def pool(graph: Graph, node: Node) -> Operation:
    """AVERAGE_POOL_2D and MAX_POOL_2D; padding takes no part in either."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    int8(node.name, x, y)
    if len(x.shape) != 4:
        raise UserError(f"{node.name} must read four dimensions, not {x.shape}")
    geometry = window(node.name, x.shape[1:3], (node.options["filter_h"], node.options["filter_w"]), node.options)
    if y.shape != (x.shape[0], *geometry.out_size, x.shape[3]):
        raise UserError(f"{node.name} must write {(x.shape[0], *geometry.out_size, x.shape[3])}, not {y.shape}")
    if x.scale[0] != y.scale[0] or x.z != y.z:
        raise UserError(f"{node.name} must write the scale that it reads, not another; requantise the model")
    low, high = clamp(node.options["activation"], y)
    if node.kind == "MAX_POOL_2D":

        def most(v: np.ndarray) -> np.ndarray:
            best = np.full((len(v), *y.shape[1:]), -128, np.int8)
            for tap in geometry.windows(geometry.pad(v, -128)):
                np.maximum(best, tap, out=best)
            return np.clip(best, low, high)

        return most
    covered = pixels_covered(geometry)

    def average(v: np.ndarray) -> np.ndarray:
        total = np.zeros((len(v), *y.shape[1:]), np.int32)
        for tap in geometry.windows(geometry.pad(v, 0)):
            total += tap
        means: np.ndarray = np.clip(divide(total, covered), low, high)
        return means.astype(np.int8)

    return average


def pixels_covered(geometry: Geometry) -> np.ndarray:
    """Pixels of the image under every window, without the padding: int32 [1, OH, OW, 1]."""
    ones = np.ones((1, *geometry.size, 1), np.int32)
    return sum(geometry.windows(geometry.pad(ones, 0)), np.zeros((1, *geometry.out_size, 1), np.int32))


def divide(total: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Integer division, to the nearest, ties away from zero."""
    quotient: np.ndarray = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return quotient


def mean(graph: Graph, node: Node) -> Operation:
    """MEAN over any dimensions but the batch."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    int8(node.name, x, y)
    axes = mean_axes(graph, node)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    if np.prod(kept) != np.prod(y.shape) or y.shape[0] != x.shape[0]:
        raise UserError(f"{node.name} must write {kept}, not {y.shape}; the file is damaged")
    count = int(np.prod([x.shape[a] for a in axes]))
    scale, shift = mean_multiplier(x, y, count)

    def run(v: np.ndarray) -> np.ndarray:
        total = v.sum(axis=tuple(axes), dtype=np.int64) - count * x.z
        means: np.ndarray = np.clip(multiply(total, scale, shift, VARIANT) + y.z, -128, 127)
        return means.astype(np.int8).reshape(len(v), *y.shape[1:])

    return run


def mean_axes(graph: Graph, node: Node) -> list[int]:
    """The dimensions that a MEAN averages over."""
    rank = len(graph.input_of(node, 0).shape)
    axes = sorted({int(a) + (rank if a < 0 else 0) for a in graph.input_of(node, 1).constant().ravel()})
    if not axes or not 0 < axes[0] <= axes[-1] < rank:
        raise UserError(f"{node.name} must average over dimensions behind the batch, not {axes} of {rank}")
    return axes


def mean_multiplier(x: Tensor, y: Tensor, count: int) -> tuple[int, int]:
    """Multiplier and shift of the sum of `count` values: the division goes in with what bits have room (reduce.h)."""
    m, shift = multiplier(float(x.scale[0]) / float(y.scale[0]))
    room = min(count.bit_length() - 1, 32, 31 + shift)
    return (m << room) // count, shift - room


def softmax(graph: Graph, node: Node) -> Operation:
    """SOFTMAX over the last dimension, in fixed point."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    int8(node.name, x, y)
    if x.shape != y.shape:
        raise UserError(f"{node.name} must write the shape that it reads, not {x.shape} to {y.shape}")
    if float(y.scale[0]) != 1 / 256 or y.z != -128:
        raise UserError(f"{node.name} must write with scale 1/256 and zero point -128, not {y.scale[0]} and {y.z}")
    beta = node.options["beta"]
    if not 0 < beta < 2**10:
        raise UserError(f"{node.name} must have beta above 0 and below 1024, not {beta}")
    return partial(softmax_rows, tables=softmax_row_tables(float(x.scale[0]), float(beta)))
