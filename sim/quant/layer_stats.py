# SPDX-License-Identifier: Apache-2.0
"""What the layers of a network cost and what NB-SMT does to them: cycles, operands, collisions, errors."""

from typing import Any

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost.array import matmul_cycles
from sysmt.sim.golden.product import Counters
from sysmt.sim.golden.rounding import fits_x
from sysmt.sim.nn.batches import watch
from sysmt.sim.nn.engines import Engine
from sysmt.sim.nn.forward import LayerPlan, Plan, Runner, Seen
from sysmt.sim.nn.network import Network
from sysmt.sim.nn.operators.linear import Linear

EXACT = LayerPlan()
"""How a layer runs on one thread."""


def layer_cycles(layer: Linear, config: ArrayConfig, plan: LayerPlan = EXACT) -> int:
    """Cycles of one layer for one input, without stalls; layers do not overlap.

    A depthwise layer is one product per channel, one column wide each, back to back.
    """
    k, n = layer.weights.shape
    if not layer.depthwise:
        return steps_cycles(layer, config, config.pe.steps(plan.places(k), plan.threads))
    tiles = -(-layer.rows // config.rows) * n
    steps = config.pe.steps(k, plan.threads)
    return (tiles - 1) * config.tile_cycles(steps) + steps + config.latency


def steps_cycles(layer: Linear, config: ArrayConfig, steps: int) -> int:
    """Cycles of a layer that is no depthwise one, for one input, by the steps of its reduction."""
    return matmul_cycles(layer.rows, steps, layer.weights.shape[1], config, 1)


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
        holes = 0 if seen.layer.depthwise else len(seen.x) * (seen.x.shape[1] - len(seen.layer.weights))
        self.rows[i] += len(seen.x)
        self.operands[i] += seen.x.size - holes
        self.zeros[i] += seen.x.size - holes - int(np.count_nonzero(seen.x))
        self.narrow[i] += int(np.count_nonzero(fits_x(seen.x))) - holes
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
        own = seen.plan.ordered(seen.layer.weights)
        exact = self.engine.product(seen.x, own, 1).sums.astype(np.float64)
        self.wrong[seen.index] += ((seen.product.sums - exact) ** 2).sum()
        self.size[seen.index] += ((exact + seen.layer.requantize.bias) ** 2).sum()

    @property
    def relative(self) -> list[float]:
        """Root mean square of the deviation over that of the exact sums, zero point and bias included."""
        return np.sqrt(self.wrong / np.maximum(self.size, 1)).tolist()


def deviations(network: Network, engine: Engine, plan: Plan, inputs: np.ndarray) -> list[float]:
    """Relative error of every layer on some inputs."""
    seen = Deviations(network, engine)
    watch(Runner(network=network, engine=engine, plan=plan), inputs, seen)
    return seen.relative


def rows(
    network: Network,
    plan: Plan,
    config: ArrayConfig,
    census: Census,
    errors: list[float],
    held_out: dict[int, tuple[int, int]],
) -> list[dict[str, Any]]:
    """The report's row per layer: shapes and cycles for one input, counts over all that the census saw.

    `held_out`: for layers in an order of their own, the products reduced in the natural order and in that one.
    """
    found = []
    for i, (layer, how) in enumerate(zip(network.layers, plan, strict=True)):
        cycles = layer_cycles(layer, config, how)
        counters = census.counters[i]
        inputs = census.rows[i] / layer.rows
        found.append(
            {
                "layer": layer.name,
                "kind": layer.kind,
                "shape": [layer.rows, *layer.weights.shape],
                "macs": layer.macs,
                "threads": how.threads,
                "operands_per_step": len(layer.weights) / config.pe.steps(how.places(len(layer.weights)), how.threads),
                "reordered": how.order is not None,
                "fewer_reduced": 1 - held_out[i][1] / held_out[i][0] if i in held_out else None,
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
