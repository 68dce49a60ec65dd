# SPDX-License-Identifier: Apache-2.0
"""Activations around a zero point: what an array with `PEConfig.zero_width` multiplies, and what the host adds to it.

    sum(x w) = sum((x - z) w) + z sum(w)

The array makes the first term, its operands trimmed or not; the second depends on weights alone, and is added by
whoever reads the sums: to them, or once and for all to a bias.
"""

from dataclasses import replace

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.pe import PEConfig

from .requantize import Requantize


def check_zero(zero: int, pe: PEConfig) -> None:
    """Refuse a zero point that is none, or that these PEs cannot take off (`UserError`, one line)."""
    if isinstance(zero, bool) or not isinstance(zero, int | np.integer) or not 0 <= zero <= 255:
        raise UserError(f"zero must be an integer from 0 to 255, not {zero!r}")
    if zero and not pe.zero_width:
        raise UserError(
            f"zero = {zero} needs PEs that take it off (kind = sparq with signed_window = true), not kind = {pe.kind}; "
            "leave zero at 0"
        )


def distances(x: np.ndarray, zero: int) -> np.ndarray:
    """Activations uint8 as x - zero: int16, -255 to 255."""
    found: np.ndarray = x.astype(np.int16) - np.int16(zero)
    return found


def column_share(w: np.ndarray, zero: int) -> np.ndarray:
    """What is missing in the sums of x - zero: `zero` times the sum of every column of w [K, N], int64 [N]."""
    share: np.ndarray = zero * w.sum(axis=0, dtype=np.int64)
    return share


def absorbed(unit: Requantize, w: np.ndarray, zero: int) -> Requantize:
    """What requantises sums of x - zero as `unit` does those of x: `column_share` is in its bias.

    Raises
    ------
    UserError
        A bias leaves 32 bits.
    """
    if not zero:
        return unit
    bias = np.broadcast_to(unit.bias, w.shape[1:]) + column_share(w, zero)
    beyond = np.flatnonzero(bias != bias.astype(np.int32))
    if beyond.size:
        raise UserError(
            f"bias + zero * sum of weights must be within 32 bits, not {bias[beyond[0]]} (channel {beyond[0]}); "
            "read the sums instead, and requantise them on the host"
        )
    return replace(unit, bias=bias)


def completed(sums: np.ndarray, w: np.ndarray, zero: int) -> np.ndarray:
    """Sums [M, N] of x - zero as those of x: int32, wrapping."""
    if not zero:
        return sums.astype(np.int32)
    whole: np.ndarray = sums.astype(np.int64) + column_share(w, zero)
    return whole.astype(np.int32)
