# SPDX-License-Identifier: Apache-2.0
"""A depthwise layer as block-diagonal matrix products, whose threads hold different channels.

One product takes `group` channels at once. Its reduction runs over their taps, **channel after channel**, and a column
has weights under the taps of its own channel only:

    K slot  c * taps + tap     tap `tap` (kernel rows, then columns) of the group's channel c
    column  c * filters + f    filter f of the group's channel c
    x[row, c * taps + tap]                     what lies under that tap at output pixel `row`
    w[c * taps + tap, c * filters + f]         that tap's weight; 0 in all other columns

A T-thread array gives thread t the t-th contiguous part of ceil(K / T) slots (MICRO 2020, section 3). A part is at
least as long as a channel has taps: with fewer channels than threads, K has zero slots at its end that see to it. A
channel that lies across the edge of two parts then has its taps at the end of one and at the beginning of the other
(McNaughton's wrap-around rule, Management Science 1959), so that **no column ever has two threads with a weight in the
same step**. A PE that leaves a lone active thread exact (`PEConfig.exact_alone`) has nothing to reduce: the sums are
exact, and `collisions` and `reduced` are 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.pe import PEConfig

from .layer import MatrixProducts


@dataclass(frozen=True, kw_only=True)
class ChannelGroup:
    """The channels of one product.

    Parameters
    ----------
    first, channels : int
        Channels `first` to `first + channels - 1` of the layer's input.
    filters : int
        Filters of every channel: columns of the product side by side.
    taps : int
        Kernel positions.
    threads : int
        Threads that the product runs on.
    """

    first: int
    channels: int
    filters: int
    taps: int
    threads: int

    @property
    def k(self) -> int:
        """Length of the reduction: a part of it, one thread's, is no shorter than the taps of a channel."""
        return max(self.channels, self.threads) * self.taps

    @property
    def n(self) -> int:
        """Columns of the product."""
        return self.channels * self.filters

    @property
    def columns(self) -> slice:
        """Where its columns are among the layer's output channels."""
        return slice(self.first * self.filters, (self.first + self.channels) * self.filters)

    def steps(self, pe: PEConfig) -> int:
        """Array steps of one tile."""
        return pe.steps(self.k, self.threads)

    def slots(self) -> np.ndarray:
        """Channel of the layer and tap of every slot: int64 [channels * taps, 2]; slots behind them are zeros."""
        channel, tap = np.divmod(np.arange(self.channels * self.taps), self.taps)
        return np.stack([channel + self.first, tap], axis=1)

    def x(self, under: np.ndarray) -> np.ndarray:
        """The activations: of what lies under the kernel, uint8 [M, taps, C], those of this product, uint8 [M, k]."""
        mine = under[:, :, self.first : self.first + self.channels]
        lowered = np.zeros((len(under), self.k), under.dtype)
        lowered[:, : self.channels * self.taps] = mine.transpose(0, 2, 1).reshape(len(under), -1)
        return lowered

    def w(self, weights: np.ndarray) -> np.ndarray:
        """The weights: of the layer's, int8 [taps, C * filters], those of this product, int8 [k, n], block-diagonal."""
        lowered = np.zeros((self.k, self.n), weights.dtype)
        mine = weights[:, self.columns].reshape(self.taps, self.channels, self.filters)
        for channel in range(self.channels):
            rows = slice(channel * self.taps, (channel + 1) * self.taps)
            lowered[rows, channel * self.filters : (channel + 1) * self.filters] = mine[:, channel]
        return lowered


@dataclass(frozen=True, kw_only=True)
class BlockDiagonal:
    """How a depthwise layer becomes products: `group` channels each, the last one what is left, back to back.

    Parameters
    ----------
    channels, filters, taps : int
        Channels of the input, filters of each, kernel positions.
    group : int
        Channels of one product. With 1 it is a product per channel, as wide as that channel has filters.
    threads : int
        Threads that the products run on.

    `sysmt.sim.cost.depthwise.block_diagonal` chooses `group` and `threads` for an array.
    """

    channels: int
    filters: int
    taps: int
    group: int = 1
    threads: int = 1

    @classmethod
    def of(cls, products: MatrixProducts, group: int = 1, threads: int = 1) -> "BlockDiagonal":
        """Of a layer with a product per channel (`Layer.products`)."""
        return cls(channels=products.count, filters=products.n, taps=products.k, group=group, threads=threads)

    def groups(self) -> Iterator[ChannelGroup]:
        """The products in the order they run."""
        for first in range(0, self.channels, self.group):
            yield ChannelGroup(
                first=first,
                channels=min(self.group, self.channels - first),
                filters=self.filters,
                taps=self.taps,
                threads=self.threads,
            )

    def operands_per_step(self, pe: PEConfig) -> float:
        """Real operands, zero slots left out, that a row of the array takes in a step, over all products."""
        return self.channels * self.taps / sum(group.steps(pe) for group in self.groups())

    def check(self, pe: PEConfig) -> None:
        """Refuse PEs on which the products would not be exact, or whose accumulator could overflow.

        Raises
        ------
        ConfigError
        """
        check_shared(pe, self.group, self.threads)
        pe.check_k(next(self.groups()).k)


def check_shared(pe: PEConfig, group: int, threads: int) -> None:
    """Refuse threads with different channels in PEs that are not exact then; one thread always is."""
    pe.throttle(threads)
    if threads != 1 and not pe.exact_alone:
        raise ConfigError(
            f"depthwise layers must run on one thread of this PE, not {group} channels on {threads}: it reduces "
            "operands of a lone thread; choose a policy that detects zeros"
        )
