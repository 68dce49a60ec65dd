# SPDX-License-Identifier: Apache-2.0
"""The operators of the intermediate form, by their names: how each is prepared, and what it reads as data."""

from collections.abc import Callable
from dataclasses import dataclass

from sysmt.sim.nn.arrays import Operation, Operations
from sysmt.sim.nn.graph import Graph, Node

from . import arithmetic, elementwise, moves, reductions, resize, splits
from .linear import Linear, linear

Prepare = Callable[[Graph, Node], Linear | Operation | Operations]


@dataclass(frozen=True)
class Operator:
    """One operator.

    Parameters
    ----------
    prepare : function of a graph and a node
        Checks the node and returns what it computes.
    data : int, optional
        How many inputs are data where the others are parameters; all of them by default.
    first : int
        The first that is data.
    """

    prepare: Prepare
    data: int | None = None
    first: int = 0

    def data_inputs(self, node: Node) -> tuple[int, ...]:
        """The tensors that a node reads as data."""
        return node.inputs[self.first : None if self.data is None else self.first + self.data]


OPERATORS: dict[str, Operator] = {
    "ABS": Operator(elementwise.absolute),
    "ADD": Operator(arithmetic.add),
    "ARG_MAX": Operator(reductions.argument, 1),
    "ARG_MIN": Operator(reductions.argument, 1),
    "AVERAGE_POOL_2D": Operator(reductions.pool),
    "BATCH_TO_SPACE_ND": Operator(moves.batch_to_space, 1),
    "BROADCAST_TO": Operator(moves.broadcast, 1),
    "CAST": Operator(elementwise.cast),
    "CONCATENATION": Operator(moves.concatenation),
    "CONV_2D": Operator(linear, 1),
    "DEPTHWISE_CONV_2D": Operator(linear, 1),
    "DEPTH_TO_SPACE": Operator(moves.depth_space),
    "DEQUANTIZE": Operator(elementwise.dequantize),
    "ELU": Operator(elementwise.tabulated),
    "EXPAND_DIMS": Operator(moves.reshape, 1),
    "FILL": Operator(moves.fill, 1, first=1),
    "FULLY_CONNECTED": Operator(linear, 1),
    "GATHER": Operator(moves.gather, 1),
    "HARD_SWISH": Operator(elementwise.hard_swish),
    "LEAKY_RELU": Operator(elementwise.leaky),
    "LOGISTIC": Operator(elementwise.tabulated),
    "MAXIMUM": Operator(arithmetic.extreme),
    "MAX_POOL_2D": Operator(reductions.pool),
    "MEAN": Operator(reductions.mean, 1),
    "MINIMUM": Operator(arithmetic.extreme),
    "MIRROR_PAD": Operator(moves.pad, 1),
    "MUL": Operator(arithmetic.mul),
    "NEG": Operator(elementwise.negative),
    "PACK": Operator(moves.pack),
    "PAD": Operator(moves.pad, 1),
    "PADV2": Operator(moves.pad, 1),
    "PRELU": Operator(elementwise.prelu, 1),
    "QUANTIZE": Operator(elementwise.quantize),
    "REDUCE_MAX": Operator(reductions.extreme, 1),
    "REDUCE_MIN": Operator(reductions.extreme, 1),
    "REDUCE_PROD": Operator(reductions.product, 1),
    "RELU": Operator(elementwise.activation),
    "RELU6": Operator(elementwise.activation),
    "RELU_0_TO_1": Operator(elementwise.activation),
    "RELU_N1_TO_1": Operator(elementwise.activation),
    "RESHAPE": Operator(moves.reshape, 1),
    "RESIZE_BILINEAR": Operator(resize.bilinear, 1),
    "RESIZE_NEAREST_NEIGHBOR": Operator(resize.nearest, 1),
    "SLICE": Operator(moves.take, 1),
    "SOFTMAX": Operator(reductions.softmax),
    "SPACE_TO_BATCH_ND": Operator(moves.space_to_batch, 1),
    "SPACE_TO_DEPTH": Operator(moves.depth_space),
    "SPLIT": Operator(splits.split, 1, first=1),
    "SPLIT_V": Operator(splits.split, 1),
    "SQUARED_DIFFERENCE": Operator(arithmetic.squared_difference),
    "SQUEEZE": Operator(moves.reshape, 1),
    "STRIDED_SLICE": Operator(moves.take, 1),
    "SUB": Operator(arithmetic.add),
    "SUM": Operator(reductions.mean, 1),
    "TANH": Operator(elementwise.tabulated),
    "TILE": Operator(moves.tile, 1),
    "TRANSPOSE": Operator(moves.transpose, 1),
    "UNPACK": Operator(splits.unpack),
}
