# SPDX-License-Identifier: Apache-2.0
"""Population count: how many of the bits are set."""

from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .adders import BitMatrix


@dataclass(frozen=True)
class PopulationConfig:
    """`size` bits to count; `target` as in `PEConfig`."""

    size: int
    target: str


class Population(wiring.Component):
    """Combinational: `count` = number of ones in `bits`.

    Parameters
    ----------
    config : PopulationConfig

    Members
    -------
    bits : In(size)
    count : Out(range(size + 1))
    """

    def __init__(self, config: PopulationConfig):
        self.config = config
        super().__init__({"bits": In(config.size), "count": Out(range(config.size + 1))})

    @staticmethod
    def module_name(config: PopulationConfig) -> str:
        return f"population_{config.size}"

    def elaborate(self, platform):
        m = Module()
        if self.config.target == "fpga":
            m.d.comb += self.count.eq(sum(self.bits[1:], start=self.bits[0]))
        else:
            matrix = BitMatrix(m, len(self.count), "sum")
            for bit in self.bits:
                matrix.add(bit)
            m.d.comb += self.count.eq(matrix.reduce())
        return m
