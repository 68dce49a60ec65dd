# SPDX-License-Identifier: Apache-2.0
"""How many channels of a depthwise layer an array takes in one product, and on how many threads: the fastest wins."""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.sim.nn.depthwise import BlockDiagonal
from sysmt.sim.nn.layer import MatrixProducts

from .array import ceil_div, sequence_cycles


def block_diagonal_cycles(lowering: BlockDiagonal, m: int, config: ArrayConfig) -> int:
    """Cycles of a depthwise layer of `m` output pixels on an array, from the first operand to the last result.

    Raises
    ------
    ConfigError
        K could overflow the accumulator, or the PEs cannot run these threads exactly.
    """
    lowering.check(config.pe)
    down = ceil_div(m, config.rows)
    sizes = Counter((group.n, group.steps(config.pe)) for group in lowering.groups())
    tiles = [(count * down * ceil_div(n, config.cols), steps) for (n, steps), count in sizes.items()]
    return sequence_cycles(tiles, config)


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
        Channel by channel on one thread where the PEs are not exact otherwise (`PEConfig.exact_alone`), or where K has
        no room for more.

    Raises
    ------
    ConfigError
        The taps of a channel could overflow the accumulator; the array cannot be throttled to `threads`.
    """
    most = config.pe.throttle(threads)
    return min(
        _candidates(products, config, most),
        key=lambda lowering: block_diagonal_cycles(lowering, products.m, config),
    )


def _candidates(products: MatrixProducts, config: ArrayConfig, most: int) -> Iterator[BlockDiagonal]:
    """Channel by channel; then groups with room in the columns, fewer threads and more channels first."""
    yield BlockDiagonal.of(products)
    if not config.pe.exact_alone:
        return
    for threads in (t for t in THREADS if t <= most):
        for group in range(min(products.count, config.cols // products.n), 1, -1):
            lowering = BlockDiagonal.of(products, group, threads)
            if next(lowering.groups()).k <= config.pe.k_max:
                yield lowering
