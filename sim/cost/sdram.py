# SPDX-License-Identifier: Apache-2.0
"""Cycles of the SDRAM controller: when bursts are taken and their last words moved, as the gates do it.

The model goes from event to event: it makes the choices of `sysmt.hdl.memory.sdram` in the cycles in which there is one
to make, and skips the cycles between. Whoever reads always takes, and words to be written are always there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sysmt.hdl.params.sdram import BURST, INIT_REFRESHES, MODE_CYCLES, SdramConfig

QUEUE_LATENCY = 2
"""Cycles of a word in the queue of the controller."""

TURNAROUND = 1


@dataclass(frozen=True)
class Burst:
    """Words in the order of their addresses.

    Parameters
    ----------
    write : bool
    address, length : int
        First word, and words.
    at : int
        The cycle from which the burst is offered, at the earliest; those before it go first in any case.
    """

    write: bool
    address: int
    length: int
    at: int = 0


@dataclass
class _Segment:
    """Words of one row, the last of burst `ends` where that is not None."""

    write: bool
    bank: int
    row: int
    column: int
    left: int
    ends: int | None
    open: bool = False


@dataclass
class _Bank:
    """A bank: its open row, and the first cycles in which each kind of command may be issued."""

    row: int | None = None
    column: int = 0
    activate: int = 0
    precharge: int = 0


class SdramModel:
    """The controller from reset, cycle 0, on. `run` may be called again and again; time only goes on.

    Parameters
    ----------
    config : SdramConfig

    Members
    -------
    cycle : int
        Where the model has arrived.
    """

    def __init__(self, config: SdramConfig):
        self.config = config
        self.cycle = 0
        self._banks = [_Bank() for _ in range(1 << config.chip.bank_bits)]
        self._upcoming: _Segment | None = None
        self._transfer: _Segment | None = None
        self._address = self._left = 0
        self._write = False
        self._burst = -1
        # The opener: what it does, the bank and row it does it for, and whether for the segment under transfer.
        self._opener = "choose"
        self._wanted = (0, 0, False)
        self._second = -1
        self._any_activate = self._write_free = 0
        # All rows are closed in this cycle, which resets the opener; then come the refreshes and the mode register.
        self._closes = config.init_cycles - 1
        self._refreshed = self._closes + config.t_rp + (INIT_REFRESHES - 1) * config.t_rfc
        self._running = self._refreshed + config.t_rfc + 1
        for bank in self._banks:
            bank.activate = self._running - 1 + MODE_CYCLES

    def run(self, bursts: Sequence[Burst]) -> tuple[list[int], list[int]]:
        """Give `bursts` in order.

        Returns
        -------
        taken, last : list of int
            Per burst the cycle in which it is taken, and that in which its last word leaves `o_read`, or is taken from
            `i_write`; of a burst of no words the former twice.
        """
        self._bursts = bursts
        self._taken = [0] * len(bursts)
        self._last = [0] * len(bursts)
        self._burst = -1
        while self._burst + 1 < len(bursts) or self._left or self._upcoming or self._transfer:
            if self._step():
                self.cycle += 1
            else:
                self.cycle = min(time for time in self._times() if time > self.cycle)
        return self._taken, self._last

    def _times(self) -> list[int]:
        """When something may begin to be allowed."""
        times = [self._any_activate, self._write_free, self._running, self._refreshed + self.config.refresh_period]
        times += [time for bank in self._banks for time in (bank.column, bank.activate, bank.precharge)]
        times += [burst.at for burst in self._bursts[self._burst + 1 : self._burst + 2]]
        return [*times, self._closes, self._second + 1]

    def _step(self) -> bool:
        """One cycle; returns whether anything changed."""
        now = self.cycle
        due = now >= self._refreshed + self.config.refresh_period
        live = now >= self._running and not due
        transfer, upcoming, opener = self._transfer, self._upcoming, self._opener
        may = live and transfer is not None and transfer.open and now >= self._banks[transfer.bank].column
        reads = may and transfer is not None and not transfer.write and now != self._second
        if reads and transfer is not None and self._skip(transfer):
            return True
        opens = self._opens(live and not reads)
        writes = may and transfer is not None and transfer.write and now >= self._write_free and not opens
        changed = reads or writes or opens

        # Segments go on, by what was there at the start of the cycle.
        changed |= self._cut(upcoming is None)
        if transfer is None and upcoming is not None and upcoming.open:
            self._transfer, self._upcoming = upcoming, None
            changed = True
        if opener in ("choose", "look"):
            changed |= self._choose(transfer, upcoming) if opener == "choose" else self._look()
        elif opens:
            self._open(opener)
        if (reads or writes) and transfer is not None:
            self._move(transfer, reads)
        if now == self._closes or (now >= self._running and due):
            changed |= self._refresh(now)
        return changed

    def _opens(self, free: bool) -> bool:
        """Whether the opener issues a command."""
        bank = self._banks[self._wanted[0]]
        if self._opener == "precharge":
            return free and self.cycle >= bank.precharge
        return free and self._opener == "activate" and self.cycle >= max(bank.activate, self._any_activate)

    def _cut(self, room: bool) -> bool:
        """Take a burst, or make a segment of the one that was taken."""
        config, chip = self.config, self.config.chip
        if self._left == 0:
            waiting = self._burst + 1
            if waiting == len(self._bursts) or self._bursts[waiting].at > self.cycle:
                return False
            burst = self._bursts[waiting]
            self._burst, self._taken[waiting], self._last[waiting] = waiting, self.cycle, self.cycle
            self._address, self._left, self._write = burst.address, burst.length, burst.write
            return True
        if not room:
            return False
        column = self._address & (1 << chip.column_bits) - 1
        number = min(self._left, (1 << chip.column_bits) - column)
        place = self._address >> chip.column_bits
        bank, row = place & (1 << chip.bank_bits) - 1, place >> chip.bank_bits
        ends = self._burst if number == self._left else None
        self._upcoming = _Segment(self._write, bank, row, column, number, ends)
        self._address, self._left = (self._address + number) % (1 << config.chip.address_bits), self._left - number
        return True

    def _choose(self, transfer: _Segment | None, upcoming: _Segment | None) -> bool:
        """The opener's next segment."""
        if transfer is not None and not transfer.open:
            self._wanted = (transfer.bank, transfer.row, True)
        elif upcoming is None or upcoming.open or _conflict(transfer, upcoming):
            return False
        else:
            self._wanted = (upcoming.bank, upcoming.row, False)
        self._opener = "look"
        return True

    def _look(self) -> bool:
        number, row, _ = self._wanted
        bank = self._banks[number]
        if bank.row == row:
            self._opened()
        else:
            self._opener = "activate" if bank.row is None else "precharge"
        return True

    def _open(self, opener: str) -> None:
        """The opener's command."""
        config, now = self.config, self.cycle
        number, row, _ = self._wanted
        bank = self._banks[number]
        if opener == "precharge":
            bank.row = None
            bank.activate = max(bank.activate, now + config.t_rp)
            self._opener = "activate"
            return
        bank.row = row
        bank.column, bank.activate = now + config.t_rcd, now + config.t_rc
        bank.precharge = max(bank.precharge, now + config.t_ras)
        self._any_activate = now + config.t_rrd
        self._opened()

    def _opened(self) -> None:
        segment = self._transfer if self._wanted[2] else self._upcoming
        if segment is not None:
            segment.open = True
        self._opener = "choose"

    def _move(self, transfer: _Segment, reads: bool) -> None:
        """A read or a write of one or two words."""
        config, now = self.config, self.cycle
        bank = self._banks[transfer.bank]
        words = BURST if reads and transfer.column % BURST == 0 and transfer.left > 1 else 1
        if reads:
            bank.precharge = max(bank.precharge, now + BURST)
            self._write_free = now + config.cas + BURST + TURNAROUND
            if words == BURST:
                self._second = now + 1
        else:
            bank.precharge = max(bank.precharge, now + config.t_wr)
        transfer.column += words
        transfer.left -= words
        if transfer.left == 0:
            self._transfer = None
            if transfer.ends is not None:
                arrives = words + config.read_delay + QUEUE_LATENCY if reads else 0
                self._last[transfer.ends] = now + arrives

    def _skip(self, transfer: _Segment) -> bool:
        """Two words at a time, as long as nothing else goes on."""
        upcoming = self._upcoming
        if self._opener != "choose" or transfer.column % BURST or (self._left > 0) != (upcoming is not None):
            return False
        if upcoming is not None and not upcoming.open and not _conflict(transfer, upcoming):
            return False
        end = self._refreshed + self.config.refresh_period
        if self._left == 0 and self._burst + 1 < len(self._bursts):
            return False
        pairs = min((transfer.left - 1) // BURST, (end - self.cycle - 1) // BURST)
        if pairs < 2:
            return False
        self.cycle += BURST * (pairs - 1)
        transfer.column += BURST * (pairs - 1)
        transfer.left -= BURST * (pairs - 1)
        self._move(transfer, reads=True)
        return True

    def _refresh(self, now: int) -> bool:
        """Close all rows and refresh, once every bank may be precharged."""
        config = self.config
        if any(now < bank.precharge for bank in self._banks):
            return False
        for segment in (self._transfer, self._upcoming):
            if segment is not None:
                segment.open = False
        self._opener = "choose"
        if now == self._closes:
            return True
        refreshed = max(now + config.t_rp, *(bank.activate for bank in self._banks))
        self._refreshed, self._running = refreshed, refreshed + 1
        for bank in self._banks:
            bank.row, bank.activate = None, refreshed + config.t_rfc
        return True


def _conflict(transfer: _Segment | None, upcoming: _Segment) -> bool:
    """Whether the bank of the upcoming segment is in use for another row."""
    return transfer is not None and transfer.bank == upcoming.bank and transfer.row != upcoming.row
