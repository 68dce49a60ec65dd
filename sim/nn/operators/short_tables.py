# SPDX-License-Identifier: Apache-2.0
"""LOGISTIC, TANH and SOFTMAX of 16 bits: tables of a few hundred entries, and straight lines between them.

Source of the arithmetic: TensorFlow Lite, kernels/activations.cc, kernels/internal/reference/integer_ops/logistic.h,
tanh.h, kernels/internal/reference/softmax.h (SoftmaxInt16), kernels/internal/common.h (LUTPopulate, LUTLookup).
"""

from collections.abc import Callable
from math import frexp

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.arrays import Operation, whole
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.scales import VARIANT, multiplier, quantised

from .fixed_point import leading_zeros

ABOVE = (
    4,
    8,
    12,
    14,
    15,
    16,
    17,
    19,
    20,
    21,
    22,
    25,
    27,
    28,
    29,
    30,
    31,
    33,
    34,
    35,
    37,
    39,
    40,
    41,
    43,
    44,
    45,
    46,
    49,
    50,
    54,
    62,
    63,
    64,
    66,
    82,
    86,
    93,
    100,
    103,
    112,
    116,
    135,
    255,
)
"""Places where the entry is one above the function's rounded value."""
SIGMOID = np.floor(2.0**16 / (1 + np.exp(-np.arange(256) / 24)) + 0.5).astype(np.int64)
"""sigmoid(i / 24) in Q0.16 (sigmoid_table_uint16)."""
SIGMOID[list(ABOVE)] += 1
STEPS = 512
"""Parts of a table of 16 bits."""
LARGEST_SHIFT = 31


def _pair(graph: Graph, node: Node) -> tuple[Tensor, Tensor]:
    x, y = graph.input_of(node, 0), graph.tensors[node.output]
    quantised(node.name, x, y)
    if x.shape != y.shape:
        raise UserError(f"{node.name} must write the shape that it reads, not {x.shape} to {y.shape}")
    if float(y.scale[0]) != 2.0**-15:
        raise UserError(f"{node.name} must write int16 with scale 2**-15, not {y.scale[0]}; requantise the model")
    return x, y


def squashed(graph: Graph, node: Node) -> Operation:
    """LOGISTIC and TANH: one table serves both, tanh(x) = 2 sigmoid(2 x) - 1."""
    x, _ = _pair(graph, node)
    fraction, exponent = frexp(float(x.scale[0]))
    if fraction == 0.5:
        m, shift = 0, exponent - 1 + 12
        if shift not in ((0,) if node.kind == "LOGISTIC" else (0, 1)):
            raise UserError(f"{node.name} must read int16 with scale 2**-12, or no power of two, not {x.scale[0]}")
        m, shift = 3 << shift, 0
    else:
        real, shift = float(x.scale[0]) * 4096.0 * 3.0, 0
        while real <= 32767.0 / 2.0 and shift < LARGEST_SHIFT:
            real, shift = real * 2, shift + 1
        m = int(real)
    if m >= 2**16:
        raise UserError(f"{node.name} must read int16 with a scale below 5, not {x.scale[0]}; requantise the model")
    bits = 9 if node.kind == "LOGISTIC" else 8

    def run(v: np.ndarray) -> np.ndarray:
        scaled = (v.astype(np.int64) * m + ((1 << shift) >> 1)) >> shift
        size = np.abs(scaled)
        place = np.minimum(size >> bits, 255)
        below, above = SIGMOID[place], SIGMOID[np.minimum(place + 1, 255)]
        line = (below << bits) + (size & ((1 << bits) - 1)) * (above - below)
        if node.kind == "LOGISTIC":
            line = np.where(place == 255, 0x7FFF << 10, line)
            return (np.where(scaled >= 0, line + (1 << 9), (1 << 25) - line + (1 << 9) - 1) >> 10).astype(np.int16)
        line = np.where(place == 255, 0xFFFF << 8, line) - (1 << 23)
        return (np.where(scaled >= 0, line + (1 << 7), -line + (1 << 7) - 1) >> 8).astype(np.int16)

    return run


def line_table(function: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> np.ndarray:
    """A function over a range in Q0.15, int64 [513]: every entry shifted by half the error in the middle behind it."""
    step = (high - low) / STEPS
    starts = low + np.arange(STEPS) * step
    sample = _round(function(starts) * 2.0**15)
    middle = _round((function(starts + step) * 2.0**15 + sample) / 2)
    bias = _round((middle - _round(function(starts + step / 2) * 2.0**15)) / 2)
    last = _round(function(np.array([high])) * 2.0**15)
    values: np.ndarray = np.clip(np.concatenate([sample - bias, last]), -(2**15), 2**15 - 1)
    return values.astype(np.int64)


def _round(values: np.ndarray) -> np.ndarray:
    """C's `round`."""
    rounded: np.ndarray = np.copysign(np.floor(np.abs(values) + 0.5), values)
    return rounded


def looked_up(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """A function by its table, at 16-bit values."""
    place = 256 + (values >> 7)
    slope = table[place + 1] - table[place]
    found: np.ndarray = table[place] + ((slope * (values & 127) + 64) >> 7)
    return found


EXPONENTIAL = line_table(np.exp, -10.0, 0.0)
RECIPROCAL = line_table(lambda v: 1 / (1 + v), 0.0, 1.0)


def softmax(graph: Graph, node: Node) -> Operation:
    """SOFTMAX along the last dimension."""
    x, y = _pair(graph, node)
    beta = node.options["beta"]
    if not 0 < beta < 2**10 or not x.shape:
        raise UserError(f"{node.name} must have beta above 0 and below 1024, not {beta}")
    m, shift = multiplier(float(x.scale[0]) * beta / (10.0 / 65535.0))
    if shift > 14:
        raise UserError(f"{node.name} must have a scale times beta below 2.5, not {x.scale[0] * beta}; requantise it")

    def run(v: np.ndarray) -> np.ndarray:
        v = v.astype(np.int64)
        scaled = multiply(v - v.max(axis=-1, keepdims=True), m, shift, VARIANT)
        parts = looked_up(np.clip(scaled + 32767, -(2**15), 2**15 - 1), EXPONENTIAL)
        total = parts.sum(axis=-1, keepdims=True)
        zeros = leading_zeros(total)
        unit = ((total << (zeros - 1)) + (1 << 13)) >> 14
        inverse = looked_up(np.clip(unit - (1 << 15) - (1 << 16), -(2**15), 2**15 - 1), RECIPROCAL)
        codes: np.ndarray = np.clip((parts * inverse + (1 << (30 - zeros))) >> (31 - zeros), 0, 2**15 - 1)
        return codes.astype(np.int16)

    return whole(run, (x,), y)
