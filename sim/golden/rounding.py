# SPDX-License-Identifier: Apache-2.0
"""Rounding and 4-bit reduction: the one routine of the golden models, its rounding always named."""

import numpy as np

MODES = ("nearest", "truncate", "away")
"""`nearest`: to the nearest, ties towards plus infinity. `truncate`: towards minus infinity. `away`: to the nearest,
ties away from zero. The first two are the roundings of the array, the third one belongs to requantisation."""


def shift_right(value: np.ndarray, bits: np.ndarray | int, mode: str) -> np.ndarray:
    """Divide by `2**bits` and round to an integer.

    Parameters
    ----------
    value : signed integer array
        Of a type with room for `value + 2**(bits - 1)`.
    bits : int or integer array, broadcast against `value`
        Number of bits to drop, 0 or more.
    mode : str
        One of `MODES`.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    up: np.ndarray | int = 0
    if mode != "truncate":
        half = np.left_shift(1, bits, dtype=value.dtype) >> 1
        # One less than half for negative values: their ties then go down, away from zero.
        up = half - ((value < 0) & (half > 0)) if mode == "away" else half
    rounded: np.ndarray = (value + up) >> bits
    return rounded


def fits_x(x: np.ndarray) -> np.ndarray:
    """Whether an activation fits in 4 unsigned bits."""
    return x < 16


def fits_w(w: np.ndarray) -> np.ndarray:
    """Whether a weight fits in 4 signed bits."""
    return (w >= -8) & (w <= 7)


def reduce_x(x: np.ndarray, mode: str) -> np.ndarray:
    """Round an activation (0..255) to 4 bits and give it its weight back: a multiple of 16 from 0 to 240."""
    reduced: np.ndarray = 16 * np.minimum(shift_right(x, 4, mode), 15)
    return reduced


def reduce_w(w: np.ndarray, mode: str) -> np.ndarray:
    """Round a weight (-128..127) to 4 bits and give it its weight back: a multiple of 16 from -128 to 112."""
    reduced: np.ndarray = 16 * np.minimum(shift_right(w, 4, mode), 7)
    return reduced
