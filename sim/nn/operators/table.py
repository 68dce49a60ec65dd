# SPDX-License-Identifier: Apache-2.0
"""The operators of the intermediate form, by their names: how each is prepared, and what it reads as data."""

from collections.abc import Callable
from dataclasses import dataclass

from sysmt.sim.nn.arrays import Operation, Operations
from sysmt.sim.nn.graph import ABSENT, Graph, Node

from . import (
    arithmetic,
    blocks,
    choice,
    elementwise,
    lstm,
    moves,
    normalise,
    products,
    reductions,
    resize,
    slices,
    splits,
    svdf,
    tabulated,
)
from .linear import Linear

Prepare = Callable[[Graph, Node], Linear | Operation | Operations]


@dataclass(frozen=True)
class Operator:
    """One operator.

    Parameters
    ----------
    prepare : function of a graph and a node
        Checks the node and returns what it computes.
    data : tuple of int, optional
        The positions of inputs that are data where the others are parameters; all of them by default.
    """

    prepare: Prepare
    data: tuple[int, ...] | None = None

    def data_inputs(self, graph: Graph, node: Node) -> tuple[int, ...]:
        """The tensors that a node reads as data: its own, and behind them parameters that are computed."""
        if self.data is None:
            return node.inputs
        own = tuple(node.inputs[i] for i in self.data if i < len(node.inputs))
        rest = (tensor for i, tensor in enumerate(node.inputs) if i not in self.data and tensor != ABSENT)
        return (*own, *(tensor for tensor in rest if graph.tensors[tensor].data is None))


OPERATORS: dict[str, Operator] = {
    "ABS": Operator(elementwise.absolute),
    "ADD": Operator(arithmetic.add),
    "ARG_MAX": Operator(reductions.argument, (0,)),
    "ARG_MIN": Operator(reductions.argument, (0,)),
    "AVERAGE_POOL_2D": Operator(reductions.pool),
    "BATCH_MATMUL": Operator(products.batch_matmul),
    "BATCH_TO_SPACE_ND": Operator(blocks.batch_to_space, (0,)),
    "BROADCAST_TO": Operator(moves.broadcast, (0,)),
    "CAST": Operator(elementwise.cast),
    "CONCATENATION": Operator(moves.concatenation),
    "CONV_2D": Operator(products.product, (0,)),
    "DEPTHWISE_CONV_2D": Operator(products.product, (0,)),
    "DEPTH_TO_SPACE": Operator(blocks.depth_space),
    "DEQUANTIZE": Operator(elementwise.dequantize),
    "ELU": Operator(tabulated.tabulated),
    "EQUAL": Operator(choice.compare),
    "EXP": Operator(tabulated.tabulated),
    "EXPAND_DIMS": Operator(moves.reshape, (0,)),
    "FILL": Operator(moves.fill, (1,)),
    "FULLY_CONNECTED": Operator(products.product, (0,)),
    "GATHER": Operator(slices.gather, (0,)),
    "GATHER_ND": Operator(slices.gather_points, (0,)),
    "GELU": Operator(tabulated.tabulated),
    "GREATER": Operator(choice.compare),
    "GREATER_EQUAL": Operator(choice.compare),
    "HARD_SWISH": Operator(elementwise.hard_swish),
    "L2_NORMALIZATION": Operator(normalise.l2),
    "LEAKY_RELU": Operator(elementwise.leaky),
    "LESS": Operator(choice.compare),
    "LESS_EQUAL": Operator(choice.compare),
    "LOGICAL_AND": Operator(choice.logical),
    "LOGICAL_NOT": Operator(choice.logical),
    "LOGICAL_OR": Operator(choice.logical),
    "LOGISTIC": Operator(tabulated.tabulated),
    "LOG_SOFTMAX": Operator(reductions.softmax),
    "MAXIMUM": Operator(arithmetic.extreme),
    "MAX_POOL_2D": Operator(reductions.pool),
    "MEAN": Operator(reductions.mean, (0,)),
    "MINIMUM": Operator(arithmetic.extreme),
    "MIRROR_PAD": Operator(blocks.pad, (0,)),
    "MUL": Operator(arithmetic.mul),
    "NEG": Operator(elementwise.negative),
    "NOT_EQUAL": Operator(choice.compare),
    "PACK": Operator(moves.pack),
    "PAD": Operator(blocks.pad, (0,)),
    "PADV2": Operator(blocks.pad, (0,)),
    "PRELU": Operator(elementwise.prelu, (0,)),
    "QUANTIZE": Operator(elementwise.quantize),
    "REDUCE_MAX": Operator(reductions.extreme, (0,)),
    "REDUCE_MIN": Operator(reductions.extreme, (0,)),
    "REDUCE_PROD": Operator(reductions.product, (0,)),
    "RELU": Operator(elementwise.activation),
    "RELU6": Operator(elementwise.activation),
    "RELU_0_TO_1": Operator(elementwise.activation),
    "RELU_N1_TO_1": Operator(elementwise.activation),
    "RESHAPE": Operator(moves.reshape, (0,)),
    "RESIZE_BILINEAR": Operator(resize.bilinear, (0,)),
    "RESIZE_NEAREST_NEIGHBOR": Operator(resize.nearest, (0,)),
    "REVERSE_V2": Operator(slices.reverse, (0,)),
    "RSQRT": Operator(normalise.inverse_root),
    "SELECT": Operator(choice.select),
    "SELECT_V2": Operator(choice.select),
    "SLICE": Operator(slices.take, (0,)),
    "SOFTMAX": Operator(reductions.softmax),
    "SPACE_TO_BATCH_ND": Operator(blocks.space_to_batch, (0,)),
    "SPACE_TO_DEPTH": Operator(blocks.depth_space),
    "SPLIT": Operator(splits.split, (1,)),
    "SPLIT_V": Operator(splits.split, (0,)),
    "SQUARED_DIFFERENCE": Operator(arithmetic.squared_difference),
    "SQUEEZE": Operator(moves.reshape, (0,)),
    "STRIDED_SLICE": Operator(slices.take, (0,)),
    "SUB": Operator(arithmetic.add),
    "SUM": Operator(reductions.mean, (0,)),
    "SVDF": Operator(svdf.svdf, (0, 4)),
    "TANH": Operator(tabulated.tabulated),
    "TILE": Operator(moves.tile, (0,)),
    "TRANSPOSE": Operator(moves.transpose, (0,)),
    "TRANSPOSE_CONV": Operator(products.transposed, (2,)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Operator(lstm.sequence, (0, lstm.OUTPUT_STATE, lstm.CELL_STATE)),
    "UNPACK": Operator(splits.unpack),
}
