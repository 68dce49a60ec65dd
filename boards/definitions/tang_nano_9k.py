# SPDX-License-Identifier: Apache-2.0
"""Sipeed Tang Nano 9K with a Gowin GW1NR-9C: 27 MHz oscillator, BL702 bridge."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.gowin import himbaechel
from sysmt.sim.flow.parts import GW1NR_9C

BOARD = BoardDefinition(
    name="tang_nano_9k",
    title="Tang Nano 9K",
    platform=himbaechel(TangNano9kPlatform),
    part=GW1NR_9C,
    clock_hz=27e6,
    baud=1_000_000,
    preset="os6x2",
    fields={"pipeline": 0, "dsp": True},
    buffers={"requantize": False},
    loader=("--board", "tangnano9k"),
)
