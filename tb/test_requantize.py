# SPDX-License-Identifier: Apache-2.0
"""Requantisation against a second definition in unbounded integers, straight from what the reference kernels say."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sysmt.base.errors import UserError
from sysmt.sim.golden import requantize
from sysmt.sim.golden.requantize import VARIANTS, Requantize, multiply, quantize_multiplier

INT32 = st.integers(-(2**31), 2**31 - 1)
MULTIPLIER = st.one_of(st.integers(2**30, 2**31 - 1), st.integers(0, 2**31 - 1))


def single(value, multiplier, shift):
    """One rounding of the exact product, ties up."""
    return floor(Fraction(value * multiplier, 2 ** (31 - shift)) + Fraction(1, 2))


def double(value, multiplier, shift):
    """gemmlowp: the doubled high half with a nudge and C's division, then a rounding division by a power of two."""
    product = (value << max(shift, 0)) * multiplier
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    high = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)
    exact = Fraction(high, 2 ** max(-shift, 0))
    return floor(abs(exact) + Fraction(1, 2)) * (1 if exact >= 0 else -1)


@given(INT32, MULTIPLIER, st.integers(-31, 30))
@example(-(2**31), 2**31 - 1, -31)
@example(-3, 2**30, 0)
@example(3, 2**30, -1)
@example(2**31 - 1, 2**31 - 1, 30)
def test_single_rounding(value, multiplier, shift):
    assert multiply(value, multiplier, shift, "single") == single(value, multiplier, shift)


@given(INT32, MULTIPLIER, st.integers(-31, 8))
@example(-(2**31), 2**31 - 1, -31)
@example(-3, 2**30, 0)
@example(-6, 2**30, -1)
@example(6, 2**30, -1)
def test_double_rounding(value, multiplier, shift):
    if shift > 0:
        value >>= shift
    assert multiply(value, multiplier, shift, "double") == double(value, multiplier, shift)


def test_the_variants_differ():
    # 0.375 and 1.5 (negative) are rounded once to 0 and -1, twice to 1 (through 0.5) and -2.
    assert [int(multiply(3, 2**30, -2, v)) for v in VARIANTS] == [0, 1]
    assert [int(multiply(-6, 2**30, -1, v)) for v in VARIANTS] == [-1, -2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_comparison_catches_a_seeded_bug(variant, monkeypatch):
    rng = np.random.default_rng(1)
    values, multipliers = rng.integers(-(2**20), 2**20, 4000), rng.integers(2**30, 2**31, 4000)
    reference = {"single": single, "double": double}[variant]
    expected = [reference(int(v), int(m), -8) for v, m in zip(values, multipliers, strict=True)]
    assert multiply(values, multipliers, -8, variant).tolist() == expected
    monkeypatch.setattr(requantize, "shift_right", lambda value, bits, mode: value >> bits)
    assert multiply(values, multipliers, -8, variant).tolist() != expected


@given(st.floats(2.0**-31, 2.0**30, exclude_max=True))
@example(1.0)
@example(0.75)
@example(1 - 2.0**-40)
def test_quantised_scale_is_the_nearest(scale):
    multiplier, shift = quantize_multiplier(scale)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) - Fraction(scale)) <= Fraction(2) ** (shift - 32)


def test_extreme_scales():
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-40) == (0, 0)
    assert quantize_multiplier(2.0**40, "single") == (2**31 - 1, 30)
    assert quantize_multiplier(2.0**40, "double") == (2**30, 41)


def test_layer_is_requantised_per_channel():
    half, quarter = quantize_multiplier(0.5), quantize_multiplier(0.25)
    layer = Requantize(
        bias=np.array([0, 100]),
        multiplier=np.array([half[0], quarter[0]]),
        shift=np.array([half[1], quarter[1]]),
        zero_point=3,
        high=200,
    )
    sums = np.array([[10, 300], [-50, -200], [900, 0]], np.int32)
    assert layer(sums).tolist() == [[8, 103], [0, 0], [200, 28]]


def test_a_sum_may_wrap_where_its_bias_brings_it_back():
    """Biases near -2**31 and 2**31 come with sums of 33 bits, since the accumulator began at the bias and wrapped."""
    multiplier, shift = quantize_multiplier(2.0**-24)
    bias = np.array([-(2**31), 2**31 - 1])
    layer = Requantize(bias=bias, multiplier=multiplier, shift=shift, low=-128, high=127)
    assert layer(np.array([2**31 + 2**27, -(2**31) - 2**27])).tolist() == [8, -8]
    with pytest.raises(UserError, match=r"^sums \+ bias must be within -2147483648..2147483647, not -2147483649; "):
        layer(np.array([-1, 0]))


def test_bad_values_are_refused():
    with pytest.raises(UserError, match=r"^variant must be one of single, double, not 'triple'$"):
        multiply(1, 2**30, 0, "triple")
    with pytest.raises(UserError, match=r"^scale must be a finite number from 0 up, not -1.0; "):
        quantize_multiplier(-1.0)
    with pytest.raises(UserError, match=r"^scale must be a finite number from 0 up, not nan; "):
        quantize_multiplier(float("nan"))
    with pytest.raises(UserError, match=r"^shift must be within -31..30, not 31; rescale the layer$"):
        multiply(1, 2**30, 31)
    with pytest.raises(UserError, match=r"^multiplier must be within 0..2147483647, not -1; "):
        multiply(1, -1, 0)
    with pytest.raises(UserError, match=r"^value << shift must be within -2147483648..2147483647, not 4294967296; "):
        multiply(2**30, 2**30, 2)
    with pytest.raises(UserError, match=r"^low must be at most high, not 5 and 4; swap them$"):
        Requantize(bias=np.zeros(1), multiplier=np.ones(1), shift=np.zeros(1), low=5, high=4)
