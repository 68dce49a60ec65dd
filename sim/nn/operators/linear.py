# SPDX-License-Identifier: Apache-2.0
"""Convolutions and fully connected layers as matrix products of unsigned activations, zero points folded.

`sum((x - z) w) = sum(u w) - zu sum(w)` with u = x + 128 and zu = z + 128: the array multiplies u, padding is filled
with zu, and the second term joins the bias.
"""

from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import Requantize
from sysmt.sim.nn.graph import ABSENT, Graph, Node, Tensor
from sysmt.sim.nn.scales import FULLY_CONNECTED_VARIANT, VARIANT, clamp, int8, multipliers
from sysmt.sim.nn.window import Window, window

LOWERED = 2**28
"""Most operands of one layer and input: bounds the memory."""

POINT = {"stride_h": 1, "stride_w": 1, "padding": "VALID"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """One layer that runs on the array.

    Parameters
    ----------
    name, kind : str
    window : Window
        A fully connected layer is a 1x1 window over a single pixel.
    weights : int8 [K, N], depthwise [kernel positions, N]
        K runs over kernel rows, kernel columns and input channels, the channels innermost.
    zero : int
        The activations' zero point as an unsigned number, 0 to 255.
    requantize : Requantize
        Its bias holds the folded zero point.
    repeat : int
        Outputs per input channel of a depthwise layer, else 1.
    rows : int
        Rows M of the product for one input.
    shape : tuple of int
        The output for one input, without the batch.
    """

    name: str
    kind: str
    window: Window
    weights: np.ndarray
    zero: int
    requantize: Requantize
    repeat: int
    rows: int
    shape: tuple[int, ...]

    @property
    def depthwise(self) -> bool:
        """Whether every channel has a product of its own, one column wide."""
        return self.kind == "DEPTHWISE_CONV_2D"

    @property
    def operands(self) -> int:
        """Activations that one row of the product, or of all channels' products, takes."""
        return self.weights.size if self.depthwise else self.weights.shape[0]

    @property
    def macs(self) -> int:
        """Multiplications for one input."""
        return self.rows * self.weights.size

    def lower(self, x: np.ndarray) -> np.ndarray:
        """The operand of the array: x int8 [B, ...] to uint8 [B * rows, K], depthwise [B * rows, positions, N]."""
        unsigned = np.ascontiguousarray(x).view(np.uint8) ^ np.uint8(128)
        if self.kind == "FULLY_CONNECTED":
            return unsigned.reshape(-1, self.weights.shape[0])
        if self.repeat > 1:
            unsigned = unsigned.repeat(self.repeat, axis=3)
        rows = self.window.lower(unsigned, self.zero)
        return rows if self.depthwise else rows.reshape(len(rows), -1)

    def finish(self, sums: np.ndarray, correction: np.ndarray | None = None) -> np.ndarray:
        """Bias, requantisation and clamp: sums int32 [B * rows, N] to int8 [B, ...].

        `correction` int64 [N] is added to the bias (recalibration).
        """
        if correction is not None:
            sums = sums.astype(np.int64) + correction
        return self.requantize(sums).astype(np.int8).reshape(-1, *self.shape)


def linear(graph: Graph, node: Node) -> Linear:
    """Prepare a CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED node."""
    x, w, y = graph.of(node, 0), graph.of(node, 1), graph.tensors[node.output]
    int8(node.name, x, y)
    stored = w.constant()
    if w.dtype != "int8" or w.zero_point.any() or not len(w.scale):
        raise UserError(f"{node.name} must have symmetric int8 weights, not {w.dtype} with a zero point; requantise it")
    if node.kind == "FULLY_CONNECTED":
        place, weights, rows = _fully_connected(node, x, stored)
    else:
        place, weights, rows = _convolution(node, x, stored)
    n = weights.shape[1]
    shape = (*place.out, n) if node.kind != "FULLY_CONNECTED" else y.shape[1:]
    if y.shape[1:] != shape or rows * n != np.prod(shape):
        raise UserError(f"{node.name} must write {shape} per input, not {y.shape}; the file is damaged")
    if rows * weights.size > LOWERED * n:
        raise UserError(f"{node.name} must have at most {LOWERED} operands per input, not {rows * weights.shape[0]}")
    zero = x.z + 128
    bias = _bias(graph, node, n) - zero * weights.astype(np.int64).sum(axis=0)
    variant = FULLY_CONNECTED_VARIANT if node.kind == "FULLY_CONNECTED" else VARIANT
    m, shift = multipliers(_scales(node, x, w, y, n), variant)
    low, high = clamp(node.options["activation"], y)
    requantize = Requantize(bias=bias, multiplier=m, shift=shift, zero_point=y.z, low=low, high=high, variant=variant)
    return Linear(
        name=y.name,
        kind=node.kind,
        window=place,
        weights=weights,
        zero=zero,
        requantize=requantize,
        repeat=n // x.shape[3] if node.kind == "DEPTHWISE_CONV_2D" else 1,
        rows=rows,
        shape=shape,
    )


def _fully_connected(node: Node, x: Tensor, stored: np.ndarray) -> tuple[Window, np.ndarray, int]:
    if node.options["weights_format"] != 0 or stored.ndim != 2:
        raise UserError(f"{node.name} must have plain [outputs, inputs] weights, not packed ones; export it plainly")
    values = int(np.prod(x.shape))
    if values % stored.shape[1]:
        raise UserError(f"{node.name} must read a multiple of {stored.shape[1]} values, not {x.shape}")
    return window(node.name, (1, 1), (1, 1), POINT), np.ascontiguousarray(stored.T), values // stored.shape[1]


def _convolution(node: Node, x: Tensor, stored: np.ndarray) -> tuple[Window, np.ndarray, int]:
    if len(x.shape) != 4 or stored.ndim != 4:
        raise UserError(f"{node.name} must read four dimensions, not {x.shape} with weights {stored.shape}")
    channels = x.shape[3]
    if node.kind == "DEPTHWISE_CONV_2D":
        fitting = stored.shape[0] == 1 and stored.shape[3] % channels == 0
        weights = stored.reshape(-1, stored.shape[3])
    else:
        fitting = stored.shape[3] == channels
        weights = np.ascontiguousarray(stored.reshape(stored.shape[0], -1).T)
    if not fitting:
        raise UserError(f"{node.name} must have weights for {channels} input channels, not {stored.shape}; ungroup it")
    place = window(node.name, x.shape[1:3], stored.shape[1:3], node.options)
    return place, weights, place.out[0] * place.out[1]


def _bias(graph: Graph, node: Node, n: int) -> np.ndarray:
    if len(node.inputs) < 3 or node.inputs[2] == ABSENT:
        return np.zeros(n, np.int64)
    bias = graph.of(node, 2)
    values = bias.constant()
    if bias.dtype != "int32" or values.shape != (n,):
        raise UserError(f"{node.name} must have int32 biases [{n}], not {bias.dtype} {list(values.shape)}")
    return values.astype(np.int64)


def _scales(node: Node, x: Tensor, w: Tensor, y: Tensor, n: int) -> np.ndarray:
    """Real scale of every output channel: float64 [N]."""
    if len(w.scale) not in (1, n):
        raise UserError(f"{node.name} must have 1 or {n} weight scales, not {len(w.scale)}; the file is damaged")
    if node.kind == "FULLY_CONNECTED" and len(w.scale) == 1:
        # The reference multiplies these two in float32 (GetQuantizedConvolutionMultipler).
        product = (x.scale * w.scale).astype(np.float64)
    else:
        product = x.scale.astype(np.float64) * w.scale.astype(np.float64)
    return np.broadcast_to(product / y.scale.astype(np.float64), n)
