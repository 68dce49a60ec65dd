# SPDX-License-Identifier: Apache-2.0
"""The recorded run: figures are compared by declared keys, so that a worse one is never taken for a new one."""

import pytest

from bench import figures, record
from bench.nullcache import verdict
from bench.record import Figure


def states(name, now, before):
    return {row["figure"]: row["is"] for row in record.compared(name, now, before)}


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A record of its own."""
    monkeypatch.setattr(record, "RECORD", tmp_path / "record.json")


def test_a_run_is_compared_with_the_recorded_one(empty):
    rows = [{"array": "os8", "with": "-", "um2": 100, "PE um2": 7, "ratio": 1.0}]
    record.save({"area": record.figures("area", {"rows": rows})})
    golden = [Figure({"threads": 2, "policy": "S+A"}, "ratio", 3.0)]
    record.save({"golden": golden})
    before = record.load()
    key = {"array": "os8", "with": "-"}
    assert before == {"area": [Figure(key, "um2", 100.0), Figure(key, "ratio", 1.0)], "golden": golden}
    now = record.figures("area", {"rows": [rows[0] | {"um2": 110, "ratio": 0.9}, rows[0] | {"array": "os16"}]})
    assert states("area", now, before["area"]) == {
        "os8 -: um2": "WORSE",
        "os8 -: ratio": "better",
        "os16 -: um2": "new",
        "os16 -: ratio": "new",
    }
    noisy = [Figure(golden[0].key, "ratio", 3.5)]
    assert states("golden", noisy, before["golden"]) == {"2 S+A: ratio": "same"}


def test_what_was_measured_is_no_part_of_a_key():
    """A worse figure changes the sentence beside it as well; it is worse, not new."""
    row = {"network": "lenet5", "loops": "im2col", "zero lines of x %": 3.6, "misses %": 9.0}
    row |= {"misses saved %": 6.0, "time saved %": 5.5, "double: misses %": 1.0}
    now = row | {"misses saved %": 1.0, "time saved %": -0.7}
    assert verdict(row) != verdict(now)
    before, after = (record.figures("nullcache", {"networks": [r | {"verdict": verdict(r)}]}) for r in (row, now))
    assert states("nullcache", after, before) == {
        "lenet5 im2col: misses saved %": "WORSE",
        "lenet5 im2col: time saved %": "WORSE",
    }


@pytest.mark.parametrize(
    ("figure", "state"),
    [
        ("clock, 2T / 1T", "better"),
        ("throughput per area, 2T / 1T", "better"),
        ("area, clock gates / none", "WORSE"),
        ("area, 2T / 1T", "WORSE"),
    ],
)
def test_of_some_ratios_more_is_better(figure, state):
    key = {"figure": figure, "array": "sysmt2_16", "on": "generic"}
    assert set(states("silicon", [Figure(key, "ours", 1.0)], [Figure(key, "ours", 0.9)]).values()) == {state}


def test_a_claimed_figure_without_a_declared_key_is_refused():
    with pytest.raises(
        ValueError, match=r"^a row of area must have the columns of one of \(\('array', 'with'\),\), not "
    ):
        record.figures("area", {"rows": [{"array": "os8", "um2": 1.0}]})
    with pytest.raises(ValueError, match=r"^rows of merging must differ in their keys, not share \{'array': 'os16'\}$"):
        record.figures("merging", {"rows": [{"array": "os16", "faster": 1.0}] * 2})


def test_every_recorded_figure_has_a_declared_key_and_claim():
    recorded = record.load()
    assert len(recorded) >= 10
    for name, numbers in recorded.items():
        measurement = record.MEASUREMENTS[name]
        for figure in numbers:
            assert tuple(figure.key) in measurement.keys, (name, figure)
            assert figure.column in measurement.claims, (name, figure)
            assert set(states(name, [figure], numbers).values()) == {"same"}


def test_saving_what_was_loaded_changes_nothing(tmp_path, monkeypatch):
    text = record.RECORD.read_text()
    recorded = record.load()
    monkeypatch.setattr(record, "RECORD", tmp_path / "record.json")
    record.save(recorded)
    assert record.RECORD.read_text() == text


def test_silicon_is_not_written_from_estimates_where_it_was_measured(monkeypatch, capsys):
    page = figures.PAGE.read_text()
    monkeypatch.setattr(figures.sta, "available", lambda: False)
    assert figures.main(["silicon"]) == 2
    assert "OpenSTA, which is missing" in capsys.readouterr().err
    assert figures.PAGE.read_text() == page
