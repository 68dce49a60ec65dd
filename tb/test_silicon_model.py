# SPDX-License-Identifier: Apache-2.0
"""The model of silicon: its parts against the RTL, its errors on what it has not seen, its refusals."""

import pytest

from sysmt.base.errors import UserError
from sysmt.hdl.params.accel import accel_config
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import engine_config
from sysmt.hdl.params.presets import preset
from sysmt.sim.cost.silicon import predict, predict_all
from sysmt.sim.cost.silicon.samples import load, sample_of, text


def test_samples_survive_their_file(tmp_path):
    samples = load()
    (tmp_path / "samples.json").write_text(text(samples))
    assert load(tmp_path / "samples.json") == samples
    assert len({sample.key for sample in samples}) == len(samples)
    for sample in samples:
        assert sample_of(sample.target, sample.config, sample.measured) == sample


@pytest.mark.parametrize("config", [ArrayConfig(), accel_config(ArrayConfig()), engine_config(ArrayConfig())])
def test_a_sample_is_the_configuration_that_it_was_made_from(config):
    changed = config.with_fields(array={"threads": 2, "policy": "aW"}) if hasattr(config, "array") else config
    assert sample_of("ecp5", changed, {}).config == changed


def test_every_figure_lies_in_its_interval_and_grows_with_the_array():
    small, large = predict_all([preset("sysmt2_4", ArrayConfig), preset("sysmt2_8", ArrayConfig)], "sky130hd")
    for name in ("area", "flip_flops", "mhz", "femtojoules"):
        found = getattr(small, name)
        assert 0 < found.low < found.value < found.high < 2 * found.value
    assert 2 < large.area.value / small.area.value < 4
    assert small.luts is None
    assert small.rams is None


def test_one_is_predicted_as_among_many():
    configs = [preset(name, ArrayConfig) for name in ("os4", "sysmt4_8", "sparq_8")]
    alone, among = predict(configs[1], "sky130hd"), predict_all(configs, "sky130hd")[1]
    for name in ("area", "flip_flops", "mhz", "femtojoules"):
        assert vars(getattr(alone, name)) == pytest.approx(vars(getattr(among, name)))


def test_an_unknown_target_is_refused():
    with pytest.raises(UserError, match=r"^target must be one of sky130hd, ecp5, ice40, gowin, not 'tsmc'$"):
        predict(ArrayConfig(), "tsmc")
