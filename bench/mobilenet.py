# SPDX-License-Identifier: Apache-2.0
"""MobileNet-V1 in int8 with random weights: of the shape that MLPerf Tiny's visual wake words have."""

import numpy as np

from sysmt.sim.nn.graph import Graph, Node, Tensor

BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
"""Outputs and stride of every pair of a depthwise and a pointwise convolution (arXiv 1704.04861, table 1)."""


class _Builder:
    """A graph of int8 tensors under construction."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []

    def activation(self, *shape: int) -> int:
        """An int8 tensor behind a RELU6."""
        return self._add(shape, "int8", np.float32([6 / 255]), np.int64([-128]))

    def convolution(self, x: int, outputs: int, kernel: int, stride: int, *, depthwise: bool = False) -> int:
        """A convolution of a square kernel, padded to keep the size, with RELU6 and no weight of zero."""
        _, height, width, channels = self.tensors[x].shape
        shape = (1, kernel, kernel, outputs) if depthwise else (outputs, kernel, kernel, channels)
        weights = self.random.integers(1, 128, shape) * self.random.choice([-1, 1], shape)
        scales = self.random.uniform(0.004, 0.012, outputs).astype(np.float32)
        w = self._add(shape, "int8", scales, np.zeros(outputs, np.int64), weights.astype(np.int8), 3 * depthwise)
        bias = self.random.integers(-300, 300, outputs).astype(np.int32)
        b = self._add((outputs,), "int32", np.zeros(0, np.float32), np.zeros(0, np.int64), bias)
        y = self.activation(1, -(-height // stride), -(-width // stride), outputs)
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        strides = {"stride_h": stride, "stride_w": stride, "dilation_h": 1, "dilation_w": 1}
        return self.node(kind, [x, w, b], y, activation="RELU6", padding="SAME", **strides)

    def node(self, kind: str, inputs: list[int], output: int, **options: object) -> int:
        """An operator; returns its output."""
        self.nodes.append(
            Node(index=len(self.nodes), kind=kind, inputs=tuple(inputs), output=output, options=dict(options))
        )
        return output

    def _add(
        self,
        shape: tuple[int, ...],
        dtype: str,
        scale: np.ndarray,
        zero_point: np.ndarray,
        data: np.ndarray | None = None,
        axis: int = 0,
    ) -> int:
        name = f"t{len(self.tensors)}"
        self.tensors.append(
            Tensor(name=name, shape=shape, dtype=dtype, scale=scale, zero_point=zero_point, data=data, axis=axis)
        )
        return len(self.tensors) - 1


def mobilenet_v1(width: float, size: int, classes: int = 2, seed: int = 1) -> Graph:
    """The graph.

    Parameters
    ----------
    width : float
        Multiplier of the channels.
    size : int
        Height and width of the RGB image, a multiple of 32.
    classes : int
        Outputs of the last layer.
    seed : int
        Of weights, biases and scales.
    """
    builder = _Builder(seed)
    image = builder.activation(1, size, size, 3)
    channels = int(32 * width)
    x = builder.convolution(image, channels, 3, 2)
    for outputs, stride in BLOCKS:
        x = builder.convolution(x, channels, 3, stride, depthwise=True)
        channels = int(outputs * width)
        x = builder.convolution(x, channels, 1, 1)
    side = size // 32
    window = {"stride_h": side, "stride_w": side, "filter_h": side, "filter_w": side}
    mean = builder.activation(1, 1, 1, channels)
    x = builder.node("AVERAGE_POOL_2D", [x], mean, activation="NONE", padding="VALID", **window)
    x = builder.convolution(x, classes, 1, 1)
    return Graph(tensors=tuple(builder.tensors), nodes=tuple(builder.nodes), input=image, output=x)
