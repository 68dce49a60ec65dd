# SPDX-License-Identifier: Apache-2.0
"""Requantisation as TFLite's int8 reference kernels do it: 32-bit sums to 8-bit activations, bit for bit.

`y = clamp(zero_point + multiply(sum + bias, multiplier, shift), low, high)`, a scale being held as
`multiplier * 2**(shift - 31)` with a 31-bit multiplier, one per output channel. TFLite is built in two variants that
differ in the last bit; both are here, by name:

`single`: one rounding of the 64-bit product, ties towards plus infinity.
`double`: the product is rounded to its high half first (ties towards plus infinity, saturating), that once more by
the right shift (ties away from zero).

Source: TensorFlow Lite, kernels/internal/common.cc and quantization_util.cc; gemmlowp, fixedpoint.h.
"""

from dataclasses import dataclass
from math import floor, frexp

import numpy as np

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError

from .rounding import shift_right

VARIANTS = ("single", "double")
INT32 = np.iinfo(np.int32)


def quantize_multiplier(scale: float, variant: str = "double") -> tuple[int, int]:
    """Write a real scale as `multiplier * 2**(shift - 31)`.

    Parameters
    ----------
    scale : float
        0 or more, finite.
    variant : str
        One of `VARIANTS`. `single` saturates scales of 2**30 and more.

    Returns
    -------
    multiplier : int
        0, or 2**30 to 2**31 - 1.
    shift : int
        Positive to the left. At least -31; a smaller scale becomes 0.
    """
    _check_variant(variant)
    if not isinstance(scale, (float, int, np.floating, np.integer)) or not 0 <= scale < float("inf"):
        raise UserError(f"scale must be a finite number from 0 up, not {scale!r}; check the quantisation parameters")
    fraction, shift = frexp(scale)
    multiplier = floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if shift < -31:
        return 0, 0
    if variant == "single" and shift > 30:
        return 2**31 - 1, 30
    return multiplier, shift


def multiply(
    value: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int, variant: str = "double"
) -> np.ndarray:
    """Multiply by a quantised multiplier (TFLite's `MultiplyByQuantizedMultiplier`).

    Parameters
    ----------
    value : integer array within int32
    multiplier : integer array, broadcast against value
        0 to 2**31 - 1.
    shift : integer array, broadcast against value
        -31 to 30, positive to the left.
    variant : str
        One of `VARIANTS`.

    Returns
    -------
    int64 array

    Raises
    ------
    UserError
        An argument is not of integers or out of its range, shapes cannot be broadcast, or the left shift takes a value
        out of int32, where the reference kernel is undefined.
    """
    _check_variant(variant)
    multiplier = _whole("multiplier", multiplier, 0, INT32.max)
    shift = _whole("shift", shift, -31, 30)
    value = _whole("value", value, INT32.min, INT32.max)
    try:
        np.broadcast_shapes(value.shape, multiplier.shape, shift.shape)
    except ValueError:
        shapes = ", ".join(str(list(array.shape)) for array in (value, multiplier, shift))
        raise UserError(f"value, multiplier and shift must be of shapes that can be broadcast, not {shapes}") from None
    if variant == "single":
        return shift_right(value * multiplier, 31 - shift, "nearest")
    shifted = value << np.maximum(shift, 0)
    _check_range("value << shift", shifted, INT32.min, INT32.max)
    # The reference saturates only INT32_MIN * INT32_MIN, which a multiplier of 0 or more rules out.
    high = shift_right(shifted * multiplier, 31, "nearest")
    return shift_right(high, np.maximum(-shift, 0), "away")


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantize:
    """From the sums of one layer to the activations of the next.

    Parameters
    ----------
    bias : int32 [N]
    multiplier : int32 [N]
    shift : int32 [N]
    zero_point : int
        Added after scaling.
    low, high : int
        The clamp: 0..255 for unsigned activations, -128..127 for signed, tighter where an activation function is fused.
    variant : str
        One of `VARIANTS`.
    """

    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    zero_point: int = 0
    low: int = 0
    high: int = 255
    variant: str = "double"

    def __post_init__(self) -> None:
        _check_variant(self.variant)
        if not self.low <= self.high:
            raise UserError(f"low must be at most high, not {self.low} and {self.high}; swap them")
        for name in ("zero_point", "low", "high"):
            _whole(name, getattr(self, name), INT32.min, INT32.max)
        for name, limits in (("multiplier", (0, INT32.max)), ("shift", (-31, 30)), ("bias", (INT32.min, INT32.max))):
            _whole(name, getattr(self, name), *limits)

    @property
    def scale(self) -> np.ndarray:
        """The real scale, float64 [N]."""
        scale: np.ndarray = np.asarray(self.multiplier) * 2.0 ** (np.asarray(self.shift) - 31)
        return scale

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """Requantise sums [..., N] to int64 [..., N] within `low..high`.

        The accumulator wraps, as the reference kernels' do: a sum may have 33 bits where its bias brings it back to 32.
        """
        values = _whole("sums", sums, 2 * INT32.min, 2 * INT32.max + 1)
        for name in ("bias", "multiplier", "shift"):
            length = np.asarray(getattr(self, name)).size
            if length not in (1, values.shape[-1]):
                raise UserError(f"{name} must be of N = {values.shape[-1]} channels as the sums, not {length}")
        total = values + self.bias
        _check_range("sums + bias", total, INT32.min, INT32.max)
        scaled = multiply(total, self.multiplier, self.shift, self.variant)
        clamped: np.ndarray = np.clip(scaled + self.zero_point, self.low, self.high)
        return clamped


def _check_variant(variant: str) -> None:
    if variant not in VARIANTS:
        raise UserError(must_be_one_of("variant", variant, VARIANTS))


def _whole(name: str, values: np.ndarray | int, low: int, high: int) -> np.ndarray:
    """Values as int64; others than integers from `low` to `high` are refused, not cut."""
    given = np.asarray(values)
    if given.dtype.kind not in "iu" and given.size:
        raise UserError(f"{name} must be of integers, not of {given.dtype}; round and convert it first")
    _check_range(name, given, low, high)
    return given.astype(np.int64)


def _check_range(name: str, values: np.ndarray, low: int, high: int) -> None:
    for extreme in (values.min(), values.max()) if values.size else ():
        if not low <= extreme <= high:
            raise UserError(f"{name} must be within {low}..{high}, not {extreme}; rescale the layer")
