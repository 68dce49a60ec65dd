# SPDX-License-Identifier: Apache-2.0
"""MuseLab iCESugar-Pro with an ECP5-25F: 25 MHz crystal, iCELink bridge of up to 1 Mbaud."""

from amaranth_boards.icesugar_pro import ICESugarProPlatform

from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.pll import ecp5_pll
from sysmt.hdl.params.sdram import CHIPS
from sysmt.sim.flow.parts import ECP5_25F

BOARD = BoardDefinition(
    name="icesugar_pro",
    title="iCESugar-Pro",
    platform=ICESugarProPlatform,
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
    sdram=CHIPS["x16_256mbit"],
    # ResNet-8 takes 4098 words of activations.
    streaming={"activation_words": 5120, "weight_words": 2048, "parameter_words": 256},
    loader=("--cable", "cmsisdap"),
)
