# SPDX-License-Identifier: Apache-2.0
"""Distillation: what a network said before it was pruned and threaded keeps the one in training on its path.

Source: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network (2015), section 2.
"""

import torch
from torch.nn import functional

from .network import TrainedNetwork

TEMPERATURE = 4.0
"""Scores are divided by it: how unlikely the wrong answers are counts as well."""


class Teacher:
    """A network as it is now, in real numbers.

    Parameters
    ----------
    network : TrainedNetwork
        Its parameters, statistics and masks are copied.
    """

    def __init__(self, network: TrainedNetwork) -> None:
        self.network = TrainedNetwork(network.architecture, device=network.device)
        self.restore({"parameters": network.parameters, "statistics": network.statistics, "masks": network.masks})

    def state(self) -> dict[str, dict[str, torch.Tensor]]:
        """What `restore` makes the same teacher from."""
        own = self.network
        parameters = {name: values.detach() for name, values in own.parameters.items()}
        return {"parameters": parameters, "statistics": own.statistics, "masks": own.masks}

    def restore(self, state: dict[str, dict[str, torch.Tensor]]) -> None:
        """Become the teacher of this state."""
        for part in ("parameters", "statistics", "masks"):
            setattr(self.network, part, {name: values.detach().clone() for name, values in state[part].items()})

    def loss(self, scores: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """How far scores [B, classes] for inputs [B, H, W, C] are from the teacher's: a divergence, 0 at least."""
        with torch.no_grad():
            told = functional.log_softmax(self.network.real(inputs) / TEMPERATURE, dim=1)
        said = functional.log_softmax(scores / TEMPERATURE, dim=1)
        return TEMPERATURE**2 * functional.kl_div(said, told, reduction="batchmean", log_target=True)
