# SPDX-License-Identifier: Apache-2.0
"""The top of a bitstream: clock, reset and pins around the emitted accelerator."""

from amaranth.build import Platform, ResourceError
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io

from sysmt.hdl.emit import Design

from .board import BoardDefinition
from .sdram import sdram_ports

RESET_CYCLES = 4096
"""Clocks in reset after configuration: longer than block RAM of an iCE40 takes to wake up."""


class Wrapper(Elaboratable):
    """Connects the Verilog of `design`, unchanged, to the pins of `board`: what is simulated is on the board.

    `rx` is what the board's bridge sends, `tx` what it receives. LED 0 is lit while the accelerator is busy, LED 1
    after an error, where the board has them.

    Parameters
    ----------
    board : BoardDefinition
    design : Design
        With ports clk, rst, rx, tx, busy, error, and perhaps those of the board's SDRAM, `pins__*`.
    """

    def __init__(self, board: BoardDefinition, design: Design):
        self._board = board
        self._design = design

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        add_clock(m, platform, self._board)
        pins = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", pins.rx)
        m.submodules.tx = tx = io.Buffer("o", pins.tx)
        busy, error = Signal(), Signal()
        platform.add_file(f"{self._design.name}.v", self._design.verilog)
        has_sdram = any(port["name"].startswith("pins__") for port in self._design.manifest.get("ports", ()))
        m.submodules.accelerator = Instance(
            self._design.name,
            i_clk=ClockSignal(),
            # Where nothing resets a domain, configuration does.
            i_rst=ResetSignal(allow_reset_less=True),
            i_rx=rx.i,
            o_tx=tx.o,
            o_busy=busy,
            o_error=error,
            **(sdram_ports(m, self._board.sdram) if has_sdram and self._board.sdram is not None else {}),
        )
        add_lights(m, platform, busy, error)
        return m


def add_lights(m: Module, platform: Platform, *lights: Signal) -> None:
    """LEDs 0, 1, ..., where the board has them."""
    for number, light in enumerate(lights):
        try:
            pin = platform.request("led", number, dir="-")
        except ResourceError:
            continue
        m.submodules[f"led_{number}"] = led = io.Buffer("o", pin)
        m.d.comb += led.o.eq(light)


def add_clock(m: Module, platform: Platform, board: BoardDefinition) -> None:
    """The domain `sync` from the board's PLL, in reset until it is locked and for a while after.

    A board without a PLL keeps the clock and reset that its platform makes.
    """
    if board.pll is None:
        return
    m.submodules.clock = pin = io.Buffer("i", platform.request(platform.default_clk, 0, dir="-"))
    m.domains.sync = ClockDomain()
    m.domains.raw = ClockDomain(reset_less=True)
    clock, locked = board.pll(m, pin.i, platform.default_clk_frequency, board.clock_hz)
    left = Signal(range(RESET_CYCLES), init=RESET_CYCLES - 1)
    ready = Signal()
    m.d.comb += [ClockSignal("raw").eq(clock), ClockSignal().eq(clock), ResetSignal().eq(~ready)]
    with m.If(~locked):
        m.d.raw += [left.eq(left.init), ready.eq(0)]
    with m.Elif(left == 0):
        m.d.raw += ready.eq(1)
    with m.Else():
        m.d.raw += left.eq(left - 1)
