# SPDX-License-Identifier: Apache-2.0
"""Which models of a folder run with the reference's bits: they are counted by families, and refusals say why."""

import numpy as np
import pytest

from bench import families, record
from sysmt.base.errors import UserError
from sysmt.sim.nn.model import Model

from .int8_networks import small_content


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    at = tmp_path / "mine"
    (at / "deeper").mkdir(parents=True)
    for name in ("net_1.tflite", "deeper/net_2.tflite", "other.tflite"):
        (at / name).write_bytes(small_content())
    (at / "cut.tflite").write_bytes(small_content()[:300])
    return at


def test_models_are_counted_by_families(folder):
    found = families.measure([folder])
    assert found["sets"] == [{"set": "mine", "families": 2, "run": 2, "share": 100}]
    outcomes = {row["model"]: row["outcome"] for row in found["models"]}
    assert outcomes.pop("cut").startswith("refused by the reference: ")
    assert outcomes == dict.fromkeys(("net_1", "net_2", "other"), "equal")


def test_a_single_other_value_is_told_and_a_family_runs_whole(folder, monkeypatch):
    honest, calls = Model.run, []

    def wrong_once(model, inputs):
        found = honest(model, inputs)
        calls.append(model)
        if len(calls) == 1:
            found[0] = found[0].copy()
            found[0].flat[-1] ^= 1
        return found

    monkeypatch.setattr(Model, "run", wrong_once)
    found = families.measure([folder])
    assert sorted(row["outcome"] for row in found["models"])[:3] == ["DIFFERENT", "equal", "equal"]
    assert found["sets"] == [{"set": "mine", "families": 2, "run": 1, "share": 50}]


def test_what_is_recorded_is_in_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RECORD", tmp_path / "record.json")
    rows = {"models": [], "sets": [{"set": "models", "families": 4, "run": 3, "share": 75.0}]}
    record.save({"families": record.figures("families", rows)})
    assert families.markdown().splitlines()[2:] == ["| models | 4 | 3 | 75.0 |"]


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(UserError, match="^FOLDER must hold .tflite files, not none: "):
        families.measure([tmp_path])


@pytest.mark.parametrize(("dtype", "most"), [("int8", 127), ("uint8", 255), ("int32", 1), ("float32", None)])
def test_inputs_are_of_the_models_type(dtype, most):
    values = families._random((1, 50), dtype, 3)
    assert values.shape == (3, 1, 50)
    assert values.dtype == dtype
    assert most is None or values.max() <= most
    assert len(np.unique(values)) > 1
