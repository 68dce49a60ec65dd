# SPDX-License-Identifier: Apache-2.0
"""Layers as the engine runs them, before they have addresses: what to read, multiply, rescale, add and write."""

from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.program import Operation
from sysmt.sim.nn.depthwise_patches import DepthwiseLowering
from sysmt.sim.nn.geometry import Geometry, Pair


class DoesNotFitError(UserError):
    """A network that takes more memory, or layers, than an engine has."""


Image = tuple[int, int, int]
"""Height, width and channels of a tensor, as pixels that lie one after the other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rescaling:
    """From sums to int8: `clamp(zero_point + multiply(sum + bias, multiplier, shift), low, high)`.

    Parameters
    ----------
    bias, multiplier, shift : int64 [N]
    zero_point, low, high : int
        Of int8; unsigned activations are 128 lower here.
    double : bool
        The variant that rounds twice (`sysmt.sim.golden.requantize`).
    """

    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    zero_point: int
    low: int
    high: int
    double: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Addition:
    """An ADD behind a layer: its own result and a residual, each rescaled, summed and rescaled again.

    Parameters
    ----------
    residual : int
        The tensor that is added.
    main, other, total : (int, int)
        Multiplier and shift of the layer's own result, of the residual, and of their sum.
    main_zero, residual_zero, zero_point, low, high : int
        Zero points of the two addends and of the sum, and the clamp of the sum.
    """

    residual: int
    main: tuple[int, int]
    other: tuple[int, int]
    total: tuple[int, int]
    main_zero: int
    residual_zero: int
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Product:
    """The weights of a matrix product, and how it runs.

    Parameters
    ----------
    weights : int8 [K, N], of one filter per channel [taps, N]
        In the natural order of K: kernel rows, kernel columns, input channels.
    depthwise : bool
        Every output channel sees a single input channel.
    threads : int
        Threads that the operands are spread over.
    permutation : int64 [slots] or None
        As in `sysmt.sim.nn.forward.LayerPlan`.
    columns : int64 [K, 2] or None
        Tap of the window and channel of the source of every operand, where these are not the natural order.
    """

    weights: np.ndarray
    depthwise: bool
    threads: int
    permutation: np.ndarray | None = None
    columns: np.ndarray | None = None

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.weights.shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class EngineLayer:
    """One layer of the program.

    Parameters
    ----------
    name : str
        Of the tensor that it computes.
    kind : str
        The operator that it stands for; with ` + ADD` where one is fused behind it.
    operation : Operation
    source, target : int
        Tensors of the network that it reads and writes.
    geometry : Geometry
        Of the window over the source's pixels.
    channels : int
        Of the source.
    pad_value : int
        Unsigned byte outside the image.
    rescaling : Rescaling
    product : Product or None
        Of a matrix product.
    addition : Addition or None
    patch : (int, int)
        Output pixels, down and across, that a row of the array computes of each channel.
    """

    name: str
    kind: str
    operation: Operation
    source: int
    target: int
    geometry: Geometry
    channels: int
    pad_value: int
    rescaling: Rescaling
    product: Product | None = None
    addition: Addition | None = None
    patch: Pair = (1, 1)

    @property
    def window(self) -> Geometry:
        """What the engine reads: a window per patch."""
        return self.geometry if self.patch == (1, 1) else self.lowering.window(self.geometry)

    @property
    def lowering(self) -> DepthwiseLowering:
        """How a depthwise layer becomes products, patch by patch."""
        image = self.geometry
        return DepthwiseLowering(
            channels=self.channels,
            filters=self.outputs // self.channels,
            kernel=image.kernel,
            stride=image.stride,
            dilation=image.dilation,
            out_size=image.out_size,
            patch=self.patch,
        )

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.channels if self.product is None else self.product.outputs

    @property
    def pixels(self) -> int:
        """Output pixels."""
        down, across = self.geometry.out_size
        return down * across

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a matrix product; 0 of others."""
        if self.product is None:
            return 0
        return self.pixels * self.product.weights.size
