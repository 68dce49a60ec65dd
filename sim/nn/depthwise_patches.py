# SPDX-License-Identifier: Apache-2.0
"""A depthwise layer several pixels at a time: a channel's column, once per pixel of a patch of the output.

Neighbouring outputs of a channel read almost the same pixels. A product whose rows are patches of `patch` outputs, and
whose reduction runs over all that lies under a patch, computes every pixel of it in a column of its own, the filter
moved to where that pixel has it (a Toeplitz matrix): a 3x3 filter over 2x2 outputs takes 16 steps for four, not 9 for
each. That is a depthwise layer again, with a larger kernel and more filters per channel: it becomes block-diagonal
products as any other (`.depthwise`), and is exact where these are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .depthwise import BlockDiagonal
from .geometry import Geometry, Pair
from .layer import Layer


@dataclass(frozen=True, kw_only=True)
class DepthwiseLowering:
    """How a depthwise layer becomes matrix products.

    Parameters
    ----------
    channels, filters : int
        Channels of the input, filters of each.
    kernel, stride, dilation, out_size : (int, int)
        Of the layer.
    patch : (int, int)
        Outputs, down and across, that a row of a product computes of each of its channels.
    group : int
        Channels of one product.
    threads : int
        Threads that the products run on.

    `sysmt.sim.cost.depthwise.depthwise_lowering` chooses the last three for an array.
    """

    channels: int
    filters: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    out_size: Pair
    patch: Pair = (1, 1)
    group: int = 1
    threads: int = 1

    @classmethod
    def of(cls, layer: Layer, patch: Pair = (1, 1), group: int = 1, threads: int = 1) -> "DepthwiseLowering":
        """Of a layer whose filters see one channel each; by default channel by channel on one thread."""
        image = layer.geometry
        return cls(
            channels=layer.channels,
            filters=layer.outputs // layer.channels,
            kernel=image.kernel,
            stride=image.stride,
            dilation=image.dilation,
            out_size=image.out_size,
            patch=patch,
            group=group,
            threads=threads,
        )

    @property
    def patches(self) -> Pair:
        """Patches down and across: the last ones may hang over the edge of the output."""
        return -(-self.out_size[0] // self.patch[0]), -(-self.out_size[1] // self.patch[1])

    @property
    def overhangs(self) -> bool:
        """Whether some patch does."""
        return any(size % patch for size, patch in zip(self.out_size, self.patch, strict=True))

    @cached_property
    def under(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Rows, and columns, of the image under a patch that some filter has a tap on, from its corner on."""
        down, across = (
            tuple(sorted({a * s + r * d for a in range(p) for r in range(k)}))
            for p, k, s, d in zip(self.patch, self.kernel, self.stride, self.dilation, strict=True)
        )
        return down, across

    @property
    def regular(self) -> bool:
        """Whether what lies under a patch is a kernel, too: as far from row to row, and from column to column."""
        return all(len(set(np.diff(places).tolist())) <= 1 for places in self.under)

    def window(self, geometry: Geometry) -> Geometry:
        """The window over patches of a layer with such a geometry, that slides from patch to patch; when `regular`.

        The last patches hang over the padding, too, where the output ends within them.
        """
        dilation = tuple(places[1] if len(places) > 1 else 1 for places in self.under)
        stride = tuple(p * s for p, s in zip(self.patch, self.stride, strict=True))
        padding = []
        for i, (before, _) in enumerate(geometry.padding):
            end = (self.patches[i] - 1) * stride[i] + self.under[i][-1] + 1
            padding.append((before, max(0, end - geometry.size[i] - before)))
        return Geometry(
            size=geometry.size,
            kernel=(len(self.under[0]), len(self.under[1])),
            stride=(stride[0], stride[1]),
            dilation=(dilation[0], dilation[1]),
            padding=(padding[0], padding[1]),
        )

    @property
    def blocks(self) -> BlockDiagonal:
        """The block-diagonal products: `filters` columns for every pixel of a patch."""
        return BlockDiagonal(
            channels=self.channels,
            filters=self.filters * self.patch[0] * self.patch[1],
            taps=len(self.under[0]) * len(self.under[1]),
            group=self.group,
            threads=self.threads,
        )

    @property
    def rows(self) -> int:
        """Rows M of every product, per image."""
        return self.patches[0] * self.patches[1]

    def products(
        self, under: np.ndarray, weights: np.ndarray, zero: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The operands of the products, in the order they run.

        Parameters
        ----------
        under : uint8 [B * pixels, taps, C]
            What lies under the kernel at every output pixel.
        weights : int8 [taps, C * filters]
        zero : int
            What stands under pixels beyond the output: an array that takes a zero point off finds no operand there.

        Returns
        -------
        x uint8 [B * rows, K], w int8 [K, columns] of every product
        """
        x, w = self._x(under, zero), self.w(weights)
        for group in self.blocks.groups():
            yield group.x(x), group.w(w)

    def sums(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The layer's sums [B * pixels, C * filters] of those of its products."""
        (high, wide), (ph, pw) = self.patches, self.patch
        joined = np.concatenate(parts, axis=1).reshape(-1, high, wide, self.channels, ph, pw, self.filters)
        image = joined.transpose(0, 1, 4, 2, 5, 3, 6).reshape(len(joined), high * ph, wide * pw, -1)
        kept = image[:, : self.out_size[0], : self.out_size[1]]
        return np.ascontiguousarray(kept).reshape(-1, kept.shape[-1])

    def active(self, under: np.ndarray, weights: np.ndarray) -> int:
        """Products with both operands non-zero, those of outputs beyond the edge included."""
        x, w = (each != 0 for each in (self._x(under), self.w(weights)))
        return int((x.sum(axis=0) * w.reshape(*x.shape[1:], -1).sum(axis=2)).sum())

    def _x(self, under: np.ndarray, zero: int = 0) -> np.ndarray:
        """What lies under every patch: uint8 [B * rows, positions, C], `zero` under pixels beyond the output only."""
        if self.patch == (1, 1):
            return under
        (oh, ow), (high, wide), (ph, pw) = self.out_size, self.patches, self.patch
        windows = under.reshape(-1, oh, ow, *self.kernel, self.channels)
        edges = [(0, 0), (0, high * ph - oh), (0, wide * pw - ow), (0, 0), (0, 0), (0, 0)]
        padded = np.pad(windows, edges, constant_values=zero).reshape(
            -1, high, ph, wide, pw, *self.kernel, self.channels
        )
        down, across = self._taps
        x = np.full((len(padded), high, wide, len(down), len(across), self.channels), zero, under.dtype)
        for i, ((a, r), *_) in enumerate(down):
            for j, ((b, t), *_) in enumerate(across):
                x[:, :, :, i, j] = padded[:, :, a, :, b, r, t]
        return x.reshape(-1, len(down) * len(across), self.channels)

    def w(self, weights: np.ndarray) -> np.ndarray:
        """The filter of every pixel of a patch: of int8 [taps, C * filters], int8 [positions, C * pixels * filters]."""
        if self.patch == (1, 1):
            return weights
        taps = weights.reshape(*self.kernel, self.channels, self.filters)
        down, across = self._taps
        w = np.zeros((len(down), len(across), self.channels, *self.patch, self.filters), weights.dtype)
        for i, rows in enumerate(down):
            for j, columns in enumerate(across):
                for a, r in rows:
                    for b, t in columns:
                        w[i, j, :, a, b] = taps[r, t]
        return w.reshape(len(down) * len(across), -1)

    @cached_property
    def _taps(self) -> tuple[list[list[Pair]], list[list[Pair]]]:
        """For every row, and column, under a patch: the (pixel, tap) that lie there, the first pixel first."""
        down, across = (
            [[(a, r) for a in range(p) for r in range(k) if a * s + r * d == place] for place in places]
            for places, p, k, s, d in zip(self.under, self.patch, self.kernel, self.stride, self.dilation, strict=True)
        )
        return down, across
