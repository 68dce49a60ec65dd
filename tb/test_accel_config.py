# SPDX-License-Identifier: Apache-2.0
"""The accelerator's configuration: refusals, what is derived, and that it is what is emitted."""

import dataclasses

import pytest

from sysmt.base.errors import ConfigError
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.accel import AccelConfig, accel_config, divisor_of
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import ARRAYS, preset
from sysmt.hdl.params.registers import config_of, identity

from .accel import small


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"array": 8}, r"array must be an ArrayConfig, not 8"),
        ({"array": ArrayConfig(fuse=True)}, r"array\.fuse = True cannot be driven .*"),
        ({"depth": 100}, r"depth must be a power of two from 2 to 32768, not 100"),
        ({"slot": 48}, r"slot must be a power of two from 64 to 4096, not 48"),
        ({"slots": 1}, r"slots must be a power of two from 2 to 16, not 1"),
        ({"requantize": 1}, r"requantize must be one of False, True, not 1"),
        ({"divisor": 3}, r"divisor must be an integer from 4 to 65535, not 3"),
        ({"result_rows": 4}, r"result_rows = 4 is less than one tile of array\.rows = 8: .*"),
        ({"channels": 4}, r"channels = 4 is less than one tile of array\.cols = 8: .*"),
        ({"array": ArrayConfig(rows=64), "slot": 64}, r"slot = 64 leaves 50 bytes for data, but one step takes 64: .*"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        AccelConfig(**changes)


def test_divisors():
    assert divisor_of(12e6, 1e6) == 12
    assert divisor_of(25e6, 115200) == 217
    with pytest.raises(ConfigError, match=r"^baud = 3e\+06 cannot be made of clock_hz = 2\.5e\+07: 8 clocks .*"):
        divisor_of(25e6, 3e6)


@pytest.mark.parametrize("name", ARRAYS)
def test_every_preset_has_an_accelerator(name):
    config = accel_config(preset(name, ArrayConfig, target="fpga"))
    assert config_of(identity(config, "1.2.3")) == config
    assert all(0 <= word < 1 << 32 for word in identity(config, "1.2.3").values())
    assert config.frame_data >= config.word_bytes
    assert config.memory_bits == sum(width * depth for width, depth in config.memories.values())


def test_every_field_is_in_the_fingerprint():
    config = small()
    others = [{"depth": 16}, {"result_rows": 16}, {"slot": 128}, {"slots": 8}, {"requantize": False}, {"channels": 8}]
    others += [{"divisor": 5}, {"array": config.array.with_fields(policy="S")}]
    prints = {dataclasses.replace(config, **changes).fingerprint for changes in others} | {config.fingerprint}
    assert len(prints) == len(others) + 1


def test_emission_is_deterministic_and_has_the_pins_of_a_board():
    first, second = design_of(small(), "board"), design_of(small(), "board")
    assert first.verilog == second.verilog
    assert first.manifest == second.manifest
    assert [port["name"] for port in first.manifest["ports"]] == ["rx", "tx", "busy", "error"]
    assert first.manifest["fingerprint"] == f"{small().fingerprint:016x}"
