# SPDX-License-Identifier: Apache-2.0
"""The controller of an SDRAM on a model of the chip that fails whenever a rule is broken."""

import json
import re
from functools import lru_cache

import numpy as np
import pytest

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.emit import Design, emit
from sysmt.hdl.memory.sdram import SdramController
from sysmt.hdl.memory.selftest import MemoryTest
from sysmt.hdl.params.sdram import CHIPS, SdramChip, SdramConfig, chip
from sysmt.sim.cosim import simulator
from sysmt.sim.cost.sdram import Burst, SdramModel

from .mutants import one_bug_per_component, seeded_bug

SMALL = SdramChip(name="small", row_bits=3, column_bits=3, refresh_ms=0.016, init_us=1, t_ck2=5, t_ck3=5)
CONFIGS = {
    "60 MHz": SdramConfig(chip=SMALL),
    "100 MHz": SdramConfig(chip=SMALL, clock_hz=100e6, cas=3, capture=2),
    "140 MHz, x32": SdramConfig(chip=SMALL.with_fields(width=32), clock_hz=140e6, cas=3, capture=0),
    "two banks": SdramConfig(chip=SMALL.with_fields(bank_bits=1, t_rc=90, t_rrd=40), clock_hz=100e6, capture=4),
    "slow": SdramConfig(chip=SMALL.with_fields(refresh_ms=0.064), clock_hz=10e6),
}


@lru_cache
def design(config: SdramConfig) -> Design:
    return emit(SdramController(config), "sdram", {})


def run(config, bursts, words=(), stalls=(0, 0, 0), limit=100_000, bug=None):
    """Results of the bench on these bursts of (write, address, length)."""
    expected = sum(length for write, _, length in bursts if not write)
    vectors = {
        "config": np.array(json.dumps(config.as_dict())),
        "bursts": np.array(bursts, np.int64),
        "words": np.array(words, np.int64),
        "stalls": np.array(stalls, float),
        "expected": np.array(expected),
        "limit": np.array(limit),
    }
    return simulator.run(bug or design(config), "tb.tb_sdram", vectors, testcase="bursts")


def golden(config, bursts, words):
    """The words read, and those in the chip at the end."""
    stored, read, given = {}, [], iter(words)
    size = 1 << config.chip.address_bits
    for write, address, length in bursts:
        for i in range(address, address + length):
            if write:
                stored[i % size] = next(given)
            else:
                read.append(stored.get(i % size, 0))
    return read, stored


def random_bursts(config, seed, number=60, longest=40):
    rng = np.random.default_rng(seed)
    size = 1 << config.chip.address_bits
    bursts = [(1, 0, size)]
    for _ in range(number):
        length = int(rng.choice([0, 1, 2, 3, 8, int(rng.integers(longest))]))
        near = int(rng.integers(size)) if rng.random() < 0.5 else (bursts[-1][1] + bursts[-1][2]) % size
        bursts.append((int(rng.random() < 0.4), near, length))
    total = sum(length for write, _, length in bursts if write)
    return bursts, rng.integers(1 << config.chip.width, size=total).tolist()


@pytest.mark.parametrize("stalls", [(0, 0, 0), (0.5, 0, 0), (0, 0.5, 0.5), (0.2, 0.05, 0.8)], ids=str)
@pytest.mark.parametrize("name", CONFIGS)
def test_bursts_read_what_was_written_within_the_rules_of_the_chip(name, stalls):
    config = CONFIGS[name]
    bursts, words = random_bursts(config, len(name))
    found = run(config, bursts, words, stalls)
    read, stored = golden(config, bursts, words)
    assert found["words"].tolist() == read
    assert dict(found["stored"].tolist()) == stored
    assert found["counts"][-1] > 10, "several refreshes were due"


@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        ("timers", "BankTimers", "(activates, config.t_rcd)", "(activates, config.t_rcd - 1)"),
        ("timers", "BankTimers", "(self.refreshes, config.t_rfc)", "(self.refreshes, config.t_rfc - 1)"),
        ("sdram", "SdramController", "self.room >= BURST", "self.room >= 0"),
        ("sdram", "SdramController", "left.eq(config.refresh_period - 2)", "left.eq(config.refresh_period + 5)"),
        ("sdram", "SdramController", "self.first == 0", "self.first == 1"),
        ("sdram", "SdramController", "may & ~transfer.write & ~self.second", "may & ~transfer.write"),
        ("segments", "Segments", "left - room", "left - room + 1"),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong):
    config = CONFIGS["two banks"]
    bursts, words = random_bursts(config, 1)
    bursts += [(0, 1, (1 << config.chip.address_bits) - 1)] * 3
    with seeded_bug(f"sysmt.hdl.memory.{module}", component, right, wrong):
        broken = emit(SdramController(config), "sdram", {})
    try:
        found = run(config, bursts, words, (0.2, 0.1, 0.6), 8000, broken)
    except simulator.SimulationError:
        return
    assert found["words"].tolist() != golden(config, bursts, words)[0]


