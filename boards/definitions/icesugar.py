# SPDX-License-Identifier: Apache-2.0
"""MuseLab iCESugar with an iCE40UP5K: 12 MHz oscillator, iCELink bridge of up to 1 Mbaud."""

from amaranth_boards.icesugar import ICESugarPlatform

from sysmt.boards.flow.board import BoardDefinition
from sysmt.sim.flow.parts import ICE40UP5K

BOARD = BoardDefinition(
    name="icesugar",
    title="iCESugar",
    platform=ICESugarPlatform,
    part=ICE40UP5K,
    clock_hz=12e6,
    baud=1_000_000,
    preset="sysmt2_2",
    fields={"pipeline": 1, "counters": False},
    buffers={"requantize": False},
)
