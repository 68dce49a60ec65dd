# SPDX-License-Identifier: Apache-2.0
"""Recalibration: biases that give every output channel its mean back, and weights adapted to NB-SMT.

Recomputing the statistics of batch normalisation under NB-SMT (Shomron and Weiser, MICRO 2020, section 5) shifts each
channel so that its mean is again the trained one. Batch normalisation is folded into an int8 network; what is left of
that shift is an integer added to the bias, found on calibration inputs layer by layer, the layers before already
corrected. What batch normalisation's scale would give back, and more, the weights do (`sysmt.sim.quant.adapt`): those
of threaded layers are adapted on the way, to the operands that the corrected layers before really send.
"""

from dataclasses import replace

import numpy as np

from sysmt.sim.golden.zero_point import distances
from sysmt.sim.nn.batches import BATCH_BYTES, largest_operand
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerTrace, Plan, Runner, exact_plan, threaded
from sysmt.sim.nn.network import Network

from .adapt import adapt

INPUTS = 256
"""Most calibration inputs taken."""
GROWTH = 8
"""How much larger than elsewhere the one batch may be that all inputs go through together."""
ROWS = 12_288
"""Rows of a layer's product that its weights are adapted on."""


class Recalibrator:
    """Corrects the biases, and adapts the weights, of plans for one network.

    All inputs go through as one batch, so that a layer's correction is known before the next layer runs.

    Parameters
    ----------
    network : Network
    engine : Golden
    inputs : array [B, ...]
        Calibration inputs; the first of them, as many as the memory's bound has room for.
    weights : bool
        Whether to adapt weights too.
    """

    def __init__(self, network: Network, engine: Golden, inputs: np.ndarray, weights: bool = True) -> None:
        self.network, self.engine, self.weights = network, engine, weights
        self.inputs = inputs[: max(1, min(INPUTS, GROWTH * BATCH_BYTES // largest_operand(network)))]
        self.means: dict[int, np.ndarray] = {}
        self.targets: dict[int, np.ndarray] = {}
        may = threaded(network)

        def remember(trace: LayerTrace) -> None:
            self.means[trace.index] = trace.product.sums.mean(axis=0)
            if weights and may[trace.index]:
                self.targets[trace.index] = trace.product.sums[_some(len(trace.x))]

        Runner(network=network, engine=engine, plan=exact_plan(network))(self.inputs, remember)

    def __call__(self, plan: Plan) -> Plan:
        """The plan with corrected biases and adapted weights."""
        corrections: dict[int, np.ndarray] = {}
        adapted: dict[int, np.ndarray] = {}

        def correct(index: int, sums: np.ndarray) -> np.ndarray:
            corrections[index] = np.rint(self.means[index] - sums.mean(axis=0)).astype(np.int64)
            return corrections[index]

        def change(index: int, x: np.ndarray, w: np.ndarray) -> np.ndarray:
            layer = plan[index]
            if layer.threads == 1 or index not in self.targets:
                return w
            zero = self.network.linears[index].zero if self.engine.takes_zero else 0
            seen = x[_some(len(x))]
            changed = adapt(
                distances(seen, zero) if zero else seen, w, self.targets[index], self.engine.pe, layer.threads
            )
            adapted[index] = layer.natural(changed)
            return changed

        Runner(network=self.network, engine=self.engine, plan=plan)(self.inputs, correct=correct, adapt=change)
        return tuple(
            replace(layer, correction=corrections[index], weights=adapted.get(index))
            for index, layer in enumerate(plan)
        )


def _some(rows: int) -> np.ndarray:
    """The rows that weights are adapted on: the same of every plan, spread over all inputs."""
    if rows <= ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, ROWS, replace=False))
