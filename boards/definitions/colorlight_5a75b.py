# SPDX-License-Identifier: Apache-2.0
"""Colorlight 5A-75B (revision 7.0) with an ECP5-25F: 25 MHz crystal; its UART is on J19, for a bridge and a JTAG
cable of your own."""

from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform

from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.pll import ecp5_pll
from sysmt.sim.flow.parts import ECP5_25F

BOARD = BoardDefinition(
    name="colorlight_5a75b",
    title="Colorlight 5A-75B",
    platform=Colorlight_5A75B_R70Platform,
    part=ECP5_25F,
    clock_hz=60e6,
    pll=ecp5_pll,
    baud=1_000_000,
    preset="sysmt2_5x8",
    fields={"pipeline": 3},
    engine_preset="sysmt2_4",
    engine={
        "activation_words": 4096,
        "weight_words": 4096,
        "scatter_words": 1024,
        "layers": 32,
        "lanes": 2,
        # What patches take is logic that this part would rather keep free.
        "patch": 1,
    },
    loader=("--cable", "ft232RL"),
)
