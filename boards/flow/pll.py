# SPDX-License-Identifier: Apache-2.0
"""Clocks made from a board's own: dividers found by search, refused when no setting comes near enough."""

from amaranth.hdl import Instance, Module, Signal, Value

from sysmt.base.errors import UserError

TOLERANCE = 1e-3
"""How far a clock may be off what was asked for: a UART shares 2 % with its partner."""


def _refused(source_hz: float, clock_hz: float) -> UserError:
    return UserError(
        f"clock_hz = {clock_hz:g} cannot be made of {source_hz:g} Hz by the PLL: take a multiple or a simple fraction"
    )


def ecp5_dividers(source_hz: float, clock_hz: float) -> tuple[int, int, int]:
    """Input, feedback and output divider of an ECP5's PLL (FPGA-TN-02200, oscillator of 400 to 800 MHz)."""
    settings = [
        (abs(source_hz / into * back / clock_hz - 1), abs(clock_hz * out - 600e6), (into, back, out))
        for into in range(1, 129)
        if 3.125e6 <= source_hz / into <= 400e6
        for back in range(1, 81)
        for out in range(1, 129)
        if 400e6 <= source_hz / into * back * out <= 800e6
    ]
    if not settings or min(settings)[0] > TOLERANCE:
        raise _refused(source_hz, clock_hz)
    return min(settings)[2]


def ecp5_pll(m: Module, source: Value, source_hz: float, clock_hz: float) -> tuple[Signal, Signal]:
    """Add an EHXPLLL to `m`. Returns the clock and whether it is locked."""
    into, back, out = ecp5_dividers(source_hz, clock_hz)
    clock, locked = Signal(name="pll_clock"), Signal(name="pll_locked")
    m.submodules.pll = Instance(
        "EHXPLLL",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=out - 1,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        p_CLKI_DIV=into,
        p_CLKFB_DIV=back,
        p_CLKOP_DIV=out,
        i_RST=0,
        i_STDBY=0,
        i_PHASESEL0=0,
        i_PHASESEL1=0,
        i_PHASEDIR=1,
        i_PHASESTEP=1,
        i_PHASELOADREG=1,
        i_PLLWAKESYNC=0,
        i_ENCLKOP=0,
        i_CLKI=source,
        i_CLKFB=clock,
        o_CLKOP=clock,
        o_LOCK=locked,
    )
    return clock, locked


def ice40_dividers(source_hz: float, clock_hz: float) -> tuple[int, int, int]:
    """DIVR, DIVF and DIVQ of an iCE40's PLL with simple feedback (FPGA-TN-02052, oscillator of 533 to 1066 MHz)."""
    settings = [
        (abs(source_hz / (r + 1) * (f + 1) / 2**q / clock_hz - 1), r, f, q)
        for r in range(16)
        if 10e6 <= source_hz / (r + 1) <= 133e6
        for f in range(128)
        if 533e6 <= source_hz / (r + 1) * (f + 1) <= 1066e6
        for q in range(1, 7)
    ]
    if not settings or min(settings)[0] > TOLERANCE:
        raise _refused(source_hz, clock_hz)
    return min(settings)[1:]


def ice40_pll(m: Module, source: Value, source_hz: float, clock_hz: float) -> tuple[Signal, Signal]:
    """Add an SB_PLL40_CORE to `m`. Returns the clock and whether it is locked."""
    r, f, q = ice40_dividers(source_hz, clock_hz)
    reference = source_hz / (r + 1)
    filtering = next((i for i, top in enumerate((17e6, 26e6, 44e6, 66e6, 101e6), 1) if reference < top), 6)
    clock, locked = Signal(name="pll_clock"), Signal(name="pll_locked")
    m.submodules.pll = Instance(
        "SB_PLL40_CORE",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=r,
        p_DIVF=f,
        p_DIVQ=q,
        p_FILTER_RANGE=filtering,
        i_RESETB=1,
        i_BYPASS=0,
        i_REFERENCECLK=source,
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )
    return clock, locked
