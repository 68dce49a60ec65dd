# SPDX-License-Identifier: Apache-2.0
"""Golden model of the kind `shift`: an exact product with other weights."""

import numpy as np

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import GoldenKind
from sysmt.sim.golden.product import Counters, Product


def power_below(w: np.ndarray) -> np.ndarray:
    """The power of two below the magnitude of every weight, with its sign; 0 for 0."""
    magnitude = np.abs(w.astype(np.int32))
    return np.sign(w) * np.where(magnitude > 0, 1 << np.log2(np.maximum(magnitude, 1)).astype(int), 0)


class GoldenShift(GoldenKind):
    """x [M, K] and w [K, N] to the sums [M, N] and what was counted on the way."""

    def product(self, x: np.ndarray, w: np.ndarray, pe: PEConfig, threads: int, counting: bool) -> Product:
        sums = (x.astype(np.int32) @ power_below(w)).astype(np.int32)
        active = int(((x != 0).astype(np.int64) @ (w != 0)).sum())
        return Product(sums, Counters(active=active, busy=active) if counting else Counters())


KIND = GoldenShift()
