# SPDX-License-Identifier: Apache-2.0
"""Layouts of what the parts of the engine exchange: the records of `sysmt.hdl.params.program`."""

from amaranth.hdl import signed
from amaranth.lib import data

from sysmt.hdl.accel.ports import layout
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR

SUM_WIDTH = 32
"""Bits of a sum on its way to the requantisers."""

LayerLayout = layout(DESCRIPTOR)
"""The descriptor of a layer."""


class SumRow(data.StructLayout):
    """One row of sums, from the array or the pooling unit: the channels of one output pixel.

    Members
    -------
    sums : ArrayLayout(signed(32), cols)
    last : unsigned(1)
        The last row of a tile.
    """

    def __init__(self, config: EngineConfig):
        super().__init__({"sums": data.ArrayLayout(signed(SUM_WIDTH), config.array.cols), "last": 1})
