# SPDX-License-Identifier: Apache-2.0
"""The top of a bitstream that tests the SDRAM of a board.

LED 0 is lit when all is read, LED 1 when a word is wrong; where there is one of three colours, green and red.
"""

from amaranth.build import Platform
from amaranth.hdl import ClockSignal, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io

from sysmt.base.errors import UserError
from sysmt.hdl.emit import Design, emit
from sysmt.hdl.memory.selftest import MemoryTest

from .board import BoardDefinition
from .sdram import sdram_ports
from .wrapper import add_clock, add_lights

NAME = "memory_test"


def memory_test(board: BoardDefinition) -> Design:
    """The test of the board's SDRAM; refused where there is none."""
    if board.memory is None:
        raise UserError(f"board {board.name} has no SDRAM whose pins are known: take ulx3s or icesugar_pro")
    return emit(MemoryTest(board.memory), NAME, {"config": board.memory.as_dict()})


class MemoryTestTop(Elaboratable):
    """Clock, pins and lights around the emitted test.

    Parameters
    ----------
    board : BoardDefinition
    """

    def __init__(self, board: BoardDefinition):
        self.design = memory_test(board)
        assert board.memory is not None
        self.board = board.at(board.memory.clock_hz)

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        add_clock(m, platform, self.board)
        assert self.board.sdram is not None
        done, failed = Signal(), Signal()
        platform.add_file(f"{self.design.name}.v", self.design.verilog)
        m.submodules.test = Instance(
            self.design.name,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(allow_reset_less=True),
            o_done=done,
            o_failed=failed,
            **sdram_ports(m, self.board.sdram),
        )
        if ("led", 0) in platform.resources:
            add_lights(m, platform, done, failed)
        else:
            color = platform.request("rgb_led", 0, dir="-")
            for name, pin, light in (("green", color.g, done), ("red", color.r, failed)):
                m.submodules[name] = led = io.Buffer("o", pin)
                m.d.comb += led.o.eq(light)
        return m
