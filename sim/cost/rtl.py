# SPDX-License-Identifier: Apache-2.0
"""Cycles a layer takes on our own array: every layer becomes matrix products or, FuSe stages, 1-D convolutions."""

from dataclasses import dataclass

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.kinds.sparq import GROUP, KEPT
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn.layer import Layer

from .array import fuse_cycles, matmul_cycles, product_cycles
from .depthwise import depthwise_cycles, depthwise_lowering


def most_threads(layer: Layer, pe: PEConfig) -> int:
    """Most threads that a PE takes a layer's weights on, as far as its sparsity tells."""
    return pe.threads if layer.kept_of(GROUP) <= KEPT else pe.dense_threads


@dataclass(frozen=True)
class RtlCycles:
    """The cycle model of the emitted array, exact as long as no operand is late and the sink is ready.

    Parameters
    ----------
    config : ArrayConfig
    threads : int, optional
        Threads that layers run on; all that take their weights (`most_threads`) by default, and never more.
    optimise : bool
        Depthwise layers run as is fastest (`depthwise_lowering`); else channel by channel, as FuSeConv's baseline
        (DATE 2021).
    """

    config: ArrayConfig
    threads: int | None = None
    optimise: bool = False

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates of the whole array in one cycle; of 2:4 weights with those that are zero."""
        pe, threads = self.config.pe, self.config.pe.throttle(self.threads)
        return self.config.rows * self.config.cols * (pe.products if threads == pe.threads else threads)

    def layer_cycles(self, layer: Layer, steps: int | None = None) -> int:
        """Cycles of one layer, from its first operand to its last result; layers do not overlap.

        Parameters
        ----------
        layer : Layer
        steps : int, optional
            Steps that the sum of one output takes, where padding slots lengthen K; ceil(K / threads) by default. More
            than the accumulator has room for are products one after the other, whose sums the host adds.

        Raises
        ------
        ConfigError
            K could overflow the accumulator, and `steps` is not given; the array cannot be throttled to `threads`.
        """
        if layer.kind in ("fuse_row", "fuse_col"):
            return self._fuse(layer)
        p, threads = layer.products, self._threads(layer)
        if layer.per_channel and self.optimise:
            return depthwise_cycles(depthwise_lowering(layer, self.config, self.threads), layer.batch, self.config)
        if steps is not None:
            longest = self.config.pe.steps(self.config.pe.k_part, self.threads)
            whole, rest = divmod(steps, longest)
            parts = [longest] * whole + [rest] * (rest > 0)
            return sum(product_cycles(p.m, part, p.n, self.config, count=p.count) for part in parts)
        return matmul_cycles(p.m, p.k, p.n, self.config, threads, count=p.count)

    def _threads(self, layer: Layer) -> int:
        return min(self.config.pe.throttle(self.threads), most_threads(layer, self.config.pe))

    def _fuse(self, layer: Layer) -> int:
        along = layer.kind == "fuse_row"
        rows = layer.batch * layer.outputs * layer.out_size[not along]
        pixels, taps = layer.out_size[along], layer.kernel[along]
        return fuse_cycles(rows, pixels, taps, self.config, self._threads(layer), stride=layer.stride[along])
