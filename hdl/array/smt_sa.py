# SPDX-License-Identifier: Apache-2.0
"""The array of SMT-SA: PEs that hand operands on when they can, and columns whose sums leave when they are there."""

from amaranth.hdl import Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import shared
from sysmt.hdl.params.pe import W_WIDTH
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.hdl.pe.smt_sa import Activation, LeavingSum, SmtSaElement


class SmtSaArray(wiring.Component):
    """Output-stationary matrix product, tile by tile: `sum` of row r, column c = sum over all threads of x[r] * w[c].

    Threads have contiguous parts of K, of equal length, zeros at the end of the last. No skew is needed: operands wait
    in the links between PEs. Row 0 is next to the exit, so that rows leave in order.

    Parameters
    ----------
    config : SmtSaConfig

    Members
    -------
    i_x : array [rows][threads] of streams of Activation
        Row r's activations of thread t, tile after tile; `last` says where its part of a tile ends. Every stream moves
        on its own.
    i_w : array [cols][threads] of streams of signed(8)
        Column c's weights, as many as activations.
    o : array [cols] of streams of LeavingSum
        Column c's sums, rows in order, `last` with the last row of a tile.

    Latency
    -------
    Depends on the operands: `sysmt.sim.cost.smt_sa`, equal to the cycle where all operands and all sinks are ready.

    Limits
    ------
    Lengths are not checked: a part without `last`, or parts of different lengths in one tile, make sums of what is not
    theirs, and a reduction beyond `SmtSaConfig.k_max` can wrap. A column whose sink is not ready stops the others when
    its PEs are a tile ahead.
    """

    block = "control"

    def __init__(self, config: SmtSaConfig):
        self.config = config
        activations, weights = stream.Signature(Activation()), stream.Signature(signed(W_WIDTH))
        super().__init__(
            {
                "i_x": In(activations).array(config.rows, config.threads),
                "i_w": In(weights).array(config.cols, config.threads),
                "o": Out(stream.Signature(LeavingSum(config))).array(config.cols),
            }
        )

    @staticmethod
    def module_name(config: SmtSaConfig) -> str:
        return "array"

    def elaborate(self, platform):
        m = Module()
        rows, cols, threads = self.config.rows, self.config.cols, self.config.threads
        grid = [
            [shared(m, f"pe_{r}_{c}", SmtSaElement, self.config, platform) for c in range(cols)] for r in range(rows)
        ]
        for r, row in enumerate(grid):
            for c, pe in enumerate(row):
                right = row[c + 1] if c + 1 < cols else None
                above = grid[r + 1][c] if r + 1 < rows else None
                below = grid[r - 1][c] if r else None
                m.d.comb += pe.top.eq(above is None)
                for t in range(threads):
                    if c == 0:
                        wiring.connect(m, wiring.flipped(self.i_x[r][t]), pe.i_x[t])
                    if above is None:
                        wiring.connect(m, wiring.flipped(self.i_w[c][t]), pe.i_w[t])
                    for o, other in ((pe.o_x[t], right and right.i_x[t]), (pe.o_w[t], below and below.i_w[t])):
                        if other is None:
                            m.d.comb += o.ready.eq(1)
                        else:
                            wiring.connect(m, o, other)
                if below is None:
                    wiring.connect(m, pe.o_sum, wiring.flipped(self.o[c]))
                else:
                    wiring.connect(m, pe.o_sum, below.i_sum)
        return m
