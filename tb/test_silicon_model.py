# SPDX-License-Identifier: Apache-2.0
"""The model of silicon: its parts against the RTL, its errors on what it has not seen, its refusals."""

import json
import re

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.boards.definitions import BOARDS
from sysmt.cli.main import main
from sysmt.hdl.array.bilinear import bilinear_forms
from sysmt.hdl.params.accel import accel_config
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import engine_config
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.pe.kind import gates_of
from sysmt.sim.cost.silicon import predict, predict_all
from sysmt.sim.cost.silicon.counters import counted
from sysmt.sim.cost.silicon.predict import SiliconModel
from sysmt.sim.cost.silicon.ridge import TRUSTS, fit
from sysmt.sim.cost.silicon.samples import load, sample_of, text
from sysmt.sim.cost.silicon.trial import held_out, telling


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


def test_a_clock_beyond_the_samples_is_less_certain():
    """On an ECP5 pipelined arrays of two threads were timed: fewer stages may be slower, fewer threads are not."""
    board = BOARDS["ulx3s"]
    known, shallow, plain = predict_all(
        [board.accelerator(), board.accelerator(pipeline=0), board.accelerator(threads=1)], "ecp5"
    )
    assert shallow.mhz.low < 0.7 * known.mhz.low
    assert plain.mhz.low > 0.97 * known.mhz.low
    assert plain.mhz.high > 1.2 * known.mhz.high


def test_an_unknown_target_is_refused():
    with pytest.raises(UserError, match=r"^target must be one of sky130hd, ecp5, ice40, gowin, not 'tsmc'$"):
        predict(ArrayConfig(), "tsmc")


def test_twelve_configurations_predict_the_area_of_all_others():
    """The bar: half of the errors within 3 %, the worst within 10 %."""
    samples = load()
    own = [sample for sample in samples if sample.target == "sky130hd"]
    chosen = telling(own, 12)
    assert len(set(chosen)) == 12
    score = held_out("sky130hd", samples, chosen)["area"]
    assert score.predicted == len(own) - 12
    assert score.median <= 0.03
    assert score.worst <= 0.10


def test_flip_flops_follow_from_the_structure_alone():
    """Two samples fit, whatever the others are: the counts of bits are exact but for the counters."""
    samples = [sample for sample in load() if "femtojoules" in sample.measured]
    assert held_out("sky130hd", samples, [0, 1])["flip_flops"].median < 0.03


@pytest.mark.parametrize(
    "pe",
    [
        *(PEConfig(threads=threads, policy=policy) for threads in (2, 4) for policy in ("S", "W", "S+aW", "min")),
        PEConfig(),
        PEConfig(threads=2, policy="S+W"),
        PEConfig(threads=2, policy="Aw"),
        *(PEConfig(kind="sparq", pairs=1, window=window) for window in ("2opt", "6opt")),
        PEConfig(kind="sparq", pairs=2, window="7opt", vsparq=False),
        *(PEConfig(kind="sparq", pairs=pairs, window=window, stc=True) for pairs, window in ((1, "3opt"), (2, "5opt"))),
    ],
)
def test_what_counters_count_is_what_the_gates_count(pe):
    events = gates_of(pe).events(pe)
    same = {name: next(n for n, p in events.items() if p is events[name]) for name in events}
    forms = bilinear_forms({name: p for name, p in events.items() if same[name] == name})
    pairs = [pair for form in forms for pair in form.pairs]
    sides = [len(set(side)) for side in zip(*pairs, strict=True)]
    assert counted(pe) == (*sides, sum(len(form.terms) for form in forms))


def test_a_target_with_too_few_samples_is_refused():
    with pytest.raises(UserError, match=r"^target ecp5 needs at least 2 samples with luts, not 0$"):
        SiliconModel.of("ecp5", [])


def test_a_prior_gives_way_to_data_and_intervals_grow_where_there_are_none():
    """Three features, one of which no sample has."""
    random = np.random.default_rng(2)
    rows = np.column_stack([random.uniform(1, 9, (40, 2)), np.zeros(40)])
    true = rows @ np.array([3.0, 0.5, 7.0]) * (1 + 0.01 * random.standard_normal(40))
    prior = np.array([1.0, 1.0, 1.0])
    found = fit([rows / true[:, None]], [np.ones(40)], [(prior, prior)])
    assert found.means[0][:2] == pytest.approx([3.0, 0.5], rel=0.05)
    assert found.means[0][2] == 1.0
    assert 0.005 < found.deviation < 0.02
    known, unknown = found.scales([np.array([[0.2, 0.2, 0.0], [0.2, 0.2, 0.2]])])
    assert unknown > 10 * known


def test_what_no_sample_has_is_told_roughly():
    """An engine predicted from arrays: its gates are counted on paper, and its interval says so."""
    arrays = [sample for sample in load() if sample.target == "sky130hd" and sample.design == "array"]
    model = SiliconModel.of("sky130hd", arrays)
    found = model.predict([engine_config(preset("sysmt2_4", ArrayConfig)), preset("sysmt2_4", ArrayConfig)])["area"]
    (_, low, high), (_, least, most) = found.tolist()
    assert high > 3 * low
    assert most < 1.3 * least


def test_left_out_residuals_are_those_of_a_fit_without_the_sample():
    random = np.random.default_rng(3)
    rows, prior = random.uniform(1, 2, (6, 2)), (np.zeros(2), np.ones(2))
    targets = rows @ np.array([1.0, 2.0]) + 0.1 * random.standard_normal(6)
    found = fit([rows], [targets], [prior])
    for place in range(6):
        others = [i for i in range(6) if i != place]
        scores = []
        for trust in TRUSTS:
            matrix = rows[others].T @ rows[others] + trust * np.eye(2)
            scores.append(targets[place] - rows[place] @ np.linalg.solve(matrix, rows[others].T @ targets[others]))
        assert min(abs(score - found.left_out[place]) for score in scores) < 1e-9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sysmt2_8", "--target", "xc7"), "target must be one of sky130hd, ecp5, ice40, gowin, not 'xc7'"),
        ((), "PRESET must be given where there is no --board"),
        (("galileo",), "preset must be an array, an accelerator or an engine, not galileo: synthesise it"),
        (
            ("--board", "ulx3s", "--target", "ecp5"),
            "--target ecp5 and --board ulx3s cannot go together: leave out one of them",
        ),
        (("os2", "--engine"), "--engine and --stream are of a board: give --board too, or a preset engine_*"),
        (("--board", "ulx3s", "--stream"), "--stream is for an engine: give --engine too"),
    ],
)
def test_refusals_of_the_command(capsys, words, message):
    assert main(["estimate", *words]) == 2
    assert capsys.readouterr().err == f"sysmt estimate: error: {message}\n"


def test_the_command_shows_intervals(capsys):
    assert main(["estimate", "sysmt2_8", "--set", "policy=aW", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"]["policy"] == "aW"
    assert found["area"]["low"] < found["area"]["value"] < found["area"]["high"]
    assert main(["estimate", "sysmt2_8"]) == 0
    assert re.search(r"^um2 +\S+ +\S+ +\S+$", capsys.readouterr().out, re.MULTILINE)
