# SPDX-License-Identifier: Apache-2.0
"""How a network bears coarser weights, without any further training: the table of KURE's paper.

Source: Shkolnik et al., Robust Quantization: One Model to Rule Them All (NeurIPS 2020), section 5.
"""

from dataclasses import replace

from .loop import Training

BITS = (8, 4, 3, 2)


def robustness(training: Training) -> dict[int, float]:
    """Accuracy on the test examples by bits of the weights; activations have 8 bits, and one thread is exact."""
    one = replace(training.recipe.mode, threads=1)
    return {bits: training.measure(replace(one, bits=bits)) for bits in BITS}
