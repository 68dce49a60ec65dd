# SPDX-License-Identifier: Apache-2.0
"""First layers with few channels: the host puts a patch of the image into every pixel of the input.

An image of few channels leaves most of a word of activation memory empty, and every pixel under a window costs a read
of its own. With the pixels of a patch side by side in one word there are fewer reads. In either direction a patch is

- one pixel, as the image has it;
- as long as the window, one for each window (im2col by the host): the window over patches is then one long;
- as long as the stride (space-to-depth): the window over patches has no stride and ceil(kernel / stride) taps, and the
  input takes no more memory than the image has pixels.

The reduction is the same, in the same order: only the places of its operands change.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.layer import EngineLayer
from sysmt.sim.nn.geometry import Geometry, Pair

from .lowered import Lowered


@dataclass(frozen=True, kw_only=True)
class _Direction:
    """Patches in one direction, and the window over them.

    Parameters
    ----------
    patch, step, spread : int
        Pixels of a patch, from one patch to the next, and from one pixel of a patch to the next.
    edges : (int, int)
        Padding that patches take in.
    count : int
        Patches.
    kernel, stride, dilation : int
        Of the window over patches.
    padding : (int, int)
        Patches that lie outside altogether.
    places : tuple of (int, int)
        For each kernel position: the tap of that window, and the place in the patch.
    """

    patch: int
    step: int
    spread: int
    edges: Pair
    count: int
    kernel: int
    stride: int
    dilation: int
    padding: Pair
    places: tuple[Pair, ...]


def inputs_in_patches(lowered: Lowered, config: EngineConfig) -> Iterator[tuple[Lowered, Geometry | None]]:
    """The ways to lay out the input, the fastest first, of those the smallest.

    Yields
    ------
    Lowered, and the geometry of the patches; None where they are pixels
    """
    source = lowered.input
    readers = [i for i, layer in enumerate(lowered.layers) if layer.source == source]
    held = set(lowered.owner.values()) | {part for parts in lowered.joins.values() for part in parts}
    held |= {layer.addition.residual for layer in lowered.layers if layer.addition}
    layer = lowered.layers[readers[0]]
    if len(readers) != 1 or source in held or layer.product is None or layer.product.depthwise:
        yield lowered, None
        return
    found = []
    for down, across in product(*(_directions(layer.geometry, i) for i in range(2))):
        patched, patches = _patched(layer, down, across)
        words = -(-patched.channels // config.word_bytes)
        cost = _tile_cycles(patched, words, config), words * down.count * across.count
        found.append((cost, patched, patches, (down.count, across.count, patched.channels)))
    for _, patched, patches, image in sorted(found, key=lambda way: way[0]):
        layers = list(lowered.layers)
        layers[readers[0]] = patched
        images = lowered.images | {source: image}
        plain = (patches.kernel, patches.stride) == ((1, 1), (1, 1))
        yield replace(lowered, layers=tuple(layers), images=images), None if plain else patches


def _directions(geometry: Geometry, i: int) -> Iterator[_Direction]:
    """The choices in one direction: 0 down, 1 across."""
    size, kernel, stride = geometry.size[i], geometry.kernel[i], geometry.stride[i]
    dilation, padding, out = geometry.dilation[i], geometry.padding[i], geometry.out_size[i]
    yield _Direction(
        patch=1,
        step=1,
        spread=1,
        edges=(0, 0),
        count=size,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=padding,
        places=tuple((k, 0) for k in range(kernel)),
    )
    if kernel == 1:
        return
    yield _Direction(
        patch=kernel,
        step=stride,
        spread=dilation,
        edges=padding,
        count=out,
        kernel=1,
        stride=1,
        dilation=1,
        padding=(0, 0),
        places=tuple((0, k) for k in range(kernel)),
    )
    taps = -(-kernel // stride)
    after = -(size + padding[0]) % stride
    count = (size + padding[0] + after) // stride
    missing = out + taps - 1 - count
    if stride > 1 and dilation == 1 and missing >= 0:
        yield _Direction(
            patch=stride,
            step=stride,
            spread=1,
            edges=(padding[0], after),
            count=count,
            kernel=taps,
            stride=1,
            dilation=1,
            padding=(0, missing),
            places=tuple(divmod(k, stride) for k in range(kernel)),
        )


def _patched(layer: EngineLayer, down: _Direction, across: _Direction) -> tuple[EngineLayer, Geometry]:
    """The layer over patches, and how the host makes them."""
    assert layer.product is not None
    over = Geometry(
        size=(down.count, across.count),
        kernel=(down.kernel, across.kernel),
        stride=(down.stride, across.stride),
        dilation=(down.dilation, across.dilation),
        padding=(down.padding, across.padding),
    )
    patches = Geometry(
        size=layer.geometry.size,
        kernel=(down.patch, across.patch),
        stride=(down.step, across.step),
        dilation=(down.spread, across.spread),
        padding=(down.edges, across.edges),
    )
    columns = [
        (tap_y * across.kernel + tap_x, (y * across.patch + x) * layer.channels + channel)
        for tap_y, y in down.places
        for tap_x, x in across.places
        for channel in range(layer.channels)
    ]
    channels = down.patch * across.patch * layer.channels
    weights = replace(layer.product, columns=np.array(columns))
    return replace(layer, geometry=over, channels=channels, product=weights), patches


def _tile_cycles(layer: EngineLayer, words: int, config: EngineConfig) -> int:
    """Cycles of a tile of pixels: of its reads, or of its products where they take longer."""
    assert layer.product is not None
    reads = layer.geometry.taps * words * config.array.rows
    steps = config.array.pe.steps(len(layer.product.weights), layer.product.threads)
    return max(reads, -(-layer.outputs // config.array.cols) * config.array.tile_cycles(steps))
