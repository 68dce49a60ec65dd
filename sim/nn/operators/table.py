# SPDX-License-Identifier: Apache-2.0
"""The operators of the intermediate form, by their names: how each is prepared, and what it reads as data."""

from collections.abc import Callable
from dataclasses import dataclass
from sys import maxsize

from sysmt.base.errors import UserError
from sysmt.sim.nn.arrays import Operation, Operations
from sysmt.sim.nn.graph import ABSENT, Graph, Node

from . import (
    arithmetic,
    blocks,
    choice,
    division,
    elementwise,
    lstm,
    moves,
    normalise,
    ordering,
    products,
    reductions,
    resize,
    slices,
    splits,
    svdf,
    tabulated,
)
from .linear import Linear

ANY = maxsize
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
    inputs : int
        Most inputs.
    """

    prepare: Prepare
    data: tuple[int, ...] | None = None
    inputs: int = 1

    def data_inputs(self, graph: Graph, node: Node) -> tuple[int, ...]:
        """The tensors that a node reads as data: its own, and behind them parameters that are computed.

        Raises
        ------
        UserError
            There are more inputs than the operator has.
        """
        if len(node.inputs) > self.inputs:
            raise UserError(
                f"{node.name} must have at most {self.inputs} inputs, not {len(node.inputs)}; the file is damaged"
            )
        if self.data is None:
            return node.inputs
        own = tuple(node.inputs[i] for i in self.data if i < len(node.inputs))
        rest = (tensor for i, tensor in enumerate(node.inputs) if i not in self.data and tensor != ABSENT)
        return (*own, *(tensor for tensor in rest if graph.tensors[tensor].data is None))


OPERATORS: dict[str, Operator] = {
    "ABS": Operator(elementwise.absolute),
    "ADD": Operator(arithmetic.add, inputs=2),
    "ARG_MAX": Operator(reductions.argument, (0,), inputs=2),
    "ARG_MIN": Operator(reductions.argument, (0,), inputs=2),
    "AVERAGE_POOL_2D": Operator(reductions.pool),
    "BATCH_MATMUL": Operator(products.batch_matmul, inputs=2),
    "BATCH_TO_SPACE_ND": Operator(blocks.batch_to_space, (0,), inputs=3),
    "BROADCAST_TO": Operator(moves.broadcast, (0,), inputs=2),
    "CAST": Operator(elementwise.cast),
    "CONCATENATION": Operator(moves.concatenation, inputs=ANY),
    "CONV_2D": Operator(products.product, (0,), inputs=3),
    "DEPTHWISE_CONV_2D": Operator(products.product, (0,), inputs=3),
    "CUMSUM": Operator(ordering.cumulative, (0,), inputs=2),
    "DEPTH_TO_SPACE": Operator(blocks.depth_space),
    "DEQUANTIZE": Operator(elementwise.dequantize),
    "DIV": Operator(division.divide, inputs=2),
    "ELU": Operator(tabulated.tabulated),
    "EMBEDDING_LOOKUP": Operator(slices.embedding, (0,), inputs=2),
    "EQUAL": Operator(choice.compare, inputs=2),
    "EXP": Operator(tabulated.tabulated),
    "EXPAND_DIMS": Operator(moves.reshape, (0,), inputs=2),
    "FILL": Operator(moves.fill, (1,), inputs=2),
    "FLOOR_DIV": Operator(division.floor, inputs=2),
    "FLOOR_MOD": Operator(division.floor, inputs=2),
    "FULLY_CONNECTED": Operator(products.product, (0,), inputs=3),
    "GATHER": Operator(slices.gather, (0,), inputs=2),
    "GATHER_ND": Operator(slices.gather_points, (0,), inputs=2),
    "GELU": Operator(tabulated.tabulated),
    "GREATER": Operator(choice.compare, inputs=2),
    "GREATER_EQUAL": Operator(choice.compare, inputs=2),
    "HARD_SWISH": Operator(elementwise.hard_swish),
    "L2_NORMALIZATION": Operator(normalise.l2),
    "LEAKY_RELU": Operator(elementwise.leaky),
    "LESS": Operator(choice.compare, inputs=2),
    "LESS_EQUAL": Operator(choice.compare, inputs=2),
    "LOG": Operator(tabulated.tabulated),
    "LOGICAL_AND": Operator(choice.logical, inputs=2),
    "LOGICAL_NOT": Operator(choice.logical),
    "LOGICAL_OR": Operator(choice.logical, inputs=2),
    "LOGISTIC": Operator(tabulated.tabulated),
    "LOG_SOFTMAX": Operator(reductions.softmax),
    "MAXIMUM": Operator(arithmetic.extreme, inputs=2),
    "MAX_POOL_2D": Operator(reductions.pool),
    "MEAN": Operator(reductions.mean, (0,), inputs=2),
    "MINIMUM": Operator(arithmetic.extreme, inputs=2),
    "MIRROR_PAD": Operator(blocks.pad, (0,), inputs=2),
    "MUL": Operator(arithmetic.mul, inputs=2),
    "NEG": Operator(elementwise.negative),
    "NOT_EQUAL": Operator(choice.compare, inputs=2),
    "ONE_HOT": Operator(ordering.one_hot, (0,), inputs=4),
    "PACK": Operator(moves.pack, inputs=ANY),
    "PAD": Operator(blocks.pad, (0,), inputs=2),
    "PADV2": Operator(blocks.pad, (0,), inputs=3),
    "PRELU": Operator(elementwise.prelu, (0,), inputs=2),
    "QUANTIZE": Operator(elementwise.quantize),
    "REDUCE_ALL": Operator(reductions.logical, (0,), inputs=2),
    "REDUCE_ANY": Operator(reductions.logical, (0,), inputs=2),
    "REDUCE_MAX": Operator(reductions.extreme, (0,), inputs=2),
    "REDUCE_MIN": Operator(reductions.extreme, (0,), inputs=2),
    "REDUCE_PROD": Operator(reductions.product, (0,), inputs=2),
    "RELU": Operator(elementwise.activation),
    "RELU6": Operator(elementwise.activation),
    "RELU_0_TO_1": Operator(elementwise.activation),
    "RELU_N1_TO_1": Operator(elementwise.activation),
    "RESHAPE": Operator(moves.reshape, (0,), inputs=2),
    "RESIZE_BILINEAR": Operator(resize.bilinear, (0,), inputs=2),
    "RESIZE_NEAREST_NEIGHBOR": Operator(resize.nearest, (0,), inputs=2),
    "REVERSE_V2": Operator(slices.reverse, (0,), inputs=2),
    "RSQRT": Operator(normalise.inverse_root),
    "SELECT": Operator(choice.select, inputs=3),
    "SELECT_V2": Operator(choice.select, inputs=3),
    "SLICE": Operator(slices.take, (0,), inputs=3),
    "SOFTMAX": Operator(reductions.softmax),
    "SPACE_TO_BATCH_ND": Operator(blocks.space_to_batch, (0,), inputs=3),
    "SPACE_TO_DEPTH": Operator(blocks.depth_space),
    "SPLIT": Operator(splits.split, (1,), inputs=2),
    "SPLIT_V": Operator(splits.split, (0,), inputs=3),
    "SQUARED_DIFFERENCE": Operator(arithmetic.squared_difference, inputs=2),
    "SQUEEZE": Operator(moves.reshape, (0,)),
    "STRIDED_SLICE": Operator(slices.take, (0,), inputs=4),
    "SUB": Operator(arithmetic.add, inputs=2),
    "SUM": Operator(reductions.mean, (0,), inputs=2),
    "SVDF": Operator(svdf.svdf, (0, 4), inputs=5),
    "TANH": Operator(tabulated.tabulated),
    "TILE": Operator(moves.tile, (0,), inputs=2),
    "TOPK_V2": Operator(ordering.largest, (0,), inputs=2),
    "TRANSPOSE": Operator(moves.transpose, (0,), inputs=2),
    "TRANSPOSE_CONV": Operator(products.transposed, (2,), inputs=4),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Operator(lstm.sequence, (0, lstm.OUTPUT_STATE, lstm.CELL_STATE), inputs=24),
    "UNPACK": Operator(splits.unpack),
}
