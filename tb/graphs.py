# SPDX-License-Identifier: Apache-2.0
"""Random int8 graphs with dead channels planted in them, of every operator that the passes know."""

from dataclasses import dataclass, field

import numpy as np

from sysmt.sim.nn.graph import Graph, Node, Tensor

ACTIVATIONS = ("NONE", "RELU", "RELU6")
STRIDES = {"stride_h": 1, "stride_w": 1}


@dataclass
class GraphBuilder:
    """A graph under construction; tensors are named by their index."""

    random: np.random.Generator
    tensors: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    def tensor(self, shape, z=-128, scale=0.05):
        """An int8 activation."""
        return self._add(shape=shape, dtype="int8", scale=np.float32([scale]), zero_point=np.int64([z]))

    def constant(self, data, scale=()):
        """A constant."""
        scale = np.float32(np.atleast_1d(np.asarray(scale, np.float32)))
        return self._add(
            shape=data.shape, dtype=str(data.dtype), scale=scale, zero_point=np.zeros(len(scale), np.int64), data=data
        )

    def _add(self, **fields):
        self.tensors.append(Tensor(name=f"t{len(self.tensors)}", **fields))
        return len(self.tensors) - 1

    def node(self, kind, inputs, output, **options):
        """An operator; returns its output."""
        self.nodes.append(
            Node(index=len(self.nodes), kind=kind, inputs=tuple(inputs), output=output, options=dict(options))
        )
        return output

    def shape(self, index):
        """Of a tensor."""
        return self.tensors[index].shape

    def graph(self, source, target):
        """The graph."""
        return Graph(tensors=tuple(self.tensors), nodes=tuple(self.nodes), input=source, output=target)

    def weights(self, shape, n):
        """int8 with a few outputs and a few inputs of zeros only: constant channels, and channels that nobody reads."""
        w = self.random.integers(-60, 61, shape).astype(np.int8)
        w[self.random.random(shape[0]) < 0.3] = 0
        if len(shape) > 1:
            w[..., self.random.random(shape[-1]) < 0.3] = 0
        return w, self.random.uniform(0.002, 0.01, n)

    def bias(self, n):
        """Absent, or int32; a large negative one is clamped to the zero point behind a RELU."""
        if self.random.random() < 0.3:
            return []
        return [self.constant(self.random.choice([-20_000, -300, 0, 300, 4000], n).astype(np.int32))]

    def conv(self, x, n, kernel, stride=1, padding="SAME", activation="RELU", z=-128):
        """CONV_2D of a square kernel."""
        _, h, w, c = self.shape(x)
        values, scale = self.weights((n, kernel, kernel, c), n)
        return self._window("CONV_2D", x, values, scale, (1, h, w, n), kernel, stride, padding, activation, z)

    def depthwise(self, x, multiplier, kernel, stride=1, padding="SAME", activation="RELU", z=-128):
        """DEPTHWISE_CONV_2D of a square kernel."""
        _, h, w, c = self.shape(x)
        n = c * multiplier
        values, scale = self.weights((1, kernel, kernel, n), n)
        values[:] = self.random.integers(-60, 61, values.shape) * values.any(axis=(0, 1, 2))
        kind = "DEPTHWISE_CONV_2D"
        return self._window(kind, x, values, scale, (1, h, w, n), kernel, stride, padding, activation, z)

    def _window(self, kind, x, values, scale, shape, kernel, stride, padding, activation, z):
        _, h, w, n = shape
        size = [-(-s // stride) if padding == "SAME" else (s - kernel) // stride + 1 for s in (h, w)]
        stored = self._add(
            shape=values.shape,
            dtype="int8",
            scale=np.float32(scale),
            zero_point=np.zeros(n, np.int64),
            axis=3 if kind.startswith("D") else 0,
            data=values,
        )
        options = {"padding": padding, "stride_h": stride, "stride_w": stride, "activation": activation}
        options |= {"dilation_h": 1, "dilation_w": 1}
        return self.node(kind, [x, stored, *self.bias(n)], self.tensor((1, *size, n), z), **options)

    def pad(self, x):
        """PAD by a random edge; its reader is to be another operator."""
        _, h, w, c = self.shape(x)
        edges = np.int32([[0, 0], self.random.integers(0, 3, 2), self.random.integers(0, 3, 2), [0, 0]])
        shape = (1, h + int(edges[1].sum()), w + int(edges[2].sum()), c)
        return self.node("PAD", [x, self.constant(edges)], self.tensor(shape, self.tensors[x].z))

    def dense(self, x, n, z=3):
        """FULLY_CONNECTED over all values of an input."""
        values, scale = self.weights((n, int(np.prod(self.shape(x)))), n)
        inputs = [x, self.constant(values, scale[:1]), *self.bias(n)]
        return self.node(
            "FULLY_CONNECTED", inputs, self.tensor((1, n), z), activation="NONE", weights_format=0, keep_num_dims=False
        )


def random_graph(seed, layers=8):
    """A graph of some layers with branches that join again."""
    build = GraphBuilder(np.random.default_rng(seed))
    random = build.random
    source = build.tensor((1, 6, 6, 3), int(random.integers(-128, 128)))
    images = [build.conv(source, 8, 3)]
    for _ in range(layers):
        x = images[-1] if random.random() < 0.7 else images[random.integers(len(images))]
        images.append(_layer(build, x, images))
    last = images[-1]
    _, h, w, c = build.shape(last)
    end = random.integers(4)
    if end == 0:
        last = build.node("RESHAPE", [last, build.constant(np.int32([1, h * w * c]))], build.tensor((1, h * w * c)))
    elif end == 1:
        last = build.node("MEAN", [last, build.constant(np.int32([1, 2]))], build.tensor((1, c), -5), keep_dims=False)
    elif end == 2:
        last = build.conv(last, 5, 1, activation="NONE", z=7)
        return build.graph(source, last)
    return build.graph(source, build.dense(last, 5))


def _layer(build, x, images):
    random = build.random
    _, h, w, c = build.shape(x)
    z, activation = int(random.choice([-128, -128, 0, 17])), str(random.choice(ACTIVATIONS))
    padding = "SAME" if random.random() < 0.6 or min(h, w) < 4 else "VALID"
    kind = random.integers(9)
    if kind <= 1:
        kernel, stride = int(random.choice([1, 3])), int(random.choice([1, 1, 2]))
        return build.conv(x, int(random.integers(2, 10)), kernel, stride, padding, activation, z)
    if kind == 2:
        return build.depthwise(x, int(random.integers(1, 3)) if c < 12 else 1, 3, 1, padding, activation, z)
    if kind == 3:
        return build.conv(build.pad(x), int(random.integers(2, 10)), 3, 1, padding, activation, z)
    if kind == 4:
        alike = [i for i in images if build.shape(i) == build.shape(x) and i != x]
        other = (
            alike[random.integers(len(alike))]
            if alike and random.random() < 0.5
            else build.conv(build.conv(x, 4, 1), c, 3)
        )
        return build.node(
            "ADD",
            [x, other] if random.random() < 0.5 else [other, x],
            build.tensor((1, h, w, c), z),
            activation=activation,
        )
    if kind == 5:
        name, options = [("RELU", {}), ("LEAKY_RELU", {"alpha": 0.25}), ("QUANTIZE", {})][random.integers(3)]
        return build.node(name, [x], build.tensor((1, h, w, c), z, 0.07), **options)
    if kind == 6 and min(h, w) > 2:
        name = str(random.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        y = build.tensor((1, h, w, c), build.tensors[x].z)
        build.tensors[y] = Tensor(**vars(build.tensors[y]) | {"scale": build.tensors[x].scale})
        return build.node(name, [x], y, padding="SAME", filter_h=2, filter_w=3, activation="NONE", **STRIDES)
    if kind == 7:
        alike = [i for i in images if build.shape(i)[:3] == build.shape(x)[:3] and _scales_alike(build, i, x)]
        parts = [x, alike[random.integers(len(alike))]]
        joined = sum(build.shape(i)[3] for i in parts)
        y = build.tensor((1, h, w, joined), build.tensors[x].z)
        build.tensors[y] = Tensor(**vars(build.tensors[y]) | {"scale": build.tensors[x].scale})
        return build.node("CONCATENATION", parts, y, axis=3, activation="NONE")
    return build.pad(x)


def _scales_alike(build, a, b):
    a, b = build.tensors[a], build.tensors[b]
    return a.scale[0] == b.scale[0] and a.z == b.z
