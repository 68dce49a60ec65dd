# SPDX-License-Identifier: Apache-2.0
"""The FPGAs: what they hold, and what their synthesis calls it."""

from dataclasses import dataclass

RESOURCES = ("LUT", "FF", "DSP", "RAM")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One FPGA.

    Parameters
    ----------
    name : str
    family : str
        "ecp5", "ice40" or "gowin".
    luts, ffs, dsps, rams : int
        LUTs of 4 inputs, flip-flops, DSP blocks (one multiplication each) and blocks of RAM.
    ram_bits : int
        Bits of one block of RAM.
    synthesis : str
        Options of Yosys' synthesis command for this family.
    """

    name: str
    family: str
    luts: int
    ffs: int
    dsps: int
    rams: int
    ram_bits: int
    synthesis: str = ""

    @property
    def capacity(self) -> dict[str, int]:
        """How much there is of each of `RESOURCES`."""
        return dict(zip(RESOURCES, (self.luts, self.ffs, self.dsps, self.rams), strict=True))

    def used(self, cells: dict[str, int]) -> dict[str, int]:
        """How much of each of `RESOURCES` a netlist with these numbers of cells needs.

        An adder stage with its carry takes the place of LUTs; where an iCE40 adder stage has a LUT of its own beside it
        in the netlist, the two become one.
        """
        costs = COSTS[self.family]
        need = dict.fromkeys(RESOURCES, 0)
        for cell, number in cells.items():
            for prefix, (resource, cost) in costs.items():
                if cell.startswith(prefix):
                    need[resource] += number * cost
                    break
        return need


COSTS: dict[str, dict[str, tuple[str, float]]] = {
    "ecp5": {
        "LUT4": ("LUT", 1),
        "CCU2C": ("LUT", 2),
        "TRELLIS_DPR16X4": ("LUT", 4),
        "TRELLIS_FF": ("FF", 1),
        "MULT18X18D": ("DSP", 1),
        "DP16KD": ("RAM", 1),
        "PDPW16KD": ("RAM", 1),
    },
    "ice40": {
        "SB_LUT4": ("LUT", 1),
        "SB_DFF": ("FF", 1),
        "SB_MAC16": ("DSP", 1),
        "SB_RAM40_4K": ("RAM", 1),
    },
    "gowin": {
        "LUT1": ("LUT", 1),
        "LUT2": ("LUT", 1),
        "LUT3": ("LUT", 1),
        "LUT4": ("LUT", 1),
        "ALU": ("LUT", 1),
        "RAM16": ("LUT", 6),
        "DFF": ("FF", 1),
        "MULT9X9": ("DSP", 1),
        "MULT18X18": ("DSP", 2),
        "MULT36X36": ("DSP", 8),
        "DPX9B": ("RAM", 1),
        "DPB": ("RAM", 1),
        "SDPX9B": ("RAM", 1),
        "SDPB": ("RAM", 1),
        "SPX9": ("RAM", 1),
        "SP": ("RAM", 1),
    },
}
"""Prefix of a cell's name -> (resource, how much of it); the first prefix that fits counts."""

_TRELLIS = {"family": "ecp5", "ram_bits": 16 * 1024, "synthesis": "-nowidelut"}

ECP5_85F = Part(name="LFE5U-85F", luts=83640, ffs=83640, dsps=156, rams=208, **_TRELLIS)
ECP5_25F = Part(name="LFE5U-25F", luts=24288, ffs=24288, dsps=28, rams=56, **_TRELLIS)
ICE40UP5K = Part(
    name="iCE40UP5K", family="ice40", luts=5280, ffs=5280, dsps=8, rams=30, ram_bits=4096, synthesis="-device u"
)
ICE40HX8K = Part(name="iCE40HX8K", family="ice40", luts=7680, ffs=7680, dsps=0, rams=32, ram_bits=4096)
GW1NR_9C = Part(name="GW1NR-9C", family="gowin", luts=8640, ffs=6480, dsps=20, rams=26, ram_bits=16 * 1024)
