# SPDX-License-Identifier: Apache-2.0
"""The digits network on simulated Verilog, every layer beside the golden model."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sysmt.hdl.emit import Design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerTrace, Runner, threaded, threaded_plan
from sysmt.sim.nn.network import Network

from .engine import RtlEngine


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the simulated array did with some images, beside the models.

    Members
    -------
    scores : int64 [B, 10]
        From the simulated array.
    traces : tuple of LayerTrace
        Of its layers.
    layers_equal : int
        Layers whose sums and counters are those of the golden model, bit for bit.
    cycles : int
        Of all layers, simulated.
    threaded_cycles : int
        Of the layers that use all threads.
    formula_cycles : int
        Of all layers, by the cycle model.
    """

    scores: np.ndarray
    traces: tuple[LayerTrace, ...]
    layers_equal: int
    cycles: int
    threaded_cycles: int
    formula_cycles: int

    @property
    def agrees(self) -> bool:
        """Every layer and every cycle count is as the models say."""
        return self.layers_equal == len(self.traces) and self.cycles == self.formula_cycles

    @property
    def classes(self) -> np.ndarray:
        """The digits recognised: int64 [B]."""
        return self.scores.argmax(axis=1)


def compare(
    network: Network,
    pixels: np.ndarray,
    config: ArrayConfig,
    design: Design,
    simulator: str = "verilator",
    waves: Path | None = None,
) -> Comparison:
    """Classify images uint8 [B, 8, 8, 1] on the simulated `design` of `config` and on the golden model.

    `waves` is where to leave the waveform of the first layer.
    """
    engine = RtlEngine(config, simulator, design, waves)
    plan = threaded_plan(network, config.pe.threads)
    traces: list[LayerTrace] = []
    cycles: list[int] = []

    def observe(trace: LayerTrace) -> None:
        traces.append(trace)
        cycles.append(engine.cycles - sum(cycles))

    scores = Runner(network=network, engine=engine, plan=plan)(pixels, observe)
    _, expected = Runner(network=network, engine=Golden(config.pe), plan=plan).traced(pixels)
    equal = sum(
        np.array_equal(a.product.sums, b.product.sums) and a.product.counters == b.product.counters
        for a, b in zip(traces, expected, strict=True)
    )
    return Comparison(
        scores=scores,
        traces=tuple(traces),
        layers_equal=equal,
        cycles=sum(cycles),
        threaded_cycles=sum(spent for spent, may in zip(cycles, threaded(network), strict=True) if may),
        formula_cycles=sum(
            RtlCycles(config, how.threads).layer_cycles(replace(layer, batch=len(pixels)))
            for layer, how in zip(network.layers, plan, strict=True)
        ),
    )
