# SPDX-License-Identifier: Apache-2.0
"""SDR SDRAM: chips by their data sheets, and what their nanoseconds are in clocks. Plain Python.

Names and meaning of the times are JEDEC's (JESD21-C, 3.11.5), which all makers of SDR SDRAM use.
"""

import math
from dataclasses import dataclass

from sysmt.base.choice import choose
from sysmt.base.errors import ConfigError

from .checks import in_range, one_of
from .config import Config

BURST = 2
"""Words of a read burst: every other clock is free for the commands that open the next row."""

INIT_REFRESHES = 8
"""Refreshes of the initialisation: what the chips that ask for most ask for."""

MODE_CYCLES = 2
"""Clocks from loading the mode register to the next command (tMRD)."""

MIN_WRITE_RECOVERY = 2
"""Clocks from the last word written to a precharge, at least: some makers state clocks, not nanoseconds (tDPL)."""


@dataclass(frozen=True, kw_only=True)
class SdramChip(Config):
    """One chip, or chips side by side that share all pins but data.

    Parameters
    ----------
    name : str
    width : int
        Bits of a word: 16 or 32.
    bank_bits, row_bits, column_bits : int
        Address bits.
    t_rcd, t_rp, t_ras, t_rc, t_rrd, t_wr, t_rfc : float
        ns: activate to read or write; precharge to activate; activate to precharge; activate to activate of the same
        bank, and of another one; last word written to precharge; refresh to activate.
    refresh_ms : float
        Every row is refreshed once in this time.
    init_us : float
        From power and clock to the first command.
    t_ck2, t_ck3 : float
        ns: shortest clock period at CAS latency 2 and at 3.
    """

    name: str = "as4c16m16sa_7"
    width: int = 16
    bank_bits: int = 2
    row_bits: int = 13
    column_bits: int = 9
    t_rcd: float = 21
    t_rp: float = 21
    t_ras: float = 42
    t_rc: float = 63
    t_rrd: float = 14
    t_wr: float = 14
    t_rfc: float = 63
    refresh_ms: float = 64
    init_us: float = 200
    t_ck2: float = 10
    t_ck3: float = 7

    def __post_init__(self) -> None:
        one_of("width", self.width, (16, 32))
        in_range("bank_bits", self.bank_bits, 1, 2)
        in_range("row_bits", self.row_bits, 1, 13)
        in_range("column_bits", self.column_bits, 2, 10)
        times = ("t_rcd", "t_rp", "t_ras", "t_rc", "t_rrd", "t_wr", "t_rfc", "refresh_ms", "init_us", "t_ck2", "t_ck3")
        for name in times:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
                raise ConfigError(f"{name} must be a time above 0, not {value!r}")
            object.__setattr__(self, name, float(value))
        if self.t_rc < self.t_ras:
            raise ConfigError(f"t_rc = {self.t_rc:g} must be at least t_ras = {self.t_ras:g}, which is a part of it")

    @property
    def address_bits(self) -> int:
        """Bits that name a word: the row highest, then the bank, so that words in order go from bank to bank."""
        return self.row_bits + self.bank_bits + self.column_bits

    @property
    def size(self) -> int:
        """Bytes."""
        return (self.width // 8) << self.address_bits


CHIPS = {
    chip.name: chip
    for chip in (
        # Alliance Memory AS4C16M16SA, rev. 3.0, table 16, and AS4C32M16SB, table 16.
        SdramChip(name="as4c16m16sa_7"),
        SdramChip(name="as4c32m16sb_7", column_bits=10),
        # Micron MT48LC16M16A2-75, 256Mb SDRAM data sheet, electrical characteristics.
        SdramChip(
            name="mt48lc16m16a2_75",
            t_rcd=20,
            t_rp=20,
            t_ras=44,
            t_rc=66,
            t_rrd=15,
            t_wr=15,
            t_rfc=66,
            init_us=100,
            t_ck3=7.5,
        ),
        # No chip: the slowest value of each among 256 Mbit chips of grade 7 and 75. Serves boards that were made with
        # one or another of them; of a chip of 512 Mbit it uses half.
        SdramChip(
            name="x16_256mbit",
            t_ras=45,
            t_rc=70,
            t_rrd=15,
            t_wr=20,
            t_rfc=70,
            t_ck3=7.5,
        ),
    )
}
"""Chips by name."""


def chip(name: str) -> SdramChip:
    """The chip called `name`; an unknown name is refused with the nearest known one."""
    return choose("chip", name, CHIPS)


@dataclass(frozen=True, kw_only=True)
class SdramConfig(Config):
    """A controller: the chip, its clock, and how data come back.

    Parameters
    ----------
    chip : SdramChip
    clock_hz : float
        Of the chip and the controller.
    cas : 2 or 3
        CAS latency.
    capture : int
        Clocks of registers between the data pins and the controller, 0 to 4: a word that the chip holds valid at the
        end of a clock is at the controller so many clocks later.
    """

    chip: SdramChip = CHIPS["as4c16m16sa_7"]
    clock_hz: float = 60e6
    cas: int = 2
    capture: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.chip, SdramChip):
            raise ConfigError(f"chip must be an SdramChip, not {self.chip!r}")
        one_of("cas", self.cas, (2, 3))
        in_range("capture", self.capture, 0, 4)
        if isinstance(self.clock_hz, bool) or not isinstance(self.clock_hz, int | float) or not self.clock_hz > 0:
            raise ConfigError(f"clock_hz must be a frequency above 0, not {self.clock_hz!r}")
        object.__setattr__(self, "clock_hz", float(self.clock_hz))
        shortest = self.chip.t_ck2 if self.cas == 2 else self.chip.t_ck3
        if self.clock_hz * shortest > 1e9 * (1 + 1e-9):
            slower = " or cas = 3" if self.cas == 2 and self.chip.t_ck3 < shortest else ""
            raise ConfigError(
                f"clock_hz = {self.clock_hz:g} is beyond {self.chip.name} at cas = {self.cas}: take {1e9 / shortest:g} "
                f"at most{slower}"
            )
        if self.refresh_period < 2 * (self.refresh_delay + self.t_rfc):
            raise ConfigError(
                f"clock_hz = {self.clock_hz:g} leaves {self.refresh_period} clocks from one refresh of "
                f"{self.chip.name} to the next, which are mostly refresh: take a faster clock"
            )

    def cycles(self, ns: float) -> int:
        """The least number of clocks that last `ns`."""
        return max(math.ceil(ns * self.clock_hz / 1e9 - 1e-6), 1)

    @property
    def t_rcd(self) -> int:
        """Clocks from activate to read or write."""
        return self.cycles(self.chip.t_rcd)

    @property
    def t_rp(self) -> int:
        """Clocks from precharge to activate."""
        return self.cycles(self.chip.t_rp)

    @property
    def t_ras(self) -> int:
        """Clocks from activate to precharge."""
        return self.cycles(self.chip.t_ras)

    @property
    def t_rc(self) -> int:
        """Clocks from activate to activate of the same bank."""
        return self.cycles(self.chip.t_rc)

    @property
    def t_rrd(self) -> int:
        """Clocks from activate to activate of another bank."""
        return self.cycles(self.chip.t_rrd)

    @property
    def t_wr(self) -> int:
        """Clocks from the last word written to precharge."""
        return max(self.cycles(self.chip.t_wr), MIN_WRITE_RECOVERY)

    @property
    def t_rfc(self) -> int:
        """Clocks from refresh to activate."""
        return self.cycles(self.chip.t_rfc)

    @property
    def init_cycles(self) -> int:
        """Clocks from reset to the first command."""
        return self.cycles(1e3 * self.chip.init_us)

    @property
    def ready_cycles(self) -> int:
        """Clocks from reset until bursts are served: refreshes and the mode register follow on `init_cycles`."""
        return self.init_cycles + self.t_rp + INIT_REFRESHES * self.t_rfc + MODE_CYCLES

    @property
    def refresh_interval(self) -> int:
        """Clocks from one refresh to the next, at most: every single interval keeps to the average that is asked."""
        return math.floor(1e6 * self.chip.refresh_ms / (1 << self.chip.row_bits) * self.clock_hz / 1e9 + 1e-6)

    @property
    def refresh_delay(self) -> int:
        """Clocks that a refresh waits at most once it is due: for the banks that must be precharged before it."""
        return max(max(self.t_ras, self.t_wr, BURST) + self.t_rp, self.t_rc)

    @property
    def refresh_period(self) -> int:
        """Clocks from a refresh until the next one is due."""
        return self.refresh_interval - self.refresh_delay

    @property
    def read_delay(self) -> int:
        """Clocks from a read command on the pins to its first word at the controller."""
        return self.cas + self.capture

    @property
    def queue(self) -> int:
        """Words that the controller can hold for a reader that waits, a power of two.

        Enough for a word per clock: the read commands under way, and the way through the queue.
        """
        return 1 << (self.read_delay + 8 - 1).bit_length()

    @property
    def mode(self) -> int:
        """The mode register: read bursts of two words, sequential; single writes."""
        return 1 << 9 | self.cas << 4 | (BURST.bit_length() - 1)

    @property
    def bytes_per_second(self) -> float:
        """Of one word per clock."""
        return self.clock_hz * self.chip.width / 8

    def check_burst(self, address: int, length: int) -> None:
        """Refuse words that the chip does not have."""
        in_range("length", length, 1, 1 << self.chip.address_bits)
        in_range("address", address, 0, (1 << self.chip.address_bits) - length)
