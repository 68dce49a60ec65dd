# SPDX-License-Identifier: Apache-2.0
"""One layer of a network: its shape, its arithmetic, and the matrix products it becomes on an array."""

import math
from dataclasses import dataclass
from typing import Any

from sysmt.base.errors import UserError

from .geometry import Geometry

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
    """One layer, described by its input: the same for tables, topology files, models and traces.

    Parameters
    ----------
    name : str
        What reports call it.
    kind : str
        One of `KINDS`. `fuse_row` is a depthwise 1xK filter, `fuse_col` a depthwise Kx1 one (FuSeConv, DATE 2021).
    geometry : Geometry
        Image, kernel, stride, dilation, padding. A fully connected layer is a 1x1 kernel; its image has a pixel for
        every vector that it multiplies.
    channels : int
        Channels of the input.
    outputs : int
        Output channels. A multiple of `channels` for the kinds in `PER_CHANNEL`.
    batch : int
        Images at once.
    bias, norm : bool
        Trained numbers beside the weights: one bias per output channel; scale and offset of a batch normalisation.
    sparsity : (int, int)
        N:M of a structured-sparse weight matrix, as SCALE-Sim's topology files give it: of each M weights along K at
        most N are not zero.

    Raises
    ------
    UserError
        A size below 1, a kernel that does not suit the kind.
    """

    name: str
    kind: str
    geometry: Geometry
    channels: int
    outputs: int
    batch: int = 1
    bias: bool = False
    norm: bool = False
    sparsity: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        for name in ("channels", "outputs", "batch"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.per_channel and self.outputs % self.channels:
            raise UserError(
                f"outputs of a {self.kind} layer must be a multiple of channels = {self.channels}, not {self.outputs}"
            )
        if (self.kind == "fuse_row" and self.kernel[0] != 1) or (self.kind == "fuse_col" and self.kernel[1] != 1):
            down, across = self.kernel
            raise UserError(f"kernel of a {self.kind} layer must be 1 across its line, not {down}x{across}")
        if not 1 <= self.sparsity[0] <= self.sparsity[1]:
            raise UserError(f"sparsity must be N:M with 1 <= N <= M, not {self.sparsity[0]}:{self.sparsity[1]}")

    @classmethod
    def gemm(cls, name: str, m: int, k: int, n: int, **more: Any) -> "Layer":
        """The matrix product [m, k] x [k, n] as a layer: m positions of k channels, n outputs."""
        return cls(name=name, kind="gemm", geometry=Geometry(size=(m, 1)), channels=k, outputs=n, **more)

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return self.geometry.kernel

    @property
    def stride(self) -> tuple[int, int]:
        """Down and across."""
        return self.geometry.stride

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        return self.geometry.out_size

    @property
    def per_channel(self) -> bool:
        """Whether every filter sees a single channel."""
        return self.kind in PER_CHANNEL

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
        area = self.geometry.taps
        if self.per_channel:
            return MatrixProducts(self.channels, self.pixels, area, self.outputs // self.channels)
        return MatrixProducts(1, self.pixels, area * self.channels, self.outputs)

    @property
    def sparsity_text(self) -> str:
        """N:M."""
        return "{}:{}".format(*self.sparsity)

    def kept_of(self, group: int) -> int:
        """Most weights that are not zero in a group of so many along K, the first of which begins at 0."""
        n, m = self.sparsity
        step = math.gcd(group, m)
        found = 0
        # So many of a group's weights are in the M that it begins in.
        for first in range(step, min(group, m) + 1, step):
            whole, rest = divmod(group - first, m)
            found = max(found, min(n, first) + whole * n + min(n, rest))
        return found

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

    def shape(self) -> dict[str, list[Any]]:
        """Sizes for reports.

        `input` and `output` as [height, width, channels]; `kernel`, `stride`, `dilation` as [down, across]; `padding`
        as [[top, bottom], [left, right]].
        """
        image = self.geometry
        return {
            "input": [*image.size, self.channels],
            "kernel": list(image.kernel),
            "stride": list(image.stride),
            "dilation": list(image.dilation),
            "padding": [list(side) for side in image.padding],
            "output": [*image.out_size, self.outputs],
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
