# SPDX-License-Identifier: Apache-2.0
"""Rounding and 4-bit reduction, exhaustively at 8 bits, against their definitions in rational numbers."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from sysmt.sim.golden.rounding import MODES, fits_w, fits_x, reduce_w, reduce_x, shift_right

DEFINITIONS = {
    "truncate": floor,
    "nearest": lambda value: floor(value + Fraction(1, 2)),
    "away": lambda value: floor(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bits", range(8))
def test_shift_right_all_bytes(mode, bits):
    values = np.arange(-128, 256)
    expected = [DEFINITIONS[mode](Fraction(int(v), 2**bits)) for v in values]
    assert shift_right(values, bits, mode).tolist() == expected


def test_modes_tell_ties_apart():
    assert {mode: shift_right(np.array([-24, 24]), 4, mode).tolist() for mode in MODES} == {
        "nearest": [-1, 2],
        "truncate": [-2, 1],
        "away": [-2, 2],
    }


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match=r"^mode must be one of nearest, truncate, away, not 'even'$"):
        shift_right(np.array([1]), 1, "even")


@pytest.mark.parametrize("mode", ["nearest", "truncate"])
def test_reduced_operands(mode):
    x, w = np.arange(256), np.arange(-128, 128)
    assert reduce_x(x, mode).tolist() == [16 * min(DEFINITIONS[mode](Fraction(v, 16)), 15) for v in range(256)]
    assert reduce_w(w, mode).tolist() == [16 * min(DEFINITIONS[mode](Fraction(v, 16)), 7) for v in range(-128, 128)]
    assert x[fits_x(x)].tolist() == list(range(16))
    assert w[fits_w(w)].tolist() == list(range(-8, 8))
