# SPDX-License-Identifier: Apache-2.0
"""The digits network on simulated gates, every layer beside the golden model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sysmt.hdl.emit import Design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost.array import matmul_cycles
from sysmt.sim.golden.product import Counters, Product
from sysmt.sim.nn.digits.network import Layer, Run, forward, golden

from . import rtl


@dataclass(frozen=True)
class OnGates:
    """What the simulated array did with some images.

    Members
    -------
    run : Run
        Scores and layers, as from the golden model.
    layers_equal : int
        Layers whose sums and counters are those of the golden model, bit for bit.
    cycles : int
        Of all layers, simulated.
    threaded_cycles : int
        Of the layers that use all threads.
    formula_cycles : int
        Of all layers, by the closed formula.
    """

    run: Run
    layers_equal: int
    cycles: int
    threaded_cycles: int
    formula_cycles: int

    @property
    def agrees(self) -> bool:
        """Every layer and every cycle count is as the models say."""
        return self.layers_equal == len(self.run.records) and self.cycles == self.formula_cycles


def classify(
    layers: tuple[Layer, ...],
    pixels: np.ndarray,
    config: ArrayConfig,
    design: Design,
    simulator: str = "verilator",
    waves: Path | None = None,
) -> OnGates:
    """Classify images uint8 [B, 8, 8, 1] on the simulated `design` of `config`.

    `waves` is where to leave the waveform of the first layer.
    """
    cycles: list[tuple[int, bool]] = []
    formula = 0

    def product(x: np.ndarray, w: np.ndarray, layer: Layer) -> Product:
        nonlocal formula
        threads = layer.shape.threads
        picture = waves if not cycles else None
        result = rtl.products([(x, w, threads)], config, simulator, waves=picture, design=design)
        cycles.append((result.cycles, threads is None))
        formula += matmul_cycles(x.shape[0], x.shape[1], w.shape[1], config, threads)
        names = ("active", "busy", "collisions", "reduced")
        return Product(result.sums[0].astype(np.int32), Counters(**{n: result.counters[n] for n in names}))

    run = forward(layers, pixels, product)
    expected = forward(layers, pixels, golden(config.pe))
    equal = sum(
        np.array_equal(a.product.sums, b.product.sums) and a.product.counters == b.product.counters
        for a, b in zip(run.records, expected.records, strict=True)
    )
    return OnGates(run, equal, sum(c for c, _ in cycles), sum(c for c, all_ in cycles if all_), formula)
