# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX and LOG_SOFTMAX in fixed point, as TFLite's reference kernels compute them with gemmlowp.

The exponential depends on one of 256 differences only, so it is tabulated; what remains per row is a sum and a
division, or a sum and its logarithm.
Source: TensorFlow Lite, kernels/internal/reference/softmax.h and log_softmax.h, kernels/activations.cc.
"""

from dataclasses import dataclass
from math import floor

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply, quantize_multiplier
from sysmt.sim.golden.rounding import shift_right
from sysmt.sim.nn.scales import VARIANT

from .fixed_point import exp_on_negative_values, high_multiply, logarithm, reciprocal

DIFFERENCE_BITS = 5
"""Integer bits of a scaled difference: Q5.26."""
SUM_BITS = 12
"""Integer bits of the sum of exponentials: Q12.19."""
LOG_BITS = 4
"""Integer bits of the output of LOG_SOFTMAX: 16 from its least value to 0."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Per difference to the row's largest value, 0 to 255: its exponential in Q0.31 and as it is summed, int64 [256].

    Differences too large to matter have 0 in both. `scaled`: the difference itself in Q5.26, negative; `least`: the
    difference, 0 or less, behind which they are too large; `m`, `shift`: the multiplier that scales them.
    """

    exponential: np.ndarray
    addend: np.ndarray
    scaled: np.ndarray
    least: int
    m: int
    shift: int


def softmax_row_tables(scale: float, beta: float) -> Tables:
    """Tabulate for an input scale."""
    m, shift = quantize_multiplier(min(beta * scale * 2.0 ** (31 - DIFFERENCE_BITS), 2.0**31 - 1))
    if shift < 0:
        raise UserError(f"scale * beta of softmax must be at least 2**-26, not {scale * beta!r}; requantise it")
    least = -floor((2**DIFFERENCE_BITS - 1) * 2.0 ** (31 - DIFFERENCE_BITS) / 2.0**shift)
    differences = np.arange(256, dtype=np.int64)
    counting = differences <= -least
    scaled = high_multiply(np.where(counting, -differences << shift, 0), m)
    exponential = np.where(counting, exp_on_negative_values(scaled, DIFFERENCE_BITS), 0)
    addend = shift_right(exponential, SUM_BITS, "away")
    return Tables(exponential, addend, scaled, least, m, shift)


def _differences(x: np.ndarray) -> np.ndarray:
    """Of every value to the largest of its row: 0 or more, int64 [rows, C]."""
    values = x.reshape(-1, x.shape[-1]).astype(np.int64)
    differences: np.ndarray = values.max(axis=1, keepdims=True) - values
    return differences


def softmax_rows(x: np.ndarray, tables: Tables) -> np.ndarray:
    """Softmax of int8 or uint8 [..., C] along C, to the same type with scale 1/256 and its least value for 0."""
    differences = _differences(x)
    scale, over_unit = reciprocal(tables.addend[differences].sum(axis=1, keepdims=True), SUM_BITS)
    # Both factors are positive: rounding half up of the doubled high half is what gemmlowp computes.
    product = shift_right(tables.exponential[differences] * scale, 31, "nearest")
    rounded = shift_right(product, over_unit + 31 - 8, "away")
    least = np.iinfo(x.dtype).min
    codes: np.ndarray = np.clip(rounded + least, least, least + 255)
    return codes.astype(x.dtype).reshape(x.shape)


def log_softmax_rows(x: np.ndarray, tables: Tables) -> np.ndarray:
    """Logarithm of softmax of int8 or uint8 [..., C], to the same type with scale 1/16 and its largest value for 0."""
    differences = _differences(x)
    logarithms = logarithm(tables.addend[differences].sum(axis=1, keepdims=True), SUM_BITS, DIFFERENCE_BITS)
    # Differences whose results are below the output's range, or that the tables do not hold, give its least value.
    back, back_shift = quantize_multiplier((1 << (31 - tables.shift)) / tables.m)
    lowest = np.maximum(tables.least - 1, multiply(logarithms - 2**31, back, back_shift, VARIANT))
    low, high = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
    rounded = shift_right(tables.scaled[differences] - logarithms, 31 - DIFFERENCE_BITS - LOG_BITS, "away")
    codes: np.ndarray = np.where(-differences > lowest, np.clip(rounded + high, low, high), low)
    return codes.astype(x.dtype).reshape(x.shape)
