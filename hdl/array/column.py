# SPDX-License-Identifier: Apache-2.0
"""One column of the array: PEs in a chain. Columns are equal, so a design holds this module once.

With clusters twice: the first column of a cluster has the registers of the activations for all of them.
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import shared
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.pe.element import Place, ProcessingElement
from sysmt.hdl.pe.ports import Control, passed, passed_weights


@dataclass(frozen=True)
class ColumnConfig:
    """A column of `array`; `registers`: it has registers for the activations and control."""

    array: ArrayConfig
    registers: bool = True


class Column(wiring.Component):
    """`rows` PEs; weights enter at the top, sums leave at the bottom, activations and control pass every PE.

    Place 0 is at the top. What passes all PEs is one plain vector, place 0 in its low bits: fields would only
    lengthen the Verilog.

    Parameters
    ----------
    config : ColumnConfig

    Members
    -------
    enable : In(1)
    i_w : In(weights)
    o_sum : Out(signed(acc_width))
    i_x, o_x : In, Out(rows * passed)
    i_control, o_control : In, Out(rows * Control)
    i_row : In(rows * weights)
        With `fuse`: the tap of every row, the same vector for all columns.

    Latency
    -------
    1 cycle from i_x to o_x and from i_control to o_control, none without registers; weights reach place p after
    p // cluster more.
    """

    block = "control"

    def __init__(self, config: ColumnConfig):
        self.registers, self.config = config.registers, config.array
        array = config.array
        x = array.rows * passed(array.pe).size
        control = array.rows * Control(array).size
        super().__init__(
            {
                "enable": In(1),
                "i_w": In(passed_weights(array.pe)),
                "o_sum": Out(signed(array.pe.acc_width)),
                "i_x": In(x),
                "o_x": Out(x),
                "i_control": In(control),
                "o_control": Out(control),
            }
            | ({"i_row": In(array.rows * passed_weights(array.pe).size)} if array.fuse else {})
        )

    @staticmethod
    def module_name(config: ColumnConfig) -> str:
        return "column" if config.registers else "column_inner"

    def elaborate(self, platform):
        m = Module()
        rows = self.config.rows
        w, total = self.i_w, Const(0, self.config.pe.acc_width)
        x, control = [], []
        for p in range(rows):
            place = Place(self.config, x_registers=self.registers, w_registers=p % self.config.cluster == 0)
            pe = shared(m, f"pe_{p}", ProcessingElement, place, platform)
            m.d.comb += [
                pe.enable.eq(self.enable),
                pe.i_x.eq(self.i_x.word_select(p, len(self.i_x) // rows)),
                pe.i_control.eq(self.i_control.word_select(p, len(self.i_control) // rows)),
                pe.i_w.eq(w),
                pe.i_sum.eq(total),
            ]
            if self.config.fuse:
                m.d.comb += pe.i_row.eq(self.i_row.word_select(p, len(self.i_row) // rows))
            w, total = pe.o_w, pe.o_sum
            x.append(pe.o_x)
            control.append(pe.o_control)
        m.d.comb += [self.o_x.eq(Cat(x)), self.o_control.eq(Cat(control)), self.o_sum.eq(total)]
        return m
