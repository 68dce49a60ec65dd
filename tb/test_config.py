# SPDX-License-Identifier: Apache-2.0
"""Configuration: what is refused, and in which words."""

import json
import re

import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.cache import CacheConfig, NullCacheConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.hdl.params.presets import ARRAYS, PRESETS, preset
from sysmt.hdl.params.settings import parse_settings, with_settings


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
        ({"cluster": 3}, "cluster must be one of 1, 2, 4, not 3"),
        ({"cluster": 2, "fuse": True}, "cluster = 2 needs fuse = False: a 1-D convolution moves from PE to PE"),
        ({"counters": 1}, "counters must be one of False, True, not 1"),
    ],
)
def test_bad_values_are_refused_by_name(fields, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ArrayConfig().with_fields(**fields)


def test_unknown_field_lists_the_known_ones():
    message = r"^field must be one of acc_width, .*threads, not 'row' \(did you mean rows\?\)$"
    with pytest.raises(ConfigError, match=message):
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
    assert parse_settings(ArrayConfig(), [text]) == dict([expected])


@pytest.mark.parametrize("text", ["threads", "thread=2", "threads=two", "counters=1", "=3", "pe=3"])
def test_bad_settings_are_refused(text):
    with pytest.raises(ConfigError, match=r"must be"):
        parse_settings(ArrayConfig(), [text])


def test_settings_reach_into_nested_configurations():
    cache = with_settings(preset("tiny"), ["ways=4", "null.entries=16"])
    assert (cache.ways, cache.null.entries, cache.null.replacement) == (4, 16, "cover")
    assert with_settings(preset("tiny"), ["null=off"]).null is None
    assert with_settings(CacheConfig(null=None), ["null.approx=3"]).null == NullCacheConfig(approx=3)
    accelerator = with_settings(preset("accel_sysmt2_4"), ["array.policy=S", "depth=64"])
    assert (accelerator.array.pe.policy, accelerator.depth) == ("S", 64)
    short = ["stc=true", "kind=sparq", "depth=64"]
    assert with_settings(accelerator, short) == with_settings(
        accelerator, ["depth=64", "array.kind=sparq", "array.stc=true"]
    )


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        ("tiny", ["null=off", "null.entries=4"], "null must be on to set null.entries, not off"),
        ("tiny", ["null=on"], "null must be off, or set by its fields (null.FIELD=VALUE), not 'on'"),
        ("tiny", ["null.approx=x"], "null.approx must be an integer, not 'x'"),
        ("tcam32", ["memory=1"], "memory must be true or false, not '1'"),
        ("os2", ["rows"], "setting must be field=value with field one of acc_width, clock_gating, cluster, cols, "
         "counters, drain, dsp, fuse, kind, pipeline, policy, rounding, rows, target, threads, "
         "not 'rows' (did you mean rows=VALUE?)"),
        ("tcam32", ["with=1"], "setting must be field=value with field one of chunk, entries, latency, memory, "
         "ports, width, not 'with=1' (did you mean width?)"),
        ("os2", ["window=3opt"], "setting must be field=value with field one of acc_width, clock_gating, cluster, "
         "cols, counters, drain, dsp, fuse, kind, pipeline, policy, rounding, rows, target, threads, "
         "not 'window=3opt' (window is a field of kind sparq: set kind=sparq too)"),
        ("tcam32", ["window=3opt"], "setting must be field=value with field one of chunk, entries, latency, memory, "
         "ports, width, not 'window=3opt'"),
    ],
)  # fmt: skip
def test_refused_settings_name_field_value_and_way_out(name, texts, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        with_settings(preset(name), texts)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_written_down_and_read_again(name):
    config = preset(name)
    assert json.loads(json.dumps(config.as_dict())) == config.as_dict()
    assert type(config)().with_fields(**config.as_dict()) == config


def test_a_preset_of_another_class_is_refused():
    with pytest.raises(ConfigError, match=r"^preset must be one of galileo, tiny, not 'os8'$"):
        preset("os8", CacheConfig)
    assert preset("accel_os4", AccelConfig, depth=64).array == preset("os4", ArrayConfig, target="fpga")


def test_policies_mean_what_the_paper_says():
    """MICRO 2020, section 3: S looks at zeros, the operand named in capitals gives way, the small letter swaps."""
    assert {
        name: (rules.detects_zeros, rules.checks_width and rules.reduced_operand, rules.swaps)
        for name, rules in POLICIES.items()
    } == {
        "S": (True, False, False),
        "A": (False, "x", False),
        "Aw": (False, "x", True),
        "W": (False, "w", False),
        "aW": (False, "w", True),
        "S+A": (True, "x", False),
        "S+Aw": (True, "x", True),
        "S+W": (True, "w", False),
        "S+aW": (True, "w", True),
        "min": (False, False, False),
    }
    assert {rules.reduced_operand for rules in (POLICIES["S"], POLICIES["min"])} == {"x"}


def test_presets_are_named_after_what_they_are():
    assert preset("sysmt4_16") == ArrayConfig(rows=16, cols=16, pe=PEConfig(threads=4))
    assert preset("os8").pe.threads == 1
    assert preset("sparq2_8") == ArrayConfig(rows=8, cols=8, pe=PEConfig(kind="sparq", pairs=2))
    assert preset("sysmt2_5x8") == ArrayConfig(rows=5, cols=8, pe=PEConfig(threads=2))
    assert preset("sysmt2_3x2") == ArrayConfig(rows=3, cols=2, pe=PEConfig(threads=2))
    assert preset("os6x2") == ArrayConfig(rows=6, cols=2)
    assert len(ARRAYS) == 25
    message = r"^preset must be one of os2, .*, not 'sysmt2-8' \(did you mean sysmt2_8\?\)$"
    with pytest.raises(ConfigError, match=message):
        preset("sysmt2-8")
