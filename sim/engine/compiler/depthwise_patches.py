# SPDX-License-Identifier: Apache-2.0
"""Which depthwise layers run several output pixels at a time, and how: the fastest that the memories have room for.

What an array alone would choose (`sysmt.sim.cost.depthwise`) is not what an engine does: its im2col unit reads a word
per cycle, its requantisers take `lanes` values, and weights of patches take more memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.layer import EngineLayer, Product
from sysmt.sim.nn.geometry import Pair

from .depthwise import DepthwiseTiles, depthwise_tiles

Fits = Callable[[tuple[EngineLayer, ...]], bool]
"""Says whether a program of these layers fits into the engine's memories."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Way:
    """A layer with patches: which it replaces, cycles that this saves, words of weights that it costs."""

    index: int
    layer: EngineLayer
    saved: int
    words: int


def with_patches(layers: tuple[EngineLayer, ...], config: EngineConfig, fits: Fits) -> tuple[EngineLayer, ...]:
    """Layers, some of them with patches: those that save most cycles for every word of weights first.

    Parameters
    ----------
    layers : tuple of EngineLayer
        Without patches.
    config : EngineConfig
    fits : function of layers
    """
    ways = [way for index, layer in enumerate(layers) for way in _fastest(index, layer, config)]
    chosen = _replaced(layers, ways)
    if not ways or fits(chosen):
        return chosen
    chosen = layers
    for way in sorted(ways, key=lambda way: way.saved / max(way.words, 1), reverse=True):
        more = _replaced(chosen, [way])
        if fits(more):
            chosen = more
    return chosen


def _replaced(layers: tuple[EngineLayer, ...], ways: list[_Way]) -> tuple[EngineLayer, ...]:
    found = {way.index: way.layer for way in ways}
    return tuple(found.get(index, layer) for index, layer in enumerate(layers))


def _fastest(index: int, layer: EngineLayer, config: EngineConfig) -> Iterator[_Way]:
    """The fastest patch of a layer, where one is faster than none."""
    product = layer.product
    if product is None or not _may(layer, product, config):
        return
    plain, words = estimate(layer, product, config)
    best: _Way | None = None
    for patch in _patches(config.patch):
        wide = replace(layer, patch=patch)
        if not wide.lowering.regular:
            continue
        made = _tiles(wide, product, config)
        if made.group.k > config.array.pe.k_max or config.granules * made.parts * made.x_stride > config.x_depth:
            continue
        found, more = estimate(wide, product, config)
        if plain - found > (best.saved if best else 0):
            best = _Way(index=index, layer=wide, saved=plain - found, words=more - words)
    if best is not None:
        yield best


def fastest(layer: EngineLayer, product: Product, config: EngineConfig) -> int:
    """Cycles of a depthwise layer with the fastest patch, or with none, about."""
    return estimate(layer, product, config)[0] - sum(way.saved for way in _fastest(0, layer, config))


def _patches(pixels: int) -> Iterator[Pair]:
    """The ways to make patches of so many pixels, none of one."""
    down = 1
    while pixels > 1 and down <= pixels:
        yield down, pixels // down
        down *= 2


def _may(layer: EngineLayer, product: Product, config: EngineConfig) -> bool:
    """Whether the engine can: exactly, and with no sum of a pixel beyond the edge that its requantiser would refuse."""
    if config.patch == 1 or not product.depthwise or layer.addition is not None or layer.outputs != layer.channels:
        return False
    if not config.array.pe.exact_alone:
        return False
    rescaling = layer.rescaling
    largest = np.abs(rescaling.bias) + 255 * np.abs(product.weights.astype(np.int64)).sum(axis=0)
    return bool((largest << np.maximum(rescaling.shift, 0) < 2**31).all())


def _tiles(layer: EngineLayer, product: Product, config: EngineConfig) -> DepthwiseTiles:
    return depthwise_tiles(layer, product, min(config.array.cols, layer.channels), config)


def estimate(layer: EngineLayer, product: Product, config: EngineConfig) -> tuple[int, int]:
    """Cycles of a depthwise layer, about, and words of its weights."""
    array, made = config.array, _tiles(layer, product, config)
    down, across = layer.window.out_size
    fills, rows = divmod(down * across, array.rows)
    tiles = -(-layer.channels // array.cols)
    in_group = min(config.granules, tiles)
    steps = array.tile_cycles(made.group.steps(array.pe))

    def cycles(rows: int) -> int:
        """Of the tiles of channels of a group, for so many rows."""
        # Rows that are no pixels take a cycle each.
        results = in_group * made.parts * (rows * config.beats + array.rows - rows)
        return max(layer.window.taps * array.rows, in_group * made.parts * steps, results)

    groups = -(-tiles // in_group)
    filling = layer.window.taps * array.rows
    total = groups * (fills * cycles(array.rows) + (cycles(rows) if rows else 0)) + filling
    return total, tiles * made.parts * made.words
