# SPDX-License-Identifier: Apache-2.0
"""Where the operands of a matrix product go: steps and operand pairs for activations, words of weights."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.sim.engine.layer import EngineLayer, Product
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.tiling import Tile, w_steps
from sysmt.sim.nn.permutation import PADDING_SLOT

Slot = tuple[int, int]
"""Operand pair and step."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """The tiles of one group of a layer.

    Parameters
    ----------
    threads, steps, x_stride : int
        As in the descriptor; `threads` as a number.
    slots : dict of (tap, byte of the group's words) to list of Slot
        Where each column of the im2col matrix goes.
    empty : list of Slot
        Slots of running threads without an operand, where the policy needs zeros in them.
    weights : int8 [groups * tiles, steps, bytes of a word]
        In the order that they lie in memory.
    """

    threads: int
    steps: int
    x_stride: int
    slots: dict[tuple[int, int], list[Slot]]
    empty: list[Slot]
    weights: np.ndarray


def operands(layer: EngineLayer, product: Product, positions: np.ndarray, config: EngineConfig) -> Operands:
    """Lay out a layer's operands.

    Parameters
    ----------
    layer : EngineLayer
    product : Product
        The layer's.
    positions : int64 [C]
        Byte of each input channel in the words that one pixel of the layer's source takes, from the first one read.
    config : EngineConfig
    """
    return (_depthwise if product.depthwise else _dense)(layer, product, positions, config)


def _dense(layer: EngineLayer, product: Product, positions: np.ndarray, config: EngineConfig) -> Operands:
    array, channels = config.array, layer.channels
    w, permutation = product.weights, product.permutation
    if permutation is None:
        permutation = np.arange(len(w))
    permuted = w.take(permutation, axis=0, mode="wrap")
    permuted[permutation == PADDING_SLOT] = 0
    order = golden_of(array.pe).k_order(len(permuted), array.pe, product.threads)
    slots: dict[tuple[int, int], list[Slot]] = {}
    empty = []
    for pair, step in np.ndindex(*order.shape):
        slot = int(order[pair, step])
        operand = int(permutation[slot]) if slot < len(permutation) else PADDING_SLOT
        if operand == PADDING_SLOT:
            empty.append((pair, step))
            continue
        tap, channel = divmod(operand, channels)
        slots.setdefault((tap, int(positions[channel])), []).append((pair, step))
    tiles = [
        w_steps(permuted, Tile(0, n, array.rows, min(array.cols, product.outputs - n)), array, product.threads)
        for n in range(0, product.outputs, array.cols)
    ]
    return Operands(
        threads=product.threads,
        steps=order.shape[1],
        x_stride=0,
        slots=slots,
        empty=[] if _finds_zeros(config) else empty,
        weights=np.stack(tiles).reshape(len(tiles), order.shape[1], config.weight_bytes),
    )


def _depthwise(layer: EngineLayer, product: Product, positions: np.ndarray, config: EngineConfig) -> Operands:
    """Tiles of block-diagonal weights: each output channel of a tile has weights in its own input channel only.

    The threads hold different channels, so that no two of them ever have a weight other than zero in one column: exact
    under every policy that detects zeros.
    """
    array, taps = config.array, layer.geometry.taps
    pe, multiple = array.pe, product.outputs // layer.channels
    # By byte of the group's word, not by channel: a concatenation may leave bytes between its parts without one.
    tiles = -(-(int(positions.max()) + 1) * multiple // array.cols)
    by_tile = [
        sorted({(n * array.cols + column) // multiple for column in range(array.cols)})
        for n in range(min(config.granules * multiple, tiles))
    ]
    inputs = max(map(len, by_tile))
    threads, steps = _spread(product.threads, inputs, taps, pe.pairs_per_thread)
    each = -(-inputs // threads)
    place = np.full(threads * steps * pe.pairs_per_thread, PADDING_SLOT)
    for i, tap in np.ndindex(inputs, taps):
        place[(i // each * steps * pe.pairs_per_thread) + i % each * taps + tap] = i * taps + tap
    order = golden_of(pe).k_order(len(place), pe, threads)
    slots: dict[tuple[int, int], list[Slot]] = {}
    empty = []
    for pair, step in np.ndindex(*order.shape):
        i, tap = divmod(int(place[order[pair, step]]), taps)
        for n, bytes_of_tile in enumerate(by_tile):
            if place[order[pair, step]] == PADDING_SLOT or i >= len(bytes_of_tile):
                empty.append((pair, n * steps + step))
            else:
                slots.setdefault((tap, bytes_of_tile[i]), []).append((pair, n * steps + step))
    return Operands(
        threads=threads,
        steps=steps,
        x_stride=steps,
        slots=slots,
        empty=[] if _finds_zeros(config) else empty,
        weights=_diagonal(layer, product, positions, config, by_tile, place, threads, tiles),
    )


def _spread(threads: int, inputs: int, taps: int, pairs: int) -> tuple[int, int]:
    """The fewest threads that bring the steps of a tile down as far as they go, and those steps."""
    counts = [t for t in (1, 2, 4) if t <= threads]
    return min(((t, -(-(-(-inputs // t) * taps) // pairs)) for t in counts), key=lambda found: found[::-1])


def _diagonal(
    layer: EngineLayer,
    product: Product,
    positions: np.ndarray,
    config: EngineConfig,
    by_tile: list[list[int]],
    place: np.ndarray,
    threads: int,
    count: int,
) -> np.ndarray:
    """The weights of every group and tile: int8 [groups * tiles, steps, bytes of a word]."""
    array, taps = config.array, layer.geometry.taps
    multiple = product.outputs // layer.channels
    channel_at = {int(position): channel for channel, position in enumerate(positions)}
    tiles = []
    for tile in range(count):
        group, n = divmod(tile, len(by_tile))
        matrix = np.zeros((len(by_tile[n]) * taps + 1, array.cols), np.int8)  # the last row is for empty slots
        for column in range(array.cols):
            byte, filter_ = divmod(n * array.cols + column, multiple)
            channel = channel_at.get(group * config.word_bytes + byte)
            if channel is not None:
                i = by_tile[n].index(byte)
                matrix[i * taps : (i + 1) * taps, column] = product.weights[:, channel * multiple + filter_]
        rows = np.where((place == PADDING_SLOT) | (place >= len(matrix) - 1), len(matrix) - 1, place)
        tiles.append(w_steps(matrix[rows], Tile(0, 0, array.rows, array.cols), array, threads))
    steps = len(tiles[0])
    return np.stack(tiles).reshape(len(tiles), steps, config.weight_bytes)


def _finds_zeros(config: EngineConfig) -> bool:
    """Whether a weight of zero makes its thread idle, whatever the activation beside it is."""
    pe = config.array.pe
    return isinstance(pe, NbSmtConfig) and pe.rules.detects_zeros
