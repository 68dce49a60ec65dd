# SPDX-License-Identifier: Apache-2.0
"""Layer normalisation of an int8 LSTM's gate: 16-bit sums over all cells to 16 bits with 3 integer bits.

Source of the arithmetic: TensorFlow Lite, kernels/internal/reference/portable_tensor_utils.cc (PortableApplyLayerNorm),
kernels/unidirectional_sequence_lstm.cc (PopulateQuantizedLstmParams8x8_16).
"""

from dataclasses import dataclass

import numpy as np

from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.scales import VARIANT

from .fixed_point import inverse_square_root, saturated

MEAN_BITS = 10
"""Bits behind the point of a mean, and of a normalised value."""
SQUARE = 1 << 2 * MEAN_BITS
GATE_BITS = 12
"""Bits behind the point of a gate."""
GUARD = 10_000
"""The variance of sums that are all alike, times the scale of the coefficients."""


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """Normalises over the cells.

    Parameters
    ----------
    weights : int64 [C]
        Coefficients.
    bias : int64 [C]
    scale : tuple of int
        The coefficients', as multiplier and shift.
    guard : int
        What stands for a variance below 1.
    """

    weights: np.ndarray
    bias: np.ndarray
    scale: tuple[int, int]
    guard: int

    def __call__(self, total: np.ndarray) -> np.ndarray:
        """Sums of 16 bits [..., C] to the normalised ones, of 16 bits too."""
        cells = total.shape[-1]
        mean = _quotient(total.sum(axis=-1, keepdims=True) << MEAN_BITS, cells)
        # As the reference does it: the square's factor over the number of cells is cut to an integer first.
        variance = (total * total).sum(axis=-1, keepdims=True) * (SQUARE // cells) - mean * mean
        variance = _quotient(variance, SQUARE)
        inverse, shift = inverse_square_root(np.where(variance < 1, self.guard, variance))
        normalised = multiply((total << MEAN_BITS) - mean, inverse, shift, VARIANT)
        product = _wrapped(normalised * self.weights + self.bias)
        half = 1 << MEAN_BITS - 1
        rounded = _quotient(np.where(product > 0, product + half, product - half), 1 << MEAN_BITS)
        multiplier, left = self.scale
        return saturated(multiply(rounded, multiplier, left + GATE_BITS, VARIANT), 16)


def guard(scale: np.float32) -> int:
    """The variance that stands for one below 1, of coefficients with this scale."""
    return max(1, int(np.float32(GUARD) * scale))


def _quotient(values: np.ndarray, divisor: int) -> np.ndarray:
    """Divide, towards zero."""
    found: np.ndarray = np.sign(values) * (np.abs(values) // divisor)
    return found


def _wrapped(values: np.ndarray) -> np.ndarray:
    """As 32 bits hold them."""
    return values.astype(np.int32).astype(np.int64)
