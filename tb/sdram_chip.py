# SPDX-License-Identifier: Apache-2.0
"""An SDR SDRAM as its data sheet says, in nanoseconds: keeps words, and fails on whatever breaks a rule."""

import random
from typing import NamedTuple

from sysmt.hdl.params.sdram import SdramChip

NAMES = {
    0b000: "mode",
    0b001: "refresh",
    0b010: "precharge",
    0b011: "activate",
    0b100: "write",
    0b101: "read",
    0b110: "stop",
    0b111: "nop",
}
"""ras_n, cas_n, we_n, the highest bit first."""

NEVER = float("-inf")


class Pins(NamedTuple):
    """What the controller drives in one cycle; the chip takes it at the edge that ends the cycle."""

    cke: int
    cs_n: int
    ras_n: int
    cas_n: int
    we_n: int
    ba: int
    a: int
    dqm: int
    dq_o: int
    dq_oe: int


class Bank:
    """One bank: its open row, and when it was last activated, precharged, read and written, in ns."""

    def __init__(self) -> None:
        self.row: int | None = None
        self.activated = self.precharged = self.written = NEVER


class Chip:
    """The chip, clocked by `clock`.

    Raises
    ------
    AssertionError
        From `clock`: the rule that was broken, with the time.
    """

    def __init__(self, chip: SdramChip, clock_hz: float):
        self.chip = chip
        self.period = 1e9 / clock_hz
        self.cycle = 0
        self.banks = [Bank() for _ in range(1 << chip.bank_bits)]
        self.words: dict[int, int] = {}
        self.cas: int | None = None
        self.refreshed = self.mode_set = self.activated = NEVER
        self.refreshes = 0
        self.precharged_all = False
        self.counts = dict.fromkeys(NAMES.values(), 0)
        self._bursts: list[tuple[int, int, int]] = []  # cycle of the word, its address, bank
        self._noise = random.Random(7)

    @property
    def now(self) -> float:
        """ns."""
        return self.cycle * self.period

    def _since(self, rule: str, then: float, least: float) -> None:
        assert self.now - then >= least - 1e-3, f"{rule}: {self.now - then:.1f} ns, not {least}, in cycle {self.cycle}"

    def clock(self, pins: Pins) -> int:
        """One cycle. Returns what is on the data pins at the end of it, as far as the chip drives it."""
        name = "nop" if pins.cs_n else NAMES[pins.ras_n << 2 | pins.cas_n << 1 | pins.we_n]
        self.counts[name] += 1
        assert pins.cke, f"no clock in cycle {self.cycle}"
        # Bytes may be masked until there are words, which are always whole.
        assert self.cas is None or not pins.dqm, f"masked bytes {pins.dqm:#b} in cycle {self.cycle}"
        if name != "nop":
            assert self.now >= 1e3 * self.chip.init_us - 1e-3, f"{name} before the chip is ready"
            self._since("tMRD", self.mode_set, 2 * self.period)
            getattr(self, f"_{name}")(pins)
        if self.cas is not None:
            longest = 1e6 * self.chip.refresh_ms / (1 << self.chip.row_bits)
            assert self.now - self.refreshed <= longest + 1e-3, f"no refresh for {self.now - self.refreshed:.0f} ns"
        assert pins.dq_oe == (name == "write"), f"data pins driven = {pins.dq_oe} with {name} in cycle {self.cycle}"
        word = self._noise.getrandbits(self.chip.width)
        driven = [address for cycle, address, _ in self._bursts if cycle == self.cycle]
        if pins.dq_oe:
            near = [cycle for cycle, _, _ in self._bursts if self.cycle - 1 <= cycle <= self.cycle]
            assert not near, f"both drive the data pins in cycle {self.cycle}"
        if driven:
            word = self.words.get(driven[0], 0)
        self._bursts = [burst for burst in self._bursts if burst[0] >= self.cycle]
        self.cycle += 1
        return word

    def _targets(self, pins: Pins) -> list[Bank]:
        return self.banks if pins.a >> 10 & 1 else [self.banks[pins.ba]]

    def _precharge(self, pins: Pins) -> None:
        if pins.a >> 10 & 1:
            self.precharged_all = True
        for bank in self._targets(pins):
            if bank.row is not None:
                self._since("tRAS", bank.activated, self.chip.t_ras)
                self._since("tWR", bank.written, max(self.chip.t_wr, 2 * self.period))
                assert self.now - bank.activated <= 120e3, "a row was open for too long"
            bank.row, bank.precharged = None, self.now
        # A read is cut off `cas` clocks later.
        of = {i for i, bank in enumerate(self.banks) if bank.row is None}
        self._bursts = [b for b in self._bursts if b[2] not in of or b[0] < self.cycle + (self.cas or 0)]

    def _idle(self) -> None:
        assert self.precharged_all, "no precharge of all banks before"
        self._since("tRFC", self.refreshed, self.chip.t_rfc)
        for bank in self.banks:
            assert bank.row is None, f"a row is open in cycle {self.cycle}"
            self._since("tRP", bank.precharged, self.chip.t_rp)
            self._since("tRC", bank.activated, self.chip.t_rc)

    def _refresh(self, pins: Pins) -> None:
        self._idle()
        self.refreshed, self.refreshes = self.now, self.refreshes + 1

    def _mode(self, pins: Pins) -> None:
        self._idle()
        assert self.refreshes >= 8, f"{self.refreshes} refreshes before the mode register"
        assert pins.ba == 0, f"register {pins.ba}, which is not the mode register"
        assert pins.a & ~0b111_0000 == 1 << 9 | 1, f"mode register = {pins.a:#x}"
        self.cas, self.mode_set = pins.a >> 4 & 7, self.now

    def _activate(self, pins: Pins) -> None:
        bank = self.banks[pins.ba]
        assert self.cas is not None, "activate before the mode register"
        assert bank.row is None, f"bank {pins.ba} has a row open in cycle {self.cycle}"
        assert pins.a < 1 << self.chip.row_bits, f"row {pins.a}"
        self._since("tRFC", self.refreshed, self.chip.t_rfc)
        self._since("tRP", bank.precharged, self.chip.t_rp)
        self._since("tRC", bank.activated, self.chip.t_rc)
        self._since("tRRD", self.activated, self.chip.t_rrd)
        bank.row, bank.activated, self.activated = pins.a, self.now, self.now

    def _column(self, pins: Pins) -> int:
        bank = self.banks[pins.ba]
        assert bank.row is not None, f"bank {pins.ba} has no row open in cycle {self.cycle}"
        assert pins.a < 1 << self.chip.column_bits, f"column {pins.a:#x}"
        self._since("tRCD", bank.activated, self.chip.t_rcd)
        return (bank.row << self.chip.bank_bits | pins.ba) << self.chip.column_bits | pins.a

    def _read(self, pins: Pins) -> None:
        first = self._column(pins)
        assert self.cas is not None
        begin = self.cycle + self.cas
        # Bursts of two, sequential: an odd column is followed by the even one before it. A new one cuts off the old.
        self._bursts = [burst for burst in self._bursts if burst[0] < begin]
        self._bursts += [(begin, first, pins.ba), (begin + 1, first ^ 1, pins.ba)]

    def _write(self, pins: Pins) -> None:
        address = self._column(pins)
        assert self.cas is not None
        self._bursts = [burst for burst in self._bursts if burst[0] < self.cycle]
        self.words[address] = pins.dq_o
        self.banks[pins.ba].written = self.now

    def _stop(self, pins: Pins) -> None:
        raise AssertionError("a burst was stopped, which the controller never does")
