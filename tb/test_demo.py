# SPDX-License-Identifier: Apache-2.0
"""`sysmt demo` on small arrays and a small engine: everything it compares, and a difference that it must see."""

import json

import numpy as np
import pytest

from sysmt.cli.commands import demo
from sysmt.cli.main import main
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.nn.digits import data
from sysmt.sim.nn.model import read_model

ENGINE = "engine_sysmt2_2"
IMAGES = 40


@pytest.fixture
def demonstrate(tmp_path, monkeypatch, capsys):
    """Run the demonstration, small; returns its code and its report."""
    training, test = data.load()
    monkeypatch.setattr(demo, "ARRAYS", ("os2", "sysmt2_2"))
    monkeypatch.setattr(demo, "ENGINE", ENGINE)
    monkeypatch.setattr(data, "load", lambda: (training, test[:IMAGES]))

    def run(images=2):
        code = main(["demo", "--images", str(images), "-o", str(tmp_path), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_arrays_and_engine_agree_with_their_models(demonstrate, tmp_path):
    code, report = demonstrate()
    assert (code, report["agree"]) == (0, True)
    assert [row["layers equal"] for row in report["arrays"]] == ["4/4", "4/4"]
    engine = report["engine"]
    program = prepare(read_model("digits"), preset(ENGINE, EngineConfig))
    cycles = program_cycles(program)
    assert [layer["cycles"] for layer in engine["layers"]] == [layer["model"] for layer in engine["layers"]] == cycles
    assert {layer["equal"] for layer in engine["layers"]} == {"yes"}
    assert engine["cycles"] == sum(cycles)
    _, test = data.load()
    scores = GoldenEngine(program).run(test.pixels).reshape(IMAGES, 10)
    assert engine["accuracy"] == np.mean(scores.argmax(axis=1) == test.labels) >= 0.95
    assert engine["recognised"] == (scores[:2].argmax(axis=1) == test.labels[:2]).sum()
    assert {path.name for path in tmp_path.iterdir()} >= {"os2.v", "sysmt2_2.v", "digits.png"}


def test_a_difference_is_seen(demonstrate, monkeypatch):
    monkeypatch.setattr(demo, "ARRAYS", ("os2",))
    right = GoldenEngine.run
    monkeypatch.setattr(GoldenEngine, "run", lambda self, inputs, observe=None: right(self, inputs, observe) + 1)
    code, report = demonstrate(images=1)
    assert (code, report["agree"], report["engine"]["agree"]) == (1, False, False)
