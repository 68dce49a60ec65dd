# SPDX-License-Identifier: Apache-2.0
"""What the host computes at the ends of a network."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan
from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.model import check_input
from sysmt.sim.nn.network import build


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """A last layer whose sums are the scores: every value times its weights, and a bias.

    Parameters
    ----------
    name : str
    weights : int8 [K, N]
    bias : int64 [N]
        Holds the zero point.
    shape : tuple of int
        Of the scores of one input.
    """

    name: str
    weights: np.ndarray
    bias: np.ndarray
    shape: tuple[int, ...]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Scores int64 [B, ...] of activations int8 or uint8 [B, ...]."""
        flat = values.reshape(len(values), -1).astype(np.int64) + (128 if values.dtype == np.int8 else 0)
        scores: np.ndarray = flat @ self.weights.astype(np.int64) + self.bias
        return scores.reshape(-1, *self.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Operators:
    """Operators that are no layers of the array.

    Parameters
    ----------
    graph : Graph
    """

    graph: Graph

    @property
    def name(self) -> str:
        """The operators' kinds."""
        return ", ".join(node.kind for node in self.graph.nodes)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs [B, ...] of inputs [B, ...]; refuses inputs of another shape or type."""
        network = build(self.graph)
        check_input(network.input, inputs)
        runner = Runner(network=network, engine=Golden(PEConfig(), counting=False), plan=exact_plan(network))
        return runner(inputs)
