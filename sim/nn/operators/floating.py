# SPDX-License-Identifier: Apache-2.0
"""Requantisation in single precision, as ONNX Runtime's CPU kernels have it (options["rounding"] == "float").

`y = clamp(rint(float32(sum + bias) * scale) + zero_point)`, ties to even. Source: ONNX Runtime, mlas/lib/quantize.cpp
(MlasRequantizeOutput), qladd.cpp, qlgavgpool.cpp; ONNX, QuantizeLinear.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, join, whole
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.graph import RANGES, Graph, Node, Tensor
from sysmt.sim.nn.scales import LIMITS, eight_bits


def is_float(node: Node) -> bool:
    """Whether a node requantises in single precision."""
    return node.options.get("rounding") == "float"


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatRequantize:
    """From the sums of one layer to the activations of the next.

    Parameters
    ----------
    bias : int32 [N]
    scale : float32 [N]
    zero_point, low, high : int
    """

    bias: np.ndarray
    scale: np.ndarray
    zero_point: int
    low: int
    high: int

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """Requantise sums int32 [..., N] to int64 [..., N] within `low..high`."""
        real = (sums.astype(np.int64) + self.bias).astype(np.float32) * self.scale
        clamped: np.ndarray = np.clip(np.rint(real).astype(np.int64) + self.zero_point, self.low, self.high)
        return clamped


def add(graph: Graph, node: Node) -> Operation:
    """ADD of two tensors of 8 bits and one shape (QLinearAdd)."""
    a, b, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    eight_bits(node.name, a, b, y)
    if not a.shape == b.shape == y.shape:
        raise UserError(f"{node.name} must add tensors of one shape, not {a.shape} and {b.shape}; broadcast it before")
    left, right = (np.float32(t.scale[0]) / y.scale[0] for t in (a, b))
    rest = np.float32(y.z) - (left * np.float32(a.z) + right * np.float32(b.z))

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        real = _fused(u, left, _fused(v, right, rest))
        codes: np.ndarray = np.clip(np.rint(real), *LIMITS[y.dtype])
        return codes.astype(y.dtype)

    return run


def _fused(values: np.ndarray, factor: np.floating[Any], addend: np.ndarray | np.floating[Any]) -> np.ndarray:
    """A fused multiply-add of single precision: one rounding, as processors with FMA have it (double holds it all)."""
    result: np.ndarray = (values.astype(np.float64) * np.float64(factor) + addend).astype(np.float32)
    return result


def mean(graph: Graph, node: Node, axes: tuple[int, ...]) -> Operation:
    """MEAN over the pixels of an image (QLinearGlobalAveragePool); `axes` are those of `[B, *shape]`."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    eight_bits(node.name, x, y)
    count = prod(x.shape[axis - 1] for axis in axes)
    scale = np.float32(x.scale[0]) / (y.scale[0] * np.float32(count))

    def run(v: np.ndarray) -> np.ndarray:
        total = v.sum(axis=axes, dtype=np.int64) - count * x.z
        codes: np.ndarray = np.clip(np.rint(total.astype(np.float32) * scale) + y.z, *LIMITS[y.dtype])
        return codes.astype(y.dtype)

    return whole(run, (x,), y)


def average(x: Tensor, y: Tensor, geometry: Geometry, covered: np.ndarray) -> Operation:
    """AVERAGE_POOL_2D: the mean of real numbers, added one after the other (QLinearAveragePool)."""

    def run(v: np.ndarray) -> np.ndarray:
        image = (v.reshape(-1, *x.shape[1:]).astype(np.float32) - np.float32(x.z)) * x.scale[0]
        total = np.zeros((len(image), *geometry.out_size, x.shape[3]), np.float32)
        for tap in geometry.windows(geometry.pad(image, 0)):
            total += tap
        real = total / covered.astype(np.float32) / y.scale[0] + np.float32(y.z)
        codes: np.ndarray = np.clip(np.rint(real), *LIMITS[y.dtype])
        return join(codes.astype(y.dtype), y.shape)

    return run


def rescale(x: Tensor, y: Tensor, function: Callable[[np.ndarray], np.ndarray] = lambda real: real) -> Operation:
    """8 bits to another scale, by a function of real numbers, tabulated (QLinearConcat, QLinearLeakyRelu)."""
    if x.dtype not in LIMITS or y.dtype != x.dtype:
        return lambda v: v
    codes = np.arange(256, dtype=np.uint8).view(x.dtype)
    real = (codes.astype(np.float32) - np.float32(x.z)) * np.float32(x.scale[0])
    ratio = function(real).astype(np.float32) / y.scale[0]
    table = np.clip(np.rint(ratio.astype(np.float64)) + y.z, *LIMITS[y.dtype]).astype(y.dtype)
    return lambda v: table.take(np.ascontiguousarray(v).view(np.uint8))


def leaky(x: Tensor, y: Tensor, alpha: float) -> Operation:
    """LEAKY_RELU (QLinearLeakyRelu)."""
    return rescale(x, y, lambda real: np.where(real >= 0, real, np.float32(alpha) * real))


def mul(a: Tensor, b: Tensor, y: Tensor) -> Operation:
    """MUL of 8 bits (QLinearMul)."""
    ratio = np.float32(a.scale[0]) * b.scale[0] / y.scale[0]

    def run(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        product = (u.astype(np.int64) - a.z) * (v.astype(np.int64) - b.z)
        codes: np.ndarray = np.clip(np.rint(product.astype(np.float32) * ratio) + y.z, *LIMITS[y.dtype])
        return codes.astype(y.dtype)

    return run


def quantize(x: Tensor, y: Tensor) -> Operation:
    """QUANTIZE of real numbers."""

    def run(values: np.ndarray) -> np.ndarray:
        ratio = (values / y.scale[0]).astype(np.float32)
        codes: np.ndarray = np.clip(np.rint(ratio.astype(np.float64)) + y.z, *RANGES[y.dtype])
        return codes.astype(y.dtype)

    return run
