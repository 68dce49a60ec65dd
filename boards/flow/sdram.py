# SPDX-License-Identifier: Apache-2.0
"""Pins of a board's SDRAM, between the controller and the chip."""

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In

from sysmt.hdl.memory.ports import SdramPins
from sysmt.hdl.params.sdram import SdramChip

CAPTURE = 1
"""Clocks of registers on the way of data, as in `SdramConfig.capture`: the commands' own on the way out, as the word is
taken in the middle of the last clock."""


class SdramPads(wiring.Component):
    """Registers at the pins, and the chip's clock.

    The chip's clock is the inverse of ours: what leaves at our rising edge is there half a period before and after the
    chip takes it. A word from the chip is taken at our falling edge, and goes on at the next rising one. With 6 ns from
    the chip's clock to its data, 2.5 ns that they stay, and 3 to 6 ns of pads and board, a word at 60 MHz is there from
    4.7 ns before until 5.5 ns after it is taken: estimated, not tried on a board.

    Parameters
    ----------
    chip : SdramChip

    Members
    -------
    pins : In(SdramPins)
        To the controller.
    """

    def __init__(self, chip: SdramChip):
        self.chip = chip
        super().__init__({"pins": In(SdramPins(chip))})

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        pins = self.pins
        pads = platform.request("sdram", 0, dir="-")
        m.submodules.clk = clk = io.DDRBuffer("o", pads.clk)
        m.d.comb += [clk.o[0].eq(0), clk.o[1].eq(1)]
        # Pins of these names are on while low, which amaranth-boards knows too.
        names = {"ras": ~pins.ras_n, "cas": ~pins.cas_n, "we": ~pins.we_n, "ba": pins.ba}
        names["a"] = pins.a
        optional = {"cs": ~pins.cs_n, "clk_en": pins.cke, "dqm": pins.dqm}
        names |= {name: value for name, value in optional.items() if hasattr(pads, name)}
        for name, value in names.items():
            m.submodules[name] = pad = io.FFBuffer("o", getattr(pads, name))
            m.d.comb += pad.o.eq(value)
        m.domains.falling = ClockDomain(clk_edge="neg", reset_less=True, local=True)
        m.d.comb += ClockSignal("falling").eq(ClockSignal())
        m.submodules.dq = dq = io.Buffer("io", pads.dq)
        driven, drives, word = Signal.like(pins.dq_o), Signal(), Signal.like(pins.dq_i)
        m.d.sync += [driven.eq(pins.dq_o), drives.eq(pins.dq_oe)]
        m.d.falling += word.eq(dq.i)
        m.d.comb += [dq.o.eq(driven), dq.oe.eq(drives), pins.dq_i.eq(word)]
        return m


def sdram_ports(m: Module, chip: SdramChip) -> dict[str, Signal]:
    """The board's chip as the ports `pins__*` of an `Instance` of a design with a controller: adds its pads to `m`."""
    m.submodules.pads = pads = SdramPads(chip)
    return {
        f"{'i' if member.flow == wiring.In else 'o'}_pins__{name}": getattr(pads.pins, name)
        for name, member in pads.pins.signature.flip().members.items()
    }
