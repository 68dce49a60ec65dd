# SPDX-License-Identifier: Apache-2.0
"""What the outputs of a run are judged by: answers, where the network classifies, else how far they are off."""

from dataclasses import dataclass
from math import prod

import numpy as np

from sysmt.sim.nn.arrays import joined
from sysmt.sim.nn.network import Network


def classifies(network: Network, labels: np.ndarray | None = None) -> bool:
    """Whether the largest output is the answer.

    With labels it is. Without, a network classifies that has one output, a vector of two values or more for an input,
    and does not rebuild its input, as an autoencoder does.
    """
    if labels is not None:
        return True
    if network.more_outputs:
        return False
    values = prod(joined(network.output.shape))
    vector = values == max(joined(network.output.shape), default=1)
    return vector and values > 1 and values != prod(joined(network.input.shape))


@dataclass(frozen=True)
class OutputError:
    """How far the outputs of a run are from the exact ones.

    Parameters
    ----------
    relative : float
        Root mean square of the deviation over the standard deviation of the exact outputs; the largest of all outputs.
    """

    relative: float

    def keep(self, budget: float) -> bool:
        """Whether the error is within a budget, as a fraction of 1."""
        return self.relative <= budget

    def describe(self) -> str:
        """For people."""
        return f"relative error of the outputs {100 * self.relative:.2f} %"


def output_error(exact: tuple[np.ndarray, ...], outputs: tuple[np.ndarray, ...]) -> OutputError:
    """Compare the outputs [B, ...] of two runs."""
    ratios = []
    for before, after in zip(exact, outputs, strict=True):
        wide = before.astype(np.float64)
        deviation = float(np.sqrt(np.mean((after.astype(np.float64) - wide) ** 2)))
        # Of outputs that are all the same, an error of one unit counts as one.
        ratios.append(deviation / (float(wide.std()) or 1.0))
    return OutputError(max(ratios))
