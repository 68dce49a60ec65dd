# SPDX-License-Identifier: Apache-2.0
"""One layer of a network: its shape, its arithmetic, and the matrix products it becomes on an array."""

import math
from dataclasses import dataclass
from fractions import Fraction

from sysmt.base.errors import UserError

KINDS = ("conv", "depthwise", "pointwise", "fuse_row", "fuse_col", "fc", "gemm")
PER_CHANNEL = ("depthwise", "fuse_row", "fuse_col")
"""Kinds in which every filter sees a single channel."""


@dataclass(frozen=True)
class MatrixProducts:
    """`count` separate matrix products [m, k] x [k, n], all of the same shape."""

    count: int
    m: int
    k: int
    n: int


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer, described by its input.

    Parameters
    ----------
    name : str
        What reports call it.
    kind : str
        One of `KINDS`. `fuse_row` is a depthwise 1xK filter, `fuse_col` a depthwise Kx1 one (FuSeConv, DATE 2021).
    height, width, channels : int
        Size of the input, without padding.
    outputs : int
        Output channels. A multiple of `channels` for the kinds in `PER_CHANNEL`.
    kernel, stride, padding : (int, int)
        Down and across; the padding is zeros on both sides.
    batch : int
        Images at once.
    ceil_mode : bool
        The size of the output is rounded up, as SCALE-Sim does; else down.
    bias, norm : bool
        Trained numbers beside the weights: one bias per output channel; scale and offset of a batch normalisation.
    sparsity : (int, int)
        N:M of a structured-sparse weight matrix, as SCALE-Sim's topology files give it.

    Raises
    ------
    UserError
        A size below 1, a kernel larger than the padded image, a kernel that does not suit the kind.
    """

    name: str
    kind: str
    height: int
    width: int
    channels: int
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    batch: int = 1
    ceil_mode: bool = False
    bias: bool = False
    norm: bool = False
    sparsity: tuple[int, int] = (1, 1)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise UserError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        for name in ("height", "width", "channels", "outputs", "batch"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name, low in (("kernel", 1), ("stride", 1), ("padding", 0)):
            if min(getattr(self, name)) < low:
                down, across = getattr(self, name)
                raise UserError(f"{name} must be at least {low} in both directions, not {down}x{across}")
        for size, kernel, name in zip(self.padded, self.kernel, ("height", "width"), strict=True):
            if kernel > size:
                raise UserError(f"kernel must fit into the padded image: its {name} is {kernel}, the image's {size}")
        if self.kind in PER_CHANNEL and self.outputs % self.channels:
            raise UserError(
                f"outputs of a {self.kind} layer must be a multiple of channels = {self.channels}, not {self.outputs}"
            )
        if (self.kind == "fuse_row" and self.kernel[0] != 1) or (self.kind == "fuse_col" and self.kernel[1] != 1):
            down, across = self.kernel
            raise UserError(f"kernel of a {self.kind} layer must be 1 across its line, not {down}x{across}")
        if not 1 <= self.sparsity[0] <= self.sparsity[1]:
            raise UserError(f"sparsity must be N:M with 1 <= N <= M, not {self.sparsity[0]}:{self.sparsity[1]}")

    @classmethod
    def gemm(cls, name: str, m: int, k: int, n: int, **more) -> "Layer":
        """The matrix product [m, k] x [k, n] as a layer: m positions of k channels, n outputs."""
        return cls(name=name, kind="gemm", height=m, width=1, channels=k, outputs=n, **more)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the input with its padding."""
        return self.height + 2 * self.padding[0], self.width + 2 * self.padding[1]

    @property
    def exact_size(self) -> tuple[Fraction, Fraction]:
        """Height and width of the output before rounding: (padded - kernel + stride) / stride."""
        down, across = (
            Fraction(size - kernel + stride, stride)
            for size, kernel, stride in zip(self.padded, self.kernel, self.stride, strict=True)
        )
        return down, across

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        round_to = math.ceil if self.ceil_mode else math.floor
        down, across = self.exact_size
        return round_to(down), round_to(across)

    @property
    def pixels(self) -> int:
        """Output positions, of all images of the batch."""
        return self.batch * math.prod(self.out_size)

    @property
    def products(self) -> MatrixProducts:
        """The layer as matrix products: output positions x taps times taps x filters.

        A layer whose filters see one channel each is one product per channel, with as many columns as that channel
        has filters: one, which is why it leaves a systolic array idle (FuSeConv, DATE 2021).
        """
        area = math.prod(self.kernel)
        if self.kind in PER_CHANNEL:
            return MatrixProducts(self.channels, self.pixels, area, self.outputs // self.channels)
        return MatrixProducts(1, self.pixels, area * self.channels, self.outputs)

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those with padding included."""
        p = self.products
        return p.count * p.m * p.k * p.n

    @property
    def weights(self) -> int:
        """Trained weights."""
        p = self.products
        return p.count * p.k * p.n

    @property
    def params(self) -> int:
        """Trained numbers: weights, bias, scale and offset of the normalisation."""
        return self.weights + self.outputs * (self.bias + 2 * self.norm)

    def shape(self) -> dict[str, list[int]]:
        """Sizes for reports: `input` and `output` as [height, width, channels], `kernel`, `stride`, `padding`."""
        return {
            "input": [self.height, self.width, self.channels],
            "kernel": list(self.kernel),
            "stride": list(self.stride),
            "padding": list(self.padding),
            "output": [*self.out_size, self.outputs],
        }

    def shape_text(self) -> str:
        """The shape for people, such as `112x112x32 3x3/2 -> 56x56x64`."""
        image, out = ("x".join(map(str, self.shape()[key])) for key in ("input", "output"))
        stride = "" if self.stride == (1, 1) else f"/{self.stride[0]}"
        if self.stride[0] != self.stride[1]:
            stride = f"/{self.stride[0]}x{self.stride[1]}"
        return f"{image} {self.kernel[0]}x{self.kernel[1]}{stride} -> {out}"


def total_macs(layers: tuple[Layer, ...]) -> int:
    """Multiply-accumulates of a network."""
    return sum(layer.macs for layer in layers)


def total_params(layers: tuple[Layer, ...]) -> int:
    """Trained numbers of a network."""
    return sum(layer.params for layer in layers)
