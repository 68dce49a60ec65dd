# SPDX-License-Identifier: Apache-2.0
"""The FPGAs: families with the tools and cells of each, and parts with what they hold. The only table of them.

Capacities are those of the data sheets, which nextpnr's chip databases agree with.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sysmt.base.errors import UserError
from sysmt.sim.cost.silicon.memories import BLOCK_SHAPES, blocks

RESOURCES = ("LUT", "FF", "DSP", "RAM")


@dataclass(frozen=True, kw_only=True)
class Family:
    """FPGAs that share tools and kinds of cells.

    Parameters
    ----------
    name : str
    synthesis : str
        Yosys' command.
    place_and_route, pack : str
        The tools behind it.
    cells : mapping of pattern to (resource, amount)
        What one cell whose type matches takes of one of `RESOURCES`; the first pattern that matches counts. An adder
        stage with its carry takes the place of LUTs, memory in LUTs that of the LUTs it is made of.
    dsp : str
        What is counted as one DSP: the smallest multiplier that the family has.
    ram_bits : mapping of pattern to int
        Bits of one memory cell whose type matches, parity included.
    suffix : str
        Ending of the name of a bitstream.
    after_synthesis : tuple of str
        Yosys commands that the test harness needs; `{harness}` stands for its name.
    harness_options : str
        Options of `synthesis` for a design in the test harness.
    arguments : tuple of str
        Options of `place_and_route` for a design in the test harness.
    """

    name: str
    synthesis: str
    place_and_route: str
    pack: str
    cells: Mapping[str, tuple[str, int]]
    dsp: str
    ram_bits: Mapping[str, int]
    suffix: str
    after_synthesis: tuple[str, ...] = ()
    harness_options: str = ""
    arguments: tuple[str, ...] = ()

    def used(self, cells: Mapping[str, int]) -> dict[str, int]:
        """How much of each of `RESOURCES` a netlist with these numbers of cells, by type, takes."""
        total = dict.fromkeys(RESOURCES, 0)
        for cell, number in cells.items():
            for pattern, (resource, amount) in self.cells.items():
                if re.fullmatch(pattern, cell):
                    total[resource] += number * amount
                    break
        return total

    @property
    def block_shapes(self) -> tuple[tuple[int, int], ...]:
        """Width and depth that a block of RAM can have, with one port to write and one to read."""
        return BLOCK_SHAPES[self.name]

    def blocks(self, width: int, depth: int) -> int:
        """As `sysmt.sim.cost.silicon.memories.blocks`."""
        return blocks(self.name, width, depth)

    def memory_bits(self, cells: Mapping[str, int]) -> int:
        """Bits of all memory cells of a netlist."""
        patterns = self.ram_bits.items()
        return sum(number * bits for cell, number in cells.items() for p, bits in patterns if re.fullmatch(p, cell))


@dataclass(frozen=True, kw_only=True)
class Part:
    """One FPGA.

    Parameters
    ----------
    name : str
    family : Family
    luts, ffs, dsps, rams : int
        LUTs of 4 inputs, flip-flops, multipliers in the unit `family.dsp`, and blocks of RAM.
    speed : str
        Speed grade of `arguments`, which the clock depends on; empty where the part has one only.
    arguments : tuple of str
        Options of place and route that choose part, package and speed grade for a design in the test harness; a board
        has its own.
    pins : tuple of str
        Of the clock, the input and the output of the test harness, where the tool does not choose them itself.
    synthesis : str
        Further options of the synthesis of a bitstream.
    """

    name: str
    family: Family
    luts: int
    ffs: int
    dsps: int
    rams: int
    speed: str = ""
    arguments: tuple[str, ...]
    pins: tuple[str, ...] = ()
    synthesis: str = ""

    @property
    def title(self) -> str:
        """The part with its speed grade."""
        return f"{self.name}-{self.speed}" if self.speed else self.name

    @property
    def capacity(self) -> dict[str, int]:
        """How much there is of each of `RESOURCES`."""
        return dict(zip(RESOURCES, (self.luts, self.ffs, self.dsps, self.rams), strict=True))


ECP5 = Family(
    name="ecp5",
    synthesis="synth_ecp5",
    place_and_route="nextpnr-ecp5",
    pack="ecppack",
    cells={
        "LUT4": ("LUT", 1),
        "CCU2C": ("LUT", 2),
        "TRELLIS_DPR16X4": ("LUT", 4),
        "TRELLIS_FF": ("FF", 1),
        "MULT18X18D": ("DSP", 1),
        "(DP16KD|PDPW16KD)": ("RAM", 1),
    },
    dsp="MULT18X18D",
    ram_bits={"(DP16KD|PDPW16KD)": 18 * 1024, "TRELLIS_DPR16X4": 64},
    suffix=".bit",
    arguments=("--lpf-allow-unconstrained",),
)
ICE40 = Family(
    name="ice40",
    synthesis="synth_ice40",
    place_and_route="nextpnr-ice40",
    pack="icepack",
    # Where an adder stage has a LUT of its own beside it in the netlist, the two become one: the carry is free.
    cells={
        "SB_LUT4": ("LUT", 1),
        "SB_DFF.*": ("FF", 1),
        "SB_MAC16": ("DSP", 1),
        "SB_RAM40_4K.*": ("RAM", 1),
    },
    dsp="SB_MAC16",
    ram_bits={"SB_RAM40_4K.*": 4096, "SB_SPRAM256KA": 262144},
    suffix=".bin",
    harness_options="-dsp",
    arguments=("--pcf-allow-unconstrained",),
)
GOWIN = Family(
    name="gowin",
    synthesis="synth_gowin",
    place_and_route="nextpnr-himbaechel-gowin",
    pack="gowin_pack",
    cells={
        "LUT[1-4]": ("LUT", 1),
        "ALU": ("LUT", 1),
        "RAM16.*": ("LUT", 6),
        "DFF.*": ("FF", 1),
        # A multiplier of 18x18 is two of 9x9, one of 36x36 is four of 18x18.
        "MULT9X9": ("DSP", 1),
        "(MULT18X18|MULTADDALU18X18|MULTALU18X18)": ("DSP", 2),
        "(MULT36X36|MULTALU36X18)": ("DSP", 8),
        "(SPX9|SDPX9B|DPX9B|SP|SDPB|DPB|pROM).*": ("RAM", 1),
    },
    dsp="MULT9X9",
    ram_bits={"(SPX9|SDPX9B|DPX9B|SP|SDPB|DPB|pROM).*": 18 * 1024, "RAM16SDP4": 64},
    suffix=".fs",
    # Of all modules, only the test harness has pads.
    after_synthesis=("iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O {harness}",),
    harness_options="-noiopads",
)

FAMILIES = {family.name: family for family in (ECP5, ICE40, GOWIN)}


def _ecp5(size: str, luts: int, dsps: int, rams: int) -> Part:
    return Part(
        name=f"LFE5U-{size}F",
        family=ECP5,
        luts=luts,
        ffs=luts,
        dsps=dsps,
        rams=rams,
        speed="6",
        arguments=(f"--{size}k", "--package", "CABGA381", "--speed", "6"),
        synthesis="-nowidelut",
    )


ECP5_25F = _ecp5("25", luts=24288, dsps=28, rams=56)
ECP5_45F = _ecp5("45", luts=43848, dsps=72, rams=108)
ECP5_85F = _ecp5("85", luts=83640, dsps=156, rams=208)
ICE40UP5K = Part(
    name="iCE40UP5K",
    family=ICE40,
    luts=5280,
    ffs=5280,
    dsps=8,
    rams=30,
    arguments=("--up5k", "--package", "sg48"),
    synthesis="-device u",
)
ICE40HX8K = Part(
    name="iCE40HX8K",
    family=ICE40,
    luts=7680,
    ffs=7680,
    dsps=0,
    rams=32,
    arguments=("--hx8k", "--package", "ct256"),
)
# Ten DSP macros of two MULT18X18 each: 20 of 18x18 or 40 of 9x9.
GW1NR_9C = Part(
    name="GW1NR-9C",
    family=GOWIN,
    luts=8640,
    ffs=6480,
    dsps=40,
    rams=26,
    arguments=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
    pins=("52", "18", "17"),
)
# 24 DSP macros: 48 of 18x18.
GW2A_18 = Part(
    name="GW2A-18",
    family=GOWIN,
    luts=20736,
    ffs=15552,
    dsps=96,
    rams=46,
    arguments=("--device", "GW2A-LV18PG256C8/I7", "--vopt", "family=GW2A-18"),
    pins=("H11", "T13", "M11"),
)

PARTS = (ECP5_25F, ECP5_45F, ECP5_85F, ICE40UP5K, ICE40HX8K, GW1NR_9C, GW2A_18)
"""Smaller ones of a family first."""


def fitting(used: Mapping[str, int], family: Family) -> Part:
    """The smallest part of a family with enough of every resource; refused when there is none."""
    parts = [part for part in PARTS if part.family is family]
    for part in parts:
        if all(used[resource] <= there for resource, there in part.capacity.items()):
            return part
    largest = parts[-1].capacity
    over = {name: number for name, number in used.items() if number > largest[name]} or used
    raise UserError(
        f"target {family.name} has no part for {_listed(over)} (largest: {parts[-1].name}, "
        f"{_listed({name: largest[name] for name in over})}): choose a smaller design, or --seeds 0 for resources only"
    )


def _listed(amounts: Mapping[str, int]) -> str:
    return " and ".join(f"{number} {resource}s" for resource, number in amounts.items())
