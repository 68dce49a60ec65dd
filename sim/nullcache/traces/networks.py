# SPDX-License-Identifier: Apache-2.0
"""Networks whose layers become traces: the digits network, and LeNet-5, AlexNet and VGG-16 of given sparsity.

The synthetic ones have the published shapes, random weights pruned to the densities of Han et al., "Learning both
Weights and Connections", NIPS 2015 (tables 3 to 5), and a smooth random image. Activations are computed layer by layer;
the bias of each layer is set so that the share of them stays that the same tables give. Zeros lie where this
computation puts them: pruned weights anywhere, activations in regions and in whole channels.
"""

import dataclasses
from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

import numpy as np

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import ConfigError
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan
from sysmt.sim.nn.geometry import Geometry

from .layers import LayerOperands


class PrunedLayer(NamedTuple):
    """One layer of a pruned network.

    `weights` and `outputs` are the percents of them that are not zero, `pool` the kernel and stride of a max pooling.
    """

    name: str
    filters: int
    kernel: int
    stride: int
    pad: int
    groups: int
    weights: int
    outputs: int
    pool: tuple[int, int] | None


LENET5 = (
    PrunedLayer("conv1", 20, 5, 1, 0, 1, 66, 82, (2, 2)),
    PrunedLayer("conv2", 50, 5, 1, 0, 1, 12, 72, (2, 2)),
    PrunedLayer("fc1", 500, 4, 1, 0, 1, 8, 55, None),
    PrunedLayer("fc2", 10, 1, 1, 0, 1, 19, 100, None),
)
ALEXNET = (
    PrunedLayer("conv1", 96, 11, 4, 0, 1, 84, 88, (3, 2)),
    PrunedLayer("conv2", 256, 5, 1, 2, 2, 38, 55, (3, 2)),
    PrunedLayer("conv3", 384, 3, 1, 1, 1, 35, 37, None),
    PrunedLayer("conv4", 384, 3, 1, 1, 2, 37, 40, None),
    PrunedLayer("conv5", 256, 3, 1, 1, 2, 37, 34, (3, 2)),
    PrunedLayer("fc6", 4096, 6, 1, 0, 1, 9, 36, None),
    PrunedLayer("fc7", 4096, 1, 1, 0, 1, 9, 40, None),
    PrunedLayer("fc8", 1000, 1, 1, 0, 1, 25, 100, None),
)
VGG16 = (
    PrunedLayer("conv1_1", 64, 3, 1, 1, 1, 58, 53, None),
    PrunedLayer("conv1_2", 64, 3, 1, 1, 1, 22, 89, (2, 2)),
    PrunedLayer("conv2_1", 128, 3, 1, 1, 1, 34, 80, None),
    PrunedLayer("conv2_2", 128, 3, 1, 1, 1, 36, 81, (2, 2)),
    PrunedLayer("conv3_1", 256, 3, 1, 1, 1, 53, 68, None),
    PrunedLayer("conv3_2", 256, 3, 1, 1, 1, 24, 70, None),
    PrunedLayer("conv3_3", 256, 3, 1, 1, 1, 42, 64, (2, 2)),
    PrunedLayer("conv4_1", 512, 3, 1, 1, 1, 32, 51, None),
    PrunedLayer("conv4_2", 512, 3, 1, 1, 1, 27, 45, None),
    PrunedLayer("conv4_3", 512, 3, 1, 1, 1, 34, 34, (2, 2)),
    PrunedLayer("conv5_1", 512, 3, 1, 1, 1, 35, 32, None),
    PrunedLayer("conv5_2", 512, 3, 1, 1, 1, 29, 29, None),
    PrunedLayer("conv5_3", 512, 3, 1, 1, 1, 36, 19, (2, 2)),
    PrunedLayer("fc6", 4096, 7, 1, 0, 1, 4, 38, None),
    PrunedLayer("fc7", 4096, 1, 1, 0, 1, 4, 42, None),
    PrunedLayer("fc8", 1000, 1, 1, 0, 1, 23, 100, None),
)
SYNTHETIC = {"lenet5": (LENET5, (1, 28)), "alexnet": (ALEXNET, (3, 227)), "vgg16": (VGG16, (3, 224))}
NETWORKS = ("digits", *SYNTHETIC)


