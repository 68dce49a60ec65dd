# SPDX-License-Identifier: Apache-2.0
"""The simulated Verilog as the engine of a network: every product on the gates, one simulation per layer."""

from collections.abc import Sequence
from threading import Lock

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.golden.nbsmt import Product
from sysmt.sim.golden.nbsmt_counters import Counters

from .rtl import Run, products


class Gates:
    """Engine of `sysmt.sim.nn`: the same two methods as the golden model's, computed by the emitted array.

    Members
    -------
    cycles : int
        Of all products so far.
    """

    def __init__(self, config: ArrayConfig, simulator: str = "verilator"):
        self.config, self.simulator = config, simulator
        self._lock, self.cycles = Lock(), 0

    def product(self, x: np.ndarray, w: np.ndarray, threads: int) -> Product:
        """One product on so many threads."""
        run = self._run([(x, w, threads)])
        return Product(run.sums[0].astype(np.int32), _counters(run))

    def depthwise(self, x: np.ndarray, w: np.ndarray) -> Product:
        """One product per channel, back to back."""
        pairs = [(np.ascontiguousarray(x[:, :, c]), w[:, c : c + 1], 1) for c in range(w.shape[1])]
        run = self._run(pairs)
        return Product(np.concatenate(run.sums, axis=1).astype(np.int32), _counters(run))

    def _run(self, pairs: Sequence[tuple[np.ndarray, np.ndarray, int]]) -> Run:
        run = products(pairs, self.config, self.simulator)
        with self._lock:  # batches run side by side
            self.cycles += run.cycles
        return run


def _counters(run: Run) -> Counters:
    names = ("active", "busy", "collisions", "reduced")
    return Counters(**{name: run.counters[name] for name in names}) if run.counters else Counters()
