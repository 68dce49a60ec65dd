# SPDX-License-Identifier: Apache-2.0
"""Where the operands of a matrix product go: steps and operand pairs for activations, words of weights."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.sim.engine.layer import EngineLayer, Product
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.tiling import Tile, w_steps
from sysmt.sim.nn.depthwise import ChannelGroup
from sysmt.sim.nn.permutation import PADDING_SLOT

Slot = tuple[int, int]
"""Operand pair and word of the operand buffer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """The tiles of one group of a layer.

    Parameters
    ----------
    threads, steps, x_stride : int
        As in the descriptor; `threads` as a number.
    words : int
        Words of operands of one tile.
    slots : dict of (tap, byte of the group's words) to list of Slot
        Where each column of the im2col matrix goes.
    empty : list of Slot
        Slots of running threads without an operand, where the policy needs zeros in them.
    weights : int8 [groups * tiles, words, bytes of a word]
        In the order that they lie in memory.
    """

    threads: int
    steps: int
    words: int
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
    array = config.array
    w, permutation, columns = product.weights, product.permutation, product.columns
    if columns is None:
        columns = np.stack(np.divmod(np.arange(len(w)), layer.channels), axis=1)
    if permutation is None:
        permutation = np.arange(len(w))
    permuted = w.take(permutation, axis=0, mode="wrap")
    permuted[permutation == PADDING_SLOT] = 0
    order = golden_of(array.pe).k_order(len(permuted), array.pe, product.threads)
    slots: dict[tuple[int, int], list[Slot]] = {}
    empty = []
    for pair, step in np.ndindex(*order.shape):
        place = packed_slot(pair, step, len(order), array.pe.products)
        slot = int(order[pair, step])
        operand = int(permutation[slot]) if slot < len(permutation) else PADDING_SLOT
        if operand == PADDING_SLOT:
            empty.append(place)
            continue
        tap, channel = columns[operand]
        slots.setdefault((int(tap), int(positions[channel])), []).append(place)
    tiles = [
        w_steps(permuted, Tile(0, n, array.rows, min(array.cols, product.outputs - n)), array, product.threads)
        for n in range(0, product.outputs, array.cols)
    ]
    weights = packed(np.stack(tiles), len(order))
    return Operands(
        threads=product.threads,
        steps=order.shape[1],
        words=weights.shape[1],
        x_stride=0,
        slots=slots,
        empty=[] if _finds_zeros(config) else empty,
        weights=weights.reshape(*weights.shape[:2], config.weight_bytes),
    )


def _depthwise(layer: EngineLayer, product: Product, positions: np.ndarray, config: EngineConfig) -> Operands:
    """Tiles of block-diagonal weights (`sysmt.sim.nn.depthwise`), of the channels in one word of memory."""
    array, taps = config.array, layer.geometry.taps
    filters = product.outputs // layer.channels
    # By byte of the group's word, not by channel: a concatenation may leave bytes between its parts without one.
    tiles = -(-(int(positions.max()) + 1) * filters // array.cols)
    by_tile = [
        sorted({(n * array.cols + column) // filters for column in range(array.cols)})
        for n in range(min(config.granules * filters, tiles))
    ]
    inputs = max(map(len, by_tile))
    group = min(
        (
            ChannelGroup(first=0, channels=inputs, filters=1, taps=taps, threads=t)
            for t in THREADS
            if t <= product.threads
        ),
        key=lambda group: (group.steps(array.pe), group.threads),
    )
    order = golden_of(array.pe).k_order(group.k, array.pe, group.threads)
    slots: dict[tuple[int, int], list[Slot]] = {}
    empty = []
    words = -(-order.shape[1] * len(order) // array.pe.products)
    for pair, step in np.ndindex(*order.shape):
        channel, tap = divmod(int(order[pair, step]), taps)
        to, word = packed_slot(pair, step, len(order), array.pe.products)
        for n, inside in enumerate(by_tile):
            slot = to, n * words + word
            if channel < len(inside):
                slots.setdefault((tap, inside[channel]), []).append(slot)
            else:
                empty.append(slot)
    channel_at = {int(position): channel for channel, position in enumerate(positions)}
    weights = []
    for tile in range(tiles):
        word, n = divmod(tile, len(by_tile))
        matrix = np.zeros((group.k, array.cols), np.int8)
        for column in range(array.cols):
            byte, filter_ = divmod(n * array.cols + column, filters)
            channel = channel_at.get(word * config.word_bytes + byte, -1)
            if channel >= 0:
                first = by_tile[n].index(byte) * taps
                matrix[first : first + taps, column] = product.weights[:, channel * filters + filter_]
        weights.append(w_steps(matrix, Tile(0, 0, array.rows, array.cols), array, group.threads))
    laid = packed(np.stack(weights), len(order))
    return Operands(
        threads=group.threads,
        steps=order.shape[1],
        words=words,
        x_stride=words,
        slots=slots,
        empty=[] if _finds_zeros(config) else empty,
        weights=laid.reshape(tiles, words, config.weight_bytes),
    )


def packed_slot(pair: int, step: int, running: int, pairs: int) -> Slot:
    """Where the operand of a pair and step lies when `running` of an array's `pairs` run (`hdl/params/program.py`)."""
    word, part = divmod(step, pairs // running)
    return part * running + pair, word


def packed(weights: np.ndarray, running: int) -> np.ndarray:
    """Weights [tiles, steps, lanes, pairs] of `running` pairs, several steps in a word: [tiles, words, ...]."""
    tiles, steps, lanes, pairs = weights.shape
    ratio = pairs // running
    words = -(-steps // ratio)
    full = np.zeros((tiles, words * ratio, lanes, running), weights.dtype)
    full[:, :steps] = weights[..., :running]
    return full.reshape(tiles, words, ratio, lanes, running).swapaxes(2, 3).reshape(tiles, words, lanes, pairs)


def _finds_zeros(config: EngineConfig) -> bool:
    """Whether a weight of zero makes its thread idle, whatever the activation beside it is."""
    pe = config.array.pe
    return isinstance(pe, NbSmtConfig) and pe.rules.detects_zeros
