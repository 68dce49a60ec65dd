# SPDX-License-Identifier: Apache-2.0
"""What inputs say about a network: the ranges of its activations, and the statistics of its normalisation."""

from collections.abc import Iterable

import numpy as np
import torch

from .network import MOMENTUM, Scale, TrainedNetwork
from .quantised import Mode, quantised

CLIPPED = 1e-4
"""Share of the values of a batch that lie beyond the range of an activation, at each end."""


def calibrate(network: TrainedNetwork, batches: Iterable[torch.Tensor], clipped: float = CLIPPED) -> None:
    """Set the scales of all activations from the real values on some batches.

    A range is the mean over the batches of what all but a share `clipped` of the values stay within.

    Parameters
    ----------
    network : TrainedNetwork
    batches : tensors [B, H, W, C]
        Bytes.
    clipped : float
        From 0 up: 0 takes the extremes.
    """
    ends: dict[str, list[tuple[float, float]]] = {}

    def observe(name: str, values: torch.Tensor) -> None:
        flat = values.flatten()
        count = 1 + int(clipped * len(flat))
        low, high = (torch.topk(flat, count, largest=largest).values[-1].item() for largest in (False, True))
        ends.setdefault(name, []).append((low, high))

    with torch.no_grad():
        for batch in batches:
            network.real(batch, observe=observe)
    for block in network.architecture.blocks:
        if block.kind == "pool":
            network.scales[block.name] = network.scale(block.inputs[0])
            continue
        low, high = np.mean(ends[block.name], axis=0)
        network.scales[block.name] = _scale(0.0 if block.relu else min(low, 0.0), max(high, 0.0))


def _scale(low: float, high: float) -> Scale:
    step = float(np.float32(max(high - low, 2.0**-20) / 255))
    return Scale(scale=step, zero=round(-low / step))


def recalibrate(network: TrainedNetwork, batches: Iterable[torch.Tensor], mode: Mode | None) -> None:
    """Take the statistics of the batch normalisation again, as means over the batches.

    Parameters
    ----------
    network : TrainedNetwork
    batches : tensors [B, H, W, C]
        Bytes.
    mode : Mode or None
        As the array computes it, NB-SMT included; None: in real numbers.
    """
    with torch.no_grad():
        for seen, batch in enumerate(batches, start=1):
            network.momentum = 1 / seen
            if mode is None:
                network.real(batch, training=True)
            else:
                quantised(network, batch, mode, training=True)
    network.momentum = MOMENTUM
