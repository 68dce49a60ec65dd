# SPDX-License-Identifier: Apache-2.0
"""`sysmt report --program`: cycles beside the ideal, the timeline of the units, and bad input in one line."""

import json
import re
import sys

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.report.charts import stacked, timeline
from sysmt.report.program_page import ACTIVITIES, layers_table, program_page, waits_table
from sysmt.sim.engine.activity import Activity, Record
from sysmt.sim.engine.cycles import computing_cycles, program_cycles
from sysmt.sim.engine.file import read_program
from sysmt.sim.engine.streaming import sdram_bytes

from .test_report import Page, charts_of

PEAK = 4 * 4 * 2


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Folder with the report of the digits in all formats."""
    folder = tmp_path_factory.mktemp("program")
    program = str(folder / "digits.sysmt")
    assert main(["compile", "digits", "--preset", "engine_sysmt2_4", "-o", program]) == 0
    for ending in ("html", "md", "json"):
        assert main(["report", "--program", program, "-o", str(folder / f"report.{ending}")]) == 0
    return folder


@pytest.fixture(scope="module")
def facts(reported):
    """The report as JSON."""
    return json.loads((reported / "report.json").read_text())


def test_the_facts_are_those_of_the_cycle_model(reported, facts):
    program = read_program(reported / "digits.sysmt")
    cycles = program_cycles(program)
    assert (facts["cycles"], facts["peak"], facts["milliseconds"]) == (sum(cycles), PEAK, None)
    layers = [row for row in facts["layers"] if row["where"] == "engine"]
    assert [row["cycles"] for row in layers] == cycles
    assert [row["ideal"] * PEAK for row in layers] == [layer.macs for layer in program.layers]
    assert facts["ideal"] == sum(row["ideal"] for row in layers)
    for row in layers:
        assert list(row["activities"]) == list(Record.UNITS)
        assert {sum(counts.values()) for counts in row["activities"].values()} == {row["cycles"]}
    for lane in facts["timeline"].values():
        np.testing.assert_allclose(np.sum(list(lane.values()), axis=0), 1)
    assert facts["config"]["rows"] == "4"


def test_the_page_shows_them(reported, facts):
    content = (reported / "report.html").read_text()
    page = Page(content)
    assert (page.references, page.wrong, page.open) == ([], [], [])
    assert not re.search(r"url\(|https?:|@import", content)
    assert str(reported) not in content
    text = " ".join(page.words)
    for head, rows in (layers_table(facts), waits_table(facts)):
        assert all(word in text for line in (head, *rows) for word in line)
    charts = charts_of(content)
    assert list(charts) == [
        "What every unit does over time",
        "Cycles per layer beside the ideal",
        "What the array does per layer",
    ]
    texts, lengths = charts["Cycles per layer beside the ideal"]
    bars = [values[:-1] for values in lengths.values()]
    layers = [row for row in facts["layers"] if row["where"] == "engine"]
    scale = bars[0][0] / layers[0]["cycles"]
    assert bars[0] == pytest.approx([scale * row["cycles"] for row in layers], abs=0.02)
    assert bars[1] == pytest.approx([scale * row["ideal"] for row in layers], abs=0.02)
    assert set(Record.UNITS) <= set(charts["What every unit does over time"][0])


def test_every_activity_has_a_name_and_a_colour():
    assert list(ACTIVITIES) == [activity.name.lower() for activity in Activity]
    assert len(set(ACTIVITIES.values())) == len(dict(ACTIVITIES.values())) == len(Activity)


def test_shares_of_cycles_add_up(facts):
    _, rows = waits_table(facts)
    for column in zip(*(row[1:] for row in rows), strict=True):
        assert sum(float(text.rstrip(" %")) for text in column if text != "-") == pytest.approx(100, abs=0.5)


def test_lanes_are_filled_by_their_shares():
    lanes = {"one": {"a": [1.0, 0.25], "b": [0.0, 0.75]}, "two": {"a": [0.5, 0.5], "b": [0.5, 0.5]}}
    chart = timeline("lanes", lanes, {"a": "#111111", "b": "#222222", "c": "#333333"}, 100, [(0, "1"), (50, "2")])
    assert {"one", "two", "a", "b", "1", "2"} <= set(charts_of(chart)["lanes"][0])
    assert "#333333" not in chart, "what nobody does is not in the legend"
    heights = {}
    for path, colour in re.findall(r'd="([^"]*)" style="fill: (#[12]+)"', chart):
        ys = [float(y) for y in re.findall(r"[ML] \S+ (\S+)", path)]
        heights.setdefault(colour, []).append(round(max(ys) - min(ys), 3))
    whole = heights["#111111"][0]
    assert heights["#222222"][0] == pytest.approx(0.75 * whole, abs=0.01)
    assert heights["#111111"][1] == heights["#222222"][1] == pytest.approx(0.5 * whole, abs=0.01)
    assert chart == timeline("lanes", lanes, {"a": "#111111", "b": "#222222"}, 100, [(0, "1"), (50, "2")])


def test_a_share_is_shown_where_there_is_room_for_it():
    rows = [("x", {"a": 10.0, "b": 90.0}, "100")]
    assert {"10 %", "90 %"} <= set(charts_of(stacked("short", rows, ["a", "b"]))["short"][0])
    rows = [("a name of twenty five chars", *rows[0][1:])]
    texts = charts_of(stacked("long", rows, ["a", "b"]))["long"][0]
    assert "90 %" in texts
    assert "10 %" not in texts


def test_names_are_shown_as_they_are(facts):
    content = program_page(facts | {"name": "<b>&x"})
    assert "<h1>&lt;b&gt;&amp;x on the engine</h1>" in content
    assert content == program_page(facts | {"name": "<b>&x"})


def test_markdown_holds_the_same_tables(reported, facts):
    text = (reported / "report.md").read_text()
    for _, rows in (layers_table(facts), waits_table(facts)):
        assert all(f"| {' | '.join(row)} |" in text for row in rows)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_the_extra_that_brings_what_the_page_needs_is_named(package, facts, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"^{package} is missing: pip install 'sysmt\[silicon\]'$"):
        program_page(facts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "r.pdf"), "output must end in .html, .md, .json, not 'r.pdf'"),
        (("-o", "r.md", "os8"), "--program must come without presets"),
        (("-o", "r.md", "--target", "generic"), "--program must come without --target"),
        (("-o", "r.md", "--set", "rows=2"), "--program must come without --set"),
        (("-o", "r.md", "--clock", "5"), "--program must come without --clock"),
    ],
)
def test_bad_input_is_one_line(reported, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "--program", str(reported / "digits.sysmt"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert main(["report", "--program", "none.sysmt", "-o", "r.md"]) == 2
    assert "program must be a readable file" in capsys.readouterr().err


def test_weights_from_an_sdram_are_in_the_table(tmp_path):
    """Of a memory so small that layers wait."""
    path, report = str(tmp_path / "digits.sysmt"), tmp_path / "report.json"
    words = ("--preset", "engine_sysmt2_8", "--stream", "--set", "weight_words=160", "-o", path)
    assert main(["compile", "digits", *words]) == 0
    assert main(["report", "--program", path, "-o", str(report)]) == 0
    program = read_program(path)
    head, rows = layers_table(json.loads(report.read_text()))
    assert head[-2:] == ["bytes from SDRAM", "cycles waiting for them"]
    on_engine = [row for row in rows if row[2] == "engine"]
    assert [row[-2] for row in on_engine] == [f"{read:,}" for read in sdram_bytes(program)]
    waits = [taken - least for taken, least in zip(program_cycles(program), computing_cycles(program), strict=True)]
    assert [row[-1] for row in on_engine] == [f"{cycles:,}" for cycles in waits]
    assert any(waits)
