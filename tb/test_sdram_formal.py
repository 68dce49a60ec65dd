# SPDX-License-Identifier: Apache-2.0
"""Proofs, of any length, that the SDRAM controller keeps the rules of the chip; seeded bugs fail them."""

import pytest

from sysmt.hdl.params.sdram import SdramChip, SdramConfig

from .formal import check
from .formal_sdram import SdramHarness
from .mutants import one_bug_per_component, seeded_bug

TINY = SdramChip(
    name="tiny", bank_bits=1, row_bits=1, column_bits=2, refresh_ms=128e-6, init_us=0.001, t_ck2=1, t_ck3=1
)
CONFIGS = {
    # At 1 GHz a nanosecond is a clock.
    "short": TINY.with_fields(t_rcd=2, t_rp=2, t_ras=3, t_rc=5, t_rrd=2, t_wr=2, t_rfc=5),
    "long": TINY.with_fields(t_rcd=3, t_rp=4, t_ras=6, t_rc=12, t_rrd=4, t_wr=3, t_rfc=9, bank_bits=2),
}


def harness(name: str) -> SdramHarness:
    return SdramHarness(SdramConfig(chip=CONFIGS[name], clock_hz=1e9, cas=2 if name == "short" else 3))


@pytest.mark.parametrize("name", CONFIGS)
def test_commands_keep_the_rules(name):
    assert check(harness(name), 3) is None
    assert check(harness(name), 1, induction=True) is None


def test_what_is_proved_is_not_void():
    """From reset, through the initialisation and the first bursts, nothing contradicts itself."""
    assert check(harness("short"), 60) is None


@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        ("timers", "BankTimers", "(activates, config.t_rcd)", "(activates, config.t_rcd - 1)"),
        ("timers", "BankTimers", "(activates, config.t_rc)", "(activates, config.t_rc - 1)"),
        ("timers", "BankTimers", "(activates, config.t_ras)", "(activates, config.t_ras - 1)"),
        ("timers", "BankTimers", "self.closes, config.t_rp)", "self.closes, config.t_rp - 1)"),
        ("timers", "BankTimers", "(self.refreshes, config.t_rfc)", "(self.refreshes, config.t_rfc - 1)"),
        ("timers", "BankTimers", "(self.activates, config.t_rrd)", "(self.activates, config.t_rrd - 1)"),
        ("timers", "BankTimers", "(self.writes & of_column, config.t_wr)", "(self.writes & of_column, 1)"),
        ("timers", "BankTimers", "(self.reads & of_column, BURST)", "(self.reads & of_column, 1)"),
        ("timers", "BankTimers", "(self.reads, self.turn_cycles)", "(self.reads, self.turn_cycles - 1)"),
        ("sdram", "SdramController", "self.room >= BURST", "self.room >= 1"),
        ("sdram", "SdramController", "left.eq(config.refresh_period - 2)", "left.eq(config.refresh_period - 1)"),
        ("sdram", "SdramController", "self.rows[bank] != row", "self.rows[bank] > row"),
        ("sdram", "SdramController", "flag in (*self.open, self.transfer_open, ", "flag in (*self.open, "),
        ("sdram", "SdramController", "may & ~transfer.write & ~self.second", "may & ~transfer.write"),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong):
    with seeded_bug(f"sysmt.hdl.memory.{module}", component, right, wrong):
        assert check(harness("short"), 1, induction=True) is not None
