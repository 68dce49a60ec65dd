# SPDX-License-Identifier: Apache-2.0
"""gemmlowp's fixed-point functions on whole arrays, with raw values of 16 or 32 bits in int64.

A raw value `r` of `bits` bits with `i` integer bits stands for `r * 2**(i - (bits - 1))`, gemmlowp's Q format.
Source: gemmlowp, fixedpoint.h; TensorFlow Lite, kernels/internal/common.h (GetReciprocal,
log_x_for_x_greater_than_or_equal_to_1).
"""

import numpy as np

from sysmt.sim.golden.rounding import shift_right

EXPONENTIALS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-2**k) in Q0.31 for k = -2 to 4."""


def saturated(values: np.ndarray, bits: int) -> np.ndarray:
    """Within so many bits."""
    clipped: np.ndarray = np.clip(values, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    return clipped


def high_multiply(a: np.ndarray, b: np.ndarray | int, bits: int = 32) -> np.ndarray:
    """SaturatingRoundingDoublingHighMul: integer bits add up."""
    return saturated(shift_right(np.asarray(a * b, np.int64), bits - 1, "nearest"), bits)


def rescaled(values: np.ndarray, bits: int, change: int) -> np.ndarray:
    """Rescale to `change` more integer bits, or fewer where it is negative: rounding away, or saturating."""
    if change >= 0:
        return shift_right(values, change, "away")
    return saturated(values << -change, bits)


def constant(raw: int, bits: int) -> int:
    """A constant that the source gives with 32 bits."""
    return int(shift_right(np.array(raw, np.int64), 32 - bits, "away"))


def half_sum(a: np.ndarray, b: int) -> np.ndarray:
    """RoundingHalfSum: ties away from zero."""
    return shift_right(a + b, 1, "away")


def exp_on_negative_values(a: np.ndarray, integer_bits: int, bits: int = 32) -> np.ndarray:
    """exp(a) with no integer bits, for a of 0 or less."""
    fraction_bits = bits - 1 - integer_bits
    one = (1 << (bits - 1)) - 1
    quarter = 1 << (fraction_bits - 2)
    below = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(rescaled(below, bits, -integer_bits), bits)
    remainder = below - a
    for power, factor in enumerate(EXPONENTIALS, start=-2):
        if integer_bits > power:
            factor_here = constant(factor, bits)
            result = np.where(
                remainder & (1 << (fraction_bits + power)), high_multiply(result, factor_here, bits), result
            )
    if integer_bits > 5:
        result = np.where(a < -constant(1 << (36 - integer_bits), bits), 0, result)
    return np.where(a == 0, one, result)


def _exp_near_zero(a: np.ndarray, bits: int) -> np.ndarray:
    """exp(a) for a from -1/4 to 0, both without integer bits: a Taylor series around -1/8."""
    least, third = constant(1895147668, bits), constant(715827883, bits)
    x = a + (1 << (bits - 4))
    x2 = high_multiply(x, x, bits)
    x3, x4 = high_multiply(x2, x, bits), high_multiply(x2, x2, bits)
    series = high_multiply(shift_right(x4, 2, "away") + x3, third, bits) + x2
    return saturated(least + high_multiply(x + shift_right(series, 1, "away"), least, bits), bits)


def _newton(a: np.ndarray, bits: int) -> np.ndarray:
    """2 / (1 + a) with 2 integer bits, for a from 0 to 1 without: from 48/17 - 32/17 of the half denominator."""
    half = half_sum(a, (1 << (bits - 1)) - 1)
    x = constant(1515870810, bits) + high_multiply(half, constant(-1010580540, bits), bits)
    for _ in range(3):
        rest = (1 << (bits - 3)) - high_multiply(half, x, bits)
        x = x + saturated(high_multiply(x, rest, bits) << 2, bits)
    return x


def one_over_one_plus(a: np.ndarray, bits: int = 32) -> np.ndarray:
    """1 / (1 + a) for a from 0 to 1, both without integer bits."""
    return saturated(_newton(a, bits) << 1, bits)


def logistic(a: np.ndarray, integer_bits: int, bits: int = 32) -> np.ndarray:
    """1 / (1 + exp(-a)) without integer bits."""
    one = (1 << (bits - 1)) - 1
    positive = one_over_one_plus(exp_on_negative_values(-np.abs(a), integer_bits, bits), bits)
    return np.where(a == 0, 1 << (bits - 2), np.where(a > 0, positive, one - positive))


def tanh(a: np.ndarray, integer_bits: int, bits: int = 32) -> np.ndarray:
    """tanh(a) without integer bits."""
    exponential = exp_on_negative_values(-np.abs(a), integer_bits + 1, bits)
    positive = saturated((_newton(exponential, bits) - (1 << (bits - 3))) << 2, bits)
    return np.where(a == 0, 0, np.where(a < 0, -positive, positive))


def leading_zeros(values: np.ndarray) -> np.ndarray:
    """Leading zeros of 32 bits, of values from 0 up."""
    bits: np.ndarray = 32 - np.frexp(values.astype(np.float64))[1]
    return bits.astype(np.int64)


def reciprocal(totals: np.ndarray, integer_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """1 / total for totals of at least 1, 32 bits: in Q0.31, and the bits to shift the result by."""
    headroom = leading_zeros(totals)
    return one_over_one_plus((totals << headroom) - 2**31), integer_bits - headroom


def logarithm(x: np.ndarray, integer_bits: int, output_bits: int) -> np.ndarray:
    """log(x) with `output_bits` integer bits, for x of at least 1 with `integer_bits`; 32 bits both."""
    accumulated = output_bits + 1
    quarter = int(rescaled(np.array(536870912, np.int64), 32, accumulated))

    def power(exponent: np.ndarray) -> np.ndarray:
        return saturated(exponent << (31 - accumulated), 32)

    headroom = leading_zeros(x)
    scaled = saturated(x << (headroom - 1), 32)
    r_a = saturated(high_multiply(scaled, 1518500250) << 1, 32)
    power_a = saturated(power(integer_bits - headroom) + quarter, 32)
    headroom_b = leading_zeros(high_multiply(x, 1518500250)) - 1
    r_b = saturated(x << headroom_b, 32)
    power_b = saturated(power(integer_bits - headroom_b) - quarter, 32)
    r, exponent = np.minimum(r_a, r_b), np.maximum(power_a, power_b)
    p, q = half_sum(r, 1805811301), 2 * (r - 1805811301)
    square = high_multiply(q, q)
    numerator = high_multiply(q, r) + high_multiply(high_multiply(q, square), 117049297)
    denominator = high_multiply(p, 1057819769 + q + high_multiply(square, 127690142)) + high_multiply(q, 638450708)
    fraction = high_multiply(rescaled(numerator, 32, accumulated), one_over_one_plus(denominator))
    return rescaled(high_multiply(exponent, 1488522236) + fraction, 32, -1)


def inverse_square_root(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / sqrt(value) of integers from 0 to 2**31 - 1 as multiplier and shift to the left; of 0 as of 1.

    Source: TensorFlow Lite, kernels/internal/common.cc (GetInvSqrtQuantizedMultiplierExp).
    """
    rest, shift = values.astype(np.int64), np.full(np.shape(values), 11, np.int64)
    while (large := rest >= 1 << 29).any():
        rest, shift = np.where(large, rest // 4, rest), shift + large
    rest = np.maximum(rest, 2)  # 0 and 1 are apart, below
    pairs = (leading_zeros(rest) - 1) // 2 - 1
    shift, rest = shift - pairs, rest << (2 * pairs)
    half = shift_right(rest >> 1, 1, "away")
    x = np.full(rest.shape, 1 << 28, np.int64)
    for _ in range(5):
        cube = rescaled(high_multiply(high_multiply(x, x), x), 32, -6)
        x = rescaled(high_multiply(x, (1 << 28) + (1 << 27)) - high_multiply(half, cube), 32, -3)
    x = high_multiply(x, 1518500250)
    left = np.maximum(-shift, 0)
    apart = values <= 1
    return np.where(apart, 2**31 - 1, x << left), np.where(apart, 0, -np.maximum(shift, 0))
