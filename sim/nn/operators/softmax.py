# SPDX-License-Identifier: Apache-2.0
"""Softmax in fixed point, as TFLite's reference kernel computes it with gemmlowp.

The exponential depends on one of 256 differences only, so it is tabulated in unbounded integers; what remains per row
is a sum and a division.
Source: gemmlowp, fixedpoint.h; TensorFlow Lite, kernels/internal/reference/softmax.h and common.h (GetReciprocal).
"""

from dataclasses import dataclass
from math import floor

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import quantize_multiplier
from sysmt.sim.golden.rounding import shift_right

DIFFERENCE_BITS = 5
"""Integer bits of a scaled difference: Q5.26."""
SUM_BITS = 12
"""Integer bits of the sum of exponentials: Q12.19."""
EXPONENTIALS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-2**k) in Q0.31 for k = -2 to 4."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Per difference to the row's largest value, 0 to 255: its exponential in Q0.31 and as it is summed, int64 [256].

    Differences too large to matter have 0 in both.
    """

    exponential: np.ndarray
    addend: np.ndarray


def high_multiply(a: int, b: int) -> int:
    """gemmlowp's SaturatingRoundingDoublingHighMul."""
    product = a * b
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    return min(_truncate(nudged, 2**31), 2**31 - 1)


def divide_by_power(value: int, bits: int) -> int:
    """gemmlowp's RoundingDivideByPOT: ties away from zero."""
    return int(shift_right(np.array(value, np.int64), bits, "away"))


def exp_on_negative_values(a: int) -> int:
    """exp(a) in Q0.31 for a in Q5.26, 0 or less."""
    fraction_bits = 31 - DIFFERENCE_BITS
    quarter = 1 << (fraction_bits - 2)
    below = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(below << DIFFERENCE_BITS)
    remainder = below - a
    for power, factor in enumerate(EXPONENTIALS):
        if remainder & (1 << (fraction_bits - 2 + power)):
            result = high_multiply(result, factor)
    return 2**31 - 1 if a == 0 else result


def _exp_near_zero(a: int) -> int:
    """exp(a) in Q0.31 for a in Q0.31 from -1/4 to 0: a Taylor series around -1/8."""
    constant, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = high_multiply(x, x)
    x3 = high_multiply(x2, x)
    x4 = high_multiply(x2, x2)
    x4_over_4 = divide_by_power(x4, 2)
    series = divide_by_power(high_multiply(x4_over_4 + x3, third) + x2, 1)
    return constant + high_multiply(constant, x + series)


def reciprocal(total: int) -> tuple[int, int]:
    """1 / total for a sum in Q12.19 of at least 1: in Q0.31, and the bits to shift the result by."""
    headroom = 32 - total.bit_length()
    over_unit = SUM_BITS - headroom
    shifted = (total << headroom) - 2**31  # total / 2**k - 1, in Q0.31
    return _one_over_one_plus(shifted), over_unit


def _one_over_one_plus(a: int) -> int:
    """1 / (1 + a) in Q0.31 for a in Q0.31 from 0 to 1: Newton from 48/17 - 32/17 of the half denominator."""
    half = (a + 2**31 - 1 + 1) >> 1  # RoundingHalfSum(a, one)
    x = 1515870810 + high_multiply(half, -1010580540)  # Q2.29
    for _ in range(3):
        rest = 2**29 - high_multiply(half, x)
        x += _saturate(high_multiply(x, rest) << 2)
    return _saturate(x << 1)


def softmax_row_tables(scale: float, beta: float) -> Tables:
    """Tabulate for an input scale."""
    m, shift = quantize_multiplier(min(beta * scale * 2.0 ** (31 - DIFFERENCE_BITS), 2.0**31 - 1))
    if shift < 0:
        raise UserError(f"scale * beta of softmax must be at least 2**-26, not {scale * beta!r}; requantise it")
    least = -floor((2**DIFFERENCE_BITS - 1) * 2.0 ** (31 - DIFFERENCE_BITS) / 2.0**shift)
    exponential, addend = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for difference in range(0, min(255, -least) + 1):
        exponential[difference] = exp_on_negative_values(high_multiply(-difference * 2**shift, m))
        addend[difference] = divide_by_power(int(exponential[difference]), SUM_BITS)
    return Tables(exponential, addend)


def softmax_rows(x: np.ndarray, tables: Tables) -> np.ndarray:
    """Softmax of int8 or uint8 [..., C] along C, to the same type with scale 1/256 and its least value for 0."""
    values = x.reshape(-1, x.shape[-1]).astype(np.int64)
    differences = values.max(axis=1, keepdims=True) - values
    totals = tables.addend[differences].sum(axis=1)
    pairs = np.array([reciprocal(int(total)) for total in totals], np.int64).reshape(-1, 2)
    scale, over_unit = pairs[:, :1], pairs[:, 1:]
    # Both factors are positive: rounding half up of the doubled high half is what gemmlowp computes.
    product = shift_right(tables.exponential[differences] * scale, 31, "nearest")
    rounded = shift_right(product, over_unit + 31 - 8, "away")
    least = np.iinfo(x.dtype).min
    codes: np.ndarray = np.clip(rounded + least, least, least + 255)
    return codes.astype(x.dtype).reshape(x.shape)


def _saturate(value: int) -> int:
    return max(-(2**31), min(2**31 - 1, value))


def _truncate(value: int, by: int) -> int:
    return value // by if value >= 0 else -(-value // by)
