# SPDX-License-Identifier: Apache-2.0
"""The measurement of the golden model: its form, on a shape too small to say anything about speed."""

import json

import pytest

from bench import golden


def test_ratios_are_to_numpy():
    numpy_row, *rows = golden.measure((16, 32, 8), rounds=3)
    assert numpy_row["ratio"] == 1
    expected = [(1, "exact")] + [(t, p) for t in (2, 4) for p in golden.POLICIES]
    expected += [(2, "sparq 3opt"), (2, "sparq 7opt"), (4, "sparq 3opt")]
    assert [(row["threads"], row["policy"]) for row in rows] == expected
    for row in rows:
        assert row["ratio"] == pytest.approx(row["milliseconds"] / numpy_row["milliseconds"])


def test_command_prints_a_table_or_json(monkeypatch, capsys):
    rows = [{"threads": 2, "policy": "S+A", "milliseconds": 5.0, "ratio": 2.5}]
    monkeypatch.setattr(golden, "measure", lambda: rows)
    assert golden.main([]) == 0
    assert capsys.readouterr().out.split() == ["threads", "policy", "milliseconds", "ratio", "2", "S+A", "5", "2.5"]
    assert golden.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rows": rows}
