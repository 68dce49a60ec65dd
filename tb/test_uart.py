# SPDX-License-Identifier: Apache-2.0
"""The UART's rate: the line to the clock, hosts that are off by 2 % and more, noise with bytes right behind it."""

import pytest

from bench import record, uart
from bench.uart import CONTENT, EVERY, gates_take, host_accepts, host_takes, levels, lost_after_noise, sent

from .mutants import seeded_bug

REQUIRED = 0.02
"""How far off a host's rate may be in both directions, at least."""


@pytest.mark.parametrize("divisor", [4, 5, 16])
def test_every_bit_lasts_as_many_clocks_as_it_must(divisor):
    line, bits = sent(divisor, CONTENT), levels(CONTENT)
    first = line.index(0)
    assert line[first : first + divisor * len(bits)] == [bit for bit in bits for _ in range(divisor)]
    assert set(line[first + divisor * len(bits) :]) == {1}


@pytest.mark.parametrize("divisor", EVERY)
def test_a_host_takes_what_the_gates_send(divisor):
    line = sent(divisor, CONTENT)
    # Up to what such a host can take of any sender: its stop bit is sampled nine bits and a half after an edge.
    for off in (-2 * REQUIRED, -REQUIRED, 0, REQUIRED, 2 * REQUIRED):
        assert host_accepts(line, divisor, off), off
    for off in (-0.06, 0.07):
        assert not host_accepts(line, divisor, off), "the host of this test takes anything"


@pytest.mark.parametrize("off", [-REQUIRED, REQUIRED])
@pytest.mark.parametrize("divisor", [4, 5])
def test_the_gates_take_what_a_host_sends(divisor, off):
    assert gates_take(divisor, off)


def test_the_rates_of_all_boards_are_recorded():
    assert sorted({figure.key["clocks per bit"] for figure in record.load()["uart"]}) == EVERY


@pytest.mark.regress
@pytest.mark.parametrize("divisor", EVERY)
def test_the_rate_may_be_off_at_every_divisor(divisor):
    for way, percent in uart.tolerance(divisor).items():
        assert 100 * REQUIRED <= percent < 100 * uart.STEP * (uart.MOST_STEPS - 1), way
    assert max(lost_after_noise(divisor, seed) for seed in range(uart.SEEDS)) <= uart.AFTER // 4


def test_bytes_right_behind_noise_are_found_again():
    lost = [lost_after_noise(4, seed) for seed in range(6)]
    assert max(lost) <= uart.AFTER // 4
    assert max(lost) > 0, "no noise was in the way"


def test_a_stop_bit_that_is_a_clock_short_is_found():
    with seeded_bug(
        "sysmt.hdl.accel.uart",
        "UARTTransmitter",
        "left.eq(left - 1),\n                timer.eq(self.divisor - 1)",
        "left.eq(left - 1),\n                timer.eq(self.divisor - 2 + (left != 1))",
    ):
        line = sent(4, CONTENT)
    assert not host_accepts(line, 4, -REQUIRED)


def test_the_host_sees_framing_errors():
    assert host_takes([1] * 64 + [0] * 200, 8, 0) is None
