# SPDX-License-Identifier: Apache-2.0
"""A trained network as the graph of a quantised model (`sysmt.sim.nn.graph`), ready to run or to be written."""

import numpy as np

from sysmt.sim.nn.graph import Graph, Node, Tensor

from .architecture import INPUT, Block, options
from .network import TrainedNetwork
from .quantised import integers

OPERATORS = {
    "conv": "CONV_2D",
    "dense": "CONV_2D",
    "depthwise": "DEPTHWISE_CONV_2D",
    "add": "ADD",
    "pool": "AVERAGE_POOL_2D",
}


def graph(network: TrainedNetwork) -> Graph:
    """The network in int8, by its running statistics; its output is the scores [1, classes]."""
    return _Export(network).graph()


class _Export:
    def __init__(self, network: TrainedNetwork) -> None:
        self.network = network
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []
        self.places: dict[str, int] = {}

    def graph(self) -> Graph:
        self._activation(INPUT)
        for block in self.network.architecture.blocks:
            self._block(block)
        last = self.tensors[-1]
        scores = self._add(name="scores", shape=(1, last.shape[3]), scale=last.scale, zero_point=last.zero_point)
        shape = self._add(name="shape", shape=(2,), dtype="int32", data=np.array([1, last.shape[3]], np.int32))
        self._node("RESHAPE", (len(self.tensors) - 3, shape), scores, {})
        return Graph(tensors=tuple(self.tensors), nodes=tuple(self.nodes), input=0, output=scores)

    def _add(self, *, dtype: str = "int8", **fields: object) -> int:
        self.tensors.append(Tensor(dtype=dtype, **fields))  # type: ignore[arg-type]
        return len(self.tensors) - 1

    def _node(self, kind: str, inputs: tuple[int, ...], output: int, attributes: dict[str, object]) -> None:
        self.nodes.append(Node(index=len(self.nodes), kind=kind, inputs=inputs, output=output, options=attributes))

    def _activation(self, name: str) -> int:
        size, channels = self.network.architecture.shapes[name]
        scale = self.network.scale(name)
        self.places[name] = self._add(
            name=name,
            shape=(1, *size, channels),
            scale=np.array([scale.scale], np.float32),
            zero_point=np.array([scale.zero - 128]),
        )
        return self.places[name]

    def _block(self, block: Block) -> None:
        inputs = tuple(self.places[name] for name in block.inputs)
        attributes: dict[str, object] = {"activation": "RELU" if block.relu else "NONE"}
        if block.kind != "add":
            covers = block.kind in ("pool", "dense")
            attributes |= options(block) | {"padding": "VALID" if covers else "SAME"}
        if block.kind == "pool":
            down, across = self.network.architecture.geometry(block).kernel
            attributes |= {"filter_h": down, "filter_w": across}
        if block.weighted:
            attributes |= {"dilation_h": 1, "dilation_w": 1}
            inputs += self._constants(block)
        if block.kind == "depthwise":
            attributes |= {"depth_multiplier": 1}
        self._node(OPERATORS[block.kind], inputs, self._activation(block.name), attributes)

    def _constants(self, block: Block) -> tuple[int, int]:
        """Weights [O, KH, KW, I], depthwise [1, KH, KW, O], and biases."""
        layer = integers(self.network, block)
        weights = layer.weights.permute(0, 2, 3, 1).cpu().numpy().astype(np.int8)
        axis = 0
        if block.kind == "depthwise":
            weights, axis = weights.transpose(3, 1, 2, 0), 3
        scales = layer.scales.cpu().numpy()
        stored = self._add(
            name=f"{block.name}_weights",
            shape=weights.shape,
            scale=scales,
            zero_point=np.zeros(len(scales), np.int64),
            axis=axis,
            data=np.ascontiguousarray(weights),
        )
        bias = layer.bias.cpu().numpy().astype(np.int32)
        return stored, self._add(name=f"{block.name}_bias", shape=bias.shape, dtype="int32", data=bias)
