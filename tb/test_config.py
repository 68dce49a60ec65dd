# SPDX-License-Identifier: Apache-2.0
"""Configuration: what is refused, and in which words."""

import re

import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.array import ArrayConfig, PEConfig, parse_field
from sysmt.hdl.params.presets import PRESETS, preset


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threads": 3}, "threads must be one of 1, 2, 4, not 3"),
        ({"threads": True}, "threads must be one of 1, 2, 4, not True"),
        ({"rows": 0}, "rows must be an integer from 1 to 256, not 0"),
        ({"cols": 257}, "cols must be an integer from 1 to 256, not 257"),
        ({"cols": 8.0}, "cols must be an integer from 1 to 256, not 8.0"),
        ({"policy": "B"}, "policy must be one of S, A, Aw, W, aW, S+A, S+Aw, S+W, S+aW, min, not 'B'"),
        ({"rounding": "up"}, "rounding must be one of nearest, truncate, not 'up'"),
        ({"acc_width": 16}, "acc_width must be an integer from 17 to 32, not 16"),
        ({"pipeline": 4}, "pipeline must be one of 0, 1, 2, 3, not 4"),
        ({"pipeline": 2}, "pipeline = 2 needs target = fpga, not target = asic"),
        ({"dsp": True}, "dsp = True needs target = fpga, not target = asic"),
        ({"drain": "fast"}, "drain must be one of overlap, in_place, not 'fast'"),
        ({"counters": 1}, "counters must be one of False, True, not 1"),
    ],
)
def test_bad_values_are_refused_by_name(fields, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ArrayConfig().with_fields(**fields)


def test_unknown_field_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"^field must be one of acc_width, .*threads, not 'row'$"):
        ArrayConfig().with_fields(row=8)


def test_fields_round_trip():
    config = ArrayConfig(rows=3, cols=5, pe=PEConfig(threads=4, policy="aW"), drain="in_place", counters=False)
    assert ArrayConfig().with_fields(**config.as_dict()) == config


@pytest.mark.parametrize("acc_width", range(17, 33))
def test_longest_reduction_is_the_longest_that_fits(acc_width):
    pe = PEConfig(acc_width=acc_width)
    low, high = -(2 ** (acc_width - 1)), 2 ** (acc_width - 1) - 1
    assert pe.k_max * 255 * -128 >= low
    assert pe.k_max * 255 * 127 <= high
    assert (pe.k_max + 1) * 255 * -128 < low
    pe.check_k(pe.k_max)
    with pytest.raises(ConfigError, match=rf"^K = {pe.k_max + 1} could overflow acc_width = {acc_width}"):
        pe.check_k(pe.k_max + 1)
    with pytest.raises(ConfigError, match=r"^K must be at least 1, not 0$"):
        pe.check_k(0)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_longest_reduction_is_whole_steps_at_any_throttle(threads):
    pe = PEConfig(threads=threads)
    for fewer in (t for t in (1, 2, 4) if t <= threads):
        assert pe.steps(pe.k_max, fewer) * fewer == pe.k_max


def test_an_accumulator_too_narrow_for_one_step_is_refused():
    with pytest.raises(ConfigError, match=r"^acc_width = 17 cannot hold one step of threads = 4: widen acc_width$"):
        PEConfig(threads=4, acc_width=17)


def test_clock_gates_are_for_cells():
    with pytest.raises(ConfigError, match=r"^clock_gating = True needs target = asic, not target = fpga$"):
        PEConfig(target="fpga", clock_gating=True)


def test_throttle_allows_fewer_threads_only():
    pe = PEConfig(threads=2)
    assert [pe.throttle(None), pe.throttle(1), pe.throttle(2)] == [2, 1, 2]
    assert [pe.steps(7), pe.steps(7, 1)] == [4, 7]
    with pytest.raises(ConfigError, match=r"^threads must be one of 1, 2, not 4$"):
        pe.throttle(4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("threads=4", ("threads", 4)), ("counters=false", ("counters", False)), ("policy=S+A", ("policy", "S+A"))],
)
def test_settings_are_parsed_by_the_field_type(text, expected):
    assert parse_field(text) == expected


@pytest.mark.parametrize("text", ["threads", "thread=2", "threads=two", "counters=1", "=3", "pe=3"])
def test_bad_settings_are_refused(text):
    with pytest.raises(ConfigError, match=r"must be"):
        parse_field(text)


def test_presets_are_named_after_what_they_are():
    assert preset("sysmt4_16") == ArrayConfig(rows=16, cols=16, pe=PEConfig(threads=4))
    assert preset("os8").pe.threads == 1
    assert len(PRESETS) == 18
    message = r"^preset must be one of os2, .*, not 'sysmt2-8' \(did you mean sysmt2_8\?\)$"
    with pytest.raises(ConfigError, match=message):
        preset("sysmt2-8")
