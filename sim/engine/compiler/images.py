# SPDX-License-Identifier: Apache-2.0
"""Tensors of any rank as images in activation memory: pixels one after the other, channels innermost."""

from collections.abc import Sequence
from math import prod

from sysmt.sim.engine.layer import Image
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.layer import Layer

from .operators import EngineCannotError


def image_of(shape: tuple[int, ...]) -> Image:
    """The image of a tensor's shape, its batch of 1 in front left out."""
    *outer, channels = (1, 1, *shape[1:]) if len(shape) < 4 else shape[1:]
    return prod(outer[:-1]), outer[-1], channels


def flat_window(image: Image, layer: Layer) -> tuple[Geometry, int]:
    """The window of a layer over the image that its source is in memory, and the image's channels.

    A fully connected layer reads whole images or rows of them: its vector is the window's pixels in their order.
    """
    height, width, channels = image
    if (*layer.geometry.size, layer.channels) == image:
        return layer.geometry, channels
    if layer.kind == "fc":
        vectors, length = layer.pixels, layer.channels
        for kernel in ((1, 1), (1, width), (height, width)):
            if length == prod(kernel) * channels and vectors * prod(kernel) == height * width:
                return Geometry(size=(height, width), kernel=kernel, stride=kernel), channels
    raise EngineCannotError(f"its input lies in memory as {image}")


def joined(images: Sequence[Image], wanted: Image, axis: int, rank: int) -> bool:
    """Whether a concatenation joins channels; else it joins pixels. Refused where it does neither."""
    if axis == rank - 1:
        if any(image[:2] != wanted[:2] for image in images) or sum(image[2] for image in images) != wanted[2]:
            raise EngineCannotError("it joins flattened tensors")
        return True
    across = axis == rank - 2 and wanted[0] > 1
    if across or any(image[2] != wanted[2] for image in images):
        raise EngineCannotError("it joins tensors side by side")
    return False