def test_chips_are_found_by_name():
    assert chip("mt48lc16m16a2_75") == CHIPS["mt48lc16m16a2_75"]
    assert {name: c.size >> 20 for name, c in CHIPS.items()} == {
        "as4c16m16sa_7": 32,
        "as4c32m16sb_7": 64,
        "mt48lc16m16a2_75": 32,
        "x16_256mbit": 32,
    }
    with pytest.raises(
        UserError, match=r"^chip must be one of .*, not 'mt48lc16m16' \(did you mean mt48lc16m16a2_75\?\)$"
    ):
        chip("mt48lc16m16")


def test_nanoseconds_become_clocks():
    config = SdramConfig(chip=CHIPS["mt48lc16m16a2_75"], clock_hz=100e6)
    times = (config.t_rcd, config.t_rp, config.t_ras, config.t_rc, config.t_rrd, config.t_wr, config.t_rfc)
    assert times == (2, 2, 5, 7, 2, 2, 7), "20, 20, 44, 66, 15, 15 and 66 ns of 10 ns each"
    assert (config.init_cycles, config.refresh_interval) == (10_000, 781)
    assert config.bytes_per_second == 200e6
    assert SdramConfig().with_fields(**SdramConfig().as_dict()) == SdramConfig()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SdramChip(width=8), "width must be one of 16, 32, not 8"),
        (lambda: SdramChip(column_bits=11), "column_bits must be an integer from 2 to 10, not 11"),
        (lambda: SdramChip(t_rcd=0), "t_rcd must be a time above 0, not 0"),
        (lambda: SdramChip(t_rc=40), "t_rc = 40 must be at least t_ras = 42, which is a part of it"),
        (lambda: SdramConfig(chip="x"), "chip must be an SdramChip, not 'x'"),
        (lambda: SdramConfig(cas=4), "cas must be one of 2, 3, not 4"),
        (lambda: SdramConfig(clock_hz=-1), "clock_hz must be a frequency above 0, not -1"),
        (
            lambda: SdramConfig(clock_hz=120e6),
            "clock_hz = 1.2e+08 is beyond as4c16m16sa_7 at cas = 2: take 1e+08 at most or cas = 3",
        ),
        (
            lambda: SdramConfig(clock_hz=150e6, cas=3),
            "clock_hz = 1.5e+08 is beyond as4c16m16sa_7 at cas = 3: take 1.42857e+08 at most",
        ),
        (
            lambda: SdramConfig(clock_hz=1e6),
            "clock_hz = 1e+06 leaves 4 clocks from one refresh of as4c16m16sa_7 to the next, which are mostly "
            "refresh: take a faster clock",
        ),
        (lambda: SdramConfig().check_burst(0, 0), "length must be an integer from 1 to 16777216, not 0"),
        (
            lambda: SdramConfig().check_burst((1 << 24) - 1, 2),
            "address must be an integer from 0 to 16777214, not 16777215",
        ),
    ],
)
def test_what_a_chip_cannot_do_is_refused(make, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize("name", CONFIGS)
def test_the_model_says_when_bursts_are_taken_and_end(name):
    config = CONFIGS[name]
    bursts, words = random_bursts(config, 3)
    bursts += [(0, 0, 1 << config.chip.address_bits), (0, 3, (1 << config.chip.address_bits) - 3)]
    found = run(config, bursts, words)
    taken, last = SdramModel(config).run([Burst(bool(write), address, length) for write, address, length in bursts])
    assert found["taken"].tolist() == taken
    ends = np.cumsum([length * (1 - write) for write, _, length in bursts])
    read = [i for i, (write, _, length) in enumerate(bursts) if length and not write]
    assert found["came"][ends[read] - 1].tolist() == [last[i] for i in read]


@pytest.mark.parametrize("changed", [[], [0], [255]], ids=str)
def test_a_memory_tests_itself(changed):
    config = CONFIGS["60 MHz"]
    vectors = {
        "config": np.array(json.dumps(config.as_dict())),
        "changed": np.array(changed, int),
        "limit": np.array(5000),
    }
    test = emit(MemoryTest(config), "memory_test", {})
    found = simulator.run(test, "tb.tb_sdram", vectors, testcase="selftest")
    assert found["failed"] == bool(changed)
    assert found["different"] == 1 << config.chip.address_bits, "no word twice, so that no address is mistaken"
