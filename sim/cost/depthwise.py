# SPDX-License-Identifier: Apache-2.0
"""How many channels of a depthwise layer an array takes in one product, and on how many threads: the fastest wins."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.sim.nn.depthwise import BlockDiagonal
from sysmt.sim.nn.depthwise_patches import DepthwiseLowering
from sysmt.sim.nn.layer import Layer, MatrixProducts

from .array import ceil_div, sequence_cycles


def block_diagonal_cycles(lowering: BlockDiagonal, m: int, config: ArrayConfig) -> int:
    """Cycles of a depthwise layer of `m` output pixels on an array, from the first operand to the last result.

    Raises
    ------
    ConfigError
        K could overflow the accumulator, or the PEs cannot run these threads exactly.
    """
    lowering.check(config.pe)
    whole, rest = divmod(lowering.channels, lowering.group)
    sizes = [(whole, lowering.group)] * (whole > 0) + [(1, rest)] * (rest > 0)
    return sequence_cycles(
        [_tiles(count, replace(lowering, channels=size), m, config) for count, size in sizes], config
    )


def _tiles(count: int, group: BlockDiagonal, m: int, config: ArrayConfig) -> tuple[int, int]:
    """How many tiles `count` equal products have, and their steps."""
    (product,) = group.groups()
    return count * ceil_div(m, config.rows) * ceil_div(product.n, config.cols), product.steps(config.pe)


@lru_cache(maxsize=1024)
def block_diagonal(products: MatrixProducts, config: ArrayConfig, threads: int | None = None) -> BlockDiagonal:
    """The fastest way: of equals channel by channel, then the fewest threads, then the most channels in a product.

    Parameters
    ----------
    products : MatrixProducts
        The layer as a product per channel (`Layer.products`).
    config : ArrayConfig
    threads : int, optional
        Most threads to take; by default all that the array has.

    Returns
    -------
    BlockDiagonal
        On one thread where the PEs are not exact otherwise (`PEConfig.exact_alone`), channel by channel where K has no
        room for more.

    Raises
    ------
    ConfigError
        The taps of a channel could overflow the accumulator; the array cannot be throttled to `threads`.
    """
    most = _threads(config, threads)
    return min(
        _candidates(products, config, most),
        key=lambda lowering: block_diagonal_cycles(lowering, products.m, config),
    )


def _candidates(products: MatrixProducts, config: ArrayConfig, most: int) -> Iterator[BlockDiagonal]:
    """Channel by channel; then groups with room in the columns, fewer threads and more channels first."""
    yield BlockDiagonal.of(products)
    for threads in (t for t in THREADS if t <= most):
        for group in range(min(products.count, config.cols // products.n), 1, -1):
            lowering = BlockDiagonal.of(products, group, threads)
            if next(lowering.groups()).k <= config.pe.k_max:
                yield lowering


def depthwise_cycles(lowering: DepthwiseLowering, batch: int, config: ArrayConfig) -> int:
    """Cycles of a depthwise layer on an array, for `batch` images; errors as `block_diagonal_cycles`."""
    return block_diagonal_cycles(lowering.blocks, batch * lowering.rows, config)


def depthwise_lowering(layer: Layer, config: ArrayConfig, threads: int | None = None) -> DepthwiseLowering:
    """The fastest way that an array has for a depthwise layer.

    Of equally fast ways the one with the fewest threads, then the smallest patch, then the most channels in a product;
    but channel by channel where nothing is faster. Parameters and errors as `block_diagonal`.
    """
    plain = DepthwiseLowering.of(layer)
    return _fastest(plain, layer.batch, config, _threads(config, threads))


def _threads(config: ArrayConfig, threads: int | None) -> int:
    """Most threads for a depthwise layer: one where the PEs would reduce a lone operand."""
    most = config.pe.throttle(threads)
    return most if config.pe.exact_alone else 1


@lru_cache(maxsize=1024)
def _fastest(plain: DepthwiseLowering, batch: int, config: ArrayConfig, most: int) -> DepthwiseLowering:
    best, cycles = plain, depthwise_cycles(plain, batch, config)
    for threads in (t for t in THREADS if t <= most):
        for patch in _patches(plain, config):
            wide = replace(plain, patch=patch, threads=threads)
            columns = wide.blocks.filters
            most_channels = min(plain.channels, config.cols // columns)
            if _least(wide, most_channels, batch, config) >= cycles:
                continue
            for group in range(most_channels, 0, -1):
                lowering = replace(wide, group=group)
                if next(lowering.blocks.groups()).k > config.pe.k_max:
                    continue
                found = depthwise_cycles(lowering, batch, config)
                if found < cycles:
                    best, cycles = lowering, found
    return best


def _least(wide: DepthwiseLowering, most_channels: int, batch: int, config: ArrayConfig) -> int:
    """A bound for the cycles with up to so many channels in a product: no tile is shorter, no step takes more."""
    taps = wide.blocks.taps
    whole = ceil_div(wide.channels, most_channels) * max(taps, config.rows)
    return ceil_div(batch * wide.rows, config.rows) * max(whole, wide.channels * taps // wide.threads) - config.rows


def _patches(plain: DepthwiseLowering, config: ArrayConfig) -> list[tuple[int, int]]:
    """Patches no larger than the output whose columns the array has, the small ones first."""
    room = config.cols // plain.filters
    return sorted(
        (
            (down, across)
            for down in range(1, min(plain.out_size[0], room) + 1)
            for across in range(1, min(plain.out_size[1], room // down) + 1)
        ),
        key=lambda patch: (patch[0] * patch[1], patch),
    )
