# SPDX-License-Identifier: Apache-2.0
"""One row of the array: PEs in a chain. Rows are equal, so a design holds this module once."""

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ArrayConfig
from .emit import shared
from .pe.element import ProcessingElement
from .pe.ports import Control, activations, weights


class Row(wiring.Component):
    """`cols` PEs; x and control enter at the left, weights and sums at the top of every PE.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    enable : In(1)
    i_x, i_control : In
        Into the first PE.
    o_control : Out
        From the last PE.
    i_w, o_w, i_sum, o_sum : arrays of `cols`
        To and from every PE.

    Latency
    -------
    `cols` cycles from i_control to o_control, 1 from i_w to o_w.
    """

    module_name = "row"

    def __init__(self, config: ArrayConfig):
        self.config = config
        w, sums = weights(config.pe), signed(config.pe.acc_width)
        super().__init__(
            {
                "enable": In(1),
                "i_x": In(activations(config.pe)),
                "i_control": In(Control(config.pe)),
                "o_control": Out(Control(config.pe)),
                "i_w": In(w).array(config.cols),
                "o_w": Out(w).array(config.cols),
                "i_sum": In(sums).array(config.cols),
                "o_sum": Out(sums).array(config.cols),
            }
        )

    def elaborate(self, platform):
        m = Module()
        x, control = self.i_x, self.i_control
        for c in range(self.config.cols):
            pe = shared(m, f"pe_{c}", ProcessingElement, self.config, platform)
            m.d.comb += [
                pe.enable.eq(self.enable),
                pe.i_x.eq(x),
                pe.i_control.eq(control),
                pe.i_w.eq(self.i_w[c]),
                pe.i_sum.eq(self.i_sum[c]),
                self.o_w[c].eq(pe.o_w),
                self.o_sum[c].eq(pe.o_sum),
            ]
            x, control = pe.o_x, pe.o_control
        m.d.comb += self.o_control.eq(control)
        return m
