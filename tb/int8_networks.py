# SPDX-License-Identifier: Apache-2.0
"""A small whole int8 network, built here: convolutions, a depthwise layer, an addition, pooling and a classifier."""

import numpy as np

from sysmt.sim.nn.network import Network, build
from sysmt.sim.nn.readers.tflite import parse

from .tflite_models import ModelBuilder

CONV = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}


def small_content(side: int = 6, pruned: bool = False) -> bytes:
    """The model file: random weights, scales that leave most activations inside their range.

    `pruned`: the weights of the second layer are 2:4 sparse.
    """
    rng = np.random.default_rng(11)
    model = ModelBuilder()

    def conv(x, n_in, n, kernel, kind="CONV_2D", pruned=False):
        depthwise = kind == "DEPTHWISE_CONV_2D"
        shape = (1, kernel, kernel, n) if depthwise else (n, kernel, kernel, n_in)
        values = np.clip(rng.normal(scale=30, size=shape), -127, 127).astype(np.int8)
        if pruned:
            for output, groups in enumerate(values.reshape(n, -1, 4)):  # Others of each, lest whole channels are dead.
                groups[:, (np.arange(2) + output) % 4] = 0
        w = model.constant(values, np.linspace(0.001, 0.002, n), axis=3 if depthwise else 0)
        b = model.constant(rng.integers(-300, 300, n).astype(np.int32), np.ones(n))
        y = model.tensor((1, side, side, n), scale=0.05, zero=-128)
        options = CONV | ({"DepthMultiplier": 1} if depthwise else {})
        return model.node(kind, [x, w, b], y, FusedActivationFunction=1, **options)

    x = model.tensor((1, side, side, 3), scale=0.05, zero=-128)
    a = conv(x, 3, 8, 3)
    b = conv(a, 8, 8, 3, pruned=pruned)
    c = conv(b, 8, 8, 3, "DEPTHWISE_CONV_2D")
    d = conv(c, 8, 8, 1)
    e = model.node("ADD", [b, d], model.tensor((1, side, side, 8), scale=0.08, zero=-128))
    pool = model.tensor((1, 1, 1, 8), scale=0.08, zero=-128)
    f = model.node("AVERAGE_POOL_2D", [e], pool, Padding=1, StrideH=1, StrideW=1, FilterHeight=side, FilterWidth=side)
    w = model.constant(rng.integers(-127, 128, (5, 8)).astype(np.int8), 0.004)
    y = model.node("FULLY_CONNECTED", [f, w], model.tensor((1, 5), scale=0.01, zero=4))
    return model.content([x], [y])


def dead_content() -> bytes:
    """A separable convolution, half of whose channels have no weights."""
    rng = np.random.default_rng(5)
    model = ModelBuilder()
    x = model.tensor((1, 6, 6, 3), scale=0.05, zero=-128)
    first = rng.integers(-50, 50, (8, 3, 3, 3)).astype(np.int8)
    first[::2] = 0
    for kind, values, axis, options in (
        ("CONV_2D", first, 0, {}),
        ("DEPTHWISE_CONV_2D", rng.integers(1, 50, (1, 3, 3, 8)).astype(np.int8), 3, {"DepthMultiplier": 1}),
        ("CONV_2D", rng.integers(1, 50, (5, 1, 1, 8)).astype(np.int8), 0, {}),
    ):
        n = values.shape[axis]
        w = model.constant(values, np.full(n, 0.002), axis=axis)
        b = model.constant(np.full(n, -40, np.int32), np.ones(n))
        y = model.tensor((1, 6, 6, n), scale=0.05, zero=-128)
        model.node(kind, [x, w, b], y, FusedActivationFunction=1, **CONV, **options)
        x = y
    return model.content([0], [x])


def small_network(pruned: bool = False) -> Network:
    """The same, ready to run."""
    return build(parse(small_content(pruned=pruned)))


def small_images(count: int, seed: int = 3) -> np.ndarray:
    """uint8 [count, 6, 6, 3] with edges in them, half of the pixels dark."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 3, 3, 3)) * (rng.random((count, 3, 3, 3)) < 0.6)
    return np.kron(coarse, np.ones((1, 2, 2, 1), int)).astype(np.uint8)
