# SPDX-License-Identifier: Apache-2.0
"""ResNet-8 planned for the four-thread engine: which plans are made, and one line where the data is not there."""

import pytest

from bench import budget


def test_plans_are_chosen_by_name(monkeypatch):
    asked = []
    monkeypatch.setattr(budget, "measure", lambda root, plans: asked.append(list(plans)) or [])
    assert budget.main(["--json", "--plans", "3.5x"]) == 0
    assert budget.main(["--json"]) == 0
    assert asked == [["3.5x"], ["budget 1", "3.5x"]]
    assert budget.PLANS["3.5x"].speedup == 3.5
    assert budget.PLANS["budget 1"].budget == 0.01
    with pytest.raises(SystemExit):
        budget.main(["--plans", "9x"])


def test_missing_data_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SYSMT_DATA", str(tmp_path))
    assert budget.main([]) == 2
    message = "bench.budget: SYSMT_DATA must name a folder with data/models/resnet8_cifar10_int8.tflite, not "
    assert capsys.readouterr().err.startswith(message)
