# SPDX-License-Identifier: Apache-2.0
"""What the layers of a network cost and what NB-SMT does to them: cycles, operands, collisions, errors."""

from typing import Any

import numpy as np

from hdl.config import ArrayConfig

from ..cycles.array import matmul_cycles
from ..nbsmt_counters import Counters
from ..rounding import fits_x
from .batches import run
from .engines import Engine
from .forward import Plan, Runner, Seen
from .linear import Linear
from .network import Network


def layer_cycles(layer: Linear, config: ArrayConfig, threads: int = 1) -> int:
    """Cycles of one layer for one input, without stalls; layers do not overlap.

    A depthwise layer is one product per channel, one column wide each, back to back.
    """
    k, n = layer.weights.shape
    if not layer.depthwise:
        return matmul_cycles(layer.rows, k, n, config, threads)
    tiles = -(-layer.rows // config.rows) * n
    steps = config.pe.steps(k, threads)
    return (tiles - 1) * config.tile_cycles(steps) + steps + config.latency


def covered(network: Network) -> tuple[bool, ...]:
    """Which layers NB-SMT may take: all but the first, the last and depthwise ones."""
    last = len(network.layers) - 1
    return tuple(0 < i < last and not layer.depthwise for i, layer in enumerate(network.layers))


class Census:
    """Observes what the operands of every layer are like and what the array counts."""

    def __init__(self, network: Network):
        count = len(network.layers)
        self.rows, self.operands, self.zeros, self.narrow = ([0] * count for _ in range(4))
        self.counters = [Counters()] * count

    def __call__(self, seen: Seen) -> None:
        """Take in one batch of one layer."""
        i = seen.index
        self.rows[i] += len(seen.x)
        self.operands[i] += seen.x.size
        self.zeros[i] += seen.x.size - int(np.count_nonzero(seen.x))
        self.narrow[i] += int(np.count_nonzero(fits_x(seen.x)))
        self.counters[i] = self.counters[i] + seen.product.counters


class Deviations:
    """Observes how far every layer's sums are from the exact ones of the same operands."""

    def __init__(self, network: Network, engine: Engine):
        self.engine = engine
        self.wrong, self.size = (np.zeros(len(network.layers)) for _ in range(2))

    def __call__(self, seen: Seen) -> None:
        """Compare one batch of one layer."""
        if seen.layer.depthwise:
            return
        exact = self.engine.product(seen.x, seen.w, 1).sums.astype(np.float64)
        self.wrong[seen.index] += ((seen.product.sums - exact) ** 2).sum()
        self.size[seen.index] += ((exact + seen.layer.requantize.bias) ** 2).sum()

    @property
    def relative(self) -> list[float]:
        """Root mean square of the deviation over that of the exact sums, zero point and bias included."""
        return np.sqrt(self.wrong / np.maximum(self.size, 1)).tolist()


def deviations(network: Network, engine: Engine, plan: Plan, inputs: np.ndarray) -> list[float]:
    """Relative error of every layer on some inputs."""
    seen = Deviations(network, engine)
    run(Runner(network=network, engine=engine, plan=plan), inputs, seen)
    return seen.relative


def rows(
    network: Network, plan: Plan, config: ArrayConfig, census: Census, errors: list[float]
) -> list[dict[str, Any]]:
    """The report's row per layer: shapes and cycles for one input, counts over all that the census saw."""
    found = []
    for i, (layer, how) in enumerate(zip(network.layers, plan, strict=True)):
        cycles = layer_cycles(layer, config, how.threads)
        counters = census.counters[i]
        inputs = census.rows[i] / layer.rows
        found.append(
            {
                "layer": layer.name,
                "kind": layer.kind,
                "shape": [layer.rows, *layer.weights.shape],
                "macs": layer.macs,
                "threads": how.threads,
                "reordered": how.order is not None,
                "sparsity": census.zeros[i] / census.operands[i],
                "fits": census.narrow[i] / census.operands[i],
                "collisions": counters.collisions,
                "reduced": counters.reduced,
                "relative_error": errors[i],
                "cycles": cycles,
                "cycles_exact": layer_cycles(layer, config),
                "utilisation": counters.busy / inputs / (cycles * config.rows * config.cols),
            }
        )
    return found
