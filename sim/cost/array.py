# SPDX-License-Identifier: Apache-2.0
"""Cycles of the output-stationary array of `hdl`: matrix products and 1-D convolutions, tile by tile.

A tile is rows x cols outputs. Tiles follow each other without a bubble, so that only the last one shows its latency:

    total = steps of the first tile + cycles of all others + latency

The first hands its sums over as soon as it has them; every other also waits until the drain of the one before it has
left room, with `ArrayConfig.tile_cycles` and `ArrayConfig.latency`.
"""

from collections.abc import Sequence

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def matmul_cycles(m: int, k: int, n: int, config: ArrayConfig, threads: int | None = None, *, count: int = 1) -> int:
    """Cycles of `count` matrix products [m, k] x [k, n], back to back.

    Parameters
    ----------
    m, k, n, count : int
        Shape, each at least 1. m runs down the rows, n across the columns.
    config : ArrayConfig
        The array.
    threads : int, optional
        Threads the product runs on; all by default. k is split among them.

    Returns
    -------
    int
        From the first operand entering the array to the last result having left it.

    Raises
    ------
    ConfigError
        k could overflow the accumulator; the array cannot be throttled to `threads`.
    """
    for name, value in (("M", m), ("N", n), ("count", count)):
        if value < 1:
            raise UserError(f"{name} must be at least 1, not {value}")
    config.pe.check_k(k)
    return product_cycles(m, config.pe.steps(k, threads), n, config, count=count)


def product_cycles(m: int, steps: int, n: int, config: ArrayConfig, *, count: int = 1) -> int:
    """Cycles of `count` products with M x N outputs each, by the steps that the sum of one output takes."""
    return sequence_cycles([(count * ceil_div(m, config.rows) * ceil_div(n, config.cols), steps)], config)


def sequence_cycles(tiles: Sequence[tuple[int, int]], config: ArrayConfig) -> int:
    """Cycles of tiles back to back: pairs (how many, steps of each) in the order they run."""
    first = tiles[0][1]
    return (
        sum(count * config.tile_cycles(steps) for count, steps in tiles)
        - config.tile_cycles(first)
        + (first + config.latency)
    )


def fuse_cycles(
    rows: int, pixels: int, taps: int, config: ArrayConfig, threads: int | None = None, *, stride: int = 1
) -> int:
    """Cycles of `rows` separate 1-D convolutions in the row-broadcast dataflow (FuSeConv, DATE 2021).

    Every row of the array holds one row of the output with its own filter and its own row of the image; the tap goes
    to the whole row at once and the inputs shift along it, one per cycle: `ArrayConfig.fuse_steps` steps a tile. The
    narrow tiles at the end of the rows run first, because a tile waits for the columns that it is narrower than the
    one before.

    Parameters
    ----------
    rows : int
        Rows of the output (columns, of a Kx1 filter), of all channels and images. Those that a stride across the
        filter skips are never computed.
    pixels : int
        Outputs along a row.
    taps, stride : int
        Filter length, and stride along the row.
    config : ArrayConfig
        The array.
    threads : int, optional
        Threads that share the taps; all by default.

    Returns
    -------
    int
        From the first operand entering the array to the last result having left it.
    """
    for name, value in (("rows", rows), ("pixels", pixels), ("stride", stride)):
        if value < 1:
            raise UserError(f"{name} must be at least 1, not {value}")
    config.pe.check_k(taps)
    full, rest = divmod(pixels, config.cols)
    widths = [rest] * (rest > 0) + [config.cols] * full
    steps = [config.fuse_steps(width, taps, stride, threads) for width in widths]
    strips = ceil_div(rows, config.rows)
    return sequence_cycles([(strips, s) for s in steps], config)
