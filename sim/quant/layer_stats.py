# SPDX-License-Identifier: Apache-2.0
"""What the layers of a network cost and what NB-SMT does to them: cycles, operands, collisions, errors."""

from dataclasses import replace
from typing import Any

import numpy as np

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost.depthwise import depthwise_cycles, depthwise_lowering
from sysmt.sim.cost.rtl import RtlCycles
from sysmt.sim.golden.product import Counters
from sysmt.sim.golden.rounding import fits_x
from sysmt.sim.nn.batches import observe_in_order
from sysmt.sim.nn.engines import Engine
from sysmt.sim.nn.forward import LayerPlan, LayerTrace, Plan, Runner
from sysmt.sim.nn.network import Network
from sysmt.sim.nn.operators.linear import Linear

EXACT = LayerPlan()
"""How a layer runs on one thread."""


def planned_cycles(linear: Linear, config: ArrayConfig, plan: LayerPlan = EXACT, batch: int = 1) -> int:
    """Cycles of one layer for so many inputs together, as its plan has it."""
    layer = replace(linear.layer, batch=batch * linear.layer.batch)
    if plan.lowering is not None:
        return depthwise_cycles(plan.lowering, layer.batch, config)
    steps = config.pe.steps(plan.slots(len(linear.weights)), plan.threads)
    return RtlCycles(config, plan.threads).layer_cycles(layer, steps)


def with_lowerings(network: Network, plan: Plan, config: ArrayConfig) -> Plan:
    """The plan with the fastest lowering of every depthwise layer on all threads: no result changes."""
    return tuple(
        replace(layer, lowering=depthwise_lowering(linear.layer, config)) if linear.depthwise else layer
        for linear, layer in zip(network.linears, plan, strict=True)
    )


def operands_per_step(linear: Linear, config: ArrayConfig, plan: LayerPlan) -> float:
    """Operands that a row of the array takes in a step, zero and padding slots left out."""
    if plan.lowering is not None:
        return plan.lowering.blocks.operands_per_step(config.pe)
    k = len(linear.weights)
    return k / config.pe.steps(plan.slots(k), plan.threads)


class LayerStats:
    """Observes what the operands of every layer are like and what the array counts.

    Members
    -------
    rows, operands, zeros, narrow : list of int, one per layer
        Rows of the product; activations, padding slots left out; those that are zero; those that fit in 4 bits. Of
        an array that takes zero points off, of the distances from it.
    counters : list of Counters, of the kind of PE; None before the first batch
    """

    def __init__(self, network: Network) -> None:
        count = len(network.linears)
        self.rows, self.operands, self.zeros, self.narrow = ([0] * count for _ in range(4))
        self.counters: list[Counters | None] = [None] * count

    def __call__(self, trace: LayerTrace) -> None:
        """Take in one batch of one layer."""
        i, x = trace.index, np.abs(trace.operands)
        padding = 0 if trace.linear.depthwise else len(x) * (x.shape[1] - len(trace.linear.weights))
        self.rows[i] += len(x)
        self.operands[i] += x.size - padding
        self.zeros[i] += x.size - padding - int(np.count_nonzero(x))
        self.narrow[i] += int(np.count_nonzero(fits_x(x))) - padding
        before = self.counters[i]
        self.counters[i] = trace.product.counters if before is None else before + trace.product.counters


class RelativeErrors:
    """Observes how far every layer's sums are from the exact ones of the same operands."""

    def __init__(self, network: Network, engine: Engine) -> None:
        self.engine = engine
        self.squared_error, self.power = (np.zeros(len(network.linears)) for _ in range(2))

    def __call__(self, trace: LayerTrace) -> None:
        """Compare one batch of one layer."""
        if trace.linear.depthwise:
            return
        own = trace.plan.permuted(trace.linear.weights)
        exact = self.engine.product(trace.x, own, 1, trace.zero).sums.astype(np.float64)
        self.squared_error[trace.index] += ((trace.product.sums - exact) ** 2).sum()
        self.power[trace.index] += ((exact + trace.linear.requantize.bias) ** 2).sum()

    @property
    def relative(self) -> list[float]:
        """Root mean square of the deviation over that of the exact sums, zero point and bias included."""
        ratios: list[float] = np.sqrt(self.squared_error / np.maximum(self.power, 1)).tolist()
        return ratios


def relative_errors(network: Network, engine: Engine, plan: Plan, inputs: np.ndarray) -> list[float]:
    """Relative error of every layer on some inputs."""
    errors = RelativeErrors(network, engine)
    observe_in_order(Runner(network=network, engine=engine, plan=plan), inputs, errors)
    return errors.relative


def rows(
    network: Network,
    plan: Plan,
    config: ArrayConfig,
    stats: LayerStats,
    errors: list[float],
    reduced: dict[int, tuple[int, int]],
    batch: int = 1,
) -> list[dict[str, Any]]:
    """The report's row per layer: shapes for one input, cycles for `batch`, counts over all that the statistics saw.

    `reduced`: for layers with a permutation of K, the products reduced in the natural order and in that one, on
    validation rows.
    """
    table = []
    for i, (linear, how) in enumerate(zip(network.linears, plan, strict=True)):
        cycles = planned_cycles(linear, config, how, batch)
        one = EXACT if how.lowering is None else LayerPlan(lowering=depthwise_lowering(linear.layer, config, 1))
        counters = stats.counters[i] or Counters()
        inputs = stats.rows[i] / linear.rows
        table.append(
            {
                "layer": linear.name,
                "kind": linear.layer.kind,
                "shape": [linear.rows, *linear.weights.shape],
                "macs": linear.layer.macs,
                "threads": how.threads if how.lowering is None else how.lowering.threads,
                "operands_per_step": operands_per_step(linear, config, how),
                "reordered": how.permutation is not None,
                "fewer_reduced": 1 - reduced[i][1] / reduced[i][0] if i in reduced else None,
                "sparsity": stats.zeros[i] / stats.operands[i],
                "fits": stats.narrow[i] / stats.operands[i],
                "collisions": counters.collisions,
                "reduced": counters.reduced,
                "relative_error": errors[i],
                "cycles": cycles,
                "cycles_exact": planned_cycles(linear, config, one, batch),
                "utilisation": counters.busy * batch / inputs / (cycles * config.rows * config.cols),
            }
        )
    return table
