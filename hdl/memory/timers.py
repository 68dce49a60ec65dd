# SPDX-License-Identifier: Apache-2.0
"""What may not be issued to an SDRAM yet: its timing rules as shift registers."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.sdram import BURST, MODE_CYCLES, SdramConfig

TURNAROUND = 1
"""Clocks in which nobody drives the data pins, between words read and words written."""


class BankTimers(wiring.Component):
    """Told what is issued, says from the next cycle on what must wait.

    A timer is a register that is shifted down every cycle and may not be issued while its lowest bit is set: the
    longest of several times that run together is the union of their bits.

    Parameters
    ----------
    config : SdramConfig

    Members
    -------
    activates, precharges, row_bank : In(1), In(1), In(bank_bits)
    reads, writes, column_bank : In(1), In(1), In(bank_bits)
    closes, refreshes, loads_mode : In(1)
        A precharge of all banks, a refresh, a load of the mode register.
    column_busy, activate_busy, precharge_busy : Out(1), one per bank
    any_activate_busy, write_busy : Out(1)
        After an activation of any bank; after a read.
    some_activate_busy, some_precharge_busy : Out(1)
        Of at least one bank.
    """

    block = "memory controller"

    def __init__(self, config: SdramConfig):
        self.config = config
        events = ("activates", "precharges", "reads", "writes", "closes", "refreshes", "loads_mode")
        busy = ("any_activate_busy", "write_busy", "some_activate_busy", "some_precharge_busy")
        banks = config.chip.bank_bits
        super().__init__(
            {name: In(1) for name in events}
            | {"row_bank": In(banks), "column_bank": In(banks)}
            | {f"{kind}_busy": Out(1).array(1 << banks) for kind in ("column", "activate", "precharge")}
            | {name: Out(1) for name in busy}
        )
        activated = (config.t_rc, config.t_rp, config.t_rfc, MODE_CYCLES)
        written = (config.t_ras, BURST, config.t_wr)
        self.column = [_timer(f"column_{b}", config.t_rcd) for b in range(1 << banks)]
        self.activate = [_timer(f"activate_{b}", *activated) for b in range(1 << banks)]
        self.precharge = [_timer(f"precharge_{b}", *written) for b in range(1 << banks)]
        self.any_activate = _timer("any_activate", config.t_rrd)
        # The last word of a read leaves the pins, and the one after it nobody drives.
        self.turn_cycles = config.cas + BURST + TURNAROUND
        self.turn = _timer("turn", self.turn_cycles)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        for bank in range(1 << config.chip.bank_bits):
            of_row, of_column = self.row_bank == bank, self.column_bank == bank
            activates = self.activates & of_row
            m.d.comb += [
                self.column_busy[bank].eq(self.column[bank][0]),
                self.activate_busy[bank].eq(self.activate[bank][0]),
                self.precharge_busy[bank].eq(self.precharge[bank][0]),
            ]
            m.d.sync += [
                self.column[bank].eq(_following(self.column[bank], (activates, config.t_rcd))),
                self.activate[bank].eq(
                    _following(
                        self.activate[bank],
                        (activates, config.t_rc),
                        ((self.precharges & of_row) | self.closes, config.t_rp),
                        (self.refreshes, config.t_rfc),
                        (self.loads_mode, MODE_CYCLES),
                    )
                ),
                self.precharge[bank].eq(
                    _following(
                        self.precharge[bank],
                        (activates, config.t_ras),
                        (self.reads & of_column, BURST),
                        (self.writes & of_column, config.t_wr),
                    )
                ),
            ]
        m.d.sync += [
            self.any_activate.eq(_following(self.any_activate, (self.activates, config.t_rrd))),
            self.turn.eq(_following(self.turn, (self.reads, self.turn_cycles))),
        ]
        m.d.comb += [
            self.any_activate_busy.eq(self.any_activate[0]),
            self.write_busy.eq(self.turn[0]),
            self.some_activate_busy.eq(Cat(self.activate_busy).any()),
            self.some_precharge_busy.eq(Cat(self.precharge_busy).any()),
        ]
        return m


def _timer(name: str, *clocks: int) -> Signal:
    """A timer for the longest of these times."""
    return Signal(max(*clocks, 2) - 1, name=name)


def _following(timer: Signal, *events: tuple[Value, int]) -> Value:
    """The timer in the next cycle; each event sets it for so many clocks."""
    following = timer >> 1
    for event, clocks in events:
        following |= Mux(event, (1 << (clocks - 1)) - 1, 0)
    return following
