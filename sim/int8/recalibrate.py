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

INPUTS = 512
"""Most calibration inputs taken: a channel's mean is known well enough with fewer."""
GROWTH = 4
"""How much larger than elsewhere the one batch may be that all inputs go through together."""


def recalibrate(network: Network, engine: Engine, plan: Plan, inputs: np.ndarray) -> Plan:
    """The plan with corrected biases.

    All inputs go through as one batch, so that a layer's correction is known before the next layer runs.

    Parameters
    ----------
    network : Network
    engine : Engine
    plan : Plan
    inputs : array [B, ...]
        Calibration inputs; the first of them, as many as the memory's bound has room for.
    """
    inputs = inputs[: max(1, min(INPUTS, GROWTH * BATCH_BYTES // largest_operand(network)))]
    exact: dict[int, np.ndarray] = {}

    def remember(seen: Seen) -> None:
        exact[seen.index] = seen.product.sums.mean(axis=0)

    Runner(network=network, engine=engine, plan=exact_plan(network))(inputs, remember)
    corrections: dict[int, np.ndarray] = {}

    def correct(index: int, sums: np.ndarray) -> np.ndarray:
        corrections[index] = np.rint(exact[index] - sums.mean(axis=0)).astype(np.int64)
        return corrections[index]

    Runner(network=network, engine=engine, plan=plan)(inputs, correct=correct)
    return tuple(replace(layer, correction=corrections[index]) for index, layer in enumerate(plan))
