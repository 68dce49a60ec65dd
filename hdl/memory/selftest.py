# SPDX-License-Identifier: Apache-2.0
"""Writes every word of an SDRAM and reads it back: the first thing to run on a board."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect

from sysmt.hdl.params.sdram import SdramConfig

from .ports import SdramPins
from .sdram import SdramController

TAPS = {16: (15, 14, 12, 3), 32: (31, 21, 1, 0)}
"""Bits of a word that make the next one: sequences of 2**n - 1 different words (Xilinx XAPP 052, table 3)."""


class MemoryTest(wiring.Component):
    """One burst that writes the whole chip with words of a shift register, and one that reads it.

    Parameters
    ----------
    config : SdramConfig

    Members
    -------
    pins : Out(SdramPins)
    done : Out(1)
        Every word has been compared.
    failed : Out(1)
        A word was another one.

    Latency
    -------
    Two bursts of the whole chip: 0.6 s for 32 MB at 60 MHz.
    """

    block = "memory controller"

    def __init__(self, config: SdramConfig):
        self.config = config
        super().__init__({"pins": Out(SdramPins(config.chip)), "done": Out(1), "failed": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.config.chip
        m.submodules.controller = controller = SdramController(self.config)
        connect(m, controller.pins, wiring.flipped(self.pins))
        words = 1 << chip.address_bits
        writing, offered = Signal(init=1), Signal()
        left = Signal(range(words + 1), init=words)
        word = Signal(chip.width, init=1)
        moves = Signal()
        m.d.comb += [
            controller.i.valid.eq(~offered),
            controller.i.payload.write.eq(writing),
            controller.i.payload.length.eq(words),
            controller.i_write.valid.eq(writing),
            controller.i_write.payload.eq(word),
            controller.o_read.ready.eq(1),
            moves.eq((writing & controller.i_write.ready) | controller.o_read.valid),
        ]
        with m.If(controller.i.ready):
            m.d.sync += offered.eq(1)
        with m.If(controller.o_read.valid & (controller.o_read.payload != word)):
            m.d.sync += self.failed.eq(1)
        with m.If(moves):
            feedback = Cat(word[tap] for tap in TAPS[chip.width]).xor()
            m.d.sync += [word.eq(Cat(feedback, word)), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += [word.eq(word.init), left.eq(words), writing.eq(0), offered.eq(~writing)]
                m.d.sync += self.done.eq(~writing)
        return m
