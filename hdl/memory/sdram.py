# SPDX-License-Identifier: Apache-2.0
"""The controller of an SDR SDRAM: bursts in, words out, at a word per clock."""

import enum
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from sysmt.hdl.params.sdram import BURST, INIT_REFRESHES, SdramConfig

from .ports import ALL_BANKS, SdramBurst, SdramCommand, SdramPins
from .queue import WordQueue
from .segments import RowSegment, Segments
from .timers import BankTimers


class Opener(enum.Enum):
    """What the row opener does: choose a segment, look at its bank, precharge that, activate the row."""

    CHOOSE = 0
    LOOK = 1
    PRECHARGE = 2
    ACTIVATE = 3


class SdramState(enum.Enum):
    """Wait for the chip; refresh it and set its mode; serve bursts; refresh."""

    POWER_UP = 0
    INITIALISE = 1
    RUN = 2
    REFRESH = 3


class SdramController(wiring.Component):
    """Initialises, refreshes, and reads and writes bursts in the order they are given.

    Bursts are cut into segments, each in one row. While one segment is transferred the row of the next is opened, if
    that is in another bank: reads of two words leave every other clock free for it, so that words in order come one
    per clock across rows. Rows stay open until another row of their bank is wanted, or a refresh is due.

        bursts -> Segments -> upcoming segment -> segment under transfer -> pins -> WordQueue -> o_read
                                     +-> row opener <--+                     ^
                                             +-------------------------------+

    Parameters
    ----------
    config : SdramConfig

    Members
    -------
    i : In(stream of SdramBurst)
    i_write : In(stream of width bits)
        The words of write bursts, in order.
    o_read : Out(stream of width bits)
        The words of read bursts, in order.
    pins : Out(SdramPins)
        All outputs are registers.

    Latency
    -------
    To the clock what `sysmt.sim.cost.sdram` says. Bursts begin after the initialisation, `config.init_cycles` and a
    few.

    Limits
    ------
    Whole words. A refresh closes all rows: every `config.refresh_period` clocks it costs about t_rp + t_rfc + t_rcd.
    """

    block = "memory controller"

    def __init__(self, config: SdramConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(SdramBurst(config.chip))),
                "i_write": In(stream.Signature(config.chip.width)),
                "o_read": Out(stream.Signature(config.chip.width)),
                "pins": Out(SdramPins(config.chip)),
            }
        )
        chip = config.chip
        banks = range(1 << chip.bank_bits)
        self.opener = Signal(Opener)
        self.open = Array(Signal(name=f"open_{b}") for b in banks)
        self.rows = Array(Signal(chip.row_bits, name=f"row_{b}", reset_less=True) for b in banks)
        self.upcoming = Signal(RowSegment(chip))
        self.transfer = Signal(RowSegment(chip))
        # Whether there is such a segment, and whether its row is open.
        self.upcoming_valid, self.upcoming_open = Signal(), Signal()
        self.transfer_valid, self.transfer_open = Signal(), Signal()
        self.wanted_bank, self.wanted_row = Signal(chip.bank_bits), Signal(chip.row_bits)
        self.for_transfer = Signal()
        self.state = Signal(SdramState)
        # Refreshes that the initialisation still makes; clocks until the next refresh is due, and whether it is.
        self.first = Signal(range(INIT_REFRESHES + 1), init=INIT_REFRESHES)
        self.left, self.due = Signal(range(config.refresh_period)), Signal()
        self.timers = BankTimers(config)
        self.queue = WordQueue(chip.width, config.queue)
        # Whether the second word of a read leaves the chip one clock after the first of it.
        self.second = Signal()
        # Words under way, by the clocks until they are at `dq_i`; words that the queue has still room for.
        self.expected = Signal(config.read_delay + BURST)
        self.room = Signal(range(config.queue + 1), init=config.queue)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.segments = segments = Segments(config.chip)
        m.submodules.timers = timers = self.timers
        connect(m, wiring.flipped(self.i), segments.i)
        m.d.comb += segments.o.ready.eq(~self.upcoming_valid)
        with m.If(segments.o.valid & segments.o.ready):
            m.d.sync += [self.upcoming.eq(segments.o.payload), self.upcoming_valid.eq(1)]
        with m.If(~self.transfer_valid & self.upcoming_valid & self.upcoming_open):
            m.d.sync += [
                self.transfer.eq(self.upcoming),
                self.transfer_valid.eq(1),
                self.transfer_open.eq(1),
                self.upcoming_valid.eq(0),
                self.upcoming_open.eq(0),
            ]
        m.d.sync += self._command(SdramCommand.NOP)
        m.d.sync += self.pins.dq_oe.eq(0)
        m.d.comb += [self.pins.cke.eq(1), self.pins.cs_n.eq(0), self.pins.dqm.eq(0)]
        live = Signal()
        m.d.comb += live.eq((self.state == SdramState.RUN) & ~self.due)
        opens = Signal()
        reads = self._transfer(m, timers, live, opens)
        self._open_rows(m, timers, live & ~reads, opens)
        self._supervise(m, timers)
        return m

    def _command(self, command: SdramCommand, bank: Value | int = 0, address: Value | int = 0) -> list:
        """What the pins show in the next cycle."""
        pins = self.pins
        ras_n, cas_n, we_n = (command.value >> bit & 1 for bit in range(3))
        return [
            pins.ras_n.eq(ras_n),
            pins.cas_n.eq(cas_n),
            pins.we_n.eq(we_n),
            pins.ba.eq(bank),
            pins.a.eq(address),
        ]

    def _transfer(self, m: Module, timers: BankTimers, live: Value, opens: Value) -> Value:
        """Reads and writes of the segment under transfer; returns whether there is a read."""
        config, transfer, pins = self.config, self.transfer, self.pins
        m.submodules.queue = queue = self.queue
        connect(m, queue.o, wiring.flipped(self.o_read))
        may, reads, writes, pair = (Signal(name=n) for n in ("may", "reads", "writes", "pair"))
        m.d.comb += [
            may.eq(live & self.transfer_valid & self.transfer_open & ~Array(timers.column_busy)[transfer.bank]),
            reads.eq(may & ~transfer.write & ~self.second & (self.room >= BURST)),
            # A word at an odd column ends the burst that the chip would go on with; a single one is the first of two.
            pair.eq(~transfer.column[0] & (transfer.left != 1)),
            self.i_write.ready.eq(may & transfer.write & ~timers.write_busy & ~opens),
            writes.eq(self.i_write.ready & self.i_write.valid),
            timers.reads.eq(reads),
            timers.writes.eq(writes),
            timers.column_bank.eq(transfer.bank),
            queue.write.eq(self.expected[0]),
            queue.data.eq(pins.dq_i),
        ]
        m.d.sync += [
            self.second.eq(reads & pair),
            pins.dq_o.eq(self.i_write.payload),
            self.expected.eq(self.expected[1:] | (Cat(reads, reads & pair) << config.read_delay)),
            self.room.eq(self.room - Cat(reads & ~pair, reads & pair) + (self.o_read.valid & self.o_read.ready)),
        ]
        with m.If(reads):
            m.d.sync += self._command(SdramCommand.READ, transfer.bank, transfer.column)
        with m.If(writes):
            m.d.sync += self._command(SdramCommand.WRITE, transfer.bank, transfer.column)
            m.d.sync += pins.dq_oe.eq(1)
        with m.If(reads | writes):
            two = reads & pair
            m.d.sync += [
                transfer.column.eq(transfer.column + 1 + two),
                transfer.left.eq(transfer.left - 1 - two),
                self.transfer_valid.eq(transfer.left > 1 + two),
            ]
        return reads

    def _open_rows(self, m: Module, timers: BankTimers, free: Value, opens: Value) -> None:
        """Open the row of the segment under transfer where a refresh closed it, else that of the upcoming one.

        Commands of a read go first, those of a write after `opens`.
        """
        upcoming, transfer, bank, row = self.upcoming, self.transfer, self.wanted_bank, self.wanted_row
        closed = self.transfer_valid & ~self.transfer_open
        in_use = self.transfer_valid & (upcoming.bank == transfer.bank) & (upcoming.row != transfer.row)
        precharges, activates = Signal(), Signal()
        m.d.comb += [
            precharges.eq((self.opener == Opener.PRECHARGE) & free & ~Array(timers.precharge_busy)[bank]),
            activates.eq(
                (self.opener == Opener.ACTIVATE) & free & ~Array(timers.activate_busy)[bank] & ~timers.any_activate_busy
            ),
            opens.eq(precharges | activates),
            timers.precharges.eq(precharges),
            timers.activates.eq(activates),
            timers.row_bank.eq(bank),
        ]
        opened = [
            self.transfer_open.eq(self.transfer_open | self.for_transfer),
            self.upcoming_open.eq(self.upcoming_open | ~self.for_transfer),
            self.opener.eq(Opener.CHOOSE),
        ]
        with m.Switch(self.opener):
            with m.Case(Opener.CHOOSE):
                m.d.sync += [
                    self.for_transfer.eq(closed),
                    bank.eq(Mux(closed, transfer.bank, upcoming.bank)),
                    row.eq(Mux(closed, transfer.row, upcoming.row)),
                ]
                with m.If(closed | (self.upcoming_valid & ~self.upcoming_open & ~in_use)):
                    m.d.sync += self.opener.eq(Opener.LOOK)
            with m.Case(Opener.LOOK):
                with m.If(~self.open[bank]):
                    m.d.sync += self.opener.eq(Opener.ACTIVATE)
                with m.Elif(self.rows[bank] != row):
                    m.d.sync += self.opener.eq(Opener.PRECHARGE)
                with m.Else():
                    m.d.sync += opened
            with m.Case(Opener.PRECHARGE), m.If(precharges):
                m.d.sync += self._command(SdramCommand.PRECHARGE, bank)
                m.d.sync += [self.open[bank].eq(0), self.opener.eq(Opener.ACTIVATE)]
            with m.Case(Opener.ACTIVATE), m.If(activates):
                m.d.sync += self._command(SdramCommand.ACTIVATE, bank, row)
                m.d.sync += [self.open[bank].eq(1), self.rows[bank].eq(row), *opened]

    def _supervise(self, m: Module, timers: BankTimers) -> None:
        """Initialisation and refresh."""
        config = self.config
        waits = Signal(range(config.init_cycles), init=config.init_cycles - 1)
        closes, refreshes = Signal(), Signal()
        m.d.comb += [timers.closes.eq(closes), timers.refreshes.eq(refreshes)]
        m.d.sync += self.due.eq(self.left == 0)
        with m.If(self.left != 0):
            m.d.sync += self.left.eq(self.left - 1)
        with m.Switch(self.state):
            with m.Case(SdramState.POWER_UP):
                m.d.sync += waits.eq(waits - 1)
                with m.If(waits == 0):
                    m.d.comb += closes.eq(1)
                    m.d.sync += self.state.eq(SdramState.INITIALISE)
            with m.Case(SdramState.INITIALISE), m.If(~timers.some_activate_busy):
                with m.If(self.first == 0):
                    m.d.comb += timers.loads_mode.eq(1)
                    m.d.sync += self._command(SdramCommand.LOAD_MODE, 0, config.mode)
                    m.d.sync += self.state.eq(SdramState.RUN)
                with m.Else():
                    m.d.comb += refreshes.eq(1)
                    m.d.sync += self.first.eq(self.first - 1)
            with m.Case(SdramState.RUN), m.If(self.due & ~timers.some_precharge_busy):
                m.d.comb += closes.eq(1)
                m.d.sync += self.state.eq(SdramState.REFRESH)
            with m.Case(SdramState.REFRESH), m.If(~timers.some_activate_busy):
                m.d.comb += refreshes.eq(1)
                m.d.sync += self.state.eq(SdramState.RUN)
        with m.If(closes):
            m.d.sync += self._command(SdramCommand.PRECHARGE, 0, ALL_BANKS)
            m.d.sync += [flag.eq(0) for flag in (*self.open, self.transfer_open, self.upcoming_open)]
            m.d.sync += self.opener.eq(Opener.CHOOSE)
        with m.If(refreshes):
            m.d.sync += self._command(SdramCommand.REFRESH)
            # The counter takes one clock to begin, and `due` follows it by one.
            m.d.sync += [self.left.eq(config.refresh_period - 2), self.due.eq(0)]
