# SPDX-License-Identifier: Apache-2.0
"""Cycles a layer takes on our own array: every layer becomes matrix products or, FuSe stages, 1-D convolutions."""

from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.networks import Layer

from .array import fuse_cycles, matmul_cycles


def layer_cycles(layer: Layer, config: ArrayConfig, threads: int | None = None) -> int:
    """Cycles of one layer, from its first operand to its last result.

    A depthwise layer is one one-column product per channel: the plain array has nothing better for it. Layers do not
    overlap.
    """
    if layer.kind in ("fuse_row", "fuse_col"):
        return _fuse(layer, config, threads)
    p = layer.products
    return matmul_cycles(p.m, p.k, p.n, config, threads, count=p.count)


def _fuse(layer: Layer, config: ArrayConfig, threads: int | None) -> int:
    along = layer.kind == "fuse_row"
    lines = layer.batch * layer.outputs * layer.out_size[not along]
    pixels, taps = layer.out_size[along], layer.kernel[along]
    return fuse_cycles(lines, pixels, taps, config, threads, stride=layer.stride[along])
