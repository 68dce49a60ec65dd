# SPDX-License-Identifier: Apache-2.0
"""The simulated Verilog as the engine of a network: every product on the gates, one simulation per layer."""

import numpy as np

from hdl.config import ArrayConfig
from sim.nbsmt import Product
from sim.nbsmt_counters import Counters

from .rtl import Run, products


class Gates:
    """Engine of `sim.int8`: the same two methods as the golden model's, computed by the emitted array."""

    def __init__(self, config: ArrayConfig, simulator: str = "verilator"):
        self.config, self.simulator = config, simulator

    def product(self, x: np.ndarray, w: np.ndarray, threads: int) -> Product:
        """One product on so many threads."""
        run = products([(x, w, threads)], self.config, self.simulator)
        return Product(run.sums[0].astype(np.int32), _counters(run))

    def depthwise(self, x: np.ndarray, w: np.ndarray) -> Product:
        """One product per channel, back to back."""
        pairs = [(np.ascontiguousarray(x[:, :, c]), w[:, c : c + 1], 1) for c in range(w.shape[1])]
        run = products(pairs, self.config, self.simulator)
        return Product(np.concatenate(run.sums, axis=1).astype(np.int32), _counters(run))


def _counters(run: Run) -> Counters:
    names = ("active", "busy", "collisions", "reduced")
    return Counters(**{name: run.counters[name] for name in names}) if run.counters else Counters()
