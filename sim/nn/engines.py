# SPDX-License-Identifier: Apache-2.0
"""What computes the products of a network: the golden model, or anything else with the same two methods."""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Protocol

import numpy as np

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import Product
from sysmt.sim.golden.zero_point import check_zero, completed, distances

from .depthwise_patches import DepthwiseLowering


class Engine(Protocol):
    """Computes the array's products."""

    @property
    def takes_zero(self) -> bool:
        """Whether `zero` may be other than 0: zero points are taken off, and activations equal to them are no operands.

        The sums are those of x all the same (`sysmt.sim.golden.zero_point`).
        """

    def product(self, x: np.ndarray, w: np.ndarray, threads: int, zero: int = 0) -> Product:
        """Multiply x uint8 [M, K], whose zero point is `zero`, by w int8 [K, N] on so many threads."""

    def depthwise(
        self, x: np.ndarray, w: np.ndarray, lowering: DepthwiseLowering | None = None, zero: int = 0
    ) -> Product:
        """A depthwise layer, exactly: as the products of a lowering, or channel by channel on one thread.

        x uint8 [M, K, C], w int8 [K, N] to sums int32 [M, N]: N is a multiple of C, a channel's filters side by side.
        """


def in_parts(
    product: Callable[[np.ndarray, np.ndarray], Product], x: np.ndarray, w: np.ndarray, pe: PEConfig
) -> Product:
    """A product of a K that could overflow the accumulator, as several that the host adds; it wraps at 32 bits."""
    if x.shape[1] <= pe.k_part:
        return product(x, w)
    cuts = range(0, x.shape[1], pe.k_part)
    parts = [product(np.ascontiguousarray(x[:, k : k + pe.k_part]), w[k : k + pe.k_part]) for k in cuts]
    sums = np.stack([part.sums for part in parts]).sum(axis=0, dtype=np.int64)
    return Product(sums.astype(np.int32), reduce(add, (part.counters for part in parts)))


class Golden:
    """The golden model of an array of these PEs; it counts unless told that nobody looks at the counters."""

    def __init__(self, pe: PEConfig, counting: bool = True) -> None:
        self.pe, self.counting = pe, counting

    @property
    def takes_zero(self) -> bool:
        """As `Engine.takes_zero`."""
        return self.pe.zero_width > 0

    def product(self, x: np.ndarray, w: np.ndarray, threads: int, zero: int = 0) -> Product:
        """`sysmt.sim.golden.matmul.matmul`, for any K (`in_parts`)."""
        return in_parts(lambda u, v: matmul(u, v, self.pe, threads, self.counting, zero), x, w, self.pe)

    def depthwise(
        self, x: np.ndarray, w: np.ndarray, lowering: DepthwiseLowering | None = None, zero: int = 0
    ) -> Product:
        """Plain integers, and every product with two operands counts once.

        No two threads are ever active in the same column and step (`.depthwise`): the sums do not depend on the
        lowering. The counters do where patches hang over the edge of the output, whose outputs beyond it count too.
        """
        self.pe.check_k(len(w))
        filters = w.shape[1] // x.shape[2]
        sums = np.zeros((len(x), w.shape[1]), np.int32)
        active = 0
        check_zero(zero, self.pe)
        if zero:
            x = distances(x, zero)
        for tap, row in enumerate(w):
            under = x[:, tap] if filters == 1 else x[:, tap].repeat(filters, axis=1)
            sums += under * row.astype(np.int32)
            if self.counting:
                active += int(np.count_nonzero(under, axis=0) @ (row != 0))
        if lowering is not None:
            lowering.blocks.check(self.pe)
            if self.counting and lowering.overhangs:
                active = lowering.active(x, w)
        sums = completed(sums, w, zero)
        golden = golden_of(self.pe)
        return Product(sums, golden.by_channel(x, w, self.pe, active) if self.counting else golden.counters())
