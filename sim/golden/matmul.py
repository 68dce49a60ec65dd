# SPDX-License-Identifier: Apache-2.0
"""The matrix product of an array of PEs of any kind."""

from dataclasses import replace

import numpy as np

from sysmt.hdl.params.pe import PEConfig

from .kind import golden_of
from .product import Product, check_operands
from .zero_point import check_zero, completed, distances


def matmul(
    x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int | None = None, counting: bool = True, zero: int = 0
) -> Product:
    """Multiply x by w as an array of these PEs does, bit for bit.

    Parameters
    ----------
    x : uint8 [M, K]
        Activations.
    w : int8 [K, N]
        Weights.
    pe : PEConfig
    threads : int, optional
        Threads to run on, if fewer than the PE has (throttling).
    counting : bool
        Whether the counters are wanted; without, they are all 0.
    zero : int
        Zero point of the activations, of PEs that take it off (`PEConfig.zero_width`). The sums are those of x all the
        same (`sysmt.sim.golden.zero_point`).

    Raises
    ------
    UserError
        Type or shape of an operand is wrong, K could overflow the accumulator, or the PE cannot run `threads` or take
        `zero` off.
    """
    check_operands(x, w, pe)
    check_zero(zero, pe)
    product = golden_of(pe).product(distances(x, zero) if pe.zero_width else x, w, pe, pe.throttle(threads), counting)
    return replace(product, sums=completed(product.sums, w, zero)) if zero else product
