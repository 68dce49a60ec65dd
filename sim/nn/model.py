# SPDX-License-Identifier: Apache-2.0
"""A quantised model: read from a file, run exactly, shown layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.extras import require
from sysmt.hdl.params.pe import PEConfig

from .arrays import join, joined
from .batches import pack, run_all
from .digits import network as digits
from .engines import Golden
from .forward import Runner, exact_plan
from .graph import Graph, Node, Tensor
from .layer import Layer
from .network import Network, build
from .passes import optimise
from .simplify import simplify


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
        return tuple(tensor for _, tensor in self.network.inputs)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Type, shape and scale of every output."""
        return tuple(tensor for _, tensor in self.network.outputs)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that run on the array, in their order, for one input."""
        return self.network.layers

    def optimised(self) -> "Model":
        """The model with all graph passes applied (`sysmt.sim.nn.passes`): the same outputs, from less work."""
        if self.graph is None:
            return self
        done = optimise(simplify(self.graph))
        return Model(build(done.graph), done.graph, self.changes + done.changes)

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run the model exactly, bit for bit as the reference interpreter does.

        Parameters
        ----------
        inputs : list of array
            One per input of the model, in its type and shape; or B of each at once: [B, ...], in place of a batch of 1
            and in front of any other shape. A model with state takes them one after the other, from its initial state.

        Returns
        -------
        list of array
            One per output of the model, in its type and shape, or B of each as the inputs are.

        Raises
        ------
        UserError
            Number, type or shape of the inputs is not the model's.
        """
        packed = self.pack(inputs)
        runner = Runner(network=self.network, engine=Golden(PEConfig(), counting=False), plan=exact_plan(self.network))
        outputs = run_all(runner, packed)
        single = all(values.shape == tensor.shape for values, tensor in zip(inputs, self.inputs, strict=True))
        if not single:
            return list(outputs)
        return [values.reshape(tensor.shape) for values, tensor in zip(outputs, self.outputs, strict=True)]

    def pack(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """The inputs of `run`, checked, as the one array that runners take (`sysmt.sim.nn.batches.pack`)."""
        if not isinstance(inputs, (list, tuple)):
            raise UserError(f"inputs must be a list of arrays, one per input of the model, not {type(inputs).__name__}")
        if len(inputs) != len(self.inputs):
            raise UserError(f"inputs must be {len(self.inputs)}, as many as the model has, not {len(inputs)}")
        for tensor, values in zip(self.inputs, inputs, strict=True):
            check_input(tensor, values)
        arrays = [join(values, tensor.shape) for tensor, values in zip(self.inputs, inputs, strict=True)]
        if len({len(values) for values in arrays}) != 1:
            raise UserError(f"inputs must be as many of each, not {', '.join(str(len(values)) for values in arrays)}")
        return pack(self.network, arrays)


def check_input(tensor: Tensor, values: np.ndarray) -> None:
    """Refuse an array that is not of the tensor's type and shape, or many of it (`Model.run`)."""
    wanted = joined(tensor.shape)
    shape = ", ".join(map(str, ("inputs", *wanted)))
    if not isinstance(values, np.ndarray):
        raise UserError(f"input {tensor.name!r} must be an array, not {type(values).__name__}")
    fitting = values.shape == tensor.shape or (values.ndim == 1 + len(wanted) and values.shape[1:] == wanted)
    if values.dtype != tensor.dtype or not fitting:
        raise UserError(f"input {tensor.name!r} must be {tensor.dtype} ({shape}), not {values.dtype} {values.shape}")
    if not values.size:
        raise UserError(f"input {tensor.name!r} must hold at least one, not none")


def read_model(path: str | Path, double_rounding: bool = False) -> Model:
    """Read a quantised model: a .tflite or .onnx file, or the built-in `digits`.

    Parameters
    ----------
    path : str or Path
    double_rounding : bool
        Round the sums of int8 and uint8 FULLY_CONNECTED layers twice, as TensorFlow Lite for Microcontrollers and
        tflite-runtime do; LiteRT 2 rounds them once.

    Raises
    ------
    UserError
        The file cannot be read, is damaged, or has an operator that is not supported; or the reader of its format is
        not installed.
    """
    if not isinstance(double_rounding, bool):
        raise UserError(f"double_rounding must be True or False, not {double_rounding!r}")
    if isinstance(path, (str, Path)) and str(path) == digits.NAME:
        return Model(digits.load())
    graph = read_graph(path)
    if double_rounding:
        graph = replace(graph, nodes=tuple(_rounding_twice(node) for node in graph.nodes))
    try:
        return Model(build(graph), graph)
    except UserError as error:
        raise UserError(f"{Path(path).name}: {error}") from None


def _rounding_twice(node: Node) -> Node:
    if node.kind != "FULLY_CONNECTED" or node.options.get("rounding") == "float":
        return node
    return replace(node, options=node.options | {"variant": "double"})


def read_graph(path: str | Path) -> Graph:
    """Read the graph of a model file, supported or not.

    Raises
    ------
    UserError
        The file cannot be read, or is damaged; or the reader of its format is not installed.
    """
    if not isinstance(path, (str, Path)):
        raise UserError(f"model must be a .tflite or .onnx file or {digits.NAME!r}, not {path!r}; give its path")
    if str(path) == digits.NAME:
        raise UserError(f"model must be a .tflite or .onnx file for this, not {digits.NAME!r}, which has no graph")
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        require("onnx", "onnx")
        from .readers.onnx import read as read_onnx

        return read_onnx(path)
    if path.suffix.lower() != ".tflite":
        raise UserError(f"model must be a .tflite or .onnx file or {digits.NAME!r}, not {str(path)!r}; convert it")
    require("tflite", "infer")
    from .readers.tflite import read

    return read(path)
