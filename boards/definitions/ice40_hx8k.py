# SPDX-License-Identifier: Apache-2.0
"""Lattice iCE40HX8K-B-EVN: 12 MHz oscillator, FT2232H bridge."""

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.pll import ice40_pll
from sysmt.sim.flow.parts import ICE40HX8K

BOARD = BoardDefinition(
    name="ice40_hx8k",
    title="iCE40HX8K-B-EVN",
    platform=ICE40HX8KBEVNPlatform,
    part=ICE40HX8K,
    clock_hz=48e6,
    pll=ice40_pll,
    baud=3_000_000,
    preset="sysmt2_3x2",
    fields={"pipeline": 1},
    buffers={"requantize": False},
    loader=("--board", "ice40_generic"),
)
