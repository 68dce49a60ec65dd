# SPDX-License-Identifier: Apache-2.0
"""Popcount count: how many of the bits are set."""

from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .adders import BitHeap


@dataclass(frozen=True)
class PopcountConfig:
    """`size` bits to count; `target` as in `PEConfig`."""

    size: int
    target: str


class Popcount(wiring.Component):
    """Combinational: `count` = number of ones in `bits`.

    Parameters
    ----------
    config : PopcountConfig

    Members
    -------
    bits : In(size)
    count : Out(range(size + 1))
    """

    def __init__(self, config: PopcountConfig):
        self.config = config
        super().__init__({"bits": In(config.size), "count": Out(range(config.size + 1))})

    @staticmethod
    def module_name(config: PopcountConfig) -> str:
        return f"population_{config.size}"

    def elaborate(self, platform):
        m = Module()
        if self.config.target == "fpga":
            m.d.comb += self.count.eq(sum(self.bits[1:], start=self.bits[0]))
        else:
            matrix = BitHeap(m, len(self.count), "sum")
            for bit in self.bits:
                matrix.add(bit)
            m.d.comb += self.count.eq(matrix.reduce())
        return m
