# SPDX-License-Identifier: Apache-2.0
"""Builds networks of random layers that the engine can run."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sysmt.sim.nn.graph import Graph, Node, Tensor

ACTIVATIONS = ("NONE", "RELU", "RELU6")


@dataclass
class Builder:
    """A graph under construction; `features` counts what is in it.

    Parameters
    ----------
    seed : int
    side, channels : int
        Largest height, width and number of channels.
    """

    seed: int
    side: int = 7
    channels: int = 12
    tensors: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    features: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def graph(self, layers: int = 5) -> Graph:
        """A network of so many random operators behind a convolution, and mostly a classifier at its end."""
        size = tuple(int(n) for n in self.rng.integers(1, self.side + 1, 2))
        shape = (1, *size, int(self.rng.integers(1, self.channels + 1)))
        first = x = self.tensor(shape, self._scale(0.02, 0.06), self.zero_point())
        x = self.conv(x)
        for _ in range(layers):
            x = self._pick()(x)
        if self.rng.random() < 0.7:
            x = self.classifier(x)
        return Graph(tensors=tuple(self.tensors), nodes=tuple(self.nodes), input=first, output=x)

    def tensor(self, shape: tuple[int, ...], scale: float, zero: int) -> int:
        """Add an int8 tensor."""
        self.tensors.append(
            Tensor(
                name=f"t{len(self.tensors)}",
                shape=shape,
                dtype="int8",
                scale=np.array([scale], np.float32),
                zero_point=np.array([zero], np.int64),
            )
        )
        return len(self.tensors) - 1

    def constant(self, data: np.ndarray, scale: np.ndarray | None = None, axis: int = 0) -> int:
        """Add a constant."""
        scale = np.zeros(0, np.float32) if scale is None else np.asarray(scale, np.float32)
        self.tensors.append(
            Tensor(
                name=f"t{len(self.tensors)}",
                shape=data.shape,
                dtype=str(data.dtype),
                scale=scale,
                zero_point=np.zeros(len(scale), np.int64),
                axis=axis,
                data=data,
            )
        )
        return len(self.tensors) - 1

    def node(self, kind: str, inputs: list[int], output: int, **options: object) -> int:
        """Add an operator; returns its output."""
        self.nodes.append(
            Node(index=len(self.nodes), kind=kind, inputs=tuple(inputs), output=output, options=dict(options))
        )
        self.features[kind] += 1
        return output

    def conv(self, x: int, outputs: int | None = None, keep: bool = False, depthwise: bool = False) -> int:
        """A convolution of any window; with `keep` one whose output has its input's height and width."""
        _, height, width, channels = self.tensors[x].shape
        kernel = [int(n) for n in self.rng.integers(1, 4, 2)]
        stride = [1, 1] if keep else [int(n) for n in self.rng.integers(1, 4, 2)]
        dilation = [int(n) if self.rng.random() < 0.3 else 1 for n in self.rng.integers(1, 3, 2)]
        padding = "SAME" if keep or self.rng.random() < 0.5 else "VALID"
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        if padding == "VALID" and (reach[0] > height or reach[1] > width):
            padding = "SAME"
        multiple = int(self.rng.choice([1, 1, 1, 2, 3])) if depthwise else 1
        n = channels * multiple if depthwise else outputs or int(self.rng.integers(1, self.channels + 1))
        shape = (1, *kernel, n) if depthwise else (n, *kernel, channels)
        weights = np.clip(self.rng.normal(scale=40, size=shape), -127, 127).astype(np.int8)
        weights[self.rng.random(shape) < 0.3] = 0
        w_scale = self.rng.uniform(0.002, 0.006, n if self.rng.random() < 0.5 else 1)
        inputs = [x, self.constant(weights, w_scale, 3 if depthwise else 0)]
        if self.rng.random() < 0.8:
            inputs.append(self.constant(self.rng.integers(-2000, 2000, n).astype(np.int32)))
        out = [
            -(-size // s) if padding == "SAME" else (size - r) // s + 1
            for size, r, s in zip((height, width), reach, stride, strict=True)
        ]
        operands = kernel[0] * kernel[1] * (1 if depthwise else channels)
        y = self.tensor((1, *out, n), self._after(x, float(w_scale.mean()) * 40 * operands**0.5), self.zero_point())
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        for name, present in (
            ("stride", max(stride) > 1),
            ("dilation", max(dilation) > 1),
            ("padded", padding == "SAME" and max(reach) > 1),
            ("zero point padding", padding == "SAME" and max(reach) > 1 and self.tensors[x].z != -128),
            ("uneven window", kernel[0] != kernel[1]),
            ("several filters per channel", multiple > 1),
            ("per channel", len(w_scale) > 1),
            ("without bias", len(inputs) == 2),
        ):
            self.features[name] += present
        return self.node(
            kind,
            inputs,
            y,
            activation=str(self.rng.choice(ACTIVATIONS)),
            padding=padding,
            stride_h=stride[0],
            stride_w=stride[1],
            dilation_h=dilation[0],
            dilation_w=dilation[1],
        )

    def depthwise(self, x: int) -> int:
        """A depthwise convolution, of one or more filters per channel."""
        return self.conv(x, depthwise=True)

    def residual(self, x: int) -> int:
        """A convolution around which its input is added, or two that are added."""
        channels = self.tensors[x].shape[3]
        a = x if self.rng.random() < 0.5 else self.conv(x, channels, keep=True)
        b = self.conv(x, channels, keep=True)
        if self.rng.random() < 0.3:
            b = self.conv(b, channels, keep=True)
        y = self.tensor(self.tensors[x].shape, self._after(b, 1.4), self.zero_point())
        inputs = [a, b] if self.rng.random() < 0.5 else [b, a]
        self.features["residual is the input" if a == x else "residual of its own"] += 1
        return self.node("ADD", inputs, y, activation=str(self.rng.choice(ACTIVATIONS)))

    def twice(self, x: int) -> int:
        """The sum of a tensor with itself."""
        y = self.tensor(self.tensors[x].shape, self._after(x, 2.0), self.zero_point())
        self.features["sum with itself"] += 1
        return self.node("ADD", [x, x], y, activation="NONE")

    def pool(self, x: int) -> int:
        """Average or max pooling."""
        _, height, width, channels = self.tensors[x].shape
        kernel = [int(self.rng.integers(1, min(4, size) + 1)) for size in (height, width)]
        stride = [int(n) for n in self.rng.integers(1, 3, 2)]
        kind = str(self.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        padding = "SAME" if kind == "MAX_POOL_2D" and self.rng.random() < 0.5 else "VALID"
        out = [
            -(-size // s) if padding == "SAME" else (size - k) // s + 1
            for size, k, s in zip((height, width), kernel, stride, strict=True)
        ]
        y = self.tensor((1, *out, channels), float(self.tensors[x].scale[0]), self.tensors[x].z)
        return self.node(
            kind,
            [x],
            y,
            activation=str(self.rng.choice(ACTIVATIONS)),
            padding=padding,
            stride_h=stride[0],
            stride_w=stride[1],
            filter_h=kernel[0],
            filter_w=kernel[1],
        )

    def pad(self, x: int) -> int:
        """Zeros around the image."""
        _, height, width, channels = self.tensors[x].shape
        edges = np.zeros((4, 2), np.int32)
        edges[1:3] = self.rng.integers(0, 3, (2, 2))
        shape = (1, height + int(edges[1].sum()), width + int(edges[2].sum()), channels)
        y = self.tensor(shape, float(self.tensors[x].scale[0]), self.tensors[x].z)
        return self.node("PAD", [x, self.constant(edges)], y)

    def activation(self, x: int) -> int:
        """An activation function, or another scale."""
        kind = str(self.rng.choice(["RELU", "RELU6", "QUANTIZE"]))
        y = self.tensor(self.tensors[x].shape, self._after(x, float(self.rng.uniform(0.6, 1.5))), self.zero_point())
        return self.node(kind, [x], y)

    def concatenation(self, x: int) -> int:
        """Convolutions side by side in the channels, or a tensor beside itself."""
        scale, zero = float(self.tensors[x].scale[0]), self.tensors[x].z
        parts = []
        for _ in range(int(self.rng.integers(2, 4))):
            if self.rng.random() < 0.3:
                parts.append(x)
                continue
            made = self.conv(x, keep=True)
            self.tensors[made] = Tensor(
                name=self.tensors[made].name,
                shape=self.tensors[made].shape,
                dtype="int8",
                scale=np.array([scale], np.float32),
                zero_point=np.array([zero], np.int64),
            )
            parts.append(made)
        shape = list(self.tensors[x].shape)
        axis = 3 if self.rng.random() < 0.8 else 1
        if axis == 1:
            parts = [x, x]
        shape[axis] = sum(self.tensors[part].shape[axis] for part in parts)
        self.features["joins channels" if axis == 3 else "joins rows"] += 1
        y = self.tensor(tuple(shape), scale, zero)
        return self.node(
            "CONCATENATION", parts, y, axis=axis - 4 if self.rng.random() < 0.5 else axis, activation="NONE"
        )

    def classifier(self, x: int) -> int:
        """MEAN or RESHAPE, a fully connected layer, and sometimes SOFTMAX."""
        _, height, width, channels = self.tensors[x].shape
        if self.rng.random() < 0.5:
            axes = [[1, 2], [1], [2]][int(self.rng.choice(3, p=[0.8, 0.1, 0.1]))]
            kept = tuple(n for i, n in enumerate((height, width, channels), 1) if i not in axes)
            y = self.tensor((1, *kept), self._after(x, 0.7), self.zero_point())
            x = self.node("MEAN", [x, self.constant(np.array(axes, np.int32))], y, keep_dims=False)
        if len(self.tensors[x].shape) > 2:
            values = int(np.prod(self.tensors[x].shape))
            y = self.tensor((1, values), float(self.tensors[x].scale[0]), self.tensors[x].z)
            x = self.node("RESHAPE", [x], y)
        values, n = self.tensors[x].shape[1], int(self.rng.integers(2, self.channels + 1))
        weights = self.rng.integers(-127, 128, (n, values)).astype(np.int8)
        w = self.constant(weights, np.array([0.004]))
        y = self.tensor((1, n), self._after(x, 0.004 * 70 * values**0.5), self.zero_point())
        x = self.node("FULLY_CONNECTED", [x, w], y, activation="NONE", weights_format=0, keep_num_dims=False)
        if self.rng.random() < 0.5:
            y = self.tensor((1, n), 1 / 256, -128)
            x = self.node("SOFTMAX", [x], y, beta=1.0)
        return x

    def _pick(self) -> Callable[[int], int]:
        choices: list[tuple[Callable[[int], int], float]] = [
            (self.conv, 3),
            (self.depthwise, 2),
            (self.residual, 2),
            (self.pool, 1),
            (self.pad, 0.5),
            (self.activation, 0.5),
            (self.concatenation, 1),
            (self.twice, 0.3),
        ]
        weights = np.array([weight for _, weight in choices])
        return choices[int(self.rng.choice(len(choices), p=weights / weights.sum()))][0]

    def _scale(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def zero_point(self) -> int:
        return int(self.rng.choice([-128, 0, int(self.rng.integers(-128, 128))]))

    def _after(self, x: int, factor: float) -> float:
        """A scale under which values that are so much larger than those of x fill their range."""
        return float(self.tensors[x].scale[0]) * factor * self._scale(0.7, 1.3)
