# SPDX-License-Identifier: Apache-2.0
"""How a network bears coarser weights, without any further training: the table of KURE's paper.

Source: Shkolnik et al., Robust Quantization: One Model to Rule Them All (NeurIPS 2020), section 5.
"""

from dataclasses import replace
from typing import Any

from .calibration import recalibrate
from .loop import Training

BITS = (8, 4, 3, 2)


def robustness(training: Training) -> list[dict[str, Any]]:
    """Accuracy on the test examples by `bits` of the weights; activations have 8, and one thread is exact.

    `top1` is with the statistics of the network in real numbers, `recalibrated` with those at these bits. They are left
    in the network.
    """
    one = replace(training.recipe.mode, threads=1)
    rows = []
    for bits in BITS:
        mode = replace(one, bits=bits)
        recalibrate(training.network, training.batches(), None)
        row = {"bits": bits, "top1": training.measure(mode)}
        recalibrate(training.network, training.batches(), mode)
        rows.append(row | {"recalibrated": training.measure(mode)})
    return rows
