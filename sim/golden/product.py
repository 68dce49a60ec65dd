# SPDX-License-Identifier: Apache-2.0
"""What a matrix product on the array gives, sums and counters, and which operands it takes."""

from dataclasses import astuple, dataclass
from typing import TypeVar

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.pe import PEConfig

C = TypeVar("C", bound="Counters")


@dataclass(frozen=True)
class Counters:
    """What the PEs of the array count, over the real (unpadded) outputs: the fields are `PEConfig.EVENTS`.

    A kind of PE that counts more adds fields in a subclass.

    Parameters
    ----------
    active : int
        Products with both operands non-zero.
    busy : int
        (output, step) pairs with at least one active thread.
    collisions : int
        (output, step) pairs with more than one active thread, on a PE that runs more than one.
    reduced : int
        Products computed from an operand that was shortened, even where its value survived.
    """

    active: int = 0
    busy: int = 0
    collisions: int = 0
    reduced: int = 0

    def __add__(self: C, other: C) -> C:
        return type(self)(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, eq=False)
class Product:
    """What the array computed and counted.

    Parameters
    ----------
    sums : int32 [M, N]
    counters : Counters
    """

    sums: np.ndarray
    counters: Counters


def check_operands(x: np.ndarray, w: np.ndarray, pe: PEConfig) -> None:
    """Refuse what the array cannot multiply (`UserError`, one line)."""
    if not isinstance(pe, PEConfig):
        raise UserError(f"pe must be a PEConfig, not {pe!r}")
    for name, operand, dtype, shape in (("x", x, np.uint8, "[M, K]"), ("w", w, np.int8, "[K, N]")):
        if isinstance(operand, np.ma.MaskedArray):
            raise UserError(f"{name} must be an array without a mask, which nothing here sees; fill it first")
        if not isinstance(operand, np.ndarray) or operand.dtype != dtype or operand.ndim != 2:
            raise UserError(
                f"{name} must be a {np.dtype(dtype)} array {shape}, not {_describe(operand)}; "
                "quantise and reshape it first"
            )
    if x.shape[1] != w.shape[0]:
        raise UserError(
            f"x [M, K] and w [K, N] must agree in K, not {x.shape[1]} and {w.shape[0]}; transpose or slice one of them"
        )
    pe.check_k(x.shape[1])
    for name, size in (("M, the rows of x,", x.shape[0]), ("N, the columns of w,", w.shape[1])):
        if size == 0:
            raise UserError(f"{name} must be at least 1, not 0")


def _describe(operand: object) -> str:
    if isinstance(operand, np.ndarray):
        return f"{operand.dtype} {list(operand.shape)}"
    return type(operand).__name__
