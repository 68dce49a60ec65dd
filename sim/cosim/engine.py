# SPDX-License-Identifier: Apache-2.0
"""The simulated Verilog as the engine of a network: every product on the RTL, one simulation per layer."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from sysmt.hdl.emit import Design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.product import Counters, Product
from sysmt.sim.nn.depthwise_patches import DepthwiseLowering
from sysmt.sim.nn.engines import in_parts

from .rtl import ArrayRun, products


class RtlEngine:
    """Engine of `sysmt.sim.nn`: the same two methods as the golden model's, computed by the emitted array.

    Parameters
    ----------
    config : ArrayConfig
    simulator : "verilator" or "icarus"
    design : Design, optional
        The netlist; emitted from `config` by default.
    waves : Path, optional
        Where to leave the waveform of the first product.

    Members
    -------
    cycles : int
        Of all products so far.
    """

    def __init__(
        self,
        config: ArrayConfig,
        simulator: str = "verilator",
        design: Design | None = None,
        waves: Path | None = None,
    ) -> None:
        self.config, self.simulator, self.design = config, simulator, design
        self._waves, self._lock, self.cycles = waves, Lock(), 0

    @property
    def takes_zero(self) -> bool:
        """As `Engine.takes_zero`."""
        return self.config.pe.zero_width > 0

    def product(self, x: np.ndarray, w: np.ndarray, threads: int, zero: int = 0) -> Product:
        """One product on so many threads; of a long K the sum of several (`in_parts`)."""
        return in_parts(lambda u, v: self._product(u, v, threads, zero), x, w, self.config.pe)

    def _product(self, x: np.ndarray, w: np.ndarray, threads: int, zero: int) -> Product:
        run = self._run([(x, w, threads)], zero)
        return Product(run.sums[0].astype(np.int32), _counters(run, self.config.pe))

    def depthwise(
        self, x: np.ndarray, w: np.ndarray, lowering: DepthwiseLowering | None = None, zero: int = 0
    ) -> Product:
        """The products of the lowering back to back, or one per channel, as wide as that channel has filters."""
        if lowering is None:
            by_channel = np.split(w, x.shape[2], axis=1)
            run = self._run([(np.ascontiguousarray(x[:, :, c]), own, 1) for c, own in enumerate(by_channel)], zero)
            sums = np.concatenate(run.sums, axis=1)
        else:
            lowering.blocks.check(self.config.pe)
            run = self._run([(u, v, lowering.threads) for u, v in lowering.products(x, w, zero)], zero)
            sums = lowering.sums(run.sums)
        return Product(sums.astype(np.int32), _counters(run, self.config.pe))

    def _run(self, pairs: Sequence[tuple[np.ndarray, np.ndarray, int]], zero: int) -> ArrayRun:
        with self._lock:  # batches run side by side
            waves, self._waves = self._waves, None
        zeros = [zero] * len(pairs)
        run = products(pairs, self.config, self.simulator, waves=waves, design=self.design, zeros=zeros)
        with self._lock:
            self.cycles += run.cycles
        return run


def _counters(run: ArrayRun, pe: PEConfig) -> Counters:
    counted = {name: run.counters[name] for name in pe.EVENTS} if run.counters else {}
    return golden_of(pe).counters(**counted)
