# SPDX-License-Identifier: Apache-2.0
"""Small random int8 networks, seeded: what the engine's compiler, golden model and gates are tested with."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.compiler import depthwise_patches
from sysmt.sim.engine.layer import EngineLayer
from sysmt.sim.engine.legal import patch_size
from sysmt.sim.engine.program import Program
from sysmt.sim.nn.forward import LayerPlan, Plan
from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.network import Network, build
from sysmt.sim.nn.operators.linear import Linear
from sysmt.sim.nn.permutation import PADDING_SLOT

from .engine_network_builder import Builder


def random_network(seed: int, layers: int = 5, **sizes: int) -> tuple[Network, Counter[str]]:
    """A random network, and what is in it."""
    builder = Builder(seed, **sizes)
    return build(builder.graph(layers)), builder.features


def depthwise_network(seed: int) -> Network:
    """A convolution and two depthwise ones behind it, on images that are not small."""
    builder = Builder(seed)
    shape = (1, *(int(n) for n in builder.rng.integers(5, 12, 2)), int(builder.rng.integers(1, 12)))
    first = builder.tensor(shape, 0.04, builder.zero_point())
    x = builder.depthwise(builder.depthwise(builder.conv(first, keep=True)))
    return build(Graph(tensors=tuple(builder.tensors), nodes=tuple(builder.nodes), input=first, output=x))


def wide_depthwise_network(seed: int, channels: int) -> Network:
    """Two depthwise convolutions of many channels on small images."""
    builder = Builder(seed)
    shape = (1, *(int(n) for n in builder.rng.integers(4, 6, 2)), channels)
    first = builder.tensor(shape, 0.04, builder.zero_point())
    x = builder.depthwise(builder.depthwise(first))
    return build(Graph(tensors=tuple(builder.tensors), nodes=tuple(builder.nodes), input=first, output=x))


def bottleneck_network(seed: int) -> Network:
    """Wide tensors between narrow ones, on images that are high: expanded, depthwise, narrow again, half of them added
    to what was expanded; then a smaller image, and sometimes a classifier."""
    builder = Builder(seed)
    high, across, channels = (int(n) for n in builder.rng.integers((14, 5, 2), (24, 9, 6)))
    first = builder.tensor((1, high, across, channels), 0.04, builder.zero_point())
    x = builder.conv(first, channels, keep=True)
    for _ in range(2):
        wide = builder.conv(builder.conv(x, 6 * channels, keep=True), keep=True, depthwise=True)
        narrow = builder.conv(wide, channels, keep=True)
        if builder.rng.random() < 0.6:
            shape = builder.tensors[x].shape
            total = builder.tensor(shape, 1.4 * float(builder.tensors[narrow].scale[0]), builder.zero_point())
            narrow = builder.node("ADD", [x, narrow], total, activation="NONE")
        x = narrow
    x = builder.pool(x) if builder.rng.random() < 0.4 else builder.conv(builder.conv(x, 5 * channels, keep=True))
    if builder.rng.random() < 0.5:
        x = builder.classifier(x)
    return build(Graph(tensors=tuple(builder.tensors), nodes=tuple(builder.nodes), input=first, output=x))


def tall_network(seed: int) -> Network:
    """Few layers on an image that is very high: one of them wide, and a small output."""
    builder = Builder(seed)
    first = builder.tensor((1, 80, 8, 4), 0.04, builder.zero_point())
    wide = builder.conv(builder.conv(first, 5, keep=True), 36, keep=True)
    shape = builder.tensors[wide].shape
    x = builder.tensor((1, shape[1] // 4, shape[2] // 4, 36), float(builder.tensors[wide].scale[0]), 0)
    builder.tensors[wide] = replace(builder.tensors[wide], zero_point=np.array([0], np.int64))
    sizes = {"stride_h": 4, "stride_w": 4, "filter_h": 4, "filter_w": 4}
    builder.node("MAX_POOL_2D", [wide], x, activation="NONE", padding="VALID", **sizes)
    return build(Graph(tensors=tuple(builder.tensors), nodes=tuple(builder.nodes), input=first, output=x))


def random_plan(network: Network, config: EngineConfig, seed: int) -> Plan:
    """Threads, permutations with padding slots, other weights and corrections, all at random."""
    rng = np.random.default_rng(seed)
    threads = [t for t in (1, 2, 4) if t <= config.array.pe.threads]
    return tuple(_layer_plan(linear, int(rng.choice(threads)), rng) for linear in network.linears)


def _layer_plan(linear: Linear, threads: int, rng: np.random.Generator) -> LayerPlan:
    k, n = linear.weights.shape
    permutation = weights = correction = None
    if not linear.depthwise and rng.random() < 0.5:
        slots = np.concatenate([np.arange(k), np.full(int(rng.integers(0, 4)), PADDING_SLOT)])
        permutation = rng.permutation(slots)
    if rng.random() < 0.3:
        weights = np.clip(linear.weights.astype(np.int16) + rng.integers(-2, 3, (k, n)), -128, 127).astype(np.int8)
    if rng.random() < 0.3:
        correction = rng.integers(-500, 500, n)
    return LayerPlan(
        threads=1 if linear.depthwise else threads, permutation=permutation, correction=correction, weights=weights
    )


def random_inputs(network: Network, count: int, seed: int) -> np.ndarray:
    """int8 [count, ...] over the whole range, a third of the values at the zero point."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-128, 128, (count, *network.input.shape[1:]))
    values[rng.random(values.shape) < 0.3] = network.input.z
    return values.astype(np.int8)


@contextmanager
def patches_everywhere(seed: int) -> Iterator[None]:
    """Depthwise layers run with patches wherever the engine can, of shapes chosen at random."""
    random = np.random.default_rng(seed)

    def estimate(layer: EngineLayer, *_: object) -> tuple[int, int]:
        return 1000 if layer.patch == (1, 1) else int(random.integers(1000)), 1

    with mock.patch.object(depthwise_patches, "estimate", estimate):
        yield


def patch_features(program: Program) -> Counter[str]:
    """How many layers of a program have patches, and what is special about them."""
    layers = [layer for layer in program.descriptors if patch_size(layer) > 1]
    return Counter(
        {
            "patches": len(layers),
            "patches down": sum(layer["patch_h"] > 0 for layer in layers),
            "patches across": sum(layer["patch_w"] > 0 for layer in layers),
            "patches over the edge": sum(
                (layer["edge_h"] + 1, layer["edge_w"] + 1) != (1 << layer["patch_h"], 1 << layer["patch_w"])
                for layer in layers
            ),
            "rows of patches in several tiles": sum(
                layer["m_tiles"] > 1 and layer["patch_rows"] > 1 and layer["out_width"] > 1 for layer in layers
            ),
            "patches in groups": sum(layer["groups"] > 1 for layer in layers),
        }
    )
