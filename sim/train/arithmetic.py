# SPDX-License-Identifier: Apache-2.0
"""Integer arithmetic of a quantised network in PyTorch: what `sysmt.sim.golden.requantize` computes, on any device."""

import torch

INT32 = torch.iinfo(torch.int32)


def through(exact: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    """The value of `exact` to the last bit, with the gradient of `smooth` (straight-through estimator)."""
    return exact + (smooth - smooth.detach())


def quantized_multiplier(scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Real scales, float64 from 0 up, as multipliers and shifts int64 (`quantize_multiplier`, variant `double`)."""
    fraction, exponent = torch.frexp(scale)
    multiplier, shift = torch.floor(fraction * 2**31 + 0.5).long(), exponent.long()
    full = multiplier == 2**31
    multiplier, shift = torch.where(full, 2**30, multiplier), torch.where(full, shift + 1, shift)
    tiny = shift < -31
    return torch.where(tiny, 0, multiplier), torch.where(tiny, 0, shift)


def multiply(value: torch.Tensor, multiplier: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Integers times quantised multipliers, int64: TFLite's `MultiplyByQuantizedMultiplier` with double rounding."""
    shifted = value << shift.clamp(min=0)
    high = (shifted * multiplier + 2**30) >> 31
    right = (-shift).clamp(min=0)
    half = torch.bitwise_left_shift(torch.ones_like(right), right) >> 1
    # Ties go away from zero: one less than half for negative values.
    return (high + half - ((high < 0) & (half > 0)).long()) >> right


def divide(total: torch.Tensor, count: int) -> torch.Tensor:
    """Integer division to the nearest, ties away from zero."""
    return total.sign() * ((total.abs() + count // 2) // count)
