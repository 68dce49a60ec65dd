# SPDX-License-Identifier: Apache-2.0
"""What adaptation leaves lost: the recorded rows as a table, and one line where the data is not there."""

import pytest

from bench import adaptation, record
from bench.record import Figure


def test_the_recorded_rows_as_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RECORD", tmp_path / "record.json")
    row = {"network": "resnet8", "PE": "4T, S+aW", "inputs": 500, "top1_exact": 0.89, "top1": 0.876, "drop": 0.014}
    row |= {"low": -0.01, "high": 0.03, "both views": 0.017, "error": 0.008, "output_error": 0.2, "speedup": 3.828}
    row["speedup of one"] = 3.746
    kept = record.figures("adaptation", {"rows": [row]})
    assert Figure({"network": "resnet8", "PE": "4T, S+aW"}, "drop", 0.014) in kept
    record.save({"adaptation": kept})
    assert adaptation.markdown().splitlines()[2] == "| 4T, S+aW | 89.0 | 87.6 | 1.4 | 1.7 | 3.83x | 3.75x |"


def test_missing_data_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SYSMT_DATA", str(tmp_path))
    assert adaptation.main([]) == 2
    message = "SYSMT_DATA must name a folder with data/models/resnet8_cifar10_int8.tflite, not "
    assert capsys.readouterr().err.startswith(f"bench.adaptation: {message}")


def test_rows_are_chosen_by_name(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(adaptation, "measure", lambda root, only: asked.append(list(only)) or [])
    assert adaptation.main(["--json", "--only", "4T, S+aW", "2T, S+aW, 1.9x"]) == 0
    assert adaptation.main(["--json"]) == 0
    assert asked == [["4T, S+aW", "2T, S+aW, 1.9x"], []]
    with pytest.raises(SystemExit):
        adaptation.main(["--only", "8T"])
    assert "invalid choice: '8T'" in capsys.readouterr().err


def test_every_run_fills_or_slows_the_same_way():
    for name, (pe, options) in adaptation.RUNS.items():
        assert options.reorder
        assert options.recalibrate
        assert pe.threads == (2 if name.startswith(("2T", "SPARQ 2opt")) else 4)
        assert (f"{options.speedup}x" in name) == (options.speedup is not None)
