# SPDX-License-Identifier: Apache-2.0
"""The matrix product of an array of PEs of any kind."""

import numpy as np

from sysmt.hdl.params.pe import PEConfig

from .kind import golden_of
from .product import Product, check_operands


def matmul(x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int | None = None, counting: bool = True) -> Product:
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

    Raises
    ------
    UserError
        Type or shape of an operand is wrong, K could overflow the accumulator, or the PE cannot run `threads`.
    """
    check_operands(x, w, pe)
    return golden_of(pe).product(x, w, pe, pe.throttle(threads), counting)
