# SPDX-License-Identifier: Apache-2.0
"""Radiona ULX3S with an ECP5-85F: 25 MHz crystal, FT231X bridge of up to 3 Mbaud."""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.pll import ecp5_pll
from sysmt.hdl.params.sdram import CHIPS
from sysmt.sim.flow.parts import ECP5_85F

BOARD = BoardDefinition(
    name="ulx3s",
    title="ULX3S 85F",
    platform=ULX3S_85F_Platform,
    part=ECP5_85F,
    # The engine was placed at 67.9 to 73.8 MHz, of which this is 3 % less than the slowest; the UART's whole divisor is
    # 0.6 % off.
    clock_hz=65.625e6,
    pll=ecp5_pll,
    baud=3_000_000,
    preset="sysmt2_8",
    fields={"pipeline": 3},
    # 201 of 208 blocks of RAM: ResNet-8 takes 4098 words of activations, the autoencoder 16512 of weights.
    engine={
        "activation_words": 5120,
        "weight_words": 16896,
        "scatter_words": 1024,
        "parameter_words": 512,
        "layers": 32,
        "add_lanes": 4,
    },
    # Boards came with chips of several makers, of 256 Mbit or more.
    sdram=CHIPS["x16_256mbit"],
    # Not placed yet.
    sdram_hz=60e6,
    # MobileNetV2-224 takes 13902 words of activations in bands, 306 layers and 624 entries of chunks.
    streaming={
        "activation_words": 14336,
        "weight_words": 4096,
        "scatter_words": 3072,
        "parameter_words": 512,
        "layers": 320,
        "chunks": 1024,
    },
    loader=("--board", "ulx3s"),
)
