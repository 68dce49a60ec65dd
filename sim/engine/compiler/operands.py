# SPDX-License-Identifier: Apache-2.0
"""Where the operands of a matrix product go: steps and operand pairs for activations, words of weights."""

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.layer import EngineLayer, Product
from sysmt.sim.golden.tiling import Tile, w_steps
from sysmt.sim.nn.permutation import PADDING_SLOT

from .depthwise import depthwise_operands
from .slots import Operands, Slot, finds_zeros, operand_order, packed, packed_slot, stored


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
    return (depthwise_operands if product.depthwise else _dense)(layer, product, positions, config)


def _dense(layer: EngineLayer, product: Product, positions: np.ndarray, config: EngineConfig) -> Operands:
    array = config.array
    w, permutation, columns = product.weights, product.permutation, product.columns
    if columns is None:
        columns = np.stack(np.divmod(np.arange(len(w)), layer.channels), axis=1)
    if permutation is None:
        permutation = np.arange(len(w))
    permuted = w.take(permutation, axis=0, mode="wrap")
    permuted[permutation == PADDING_SLOT] = 0
    order = operand_order(len(permuted), array.pe, product.threads)
    slots: dict[tuple[int, int], list[Slot]] = {}
    empty = []
    for pair, step in np.ndindex(*order.shape):
        place = packed_slot(pair, step, len(order), array.pe.products)
        slot = int(order[pair, step])
        operand = int(permutation[slot]) if slot >= 0 else PADDING_SLOT
        if operand == PADDING_SLOT:
            empty.append(place)
            continue
        tap, channel = columns[operand]
        slots.setdefault((int(tap), int(positions[channel])), []).append(place)
    tiles = [
        w_steps(permuted, Tile(0, n, array.rows, min(array.cols, product.outputs - n)), array, product.threads)
        for n in range(0, product.outputs, array.cols)
    ]
    weights = stored(packed(np.stack(tiles), len(order)), product.threads, config)
    return Operands(
        threads=product.threads,
        steps=order.shape[1],
        words=weights.shape[1],
        x_stride=0,
        x_words=weights.shape[1],
        slots=slots,
        empty=[] if finds_zeros(config) else empty,
        weights=weights,
    )
