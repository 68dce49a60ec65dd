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
    # The accelerator reaches 130 MHz; the engine was placed on the ULX3S, of a slower grade, at 67.9 to 73.8.
    clock_hz=72e6,
    pll=ecp5_pll,
    baud=6_000_000,
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
    loader=("--board", "ecpix5"),
)
