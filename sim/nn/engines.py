# SPDX-License-Identifier: Apache-2.0
"""What computes the products of a network: the golden model, or anything else with the same two methods."""

from typing import Protocol

import numpy as np

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Product


class Engine(Protocol):
    """Computes the array's products."""

    def product(self, x: np.ndarray, w: np.ndarray, threads: int) -> Product:
        """Multiply x uint8 [M, K] by w int8 [K, N] on so many threads."""

    def depthwise(self, x: np.ndarray, w: np.ndarray) -> Product:
        """A product of its own per channel, on one thread.

        x uint8 [M, K, C], w int8 [K, N] to sums int32 [M, N]: N is a multiple of C, a channel's filters side by side.
        """


class Golden:
    """The golden model of an array of these PEs; it counts unless told that nobody looks at the counters."""

    def __init__(self, pe: PEConfig, counting: bool = True) -> None:
        self.pe, self.counting = pe, counting

    def product(self, x: np.ndarray, w: np.ndarray, threads: int) -> Product:
        """`sysmt.sim.golden.matmul.matmul`."""
        return matmul(x, w, self.pe, threads, self.counting)

    def depthwise(self, x: np.ndarray, w: np.ndarray) -> Product:
        """One thread is exact: plain integers, and every step with two operands counts once."""
        self.pe.check_k(x.shape[1])
        filters = w.shape[1] // x.shape[2]
        sums = np.zeros((len(x), w.shape[1]), np.int32)
        active = 0
        for tap, row in enumerate(w):
            under = x[:, tap] if filters == 1 else x[:, tap].repeat(filters, axis=1)
            sums += under * row.astype(np.int32)
            if self.counting:
                active += int(np.count_nonzero(under, axis=0) @ (row != 0))
        golden = golden_of(self.pe)
        return Product(sums, golden.by_channel(x, w, self.pe, active) if self.counting else golden.counters())