def layers(network: str, activations: float | None = None, seed: int = 1) -> Iterator[LayerOperands]:
    """The layers of a network, one after the other, each with its input.

    Parameters
    ----------
    network : str
        One of `NETWORKS`.
    activations : float, optional
        Share of the activations that are not zero, over 0 up to 1, in all layers but the last instead of the published
        ones; synthetic networks only.
    seed : int
        Of weights and image of the synthetic networks; which test image the digits network gets.
    """
    if activations is not None and not 0 < activations <= 1:
        raise ConfigError(f"activations must be over 0 and at most 1, not {activations}")
    if seed < 0:
        raise ConfigError(f"seed must be at least 0, not {seed}")
    if network == "digits":
        return _digits(seed)
    if network in SYNTHETIC:
        return _synthetic(network, activations, seed)
    raise ConfigError(must_be_one_of("network", network, NETWORKS))


def max_pool(x: np.ndarray, kernel: int, stride: int, ceil_mode: bool = False) -> np.ndarray:
    """Maximum over windows of [C, H, W]; in ceil mode the last window may hang over the edge (Caffe's rule)."""
    geometry = Geometry(size=x.shape[1:], kernel=(kernel, kernel), stride=(stride, stride), ceil_mode=ceil_mode)
    images = x.transpose(1, 2, 0)[None]
    largest = reduce(np.maximum, geometry.windows(geometry.pad(images, -np.inf)))
    return np.ascontiguousarray(largest[0].transpose(2, 0, 1))


def _synthetic(network: str, activations: float | None, seed: int) -> Iterator[LayerOperands]:
    rng = np.random.default_rng(seed)
    rows, (channels, side) = SYNTHETIC[network]
    # A smooth image: coarse noise, enlarged.
    coarse = rng.random((channels, 8, 8), np.float32)
    grid = np.arange(side) * 8 // side
    x = coarse[:, grid][:, :, grid] + 0.05 * rng.random((channels, side, side), np.float32)
    for row in rows:
        groups = row.groups
        w = rng.standard_normal((row.filters, len(x) // groups, row.kernel, row.kernel), np.float32)
        # Not by multiplication, which would leave negative zeros.
        w[rng.random(w.shape, np.float32) >= row.weights / 100] = 0
        last = row is rows[-1]
        names = [f"{row.name}/{g}" for g in range(groups)] if groups > 1 else [row.name]
        parts = [
            LayerOperands.conv(name, inputs, weights, stride=row.stride, pad=row.pad, relu=not last)
            for name, inputs, weights in zip(names, np.split(x, groups), np.split(w, groups), strict=True)
        ]
        sums = np.concatenate([part.sums() for part in parts])
        share = row.outputs / 100 if activations is None else activations
        bias = np.full(row.filters // groups, 0 if last else -np.quantile(sums, 1 - share), np.float32)
        yield from (dataclasses.replace(part, bias=bias) for part in parts)
        x = sums if last else np.maximum(sums + bias[0], 0)
        if row.pool:
            x = max_pool(x, *row.pool)
        x /= np.float32(max(1e-6, float(np.abs(x).max())))


def _digits(image: int) -> Iterator[LayerOperands]:
    """The quantised digits network of this repository on one test image, uint8 activations and int8 weights."""
    from sysmt.hdl.params.pe import PEConfig
    from sysmt.sim.nn.digits import data, network

    images = data.load()[1].pixels
    if image >= len(images):
        raise ConfigError(f"seed must be below {len(images)}, the number of test images, not {image}")
    inputs = [images[image : image + 1]]
    trained = network.load()
    runner = Runner(network=trained, engine=Golden(PEConfig(), counting=False), plan=exact_plan(trained))
    runner(inputs[0], tensors=lambda step, values: inputs.append(values))
    for linear, x in zip(trained.linears, inputs[:-1], strict=True):
        layer = linear.layer
        w = linear.weights.reshape(*layer.kernel, layer.channels, layer.outputs).transpose(3, 2, 0, 1)
        yield LayerOperands(
            layer=layer,
            x=np.ascontiguousarray(x[0].transpose(2, 0, 1)),
            w=np.ascontiguousarray(w),
            bias=linear.requantize.bias,
        )
