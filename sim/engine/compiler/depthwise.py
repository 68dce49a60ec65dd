# SPDX-License-Identifier: Apache-2.0
"""Operands of depthwise layers: tiles of block-diagonal weights, of the channels in one word of memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.sim.engine.layer import EngineLayer, Product
from sysmt.sim.golden.tiling import Tile, w_steps
from sysmt.sim.nn.depthwise import ChannelGroup

from .slots import Operands, Slot, finds_zeros, operand_order, packed, packed_slot, stored


@dataclass(frozen=True, kw_only=True)
class DepthwiseTiles:
    """The tiles that the engine makes of a depthwise layer.

    Parameters
    ----------
    group : ChannelGroup
        The channels of one tile, on the threads that it runs on.
    parts : int
        Tiles that compute the channels of one tile of the output: pixels of a patch.
    words, x_stride : int
        Words of operands of one tile, and from one tile to the next in the operand buffer.
    """

    group: ChannelGroup
    parts: int
    words: int
    x_stride: int


def depthwise_tiles(layer: EngineLayer, product: Product, inputs: int, config: EngineConfig) -> DepthwiseTiles:
    """The fastest way for `inputs` channels in a tile, or with patches for those that the engine has in a part."""
    pe, parts = config.array.pe, layer.patch[0] * layer.patch[1]
    group = min(
        (
            ChannelGroup(
                first=0,
                channels=inputs if parts == 1 else config.patch_channels,
                filters=parts,
                taps=layer.window.taps,
                threads=t,
            )
            for t in THREADS
            if t <= product.threads
        ),
        key=lambda group: (group.steps(pe), group.threads),
    )
    running = operand_order(group.k, pe, group.threads).shape[0]
    words = -(-group.steps(pe) * running // pe.products)
    # Neighbouring channels that are in different parts must not be in the same bank of the operand buffer.
    spread = parts > 1 and group.channels < config.fill and words % 2 == 0
    return DepthwiseTiles(group=group, parts=parts, words=words, x_stride=words + spread)


def depthwise_operands(layer: EngineLayer, product: Product, positions: np.ndarray, config: EngineConfig) -> Operands:
    """Lay out the operands of a depthwise layer; as `sysmt.sim.engine.compiler.operands.operands`."""
    array = config.array
    filters = product.outputs // layer.channels
    # By byte of the group's word, not by channel: a concatenation may leave bytes between its parts without one.
    tiles = -(-(int(positions.max()) + 1) * filters // array.cols)
    by_tile = list(_bytes_of_tiles(layer, filters, min(config.granules * filters, tiles), config))
    made = depthwise_tiles(layer, product, max(map(len, by_tile)), config)
    group = made.group
    order = operand_order(group.k, array.pe, group.threads)
    channel_of, tap_of = _reduction(group)
    slots: dict[tuple[int, int], list[Slot]] = {}
    empty = []
    for pair, step in np.ndindex(*order.shape):
        at = int(order[pair, step])
        channel, tap = int(channel_of[at]), int(tap_of[at])
        to, word = packed_slot(pair, step, len(order), array.pe.products)
        for n, inside in enumerate(by_tile):
            slot = to, n * made.x_stride + word
            if at >= 0 and channel < len(inside):
                slots.setdefault((tap, inside[channel]), []).append(slot)
            else:
                empty.append(slot)
    weights = np.stack(list(_weights(layer, product, positions, by_tile, made, tiles, config)))
    return Operands(
        threads=group.threads,
        steps=order.shape[1],
        words=made.words,
        x_stride=made.x_stride,
        x_words=(len(by_tile) - 1) * made.x_stride + made.words,
        slots=slots,
        empty=[] if finds_zeros(config) else empty,
        weights=stored(packed(weights, len(order)), group.threads, config),
    )


def _bytes_of_tiles(layer: EngineLayer, filters: int, tiles: int, config: EngineConfig) -> Iterator[list[int]]:
    """Bytes of the group's word whose channels a tile computes, for every tile of a group, or part of one."""
    cols = config.array.cols
    if layer.patch == (1, 1):
        for n in range(tiles):
            yield sorted({(n * cols + column) // filters for column in range(cols)})
        return
    for first in range(0, tiles * cols, config.patch_channels):
        yield list(range(first, first + config.patch_channels))


def _reduction(group: ChannelGroup) -> tuple[np.ndarray, np.ndarray]:
    """Channel and tap of every slot of K: those of channels that do not exist are zeros.

    A thread goes through all its channels tap by tap where every channel has one thread: neighbouring channels are then
    in different banks of the operand buffer. Else one channel follows the other (`sysmt.sim.nn.depthwise`).
    """
    at = np.arange(group.k)
    whole, rest = divmod(max(group.channels, group.threads), group.threads)
    if rest:
        channel, tap = np.divmod(at, group.taps)
        return channel, tap
    thread, inside = np.divmod(at, whole * group.taps)
    tap, channel = np.divmod(inside, whole)
    return thread * whole + channel, tap


def _weights(
    layer: EngineLayer,
    product: Product,
    positions: np.ndarray,
    by_tile: list[list[int]],
    made: DepthwiseTiles,
    tiles: int,
    config: EngineConfig,
) -> Iterator[np.ndarray]:
    """Weights of every tile, or part of one, as the array takes them: int8 [steps, lanes, pairs]."""
    array, group, pixels = config.array, made.group, made.parts
    filters = product.outputs // layer.channels
    # int8 [taps, columns of a channel, channels]
    w = layer.lowering.w(product.weights).reshape(group.taps, layer.channels, pixels * filters).swapaxes(1, 2)
    channel_at = {int(position): channel for channel, position in enumerate(positions)}
    channel_of, tap_of = _reduction(group)
    for tile in range(tiles * pixels):
        word, n = divmod(tile, len(by_tile))
        matrix = np.zeros((group.k, array.cols), np.int8)
        for column in range(array.cols):
            if pixels > 1:
                filter_, inside = divmod(column, group.channels)
                byte = by_tile[n][inside]
            else:
                byte, filter_ = divmod(n * array.cols + column, filters)
                inside = by_tile[n].index(byte)
            channel = channel_at.get(word * config.word_bytes + byte, -1)
            if channel >= 0:
                mine = channel_of == inside
                matrix[mine, column] = w[tap_of[mine], filter_, channel]
        yield w_steps(matrix, Tile(0, 0, array.rows, array.cols), array, group.threads)
