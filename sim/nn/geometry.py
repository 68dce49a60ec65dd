# SPDX-License-Identifier: Apache-2.0
"""The geometry of a sliding window: the one rule for output sizes, and the one im2col, of every layer of every network.

`out = (padded - reach + stride) / stride` with `reach = (kernel - 1) * dilation + 1`, rounded down, or up in ceil mode,
where the last window may hang over the edge.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from sysmt.base.errors import UserError

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A window that slides over an image.

    Parameters
    ----------
    size : (int, int)
        Height and width of the image, without padding.
    kernel, stride, dilation : (int, int)
        Down and across.
    padding : ((int, int), (int, int))
        Zeros (top, bottom) and (left, right).
    ceil_mode : bool
        The size of the output is rounded up, as SCALE-Sim and Caffe's pooling do; else down.

    Raises
    ------
    UserError
        A size below 1, or a kernel larger than the padded image.
    """

    size: Pair
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        for name, value in zip(("height", "width"), self.size, strict=True):
            if value < 1:
                raise UserError(f"{name} must be at least 1, not {value}")
        for name in ("kernel", "stride", "dilation"):
            down, across = getattr(self, name)
            if min(down, across) < 1:
                raise UserError(f"{name} must be at least 1 in both directions, not {down}x{across}")
        for (before, after), where in zip(self.padding, ("top and bottom", "left and right"), strict=True):
            if min(before, after) < 0:
                raise UserError(f"padding must be at least 0 on every side, not {before} and {after} {where}")
        for size, reach, name in zip(self.padded, self.reach, ("height", "width"), strict=True):
            if reach > size:
                raise UserError(f"kernel must fit into the padded image: its {name} is {reach}, the image's {size}")

    @property
    def padded(self) -> Pair:
        """Height and width of the image with its padding."""
        return self.size[0] + sum(self.padding[0]), self.size[1] + sum(self.padding[1])

    @property
    def reach(self) -> Pair:
        """Height and width of the image under the kernel, the gaps of a dilated one included."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1

    @property
    def exact_size(self) -> tuple[Fraction, Fraction]:
        """Height and width of the output before rounding."""
        down, across = (
            Fraction(size - reach + stride, stride)
            for size, reach, stride in zip(self.padded, self.reach, self.stride, strict=True)
        )
        return down, across

    @cached_property
    def out_size(self) -> Pair:
        """Height and width of the output."""
        round_to = math.ceil if self.ceil_mode else math.floor
        down, across = self.exact_size
        return round_to(down), round_to(across)

    @property
    def taps(self) -> int:
        """Kernel positions."""
        return self.kernel[0] * self.kernel[1]

    @property
    def pointwise(self) -> bool:
        """Whether the image already is its im2col matrix: a 1x1 kernel, no stride, no padding."""
        return (self.kernel, self.stride, self.padded) == ((1, 1), (1, 1), self.size)

    def pad(self, x: np.ndarray, fill: float) -> np.ndarray:
        """Surround images [B, H, W, C] with `fill`, as far as windows reach."""
        edges = [(0, 0)]
        for i in range(2):
            end = (self.out_size[i] - 1) * self.stride[i] + self.reach[i]
            before, after = self.padding[i]
            edges.append((before, max(after, end - self.size[i] - before)))
        edges.append((0, 0))
        return x if not any(map(any, edges)) else np.pad(x, edges, constant_values=fill)

    def windows(self, padded: np.ndarray) -> Iterator[np.ndarray]:
        """For every kernel position, row by row, a view of what lies under it: padded images to [B, OH, OW, C] each."""
        (high, wide), (down, across) = self.out_size, self.stride
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, left = i * self.dilation[0], j * self.dilation[1]
                yield padded[
                    :, top : top + (high - 1) * down + 1 : down, left : left + (wide - 1) * across + 1 : across
                ]

    def im2col(self, x: np.ndarray, fill: float = 0) -> np.ndarray:
        """Lay out images [B, H, W, C], padded with `fill`, as the rows of a matrix product: [B * OH * OW, taps, C]."""
        if self.pointwise:
            return x.reshape(-1, 1, x.shape[3])
        rows = np.empty((len(x), *self.out_size, self.taps, x.shape[3]), x.dtype)
        for tap, under in enumerate(self.windows(self.pad(x, fill))):
            rows[:, :, :, tap] = under
        return rows.reshape(-1, self.taps, x.shape[3])

    def col2im(self, rows: np.ndarray) -> np.ndarray:
        """The transpose of `im2col`: add every window's entries, [B * OH * OW, taps, C], back to their pixels."""
        channels = rows.shape[2]
        parts = rows.reshape(-1, *self.out_size, self.taps, channels)
        padded = self.pad(np.zeros((len(parts), *self.size, channels), rows.dtype), 0)
        for tap, under in enumerate(self.windows(padded)):
            under += parts[:, :, :, tap]
        (top, _), (left, _) = self.padding
        return padded[:, top : top + self.size[0], left : left + self.size[1]]
