# SPDX-License-Identifier: Apache-2.0
"""KURE: a penalty on the kurtosis of weights, which makes networks robust to how coarsely they are quantised.

Uniformly distributed weights (kurtosis 1.8) lose least, and least depends on the quantisation step.

Source: Shkolnik et al., Robust Quantization: One Model to Rule Them All (NeurIPS 2020), section 4.
"""

import torch

from .network import TrainedNetwork

UNIFORM = 1.8
"""Kurtosis of a uniform distribution: the paper's target."""


def kurtosis(weight: torch.Tensor) -> torch.Tensor:
    """The fourth standardised moment of all values; 3 for a normal distribution."""
    centred = weight - weight.mean()
    return (centred**4).mean() / ((centred**2).mean() ** 2 + 1e-20)


def kure(network: TrainedNetwork, target: float = UNIFORM) -> torch.Tensor:
    """Mean squared distance of the layers' kurtosis from the target; pruned weights do not count."""
    penalties = []
    for block in network.architecture.weighted:
        name = f"{block.name}.weight"
        weight = network.parameters[name]
        kept = weight[network.masks[name] != 0] if name in network.masks else weight
        penalties.append((kurtosis(kept) - target) ** 2)
    return torch.stack(penalties).mean()
