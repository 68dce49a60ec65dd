# SPDX-License-Identifier: Apache-2.0
"""The streams of the array: what one transfer on each of them carries."""

from amaranth.hdl import signed
from amaranth.lib import data

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.counters import COUNTER_WIDTH, array_counters
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.pe.ports import activations, weights


class TileDescriptor(data.StructLayout):
    """The tile descriptor, on `i_tile`; the operands of `steps` steps follow on `i_x` and `i_w`.

    Members
    -------
    steps : unsigned
        Steps of the reduction, 1 to `k_max` // threads: ceil(K / threads).
    threads : unsigned(2)
        Threads that run, as a power of two: 0, 1 or 2 for 1, 2 or 4. Operands of the others are ignored.
    rows, cols : unsigned
        Outputs that count, 1 to the size of the array; the rest of the tile is padding, which the counters leave
        out.
    fuse : unsigned(1)
        With `ArrayConfig.fuse` only. Every row is a 1-D convolution of its own: its weight goes to the whole row at
        once and its activations shift along it (FuSeConv, DATE 2021).
    zero : unsigned(`PEConfig.zero_width`)
        Where the kind of PE has one: the zero point that is taken off all activations of the tile.
    taps : unsigned
        With `ArrayConfig.fuse` only. Of the steps of a 1-D convolution, those with a tap: 1 to `k_max` // threads.
    """

    def __init__(self, config: ArrayConfig):
        super().__init__(
            {
                "steps": range(config.max_steps + 1),
                "threads": 2,
                "rows": range(config.rows + 1),
                "cols": range(config.cols + 1),
            }
            | ({"zero": config.pe.zero_width} if config.pe.zero_width else {})
            | ({"fuse": 1, "taps": range(config.pe.k_max + 1)} if config.fuse else {})
        )


def x_step(config: ArrayConfig) -> data.ArrayLayout:
    """One step of activations on `i_x`: [rows][threads], unsigned(8)."""
    return data.ArrayLayout(activations(config.pe), config.rows)


def w_step(config: ArrayConfig) -> data.Layout:
    """One step of weights on `i_w`: [cols][threads], signed(8).

    With `ArrayConfig.fuse` a structure: `w` [max(rows, cols)][threads], and `tap`, one bit that is read in tiles of
    1-D convolution. High: this step has a tap, w[rows - 1 - r] for row r. Low: the row fills, and w is ignored.
    A tile of `cols` outputs fills for `cols` - 1 steps before its first tap.
    """
    lanes = data.ArrayLayout(weights(config.pe), config.w_lanes)
    return data.StructLayout({"w": lanes, "tap": 1}) if config.fuse else lanes


class ResultRow(data.StructLayout):
    """One row of results on `o`; rows leave in order, 0 first.

    Members
    -------
    sums : ArrayLayout(signed(acc_width), cols)
    last : unsigned(1)
        The last row of a tile.
    """

    def __init__(self, config: ArrayConfig):
        super().__init__({"sums": data.ArrayLayout(signed(config.pe.acc_width), config.cols), "last": 1})


class CounterLayout(data.StructLayout):
    """Performance counters since reset, `COUNTER_WIDTH` bits each, wrapping; named by `array_counters`.

    Members
    -------
    steps : array steps taken.
    stalls_operands : cycles in which a tile waited for its operands.
    stalls_drain : cycles in which a tile waited for the drain of the one before.
    stalls_output : cycles in which a row waited for the sink.

    Between them the events that the kind of PE counts, those of NB-SMT as in
    `sysmt.sim.golden.product.Counters`.
    """

    def __init__(self, pe: PEConfig):
        super().__init__(dict.fromkeys(array_counters(pe), COUNTER_WIDTH))
