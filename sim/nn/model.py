# SPDX-License-Identifier: Apache-2.0
"""A quantised model: read from a file, run exactly, shown layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.extras import require
from sysmt.hdl.params.pe import PEConfig

from .batches import run
from .digits import network as digits
from .engines import Golden
from .forward import Runner, exact_plan
from .graph import Graph, Tensor
from .layer import Layer
from .network import Network, build
from .passes import optimise


@dataclass(frozen=True, eq=False)
class Model:
    """A quantised model.

    Parameters
    ----------
    network : Network
        Ready to run.
    graph : Graph or None
        What it was made from; None of a network that is no graph.
    changes : tuple of str
        What graph passes did to it, a line each.
    """

    network: Network
    graph: Graph | None = None
    changes: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Type, shape and scale of every input."""
        return (self.network.input,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Type, shape and scale of every output."""
        return (self.network.output,)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that run on the array, in their order, for one input."""
        return self.network.layers

    def optimised(self) -> "Model":
        """The model with all graph passes applied (`sysmt.sim.nn.passes`): the same outputs, from less work."""
        if self.graph is None:
            return self
        done = optimise(self.graph)
        return Model(build(done.graph), done.graph, self.changes + done.changes)

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the model exactly, bit for bit as the reference interpreter does.

        Parameters
        ----------
        inputs : list of array
            One per input of the model, in its type, [B, ...]: any number of inputs in front in place of its batch of 1.

        Returns
        -------
        list of array
            One per output of the model, in its type, [B, ...].

        Raises
        ------
        UserError
            Number, type or shape of the inputs is not the model's.
        """
        if len(inputs) != len(self.inputs):
            raise UserError(f"inputs must be {len(self.inputs)}, as many as the model has, not {len(inputs)}")
        for tensor, values in zip(self.inputs, inputs, strict=True):
            check_input(tensor, values)
        runner = Runner(network=self.network, engine=Golden(PEConfig(), counting=False), plan=exact_plan(self.network))
        return [run(runner, inputs[0])]


def check_input(tensor: Tensor, values: np.ndarray) -> None:
    """Refuse an array that is not [B, ...] of the tensor's shape and type."""
    wanted = tensor.shape[1:]
    shape = ", ".join(map(str, ("inputs", *wanted)))
    if not isinstance(values, np.ndarray):
        raise UserError(f"input {tensor.name!r} must be an array, not {type(values).__name__}")
    if values.dtype != tensor.dtype or values.ndim != len(tensor.shape) or values.shape[1:] != wanted:
        raise UserError(f"input {tensor.name!r} must be {tensor.dtype} ({shape}), not {values.dtype} {values.shape}")
    if not len(values):
        raise UserError(f"input {tensor.name!r} must hold at least one, not none")


def read_model(path: str | Path) -> Model:
    """Read a quantised model: a .tflite file, or the built-in `digits`.

    Raises
    ------
    UserError
        The file cannot be read, is damaged, or has an operator that is not supported; or the reader of its format is
        not installed.
    """
    if not isinstance(path, (str, Path)):
        raise UserError(f"model must be a .tflite file or {digits.NAME!r}, not {path!r}; give its path")
    if str(path) == digits.NAME:
        return Model(digits.load())
    path = Path(path)
    if path.suffix.lower() != ".tflite":
        raise UserError(f"model must be a .tflite file or {digits.NAME!r}, not {str(path)!r}; convert it first")
    require("tflite", "infer")
    from .readers.tflite import read

    graph = read(path)
    return Model(build(graph), graph)
