# SPDX-License-Identifier: Apache-2.0
"""The simulated Verilog as the engine of a network: every product on the gates, one simulation per layer."""

from collections.abc import Sequence
from threading import Lock

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.product import Counters, Product

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
        return Product(run.sums[0].astype(np.int32), _counters(run, self.config.pe))

    def depthwise(self, x: np.ndarray, w: np.ndarray) -> Product:
        """One product per channel, back to back."""
        pairs = [(np.ascontiguousarray(x[:, :, c]), w[:, c : c + 1], 1) for c in range(w.shape[1])]
        run = self._run(pairs)
        return Product(np.concatenate(run.sums, axis=1).astype(np.int32), _counters(run, self.config.pe))

    def _run(self, pairs: Sequence[tuple[np.ndarray, np.ndarray, int]]) -> Run:
        run = products(pairs, self.config, self.simulator)
        with self._lock:  # batches run side by side
            self.cycles += run.cycles
        return run


def _counters(run: Run, pe: PEConfig) -> Counters:
    counted = {name: run.counters[name] for name in pe.EVENTS} if run.counters else {}
    return golden_of(pe).counters(**counted)
