# SPDX-License-Identifier: Apache-2.0
"""LambdaConcept ECPIX-5 with an ECP5-85F (5G, speed grade 8): 100 MHz oscillator, FT2232H bridge of up to 12 Mbaud."""

from amaranth_boards.ecpix5 import ECPIX585Platform

from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.pll import ecp5_pll
from sysmt.sim.flow.parts import ECP5_85F

BOARD = BoardDefinition(
    name="ecpix5",
    title="ECPIX-5 85F",
    platform=ECPIX585Platform,
    part=ECP5_85F,
    clock_hz=60e6,
    pll=ecp5_pll,
    baud=6_000_000,
    preset="sysmt2_8",
    fields={"pipeline": 3},
    engine={"activation_words": 5120, "weight_words": 16896, "scatter_words": 1024, "layers": 32, "add_lanes": 4},
    loader=("--board", "ecpix5"),
)
