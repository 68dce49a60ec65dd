# SPDX-License-Identifier: Apache-2.0
"""Convolutions and fully connected layers as matrix products of unsigned activations, zero points folded.

`sum((x - z) w) = sum(u w) - zu sum(w)` with u = x + 128 and zu = z + 128: the array multiplies u, padding is filled
with zu, and the second term joins the bias.
"""

from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.sparq import GROUP, KEPT
from sysmt.sim.golden.requantize import Requantize
from sysmt.sim.golden.sparq_stc import is_sparse
from sysmt.sim.nn.arrays import joined
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.graph import ABSENT, TENSOR_VALUES, Graph, Node, Tensor
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.scales import FULLY_CONNECTED_VARIANT, LIMITS, VARIANT, clamp, eight_bits, multipliers

from .floating import FloatRequantize, is_float
from .window import window

LOWERED = 2**28
"""Most operands of one layer and input: bounds the memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AddBias:
    """Stands where others requantise, in a last layer whose sums are the scores: only the bias is added.

    Parameters
    ----------
    bias : int32 [N]
    """

    bias: np.ndarray

    @property
    def scale(self) -> np.ndarray:
        """The real scale, float64 [N]: none."""
        return np.ones(len(self.bias))

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """Sums int32 [..., N] to int64 [..., N]."""
        scores: np.ndarray = sums.astype(np.int64) + self.bias
        return scores


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear:
    """One layer that runs on the array, with its weights and the arithmetic around its products.

    Parameters
    ----------
    layer : Layer
    weights : int8 [K, N], depthwise [taps, N]
        K runs over kernel rows, kernel columns and input channels, the channels innermost.
    zero : int
        The activations' zero point as an unsigned number, 0 to 255.
    weight_zero : int
        The weights' zero point; what it takes off the sums follows from the sums of the operands (`finish`).
    requantize : Requantize, FloatRequantize or AddBias
        Its bias holds the folded zero point.
    shape : tuple of int
        The output for one input, without a batch of 1.
    dtype : str
        Of the output.
    """

    layer: Layer
    weights: np.ndarray
    zero: int
    requantize: Requantize | FloatRequantize | AddBias
    shape: tuple[int, ...]
    dtype: str = "int8"
    weight_zero: int = 0

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name

    @property
    def depthwise(self) -> bool:
        """Whether every channel has a product of its own, one column wide for each of its filters."""
        return self.layer.per_channel

    @property
    def rows(self) -> int:
        """Rows M of the product for one input."""
        return self.layer.pixels

    @property
    def operands(self) -> int:
        """Activations that one row of the product, or of all channels' products, takes."""
        return self.layer.geometry.taps * self.layer.channels

    @property
    def sparsity(self) -> tuple[int, int]:
        """N:M of the weights, along K: 2:4 where each group of four has two at most, else 4:4."""
        found = not self.depthwise and is_sparse(self.weights)
        return KEPT if found else GROUP, GROUP

    def im2col(self, x: np.ndarray) -> np.ndarray:
        """The operand of the array: x int8 or uint8 [B, ...] to uint8 [B * rows, K], depthwise [B * rows, taps, C]."""
        unsigned = np.ascontiguousarray(x)
        if x.dtype == np.int8:
            unsigned = unsigned.view(np.uint8) ^ np.uint8(128)
        image = unsigned.reshape(-1, *self.layer.geometry.size, self.layer.channels)
        rows = self.layer.geometry.im2col(image, self.zero)
        return rows if self.depthwise else rows.reshape(len(rows), -1)

    def finish(
        self, sums: np.ndarray, correction: np.ndarray | None = None, operands: np.ndarray | None = None
    ) -> np.ndarray:
        """Bias, requantisation and clamp: sums int32 [B * rows, N] to the output [B, ...].

        `correction` int64 [N] is added to the bias (recalibration). `operands`: what `im2col` gave, in any order of K;
        needed where `weight_zero` is not 0.
        """
        if correction is not None or self.weight_zero:
            sums = sums.astype(np.int64)
        if correction is not None:
            sums = sums + correction
        if self.weight_zero:
            if operands is None:
                raise ValueError(f"{self.name} needs its operands: the zero point of its weights is not 0")
            taken = operands.sum(axis=1, dtype=np.int64).reshape(len(sums), -1)
            sums = sums - self.weight_zero * taken.repeat(sums.shape[1] // taken.shape[1], axis=1)
        # The accumulator wraps, and so do the reference kernels': only the sum with the bias has to fit.
        bias = np.asarray(self.requantize.bias, np.int64)
        if not isinstance(self.requantize, AddBias):
            sums = wrapped(sums.astype(np.int64) + bias) - bias
        return self.requantize(sums).astype(self.dtype).reshape(-1, *self.shape)


def wrapped(values: np.ndarray) -> np.ndarray:
    """Integers as 32 bits hold them, int64."""
    return values.astype(np.int32).astype(np.int64)


def linear(graph: Graph, node: Node) -> Linear:
    """Prepare a CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED node."""
    x, w, y = graph.input_of(node, 0), graph.input_of(node, 1), graph.tensors[node.output]
    eight_bits(node.name, x, y)
    stored = weights_of(node, w)
    if w.dtype not in LIMITS or not len(w.scale):
        raise UserError(f"{node.name} must have weights of 8 bits with a scale, not {w.dtype}; quantise the model")
    stored, weight_zero = signed(node, w, stored)
    if node.kind == "FULLY_CONNECTED":
        layer, weights = fully_connected(node, y.name, x, stored)
    else:
        layer, weights = convolution(node, y.name, x, stored)
    n, rows = layer.outputs, layer.pixels
    whole = (x.shape[0], *layer.out_size, n) if node.kind != "FULLY_CONNECTED" else y.shape
    if y.shape != whole or rows * n != np.prod(whole):
        raise UserError(f"{node.name} must write {whole[1:]} per input, not {y.shape}; the file is damaged")
    if rows * len(weights) > LOWERED:
        raise UserError(f"{node.name} must have at most {LOWERED} operands per input, not {rows * len(weights)}")
    zero = x.z - LIMITS[x.dtype][0]
    bias = _bias(graph, node, n) - zero * (weights.astype(np.int64) - weight_zero).sum(axis=0)
    variant = variant_of(node)
    low, high = clamp(node.options["activation"], y)
    requantize: Requantize | FloatRequantize
    if is_float(node):
        # One product and one division, both in single precision.
        real = np.broadcast_to(x.scale[0] * w.scale / y.scale[0], n)
        requantize = FloatRequantize(bias=wrapped(bias), scale=real, zero_point=y.z, low=low, high=high)
    else:
        m, shift = multipliers(scales(node, x, w, y, n), variant)
        requantize = Requantize(
            bias=wrapped(bias), multiplier=m, shift=shift, zero_point=y.z, low=low, high=high, variant=variant
        )
    return Linear(
        layer=layer,
        weights=weights,
        zero=zero,
        requantize=requantize,
        shape=joined(y.shape),
        dtype=y.dtype,
        weight_zero=weight_zero,
    )


def variant_of(node: Node) -> str:
    """How a layer's requantisation rounds (`sysmt.sim.golden.requantize`)."""
    usual = FULLY_CONNECTED_VARIANT if node.kind == "FULLY_CONNECTED" else VARIANT
    return str(node.options.get("variant", usual))


def weights_of(node: Node, w: Tensor) -> np.ndarray:
    """The weights as they are stored."""
    stored = w.constant()
    if not stored.size:
        raise UserError(f"{node.name} must have weights, not none of shape {stored.shape}; the file is damaged")
    return stored


def signed(node: Node, w: Tensor, stored: np.ndarray) -> tuple[np.ndarray, int]:
    """Weights as int8 and their zero point: 0 where the weights without it fit in int8."""
    zeros = np.unique(w.zero_point)
    if len(zeros) != 1:
        raise UserError(f"{node.name} must have one zero point of its weights, not {len(zeros)}; requantise the model")
    zero = int(zeros[0])
    centred = stored.astype(np.int16) - np.int16(zero)
    if centred.min() >= -128 and centred.max() <= 127:
        return centred.astype(np.int8), 0
    if w.dtype == "uint8":
        return (stored ^ np.uint8(128)).view(np.int8), zero - 128
    return stored, zero


def fully_connected(node: Node, name: str, x: Tensor, stored: np.ndarray) -> tuple[Layer, np.ndarray]:
    if node.options["weights_format"] != 0 or stored.ndim != 2:
        raise UserError(f"{node.name} must have plain [outputs, inputs] weights, not packed ones; export it plainly")
    outputs, channels = stored.shape
    values = int(np.prod(x.shape))
    if values % channels:
        raise UserError(f"{node.name} must read a multiple of {channels} values, not {x.shape}")
    geometry = Geometry(size=(values // channels, 1))
    layer = Layer(name=name, kind="fc", geometry=geometry, channels=channels, outputs=outputs, bias=has_bias(node))
    return layer, np.ascontiguousarray(stored.T)


def convolution(node: Node, name: str, x: Tensor, stored: np.ndarray) -> tuple[Layer, np.ndarray]:
    if len(x.shape) != 4 or stored.ndim != 4:
        raise UserError(f"{node.name} must read four dimensions, not {x.shape} with weights {stored.shape}")
    batch, height, width, channels = x.shape
    _, down, across, last = stored.shape
    if node.kind == "DEPTHWISE_CONV_2D":
        fitting = stored.shape[0] == 1 and last % channels == 0
        weights, kind = stored.reshape(-1, last), "depthwise"
    else:
        fitting = 0 < last <= channels and channels % last == 0 and stored.shape[0] % (channels // last) == 0
        stored = ungrouped(node, stored, channels) if fitting and last < channels else stored
        weights = np.ascontiguousarray(stored.reshape(stored.shape[0], -1).T)
        kind = "pointwise" if (down, across) == (1, 1) else "conv"
    if not fitting:
        raise UserError(f"{node.name} must have weights for {channels} input channels, not {stored.shape}; ungroup it")
    geometry = window(node.name, (height, width), (down, across), node.options)
    outputs, bias = weights.shape[1], has_bias(node)
    layer = Layer(name=name, kind=kind, geometry=geometry, channels=channels, outputs=outputs, batch=batch, bias=bias)
    return layer, weights


def ungrouped(node: Node, stored: np.ndarray, channels: int) -> np.ndarray:
    """Weights of a grouped convolution for all channels: zeros for those of other groups."""
    outputs, *kernel, own = stored.shape
    if outputs * kernel[0] * kernel[1] * channels > TENSOR_VALUES:
        raise UserError(
            f"{node.name} must have at most {TENSOR_VALUES} weights when its groups are one, not {stored.shape}"
        )
    groups = channels // own
    dense = np.zeros((groups, outputs // groups, *kernel, groups, own), np.int8)
    for group, part in enumerate(stored.reshape(groups, -1, *kernel, own)):
        dense[group, :, :, :, group] = part
    return dense.reshape(outputs, *kernel, channels)


def has_bias(node: Node) -> bool:
    return len(node.inputs) > 2 and node.inputs[2] != ABSENT


def _bias(graph: Graph, node: Node, n: int) -> np.ndarray:
    if not has_bias(node):
        return np.zeros(n, np.int64)
    bias = graph.input_of(node, 2)
    values = bias.constant()
    if bias.dtype != "int32" or values.shape != (n,):
        raise UserError(f"{node.name} must have int32 biases [{n}], not {bias.dtype} {list(values.shape)}")
    return values.astype(np.int64)


def scales(node: Node, x: Tensor, w: Tensor, y: Tensor, n: int) -> np.ndarray:
    """Real scale of every output channel: float64 [N]."""
    if len(w.scale) not in (1, n):
        raise UserError(f"{node.name} must have 1 or {n} weight scales, not {len(w.scale)}; the file is damaged")
    product = x.scale.astype(np.float64) * w.scale.astype(np.float64)
    return np.broadcast_to(product / y.scale.astype(np.float64), n)
