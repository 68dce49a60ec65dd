# SPDX-License-Identifier: Apache-2.0
"""First layers with few channels: the host gives every pixel the channels of a whole row of its window."""

from dataclasses import replace

from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.layer import EngineLayer
from sysmt.sim.nn.geometry import Geometry

from .images import row_of_windows
from .lower import Lowered


def rows_of_windows(lowered: Lowered, config: EngineConfig) -> tuple[Lowered, Geometry | None]:
    """Narrow the first layer's window to one column where that is faster.

    An image of few channels leaves most of a word of activation memory empty, and every pixel under the window costs
    a read of its own. With the pixels of a row of the window side by side in one word there are fewer reads, and the
    reduction is the same, in the same order.

    Returns
    -------
    Lowered, and the window as it was; None where it was left alone
    """
    source = lowered.input
    readers = [i for i, layer in enumerate(lowered.layers) if layer.source == source]
    held = set(lowered.owner.values()) | {part for parts in lowered.joins.values() for part in parts}
    held |= {layer.addition.residual for layer in lowered.layers if layer.addition}
    if len(readers) != 1 or source in held:
        return lowered, None
    layer = lowered.layers[readers[0]]
    if layer.product is None or layer.product.depthwise or layer.geometry.kernel[1] == 1:
        return lowered, None
    geometry, channels = row_of_windows(layer.geometry, layer.channels)
    narrow = replace(layer, geometry=geometry, channels=channels)
    if _tile_cycles(narrow, config) >= _tile_cycles(layer, config):
        return lowered, None
    layers = list(lowered.layers)
    layers[readers[0]] = narrow
    images = lowered.images | {source: (*geometry.size, channels)}
    return replace(lowered, layers=tuple(layers), images=images), layer.geometry


def _tile_cycles(layer: EngineLayer, config: EngineConfig) -> int:
    """Cycles of a tile of pixels: of its reads, or of its products where they take longer."""
    assert layer.product is not None
    reads = layer.geometry.taps * -(-layer.channels // config.word_bytes) * config.array.rows
    steps = config.array.pe.steps(len(layer.product.weights), layer.product.threads)
    return max(reads, -(-layer.outputs // config.array.cols) * config.array.tile_cycles(steps))
