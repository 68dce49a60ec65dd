# SPDX-License-Identifier: Apache-2.0
"""1BitSquared iCEBreaker with an iCE40UP5K: 12 MHz oscillator, FT2232H bridge."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from sysmt.boards.flow.board import BoardDefinition
from sysmt.sim.flow.parts import ICE40UP5K

BOARD = BoardDefinition(
    name="icebreaker",
    title="iCEBreaker",
    platform=ICEBreakerPlatform,
    part=ICE40UP5K,
    clock_hz=12e6,
    baud=1_000_000,
    preset="sysmt2_2",
    fields={"pipeline": 1, "counters": False},
    buffers={"requantize": False},
    loader=("--board", "ice40_generic"),
)
