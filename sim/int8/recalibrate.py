# SPDX-License-Identifier: Apache-2.0
"""Recalibration of the integer biases: every output channel gets the mean back that it had without NB-SMT.

Recomputing the statistics of batch normalisation under NB-SMT (Shomron and Weiser, MICRO 2020, section 5) shifts each
channel so that its mean is again the trained one. Batch normalisation is folded into an int8 network; what is left of
that shift is an integer added to the bias, found on calibration inputs layer by layer, the layers before already
corrected.
"""

from dataclasses import replace

import numpy as np

from .batches import BATCH_BYTES, largest_operand
from .engines import Engine
from .forward import Plan, Runner, Seen, exact_plan
from .network import Network

INPUTS = 128
"""Most calibration inputs taken: a channel's mean is known well enough with fewer."""
GROWTH = 4
"""How much larger than elsewhere the one batch may be that all inputs go through together."""


class Recalibrator:
    """Corrects the biases of plans for one network.

    All inputs go through as one batch, so that a layer's correction is known before the next layer runs.

    Parameters
    ----------
    network : Network
    engine : Engine
    inputs : array [B, ...]
        Calibration inputs; the first of them, as many as the memory's bound has room for.
    """

    def __init__(self, network: Network, engine: Engine, inputs: np.ndarray):
        self.network, self.engine = network, engine
        self.inputs = inputs[: max(1, min(INPUTS, GROWTH * BATCH_BYTES // largest_operand(network)))]
        self.means: dict[int, np.ndarray] = {}

        def remember(seen: Seen) -> None:
            self.means[seen.index] = seen.product.sums.mean(axis=0)

        Runner(network=network, engine=engine, plan=exact_plan(network))(self.inputs, remember)

    def __call__(self, plan: Plan) -> Plan:
        """The plan with corrected biases."""
        corrections: dict[int, np.ndarray] = {}

        def correct(index: int, sums: np.ndarray) -> np.ndarray:
            corrections[index] = np.rint(self.means[index] - sums.mean(axis=0)).astype(np.int64)
            return corrections[index]

        Runner(network=self.network, engine=self.engine, plan=plan)(self.inputs, correct=correct)
        return tuple(replace(layer, correction=corrections[index]) for index, layer in enumerate(plan))
