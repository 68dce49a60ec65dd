# SPDX-License-Identifier: Apache-2.0
"""Operators on every value by itself: activation functions that clamp or bend, PRELU, ABS, QUANTIZE, DEQUANTIZE, CAST.

Each function takes the graph and a node, checks them, and returns the operation on arrays (`sysmt.sim.nn.arrays`).
Source of the arithmetic: TensorFlow Lite, kernels/{activations,elementwise,quantize,dequantize,cast}.cc and their
reference kernels; what they tabulate from single-precision functions is tabulated here.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply, quantize_multiplier
from sysmt.sim.golden.rounding import shift_right
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import RANGES, Graph, Node, Tensor
from sysmt.sim.nn.scales import LIMITS, VARIANT, clamp, eight_bits, int8, multiplier, quantised

from . import floating
from .arithmetic import table

SHORT_SHIFT = 15
"""Most bits that a 16-bit number is shifted by."""


def pair(graph: Graph, node: Node) -> tuple[Tensor, Tensor]:
    """The input and the output, of one shape."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    if x.shape != y.shape:
        raise UserError(f"{node.name} must write the shape that it reads, not {x.shape} to {y.shape}")
    return x, y


def _by_value(function: Callable[[np.ndarray], np.ndarray], dtype: str) -> Operation:
    """A function of integers, tabulated where they have 8 bits."""
    return table(function, dtype) if dtype in LIMITS else lambda v: function(v.astype(np.int64))


def activation(graph: Graph, node: Node) -> Operation:
    """RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1 with their own rescaling."""
    x, y = pair(graph, node)
    (quantised if node.kind in ("RELU", "RELU6") else eight_bits)(node.name, x, y)
    low, high = clamp(node.kind, y)
    m, shift = multiplier(float(x.scale[0] / y.scale[0]))
    return _by_value(lambda v: np.clip(multiply(v - x.z, m, shift, VARIANT) + y.z, low, high).astype(y.dtype), x.dtype)


def leaky(graph: Graph, node: Node) -> Operation:
    """LEAKY_RELU: one multiplier for positive values, another for negative ones."""
    x, y = pair(graph, node)
    quantised(node.name, x, y)
    alpha = node.options["alpha"]
    if not -(2**10) < alpha < 2**10:
        raise UserError(f"{node.name} must have alpha from -1023 to 1023, not {alpha}; retrain it")
    if floating.is_float(node):
        eight_bits(node.name, x, y)
        return floating.leaky(x, y, alpha)
    identity = multiplier(float(x.scale[0]) / float(y.scale[0]))
    slope = multiplier(float(x.scale[0]) * abs(alpha) / float(y.scale[0]))
    # A negative multiplier rounds as gemmlowp does it: the product is negated before it is rounded.
    sign = -1 if alpha < 0 else 1

    def run(v: np.ndarray) -> np.ndarray:
        v = v - x.z
        scaled = np.where(v >= 0, multiply(v, *identity, VARIANT), multiply(sign * v, *slope, VARIANT))
        codes: np.ndarray = np.clip(scaled + y.z, *RANGES[y.dtype])
        return codes.astype(y.dtype)

    return _by_value(run, x.dtype)


def prelu(graph: Graph, node: Node) -> Operation:
    """PRELU: a slope per value, broadcast; of int16 values with int8 slopes, as the reference kernel reads any."""
    x, y = pair(graph, node)
    alpha = graph.input_of(node, 1)
    if x.dtype == "int16":
        quantised(node.name, x, y)
        int8(node.name, alpha)
    else:
        eight_bits(node.name, x, alpha, y)
    slopes = alpha.constant()
    try:
        fitting = np.broadcast_shapes(x.shape, alpha.shape) == y.shape
    except ValueError:
        fitting = False
    if not fitting:
        raise UserError(f"{node.name} must have slopes that fit {x.shape}, not {alpha.shape}")
    identity = multiplier(float(x.scale[0] / y.scale[0]))
    slope = multiplier(float(x.scale[0] * alpha.scale[0] / y.scale[0]))
    factors = slopes.astype(np.int64) - alpha.z

    def run(v: np.ndarray) -> np.ndarray:
        v = v.astype(np.int64) - x.z
        scaled = np.where(v >= 0, multiply(v, *identity, VARIANT), multiply(v * factors, *slope, VARIANT))
        codes: np.ndarray = np.clip(scaled + y.z, *RANGES[y.dtype])
        return codes.astype(y.dtype)

    return whole(run, (x,), y)


def absolute(graph: Graph, node: Node) -> Operation:
    """ABS of int8 and int16 values."""
    x, y = pair(graph, node)
    if x.dtype != "int16":
        int8(node.name, x, y)
    quantised(node.name, x, y)
    m, shift = multiplier(float(x.scale[0]) / float(y.scale[0]))
    same = x.scale[0] == y.scale[0]

    def run(v: np.ndarray) -> np.ndarray:
        v = np.abs(v - x.z)
        codes: np.ndarray = np.clip((v if same else multiply(v, m, shift, VARIANT)) + y.z, *RANGES[y.dtype])
        return codes.astype(y.dtype)

    return _by_value(run, x.dtype)


def negative(graph: Graph, node: Node) -> Operation:
    """NEG: of the integers as they are, whatever their scales; the least one stays."""
    x, y = pair(graph, node)
    if x.dtype not in ("int8", "int16", "int32", "int64") or y.dtype != x.dtype:
        raise UserError(f"{node.name} must be of int8, int16 or plain integers, not {x.dtype}; quantise it otherwise")
    return lambda v: -v


def round_away(values: np.ndarray) -> np.ndarray:
    """C's `round` of float32, float64."""
    whole_part = np.trunc(values)
    away = np.where(np.abs(values - whole_part) >= 0.5, np.sign(values), 0)
    rounded: np.ndarray = whole_part.astype(np.float64) + away
    return rounded


def hard_swish(graph: Graph, node: Node) -> Operation:
    """HARD_SWISH of 8 bits, in 16-bit fixed point (reference/hard_swish.h)."""
    x, y = pair(graph, node)
    eight_bits(node.name, x, y)
    hires = np.float32(1.0 / 128.0) * x.scale[0]
    output, output_shift = _short_multiplier(float(hires / y.scale[0]))
    relu, relu_shift = _short_multiplier(float(hires / np.float32(3.0 / 32768.0)))
    if not -SHORT_SHIFT <= output_shift <= 0 or relu_shift < -SHORT_SHIFT:
        # Beyond 15 bits the kernel's shift of 16-bit numbers is none.
        raise UserError(
            f"{node.name} must write a scale from {x.scale[0] / 128} to {x.scale[0] * 2**8} and read one from 2**-20, "
            f"not {y.scale[0]} of {x.scale[0]}; requantise it"
        )

    def run(v: np.ndarray) -> np.ndarray:
        value = (v - x.z) << 7
        before_shift = _high_short(value, output)
        gate = value
        if relu_shift > 0:
            gate = _saturated(gate << (relu_shift - 1))
        gate = _high_short(gate, relu)
        if relu_shift > 0:
            gate = _saturated(gate << 1)
        if relu_shift < 0:
            gate = shift_right(gate, -relu_shift, "away")
        gate = (gate + (1 << 15)) >> 1
        product = gate * before_shift
        product = np.sign(product) * (np.abs(product) >> 15)
        codes: np.ndarray = np.clip(shift_right(product, -output_shift, "away") + y.z, *LIMITS[y.dtype])
        return codes.astype(y.dtype)

    return table(run, x.dtype)


def _short_multiplier(scale: float) -> tuple[int, int]:
    m, shift = quantize_multiplier(scale)
    return (2**15 - 1 if m >= 2**31 - 1 - 2**15 else (m + 2**15) >> 16), shift


def _high_short(value: np.ndarray, m: int) -> np.ndarray:
    """gemmlowp's SaturatingRoundingDoublingHighMul of 16 bits: towards zero behind a rounding of half away."""
    product = value * m
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    result: np.ndarray = np.sign(nudged) * (np.abs(nudged) >> 15)
    return result


def _saturated(value: np.ndarray) -> np.ndarray:
    clipped: np.ndarray = np.clip(value, -(2**15), 2**15 - 1)
    return clipped


def quantize(graph: Graph, node: Node) -> Operation:
    """QUANTIZE: real numbers to integers, or integers to others of another scale."""
    x, y = pair(graph, node)
    if y.dtype not in RANGES or x.dtype not in (*RANGES, "float32"):
        raise UserError(
            f"{node.name} must go from float32, int8, uint8 or int16 to one of those, not {x.dtype} to {y.dtype}"
        )
    low, high = RANGES[y.dtype]
    scale, z = y.per_tensor().scale[0], y.z
    if x.dtype == "float32" and floating.is_float(node):
        return floating.quantize(x, y)
    if x.dtype == "float32":

        def run(values: np.ndarray) -> np.ndarray:
            ratio = (values / scale).astype(np.float32)
            codes: np.ndarray = np.clip(round_away(ratio) + z, low, high)
            return codes.astype(y.dtype)

        return run
    m, shift = multiplier(float(x.per_tensor().scale[0]) / float(scale))

    def requantise(v: np.ndarray) -> np.ndarray:
        codes: np.ndarray = np.clip(multiply(v - x.z, m, shift, VARIANT) + z, low, high)
        return codes.astype(y.dtype)

    return _by_value(requantise, x.dtype)


def dequantize(graph: Graph, node: Node) -> Operation:
    """DEQUANTIZE: integers to real numbers."""
    x, y = pair(graph, node)
    if x.dtype not in RANGES or y.dtype != "float32":
        raise UserError(f"{node.name} must go from 8 or 16 bits to float32, not {x.dtype} to {y.dtype}")
    scale = float(x.per_tensor().scale[0])

    def real(v: np.ndarray) -> np.ndarray:
        return (scale * (v - x.z)).astype(np.float32)

    return _by_value(real, x.dtype)


def cast(graph: Graph, node: Node) -> Operation:
    """CAST between integers, or of integers and truth values to integers or real numbers."""
    x, y = pair(graph, node)
    integers = ("int8", "uint8", "int16", "int32", "int64")
    if x.dtype not in (*integers, "bool") or y.dtype not in (*integers, "float32"):
        raise UserError(f"{node.name} must cast integers, not {x.dtype} to {y.dtype}")
    return lambda v: v.astype(y.dtype)


def check_alike(node: Node, x: Tensor, *outputs: Tensor) -> None:
    """Refuse a node that writes another type than it reads."""
    for y in outputs:
        if y.dtype != x.dtype:
            raise UserError(f"{node.name} must write the type that it reads, not {x.dtype} to {y.dtype}")


def check_quantised(graph: Graph, node: Node) -> tuple[Tensor, Tensor]:
    """Input and output, quantised alike: what moves or picks values needs no arithmetic then."""
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    if x.dtype in RANGES:
        quantised(node.name, x, y)
    if prod(x.shape) < 1:
        raise UserError(f"{node.name} must read at least one value, not {x.shape}")
    check_alike(node, x, y)
    return x, y
